"""Noise reduction and normalisation: what they gain on sound whose noise is known, and what they
leave alone."""

import time
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from extractors.audio import Audio
from extractors.base import FromTracks
from extractors.denoise import Denoise
from extractors.frames import Frames
from extractors.media import Limits, decode
from extractors.normalise import Normalise
from manifests.tracks import Track
from tests.support.media_made import a_clip

RATE = 16000
Samples = NDArray[np.float32]


class One(dict[str, Track]):
    def once(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        return compute()


def through(kind: FromTracks, values: Samples) -> Samples:
    times = 3.0 + np.arange(len(values)) / RATE
    track = Track(
        np.asarray(values, np.float32), times, np.ones(len(values), bool), ("audio_short",)
    )
    other = kind.extract(a_clip(Path("a.wav")), One(input=track))
    assert (other.values.shape, other.values.dtype, other.notes) == (
        track.values.shape,
        np.float32,
        ("audio_short",),
    )
    assert np.array_equal(other.seconds, times)
    return other.values


def syllables(seconds: float = 3.0) -> Samples:
    """Speech of ten harmonics that speaks for 0.3 s and is silent for 0.2 s."""
    t = np.arange(round(seconds * RATE)) / RATE
    speech = sum(np.sin(2 * np.pi * 150 * n * t) / n for n in range(1, 11))
    return np.asarray(0.2 * speech * (t % 0.5 < 0.3), np.float32)


def noise_for(clean: Samples, snr: float) -> Samples:
    noise = np.random.default_rng(0).standard_normal(len(clean))
    return np.asarray(
        noise * np.sqrt(np.mean(clean.astype(float) ** 2) / 10 ** (snr / 10)), np.float32
    )


def snr_db(clean: Samples, found: Samples) -> float:
    return float(
        10
        * np.log10(np.mean(clean.astype(float) ** 2) / np.mean((found.astype(float) - clean) ** 2))
    )


# Denoise


@pytest.mark.parametrize(("snr", "gain"), [(0.0, 7.0), (5.0, 6.5), (15.0, 5.0)])
def test_steady_noise_is_reduced_by_some_decibels(snr: float, gain: float) -> None:
    clean = syllables()
    found = through(Denoise(), clean + noise_for(clean, snr))
    assert snr_db(clean, found) > snr + gain


def test_a_stronger_subtraction_leaves_less_noise_in_the_pauses() -> None:
    clean = syllables()
    pauses = np.arange(len(clean)) / RATE % 0.5 > 0.35
    left = [
        float(np.std(through(Denoise(strength=strength), clean + noise_for(clean, 5.0))[pauses]))
        for strength in (0.0, 1.0, 2.0, 4.0)
    ]
    assert left == sorted(left, reverse=True)
    assert left[-1] < 0.1 * left[0]


def test_the_floor_keeps_a_share_of_every_magnitude() -> None:
    noise = noise_for(syllables(), 0.0)
    assert np.std(through(Denoise(strength=100.0, floor=0.1), noise)) == pytest.approx(
        0.1 * np.std(noise), rel=0.01
    )
    assert not through(Denoise(strength=100.0, floor=0.0), noise).any()


def test_nothing_subtracted_gives_the_sound_back() -> None:
    clean = syllables()
    assert np.abs(through(Denoise(strength=0.0), clean) - clean).max() < 1e-6


def test_clean_speech_with_silent_pauses_keeps_its_level() -> None:
    """Digital silence says nothing of the noise, but the quietest sound is taken for it; so speech
    alone must not lose its level."""
    clean = syllables() + 1e-4 * noise_for(syllables(), 0.0)
    assert snr_db(clean, through(Denoise(), clean)) > 40


def test_digital_silence_is_left_alone_and_does_not_count_as_noise() -> None:
    assert not through(Denoise(), np.zeros(RATE, np.float32)).any()
    clean = syllables()
    noisy = clean + noise_for(clean, 5.0)
    muted = np.concatenate([np.zeros(RATE, np.float32), noisy])
    assert snr_db(clean, through(Denoise(), muted)[RATE:]) > 10


@pytest.mark.parametrize("samples", [1, 100, 511, 513])
def test_the_shortest_sound_keeps_its_length(samples: int) -> None:
    assert np.isfinite(through(Denoise(), syllables()[:samples])).all()


def test_a_real_clip_is_cleaned_fast_and_keeps_its_speech(real_clips: Path) -> None:
    path = real_clips / "sadtalker_WDA_AOC_000.mp4"
    pcm = decode(a_clip(path), path, audio=True, grids={}, limits=Limits()).pcm
    assert pcm is not None
    speech = Audio().convert(a_clip(path), pcm).values
    through(Denoise(), speech)
    start = time.perf_counter()
    assert snr_db(speech, through(Denoise(), speech)) > 30
    assert time.perf_counter() - start < 1.0
    noisy = speech + noise_for(speech, 5.0)
    assert snr_db(speech, through(Denoise(), noisy)) > 5.0 + 4.0


# Normalise


@pytest.mark.parametrize("gain", [0.01, 1.0, 3.0])
def test_every_clip_comes_to_the_same_level(gain: float) -> None:
    loud = gain * syllables()
    assert np.abs(through(Normalise(), loud)).max() == pytest.approx(1.0)
    assert np.abs(through(Normalise(level_db=-6.0), loud)).max() == pytest.approx(10 ** (-6 / 20))
    assert np.sqrt(
        np.mean(through(Normalise(measure="rms", level_db=-20.0), loud).astype(float) ** 2)
    ) == pytest.approx(0.1, rel=1e-5)


def test_a_muted_clip_is_not_amplified() -> None:
    muted = 5e-4 * syllables()
    assert np.array_equal(through(Normalise(), muted), muted)
    assert not through(Normalise(measure="rms"), np.zeros(100, np.float32)).any()


# Specs and sentences


def test_both_work_at_any_rate_and_say_so() -> None:
    audio = Audio(rate_hz=48000).spec("audio", {})
    assert Denoise(rate_hz=48000).spec("speech", {"input": audio}).hop_s == audio.hop_s
    assert Normalise().spec("level", {"input": audio}).units == audio.units
    with pytest.raises(
        ValueError,
        match="denoise has rate_hz = 16000, but its input audio has 48000 Hz; give both the same "
        "rate",
    ):
        Denoise().spec("speech", {"input": audio})
    with pytest.raises(ValueError, match="normalise works on sound"):
        Normalise().spec("level", {"input": Frames(size=8).spec("frames", {})})


@pytest.mark.parametrize(
    ("kind", "wrong", "sentence"),
    [
        (Denoise, {"noise_share": 0.0}, "noise_share of denoise is 0.0"),
        (Denoise, {"floor": 2.0}, "floor of denoise is 2.0"),
        (Denoise, {"window_s": 5.0}, "window_s of denoise is 5.0"),
        (
            Normalise,
            {"measure": "lufs"},
            "measure of normalise is 'lufs', expected one of peak, rms",
        ),
        (Normalise, {"level_db": 90.0}, "level_db of normalise is 90.0"),
    ],
)
def test_wrong_parameters_are_refused_with_a_sentence(
    kind: type[FromTracks], wrong: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        kind(**wrong)
