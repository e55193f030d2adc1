"""Plain wav files are read without a decoder, and to the same facts, samples and refusals."""

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

import extractors.media
from extractors.media import Limits, decode, probe
from extractors.plain_wave import plain_wave
from manifests.clips import Clip
from manifests.quarantine import BadClip
from tests.support.media_made import a_clip, tone
from tests.support.mutated import mutate
from tests.support.sound_made import ffmpeg as run_ffmpeg

LIMITS = Limits(max_duration_s=5.0)
Outcome = Clip | tuple[object, ...]


def chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def wave(
    samples: bytes,
    channels: int = 1,
    rate_hz: int = 16000,
    tag: int = 1,
    bits: int = 16,
    before: bytes = b"",
    after: bytes = b"",
    extra: bytes = b"",
) -> bytes:
    frame = channels * bits // 8
    form = struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * frame, frame, bits) + extra
    chunks = chunk(b"fmt ", form) + before + chunk(b"data", samples) + after
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def noise(count: int, seed: int = 0, loudness: float = 3000.0) -> bytes:
    return np.random.default_rng(seed).normal(0, loudness, count).astype("<i2").tobytes()


def outcomes(path: Path, limits: Limits = LIMITS, **span: float) -> list[Outcome]:
    """What probing gives, and what decoding gives with and without sound."""
    clip = replace(a_clip(path), **span)  # type: ignore[arg-type]
    found: list[Outcome] = []
    try:
        found.append(probe(clip, path, limits))
        for audio in (True, False):
            decoded = decode(clip, path, audio=audio, grids={}, limits=limits)
            pcm = decoded.pcm
            heard = pcm and (pcm.samples.tobytes(), pcm.samples.shape, pcm.rate_hz, pcm.start_s)
            dtype = pcm and pcm.samples.dtype
            found.append((heard, dtype, decoded.notes, decoded.audio_fault, decoded.video_fault))
    except BadClip as bad:
        found.append((bad.reason, bad.detail))
    return found


@pytest.fixture
def by_decoder(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Outcome]]:
    """What libavformat and a decoder give of the same file."""

    def found(path: Path, limits: Limits = LIMITS, **span: float) -> list[Outcome]:
        with monkeypatch.context() as patch:
            patch.setattr(extractors.media, "plain_wave", lambda file: None)
            return outcomes(path, limits, **span)

    return found


WORDS = chunk(b"LIST", b"INFOISFT\x05\0\0\0made\0\0")
PLAIN = {
    "mono": wave(noise(8000)),
    "stereo": wave(noise(8000), channels=2, rate_hz=48000),
    "seven": wave(noise(8400), channels=7, rate_hz=44100),
    "bytes": wave(noise(8000)[:7001], bits=8, rate_hz=11025),
    "deep": wave(noise(9000)[:18000], bits=24, rate_hz=96000),
    "long": wave(noise(8000), bits=32),
    "floats": wave(
        np.random.default_rng(1).normal(0, 0.3, 4000).astype("<f4").tobytes(), tag=3, bits=32
    ),
    "doubles": wave(np.random.default_rng(2).normal(0, 9, 4000).tobytes(), tag=3, bits=64),
    "empty extension": wave(noise(8000), extra=b"\0\0"),
    "with words": wave(noise(8000), before=WORDS, after=WORDS + chunk(b"JUNK", bytes(33))),
    "one sample": wave(noise(1)),
    "silence": wave(bytes(16000)),
    "too long": wave(noise(100_000), rate_hz=16000),
    "many samples": wave(noise(8 * 40_000), channels=8, rate_hz=384_000),
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_file_gives_what_a_decoder_gives(
    name: str, tmp_path: Path, by_decoder: Callable[..., list[Outcome]]
) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(PLAIN[name])
    assert plain_wave(path) is not None
    assert outcomes(path) == by_decoder(path)


@pytest.mark.parametrize(
    "span",
    [
        {"start_s": 0.1, "end_s": 0.3},
        {"start_s": 0.1000001},
        {"end_s": 0.2345},
        {"start_s": 0.4, "end_s": 9.0},
        {"start_s": 0.5, "end_s": 0.6},
        {"start_s": 7.0, "end_s": 9.0},
        {"end_s": 0.00001},
    ],
)
def test_so_does_a_span_of_one(
    span: dict[str, float], tmp_path: Path, by_decoder: Callable[..., list[Outcome]]
) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(PLAIN["mono"])
    assert outcomes(path, **span) == by_decoder(path, **span)


def test_limits_hold_for_it_in_the_same_words(
    tmp_path: Path, by_decoder: Callable[..., list[Outcome]]
) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wave(noise(400_000), channels=8, rate_hz=16000))
    for limits in (Limits(max_duration_s=1.0), Limits(max_duration_s=3.125), Limits(1, 0.5)):
        assert outcomes(path, limits) == by_decoder(path, limits)


