"""Power in mel bands, in decibels: the log-mel spectrogram, and what MFCC start from.

One computation serves both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from extractors.base import FromTracks, Inputs
from extractors.sound import check_rate
from extractors.stft import Stft, check_window, power_spectrum
from manifests.clips import Clip
from manifests.features import FeatureSpec
from manifests.quarantine import BadClip, Reason
from manifests.tracks import Track

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_LEAST_POWER = 1e-10
"""librosa's `amin`: digital silence is -100 dB."""

_MEL_HZ = 200.0 / 3
"""Width of a mel below `_LINEAR_HZ`, where Slaney's scale is linear."""
_LINEAR_HZ = 1000.0
_LINEAR_MELS = _LINEAR_HZ / _MEL_HZ
_LOG_STEP = np.log(6.4) / 27
"""Natural logarithm of the ratio of two frequencies that are a mel apart, above `_LINEAR_HZ`."""


@dataclass(frozen=True)
class Mel:
    """A bank of triangular filters on Slaney's mel scale, each of unit area.

    Slaney, Auditory Toolbox, 1998.
    """

    stft: Stft
    n_mels: int
    fmin: float
    """Hz, the lower edge of the lowest band."""
    fmax: float
    """Hz, the upper edge of the highest band."""

    def __post_init__(self) -> None:
        if not 0 <= self.fmin < self.fmax <= self.stft.rate_hz / 2:
            raise ValueError(
                "the mel bands must lie between 0 Hz and half the sampling rate, "
                f"{self.stft.rate_hz / 2:g} Hz, "
                f"got fmin = {self.fmin:g}, fmax = {self.fmax:g}"
            )


@dataclass(frozen=True, kw_only=True)
class MelFeature(FromTracks):
    """The parameters of features over mel bands, and the way from sound to decibels."""

    n_mels: int
    """Number of bands."""
    audio: str = "audio"
    """Name of the feature that holds the sound."""
    rate_hz: int = 16000
    """Sampling rate of that sound."""
    window_s: float = 0.025
    """Length of the window."""
    hop_s: float = 0.010
    """Time from one row to the next."""
    n_fft: int | None = None
    """Samples of a frame; the window lies in its middle. None: the power of two that holds the
    window."""
    window: str = "hann"
    """Name of a window of `scipy.signal.get_window`."""
    fmin: float = 0.0
    """Hz, the lower edge of the lowest band."""
    fmax: float | None = None
    """Hz, the upper edge of the highest band; None: half the sampling rate."""
    centre: bool = True
    """Row i is centred on i * hop_s, with zeros beyond both ends of the clip; False: every frame
    lies within the clip."""

    roles: ClassVar[tuple[str, ...]] = ("audio",)

    def __post_init__(self) -> None:
        _ = self.mel  # refuses parameters that make no sense

    @property
    def stft(self) -> Stft:
        """The transform of the sound."""
        return Stft(self.rate_hz, self.window_s, self.hop_s, self.n_fft, self.window, self.centre)

    @property
    def mel(self) -> Mel:
        """The filters on its bins."""
        return Mel(
            self.stft, self.n_mels, self.fmin, self.rate_hz / 2 if self.fmax is None else self.fmax
        )

    def check_input(self, needs: Mapping[str, FeatureSpec]) -> None:
        """Refuses sound and parameters that do not go together.

        Args:
            needs: Role -> spec of the input.

        Raises:
            ValueError: The sound has another rate, or the window or the filters cannot be made.
        """
        check_rate(self.name, self.rate_hz, needs["audio"], self.audio)
        check_window(self.stft)
        check_bands(self.mel)

    def decibels(self, clip: Clip, inputs: Inputs) -> NDArray[np.float32]:
        """Computes the power in the bands.

        Args:
            clip: The clip.
            inputs: Its sound.

        Returns:
            (frame, mel) power in dB re 1, shared with every other feature of the clip that has the
            same bands: it must not be written to.

        Raises:
            BadClip: TOO_SHORT for a clip without a whole frame.
        """
        sound = inputs["audio"].values
        if not self.stft.frames(len(sound)):
            raise BadClip(
                clip.clip_id,
                Reason.TOO_SHORT,
                f"the clip has {len(sound)} samples at {self.rate_hz} Hz, one frame needs "
                f"{1 if self.centre else self.stft.fft_samples}",
            )

        def power() -> NDArray[np.float32]:
            return inputs.once(self.stft, lambda: power_spectrum(sound, self.stft))

        return inputs.once(self.mel, lambda: mel_decibels(power(), self.mel))

    def track(self, values: NDArray[np.float32], inputs: Inputs) -> Track:
        """Gives rows their times; all of them are valid.

        Args:
            values: (frame, ...) rows.
            inputs: The clip's sound, whose notes (`silent`, ...) hold for the rows too.

        Returns:
            The track.
        """
        sound = inputs["audio"]
        seconds = self.stft.seconds(
            float(sound.seconds[0]), len(values), tempo_of(sound, self.rate_hz)
        )
        return Track(values, seconds, np.ones(len(values), bool), sound.notes)


