"""Shards: read back as written, the same bytes every time; a hostile file is refused."""

import hashlib
import io
import itertools
import os
import pickle
import shutil
import signal
import subprocess
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import pytest

import stores.shard_writer
from manifests.features import FeatureSpec
from manifests.quarantine import BadClip, Reason
from manifests.tracks import Track
from stores.atomic import files_below, leftovers, publishing, sweep, write_bytes
from stores.hdf5_file import lay_out, write_layout
from stores.location import locate
from stores.parsing import WrongRecord
from stores.paths import inside
from stores.shard import Shard, shard_key
from stores.shard_layout import WrongShard
from stores.shard_writer import ShardWriter
from tests.support.stores_made import (
    CROPS,
    SPEC,
    run_big,
    same,
    shard_at,
    spec_of,
    stop_while_publishing,
    track_of,
    write,
)

TRACKS = {
    f"made/{i}": track_of(rows, SPEC, i, notes=("silent", "short")[:i])
    for i, rows in enumerate((5, 0, 3))
}
BAD = BadClip("made/bad", Reason.NO_FACE, "no face in 12 frames, expected öne")


@pytest.mark.parametrize(
    "spec",
    [
        SPEC,
        spec_of(dtype="float16"),
        spec_of(dtype="float64", shape=()),
        spec_of(dtype="uint8", shape=(3, 2)),
        spec_of(dtype="bool"),
        CROPS,
    ],
    ids=lambda spec: f"{spec.dtype}-{spec.codec}-{len(spec.shape)}d",
)
def test_tracks_come_back_as_they_went_in(tmp_path: Path, spec: FeatureSpec) -> None:
    tracks = {
        f"made/ü{i}": track_of(rows, spec, i, invalid=(1,), notes=("silent",) * (i % 2))
        for i, rows in enumerate((4, 0, 1, 300))
    }
    record = write(tmp_path, "shards/a.h5", spec, tracks, (BAD,)).record
    shard = shard_at(tmp_path, "shards/a.h5")
    assert shard.spec == spec
    assert [
        same(shard.track(clip_id, decode=False), track) for clip_id, track in tracks.items()
    ] == [True] * 4
    assert [entry[:4] for entry in shard.entries] == [
        ("made/ü0", 0, 4, 3),
        ("made/ü1", 4, 0, 0),
        ("made/ü2", 4, 1, 1),
        ("made/ü3", 5, 300, 299),
    ]
    assert [entry.notes for entry in shard.entries] == [(), ("silent",), (), ("silent",)]
    assert shard.refused == [("made/bad", "no_face", "no face in 12 frames, expected öne")]
    path = tmp_path / record.file
    assert record == shard.record()
    assert (record.file, record.clips, record.rows, record.bytes) == (
        "shards/a.h5",
        4,
        305,
        path.stat().st_size,
    )
    assert record.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_h5py_alone_reads_a_shard(tmp_path: Path) -> None:
    write(tmp_path, "a.h5", SPEC, TRACKS, (BAD,))
    with h5py.File(tmp_path / "a.h5") as file:
        start, stop = file["offsets"][2:4]
        assert file["clip_id"].asstr()[:].tolist() == ["made/0", "made/1", "made/2"]
        assert file["refused_detail"].asstr()[0] == BAD.detail
        np.testing.assert_array_equal(file["values"][start:stop], TRACKS["made/2"].values)
        assert file["valid"].dtype == bool
        assert file.attrs["units"] == "made up, ünits"
        assert file.attrs["hop_s"] == 0.01
        assert [file[name].id.get_offset() % 64 for name in ("values", "seconds", "offsets")] == [
            0,
            0,
            0,
        ]


def test_attributes_lie_in_a_file_as_h5py_itself_puts_them_there() -> None:
    said: dict[str, str | int | float] = {"name": "größe", "empty": "", "rows": 12, "hop_s": 0.01}
    expected = io.BytesIO()
    with h5py.File(
        expected, "w", libver=("v108", "v108"), alignment_threshold=1, alignment_interval=64
    ) as file:
        for name, value in said.items():
            file.attrs[name] = value
    made, found = lay_out(said, {}, ()), io.BytesIO()
    write_layout(found, made, {})
    assert found.getvalue() == expected.getvalue()