OTHERS = {
    "cut": PLAIN["mono"][:-2],
    "longer": PLAIN["mono"] + b"\0\0",
    "a shorter whole": PLAIN["mono"][:4] + struct.pack("<I", 15000) + PLAIN["mono"][8:],
    "no sample": wave(b""),
    "half a frame": wave(noise(8001)[:-1], channels=2),
    "an unknown chunk": wave(noise(8000), before=chunk(b"bext", bytes(602))),
    "twice data": wave(noise(8000), after=chunk(b"data", noise(8000, 1))),
    "another rate a second": PLAIN["mono"][:28] + b"\1" + PLAIN["mono"][29:],
    "a law": wave(noise(4000), tag=6, bits=8),
    "twelve bits": wave(noise(8000), bits=12),
    "no rate": wave(noise(8000), rate_hz=0),
    "nine channels": wave(noise(9000), channels=9),
}


@pytest.mark.parametrize("name", OTHERS)
def test_whatever_leaves_a_doubt_is_left_to_the_decoder(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(OTHERS[name])
    assert plain_wave(path) is None


def coded(path: Path, codec: str, container: str) -> bytes:
    """A second of sound in a coding."""
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream(codec, rate=48000, layout="stereo", options={"strict": "-2"})
        assert isinstance(stream, av.AudioStream)
        sound = np.ascontiguousarray(tone(1.0, 48000, 2).T)
        frame = av.AudioFrame.from_ndarray(sound, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = 48000, 0
        for part in av.AudioResampler(stream.format.name, "stereo", 48000).resample(frame):
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    return path.read_bytes()


@pytest.mark.parametrize("quiet", [0, 2, 4000])
@pytest.mark.parametrize(
    ("codec", "container"),
    [
        ("ac3", "ac3"),
        ("ac3", "spdif"),
        ("eac3", "eac3"),
        ("aac", "adts"),
        ("aac", "latm"),
        ("libmp3lame", "mp3"),
    ],
)
def test_another_coding_inside_a_wav_is_found_as_it_was(
    codec: str, container: str, quiet: int, tmp_path: Path, by_decoder: Callable[..., list[Outcome]]
) -> None:
    data = coded(tmp_path / "coded", codec, container)
    path = tmp_path / "a.wav"
    path.write_bytes(wave(bytes(quiet) + data + bytes(-len(data) % 4), channels=2, rate_hz=48000))
    assert outcomes(path) == by_decoder(path)


@pytest.mark.parametrize("codec", ["dca", "truehd"])
def test_and_one_that_only_the_second_decoder_reads(
    codec: str, processes: None, tmp_path: Path, by_decoder: Callable[..., list[Outcome]]
) -> None:
    made = tmp_path / f"a.{codec}"
    sine = ("-f", "lavfi", "-i", "sine=duration=1:sample_rate=48000", "-ac", "2")
    run_ffmpeg(*sine, "-c:a", codec, "-strict", "-2", "-f", codec.replace("dca", "dts"), made)
    path = tmp_path / "a.wav"
    data = made.read_bytes()
    path.write_bytes(wave(data + bytes(-len(data) % 4), channels=2, rate_hz=48000))
    assert plain_wave(path) is None
    assert outcomes(path) == by_decoder(path)


@pytest.mark.parametrize("name", ["mono", "stereo", "deep", "floats", "with words", "bytes"])
def test_whatever_is_changed_in_one_the_outcome_is_the_decoders(
    name: str, tmp_path: Path, by_decoder: Callable[..., list[Outcome]]
) -> None:
    path, plain = tmp_path / "a.wav", 0
    for seed in range(150):
        path.write_bytes(mutate(PLAIN[name], seed))
        plain += plain_wave(path) is not None
        assert outcomes(path) == by_decoder(path), seed
    assert plain > 10
