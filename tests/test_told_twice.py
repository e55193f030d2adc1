"""What a file says twice of its own parts: names, sizes, times and frames."""

import re
import struct
from pathlib import Path

import pytest

from extractors.even_times import UNEVEN_TIMES
from extractors.media import DECODERS, Decoded, Limits, decode, probe
from extractors.timegrid import EveryNth
from manifests.quarantine import BadClip, Reason
from tests.support.media_made import Writer, a_clip

WMV = {"video_codec": "wmv2", "audio_codec": "libmp3lame"}
MADE = {
    "a.mp4": {},
    "a.webm": {},
    "a.mpg": {"video_codec": "mpeg1video", "audio_codec": "mp2"},
    "a.asf": {"video_codec": "mpeg4", "audio_codec": "libmp3lame"},
    "a.wmv": WMV,
    "a.ts": {},
    "a.flv": {},
    "fragments.mp4": {"options": {"movflags": "frag_keyframe+empty_moov"}},
    "a.aac": {"audio_codec": "aac", "container": "adts", "frames": 0},
    "a.aiff": {"audio_codec": "pcm_s16be", "frames": 0},
    "a.w64": {"audio_codec": "pcm_s16le", "frames": 0},
}
_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


def made(write_media: Writer, name: str) -> Path:
    return write_media(name, **{"frames": 12, "audio_s": 0.5, "channels": 2, **MADE[name]})


def read(path: Path, decoder: str = "pyav") -> Decoded:
    limits = Limits()
    clip = probe(a_clip(path), path, limits)
    return decode(
        clip,
        path,
        audio=True,
        grids={EveryNth(1): lambda seconds, rgb: None},
        limits=limits,
        decoder=decoder,
    )


def changed(path: Path, old: bytes, new: bytes, at: int = 0) -> Path:
    """Writes over what stands some bytes behind the first place of `old`."""
    data = path.read_bytes()
    place = data.index(old) + at
    path.write_bytes(data[:place] + new + data[place + len(new) :])
    return path


@pytest.mark.parametrize(
    ("name", "old", "new", "at", "sentence"),
    [
        ("a.mp4", b"edts", b"edt>", 0, "a box `edt>` in `trak` is `edts` but for a byte"),
        ("a.mp4", b"elst", b"free", 0, "a box `edts` holds no `elst`"),
        ("a.mp4", b"ctts", b"ctt\0", 0, "is `ctts` but for a byte"),
        ("a.mp4", b"stsz", bytes(4), 12, "has 12 samples, and `stsz` 0"),
        ("a.mp4", b"ctts", bytes(4), 8, "the table `ctts` of .* has .* bytes for 0 rows"),
        ("fragments.mp4", b"trex", b"\2", 15, "fragments of track 1 have samples of form 2"),
        ("fragments.mp4", b"tfhd", b"tfhx", 0, "a box `tfhx` in `traf` is `tfhd` but for a byte"),
        ("fragments.mp4", b"tfhd", b"\7", 11, "a fragment is of track 7"),
        ("fragments.mp4", b"trun", b"\7", 11, "the box `trun` of a fragment has .* by its flags"),
        ("fragments.mp4", b"trun", b"\7", 13, "which do not lie one after the other"),
        ("fragments.mp4", b"moof", b"xoof", 0, "a box `xoof` in `the file` is `moof` but for a"),
        ("fragments.mp4", b"tfdt", b"\x7f", 8, "pictures begin at .* s and the sound at 0 s"),
        ("a.flv", b"\xaf\0", b"\xcd", 1, "tag of AAC at byte .* is of kind 205, expected 0 or 1"),
        ("a.aiff", b"COMM", b"\0\0\x5d\xc1", 10, "96,004 bytes of samples by its chunk `COMM`"),
        ("a.aiff", b"SSND", b"\0\1", 9, "and 96,000 from byte 256 on by `SSND`"),
        ("a.aiff", b"COMM", b"COMN", 0, "the file has no chunk `COMM`"),
        ("a.w64", b"data\xf3\xac\xd3\x11", b"\x08", 16, "the 16 bytes from byte .* are no chunk"),
    ],
)  # fmt: skip
def test_parts_that_contradict_each_other_are_damage(
    write_media: Writer, name: str, old: bytes, new: bytes, at: int, sentence: str
) -> None:
    path = made(write_media, name)
    read(path)
    with pytest.raises(BadClip) as caught:
        read(changed(path, old, new, at))
    assert caught.value.reason is Reason.CORRUPT
    assert re.search(sentence, caught.value.detail)


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize(
    ("name", "old", "new", "at"),
    [
        ("a.mp4", b"stsz", bytes(4), 20),  # a sample without bytes
        ("a.mp4", b"mdhd", b"\x11", 22),  # a length that differs by some ticks
        ("fragments.mp4", b"tfdt", b"\1", 13),  # pictures that begin behind the sound
        ("a.mpg", b"\0\0\1\xb8", b"\0\0\2", 8),  # the first picture is none
        ("a.asf", b"\0\0\1\x20", b"\x0e", 7),  # frames that are held back
        ("a.wmv", _PROPERTIES, b"\xff\x0f", 80),  # times that begin later than the first object
    ],
    ids=["size", "length", "fragment", "picture", "order", "beginning"],
)
def test_frames_and_times_that_packets_do_not_tell_of_are_noted(
    write_media: Writer, name: str, old: bytes, new: bytes, at: int, decoder: str
) -> None:
    path = made(write_media, name)
    assert UNEVEN_TIMES not in read(path, decoder).notes
    assert UNEVEN_TIMES in read(changed(path, old, new, at), decoder).notes


