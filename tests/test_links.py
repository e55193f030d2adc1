"""Nothing of a store lies elsewhere: a link anywhere in it is refused, by readers and writers."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.building.run import run_build
from flows.errors import sentence
from flows.splitting.run import run_split
from stores import FeatureStore
from stores.parsing import WrongRecord
from stores.paths import WrongPlace, inside, open_plain
from stores.pointer import WrongSnapshot
from stores.verify import verify
from tests.support.commands import QUICK
from tests.support.fitted_made import fit, make
from tests.support.store_files import contents, linked


@pytest.fixture
def store(tmp_path: Path) -> Path:
    make(tmp_path / "store")
    return tmp_path / "store"


def link_away(root: Path, name: str) -> Path:
    """Puts a link where a file or folder of a store was, or would be; gives what it points to."""
    target = root.with_name("elsewhere")
    if (root / name).exists():
        (root / name).rename(target)
    elif Path(name).suffix or name == ".lock":
        target.write_bytes(b"of somebody else")
    else:
        target.mkdir()
    (root / name).symlink_to(target)
    return target


def state_of(path: Path) -> object:
    """What a file, or all files of a folder, hold."""
    if path.is_file():
        return path.read_bytes()
    return {file.relative_to(path): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def split(root: Path) -> object:
    return run_split(root, "subject_kfold", folds=4)


WRITERS: dict[str, Callable[[Path], object]] = {"split": split, "fit": fit}
PLACES = ("dataset.json", "snapshots", "tables", ".lock")


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("name", [*PLACES, "shards", "fitted", ".pieces", ".seen.parquet"])
def test_a_writer_refuses_a_link_and_writes_nothing_through_it(
    store: Path, writer: str, name: str
) -> None:
    target = link_away(store, name)
    before = state_of(target), contents(store)
    with pytest.raises((WrongPlace, WrongSnapshot), match="is a link") as caught:
        WRITERS[writer](store)
    assert (state_of(target), contents(store)) == before
    message = sentence(caught.value)
    assert message is not None
    assert name in message
    assert "\n" not in message


@pytest.mark.parametrize("name", [*PLACES, "shards", ".pieces", ".seen.parquet"])
def test_a_build_refuses_a_link_and_writes_nothing_through_it(
    built: Path, sample: Path, tmp_path: Path, name: str
) -> None:
    root = linked(built, tmp_path / "store")
    target = link_away(root, name)
    before = state_of(target)
    changed = (*QUICK, "features.mfcc.n_mfcc=7")
    with pytest.raises((WrongPlace, WrongSnapshot), match="is a link"):
        run_build(root, {"sample": sample}, "demo", changed, workers=1)
    assert state_of(target) == before


@pytest.mark.parametrize("name", ["dataset.json", "snapshots", "tables", "shards", "shards/mfcc"])
@pytest.mark.parametrize("inward", [False, True], ids=["outward", "inward"])
def test_a_reader_refuses_a_link(store: Path, name: str, inward: bool) -> None:
    if inward:
        (store / name).rename(store / "kept")
        (store / name).symlink_to(store / "kept")
    else:
        link_away(store, name)
    with pytest.raises((WrongPlace, WrongSnapshot), match=f"{name} is a link"):
        FeatureStore(store)["mfcc"]["made/00"]
    try:
        problems = " ".join(verify(store).problems)
    except (WrongPlace, WrongSnapshot) as error:
        problems = str(error)
    assert f"{name} is a link" in problems


def test_a_store_may_be_reached_by_a_link(store: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(store)
    assert len(FeatureStore(tmp_path / "link")["mfcc"]["made/00"]) > 0
    assert verify(tmp_path / "link").problems == []
    assert split(tmp_path / "link")


def test_verify_names_links_and_pipes_that_no_snapshot_lists(store: Path) -> None:
    (store / "shards" / "spare").symlink_to("/etc")
    os.mkfifo(store / "notes")
    one, two = sorted(verify(store).problems)
    assert one.startswith(f"{store}/notes is a FIFO, expected a plain file")
    assert two.startswith(f"{store}/shards/spare is a link")


def test_a_lock_that_is_no_file_is_one_sentence(store: Path) -> None:
    (store / ".lock").unlink(missing_ok=True)
    os.mkfifo(store / ".lock")
    with pytest.raises(WrongPlace, match=r"\.lock is a FIFO, expected a plain file"):
        split(store)


def test_a_file_where_a_folder_should_be_is_one_sentence(store: Path) -> None:
    (store / "tables").rename(store / "kept")
    (store / "tables").write_bytes(b"")
    with pytest.raises(WrongPlace, match="tables is a file, expected a folder"):
        FeatureStore(store).clips()


@pytest.mark.parametrize("file", ["a" * 300, "shards/" + "b" * 256 + ".h5", "\ud800.h5"])
def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path, file: str) -> None:
    (tmp_path / "shards").mkdir()
    with pytest.raises(WrongRecord, match="not a path below"):
        inside(tmp_path, file)


def test_only_a_plain_file_is_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    with open_plain(tmp_path / "file") as file:
        assert file.read() == b"x"
    for path, kind in (
        ("link", "link"),
        ("pipe", "FIFO"),
        (".", "folder"),
        ("/dev/zero", "device"),
    ):
        with pytest.raises(WrongPlace, match=f"is a {kind}"):
            open_plain(tmp_path / path)
    with pytest.raises(FileNotFoundError):
        open_plain(tmp_path / "none")
