"""The tables of an mp4 hold each other: a change in one is damage, and a good film has none."""

import struct
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest
from av.audio.stream import AudioStream

from extractors.media import Limits, decode, probe
from extractors.streams import played
from manifests.quarantine import BadClip, Reason
from tests.support.media_made import Writer, a_clip

GOOD = {
    "a.mp4": {},
    "faststart.mp4": {"options": {"movflags": "faststart"}},
    "fragments.mp4": {"options": {"movflags": "frag_keyframe+empty_moov"}},
    "a.mov": {"video_codec": "libx264", "audio_codec": "pcm_s16le"},
    "a.3gp": {"video_codec": "h263", "audio_codec": "aac", "size": (176, 144)},
    "a.m4a": {"frames": 0},
    "mute.mp4": {"audio_s": None},
    "late.mp4": {"stamps": [40 + i for i in range(40)], "time_base": Fraction(1, 25)},
    "uneven.mp4": {"stamps": [i * i + 3 * i for i in range(40)], "time_base": Fraction(1, 600)},
}


def made(write_media: Writer, name: str) -> Path:
    how = {"frames": 40, "fps": 25, "audio_s": 1.6, "channels": 2, **GOOD[name]}
    return write_media(name, **how)


def read(path: Path) -> None:
    clip = probe(a_clip(path), path, Limits())
    decode(clip, path, audio=True, grids={5.0: lambda *_: None}, limits=Limits())


def refusal(path: Path) -> str:
    with pytest.raises(BadClip) as caught:
        read(path)
    assert caught.value.reason == Reason.CORRUPT
    return caught.value.detail


@pytest.mark.parametrize("name", GOOD)
def test_the_tables_of_a_good_film_agree(write_media: Writer, name: str) -> None:
    read(made(write_media, name))


def put(path: Path, box: bytes, at: int, value: int, nth: int = 0) -> None:
    """Writes four bytes of the nth box of a kind; `at` counts from behind its head."""
    data = bytearray(path.read_bytes())
    start = -1
    for _ in range(nth + 1):
        start = data.index(box, start + 1)
    struct.pack_into(">I", data, start + 4 + at, value)
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("box", "at", "value", "said"),
    [
        (b"mdhd", 12, 78591, "lasts"),  # ticks a second
        (b"mdhd", 16, 99, "lasts"),  # duration
        (b"mvhd", 12, 100, "lasts"),
        (b"tkhd", 20, 5, "lasts"),
        (b"elst", 8, 10, "lasts"),
        (b"elst", 12, 90000, "lasts"),
        (b"stts", 8, 39, "has 39 samples"),
        (b"stts", 12, 5000, "lasts"),
        (b"ctts", 8, 11534337, "the table `ctts`"),
        (b"ctts", 12, 1 << 22, "by `ctts`"),
        (b"stsz", 8, 39, "samples"),
        (b"stsz", 12, 60000, "a chunk"),
        (b"stsc", 12, 3, "the table `stsc`"),
        (b"stco", 8, 7, "a chunk"),
        (b"stco", 12, 40, "a chunk"),
    ],
)
def test_a_changed_table_is_damage(
    write_media: Writer, box: bytes, at: int, value: int, said: str
) -> None:
    path = made(write_media, "a.mp4")
    put(path, box, at, value)
    assert said in refusal(path)


def test_frames_that_are_shown_together_are_damage(write_media: Writer) -> None:
    path = made(write_media, "a.mp4")
    data = path.read_bytes()
    at = data.index(b"ctts") + 12
    put(path, b"ctts", at - at + 12, int.from_bytes(data[at + 4 : at + 8]) + 512)
    assert "by `ctts`" in refusal(path)


@pytest.mark.parametrize("box", [b"stsd", b"stts", b"stsz", b"stsc", b"stco", b"mdhd", b"hdlr"])
@pytest.mark.parametrize("nth", [0, 1])
def test_a_track_without_one_of_its_boxes_is_damage_and_not_absent(
    write_media: Writer, box: bytes, nth: int
) -> None:
    path = made(write_media, "a.mp4")
    put(path, box, -4, int.from_bytes(b"xx" + box[2:]), nth)
    said = refusal(path)
    assert "track" in said
    assert ("sound" in said or "smhd" in said) if nth else ("pictures" in said or "vmhd" in said)


@pytest.mark.parametrize("box", [b"trak", b"mdia", b"minf", b"stbl"])
def test_a_track_that_is_no_track_is_damage(write_media: Writer, box: bytes) -> None:
    path = made(write_media, "a.mp4")
    put(path, box, -4, int.from_bytes(b"xx" + box[2:]), 1)
    assert "track" in refusal(path)


