"""Files made to take time or memory: long walks over boxes and pages, holes of a terabyte, and
sound that a few kilobytes expand to gigabytes of."""

import struct
from pathlib import Path

import av
import numpy as np
import pytest

from extractors.limits import SAMPLES_A_SECOND, Deadline, Limits
from extractors.media import DECODERS, decode, probe
from extractors.truncation import check_structure
from manifests.quarantine import BadClip, Reason
from tests.support.media_made import Writer, a_clip

BOX = struct.pack(">I4s", 8, b"free")
WALKS = {
    "a.mp4": struct.pack(">I4s", 8, b"ftyp") + BOX * 1_000_000,
    "a.wav": b"RIFF\xff\xff\xff\x7fWAVE" + struct.pack("<4sI", b"junk", 0) * 1_000_000,
    "a.flv": b"FLV\1\5\0\0\0\x09\0\0\0\0" + (b"\x08" + bytes(14)) * 1_000_000,
    "a.mp3": (b"\xff\xf3\x14\xc4" + bytes(20)) * 1_000_000,
    "a.mpg": b"\0\0\1\xbe\0\0" * 1_000_000,
    "a.mkv": b"\x1aE\xdf\xa3\x80\x18S\x80g\x10\x1e\x84\x88\x1fC\xb6u\x10\x1e\x84\x80"
    + b"\xec\x80" * 1_000_000,
    "a.avi": b"RIFF\x88\x12\x7a\0AVI LIST\x04\x12\x7a\0movi" + b"JUNK\0\0\0\0" * 1_000_000,
    "a.caf": b"caff\0\1\0\0" + (b"free" + bytes(8)) * 1_000_000,
}


@pytest.mark.parametrize("name", WALKS)
def test_a_walk_over_a_million_parts_is_under_the_clips_time_limit(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(WALKS[name])
    with pytest.raises(BadClip) as caught:
        check_structure("made/a", path, Deadline("made/a", 0.01))
    assert caught.value.reason == Reason.TIMED_OUT


def sparse(path: Path, head: bytes, size: int) -> Path:
    with path.open("wb") as file:
        file.write(head)
        file.truncate(size)
    return path


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize(
    "head",
    [
        struct.pack(">I4s4s4x", 16, b"ftyp", b"isom") + struct.pack(">I4sQ", 1, b"moov", 1 << 40),
        struct.pack(">I4s4s4x", 16, b"ftyp", b"isom") + struct.pack(">I4sQ", 1, b"mdat", 1 << 40),
        b"NIST_1A\n     -1\nend_head\n",
        b"ID3\4\0\0\x7f\x7f\x7f\x7f",
        b"RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\x7f",
        b"caff\0\1\0\0free" + struct.pack(">q", (1 << 63) - 1),
        b"OggS",
        b"FLV\1\5\xff\xff\xff\xff",
        b"\x1aE\xdf\xa3\x01" + b"\0\xff" * 7,
    ],
)
def test_a_hole_of_a_terabyte_costs_neither_memory_nor_more_than_the_time_limit(
    tmp_path: Path, head: bytes, decoder: str
) -> None:
    path = sparse(tmp_path / "a.bin", head, 1 << 40)
    with pytest.raises(BadClip):
        probe(a_clip(path), path, Limits(timeout_s=1.0))
    with pytest.raises(BadClip):
        decode(
            a_clip(path), path, audio=True, grids={}, limits=Limits(timeout_s=1.0), decoder=decoder
        )


def silent_flac(path: Path, seconds: float, rate_hz: int = 655350, channels: int = 8) -> Path:
    """Silence, which takes next to nothing; without a length in its header."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("flac", rate=rate_hz)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "7.1"
        count = 65535
        for at in range(0, round(seconds * rate_hz), count):
            silence = np.zeros((1, count * channels), np.int16)
            frame = av.AudioFrame.from_ndarray(silence, format="s16", layout="7.1")
            frame.sample_rate, frame.pts = rate_hz, at
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    path.write_bytes(data)
    return path


def test_sound_that_would_fill_the_memory_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    limits = Limits(max_duration_s=2.0)
    path = silent_flac(tmp_path / "a.flac", 1.0)
    for read in (probe, lambda *a: decode(*a[:2], audio=True, grids={}, limits=a[2])):
        with pytest.raises(BadClip, match="the limit is 768,000") as caught:
            read(a_clip(path), path, limits)
        assert caught.value.reason == Reason.TOO_LARGE
    assert probe(a_clip(path), path, Limits(max_duration_s=20.0)).audio_s == 1.0


@pytest.mark.parametrize("decoder", DECODERS)
def test_sound_whose_packets_tell_no_length_is_refused_while_it_is_decoded(
    write_media: Writer, decoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opus, of which a probe decodes all; and the decoding itself, whatever a probe has found."""
    path = write_media("a.ogg", frames=0, audio_s=3.0, channels=2)
    monkeypatch.setattr("extractors.limits.SAMPLES_A_SECOND", 48_000)
    for read in (
        lambda: probe(a_clip(path), path, Limits(max_duration_s=4.0)),
        lambda: decode(
            a_clip(path),
            path,
            audio=True,
            grids={},
            limits=Limits(max_duration_s=4.0),
            decoder=decoder,
        ),
    ):
        with pytest.raises(BadClip, match="samples") as caught:
            read()
        assert caught.value.reason == Reason.TOO_LARGE


def test_a_probe_stops_decoding_sound_that_is_too_long(
    write_media: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_media("a.ogg", frames=0, audio_s=5.0)
    with pytest.raises(BadClip, match="the sound goes on past") as caught:
        probe(a_clip(path), path, Limits(max_duration_s=1.0))
    assert caught.value.reason == Reason.TOO_LONG
    part = probe(a_clip(path, start_s=1.0, end_s=2.0), path, Limits(max_duration_s=1.0))
    assert part.duration_s == 1.0


def test_as_much_sound_as_the_limit_allows_is_eight_channels_of_48_khz() -> None:
    limits = Limits(max_duration_s=300.0)
    limits.check_samples("made/a", 300.0, 48_000, 8)
    limits.check_samples("made/a", 300.0, 192_000, 2)
    with pytest.raises(BadClip):
        limits.check_samples("made/a", 300.0, SAMPLES_A_SECOND + 1, 1)


@pytest.mark.parametrize(
    "head", [b"RIFF", b"RIFF\0\0", b"OggS", b"fLaC", b"FLV", b"caff", b".snd", b"\x1aE\xdf\xa3"]
)
@pytest.mark.parametrize("more", [0, 1, 5, 9])
def test_a_file_of_a_few_bytes_is_refused(tmp_path: Path, head: bytes, more: int) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(head + bytes(more))
    with pytest.raises(BadClip):
        probe(a_clip(path), path, Limits())
