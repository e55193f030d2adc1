"""Verify: a sound store has no problem; every kind of damage is named, and none ends the check."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from manifests.features import INDEX, State
from manifests.labels import LABELS, Label
from manifests.quarantine import QUARANTINE
from stores.location import locate
from stores.paths import sha256_of
from stores.pointer import NotCommitted
from stores.records import StoredFeature
from stores.snapshot import Snapshot, load_snapshot
from stores.verify import _in_words, verify
from tests.support.stores_made import (
    CROPS,
    SPEC,
    commit,
    make_store,
    shard_at,
    tables_in,
    tracks_for,
    write,
)

NO_SENTENCE = re.compile(r"\[Errno|\w+\(\w+=|'|\bNone\b")
"""A number of the system, or what Python writes for a value."""


def test_a_sound_store_has_no_problem_and_its_sum_is_right(tmp_path: Path) -> None:
    snapshot = make_store(tmp_path)
    files: list[str] = []
    report = verify(tmp_path, files.append)
    assert report.problems == []
    assert (report.clips, report.features, report.stored, report.quarantined) == (7, 3, 20, 1)
    assert report.files == len(files) == 15
    assert report.bytes == sum((tmp_path / file).stat().st_size for file in files)
    assert "20 stored + 0 absent + 1 quarantined: whole" in report.summary
    assert snapshot.tables["clips"].file in files


def test_an_empty_store_has_no_problem(tmp_path: Path) -> None:
    make_store(tmp_path, 0, ())
    assert verify(tmp_path).problems == []


def test_spare_files_are_counted_and_no_error(tmp_path: Path) -> None:
    make_store(tmp_path)
    write(tmp_path, "shards/mfcc/00000000/spare.h5", SPEC, {})
    (tmp_path / "shards" / ".a.h5.12-01234567.tmp").touch()
    report = verify(tmp_path)
    assert (report.unreferenced, report.unfinished, report.problems) == (1, 1, [])


def test_shards_of_older_snapshots_are_not_spare(tmp_path: Path) -> None:
    first = make_store(tmp_path)
    tables = tables_in(tmp_path, first)
    kept = [row for row in INDEX.rows(tables["index"]) if row.feature == "mfcc"]
    commit(
        tmp_path,
        {"mfcc": first.features["mfcc"]},
        {**tables, "index": INDEX.build(kept), "quarantine": QUARANTINE.build([])},
    )
    report = verify(tmp_path)
    assert (report.snapshots, report.unreferenced, report.problems) == (2, 0, [])


def test_without_a_store_there_is_nothing_to_verify(tmp_path: Path) -> None:
    with pytest.raises(NotCommitted):
        verify(tmp_path)


def _shard(root: Path, snapshot: Snapshot, feature: str = "mfcc", number: int = 0) -> Path:
    return root / snapshot.features[feature].shards[number].file


def _flip_a_byte(root: Path, snapshot: Snapshot) -> None:
    path = _shard(root, snapshot)
    data = bytearray(path.read_bytes())
    data[
        shard_at(root, snapshot.features["mfcc"].shards[0].file).layout.arrays["values"].offset
    ] ^= 1
    path.write_bytes(data)


def _cut(root: Path, snapshot: Snapshot) -> None:
    path = _shard(root, snapshot)
    path.write_bytes(path.read_bytes()[:-1])


def _hdf5(
    name: str, change: Callable[[h5py.Dataset], None], feature: str = "mfcc"
) -> Callable[[Path, Snapshot], None]:
    """A shard that holds something wrong, and whose hash was recorded so."""

    def damage(root: Path, snapshot: Snapshot) -> None:
        stored = snapshot.features[feature]
        first, *others = stored.shards
        with h5py.File(root / first.file, "r+") as file:
            change(file[name])
        wrong = replace(first, sha256=sha256_of(root / first.file))
        features = {**snapshot.features, feature: replace(stored, shards=(wrong, *others))}
        commit(root, features, tables_in(root, snapshot))

    return damage


def _set(at: int | slice, value: object) -> Callable[[h5py.Dataset], None]:
    def change(dataset: h5py.Dataset) -> None:
        dataset[at] = value

    return change


def _remove(kind: str) -> Callable[[Path, Snapshot], None]:
    def damage(root: Path, snapshot: Snapshot) -> None:
        (_shard(root, snapshot) if kind == "shard" else root / snapshot.tables[kind].file).unlink()

    return damage


def _other_feature(root: Path, snapshot: Snapshot) -> None:
    _shard(root, snapshot).write_bytes(_shard(root, snapshot, "logmel").read_bytes())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_flip_a_byte, "it was changed afterwards"),
        (_cut, "bytes, but the snapshot recorded"),
        (_remove("shard"), "is missing"),
        (_remove("clips"), "is missing"),
        (_other_feature, "it was changed afterwards"),
        (_hdf5("values", _set(0, np.inf)), "1 valid rows that are not finite"),
        (_hdf5("seconds", _set(0, np.nan)), "seconds are not finite"),
        (
            _hdf5("valid", _set(0, False)),
            "3 rows from row 0, 2 of them valid, and no notes, the shard",
        ),
        (_hdf5("offsets", _set(1, 2)), "the shard itself 2 rows from row 0"),
        (_hdf5("offsets", _set(1, 90)), "offsets of "),
        (_hdf5("row_offsets", _set(1, -5), "crops"), "row_offsets of "),
        (_hdf5("clip_id", _set(1, b"made/00")), "holds a clip twice"),
        (_hdf5("clip_id", _set(1, b"made/9")), "does not hold the clip"),
        (_hdf5("clip_id", _set(1, b"made/\xff")), "is not UTF-8"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_damage_is_named(
    tmp_path: Path, damage: Callable[[Path, Snapshot], None], message: str
) -> None:
    damage(tmp_path, make_store(tmp_path))
    report = verify(tmp_path)
    assert any(message in problem for problem in report.problems), report.problems
    assert all("\n" not in problem for problem in report.problems)
    assert not [problem for problem in report.problems if NO_SENTENCE.search(problem)]
    assert " problem" in report.summary


def test_a_shard_that_is_not_as_recorded_is_said_in_words(tmp_path: Path) -> None:
    first = make_store(tmp_path)
    feature = first.features["mfcc"]
    records = (replace(feature.shards[0], clips=999, sizes=None), *feature.shards[1:])
    features = {**first.features, "mfcc": replace(feature, shards=records)}
    commit(tmp_path, features, tables_in(tmp_path, first))
    found = [one for one in verify(tmp_path).problems if "but the snapshot recorded" in one]
    assert re.search(
        r"has \d+ clips and \d+ rows, but the snapshot recorded 999 clips and", found[0]
    )
    assert not NO_SENTENCE.search(found[0])


def test_what_the_system_refuses_is_said_without_its_number(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError) as refused:
        tmp_path.open()
    words = _in_words(refused.value)
    assert words.startswith(f"{tmp_path} cannot be read (Is a directory); look at its permissions")
    assert not NO_SENTENCE.search(words)


def test_an_unreadable_snapshot_in_the_chain_is_named(tmp_path: Path) -> None:
    first = make_store(tmp_path)
    commit(tmp_path, first.features, tables_in(tmp_path, first), recipe={})
    path = tmp_path / "snapshots" / "000001.json"
    path.write_text("{")
    assert "is not JSON" in verify(tmp_path).problems[0]
    path.unlink()
    assert "000001.json is missing" in verify(tmp_path).problems[0]


# A commit believes its caller's tables; verify does not.
UNSTORED = {
    "state": State.QUARANTINED,
    "shard": None,
    "start": None,
    "rows": None,
    "valid_rows": None,
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda rows: rows[1:],
            "1 clips are neither stored nor absent nor quarantined for crops, such as made/00",
        ),
        (
            lambda rows: [*rows, replace(rows[0], clip_id="made/99")],
            "1 clips of crops in the index are not in the table of clips",
        ),
        (
            lambda rows: [*rows, replace(rows[0], feature="other")],
            "a feature that the snapshot does not list",
        ),
        (lambda rows: [replace(rows[0], fingerprint="00"), *rows[1:]], "has fingerprint 00"),
        (
            lambda rows: [replace(rows[0], start=1), *rows[1:]],
            "says 3 rows from row 1, 2 of them valid",
        ),
        (
            lambda rows: [replace(rows[0], notes="odd"), *rows[1:]],
            "and the notes odd, the shard itself",
        ),
        (
            lambda rows: [replace(rows[0], state="lost"), *rows[1:]],
            "the column state of index holds lost, expected one of",
        ),
        (
            lambda rows: [replace(rows[0], state=State.QUARANTINED), *rows[1:]],
            "is quarantined and yet names a place",
        ),
        (lambda rows: [replace(rows[0], **UNSTORED), *rows[1:]], "no row of quarantine says why"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_index_that_does_not_fit_is_named(
    tmp_path: Path, change: Callable[[list[object]], list[object]], message: str
) -> None:
    first = make_store(tmp_path)
    tables = tables_in(tmp_path, first)
    rows = change(INDEX.rows(tables["index"]))  # type: ignore[arg-type]
    commit(tmp_path, first.features, {**tables, "index": INDEX.build(rows)})  # type: ignore[arg-type]
    report = verify(tmp_path)
    assert any(message in problem for problem in report.problems), report.problems


def test_a_reason_without_a_clip_and_a_label_without_a_clip_are_named(tmp_path: Path) -> None:
    first = make_store(tmp_path)
    tables = tables_in(tmp_path, first)
    extra = replace(QUARANTINE.rows(tables["quarantine"])[0], clip_id="made/00")
    quarantine = QUARANTINE.build([*QUARANTINE.rows(tables["quarantine"]), extra])
    labels = LABELS.build([Label("made/99", "made3", "intended", "sad")])
    commit(tmp_path, first.features, {**tables, "quarantine": quarantine, "labels": labels})
    first_problem, second = sorted(verify(tmp_path).problems)
    assert "1 clips in the table of labels are not in the table of clips" in first_problem
    assert "crops of made/00 has a row in quarantine" in second


def test_a_clip_that_moved_to_a_new_shard_is_no_problem(tmp_path: Path) -> None:
    """Changed bytes of a clip: its rows in the old shard are no longer the index's."""
    first = make_store(tmp_path, 3, (SPEC,))
    tables = tables_in(tmp_path, first)
    again = write(
        tmp_path, "shards/mfcc/again.h5", SPEC, {"made/01": tracks_for(SPEC, 3)["made/02"]}
    ).record  # type: ignore[dict-item]
    rows = [
        replace(row, shard=again.file, start=0, rows=again.rows, valid_rows=4, notes="")
        if row.clip_id == "made/01"
        else row
        for row in INDEX.rows(tables["index"])
    ]
    feature = StoredFeature(SPEC, (*first.features["mfcc"].shards, again))
    commit(tmp_path, {"mfcc": feature}, {**tables, "index": INDEX.build(rows)})
    assert load_snapshot(locate(tmp_path)).counts["shards"] == 2
    assert verify(tmp_path).problems == []


