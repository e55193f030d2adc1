"""A clip that changes while a build runs: no row is of other bytes than it names, and what was
right before is right again when the file is."""

import os
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import flows.building.file_copies
import flows.building.file_stats
import flows.building.probing
import flows.building.run
import flows.building.shard_task
from extractors.base import Runtime
from extractors.media import Limits
from extractors.plan import Media, measure
from flows.building.changed import ClipsChanged
from flows.building.file_copies import FileCopies
from flows.building.media_check import check_media
from flows.building.probing import as_listed, probe_clips
from flows.building.shard_task import build_shards, unfinished
from flows.errors import BuildError
from manifests.corpora.base import Found
from manifests.quarantine import Reason
from stores import FeatureStore
from stores.location import locate
from stores.snapshot import load_snapshot
from stores.verify import verify
from tests.changes.changes import KINDS
from tests.support.commands import Python
from tests.support.crashing import crashing_task
from tests.support.in_process import build_here
from tests.support.media_made import a_clip, write


def play(python: Python, *options: object) -> str:
    return python("-m", "tests.changes", *options, timeout_s=3600).stdout.splitlines()[-1]


def test_clips_that_change_at_some_calls_of_a_build_are_never_rows_of_other_bytes(
    python: Python, compiler: None
) -> None:
    rounds = len(KINDS)
    assert play(python, "--rounds", rounds).endswith(f"{rounds} rounds, 0 faults")


@pytest.mark.long
def test_clips_that_change_at_every_call_of_a_build(python: Python, compiler: None) -> None:
    seed = random.randrange(1 << 30)
    assert play(python, "--rounds", 500, "--seed", seed).endswith(" 0 faults")
    assert play(python, "--rounds", 18, "--seed", seed, "--workers", 2).endswith(" 0 faults")


# One moment at a time, in this process


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    for name, seconds in (("a", 0.3), ("b", 0.4), ("c", 0.5), ("d", 0.6)):
        write(folder / f"{name}.wav", frames=0, audio_s=seconds, rate_hz=16000)
    return folder


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return write(tmp_path / "other.wav", frames=0, audio_s=0.8, rate_hz=16000)


class Hook:
    """Does things before, or after, the calls of a function."""

    def __init__(self, patch: pytest.MonkeyPatch, module: Any, name: str) -> None:
        self._call, self.calls = getattr(module, name), 0
        self.before: dict[int, Callable[[], object]] = {}
        self.after: dict[int, Callable[[], object]] = {}
        patch.setattr(module, name, self)

    def __call__(self, *given: Any, **named: Any) -> Any:
        number = self.calls
        self.calls += 1
        self.before.get(number, lambda: None)()
        try:
            return self._call(*given, **named)
        finally:
            self.after.get(number, lambda: None)()


def holds(store: Path) -> dict[str, tuple[str, bytes]]:
    """Clip -> the hash that it names, and its sound."""
    opened = FeatureStore(store)
    sound = opened["audio"]
    hashes = opened.clips().set_index("clip_id")["sha256"]
    return {name: (hashes[name], sound[name].values.tobytes()) for name in sound}


def changed(store: Path) -> set[tuple[str, str]]:
    """(clip, feature) of what is given up since files change."""
    rows = FeatureStore(store).quarantine()
    rows = rows[rows["reason"] == Reason.CHANGED_WHILE_READ]
    return {*zip(rows["clip_id"], rows["feature"], strict=True)}


def from_scratch(tmp_path: Path, folder: Path) -> dict[str, tuple[str, bytes]]:
    shutil.rmtree(tmp_path / "scratch", ignore_errors=True)
    build_here(tmp_path / "scratch", folder)
    return holds(tmp_path / "scratch")


