"""MFCC and log-mel against librosa, which defines them, and their behaviour on clips that are
short, silent or bad."""

import re
import subprocess
import sys
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import librosa
import numpy as np
import pytest
import scipy.signal
from numpy.typing import NDArray

from extractors.base import FromTracks, Waveform
from extractors.logmel import LogMel
from extractors.mel import Mel, MelFeature, mel_edges, mel_filters
from extractors.mfcc import Mfcc, _fits
from extractors.stft import _PLAIN_WINDOWS, Stft, frame_window, power_spectrum
from manifests.clips import Clip
from manifests.features import FeatureSpec
from manifests.quarantine import BadClip, Reason
from manifests.tracks import Track

T = TypeVar("T")
CLOSE = 2e-3
CLIP = Clip("folder/a", "folder", None, None, "folder/a", None, "a.wav", "0" * 64, 1)


@dataclass
class Inputs:
    """The sound of one clip, and how often something was computed for it."""

    audio: Track
    shared: dict[Hashable, Any] = field(default_factory=dict)

    def __getitem__(self, role: str) -> Track:
        return {"audio": self.audio}[role]

    def once(self, key: Hashable, compute: Callable[[], T]) -> T:
        if key not in self.shared:
            self.shared[key] = compute()
        value: T = self.shared[key]
        return value


def sound(samples: NDArray[Any], rate_hz: int = 16000, start_s: float = 0.0) -> Inputs:
    seconds = start_s + np.arange(len(samples)) / rate_hz
    return Inputs(Track(samples.astype(np.float32), seconds, np.ones(len(samples), bool)))


def needs(rate_hz: float | None = 16000) -> Mapping[str, FeatureSpec]:
    hop_s = None if rate_hz is None else 1 / rate_hz
    return {
        "audio": FeatureSpec(
            "audio", "float32", ("time",), (), "full scale 1.0", hop_s, "0" * 32, "audio", 1, "{}"
        )
    }


def speech(samples: int, rate_hz: int = 16000) -> NDArray[np.float32]:
    """Pulses that glide from 110 to 220 Hz through two formants, with pauses and a noise floor:
    shaped like speech, the same each time."""
    time = np.arange(samples) / rate_hz
    phase = 110 * time + 55 * time**2 / max(time[-1], 1e-3)
    pulses = np.diff(np.floor(phase), prepend=0.0)
    for formant_hz, width_hz in ((700, 90), (1800, 150)):
        radius = np.exp(-np.pi * width_hz / rate_hz)
        pulses = scipy.signal.lfilter(
            [1 - radius],
            [1, -2 * radius * np.cos(2 * np.pi * formant_hz / rate_hz), radius**2],
            pulses,
        )
    spoken = pulses * (np.sin(2 * np.pi * 1.5 * time) > -0.3)
    breath = 1e-3 * np.random.default_rng(1).standard_normal(samples)
    return np.asarray(0.8 * spoken / max(np.abs(spoken).max(), 1e-9) + breath, np.float32)


def noise(samples: int) -> NDArray[np.float32]:
    return (0.1 * np.random.default_rng(0).standard_normal(samples)).astype(np.float32)


def stft_arguments(kind: MelFeature) -> dict[str, Any]:
    stft = kind.stft
    return {
        "sr": kind.rate_hz,
        "n_fft": stft.fft_samples,
        "win_length": stft.window_samples,
        "hop_length": stft.hop_samples,
        "window": kind.window,
        "center": kind.centre,
        "n_mels": kind.n_mels,
        "fmin": kind.fmin,
        "fmax": kind.fmax,
    }


def librosa_mfcc(samples: NDArray[np.float32], kind: Mfcc) -> NDArray[np.float32]:
    rows = librosa.feature.mfcc(y=samples, n_mfcc=kind.n_mfcc, **stft_arguments(kind))
    mode = "interp" if rows.shape[1] >= kind.delta_width else "nearest"
    derivatives = [
        librosa.feature.delta(rows, width=kind.delta_width, order=o + 1, mode=mode)
        for o in range(kind.deltas)
    ]
    stacked: NDArray[np.float32] = np.vstack([rows, *derivatives]).T
    return stacked


def librosa_logmel(samples: NDArray[np.float32], kind: LogMel) -> NDArray[np.float32]:
    power = librosa.feature.melspectrogram(y=samples, **stft_arguments(kind))
    decibels: NDArray[np.float32] = librosa.power_to_db(power, ref=1.0, top_db=None).T
    return decibels


