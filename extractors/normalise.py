"""Sound of equal strength from clip to clip."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from extractors.audio import SILENT_PEAK
from extractors.base import FromTracks, Inputs, Layout
from extractors.sound import same_sound, with_values
from manifests.clips import Clip
from manifests.features import FeatureSpec
from manifests.tracks import Track

MEASURES = ("peak", "rms")
"""What can be brought to a level."""


@dataclass(frozen=True, kw_only=True)
class Normalise(FromTracks):
    """Mono sound, multiplied by one factor a clip that brings it to a given level.

    values, seconds, valid, notes: As those of the input, sample by sample.

    Nothing is clipped: brought to an RMS level, peaks may exceed full scale. A clip that is noted
    `silent` (a peak below -60 dB) stays as it is: amplified, it would be noise as loud as speech.
    """

    name: ClassVar[str] = "normalise"
    version: ClassVar[int] = 1
    roles: ClassVar[tuple[str, ...]] = ("input",)

    input: str = "audio"
    """The feature that holds the sound."""
    measure: str = "peak"
    """What is brought to the level: `peak`, the largest absolute sample, or `rms`, the root mean
    square over all of the clip."""
    level_db: float = 0.0
    """Level in dB re full scale; 0: a peak of 1.0."""

    def __post_init__(self) -> None:
        self.check_choice("measure", MEASURES)
        self.check_range("level_db", -100, 20, " dB re full scale")

    def layout(self, needs: Mapping[str, FeatureSpec]) -> Layout:
        return same_sound(self.name, needs["input"])

    def extract(self, clip: Clip, inputs: Inputs) -> Track:
        """Brings one clip to the level.

        Args:
            clip: The clip; not used.
            inputs: Its sound, under the role `input`.

        Returns:
            The sound at the level.
        """
        sound = inputs["input"]
        values = sound.values.astype(np.float64)
        peak = float(np.abs(values).max(initial=0))
        if peak < SILENT_PEAK:
            return sound
        found = peak if self.measure == "peak" else math.sqrt(float(np.mean(values**2)))
        return with_values(sound, values * (10 ** (self.level_db / 20) / found))