def tempo_of(sound: Track, rate_hz: int) -> float:
    """Measures how fast the clip passes in the sound, to 6 digits.

    Args:
        sound: Sound with its times.
        rate_hz: Its sampling rate.

    Returns:
        Seconds of the clip in one second of the sound: 1, but for sound whose tempo was changed
        (see `augment_audio`).
    """
    if len(sound) < 2:
        return 1.0
    return round(float(sound.seconds[-1] - sound.seconds[0]) * rate_hz / (len(sound) - 1), 6)


def mel_decibels(power: NDArray[np.float32], mel: Mel) -> NDArray[np.float32]:
    """Sums power into bands: librosa's `power_to_db(..., top_db=None)`, at least -100 dB.

    Args:
        power: (frame, bin) power.
        mel: The filters.

    Returns:
        (frame, mel) dB re 1.
    """
    bands: NDArray[np.float32] = power @ mel_filters(mel)
    np.maximum(bands, _LEAST_POWER, out=bands)
    np.log10(bands, out=bands)
    bands *= 10
    return bands


def check_bands(mel: Mel) -> None:
    """Refuses filters that are too narrow to cover any bin of the transform.

    Args:
        mel: The filters.

    Raises:
        ValueError: A band would hold nothing.
    """
    edges = mel_edges(mel)
    bins = np.fft.rfftfreq(mel.stft.fft_samples, 1 / mel.stft.rate_hz)
    empty = np.searchsorted(bins, edges[:-2], "right") == np.searchsorted(bins, edges[2:], "left")
    if empty.any():
        raise ValueError(
            f"{int(empty.sum())} of {mel.n_mels} mel bands lie between two bins of the "
            f"{mel.stft.fft_samples}-point transform and would "
            "hold nothing; ask for fewer bands or a longer window"
        )
    np.empty(mel.n_mels)  # like librosa, NumPy refuses a negative number of bands


def mel_edges(mel: Mel) -> NDArray[np.float64]:
    """Places the edges of the bands evenly on Slaney's mel scale.

    The scale is linear up to 1000 Hz and logarithmic above; in floating-point steps this is
    librosa's `mel_frequencies`, so that both find the same bands empty.

    Args:
        mel: The filters.

    Returns:
        (n_mels + 2,) Hz: band i lies between edges i and i + 2.
    """
    low, high = (
        _LINEAR_MELS + np.log(hz / _LINEAR_HZ) / _LOG_STEP if hz >= _LINEAR_HZ else hz / _MEL_HZ
        for hz in (mel.fmin, mel.fmax)
    )
    mels = np.linspace(low, high, mel.n_mels + 2)
    logarithmic = _LINEAR_HZ * np.exp(_LOG_STEP * (mels - _LINEAR_MELS))
    return np.where(mels >= _LINEAR_MELS, logarithmic, _MEL_HZ * mels)


@cache
def mel_filters(mel: Mel) -> "csr_array":
    """Makes the filters of `librosa.filters.mel`, bit for bit; librosa takes a second to import.

    They are sparse, for a bin lies in two bands: faster than a dense product, and the same bits
    whatever number of threads BLAS uses.

    Args:
        mel: Which filters.

    Returns:
        (bin, mel) float32 weights.

    Raises:
        ValueError: A filter is too narrow to cover any bin of the transform.
    """
    from scipy.sparse import csr_array

    check_bands(mel)
    edges = mel_edges(mel)
    bins = np.fft.rfftfreq(mel.stft.fft_samples, 1 / mel.stft.rate_hz)
    widths, distances = np.diff(edges), np.subtract.outer(edges, bins)
    rising = -distances[:-2] / widths[:-1, np.newaxis]
    falling = distances[2:] / widths[1:, np.newaxis]
    filters = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    filters *= (2 / (edges[2:] - edges[:-2]))[:, np.newaxis]
    return csr_array(filters.T)
