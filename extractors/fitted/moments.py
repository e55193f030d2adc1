"""Mean and spread of rows that come clip by clip.

It takes one pass and flat memory, and loses nothing where the mean is large against the spread.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractors.fitted.base import Examples


class Moments:
    """Count, mean and sum of squared deviations of the rows so far.

    Two parts are merged as Chan, Golub and LeVeque have it ("Updating formulae and a pairwise
    algorithm for computing sample variances", 1979, eq. 2.1), in float64. The order of the parts
    may change the last bits; examples come in the order of their ids.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.count = 0
        self.mean = np.zeros(shape)
        self.squares = self._no_squares()

    def _no_squares(self) -> NDArray[np.float64]:
        return np.zeros(self.mean.shape)

    def _squares_of(self, deviations: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((deviations**2).sum(axis=0))

    def add(self, rows: NDArray[Any]) -> None:
        """Adds the rows of one clip.

        Args:
            rows: (time, ...), of which there may be none.
        """
        if not len(rows):
            return
        values = rows.astype(np.float64)
        mean = values.mean(axis=0)
        apart, share = (mean - self.mean)[None], len(values) / (self.count + len(values))
        self.squares += (
            self._squares_of(values - mean) + self._squares_of(apart) * self.count * share
        )
        self.mean += apart[0] * share
        self.count += len(values)


class CrossMoments(Moments):
    """Moments with the products of all pairs of columns: `squares` is (d, d)."""

    def _no_squares(self) -> NDArray[np.float64]:
        return np.zeros((*self.mean.shape, *self.mean.shape))

    def _squares_of(self, deviations: NDArray[np.float64]) -> NDArray[np.float64]:
        return deviations.T @ deviations


def of_input(examples: Examples, kind: type[Moments] = Moments) -> Moments:
    """Measures the valid rows of all training clips.

    Args:
        examples: The clips; their input has the role `input`.
        kind: `Moments`, or `CrossMoments` for products of columns.

    Returns:
        The moments of all these rows.

    Raises:
        ValueError: No row is valid.
    """
    tracks = examples.tracks["input"]
    moments: Moments | None = None
    for number in range(len(examples)):
        track = tracks[number]
        moments = moments or kind(track.values.shape[1:])
        moments.add(track.values[track.valid])
    if moments is None or not moments.count:
        raise ValueError(f"none of the {len(examples)} training clips has a valid row")
    return moments
