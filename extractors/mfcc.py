"""Mel-frequency cepstral coefficients and their derivatives in time."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from extractors.base import Inputs, Layout
from extractors.mel import MelFeature
from manifests.clips import Clip
from manifests.features import FeatureSpec
from manifests.tracks import Track

_TOP_DB = 80.0
"""Part of librosa's definition of MFCC: bands more than 80 dB below the loudest of the clip are
raised to that level."""


@dataclass(frozen=True, kw_only=True)
class Mfcc(MelFeature):
    """MFCC as `librosa.feature.mfcc` defines them, then the derivatives of `librosa.feature.delta`.

    values: (time, (deltas + 1) * n_mfcc) float32: coefficients 0 to n_mfcc - 1 of the orthonormal
        DCT-II of the log-mel power in dB, then their first derivative per row, then their second.
        Row i is centred at i * hop_s (see `centre`).
    valid: True throughout.
    """

    name: ClassVar[str] = "mfcc"
    version: ClassVar[int] = 1

    n_mels: int = 128
    n_mfcc: int = 40
    """Coefficients of a row, from the lowest on."""
    deltas: int = 2
    """Highest order of derivative; 0: the coefficients alone."""
    delta_width: int = 9
    """Rows that a derivative is fitted over."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.n_mfcc <= self.n_mels:
            raise ValueError(
                f"n_mfcc must lie between 1 and n_mels = {self.n_mels}, got {self.n_mfcc}"
            )
        if (
            self.deltas < 0
            or self.delta_width % 2 == 0
            or self.delta_width < max(3, self.deltas + 1)
        ):
            raise ValueError(
                "delta_width must be odd, at least 3 and above deltas, and deltas not negative, "
                f"got deltas = {self.deltas}, delta_width = {self.delta_width}"
            )

    def layout(self, needs: Mapping[str, FeatureSpec]) -> Layout:
        self.check_input(needs)
        units = f"{self.n_mfcc} cepstral coefficients of the mel power in dB"
        if self.deltas:
            units += f", then their derivatives per row up to order {self.deltas}"
        width = (self.deltas + 1) * self.n_mfcc
        return Layout("float32", ("time", "mfcc"), (width,), units, self.stft.row_s)

    def extract(self, clip: Clip, inputs: Inputs) -> Track:
        """Measures one clip.

        Args:
            clip: The clip.
            inputs: Its sound, under the role `audio`.

        Returns:
            The coefficients; see the class for their form.

        Raises:
            BadClip: TOO_SHORT for a clip without a whole frame.
        """
        from scipy.fft import dct

        decibels = self.decibels(clip, inputs)
        floored = np.maximum(decibels, decibels.max() - _TOP_DB)
        coefficients = dct(floored, type=2, norm="ortho", axis=1)[:, : self.n_mfcc]
        parts = [coefficients]
        for order in range(1, self.deltas + 1):
            parts.append(derivative(coefficients, order, self.delta_width))
        return self.track(np.concatenate(parts, axis=1), inputs)


def derivative(rows: NDArray[np.float32], order: int, width: int) -> NDArray[np.float32]:
    """Derives rows in time by fitting a polynomial of degree `order` (Savitzky and Golay, 1964).

    The first and last width // 2 rows take their derivative from the first and last whole fit. A
    clip with fewer rows than `width` has none: its first and last row are repeated beyond its ends
    instead (librosa refuses such a clip and names this way out).

    Args:
        rows: (time, ...).
        order: Order of the derivative.
        width: Rows that the polynomial is fitted over; odd.

    Returns:
        The derivative per row, of the shape of `rows`.
    """
    from scipy.ndimage import correlate1d

    fits = _fits(order, width)
    half = width // 2
    fitted: NDArray[np.float32] = correlate1d(rows, fits[half], axis=0, mode="nearest")
    if len(rows) >= width:
        fitted[:half] = fits[:half] @ rows[:width]
        fitted[-half:] = fits[-half:] @ rows[-width:]
    return fitted


_OF_NINE = {
    1: [t / 60 for t in range(-4, 5)],
    2: [share / 462 for share in (28, 7, -8, -17, -20, -17, -8, 7, 28)],
}
"""Order of a derivative -> its weights in a fit over nine rows, the usual width."""
_NOT_ZERO, _NOT_ZERO_IN_THE_MIDDLE = 1.0571906723006466e-17, -1.0408340855860843e-17
"""What scipy.signal makes of the middle weight of the first, which is 0: kept, since it stands in
the last bits of what stores hold."""


@cache
def _fits(order: int, width: int) -> NDArray[np.float32]:
    """(width, width): row i holds the weights that give the derivative at row i of one fit.

    They are those of `scipy.signal.savgol_filter`, bit for bit; scipy.signal takes most of a second
    to import, and is asked for unusual ones alone.
    """
    if width == 9 and order in _OF_NINE:
        fits = np.tile(np.array(_OF_NINE[order], np.float32), (width, 1))
        if order == 1:
            fits[:, width // 2] = _NOT_ZERO
            fits[width // 2, width // 2] = _NOT_ZERO_IN_THE_MIDDLE
        return fits
    from scipy.signal import savgol_filter

    # They are read off the filter's answer to unit pulses.
    pulses = np.eye(width)
    fits = savgol_filter(pulses, width, polyorder=order, deriv=order, axis=0, mode="interp")
    return np.asarray(fits, np.float32)