def test_a_delay_of_opus_that_is_said_twice_is_noted(write_media: Writer) -> None:
    path = made(write_media, "a.webm")
    assert UNEVEN_TIMES not in read(path).notes
    assert UNEVEN_TIMES in read(changed(path, b"\x56\xaa\x83", b"\x67", 3)).notes


def test_bytes_that_the_last_frame_but_one_of_aac_lacks_are_damage(write_media: Writer) -> None:
    path = made(write_media, "a.aac")
    data = path.read_bytes()
    last = data.rindex(data[:2])
    path.write_bytes(data[: last - 20] + data[last - 19 :])
    with pytest.raises(BadClip, match=f"the last frame begins at byte {last - 1:,}"):
        read(path)


def test_the_last_object_of_an_asf_is_whole(write_media: Writer) -> None:
    path = made(write_media, "a.wmv")
    data = path.read_bytes()
    size = struct.pack("<I", 384)
    place = data.rindex(b"\x08" + size) + 1
    path.write_bytes(data[:place] + struct.pack("<I", 61824) + data[place + 4 :])
    with pytest.raises(BadClip, match="has 61,824 bytes by its header, and 384 are there"):
        read(path)


def test_a_damaged_packet_before_the_first_of_a_stream_is_noted(write_media: Writer) -> None:
    path = made(write_media, "a.ts")
    data = path.read_bytes()
    rows = [data[at : at + 188] for at in range(0, len(data), 188)]
    first = next(n for n, row in enumerate(rows) if row[1] & 0x1F == 1 and row[2] == 1)
    path.write_bytes(b"".join([*rows[:first], bytes(range(1, 189)), *rows[first + 1 :]]))
    assert UNEVEN_TIMES in read(path).notes


def test_as_many_boxes_as_a_file_likes_cost_no_time(write_media: Writer) -> None:
    path = made(write_media, "a.mp4")
    data = path.read_bytes()
    movie = data.index(b"moov") - 4
    boxes = struct.pack(">I4s", 8, b"abcd") * 2_000_000
    size = int.from_bytes(data[movie : movie + 4]) + len(boxes)
    path.write_bytes(data[:movie] + struct.pack(">I", size) + data[movie + 4 :] + boxes)
    with pytest.raises(BadClip, match="`moov` holds more than 65,536 boxes"):
        read(path)


def test_boxes_within_each_other_without_end_are_no_error(write_media: Writer) -> None:
    path = made(write_media, "a.mp4")
    data = path.read_bytes()
    trak = data.index(b"trak") - 4
    end = trak + int.from_bytes(data[trak : trak + 4])
    nest = b"".join(struct.pack(">I4s", 8 * n, b"mdia") for n in range(20_000, 0, -1))
    changed = bytearray(data[:end] + nest + data[end:])
    for at in (trak, data.index(b"moov") - 4):
        struct.pack_into(">I", changed, at, int.from_bytes(data[at : at + 4]) + len(nest))
    path.write_bytes(bytes(changed))
    with pytest.raises(BadClip, match="no allowed container opens"):
        read(path)


@pytest.mark.parametrize("base", ["", "+default_base_moof", "+omit_tfhd_offset"])
def test_samples_of_a_fragment_are_found_from_each_of_three_places(
    write_media: Writer, base: str
) -> None:
    """From the file's beginning, from that of the fragment, or behind the track before."""
    flags = {"movflags": f"frag_keyframe+empty_moov{base}"}
    path = write_media("a.mp4", frames=12, audio_s=0.5, channels=2, options=flags)
    assert UNEVEN_TIMES not in read(path).notes