SIGNALS = {
    "speech": speech(59201),
    "sweep": scipy.signal.chirp(np.arange(40007) / 16000, 50, 2.5, 7900, "logarithmic"),
    "noise": noise(32000),
    "loud noise": 20 * noise(16001),
    "silence": np.zeros(24000),
    "silence, then a click": np.eye(1, 20000, 15000)[0],
    "0.1 s": speech(1600),
    "shorter than the window": noise(311),
    "one sample": np.array([0.5]),
}


@pytest.mark.filterwarnings("ignore:n_fft=512 is too large")  # librosa warns of what we define
@pytest.mark.parametrize(
    "kind", [Mfcc(), LogMel(), LogMel(n_mels=128)], ids=["mfcc", "logmel", "logmel128"]
)
@pytest.mark.parametrize("name", SIGNALS)
def test_every_signal_agrees_with_librosa(name: str, kind: Mfcc | LogMel) -> None:
    samples = SIGNALS[name].astype(np.float32)
    values = kind.extract(CLIP, sound(samples)).values
    wanted = (
        librosa_mfcc(samples, kind) if isinstance(kind, Mfcc) else librosa_logmel(samples, kind)
    )
    assert values.dtype == np.float32
    assert values.shape == wanted.shape
    np.testing.assert_allclose(values, wanted, rtol=0, atol=CLOSE)


VARIATIONS: list[dict[str, Any]] = [
    {"window_s": 0.032, "hop_s": 0.016},
    {"window_s": 0.030, "n_fft": 1024},
    {"window_s": 0.025, "n_fft": 401},
    {"window": "hamming"},
    {"window": "boxcar", "fmin": 80.0, "fmax": 7600.0},
    {"centre": False},
    {"centre": False, "window_s": 0.032, "hop_s": 0.0125},
    {"n_mels": 40},
    {"rate_hz": 22050, "window_s": 2048 / 22050, "hop_s": 512 / 22050},
    {"rate_hz": 8000, "n_mels": 40},
]


@pytest.mark.parametrize("parameters", VARIATIONS, ids=str)
@pytest.mark.parametrize("samples", [24000, 16057])
def test_every_parameter_means_what_librosa_means(parameters: dict[str, Any], samples: int) -> None:
    mfcc, logmel = Mfcc(**parameters), LogMel(**parameters)
    spoken = speech(samples, mfcc.rate_hz)
    inputs = sound(spoken, mfcc.rate_hz)
    np.testing.assert_allclose(
        mfcc.extract(CLIP, inputs).values, librosa_mfcc(spoken, mfcc), rtol=0, atol=CLOSE
    )
    np.testing.assert_allclose(
        logmel.extract(CLIP, inputs).values, librosa_logmel(spoken, logmel), rtol=0, atol=CLOSE
    )


@pytest.mark.parametrize("bands", [1, 40, 64, 128])
@pytest.mark.parametrize("hz", [(0.0, 8000.0), (20.0, 4000.0), (1000.0, 22050.0), (300.0, 999.0)])
def test_the_edges_of_the_bands_are_those_of_librosa_to_the_last_bit(
    bands: int, hz: tuple[float, float]
) -> None:
    mel = Mel(Stft(rate_hz=48000), bands, *hz)
    wanted = librosa.mel_frequencies(bands + 2, fmin=hz[0], fmax=hz[1])
    np.testing.assert_array_equal(mel_edges(mel), wanted)


@pytest.mark.parametrize("window", sorted(_PLAIN_WINDOWS))
def test_a_window_that_is_known_without_asking_scipy_is_one_of_scipys(window: str) -> None:
    assert frame_window(Stft(window=window)).shape == (512,)


@pytest.mark.parametrize("window", ["hann", "hamming"])
def test_windows_are_scipys_to_the_last_bit(window: str) -> None:
    for samples in (*range(1, 400), 1103, 2048):
        stft = Stft(window_s=samples / 16000, n_fft=2048, window=window)
        wanted = scipy.signal.get_window(window, samples, fftbins=True)
        start = (2048 - samples) // 2
        np.testing.assert_array_equal(frame_window(stft)[start : start + samples], wanted)


@pytest.mark.parametrize(
    ("stft", "bands", "hz"),
    [
        (Stft(), 128, (0.0, 8000.0)),
        (Stft(), 64, (0.0, 8000.0)),
        (Stft(22050, 0.02, 0.01, 2048), 40, (20.0, 7600.0)),
        (Stft(48000, 0.02, 0.01, 2048), 80, (300.0, 24000.0)),
    ],
)
def test_filters_are_those_of_librosa_to_the_last_bit(
    stft: Stft, bands: int, hz: tuple[float, float]
) -> None:
    wanted = librosa.filters.mel(
        sr=stft.rate_hz, n_fft=stft.fft_samples, n_mels=bands, fmin=hz[0], fmax=hz[1]
    )
    np.testing.assert_array_equal(mel_filters(Mel(stft, bands, *hz)).toarray().T, wanted)


