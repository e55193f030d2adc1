"""What was made of a store goes with who is forgotten, and nothing else that lies in its place."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from examples import tables
from examples.kept import open_run
from examples.printed import Printed, PrintedTable
from examples.run_folder import write_json
from examples.train import run as train
from flows.forgetting import run as forgetting
from flows.forgetting.run import ForgetResult, run_forget
from flows.reporting.run import write_report
from manifests.clips import CLIPS
from stores import FeatureStore
from stores.exports.source import Request, Source
from stores.exports.write import write_export
from stores.made import DRAWINGS, REPORT, TRAINING, note_made
from tests.support.commands import refusal
from tests.support.stores_made import make_store
from tests.support.trainers_made import CHOICE, PAPER

ONE_FOLD = replace(CHOICE, folds=(0,))
PRINTED = replace(PAPER, printed=Printed((PrintedTable("Table 1. Made", ("a",), {}),), ()))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    make_store(tmp_path / "store")
    return tmp_path / "store"


def command(*words: object) -> None:
    from flows.__main__ import run

    with pytest.raises(SystemExit) as ended:
        run([str(word) for word in words])
    assert not ended.value.code


def draw(store: Path, out: Path) -> None:
    command("draw", store, "mfcc", out, "--all")


def export(store: Path, out: Path) -> None:
    write_export(Source(FeatureStore(store), Request(("mfcc",), None)), "numpy", str(out), {})


def outcomes(done: ForgetResult) -> dict[str, str]:
    """Name of a place -> what became of what was made there."""
    return {Path(one.place).name: what for one, what in done.outcomes.items()}


def listed(store: Path) -> set[str]:
    """What the store's list names."""
    found = (json.loads(one.read_bytes()) for one in store.glob(".made-*"))
    return {Path(one["place"]).name for one in found}


def files(folder: Path) -> set[str]:
    return {one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_file()}


def clips_of(store: Path, subject: str) -> set[str]:
    return {one.clip_id for one in FeatureStore(store).rows(CLIPS) if one.subject_id == subject}


