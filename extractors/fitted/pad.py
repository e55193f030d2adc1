"""A length for all clips."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from extractors.base import Layout
from extractors.fitted.base import Examples, State, Statistic
from manifests.features import FeatureSpec


@dataclass(frozen=True, kw_only=True)
class Pad(Statistic):
    """Every clip cut or padded at its end to one number of rows.

    values: As the input's; (length, ...) for every clip. The length is that of the longest training
        clip, or a percentile of theirs. Rows that are added are zeros and not valid; see
        `stores.transforms.pad`.
    """

    name: ClassVar[str] = "pad"
    version: ClassVar[int] = 1
    roles: ClassVar[tuple[str, ...]] = ("input",)
    transform: ClassVar[str] = "pad"

    input: str
    """Name of the feature that is padded."""
    percentile: float = 100.0
    """Share of the training clips, in percent, that are not cut: the length is the least that is
    enough for them."""

    def __post_init__(self) -> None:
        if not 0 < self.percentile <= 100:
            raise ValueError(
                f"percentile = {self.percentile}, but a number above 0 and up to 100 is needed"
            )

    def layout(self, needs: Mapping[str, FeatureSpec]) -> Layout:
        return replace(Layout.of(needs["input"]), codec="raw")

    def fit(self, examples: Examples) -> State:
        """Measures the lengths of the clips.

        Args:
            examples: The training clips of one fold.

        Returns:
            length () int64 in rows; hop_s () float64, the median step from row to row, 0 where no
            clip has two rows.

        Raises:
            ValueError: No clip has a row.
        """
        lengths, steps = [], []
        for number in range(len(examples)):
            track = examples.tracks["input"][number]
            lengths.append(len(track))
            if len(track) > 1:
                steps.append(float(np.median(np.diff(track.seconds))))
        if not any(lengths):
            raise ValueError(f"none of the {len(lengths)} training clips has a row")
        length = np.percentile(lengths, self.percentile, method="inverted_cdf")
        return {
            "length": np.array(max(1, int(length)), np.int64),
            "hop_s": np.array(np.median(steps) if steps else 0.0),
        }