@pytest.mark.parametrize("order", [1, 2])
def test_the_weights_of_the_usual_derivatives_are_scipys_to_the_last_bit(order: int) -> None:
    wanted = scipy.signal.savgol_filter(np.eye(9), 9, order, deriv=order, axis=0, mode="interp")
    np.testing.assert_array_equal(_fits(order, 9), wanted.astype(np.float32))


@pytest.mark.parametrize(
    "parameters",
    [
        {"n_mfcc": 13},
        {"n_mfcc": 20, "deltas": 0},
        {"deltas": 1, "delta_width": 5},
        {"deltas": 3},
        {"delta_width": 21},
    ],
    ids=str,
)
def test_the_derivatives_are_those_of_librosa(parameters: dict[str, Any]) -> None:
    kind = Mfcc(**parameters)
    spoken = speech(20000)
    values = kind.extract(CLIP, sound(spoken)).values
    assert values.shape == (126, kind.n_mfcc * (kind.deltas + 1))
    np.testing.assert_allclose(values, librosa_mfcc(spoken, kind), rtol=0, atol=CLOSE)


@pytest.mark.parametrize("samples", [1, 160, 1279, 1280, 1440])
@pytest.mark.filterwarnings("ignore:n_fft=512 is too large")
def test_a_clip_shorter_than_the_derivative_is_wide_repeats_its_ends(samples: int) -> None:
    kind = Mfcc()
    spoken = speech(samples)
    values = kind.extract(CLIP, sound(spoken)).values
    assert np.isfinite(values).all()
    np.testing.assert_allclose(values, librosa_mfcc(spoken, kind), rtol=0, atol=CLOSE)


def test_silence_is_minus_100_decibels_and_finite() -> None:
    inputs = sound(np.zeros(16000))
    np.testing.assert_allclose(LogMel().extract(CLIP, inputs).values, -100, rtol=1e-6)
    values = Mfcc().extract(CLIP, inputs).values
    np.testing.assert_allclose(values[:, 0], -100 * np.sqrt(128), rtol=1e-6)
    np.testing.assert_allclose(values[:, 1:], 0, atol=CLOSE)


def test_a_loud_moment_does_not_change_the_log_mel_of_a_quiet_one() -> None:
    quiet = 1e-4 * noise(32000)
    loud = quiet.copy()
    loud[24000:] += 5 * noise(8000)
    before, after = (
        LogMel().extract(CLIP, sound(samples)).values[:140] for samples in (quiet, loud)
    )
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize(
    "kind",
    [LogMel(), LogMel(centre=False), LogMel(centre=False, window_s=0.032), LogMel(hop_s=0.0125)],
    ids=repr,
)
def test_the_time_of_a_row_is_where_a_click_is_loudest(kind: LogMel) -> None:
    at = 8123
    track = kind.extract(CLIP, sound(np.eye(1, 16000, at)[0], start_s=2.5))
    loudest = track.seconds[track.values.sum(axis=1).argmax()]
    assert abs(loudest - (2.5 + at / 16000)) <= kind.stft.row_s / 2 + 1e-9
    assert track.valid.all()
    np.testing.assert_allclose(np.diff(track.seconds), kind.stft.row_s, rtol=1e-9)


def test_the_first_row_of_a_centred_clip_is_at_its_first_sample() -> None:
    assert Mfcc().extract(CLIP, sound(noise(8000), start_s=0.025)).seconds[0] == 0.025
    assert (
        Mfcc(centre=False).extract(CLIP, sound(noise(8000), start_s=0.025)).seconds[0]
        == 0.025 + 256 / 16000
    )


@pytest.mark.parametrize(
    ("kind", "samples"),
    [(Mfcc(centre=False), 511), (LogMel(centre=False), 511), (Mfcc(), 0), (LogMel(), 0)],
    ids=str,
)
def test_a_clip_without_a_whole_frame_is_too_short(kind: Mfcc | LogMel, samples: int) -> None:
    with pytest.raises(BadClip) as bad:
        kind.extract(CLIP, sound(noise(samples)))
    assert bad.value.reason is Reason.TOO_SHORT
    assert f"{samples} samples" in bad.value.detail


def test_one_whole_frame_is_enough() -> None:
    assert len(Mfcc(centre=False).extract(CLIP, sound(noise(512)))) == 1