def test_a_crop_without_an_image_is_no_damage(tmp_path: Path) -> None:
    make_store(tmp_path, 3, (CROPS,))
    assert verify(tmp_path).problems == []


def test_a_file_that_an_older_snapshot_alone_lists_is_checked(tmp_path: Path) -> None:
    first = make_store(tmp_path)
    tables = tables_in(tmp_path, first)
    kept = [row for row in INDEX.rows(tables["index"]) if row.feature == "mfcc"]
    gone = {"index": INDEX.build(kept), "quarantine": QUARANTINE.build([])}
    commit(tmp_path, {"mfcc": first.features["mfcc"]}, {**tables, **gone})
    assert verify(tmp_path).problems == []
    shard = tmp_path / first.features["logmel"].shards[0].file
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    (tmp_path / first.tables["index"].file).unlink()
    one, two = sorted(verify(tmp_path).problems)
    assert shard.name in one
    assert f"{first.tables['index'].file} is missing" in two


def test_a_pointer_that_no_commit_wrote_is_named(tmp_path: Path) -> None:
    first = make_store(tmp_path)
    commit(tmp_path, first.features, tables_in(tmp_path, first), recipe={})
    path = tmp_path / "dataset.json"
    written = path.read_text()
    for changed in (written + "\n", written.replace("000001.json", "000000.json")):
        path.write_text(changed)
        (problem,) = verify(tmp_path).problems
        assert problem.startswith(f"{path} is not what a commit has written")
    path.write_text(written)
    assert verify(tmp_path).problems == []


def test_an_older_snapshot_that_was_changed_is_named(tmp_path: Path) -> None:
    first = make_store(tmp_path)
    commit(tmp_path, first.features, tables_in(tmp_path, first), recipe={})
    path = tmp_path / "snapshots" / "000001.json"
    path.write_text(path.read_text().replace('"numpy": "2"', '"numpy": "3"'))
    (problem,) = verify(tmp_path).problems
    assert problem.startswith(f"{path} has sha256")
