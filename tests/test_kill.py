"""Whoever is killed, and wherever the power is cut: a store is the old one or the new one, whole,
and the next run ends with the bytes of an undisturbed one."""

import random
from pathlib import Path

import pytest

from tests.kill.disk import CUTS, Call, Disk
from tests.kill.tamper import TAMPERS
from tests.kill.whole import Judge, difference, read_files, wrong_copies
from tests.support.commands import Python
from tests.support.stores_made import SPEC, commit, make_store, tables_in


def play(python: Python, *options: object, check: bool = True) -> list[int]:
    """Kills, lost, differing, left, cuts and torn."""
    said = python("-m", "tests.kill", *options, check=check, timeout_s=3600).stdout
    (total,) = (line for line in said.splitlines() if line.startswith("all "))
    return [*map(int, total.split()[1:])]


def test_12_kills_and_120_power_cuts_lose_nothing_change_no_byte_and_leave_no_process(
    python: Python, compiler: None
) -> None:
    kills, lost, differing, left, cuts, torn = play(python, "--rounds", 12, "--cuts", 10)
    assert (lost, differing, left, torn) == (0, 0, 0, 0)
    assert kills >= 12
    assert cuts >= 120


@pytest.mark.long
def test_100_kills_of_every_command(python: Python, compiler: None) -> None:
    play(python, "--rounds", 100, "--all", "--seed", random.randrange(1 << 30))


@pytest.mark.long
@pytest.mark.parametrize("fault", TAMPERS)
def test_a_fault_that_is_put_in_is_found(python: Python, compiler: None, fault: str) -> None:
    options = ("--place", "folder", "--case", "build", "--case", "split", "--rounds", 8)
    _, lost, differing, left, _, torn = play(python, *options, "--tamper", fault, check=False)
    assert {
        "pointer_first": lost + torn,
        "no_file_sync": torn,
        "no_folder_sync": torn,
        "in_place": lost + torn,
        "orphans": left,
        "clock": differing,
    }[fault]


# The disk that forgets


def done(disk: Disk, root: Path, *calls: tuple[str, str] | tuple[str, str, str]) -> Disk:
    """Does calls: what, the path below the root, and the other path or the bytes."""
    for what, name, *more in calls:
        is_write = what == "w"
        other = f"{root}/{more[0]}" if more and not is_write else ""
        data = more[0].encode() if is_write else b""
        disk.do(Call(what, 0, 0, f"{root}/{name}", other, data, 0))
    return disk


WRITTEN = (("c", ".new"), ("w", ".new", "bytes"))


@pytest.mark.parametrize(
    ("calls", "left"),
    [
        ([], ["old"] * 3),
        ([("f", ".new"), ("r", ".new", "file")], ["old", "bytes", "old"]),
        ([("r", ".new", "file")], ["old", "", "old"]),
        ([("r", ".new", "file"), ("F", "")], ["", "", "bytes"]),
        ([("f", ".new"), ("r", ".new", "file"), ("F", "")], ["bytes"] * 3),
    ],
    ids=["not renamed", "folder not forced", "nothing forced", "file not forced", "all forced"],
)
def test_a_cut_leaves_what_was_forced_to_disk_and_of_the_rest_what_is_worst(
    tmp_path: Path, calls: list[tuple[str, str]], left: list[str]
) -> None:
    (tmp_path / "file").write_bytes(b"old")
    disk = done(Disk(tmp_path), tmp_path, *WRITTEN, *calls)
    assert [disk.after_a_cut(how, 0)["file"].decode() for how in CUTS[:3]] == left
    by_chance = {disk.after_a_cut("some", seed)["file"].decode() for seed in range(50)}
    assert by_chance >= {*left}


def test_a_file_in_a_folder_whose_own_name_was_not_forced_is_lost(tmp_path: Path) -> None:
    calls = (("m", "a"), ("c", "a/b"), ("w", "a/b", "bytes"), ("f", "a/b"), ("F", "a"))
    disk = done(Disk(tmp_path), tmp_path, *calls)
    assert disk.after_a_cut("least", 0) == {}
    assert done(disk, tmp_path, ("F", "")).after_a_cut("least", 0) == {"a/b": b"bytes"}
    assert disk.now() == {"a/b": b"bytes"}


# What is asked of a store


def test_the_judge_names_what_is_lost_strange_or_damaged(tmp_path: Path) -> None:
    first = make_store(tmp_path / "store", 2, (SPEC,))
    old = read_files(tmp_path / "store")
    tables = tables_in(tmp_path / "store", first)
    commit(tmp_path / "store", first.features, tables, recipe={"name": "new"})
    new = read_files(tmp_path / "store")
    judge = Judge(old, new, tmp_path / "scratch")
    assert judge.problems(old) == judge.problems(new) == judge.problems({**new, **old}) == []
    assert judge.problems(old, must_be_new=True)
    for path in old.keys() - {"dataset.json"}:
        without = {name: data for name, data in old.items() if name != path}
        assert judge.problems(without) == [f"{path} is lost"]
        zeros = {**old, path: bytes(len(old[path]))}
        assert judge.problems(zeros) == [f"{path} has bytes that no build has made"]
    early = {**old, "dataset.json": new["dataset.json"]}
    assert judge.problems(early) == ["snapshots/000002.json is lost"]
    assert judge.problems({**old, "shards/other.h5": b""})
    assert judge.problems({}) == ["there is no pointer any more"]
    assert Judge(None, new, tmp_path / "scratch").problems({}) == []
    assert difference(old, new)


def test_a_copy_that_its_note_does_not_describe_is_named() -> None:
    note = "2689367b205c16ce32ed4200942b8b8b1e262dfc70d9bc9fbc77c49699a4f1df"
    files = {"a/.x.sha256": note.encode(), "a/x": b"ok", "a/.y.sha256": note.encode()}
    assert wrong_copies(files) == []
    assert wrong_copies({**files, "a/x": b"\0\0"}) == ["a/x is trusted and has other bytes"]