@pytest.mark.parametrize("kind", [Mfcc(), LogMel()], ids=["mfcc", "logmel"])
def test_what_is_known_of_the_sound_is_known_of_the_feature(kind: Mfcc | LogMel) -> None:
    inputs = sound(np.zeros(1600))
    inputs.audio = replace(inputs.audio, notes=("silent",))
    assert kind.extract(CLIP, inputs).notes == ("silent",)


def test_features_with_the_same_bands_share_one_transform_and_one_spectrogram() -> None:
    inputs = sound(noise(16000))
    for kind in (Mfcc(), LogMel(n_mels=64), LogMel(n_mels=128), LogMel(n_mels=128)):
        kind.extract(CLIP, inputs)
    assert sorted(type(key).__name__ for key in inputs.shared) == ["Mel", "Mel", "Stft"]


def test_sharing_changes_no_number() -> None:
    together = sound(speech(16000))
    kinds = [Mfcc(), LogMel(n_mels=128), Mfcc(), LogMel(n_mels=128, hop_s=0.02)]
    for kind in kinds:
        alone = kind.extract(CLIP, sound(speech(16000))).values
        np.testing.assert_array_equal(kind.extract(CLIP, together).values, alone)


def test_a_long_clip_is_transformed_in_blocks_without_a_seam() -> None:
    samples = noise(16000 * 12)
    spectrum = power_spectrum(samples, Stft())
    reference = np.abs(librosa.stft(samples, n_fft=512, win_length=400, hop_length=160)).T ** 2
    assert spectrum.shape == (1201, 257)
    np.testing.assert_allclose(spectrum, reference, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    "kind", [Mfcc(n_mfcc=13, deltas=1), LogMel(n_mels=80)], ids=["mfcc", "logmel"]
)
def test_the_layout_describes_what_comes_out(kind: Mfcc | LogMel) -> None:
    layout = kind.layout(needs())
    values = kind.extract(CLIP, sound(noise(4000))).values
    assert (layout.dtype, layout.shape) == (values.dtype.name, values.shape[1:])
    assert layout.dims == ("time", "mfcc" if isinstance(kind, Mfcc) else "mel")
    assert layout.hop_s == 0.01
    assert "dB" in layout.units


def test_a_hop_is_rounded_to_whole_samples_and_says_so() -> None:
    kind = LogMel(rate_hz=22050, n_mels=40, hop_s=0.01)
    assert kind.layout(needs(22050)).hop_s == 220 / 22050


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (
            lambda: Mfcc().layout(needs(44100)),
            "rate_hz = 16000, but its input 'audio' has 44100 Hz",
        ),
        (lambda: LogMel().layout(needs(None)), "no fixed rate"),
        (lambda: LogMel(window="hanning").layout(needs()), "no window 'hanning'"),
        (lambda: LogMel(n_mels=400).layout(needs()), "of 400 mel bands lie between two bins"),
        (lambda: Mfcc(hop_s=0.0), "at least one sample"),
        (lambda: Mfcc(n_fft=256), "must hold the window of 400 samples, got n_fft = 256"),
        (lambda: Mfcc(fmax=9000.0), "half the sampling rate, 8000 Hz"),
        (lambda: Mfcc(fmin=-1.0), "fmin = -1"),
        (lambda: Mfcc(n_mfcc=41, n_mels=40), "between 1 and n_mels = 40, got 41"),
        (lambda: Mfcc(delta_width=8), "delta_width must be odd"),
        (lambda: Mfcc(deltas=-1), "deltas = -1"),
    ],
)
def test_parameters_that_make_no_sense_are_one_sentence(
    wrong: Callable[[], object], says: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(says)) as refused:
        wrong()
    assert "\n" not in str(refused.value)


def test_each_parameter_is_in_the_fingerprint() -> None:
    changed: list[FromTracks | Waveform] = [
        Mfcc(),
        LogMel(),
        Mfcc(n_mfcc=20),
        Mfcc(deltas=1),
        Mfcc(hop_s=0.02),
        Mfcc(centre=False),
        Mfcc(fmin=20.0),
    ]
    assert len({kind.spec("x", needs()).fingerprint for kind in changed}) == len(changed)


@pytest.mark.usefixtures("processes")
def test_neither_librosa_nor_what_else_takes_a_second_to_import_is_needed() -> None:
    """Every new worker process would wait for it."""
    code = """
import sys
import numpy as np
from extractors.mel import mel_decibels
from extractors.mfcc import Mfcc, derivative
from extractors.stft import power_spectrum
kind = Mfcc()
derivative(mel_decibels(power_spectrum(np.ones(16000, np.float32), kind.stft), kind.mel), 2, 9)
print(sorted({"librosa", "numba", "scipy.signal", "av"} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
