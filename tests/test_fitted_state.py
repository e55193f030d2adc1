"""The file of a fitted state: the same bytes every time; a hostile or damaged one is refused."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from stores.fitted_state import StateFile, WrongState, read_state, write_state
from stores.location import locate
from stores.parsing import WrongRecord
from stores.paths import sha256_of
from stores.pointer import WrongSnapshot
from stores.snapshot import load_snapshot
from stores.verify import verify
from tests.support.fitted_made import fit, make
from tests.support.stores_made import commit, tables_in

CLIPS = (("made/ä", "0" * 64), ("made/b", "1" * 64))
CONTENT = StateFile(
    "z", "ab" * 16, "quarters", 0, CLIPS, {"mean": np.arange(3.0), "flag": np.array(True)}
)


def test_a_state_comes_back_as_it_was_written_and_h5py_alone_reads_it(tmp_path: Path) -> None:
    state = {
        "mean": np.arange(6.0).reshape(2, 3),
        "layer1.0.weight": np.ones((2, 1, 3), np.float32),
        "columns": np.array([3, 1]),
        "flag": np.array(True),
        "none": np.empty((0, 4), np.float16),
        "big": np.arange(3, dtype=">i4"),
        "number": np.float64(2.5),
    }
    write_state(locate(tmp_path), "fitted/a.h5", replace(CONTENT, state=state))
    found = read_state(locate(tmp_path), "fitted/a.h5")
    assert replace(found, state={}) == replace(CONTENT, state={})
    for name, array in state.items():
        np.testing.assert_array_equal(found.state[name], array)
        assert found.state[name].shape == np.shape(array)
    with h5py.File(tmp_path / "fitted/a.h5") as file:
        assert file.attrs["scheme"] == "quarters"
        assert file["state.columns"][()].tolist() == [3, 1]
        assert file["clip_id"].asstr()[0] == "made/ä"
    write_state(
        locate(tmp_path), "fitted/b.h5", replace(CONTENT, state=dict(reversed(state.items())))
    )
    assert (tmp_path / "fitted/a.h5").read_bytes() == (tmp_path / "fitted/b.h5").read_bytes()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([1.0, np.nan]), "infinite or not a number"),
        (np.array(["text"]), "expected an array of bool, integer or float"),
        ([1.0, 2.0], "is list"),
    ],
)
def test_what_is_no_plain_number_is_not_written(tmp_path: Path, array: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_state(locate(tmp_path), "fitted/a.h5", replace(CONTENT, state={"mean": array}))
    with pytest.raises(ValueError, match="other letters"):
        write_state(
            locate(tmp_path), "fitted/a.h5", replace(CONTENT, state={"../mean": np.ones(1)})
        )
    assert not (tmp_path / "fitted/a.h5").exists()


def _replace(name: str, **how: Any) -> Any:
    def change(file: Any) -> None:
        del file[name]
        file.create_dataset(name, **how)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_replace("state.mean", data=np.ones(300), chunks=(10,)), "chunked"),
        (_replace("state.mean", data=np.ones(3, ">f8")), "expected plain numbers"),
        (
            _replace("state.mean", data=[b"a", b"b"], dtype=h5py.string_dtype()),
            "expected plain numbers",
        ),
        (_replace("clip_id", data=np.ones(2)), "expected a list of texts"),
        (lambda file: file.__delitem__("clip_sha256"), "it has the datasets"),
        (lambda file: file.create_dataset("other", data=1), "it has the datasets"),
        (lambda file: file.create_group("state.group"), "not a dataset"),
        (
            lambda file: file.__setitem__("state.away", h5py.ExternalLink("/etc/passwd", "x")),
            "a link to elsewhere",
        ),
        (lambda file: file.attrs.__setitem__("format_version", 9), "format_version is 9"),
        (lambda file: file.attrs.__setitem__("fold", "zero"), "which feature, scheme and fold"),
        (lambda file: file.attrs.__setitem__("training_sha256", "0" * 64), "but lists others"),
        (_replace("clip_id", data=np.array([b"\xff\xfe", b"b"])), "does not list its clips"),
    ],
)
@pytest.mark.usefixtures("processes")
def test_a_hostile_state_is_refused_in_one_sentence(
    tmp_path: Path, change: Any, message: str
) -> None:
    write_state(locate(tmp_path), "fitted/a.h5", CONTENT)
    _edit(tmp_path / "fitted/a.h5", change)
    with pytest.raises(WrongState, match=message) as caught:
        read_state(locate(tmp_path), "fitted/a.h5")
    assert "\n" not in str(caught.value)


def test_a_state_outside_the_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongRecord):
        read_state(locate(tmp_path), "../a.h5")


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fitted") / "store"
    make(root)
    fit(root)
    return root


@pytest.fixture
def store(fitted: Path, tmp_path: Path) -> Path:
    """A copy that the test may change."""
    return Path(shutil.copytree(fitted, tmp_path / "store"))


def _edit(path: Path, change: Any) -> None:
    with h5py.File(path, "r+") as file:
        change(file)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda path: path.write_bytes(path.read_bytes()[:-40]),
            "bytes, but the snapshot recorded",
        ),
        (lambda path: path.unlink(), "is missing"),
        (
            lambda path: _edit(path, lambda file: file["state.mean"].write_direct(np.ones(6))),
            "sha256",
        ),
    ],
    ids=["cut", "gone", "changed"],
)
def test_damage_to_a_state_is_named_by_verify(store: Path, damage: Any, message: str) -> None:
    path = store / load_snapshot(locate(store)).fitted["z"].states[0].file
    damage(path)
    problems = verify(store).problems
    assert problems
    assert any(path.name in problem for problem in problems)
    assert all("\n" not in problem for problem in problems)
    assert re.search(message, " ".join(problems))


@pytest.mark.usefixtures("processes")
def test_a_state_of_another_fold_is_named_by_verify_whatever_was_recorded(store: Path) -> None:
    snapshot = load_snapshot(locate(store))
    first, *others = snapshot.fitted["z"].states
    path = store / first.file
    _edit(path, lambda file: file.attrs.__setitem__("fold", 9))
    wrong = replace(first, bytes=path.stat().st_size, sha256=sha256_of(path))
    fitted = {"z": replace(snapshot.fitted["z"], states=(wrong, *others))}
    tables = tables_in(store, snapshot)
    commit(store, snapshot.features, tables, fitted={**snapshot.fitted, **fitted})
    assert "holds z of fold 9" in " ".join(verify(store).problems)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda entry: entry.update(transform="exec"), "the transform of 'z' is 'exec'"),
        (lambda entry: entry.update(inputs={"input": "even"}), "in a circle"),
        (lambda entry: entry.update(inputs={"input": "gone"}), r"needs \['gone'\]"),
        (
            lambda entry: entry.update(states=entry["states"][::-1]),
            "not one for each fold, in order",
        ),
        (lambda entry: entry["states"][0].update(file="../a.h5"), "not a path below"),
        (lambda entry: entry["states"][0].update(shape=["6"]), r"shape\[0\] is str"),
        (lambda entry: entry["spec"].update(name="logmel"), "says 'logmel'"),
    ],
)
def test_a_malformed_record_of_a_state_is_one_sentence(
    store: Path, change: Any, message: str
) -> None:
    path = store / "snapshots" / f"{load_snapshot(locate(store)).number:06d}.json"
    value = json.loads(path.read_text())
    change(value["fitted"]["z"])
    path.write_text(json.dumps(value))
    with pytest.raises(WrongSnapshot, match=message):
        load_snapshot(locate(store))