def append(path: Path, folders: list[bytes], box: bytes) -> None:
    """Puts a box at the end of the innermost of some folders; `moov` is the file's last box."""
    data = bytearray(path.read_bytes())
    starts = [data.index(folder) - 4 for folder in folders]
    end = starts[-1] + struct.unpack_from(">I", data, starts[-1])[0]
    for start in starts:
        struct.pack_into(">I", data, start, struct.unpack_from(">I", data, start)[0] + len(box))
    path.write_bytes(bytes(data[:end]) + box + bytes(data[end:]))


def test_a_box_whose_size_has_64_bits_is_read(write_media: Writer) -> None:
    path = made(write_media, "a.mp4")
    append(path, [b"moov"], struct.pack(">I4sQ", 1, b"udta", 24) + b"some tag")
    read(path)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("name", ["cut.mp4", "cut.mov", "cut.mkv"])
@pytest.mark.parametrize("start", ["0.3", "0.7", "1.1"])
@pytest.mark.usefixtures("processes")
def test_a_part_that_was_cut_out_without_encoding_it_again_is_no_damage(
    write_media: Writer, tmp_path: Path, codec: str, name: str, start: str
) -> None:
    options = {"bf": "3", "x265-params": "open-gop=1:log-level=none"}
    how = {"video_codec": codec, "video_options": options}
    film = write_media("a.mp4", frames=100, fps=25, audio_s=4.0, **how)
    words = ["-v", "error", "-ss", start, "-t", "1.3", "-i", film, "-c", "copy", tmp_path / name]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), *map(str, words)], check=True)
    read(tmp_path / name)


def test_a_table_of_composition_times_of_sound_is_no_damage(write_media: Writer) -> None:
    path = made(write_media, "a.m4a")
    samples = path.read_bytes().index(b"stsz") + 12
    count = int.from_bytes(path.read_bytes()[samples : samples + 4])
    table = struct.pack(">I4sIIIIII", 32, b"ctts", 0, 2, 1, 1024, count - 1, 0)
    append(path, [b"moov", b"trak", b"mdia", b"minf", b"stbl"], table)
    read(path)


@pytest.mark.parametrize("box", [b"trak", b"mdia", b"stbl", b"stsz"])
def test_a_box_that_ends_behind_its_folder_is_damage(write_media: Writer, box: bytes) -> None:
    path = made(write_media, "a.mp4")
    put(path, box, -8, 1 << 20)
    assert "does not fit into" in refusal(path)


def test_a_track_of_a_kind_that_libavformat_does_not_read_is_damage(
    write_media: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made(write_media, "a.mp4")

    def of_sound(streams: Any, packets: Any) -> Any:
        is_sound = bool(streams) and isinstance(streams[0], AudioStream)
        return played(streams, packets) if is_sound else (None, False)

    monkeypatch.setattr("extractors.container.played", of_sound)
    assert "declares a track of pictures with 40" in refusal(path)


@pytest.mark.parametrize("lost", [0, 1])
def test_a_lost_fragment_is_damage(write_media: Writer, lost: int) -> None:
    path = made(write_media, "fragments.mp4")
    data = path.read_bytes()
    starts = [i - 4 for i in range(len(data)) if data[i : i + 4] == b"moof"]
    path.write_bytes(data[: starts[lost]] + data[starts[lost + 1] :])
    assert "fragments are missing" in refusal(path)


@pytest.mark.parametrize("name", ["a.mp4", "a.m4a", "a.mov"])
def test_no_bit_of_a_table_changes_how_long_a_film_is(write_media: Writer, name: str) -> None:
    path = made(write_media, name)
    before, data = probe(a_clip(path), path, Limits()), path.read_bytes()
    chance, start = np.random.default_rng(3), data.index(b"moov")
    places = (data.index(b"mvhd"), data.find(b"sowt"), data.find(b"esds"))
    for _ in range(150):
        changed, at = bytearray(data), int(chance.integers(start, len(data)))
        if any(0 <= at - place < 44 for place in places):
            continue  # nothing else says how fast the clock of the film is, or the samples are
        changed[at] ^= 1 << int(chance.integers(8))
        path.write_bytes(changed)
        try:
            after = probe(a_clip(path), path, Limits())
        except BadClip:
            continue
        for fact in ("audio_s", "video_s"):
            one, other = getattr(before, fact), getattr(after, fact)
            assert (one is None) == (other is None)
            assert one is None or abs(one - other) < 0.15


def test_a_table_of_billions_takes_no_memory(write_media: Writer) -> None:
    path = made(write_media, "a.mp4")
    put(path, b"stsz", 4, 1)
    put(path, b"stsz", 8, (1 << 32) - 1)
    with pytest.raises(BadClip):
        read(path)
