"""One more extractor, as somebody would add it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from extractors.base import FromTracks, Inputs, Layout
from manifests.clips import Clip
from manifests.features import FeatureSpec
from manifests.tracks import Track


@dataclass(frozen=True)
class Loudness(FromTracks):
    """Mean power of sound.

    values: (time,) float32, dB re full scale, at least -100; row i begins at i * row_s.
    """

    name: ClassVar[str] = "loudness"
    version: ClassVar[int] = 1
    roles: ClassVar[tuple[str, ...]] = ("audio",)

    audio: str = "audio"
    row_s: float = 0.1

    def layout(self, needs: Mapping[str, FeatureSpec]) -> Layout:
        return Layout("float32", ("time",), (), "dB re full scale", self.row_s)

    def extract(self, clip: Clip, inputs: Inputs) -> Track:
        sound = inputs["audio"]
        length = round(self.row_s * 16000)
        rows = sound.values[: len(sound) // length * length].reshape(-1, length)
        power = (rows.astype(np.float64) ** 2).mean(axis=1)
        values = (10 * np.log10(np.maximum(power, 1e-10))).astype(np.float32)
        return Track(values, sound.seconds[: rows.size : length], np.ones(len(rows), np.bool_))
