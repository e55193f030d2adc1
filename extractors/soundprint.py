"""A fingerprint of sound, to find copies of a recording: they have nearly the same bits.

It survives re-encoding, resampling and gain.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from extractors.base import FromTracks, Inputs, Layout
from extractors.sound import check_rate
from manifests.clips import Clip
from manifests.features import FeatureSpec
from manifests.tracks import Track

_WINDOW_S = 0.37
"""Length of a window."""
_HOP_S = 0.0125
"""Half of it is the greatest shift between the rows of a clip and those of a trimmed copy: a
sixtieth of the window."""
_LOW_HZ, _HIGH_HZ = 300.0, 2000.0
_BANDS = 33
"""Bands whose energies are compared: one more than there are bits."""
_LEAST_DB = -75.0
"""Power in the bands, re full scale, below which a row is not valid: its bits are those of noise,
or of a codec's dither."""
_RANGE_DB = 40.0
"""A row that is so far below the loudest of its clip is not valid either: pauses do not survive an
encoder."""
_BLOCK = 32
"""Frames that are transformed at a time, so that memory does not grow with the clip."""


@dataclass(frozen=True)
class SoundPrint(FromTracks):
    """Signs of how the energy changes from band to band and from row to row, 32 bits every 12.5 ms.

    values: (time, 4) uint8; bit 7 - m of byte b is band 8 b + m, 1 where (E(n, k) - E(n, k + 1)) -
        (E(n - 1, k) - E(n - 1, k + 1)) > 0 for the energies E of 33 bands between 300 and 2,000 Hz,
        equally wide on a logarithmic scale, in windows of 0.37 s. Row i lies at the centre of its
        window.
    valid: False where the sound in these bands is below -75 dB re full scale or 40 dB below the
        loudest row of the clip. A clip that is too short for two windows (0.3825 s) has one row,
        which is not valid.

    A bit says whether the energy falls from one band to the next more steeply than it did a row
    before: Haitsma and Kalker, "A highly robust audio fingerprinting system", ISMIR 2002, eq. 1;
    here with a hop of 12.5 ms, and computed from the rate of the input.
    """

    name: ClassVar[str] = "soundprint"
    version: ClassVar[int] = 1
    roles: ClassVar[tuple[str, ...]] = ("audio",)

    audio: str = "audio"
    """Name of the feature that holds the sound."""
    rate_hz: int = 16000
    """Sampling rate of that sound."""

    def __post_init__(self) -> None:
        if self.rate_hz < 2 * _HIGH_HZ:
            raise ValueError(
                f"rate_hz of soundprint is {self.rate_hz}, expected at least {2 * _HIGH_HZ:g}: "
                "its bands reach to half of that"
            )

    def layout(self, needs: Mapping[str, FeatureSpec]) -> Layout:
        check_rate(self.name, self.rate_hz, needs["audio"], self.audio)
        return Layout(
            "uint8",
            ("time", "byte"),
            (4,),
            "bits: signs of differences of band energies",
            self._hop / self.rate_hz,
        )

    def extract(self, clip: Clip, inputs: Inputs) -> Track:
        """Measures one clip.

        Args:
            clip: The clip; not used.
            inputs: Its sound, under the role `audio`.

        Returns:
            The bits; see the class for their form.
        """
        sound = inputs["audio"]
        if len(sound) < self._window + self._hop:
            return Track(
                np.zeros((1, 4), np.uint8), sound.seconds[:1], np.zeros(1, np.bool_), sound.notes
            )
        energies = _band_energies(sound.values, self.rate_hz, self._window, self._hop)
        steps = energies[:, :-1] - energies[:, 1:]
        values = np.packbits(steps[1:] > steps[:-1], axis=1)
        centres = np.arange(1, len(energies)) * self._hop + self._window / 2
        seconds = sound.seconds[0] + centres / self.rate_hz
        return Track(values, seconds, _audible(energies[1:]), sound.notes)

    @property
    def _window(self) -> int:
        return round(_WINDOW_S * self.rate_hz)

    @property
    def _hop(self) -> int:
        return round(_HOP_S * self.rate_hz)


def _audible(energies: NDArray[np.float64]) -> NDArray[np.bool_]:
    decibels = 10 * np.log10(energies.sum(axis=1) + 1e-20)
    return np.asarray(decibels >= max(decibels.max() - _RANGE_DB, _LEAST_DB), np.bool_)


def _band_energies(
    sound: NDArray[np.float32], rate_hz: int, window: int, hop: int
) -> NDArray[np.float64]:
    """(frame, band) mean power, re full scale.

    It is computed in float64: the signs of small differences shall not depend on the processor.
    """
    from scipy.fft import next_fast_len, rfft

    weights, first, starts = _bank(rate_hz, window)
    frames = np.lib.stride_tricks.sliding_window_view(sound, window)[::hop]
    points = next_fast_len(window, real=True)
    energies = np.empty((len(frames), _BANDS))
    for at in range(0, len(frames), _BLOCK):
        full = rfft(frames[at : at + _BLOCK] * weights, points, axis=1)
        spectrum = full[:, first : first + int(starts[-1])]
        power = spectrum.real**2 + spectrum.imag**2
        energies[at : at + _BLOCK] = np.add.reduceat(power, starts[:-1], axis=1)
    return np.asarray(energies * (2 / (points * np.sum(weights**2))), np.float64)


@cache
def _bank(rate_hz: int, window: int) -> tuple[NDArray[np.float64], int, NDArray[np.int64]]:
    """The window's weights (Hann), the lowest bin of the lowest band, and the bands' first bins.

    These are counted from the lowest bin; the last of them ends the highest band.
    """
    from scipy.fft import next_fast_len

    points = next_fast_len(window, real=True)
    bins = np.geomspace(_LOW_HZ, _HIGH_HZ, _BANDS + 1) * points / rate_hz
    edges = np.round(bins).astype(np.int64)
    return np.hanning(window), int(edges[0]), edges - edges[0]
