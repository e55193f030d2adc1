"""The short-time Fourier transform that all spectral features share, by librosa's definition."""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

_BLOCK = 32
"""Frames that are transformed at a time: the windowed copy and its complex spectrum stay within the
processor's cache."""

_COSINE_WINDOWS = {"hann": (0.5, 0.5), "hamming": (0.54, 1.0 - 0.54)}
"""Weights of a constant and of a cosine: made as scipy.signal makes them, bit for bit, which takes
most of a second to import."""

_PLAIN_WINDOWS = {
    "barthann",
    "bartlett",
    "blackman",
    "blackmanharris",
    "bohman",
    "boxcar",
    "cosine",
    "flattop",
    "hamming",
    "hann",
    "lanczos",
    "nuttall",
    "parzen",
    "taylor",
    "triang",
}
"""Windows of `scipy.signal.get_window` that need no parameter: known here because scipy.signal
takes a second to import; scipy itself is asked for any other name."""


@dataclass(frozen=True)
class Stft:
    """Where the frames of the transform lie, and how they are weighted.

    Lengths in seconds are rounded to whole samples.
    """

    rate_hz: int = 16000
    """Sampling rate of the sound."""
    window_s: float = 0.025
    """Length of the window."""
    hop_s: float = 0.010
    """Time from one frame to the next."""
    n_fft: int | None = None
    """Samples of a frame; the window lies in its middle, with zeros on both sides. None: the next
    power of two."""
    window: str = "hann"
    """A window of `scipy.signal.get_window` that needs no parameter, in its periodic form."""
    centre: bool = True
    """Frame i is centred on sample i * hop, with zeros beyond both ends; False: it begins there,
    and every frame lies within the clip."""

    def __post_init__(self) -> None:
        if self.rate_hz < 1 or self.window_samples < 1 or self.hop_samples < 1:
            raise ValueError(
                "rate_hz, window_s and hop_s must each give at least one sample, "
                f"got rate_hz = {self.rate_hz}, window_s = {self.window_s}, hop_s = {self.hop_s}"
            )
        if self.fft_samples < self.window_samples:
            raise ValueError(
                f"n_fft must hold the window of {self.window_samples} samples, got n_fft = "
                f"{self.n_fft}"
            )

    @property
    def window_samples(self) -> int:
        """Samples of the window."""
        return round(self.window_s * self.rate_hz)

    @property
    def hop_samples(self) -> int:
        """Samples from one frame to the next."""
        return round(self.hop_s * self.rate_hz)

    @property
    def fft_samples(self) -> int:
        """Samples of a frame."""
        return self.n_fft or 1 << (self.window_samples - 1).bit_length()

    @property
    def bins(self) -> int:
        """Frequencies of the transform, from 0 to half the sampling rate."""
        return self.fft_samples // 2 + 1

    @property
    def row_s(self) -> float:
        """Seconds from one frame to the next, after rounding to whole samples."""
        return self.hop_samples / self.rate_hz

    def frames(self, samples: int) -> int:
        """Counts the frames of a clip.

        Args:
            samples: Samples of the clip.

        Returns:
            How many frames it has; 0 when it is too short for one.
        """
        margin = self.fft_samples // 2 if self.centre else 0
        spare = samples + 2 * margin - self.fft_samples
        return 0 if samples == 0 or spare < 0 else 1 + spare // self.hop_samples

    def seconds(self, start_s: float, frames: int, tempo: float = 1.0) -> NDArray[np.float64]:
        """Places the frames in time.

        Args:
            start_s: Time of the clip's first sample.
            frames: How many frames.
            tempo: The clip's samples are tempo / rate_hz apart.

        Returns:
            (frames,) when each frame is centred.
        """
        first = 0 if self.centre else self.fft_samples / 2
        centres = first + np.arange(frames, dtype=np.float64) * self.hop_samples
        return start_s + centres * tempo / self.rate_hz


def power_spectrum(samples: NDArray[np.float32], stft: Stft) -> NDArray[np.float32]:
    """Transforms samples: the transpose of `abs(librosa.stft(...)) ** 2`.

    It is computed in float64 like librosa's: in float32, bins 90 dB below the loudest of their
    frame (all above the band edge of a telephone recording) would hold rounding noise, which
    differs from one processor to the next.

    Args:
        samples: (time,) samples.
        stft: The frames.

    Returns:
        (frame, bin) squared magnitudes, float32; their transpose is contiguous, as a product with
        sparse filters wants it.
    """
    margin = stft.fft_samples // 2 if stft.centre else 0
    padded = np.pad(samples.astype(np.float64), margin)
    power = np.empty((stft.bins, stft.frames(len(samples))), np.float32).T
    if not len(power):
        return power
    frames = np.lib.stride_tricks.sliding_window_view(padded, stft.fft_samples)[:: stft.hop_samples]
    weights = frame_window(stft)
    weighted = np.empty((_BLOCK, stft.fft_samples))
    spectra = np.empty((_BLOCK, stft.bins), np.complex128)
    for first in range(0, len(power), _BLOCK):
        out = power[first : first + _BLOCK]
        block = np.multiply(frames[first : first + _BLOCK], weights, out=weighted[: len(out)])
        spectrum = np.fft.rfft(block, axis=1, out=spectra[: len(out)]).view(np.float64)
        spectrum *= spectrum
        np.add(spectrum[:, ::2], spectrum[:, 1::2], out=out, casting="same_kind")
    return power


def check_window(stft: Stft) -> None:
    """Refuses a window that scipy does not have, without importing scipy for one that it has.

    Args:
        stft: The frames.

    Raises:
        ValueError: The window is unknown, or needs a parameter.
    """
    if stft.window not in _PLAIN_WINDOWS:
        frame_window(stft)


@cache
def frame_window(stft: Stft) -> NDArray[np.float64]:
    """Makes the weights of a frame: the window between zeros.

    Args:
        stft: The frames.

    Returns:
        (n_fft,) weights.

    Raises:
        ValueError: The window is unknown, or needs a parameter.
    """
    window = _window(stft)
    spare = stft.fft_samples - stft.window_samples
    return np.pad(np.asarray(window, np.float64), (spare // 2, math.ceil(spare / 2)))


def _window(stft: Stft) -> NDArray[np.float64]:
    cosine, samples = _COSINE_WINDOWS.get(stft.window), stft.window_samples
    if cosine is not None and samples > 1:
        turn = np.linspace(-np.pi, np.pi, samples + 1)[:-1]
        return cosine[0] + cosine[1] * np.cos(turn)
    from scipy.signal import get_window

    try:
        window: NDArray[np.float64] = get_window(stft.window, samples, fftbins=True)
    except ValueError as error:
        raise ValueError(
            f"scipy.signal has no window {stft.window!r} ({error}); choose one such as 'hann' or "
            "'hamming'"
        ) from error
    return window
