"""Noise reduction by spectral subtraction.

S. F. Boll, Suppression of acoustic noise in speech using spectral subtraction, IEEE Trans. ASSP 27
(1979), 113-120; over-subtraction and the floor are those of M. Berouti, R. Schwartz and J. Makhoul,
Enhancement of speech corrupted by acoustic noise, ICASSP 1979.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from extractors.base import FromTracks, Inputs, Layout
from extractors.sound import same_sound, with_values
from extractors.stft import Stft, frame_window
from manifests.clips import Clip
from manifests.features import FeatureSpec
from manifests.tracks import Track

if TYPE_CHECKING:
    from scipy.signal import ShortTimeFFT


@dataclass(frozen=True, kw_only=True)
class Denoise(FromTracks):
    """Mono sound with its steady noise reduced.

    values, seconds, valid, notes: As those of the input, sample by sample.

    In each frequency bin, the magnitude |X| of each frame becomes max(|X| - strength * N, floor *
    |X|); the phase stays. N, the noise, is the mean magnitude of the clip's quietest frames, the
    share `noise_share` of all (Boll takes those without speech, which a clip does not mark): it is
    a clip's own, so that nothing is learned from other clips. Digital silence is not counted among
    them: it says nothing of the noise elsewhere. Boll's reduction of what noise is left, by
    comparing neighbouring frames, is not made.
    """

    name: ClassVar[str] = "denoise"
    version: ClassVar[int] = 1
    roles: ClassVar[tuple[str, ...]] = ("input",)

    input: str = "audio"
    """The feature that holds the sound."""
    rate_hz: int = 16000
    """Sampling rate of that sound."""
    window_s: float = 0.032
    """Length of a frame (Hann window); frames overlap by three quarters."""
    noise_share: float = 0.1
    """Share of the clip's frames, the quietest, that the noise is measured in."""
    strength: float = 1.0
    """How many times the noise is subtracted; Berouti's alpha."""
    floor: float = 0.02
    """Share of its magnitude that a bin keeps at least; 0 is Boll's half-wave rectification."""

    def __post_init__(self) -> None:
        for field, low, high in (
            ("window_s", 0.004, 1),
            ("noise_share", 0.001, 1),
            ("strength", 0, 100),
            ("floor", 0, 1),
        ):
            self.check_range(field, low, high)
        _ = self.stft

    @property
    def stft(self) -> Stft:
        """The frames that the noise is subtracted in."""
        return Stft(self.rate_hz, self.window_s, self.window_s / 4)

    def layout(self, needs: Mapping[str, FeatureSpec]) -> Layout:
        return same_sound(self.name, needs["input"], self.rate_hz)

    def extract(self, clip: Clip, inputs: Inputs) -> Track:
        """Reduces the noise of one clip.

        Args:
            clip: The clip; not used.
            inputs: Its sound, under the role `input`.

        Returns:
            The sound with less noise.
        """
        sound = inputs["input"]
        return with_values(sound, self.cleaned(sound.values))

    def cleaned(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """Subtracts the noise from samples.

        Args:
            values: (time,) samples.

        Returns:
            (time,) samples.
        """
        transform = _transform(self.stft)
        least = max(len(values), transform.m_num)
        spectrum = transform.stft(np.pad(values.astype(np.float64), (0, least - len(values))))
        loud = np.abs(spectrum)
        complete = slice(
            transform.lower_border_end[1] - transform.p_min,
            transform.upper_border_begin(least)[1] - transform.p_min,
        )
        noise = self.noise(loud[:, complete])[:, None]
        kept = np.maximum(loud - self.strength * noise, self.floor * loud)
        gain = np.divide(kept, loud, out=np.zeros_like(loud), where=loud > 0)
        sound: NDArray[np.float64] = transform.istft(spectrum * gain, k1=least)
        return sound[: len(values)]

    def noise(self, loud: NDArray[np.float64]) -> NDArray[np.float64]:
        """Measures the noise in the quietest frames that are not silent.

        Args:
            loud: (bin, frame) magnitudes.

        Returns:
            (bin,) their mean over these frames; zeros where every frame is silent.
        """
        power = (loud**2).sum(axis=0)
        sounding = np.flatnonzero(power > 0)
        if not len(sounding):
            return np.zeros(len(loud))
        quietest = sounding[np.argsort(power[sounding], kind="stable")][
            : max(1, round(self.noise_share * len(sounding)))
        ]
        return np.asarray(loud[:, quietest].mean(axis=1))


@cache
def _transform(stft: Stft) -> "ShortTimeFFT":
    from scipy.signal import ShortTimeFFT

    return ShortTimeFFT(frame_window(stft), stft.hop_samples, stft.rate_hz)
