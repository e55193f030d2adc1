"""What a file declares is compared with what is in it: sound that is lost or moved is no shorter
clip, and no other one."""

import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from extractors.media import DECODERS, Limits, decode, probe
from extractors.pyav_decoder import PacketDecoder
from extractors.timegrid import EveryNth
from manifests.quarantine import BadClip, Reason
from tests.support.media_made import Writer, a_clip

NOISE = np.random.default_rng(5).uniform(-0.5, 0.5, (24000, 1)).astype(np.float32)


def heard(path: Path, decoder: str = "pyav") -> NDArray[np.float32]:
    clip = probe(a_clip(path), path, Limits())
    decoded = decode(clip, path, audio=True, grids={}, limits=Limits(), decoder=decoder)
    assert decoded.pcm is not None
    assert decoded.notes == ()
    return decoded.pcm.samples


def refusal(path: Path, decoder: str = "pyav") -> str:
    with pytest.raises(BadClip) as caught:
        heard(path, decoder)
    assert caught.value.reason == Reason.CORRUPT
    return caught.value.detail


def made(write_media: Writer, name: str, **how: str | int) -> Path:
    return write_media(name, frames=0, samples=NOISE, **how)


def pages(data: bytes) -> list[int]:
    """Where the pages of an Ogg file begin."""
    at, found = 0, []
    while at < len(data):
        found.append(at)
        segments = data[at + 26]
        at += 27 + segments + sum(data[at + 27 : at + 27 + segments])
    return found


@pytest.fixture
def ogg(write_media: Writer) -> Path:
    """An Ogg file of several pages."""
    return made(write_media, "a.ogg", options={"page_duration": "50000"})


@pytest.mark.parametrize("decoder", DECODERS)
def test_one_bit_in_an_ogg_page_is_damage(ogg: Path, decoder: str) -> None:
    assert len(heard(ogg)) == 24000
    data = bytearray(ogg.read_bytes())
    for at in (pages(data)[3] + 6, pages(data)[3] + 24, len(data) - 3):
        data[at] ^= 16
        ogg.write_bytes(data)
        assert "fails its checksum" in refusal(ogg, decoder)
        data[at] ^= 16


def test_a_page_that_is_missing_is_damage(ogg: Path) -> None:
    data = ogg.read_bytes()
    starts = pages(data)
    ogg.write_bytes(data[: starts[4]] + data[starts[5] :])
    assert "pages are missing" in refusal(ogg)


@pytest.mark.parametrize("size", [256, 47_000, 47_990])
def test_a_wav_whose_samples_go_on_behind_its_data_is_damaged(
    write_media: Writer, size: int
) -> None:
    path = made(write_media, "a.wav")
    data = path.read_bytes()
    at = data.index(b"data") + 4
    path.write_bytes(data[:at] + struct.pack("<I", size) + data[at + 4 :])
    assert "what follows up to" in refusal(path)


def test_a_wav_whose_data_end_behind_all_chunks_is_damaged(write_media: Writer) -> None:
    path = made(write_media, "a.wav")
    data = path.read_bytes()
    path.write_bytes(data[:4] + struct.pack("<I", 20_000) + data[8:])
    assert "all chunks at 20,008" in refusal(path)


@pytest.mark.parametrize(("at", "value"), [(22, 2), (24, 44), (32, 4), (34, 24)])
def test_a_wav_that_says_two_things_of_its_form_is_damaged(
    write_media: Writer, at: int, value: int
) -> None:
    path = made(write_media, "a.wav")
    data = bytearray(path.read_bytes())
    data[at] = value
    path.write_bytes(data)
    assert "a second" in refusal(path)


@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_f32le", "pcm_f64le"])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_a_good_wav_says_one_thing_of_its_form(
    write_media: Writer, codec: str, channels: int
) -> None:
    path = write_media("a.wav", frames=0, audio_s=0.1, channels=channels, audio_codec=codec)
    assert len(heard(path)) == 4800