def test_a_decoded_image_is_what_opencv_decodes_in_rgb(tmp_path: Path) -> None:
    track = track_of(3, CROPS, invalid=(1,))
    write(tmp_path, "a.h5", CROPS, {"made/0": track})
    decoded = shard_at(tmp_path, "a.h5").track("made/0").values
    assert decoded.shape == (3, 16, 24, 3)
    assert decoded[1].max() == 0
    bgr = cv2.imdecode(np.frombuffer(track.values[2], np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(decoded[2], cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))


def test_an_image_is_not_turned_by_what_its_header_says(tmp_path: Path) -> None:
    plain = track_of(1, CROPS)
    turned = np.empty(1, object)
    # orientation 6: a quarter turn
    tag = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    turned[0] = (
        plain.values[0][:2]
        + b"\xff\xe1"
        + (len(tag) + 2).to_bytes(2, "big")
        + tag
        + plain.values[0][2:]
    )
    write(tmp_path, "a.h5", CROPS, {"made/0": plain, "made/1": replace(plain, values=turned)})
    shard = shard_at(tmp_path, "a.h5")
    np.testing.assert_array_equal(shard.track("made/0").values, shard.track("made/1").values)


@pytest.mark.parametrize("spec", [SPEC, CROPS], ids=["raw", "jpeg"])
def test_a_shard_of_no_clip_and_one_of_no_row_can_be_read(
    tmp_path: Path, spec: FeatureSpec
) -> None:
    write(tmp_path, "none.h5", spec, {})
    write(tmp_path, "refused.h5", spec, {}, (BAD,))
    write(tmp_path, "empty.h5", spec, {"made/0": track_of(0, spec)})
    assert shard_at(tmp_path, "none.h5").entries == []
    assert len(shard_at(tmp_path, "refused.h5").refused) == 1
    track = shard_at(tmp_path, "empty.h5").track("made/0")
    assert (track.values.shape, track.values.dtype) == ((0, *spec.shape), np.dtype(spec.dtype))


def test_any_order_and_any_moment_of_writing_gives_the_same_bytes(tmp_path: Path) -> None:
    written = set()
    for number, order in enumerate(itertools.permutations(TRACKS)):
        write(
            tmp_path, f"{number}.h5", SPEC, {clip_id: TRACKS[clip_id] for clip_id in order}, (BAD,)
        )
        written.add((tmp_path / f"{number}.h5").read_bytes())
    time.sleep(1.1)  # HDF5's own time stamps count seconds
    write(tmp_path, "later.h5", SPEC, TRACKS, (BAD,))
    assert written == {(tmp_path / "later.h5").read_bytes()}


@pytest.mark.parametrize("held", [0, 100, 1000, 1 << 25])
@pytest.mark.parametrize("spec", [SPEC, CROPS], ids=["raw", "jpeg"])
def test_rows_that_go_to_the_disk_meanwhile_are_the_same_bytes(
    held: int, spec: FeatureSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracks = {f"made/{i}": track_of(i % 3 * 4, spec, seed=i) for i in range(5)}
    write(tmp_path, "a.h5", spec, tracks, (BAD,))
    monkeypatch.setattr(stores.shard_writer, "_MOST_HELD", held)
    others = dict(reversed(tracks.items()))
    write(tmp_path, "b.h5", spec, others, (BAD,))
    assert (tmp_path / "b.h5").read_bytes() == (tmp_path / "a.h5").read_bytes()


def test_a_track_that_is_a_part_of_more_keeps_no_more_in_memory(tmp_path: Path) -> None:
    whole = track_of(400, SPEC)
    base = weakref.ref(whole.values)
    with ShardWriter(locate(tmp_path), "a.h5", SPEC) as shard:
        shard.add("made/0", whole[:2])
        del whole
        assert base() is None


def test_the_key_of_a_shard_depends_on_what_it_holds_and_on_no_order() -> None:
    clips = [("made/0", "00"), ("made/1", "11")]
    assert shard_key("ab", clips) == shard_key("ab", clips[::-1])
    assert (
        len(
            {
                shard_key("ab", clips),
                shard_key("ac", clips),
                shard_key("ab", clips[:1]),
                shard_key("ab", [("made/0", "01"), clips[1]]),
                shard_key("ab", clips, {"strict": True}),
            }
        )
        == 5
    )


def test_views_are_read_only_and_aligned_and_pickle_as_a_path(tmp_path: Path) -> None:
    write(tmp_path, "a.h5", SPEC, TRACKS)
    shard = shard_at(tmp_path, "a.h5")
    track = shard.track("made/0")
    assert not track.values.flags.writeable
    assert track.values.flags.aligned
    with pytest.raises(ValueError, match="read-only"):
        track.seconds[0] = 1
    assert len(pickle.dumps(shard)) < 500
    assert same(pickle.loads(pickle.dumps(shard)).track("made/0"), track)


def _changed(**columns: Any) -> Track:
    return replace(TRACKS["made/0"], **columns)


@pytest.mark.parametrize(
    ("track", "message"),
    [
        (
            _changed(values=np.zeros((5, 4), np.float64)),
            "declared float32, got float64 for made/x; cast",
        ),
        (_changed(values=np.zeros((5, 3), np.float32)), r"declared \(time, 4\), got \(5, 3\)"),
        (_changed(seconds=np.zeros(5, np.float32)), "expected finite float64"),
        (_changed(seconds=np.full(5, np.inf)), "expected finite float64"),
        (_changed(valid=np.ones(5, np.uint8)), r"expected bool \(5,\)"),
        (_changed(notes=("a,b",)), "words without commas"),
    ],
)
def test_a_track_that_is_not_what_the_spec_declares_is_refused(
    tmp_path: Path, track: Track, message: str
) -> None:
    with (
        pytest.raises(ValueError, match=message),
        ShardWriter(locate(tmp_path), "a.h5", SPEC) as shard,
    ):
        shard.add("made/x", track)
    assert list(tmp_path.iterdir()) == []


def test_images_must_be_bytes_and_there_where_valid_says_so(tmp_path: Path) -> None:
    track = track_of(3, CROPS, invalid=(1,))
    with ShardWriter(locate(tmp_path), "a.h5", CROPS) as shard:
        with pytest.raises(ValueError, match="must hold an image where valid"):
            shard.add("made/x", replace(track, valid=np.ones(3, bool)))
        with pytest.raises(ValueError, match="objects of bytes"):
            shard.add("made/x", replace(track, values=np.zeros((3, 16, 24, 3), np.uint8)))
        shard.add("made/x", track)
    assert shard.record.clips == 1


def test_a_value_that_is_not_finite_is_a_bad_clip_unless_its_row_is_not_valid(
    tmp_path: Path,
) -> None:
    values = np.zeros((3, 4), np.float32)
    values[1, 2] = np.inf
    seconds, valid = np.arange(3.0), np.ones(3, bool)
    with ShardWriter(locate(tmp_path), "a.h5", SPEC) as shard:
        with pytest.raises(BadClip, match="1 of 3 valid rows") as caught:
            shard.add("made/x", Track(values, seconds, valid))
        shard.refuse(caught.value)
        shard.add("made/y", Track(values, seconds, np.array([True, False, True])))
    assert [entry.clip_id for entry in shard_at(tmp_path, "a.h5").entries] == ["made/y"]


def test_a_clip_comes_once_and_only_inside_the_block(tmp_path: Path) -> None:
    with ShardWriter(locate(tmp_path), "a.h5", SPEC) as shard:
        shard.add("made/0", TRACKS["made/0"])
        with pytest.raises(ValueError, match="comes twice"):
            shard.refuse(BadClip("made/0", Reason.NO_FACE, ""))
    with pytest.raises(ValueError, match="not open for writing"):
        shard.add("made/1", TRACKS["made/1"])


def test_a_writer_cannot_be_pickled_and_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="belongs to one process; send the shard's file and spec"):
        pickle.dumps(ShardWriter(locate(tmp_path), "a.h5", SPEC))


def test_an_exception_in_the_block_publishes_nothing_and_leaves_the_old_file(
    tmp_path: Path,
) -> None:
    write(tmp_path, "a.h5", SPEC, TRACKS)
    before = (tmp_path / "a.h5").read_bytes()
    with suppress(KeyboardInterrupt), ShardWriter(locate(tmp_path), "a.h5", SPEC) as shard:
        shard.add("made/other", TRACKS["made/0"])
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]
    assert (tmp_path / "a.h5").read_bytes() == before