def test_a_clip_that_changes_before_it_is_decoded_is_read_again_and_the_store_that_from_scratch(
    folder: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        plan = Hook(patch, flows.building.run, "make_plan")
        plan.after[0] = lambda: shutil.copy(other, folder / "b.wav")
        build_here(tmp_path / "store", folder)
    assert holds(tmp_path / "store") == from_scratch(tmp_path, folder)
    now, scratch = (load_snapshot(locate(tmp_path / name)) for name in ("store", "scratch"))
    # But for the shard that it lies in: a file of sound is made apart, for it may have become one
    # with pictures.
    others = now.tables.keys() - {"index"}
    assert {name: now.tables[name] for name in others} == {
        name: scratch.tables[name] for name in others
    }
    assert now.counts["stored"] == scratch.counts["stored"]
    assert now.counts["absent"] == scratch.counts["absent"]
    assert verify(tmp_path / "store").problems == []
    assert not build_here(tmp_path / "store", folder).is_new


def test_what_is_measured_is_a_copy(
    folder: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = from_scratch(tmp_path, folder)
    with monkeypatch.context() as patch:
        measured = Hook(patch, flows.building.shard_task, "measure")
        measured.before[1] = lambda: shutil.copy(other, folder / "b.wav")
        build_here(tmp_path / "store", folder)
    assert holds(tmp_path / "store") == right


def test_what_is_probed_is_a_copy(
    folder: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "b.wav"
    listed = [Found(a_clip(path), ())]
    [right] = probe_clips(listed, [path], {}, Limits())
    probe = Hook(monkeypatch, flows.building.probing, "probe")
    probe.before[0] = lambda: shutil.copy(other, path)
    [found] = probe_clips(listed, [path], {}, Limits())
    assert found.clip == right.clip


def test_a_clip_that_changes_twice_is_a_row_its_neighbours_are_stored_and_the_next_build_reads_it(
    folder: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = (folder / "b.wav").read_bytes()
    with monkeypatch.context() as patch:
        plan = Hook(patch, flows.building.run, "make_plan")
        plan.after[0] = lambda: shutil.copy(other, folder / "b.wav")
        probing = Hook(patch, flows.building.run, "probe_isolated")
        probing.after[1] = lambda: (folder / "b.wav").write_bytes(first)
        build_here(tmp_path / "store", folder)
    assert changed(tmp_path / "store") == {
        ("folder/b", name) for name in ("audio", "logmel", "frames")
    }
    right = from_scratch(tmp_path, folder)
    assert holds(tmp_path / "store") == {name: right[name] for name in right if name[-1] != "b"}
    assert verify(tmp_path / "store").problems == []
    assert build_here(tmp_path / "store", folder).is_new
    assert holds(tmp_path / "store") == right


def test_a_clip_that_changes_while_one_feature_is_added_keeps_none_of_its_old_ones(
    folder: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_here(tmp_path / "store", folder)
    with monkeypatch.context() as patch:
        plan = Hook(patch, flows.building.run, "make_plan")
        plan.after[0] = lambda: shutil.copy(other, folder / "b.wav")
        build_here(tmp_path / "store", folder, "features.logmel.n_mels=21")
    assert holds(tmp_path / "store") == from_scratch(tmp_path, folder)
    assert FeatureStore(tmp_path / "store")["logmel"]["folder/b"].values.shape[0] > 70
    assert verify(tmp_path / "store").problems == []


def test_a_clip_that_is_gone_when_it_is_its_turn_is_a_row(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        listing = Hook(patch, flows.building.run, "list_clips")
        listing.after[0] = (folder / "a.wav").unlink
        plan = Hook(patch, flows.building.run, "make_plan")
        plan.after[0] = (folder / "b.wav").unlink
        build_here(tmp_path / "store", folder)
    assert {clip_id for clip_id, _ in changed(tmp_path / "store")} == {"folder/a", "folder/b"}
    assert "is gone" in FeatureStore(tmp_path / "store").quarantine()["detail"].iloc[0]
    build_here(tmp_path / "store", folder)
    assert holds(tmp_path / "store") == from_scratch(tmp_path, folder)


def test_a_shard_task_names_all_clips_that_have_changed_and_leaves_no_shard(
    folder: Path, tmp_path: Path
) -> None:
    task = crashing_task(tmp_path, tmp_path / "store", [0.2, 0.3, 0.35, 0.25], "logmel")
    shutil.copy(task.paths[0], task.paths[1])
    task.paths[3].unlink()
    with pytest.raises(ClipsChanged) as raised:
        build_shards(task, Runtime())
    assert raised.value.clip_ids == ("made/1", "made/3")
    assert unfinished(task) == ["logmel", "fatal"]
    assert "the file of made/1 changed" in str(raised.value)


def test_a_hash_is_not_remembered_where_another_file_lay_there_when_it_was_taken(
    folder: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folders that are exchanged for a while leave no trace in the times of the files in them."""
    right = from_scratch(tmp_path, folder)
    aside = tmp_path / "aside"
    monkeypatch.setattr(flows.building.file_stats, "_SETTLED_NS", -(10**9))

    def exchange() -> None:
        folder.rename(aside)
        folder.mkdir()
        for path in aside.iterdir():
            shutil.copy(other, folder / path.name)

    def restore() -> None:
        shutil.rmtree(folder)
        aside.rename(folder)

    with monkeypatch.context() as patch:
        probing = Hook(patch, flows.building.run, "probe_isolated")
        probing.before[0] = exchange
        commit = Hook(patch, flows.building.run, "Commit")
        commit.after[0] = restore
        build_here(tmp_path / "store", folder)
    assert holds(tmp_path / "store") != right
    build_here(tmp_path / "store", folder)
    assert holds(tmp_path / "store") == right


# Copies


@pytest.mark.parametrize("where", ["memory", "disk", "named", "not held"])
def test_a_copy_is_what_was_hashed_whatever_becomes_of_the_file_and_leaves_nothing(
    where: str, folder: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    if where == "not held":
        monkeypatch.setattr(flows.building.file_copies, "MOST_HELD", 0)
    if where == "disk":
        monkeypatch.setattr(flows.building.file_copies, "_IN_MEMORY", 1)
    if where == "named":
        monkeypatch.delattr(os, "memfd_create")
    path = folder / "a.wav"
    data = path.read_bytes()
    with FileCopies() as copies:
        copy = copies.copy("made/a", path, 10)
        shutil.copy(other, path)
        assert (copy.data is None) == (where == "not held")
        assert copies.copy("made/a-2", path, 10) is copy  # of clips that are parts of one file
        assert copy.path.read_bytes() == data
        assert copy.path.suffix == ".wav"
        assert copies.copy("made/b", folder / "b.wav", 10).path.read_bytes() != data
        again = copies.copy("made/a", path, 10)
        assert again.path.read_bytes() == other.read_bytes()
        assert again.sha256 != copy.sha256
    assert not list((tmp_path / "temporary").iterdir())


def test_a_file_that_is_written_to_whenever_it_is_read_is_a_row(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "a.wav"
    stat = Hook(monkeypatch, flows.building.file_copies, "stat_of")
    for number in range(4):
        stat.after[number] = lambda: path.write_bytes(path.read_bytes() + b"\0\0")
    [found] = probe_clips([Found(as_listed(a_clip(path)), ())], [path], {}, Limits())
    assert found.bad is not None
    assert found.bad.reason is Reason.CHANGED_WHILE_READ
    assert found.clip.sha256 == ""


def test_a_file_that_is_written_to_while_it_is_read_is_read_once_more(
    folder: Path, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "a.wav"
    stat = Hook(monkeypatch, flows.building.file_copies, "stat_of")
    stat.after[0] = lambda: shutil.copy(other, path)
    [found] = probe_clips([Found(a_clip(path), ())], [path], {}, Limits())
    assert (found.bad, found.clip.bytes) == (None, other.stat().st_size)
    assert found.clip.duration_s == 0.8
    assert found.stat == flows.building.file_copies.stat_of(path.stat())


def test_the_second_decoder_reads_the_copy(processes: None, tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", frames=4, fps=10, audio_s=0.4)
    task = crashing_task(tmp_path, tmp_path / "store", [0.2], "logmel")
    with FileCopies() as copies:
        copy = copies.copy("made/a", path, 10).path
        path.unlink()
        media = Media(decoder="ffmpeg")
        found = measure(task.graph, {"audio"}, a_clip(copy), copy, media)
        assert len(found["audio"].values) > 6000  # type: ignore[union-attr]


# verify --media


def wrong_store(folder: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store as an older version built it of files that changed; they are restored now."""
    first = (folder / "b.wav").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(
            flows.building.shard_task, "_planned_file", lambda task, at, copies: task.paths[at]
        )
        patch.setattr(flows.building.commit, "HASHED_COPY", "as it was")
        plan = Hook(patch, flows.building.run, "make_plan")
        plan.after[0] = lambda: shutil.copy(other, folder / "b.wav")
        build_here(tmp_path / "store", folder)
    (folder / "b.wav").write_bytes(first)
    return tmp_path / "store"


def test_rows_that_are_not_of_the_files_that_they_name_are_found_by_reading_these(
    processes: None,
    folder: Path,
    other: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = wrong_store(folder, other, tmp_path, monkeypatch)
    assert not build_here(store, folder).is_new
    found = verify(store)
    assert found.problems == []
    [remark] = found.remarks
    assert remark.startswith("4 shards were made by a version of affectstore that did not see")
    checked = check_media(store, {"folder": folder}, None, workers=1)
    assert set(checked.found.different) == {"folder/b"}
    assert checked.found.different["folder/b"].startswith("audio, logmel in the store are not")
    assert (checked.found.clips, checked.of, checked.found.missing) == (4, 4, {})
    assert checked.failed


def test_files_are_compared_with_the_store_and_a_missing_one_is_not_called_different(
    processes: None, folder: Path, tmp_path: Path
) -> None:
    build_here(tmp_path / "store", folder)
    assert verify(tmp_path / "store").remarks == []
    checked = check_media(tmp_path / "store", {"folder": folder}, None, workers=1)
    assert not checked.failed
    assert sorted(checked.features) == ["audio", "frames", "logmel"]
    shutil.copy(folder / "d.wav", folder / "a.wav")
    (folder / "b.wav").unlink()
    checked = check_media(tmp_path / "store", {"folder": folder}, None, workers=1)
    assert set(checked.found.different) == {"folder/a"}
    assert "not the bytes that the store was built from" in checked.found.different["folder/a"]
    assert set(checked.found.missing) == {"folder/b"}
    some = check_media(tmp_path / "store", {"folder": folder}, 2, workers=1)
    assert some.found.clips == 2


def test_a_comparison_wants_a_folder_for_each_corpus(folder: Path, tmp_path: Path) -> None:
    build_here(tmp_path / "store", folder)
    with pytest.raises(BuildError, match="add --corpus folder=FOLDER"):
        check_media(tmp_path / "store", {}, None)
    with pytest.raises(BuildError, match="nowhere is no folder"):
        check_media(tmp_path / "store", {"folder": tmp_path / "nowhere"}, None)


def test_stored_inputs_of_networks_are_opened_by_what_the_snapshot_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = crashing_task(tmp_path, tmp_path / "store", [0.2], "logmel")
    record = build_shards(task, Runtime())["logmel"]

    def asked(*_: object) -> None:
        raise AssertionError("HDF5 was asked")

    monkeypatch.setattr(flows.building.shard_task, "Shard", asked)
    task = replace(task, records={record.file: record})
    assert flows.building.shard_task._open(task, "logmel", record.file).entries