def test_chunks_behind_the_samples_of_a_wav_are_none_of_them(write_media: Writer) -> None:
    path = made(write_media, "a.wav")
    data = path.read_bytes() + b"note" + struct.pack("<I", 3) + b"abc\0"
    for riff in (len(data) - 8, len(data), len(data) - 20, 0):
        path.write_bytes(data[:4] + struct.pack("<I", riff) + data[8:])
        clip = probe(a_clip(path), path, Limits())
        assert clip.audio_s == 0.5


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("bits", [16, 24])
def test_samples_of_a_flac_are_those_that_its_header_has_the_digest_of(
    write_media: Writer, decoder: str, bits: int
) -> None:
    """ffmpeg writes 24 bits where it is given more than 16."""
    path = flac(write_media, bits)
    assert len(heard(path, decoder)) == 24000
    data = bytearray(path.read_bytes())
    data[8 + 33] ^= 1
    path.write_bytes(data)
    assert "MD5" in refusal(path, decoder)


def flac(write_media: Writer, bits: int) -> Path:
    path = write_media("a.flac", frames=0, audio_s=0.1)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("flac", rate=48000)
        assert isinstance(stream, av.AudioStream)
        stream.layout, stream.format = "stereo", "s16" if bits == 16 else "s32"
        whole = np.repeat((NOISE * 2**31).astype(np.int64), 2, axis=1)
        for at in range(0, 24000, 1024):
            part = whole[at : at + 1024].reshape(1, -1)
            ints = (part >> 16).astype(np.int16) if bits == 16 else (part & ~255).astype(np.int32)
            frame = av.AudioFrame.from_ndarray(ints, stream.format.name, "stereo")
            frame.sample_rate, frame.pts = 48000, at
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("seed", range(12))
def test_a_change_in_a_flac_frame_is_never_silent(write_media: Writer, seed: int) -> None:
    path = flac(write_media, 16)
    before, data = heard(path), bytearray(path.read_bytes())
    chance = np.random.default_rng(seed)
    at = int(chance.integers(200, len(data) - 1100))
    if seed % 2:
        data[at] ^= 1 << int(chance.integers(8))
    else:
        data[at : at + 1000] = data[at + 500 : at + 1000] + data[at : at + 500]
    path.write_bytes(data)
    with suppress(BadClip):
        assert np.array_equal(heard(path), before)


def test_a_part_of_a_flac_file_is_not_compared_with_the_whole(write_media: Writer) -> None:
    path = flac(write_media, 16)
    clip = probe(a_clip(path, start_s=0.1, end_s=0.2), path, Limits())
    decoded = decode(clip, path, audio=True, grids={}, limits=Limits())
    assert decoded.pcm is not None
    assert len(decoded.pcm.samples) == 4800


def pictures_of(path: Path, decoder: str) -> list[float]:
    """Times of the frames."""
    clip, times = probe(a_clip(path), path, Limits()), list[float]()
    grids = {EveryNth(1): lambda time, _: times.append(time)}
    decode(clip, path, audio=False, grids=grids, limits=Limits(), decoder=decoder)
    return times


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("codec", ["libx265", "libx264"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_pictures_of_which_no_frame_can_be_decoded_are_damaged_and_not_absent(
    write_media: Writer, decoder: str, codec: str, suffix: str
) -> None:
    quiet = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    path = write_media(f"a{suffix}", frames=12, video_codec=codec, video_options=quiet)
    assert len(pictures_of(path, decoder)) == 12
    with av.open(str(path)) as file:
        spans = [(packet.pos, packet.size) for packet in file.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    for at, size in spans:
        start = at + (0 if suffix == ".mp4" else 16)
        data[start : at + size] = bytes(at + size - start)
    path.write_bytes(data)
    with pytest.raises(BadClip) as caught:
        pictures_of(path, decoder)
    assert caught.value.reason == Reason.CORRUPT


def test_a_packet_that_gives_no_frame_is_lost(
    write_media: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A decoder that leaves out a frame without a word."""
    path = write_media("a.mp4", frames=12)
    decoded = PacketDecoder._decode

    def one_less(self: PacketDecoder, packet: object) -> Iterator[object]:
        yield from (f for f in decoded(self, packet) if f.pts != 5 * 512)  # type: ignore[arg-type]

    monkeypatch.setattr(PacketDecoder, "_decode", one_less)
    with pytest.raises(BadClip, match="12 video packets give 11 frames"):
        pictures_of(path, "pyav")
