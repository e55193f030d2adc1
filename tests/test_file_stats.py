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
from flows.building.clip_table import Scan
from flows.building.file_stats import SEEN, Looks
from flows.building.pending import NOTHING_HELD, Held
from manifests.clips import Clip
from manifests.corpora.base import Found
from manifests.quarantine import BadClip, Reason


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


def read(folder: Path, found: Sequence[Found]) -> list[Found]:
    """Hashed and probed, as far as these tests need it."""
    data = {
        one.clip.path: (folder / one.clip.path).read_bytes() for one in found if one.bad is None
    }
    return [
        one
        if one.bad
        else replace(
            one,
            clip=replace(
                one.clip,
                sha256=hashlib.sha256(data[one.clip.path]).hexdigest(),
                bytes=len(data[one.clip.path]),
                duration_s=1.0,
                rate_hz=16000,
            ),
        )
        for one in found
    ]


def build(
    store: Path, folder: Path, held: Held = NOTHING_HELD, rehash: bool = False
) -> tuple[set[str], Held]:
    """The clips whose files were read, and what the store holds afterwards."""
    store.mkdir(exist_ok=True)
    listed = listing(folder)
    looks = Looks(store, {"made": folder}, listed, rehash)
    settled, rest = looks.settle(held, 0, len(listed))
    scan = Scan.of({"made": folder}, [*settled, *read(folder, rest)])
    looks.keep(scan.clips)
    assert scan.clips.equals(
        Scan.of({"made": folder}, read(folder, listed)).clips
    )  # whatever was read, the result is that of reading all
    return {one.clip.clip_id for one in rest}, replace(held, clip_table=scan.clips)


ALL = {"made/a", "made/a-1", "made/b", "made/c"}


def test_files_that_look_as_they_did_are_not_read_again(folder: Path, tmp_path: Path) -> None:
    was_read, held = build(tmp_path / "store", folder)
    assert was_read == ALL
    record = (tmp_path / "store" / ".seen.parquet").stat()
    assert build(tmp_path / "store", folder, held)[0] == set()
    assert (tmp_path / "store" / ".seen.parquet").stat() == record
    assert build(tmp_path / "store", folder, held, rehash=True)[0] == ALL


def test_other_bytes_of_the_same_size_and_time_are_read(folder: Path, tmp_path: Path) -> None:
    _, held = build(tmp_path / "store", folder)
    before = (folder / "b.wav").stat()
    time.sleep(0.05)  # clocks of file systems tick every few milliseconds
    (folder / "b.wav").write_bytes(b"x" * 100)
    os.utime(folder / "b.wav", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (folder / "b.wav").stat().st_mtime_ns == before.st_mtime_ns
    was_read, held = build(tmp_path / "store", folder, held)
    assert was_read == {"made/b"}
    assert build(tmp_path / "store", folder, held)[0] == set()


def test_a_file_that_another_takes_the_place_of_is_read(folder: Path, tmp_path: Path) -> None:
    _, held = build(tmp_path / "store", folder)
    (folder / "c.wav").replace(folder / "b.wav")
    assert build(tmp_path / "store", folder, held)[0] == {"made/b"}


def test_a_file_that_was_just_changed_is_read_again_the_next_time(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flows.building.file_stats, "_SETTLED_NS", 3600 * 10**9)
    _, held = build(tmp_path / "store", folder)
    assert build(tmp_path / "store", folder, held)[0] == ALL


def test_a_file_is_read_for_a_clip_that_the_store_does_not_hold_as_it_is(
    folder: Path, tmp_path: Path
) -> None:
    _, held = build(tmp_path / "store", folder)
    assert build(tmp_path / "store", folder)[0] == ALL
    other = Scan.of(
        {}, [Found(replace(clip, duration_s=None), ()) for clip in held.known(["made/b"]).values()]
    )
    assert build(tmp_path / "store", folder, replace(held, clip_table=other.clips))[0] == ALL


@pytest.mark.parametrize("data", [b"", b"no Parquet"])
def test_a_record_that_cannot_be_read_is_as_good_as_none(
    folder: Path, tmp_path: Path, data: bytes
) -> None:
    _, held = build(tmp_path / "store", folder)
    (tmp_path / "store" / ".seen.parquet").write_bytes(data)
    assert build(tmp_path / "store", folder, held)[0] == ALL
    assert build(tmp_path / "store", folder, held)[0] == set()


def test_a_clip_that_is_refused_by_its_name_and_a_file_that_is_gone_are_left_to_the_reader(
    folder: Path, tmp_path: Path
) -> None:
    listed = listing(folder)
    listed[2] = replace(listed[2], bad=BadClip("made/b", Reason.KNOWN_BAD, "x"))
    (folder / "c.wav").unlink()
    (tmp_path / "store").mkdir()
    looks = Looks(tmp_path / "store", {"made": folder}, listed, rehash=False)
    assert looks.settle(NOTHING_HELD, 0, 4) == ([], listed)
    looks.keep(Scan.of({}, [*read(folder, listed[:3]), listed[3]]).clips)
    assert [row.file for row in SEEN.rows(SEEN.read(tmp_path / "store" / ".seen.parquet"))] == [
        "made/a.wav"
    ]