@pytest.mark.parametrize(
    "name",
    ["/etc/a.h5", "../a.h5", "shards/../../a.h5", "", ".", "a//b.h5", "a\\b.h5", "C:/a.h5", "a\0b"],
)
def test_a_name_that_leads_out_of_the_store_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(WrongRecord, match="not a path below the store"):
        inside(tmp_path, name)


def test_a_link_out_of_the_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "shards").symlink_to(tmp_path)
    with pytest.raises(WrongRecord, match="is a link"):
        inside(tmp_path / "store", "shards/a.h5")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (replace(SPEC, name="../x"), "the name of feature"),
        (replace(SPEC, dtype="object"), "the dtype of feature"),
        (replace(SPEC, dims=("time",)), "the dims of feature"),
        (replace(SPEC, codec="gif"), "the codec of feature"),
        (replace(CROPS, shape=(4, 4), dims=("time", "a", "b")), "the codec of feature"),
    ],
)
def test_a_spec_that_lays_out_no_array_is_refused(
    tmp_path: Path, spec: FeatureSpec, message: str
) -> None:
    with pytest.raises(WrongRecord, match=message):
        ShardWriter(locate(tmp_path), "a.h5", spec)


# Files from outside: each case changes one thing of a sound shard.


def _replace(name: str, **how: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        data = file[name][:]
        del file[name]
        file.create_dataset(name, data=how.pop("data", data), **how)

    return change


def _link(name: str, link: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[name]
        file[name] = link

    return change


def _virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout(file["values"].shape, file["values"].dtype)
    layout[:] = h5py.VirtualSource("/etc/passwd", "values", file["values"].shape)
    del file["values"]
    file.create_virtual_dataset("values", layout)


def _external(file: h5py.File) -> None:
    shape = file["values"].shape
    del file["values"]
    file.create_dataset("values", shape, "f4", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])


def _attribute(name: str, value: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file.attrs[name]
        if value is not None:
            file.attrs[name] = value

    return change


HOSTILE: dict[str, tuple[Callable[[h5py.File], None], str]] = {
    "compressed": (_replace("values", compression="gzip"), "one contiguous block"),
    "chunked": (_replace("values", chunks=(2, 2)), "one contiguous block"),
    "objects": (
        _replace("notes", data=["a", "b", "c"], dtype=h5py.string_dtype()),
        "notes is object",
    ),
    "other dtype": (_replace("values", dtype="f8"), "values is float64"),
    "other length": (_replace("seconds", data=np.zeros(2)), "expected"),
    "single value": (_replace("seconds", data=3.0), "single value"),
    "soft link": (_link("values", h5py.SoftLink("/seconds")), "a link to elsewhere"),
    "external link": (
        _link("values", h5py.ExternalLink("/etc/passwd", "/values")),
        "a link to elsewhere",
    ),
    "missing": (lambda file: file.pop("valid"), "valid is missing"),
    "group": (
        lambda file: (file.pop("valid"), file.create_group("valid")),
        "valid is not a dataset",
    ),
    "virtual": (_virtual, "one contiguous block"),
    "external storage": (_external, "one contiguous block"),
    "no version": (_attribute("format_version", None), "format_version is None"),
    "newer": (_attribute("format_version", 2), "format_version is 2"),
    "array attribute": (_attribute("name", np.array([b"mfcc"])), "attribute name is neither"),
    "dtype of the spec": (_attribute("dtype", "object"), "the dtype of feature"),
    "shape of the spec": (_attribute("shape", "[-4]"), "the shape of feature"),
    "shape that is no list": (_attribute("shape", "{}"), "expected list"),
}


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_shard_is_refused_in_a_sentence(tmp_path: Path, case: str) -> None:
    change, message = HOSTILE[case]
    write(tmp_path, "a.h5", SPEC, TRACKS)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        change(file)
    with pytest.raises(WrongShard, match=message):
        shard_at(tmp_path, "a.h5")


@pytest.mark.usefixtures("processes")
def test_a_cut_or_foreign_file_is_refused_and_no_byte_of_a_shard_can_crash_the_reader(
    tmp_path: Path,
) -> None:
    write(tmp_path, "a.h5", SPEC, TRACKS, (BAD,))
    complete = (tmp_path / "a.h5").read_bytes()
    for size in (0, 7, 100, len(complete) // 2, len(complete) - 1):
        (tmp_path / "a.h5").write_bytes(complete[:size])
        with pytest.raises(WrongShard, match="not a whole HDF5 file"):
            shard_at(tmp_path, "a.h5")
    for at in range(0, len(complete), 37):
        (tmp_path / "a.h5").write_bytes(
            complete[:at] + bytes([complete[at] ^ 0xFF]) + complete[at + 1 :]
        )
        try:
            shard = shard_at(tmp_path, "a.h5")
            [shard.track(entry.clip_id) for entry in shard.entries]
        except WrongShard:
            continue


def test_offsets_that_do_not_rise_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "a.h5", SPEC, TRACKS)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["offsets"][:] = [0, 6, 5, 8]
    with pytest.raises(WrongShard, match="does not rise from 0 to 8"):
        _ = shard_at(tmp_path, "a.h5").entries


def test_a_stored_image_that_is_none_or_of_another_size_is_refused(tmp_path: Path) -> None:
    for data, found in (
        (b"\xff\xd8 not an image", "not a JPEG"),
        (cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes(), "(8, 8, 3)"),
    ):
        values = np.empty(1, object)
        values[0] = data
        write(tmp_path, "a.h5", CROPS, {"made/0": Track(values, np.zeros(1), np.ones(1, bool))})
        with pytest.raises(WrongShard) as caught:
            shard_at(tmp_path, "a.h5").track("made/0")
        assert found in str(caught.value)


# Files that appear complete or not at all.


def test_a_file_is_on_the_disk_before_it_has_its_name_and_its_folder_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []

    def sync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append((path.is_dir(), (tmp_path / "file").exists()))

    monkeypatch.setattr(os, "fsync", sync)
    write_bytes(tmp_path / "file", b"x")
    assert synced == [(False, False), (True, True)]


def test_a_published_file_is_complete_and_a_failed_one_leaves_the_old(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "a.json"
    write_bytes(path, b"old")
    with suppress(RuntimeError), publishing(path) as hidden:
        hidden.write_bytes(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"


def test_sweep_removes_hidden_files_of_writers_and_nothing_else(tmp_path: Path) -> None:
    ours = tmp_path / "shards" / ".a.h5.123-0123abcd.tmp"
    others = [
        tmp_path / "shards" / name for name in (".a.tmp", "a.h5", "a.123-0123abcd.tmp", ".keep")
    ]
    ours.parent.mkdir()
    for path in (ours, *others):
        path.touch()
    assert leftovers(tmp_path) == [ours]
    assert sweep(tmp_path) == [ours]
    assert sorted(ours.parent.iterdir()) == sorted(others)


# 20,000 rows are 320,000 bytes of values a clip: the disk is full while rows are spooled, and while
# the shard is laid down.
@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize(
    ("limit", "clips"),
    [(700_000, 3), (970_000, 3), (2_000, 1)],
    ids=["spooling", "publishing", "at once"],
)
def test_a_file_that_cannot_grow_is_an_oserror_and_nothing_is_published_or_left(
    tmp_path: Path, limit: int, clips: int
) -> None:
    process = run_big(tmp_path, limit, clips)
    out, err = process.communicate(timeout=60)
    assert out.splitlines()[-1] == "OSError 27", err
    assert err == ""
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.fixture
def small_disk(processes: None, tmp_path: Path) -> Any:
    """A disk of 900 KiB: 500,000 bytes fit once, not twice."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=900k", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small disk is not allowed here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("clips", [1, 3], ids=["publishing", "spooling"])
def test_a_full_disk_is_an_oserror_and_nothing_is_published_or_left(
    small_disk: Path, clips: int
) -> None:
    process = run_big(small_disk, 0, clips)
    out, err = process.communicate(timeout=60)
    assert out.splitlines()[-1] == "OSError 28", err
    assert err == ""
    assert [path for path in small_disk.rglob("*") if path.is_file()] == []


def test_files_are_listed_while_a_writer_removes_their_folders(tmp_path: Path) -> None:
    for folder in "ab":
        write_bytes(tmp_path / folder / "c" / "file", b"")
    files = files_below(tmp_path)
    (other,) = {"a", "b"} - set(next(files).relative_to(tmp_path).parts)
    shutil.rmtree(tmp_path / other)
    assert list(files) == []


@pytest.mark.usefixtures("processes")
def test_a_writer_killed_in_mid_shard_leaves_no_shard_and_sweep_cleans_up(tmp_path: Path) -> None:
    process = run_big(tmp_path, 0, 1000)
    assert process.stdout is not None
    for _ in range(3):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    sweep(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.usefixtures("processes")
def test_a_writer_killed_while_it_lays_down_the_shard_leaves_a_hidden_file_only(
    tmp_path: Path,
) -> None:
    process = stop_while_publishing(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert len(sweep(tmp_path)) == 1
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_shard_is_refused_when_its_file_changes_size_between_looks(tmp_path: Path) -> None:
    write(tmp_path, "a.h5", SPEC, TRACKS)
    layout = shard_at(tmp_path, "a.h5").layout
    with (tmp_path / "a.h5").open("ab") as file:
        file.write(b"more")
    with pytest.raises(WrongShard, match="it was changed afterwards"):
        Shard(locate(tmp_path), "a.h5", layout)
