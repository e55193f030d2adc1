"""Principal components."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from extractors.base import Layout
from extractors.fitted.base import Examples, State, Statistic
from extractors.fitted.moments import CrossMoments, of_input
from manifests.features import FeatureSpec

_WIDEST = 8192
"""The covariance of wider rows would take more than half a gigabyte."""


@dataclass(frozen=True, kw_only=True)
class Pca(Statistic):
    """Projections on the directions in which the training clips vary most, greatest first.

    values: (time, component) float32, in the input's unit.

    Hotelling, 1933. The directions are those of the valid rows, by their covariance, so that memory
    does not grow with the clips. Of the two signs of a direction the one is taken that makes its
    largest number positive.
    """

    name: ClassVar[str] = "pca"
    version: ClassVar[int] = 1
    roles: ClassVar[tuple[str, ...]] = ("input",)
    transform: ClassVar[str] = "project"

    input: str
    """Name of a feature whose rows are vectors."""
    n_components: int | None = None
    """Number of directions; None: as many as `variance` needs."""
    variance: float | None = None
    """Take the least number of directions that hold this share of the variance, so that the width
    depends on the fold."""

    def __post_init__(self) -> None:
        if (self.n_components is None) == (self.variance is None):
            raise ValueError(
                "pca needs either n_components or variance, such as n_components = 20 or variance "
                "= 0.95"
            )
        if self.n_components is not None and self.n_components < 1:
            raise ValueError(f"n_components = {self.n_components}, but at least 1 is needed")
        if self.variance is not None and not 0 < self.variance <= 1:
            raise ValueError(
                f"variance = {self.variance}, but a share above 0 and up to 1 is needed"
            )

    def layout(self, needs: Mapping[str, FeatureSpec]) -> Layout:
        source = needs["input"]
        if len(source.shape) != 1 or source.shape[0] > _WIDEST:
            raise ValueError(
                f"pca needs rows of one dimension, of at most {_WIDEST} numbers; those of "
                f"{self.input} are {source.shape}"
            )
        if self.n_components is not None and self.n_components > source.shape[0]:
            raise ValueError(
                f"n_components = {self.n_components}, but the rows of {self.input} have "
                f"{source.shape[0]} numbers"
            )
        width = source.shape[0] if self.n_components is None else self.n_components
        return Layout(
            "float32",
            ("time", "component"),
            (width,),
            source.units,
            source.hop_s,
            about=source.about,
        )

    def fit(self, examples: Examples) -> State:
        """Finds the directions.

        Args:
            examples: The training clips of one fold.

        Returns:
            mean (d,), basis (k, d) with rows of length 1, and variance (k,) along each of them;
            float64.

        Raises:
            ValueError: The rows are no more than the directions, so that some would be made up.
        """
        moments = of_input(examples, CrossMoments)
        if self.n_components is not None and moments.count <= self.n_components:
            raise ValueError(
                f"{moments.count} valid rows of training have no {self.n_components} directions; "
                "ask for fewer"
            )
        values, vectors = np.linalg.eigh(moments.squares / moments.count)
        values, basis = np.clip(values[::-1], 0, None), _signed(vectors.T[::-1])
        kept = self.n_components or _least(values, self.variance or 1.0)
        return {"mean": moments.mean, "basis": basis[:kept], "variance": values[:kept]}


def _signed(basis: NDArray[np.float64]) -> NDArray[np.float64]:
    largest = np.abs(basis).argmax(axis=1)
    return np.ascontiguousarray(basis * np.sign(basis[np.arange(len(basis)), largest])[:, None])


def _least(values: NDArray[np.float64], share: float) -> int:
    """How many of the variances, greatest first, come to this share of their sum."""
    sums = np.cumsum(values)
    return int(np.searchsorted(sums, share * sums[-1] * (1 - 1e-12))) + 1