@pytest.fixture
def killed_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, str], None]:
    """Begins to forget a subject, and ends before a step."""

    def begin(store: Path, step: str) -> None:
        def kill(*given: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as only_now:
            only_now.setattr(forgetting, step, kill)
            with pytest.raises(KeyboardInterrupt):
                run_forget(store, subject="s1")

    return begin


# Made while a run that was killed waits for the next one


def test_what_was_made_between_a_killed_run_and_the_next_goes_too(
    store: Path, tmp_path: Path, killed_at: Callable[[Path, str], None]
) -> None:
    killed_at(store, "publish_without")
    out = tmp_path / "out"
    export(store, out / "export")
    write_report(store, out / "report")
    draw(store, out / "drawn")
    train(PAPER, store, ONE_FOLD, out / "run")
    mine = {f"{one}.png" for one in clips_of(store, "made/s1")}
    assert mine < files(out / "drawn")
    words = {"export", "report", "drawn", "run"}
    killed_at(store, "hashes")  # and once more, when all that has been removed
    done = run_forget(store, subject="s1")
    assert outcomes(done) == dict.fromkeys(words, "removed")
    assert [one.name for one in out.iterdir()] == ["drawn"]
    assert files(out / "drawn").isdisjoint(mine)
    said = json.loads(done.receipt.read_bytes())  # type: ignore[union-attr]
    assert {Path(one["place"]).name for one in said["made"]} == words


def test_what_was_made_of_the_new_snapshot_stays(
    store: Path, tmp_path: Path, killed_at: Callable[[Path, str], None]
) -> None:
    late = Source(FeatureStore(store), Request(("mfcc",), None))
    write_report(store, tmp_path / "again")
    killed_at(store, "remove_things")
    write_report(store, tmp_path / "new")
    write_report(store, tmp_path / "again")
    write_export(late, "numpy", str(tmp_path / "late"), {})  # by a reader of the older snapshot
    done = run_forget(store, subject="s1")
    assert outcomes(done) == {"again": "removed", "late": "removed"}
    assert listed(store) == {"again", "new"}
    assert not (tmp_path / "late").exists()
    assert outcomes(run_forget(store, subject="s2")) == {"again": "removed", "new": "removed"}
    assert not (tmp_path / "new").exists()


# Drawings of several people


def test_drawings_of_two_people_in_one_folder_go_one_after_the_other(
    store: Path, tmp_path: Path
) -> None:
    drawn = tmp_path / "drawn"
    draw(store, drawn)
    every = files(drawn)
    gone = set[str]()
    for subject in ("made/s1", "made/s2"):
        gone |= {f"{one}.png" for one in clips_of(store, subject)}
        assert outcomes(run_forget(store, subject=subject)) == {"drawn": "removed"}
        assert files(drawn) == every - gone
        assert listed(store) == {"drawn"}


# Something else in the same place


def test_a_training_run_is_removed_but_for_what_no_run_writes(store: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(PRINTED, store, ONE_FOLD, out)
    tables.write_all(PRINTED, open_run(out))
    write_json(out / "timing.json", {"models": {}})
    folder = out / "thirds" / "0" / "small" / "0"
    (folder / ".best.pt.17-0123abcd.tmp").write_bytes(b"of a run that was killed")
    notes = {"notes.txt", "thirds/0/small/0/mine.csv", ".mine.txt.17-0123abcd.tmp"}
    for note in notes:
        (out / note).write_text("mine")
    said = outcomes(run_forget(store, subject="s1"))
    assert said["run"].startswith("its files were removed; others are left in")
    assert files(out) == notes
    assert listed(store) == set()


def test_nothing_is_left_of_a_training_run_its_tables_and_its_times(
    store: Path, tmp_path: Path
) -> None:
    train(PRINTED, store, ONE_FOLD, tmp_path / "run")
    tables.write_all(PRINTED, open_run(tmp_path / "run"))
    write_json(tmp_path / "run" / "timing.json", {"models": {}})
    assert outcomes(run_forget(store, subject="s1", dry_run=True)) == {"run": "would be removed"}
    assert outcomes(run_forget(store, subject="s1")) == {"run": "removed"}
    assert not (tmp_path / "run").exists()


def test_what_another_store_has_put_in_the_same_place_stays_and_is_named(
    store: Path, tmp_path: Path
) -> None:
    other, out = tmp_path / "other", tmp_path / "out"
    shutil.copytree(store, other)  # byte for byte
    for one in (store, other):
        shutil.rmtree(out, ignore_errors=True)
        write_report(one, out / "report")
        draw(one, out / "drawn")
        train(PAPER, one, ONE_FOLD, out / "run")
        export(one, out / "export")
    before = files(out)
    said = outcomes(run_forget(store, subject="s1"))
    for name in ("report", "drawn", "run"):
        assert said[name].startswith("left: something else lies at")
    assert {one for one in before if not one.startswith("export/")} == files(out)
    assert listed(store) == {"report", "drawn", "run"}
    assert set(outcomes(run_forget(other, subject="s1")).values()) == {
        "removed",
        "not found: it was moved or removed since; look for it yourself",
    }
    assert files(out) == {one for one in before if one.startswith("drawn/")} - {
        f"drawn/{one}.png" for one in ("made/01", "made/04")
    }


def test_what_an_older_version_made_is_known_by_its_place(store: Path, tmp_path: Path) -> None:
    for name, kind in (("report", REPORT), ("drawn", DRAWINGS), ("run", TRAINING)):
        note_made(store, kind, tmp_path / name)
        (tmp_path / name).mkdir()
    for file in store.glob(".made-*"):
        said = json.loads(file.read_bytes())
        said.pop("snapshot", None)
        file.write_text(json.dumps(said))
    (tmp_path / "report" / "report.html").write_text("a page without a mark")
    (tmp_path / "drawn" / "made").mkdir()
    (tmp_path / "drawn" / "made" / "01.png").write_bytes(b"a picture without one")
    write_json(tmp_path / "run" / "run.json", {"recipe": "small", "snapshot": 1})
    done = outcomes(run_forget(store, subject="s1"))
    assert done == dict.fromkeys(("report", "drawn", "run"), "removed")


@pytest.mark.parametrize(("call", "name"), [("unlink", "run.json"), ("rmdir", "run")])
def test_a_training_run_that_was_half_removed_is_known_again(
    store: Path, tmp_path: Path, call: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(PAPER, store, ONE_FOLD, tmp_path / "run")
    done = getattr(Path, call)

    def killed(path: Path, **how: Any) -> None:
        if path.name == name:
            raise KeyboardInterrupt
        done(path, **how)

    with monkeypatch.context() as only_now:
        only_now.setattr(Path, call, killed)
        with pytest.raises(KeyboardInterrupt):
            run_forget(store, subject="s1")
    assert (tmp_path / "run").exists()
    assert not (tmp_path / "run" / "thirds" / "0" / "small" / "0" / "best.pt").exists()
    assert "run it again to its end first" in refusal("gc", store)
    assert outcomes(run_forget(store, subject="s1")) == {"run": "removed"}
    assert not (tmp_path / "run").exists()


# What is not there


def test_what_was_moved_is_not_found_and_stays_on_the_list(store: Path, tmp_path: Path) -> None:
    write_report(store, tmp_path / "report")
    draw(store, tmp_path / "drawn")
    export(store, tmp_path / "export")
    train(PAPER, store, ONE_FOLD, tmp_path / "run")
    names = ("report", "drawn", "export", "run")
    for name in names:
        (tmp_path / name).rename(tmp_path / f"moved-{name}")
    found = outcomes(run_forget(store, subject="s1", dry_run=True))
    assert found == outcomes(run_forget(store, subject="s1"))
    assert {one.partition(":")[0] for one in found.values()} == {"not found"}
    assert listed(store) == set(names)
    (tmp_path / "moved-export").rename(tmp_path / "export")
    assert outcomes(run_forget(store, subject="s2"))["export"] == "removed"


@pytest.mark.parametrize("step", ["remove_files", "write_receipt"])
def test_a_run_that_goes_on_says_of_each_thing_what_an_undisturbed_one_says(
    tmp_path: Path, step: str, killed_at: Callable[[Path, str], None]
) -> None:
    said = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        store = folder / "store"
        make_store(store)
        for name in ("report", "moved", "full"):
            write_report(store, folder / name)
        export(store, folder / "export")
        (folder / "export" / "mine.txt").touch()
        (folder / "full" / "mine.txt").touch()
        (folder / "moved").rename(folder / "elsewhere")
        draw(store, folder / "drawn")
        train(PAPER, store, ONE_FOLD, folder / "run")
        (folder / "run" / "mine.txt").touch()
        if folder.name == "b":
            killed_at(store, step)
        done = run_forget(store, subject="s1")
        text = done.receipt.read_text().replace(str(folder), "")  # type: ignore[union-attr]
        receipt: dict[str, Any] = json.loads(text)
        said.append((receipt["made"], outcomes_without(done, folder), listed(store)))
    assert said[0] == said[1]
    assert {one.partition(":")[0].partition(";")[0] for one in said[0][1].values()} == {
        "removed",
        "not found",
        "its files were removed",
    }


def outcomes_without(done: ForgetResult, folder: Path) -> dict[str, str]:
    return {name: what.replace(str(folder), "") for name, what in outcomes(done).items()}


def test_a_place_that_cannot_be_read_is_said_so(store: Path, tmp_path: Path) -> None:
    page = write_report(store, tmp_path / "report")
    page.unlink()
    page.mkdir()
    said = outcomes(run_forget(store, subject="s1"))
    assert said["report"].startswith("not removed (Is a directory)")
