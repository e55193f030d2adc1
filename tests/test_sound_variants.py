"""Files that differ from the usual form and lack nothing: they are read, and no damage is noted."""

import struct
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from extractors.even_times import UNEVEN_TIMES
from extractors.file_ends import CHECKSUM_DIFFERS
from extractors.media import DECODERS, Decoded, Limits, decode, probe
from extractors.timegrid import EveryNth
from manifests.quarantine import BadClip
from tests.support.media_made import Writer, a_clip

_PACKET = 188
_NULL = b"\x47\x1f\xff\x10".ljust(_PACKET, b"\xff")
_CUT = 12
"""Frames from one key frame to the next."""

Change = Callable[[bytes], bytes]


def read(path: Path, decoder: str = "pyav") -> tuple[Decoded, int]:
    """What was decoded, and how many frames."""
    limits, seen = Limits(), list[float]()
    clip = probe(a_clip(path), path, limits)
    grids = {EveryNth(1): lambda seconds, rgb: seen.append(seconds)} if clip.has_video else {}
    found = decode(clip, path, audio=True, grids=grids, limits=limits, decoder=decoder)
    return found, len(seen)


def between(data: bytes, number: int, other: bytes) -> bytes:
    """Puts bytes before a packet of a transport stream."""
    at = number * _PACKET
    return data[:at] + other + data[at:]


@pytest.mark.parametrize(
    "change",
    [
        lambda data: between(between(data, 40, bytes(848)), 10, bytes(100)),
        lambda data: between(data, 20, bytes(_PACKET)),
        lambda data: between(data, 20, bytes(1) + _NULL[1:]),
    ],
    ids=["blocks", "zeros", "filler"],
)
def test_what_fills_up_a_transport_stream_may_be_damaged(
    write_media: Writer, change: Change
) -> None:
    path = write_media("a.ts", audio_s=1.0)
    whole, frames = read(path)
    path.write_bytes(change(path.read_bytes()))
    padded, found = read(path)
    assert (found, padded.notes) == (frames, whole.notes)
    assert len(padded.pcm.samples) == len(whole.pcm.samples)


def test_packets_that_zeros_are_written_over_are_damage(write_media: Writer) -> None:
    path = write_media("a.ts", audio_s=1.0)
    data = path.read_bytes()
    rows = [data[at : at + _PACKET] for at in range(0, len(data), _PACKET)]
    sound = [n for n, row in enumerate(rows) if row[1] & 0x1F == 1 and row[2] == 1]
    rows[sound[4]] = bytes(_PACKET)
    path.write_bytes(b"".join(rows))
    with pytest.raises(BadClip, match="packets of the stream are missing"):
        read(path)


def _put(data: bytes, name: bytes, at: int, value: bytes) -> bytes:
    """Writes over what stands some bytes behind the name of a chunk."""
    place = data.index(name) + at
    return data[:place] + value + data[place + len(value) :]


def _with_size(data: bytes) -> bytes:
    return _put(data, b"FORM", 4, struct.pack(">I", len(data) - 8))


def _short_form(data: bytes) -> bytes:
    return _put(data, b"FORM", 4, struct.pack(">I", len(data) - 10))


def _odd_chunk(data: bytes) -> bytes:
    odd = _put(_sample_too_many(data), b"SSND", 4, struct.pack(">I", 8 + 95_999))
    return _with_size(odd[: odd.index(b"SSND") + 16 + 95_999] + b"NAME\0\0\0\x04abcd")


def _sample_too_many(data: bytes) -> bytes:
    return _put(data, b"COMM", 10, struct.pack(">I", 23_999))


def _whole_block(data: bytes) -> bytes:
    size = struct.pack(">III", 8 + 94 * 1024, 0, 1024)
    return _with_size(_put(data, b"SSND", 4, size) + bytes(94 * 1024 - 96_000))


@pytest.mark.parametrize(
    ("change", "samples"),
    [
        (_short_form, 24_000),
        (_odd_chunk, 23_999),
        (_sample_too_many, 24_000),
        (_whole_block, 24_064),
    ],
)
def test_an_aiff_of_another_writer_is_read(
    write_media: Writer, change: Change, samples: int
) -> None:
    path = write_media("a.aiff", frames=0, audio_s=0.5, channels=2, audio_codec="pcm_s16be")
    path.write_bytes(change(path.read_bytes()))
    assert len(read(path)[0].pcm.samples) == samples


def copied(source: Path, target: Path, skipped: int, shift: int) -> Path:
    """Copies the packets of pictures from one on, at the times they are decoded at, which move by
    frames: as out of a container that keeps no other times."""
    with av.open(str(source)) as whole, av.open(str(target), "w") as part:
        old = whole.streams.video[0]
        new = part.add_stream_from_template(old)
        tick = round(1 / (old.average_rate * old.time_base))
        for number, packet in enumerate(p for p in whole.demux(old) if p.size):
            if number >= skipped:
                packet.pts = packet.dts = packet.dts + shift * tick
                packet.stream = new
                part.mux(packet)
    return target


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize(
    ("codec", "name"),
    [("mpeg1video", "b.mpg"), ("mpeg2video", "b.avi"), ("mpeg4", "b.avi"), ("mpeg4", "b.asf")],
)
def test_frames_that_a_cut_has_taken_the_reference_of_are_not_due(
    write_media: Writer, tmp_path: Path, codec: str, name: str, decoder: str
) -> None:
    whole = write_media("a.mp4", frames=36, video_codec=codec, video_options={"bf": "2"})
    with av.open(str(whole)) as file:
        keys = [n for n, p in enumerate(file.demux(video=0)) if p.is_keyframe and p.size]
    found, frames = read(copied(whole, tmp_path / name, keys[1], 0), decoder)
    assert frames == 36 - keys[1] - 2
    assert UNEVEN_TIMES not in found.notes


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("codec", ["mpeg1video", "mpeg2video"])
def test_frames_before_the_first_that_is_shown_are_not_due(
    write_media: Writer, tmp_path: Path, codec: str, decoder: str
) -> None:
    whole = write_media("a.mp4", frames=36, video_codec=codec, video_options={"bf": "2"})
    found, frames = read(copied(whole, tmp_path / "b.mp4", 0, -9), decoder)
    assert frames >= 23
    assert UNEVEN_TIMES not in found.notes


@pytest.mark.parametrize("rate_hz", [16_000, 22_050, 32_000, 44_100])
def test_the_checksum_of_a_short_first_frame_of_mp3_is_right(
    write_media: Writer, rate_hz: int
) -> None:
    path = write_media("a.mp3", frames=0, audio_s=0.5, rate_hz=rate_hz)
    assert CHECKSUM_DIFFERS not in read(path)[0].notes
    data = path.read_bytes()
    at = max(data.find(b"Xing"), data.find(b"Info")) + 130
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    assert CHECKSUM_DIFFERS in read(path)[0].notes


def test_zeros_that_fill_up_the_sectors_of_a_video_cd_are_no_damage(write_media: Writer) -> None:
    path = write_media(
        "a.mpg",
        container="vcd",
        video_codec="mpeg1video",
        audio_codec="mp2",
        audio_s=1.0,
        rate_hz=44_100,
        channels=2,
    )
    assert read(path)[1] == 30
