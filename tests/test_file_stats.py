"""A file that looks as it did is not read again, and one that does not is; rows go through the same
functions as in a build."""

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import flows.building.file_stats
from flows.building.clip_table import ClipTable, ClipTableBuilder
from flows.building.committed import NOTHING_COMMITTED, Committed
from flows.building.file_copies import stat_of
from flows.building.file_stats import FILE_STATS, FileStats
from flows.building.probing import Probed
from manifests.clips import Clip
from manifests.corpora.base import Found
from manifests.quarantine import BadClip, Reason
from stores.location import locate


@pytest.fixture(autouse=True)
def at_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files just made count as long at rest, but where a test says otherwise."""
    monkeypatch.setattr(flows.building.file_stats, "_SETTLED_NS", -(10**9))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in ("a", "b", "c"):
        (folder / f"{name}.wav").write_bytes(name.encode() * 100)
    return folder


def listing(folder: Path) -> list[Found]:
    """As a scan lists it, with two clips that share the file a.wav."""
    names = ["a", *sorted(path.stem for path in folder.iterdir())]
    ids = [f"made/{name}{'-1' if at == 0 else ''}" for at, name in enumerate(names)]
    clips = [
        Clip(one, "made", None, None, one, None, f"{name}.wav", "", 0)
        for one, name in zip(ids, names, strict=True)
    ]
    spans = [
        replace(clip, start_s=float(at)) if clip.path == "a.wav" else clip
        for at, clip in enumerate(clips)
    ]
    return [Found(clip, ()) for clip in sorted(spans, key=lambda clip: clip.clip_id)]


def read(folder: Path, found: Sequence[Found]) -> list[Probed]:
    """Hashed and probed, as far as these tests need it."""
    return [_read(folder / one.clip.path, one) for one in found]


def _read(path: Path, found: Found) -> Probed:
    if found.bad:
        return Probed(found.clip, (), found.bad)
    data = path.read_bytes()
    facts = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    clip = replace(found.clip, **facts, duration_s=1.0, rate_hz=16000)
    return Probed(clip, (), stat=stat_of(path.stat()))


def table_of(folder: Path, found: Sequence[Found]) -> ClipTable:
    builder = ClipTableBuilder()
    builder.add(found)
    return builder.build({"made": folder})


def build(
    store: Path, folder: Path, committed: Committed = NOTHING_COMMITTED, rehash: bool = False
) -> tuple[set[str], Committed]:
    """The clips whose files were read, and what the store holds afterwards."""
    store.mkdir(exist_ok=True)
    listed = listing(folder)
    stats = FileStats(locate(store), {"made": folder}, listed, rehash)
    unchanged: list[Found] = []
    changed: list[Found] = []
    for some_unchanged, some_changed in stats.split(committed):
        unchanged += some_unchanged
        changed += some_changed
    were_read = read(folder, changed)
    clips = table_of(folder, [*unchanged, *were_read]).clips
    stats.add(were_read)
    stats.record(clips)
    # Whatever was read, the result is that of reading all.
    assert clips.equals(table_of(folder, read(folder, listed)).clips)
    return {one.clip.clip_id for one in changed}, replace(committed, clip_table=clips)


ALL = {"made/a", "made/a-1", "made/b", "made/c"}


def test_files_that_look_as_they_did_are_not_read_again(folder: Path, tmp_path: Path) -> None:
    was_read, committed = build(tmp_path / "store", folder)
    assert was_read == ALL
    record = (tmp_path / "store" / ".seen.parquet").stat()
    assert build(tmp_path / "store", folder, committed)[0] == set()
    assert (tmp_path / "store" / ".seen.parquet").stat() == record
    assert build(tmp_path / "store", folder, committed, rehash=True)[0] == ALL


def test_other_bytes_of_the_same_size_and_time_are_read(folder: Path, tmp_path: Path) -> None:
    _, committed = build(tmp_path / "store", folder)
    before = (folder / "b.wav").stat()
    time.sleep(0.05)  # clocks of file systems tick every few milliseconds
    (folder / "b.wav").write_bytes(b"x" * 100)
    os.utime(folder / "b.wav", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (folder / "b.wav").stat().st_mtime_ns == before.st_mtime_ns
    was_read, committed = build(tmp_path / "store", folder, committed)
    assert was_read == {"made/b"}
    assert build(tmp_path / "store", folder, committed)[0] == set()


def test_a_file_that_another_takes_the_place_of_is_read(folder: Path, tmp_path: Path) -> None:
    _, committed = build(tmp_path / "store", folder)
    (folder / "c.wav").replace(folder / "b.wav")
    assert build(tmp_path / "store", folder, committed)[0] == {"made/b"}


def test_a_file_that_was_just_changed_is_read_again_the_next_time(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flows.building.file_stats, "_SETTLED_NS", 3600 * 10**9)
    _, committed = build(tmp_path / "store", folder)
    assert build(tmp_path / "store", folder, committed)[0] == ALL


def test_a_file_is_read_for_a_clip_that_the_store_does_not_hold_as_it_is(
    folder: Path, tmp_path: Path
) -> None:
    _, committed = build(tmp_path / "store", folder)
    assert build(tmp_path / "store", folder)[0] == ALL
    clips = committed.clips(["made/b"]).values()
    other = table_of(folder, [Found(replace(clip, duration_s=None), ()) for clip in clips]).clips
    assert build(tmp_path / "store", folder, replace(committed, clip_table=other))[0] == ALL


@pytest.mark.parametrize("data", [b"", b"no Parquet"])
def test_a_record_that_cannot_be_read_is_as_good_as_none(
    folder: Path, tmp_path: Path, data: bytes
) -> None:
    _, committed = build(tmp_path / "store", folder)
    (tmp_path / "store" / ".seen.parquet").write_bytes(data)
    assert build(tmp_path / "store", folder, committed)[0] == ALL
    assert build(tmp_path / "store", folder, committed)[0] == set()


def test_a_clip_that_is_refused_by_its_name_needs_no_reader_and_a_file_that_is_gone_does(
    folder: Path, tmp_path: Path
) -> None:
    listed = listing(folder)
    listed[2] = replace(listed[2], bad=BadClip("made/b", Reason.KNOWN_BAD, "x"))
    (folder / "c.wav").unlink()
    (tmp_path / "store").mkdir()
    store = locate(tmp_path / "store")
    stats = FileStats(store, {"made": folder}, listed, rehash=False)
    refused, left = [listed[2]], [*listed[:2], listed[3]]
    assert list(stats.split(NOTHING_COMMITTED)) == [(refused, left)]
    were_read = [*read(folder, listed[:3]), Probed(listed[3].clip, ())]
    stats.add(were_read)
    stats.record(table_of(folder, were_read).clips)
    rows = FILE_STATS.rows(FILE_STATS.read(store.path(".seen.parquet")))
    assert [row.file for row in rows] == ["made/a.wav"]
