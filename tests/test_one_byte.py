"""Damage of one byte that a decoder passes over in silence."""

import re
from pathlib import Path

import pytest

from extractors.file_ends import TAIL_LEFT_OUT
from extractors.media import Decoded, Limits, decode, probe
from extractors.timegrid import EveryNth
from manifests.quarantine import BadClip, Reason
from tests.support.media_made import Writer, a_clip

WMA = {"audio_codec": "wmav2", "rate_hz": 44_100, "channels": 1, "bit_rate": 128_000}
MADE = {
    "a.wmv": {"video_codec": "wmv2", **WMA},
    "a.caf": {"audio_codec": "pcm_s16le", "frames": 0},
    "a.webm": {},
    "a.ts": {},
    "a.avi": {},
    "a.flv": {},
}
_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
_PAYLOAD = b"\x82\2\1\0\0\0\0\x08"
"""The first payloads of a packet: two, and what stands before the first, of the sound."""
_SOUND = bytes.fromhex("409e69f84d5bcf11a8fd00805f5c442b")


def made(write_media: Writer, name: str) -> Path:
    return write_media(name, **{"frames": 12, "audio_s": 0.5, "channels": 2, **MADE[name]})


def read(path: Path) -> Decoded:
    limits = Limits()
    clip = probe(a_clip(path), path, limits)
    grids = {EveryNth(1): lambda seconds, rgb: None} if clip.has_video else {}
    return decode(clip, path, audio=True, grids=grids, limits=limits)


def refusal(path: Path) -> str:
    with pytest.raises(BadClip) as caught:
        read(path)
    assert caught.value.reason is Reason.CORRUPT
    return caught.value.detail


def change(path: Path, place: int, byte: int) -> None:
    data = path.read_bytes()
    assert data[place] != byte
    path.write_bytes(data[:place] + bytes([byte]) + data[place + 1 :])


@pytest.mark.parametrize(
    ("name", "old", "at", "byte", "sentence"),
    [
        ("a.wmv", _DATA, 50, 0xA2, "packet 0 of the file does not fit into itself"),
        ("a.wmv", _PAYLOAD, 0, 0x80, "packet 0 of the file does not fit into itself"),
        ("a.wmv", _SOUND, 67, 0, "bytes, which are no blocks of"),
        ("a.wmv", _PAYLOAD, 14, 0x80, "is shown at .* s, and the one before it at 8,39"),
        ("a.caf", b"data\0\0\0", 9, 0, "byte .* of the file begins no chunk that fits into it"),
        ("a.webm", b"\x83\x81\x02", 2, 3, "is of type 3 and has the coding `A_OPUS`"),
        ("a.avi", b"strf", 4, 0, "the form of a stream `vids` has 0 bytes, expected 40"),
        ("a.flv", b"\x27\x01", 1, 0, "the tag of H.264 at byte .* is of kind 0, and no header"),
    ],
    ids=["correction", "payloads", "block", "time", "samples", "type", "form", "header"],
)
def test_a_byte_by_which_a_part_is_lost_is_damage(
    write_media: Writer, name: str, old: bytes, at: int, byte: int, sentence: str
) -> None:
    path = made(write_media, name)
    read(path)
    change(path, path.read_bytes().index(old) + at, byte)
    assert re.search(sentence, refusal(path))


def test_a_pes_packet_that_begins_as_none_is_damage(write_media: Writer) -> None:
    path = made(write_media, "a.ts")
    first = first_of_sound(path)
    change(path, path.read_bytes().index(b"\0\0\1\xc0", first), 0x40)
    assert "a PES packet of the stream begins without 00 00 01" in refusal(path)


def test_a_packet_that_says_that_it_holds_nothing_is_damage(write_media: Writer) -> None:
    path = made(write_media, "a.ts")
    change(path, first_of_sound(path) + 3, 0)
    assert "packets of the stream are marked as damaged" in refusal(path)


def first_of_sound(path: Path) -> int:
    """Where the first transport packet of the sound begins."""
    data = path.read_bytes()
    return next(at for at in range(0, len(data), 188) if data[at + 1 : at + 3] == b"\x41\1")


def test_zeros_behind_the_chunks_of_a_caf_are_noted(write_media: Writer) -> None:
    path = made(write_media, "a.caf")
    assert TAIL_LEFT_OUT not in read(path).notes
    path.write_bytes(path.read_bytes() + bytes(100))
    assert TAIL_LEFT_OUT in read(path).notes
