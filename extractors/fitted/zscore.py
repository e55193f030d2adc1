"""Per-band z-normalisation."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from extractors.base import Layout
from extractors.fitted.base import Examples, State, Statistic
from extractors.fitted.moments import of_input
from manifests.features import FeatureSpec

_CONSTANT = 1e-10
"""A deviation below this share of the mean is rounding: the band does not vary."""


@dataclass(frozen=True, kw_only=True)
class ZScore(Statistic):
    """Rows in units of each number's standard deviation from its mean, over the training clips.

    values: (values - mean) / standard deviation, of the shape of the input's rows, float32, without
        a unit.

    Both are measured over all valid rows of all training clips, for every number of a row by
    itself. The deviation divides by the number of rows. A band that does not vary in training is
    only centred.
    """

    name: ClassVar[str] = "zscore"
    version: ClassVar[int] = 1
    roles: ClassVar[tuple[str, ...]] = ("input",)
    transform: ClassVar[str] = "scale"

    input: str
    """Name of the feature that is standardised."""

    def layout(self, needs: Mapping[str, FeatureSpec]) -> Layout:
        units = "standard deviations from the training mean"
        return replace(Layout.of(needs["input"]), dtype="float32", units=units, codec="raw")

    def fit(self, examples: Examples) -> State:
        """Measures mean and deviation.

        Args:
            examples: The training clips of one fold.

        Returns:
            mean and scale, float64, of the shape of a row.

        Raises:
            ValueError: No row is valid.
        """
        moments = of_input(examples)
        deviation = np.sqrt(moments.squares / moments.count)
        constant = deviation <= _CONSTANT * np.abs(moments.mean)
        return {"mean": moments.mean, "scale": np.where(constant, 1.0, deviation)}
