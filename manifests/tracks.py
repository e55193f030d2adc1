"""A track: measured values with their own time axis.

Tracks are what extractors give and what stores give back.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Track:
    """Values of one feature of one clip. Time is the first dimension of all three arrays.

    Raises:
        ValueError: The arrays differ in their number of rows.
    """

    values: NDArray[Any]
    """(time, ...), or (time,) encoded JPEG images as `bytes` before they are stored.

    Float values are NaN where `valid` is False; pixels there mean nothing.
    """
    seconds: NDArray[np.float64]
    """(time,) when each row was measured, in seconds on the clip's own clock (the decoder's time
    stamps)."""
    valid: NDArray[np.bool_]
    """(time,) False where nothing was measured, such as a frame without a face."""
    notes: tuple[str, ...] = ()
    """Named facts about the whole track, such as `silent` or `many_faces`; they end in the index.
    """

    def __post_init__(self) -> None:
        if not len(self.values) == len(self.seconds) == len(self.valid) or self.seconds.ndim != 1:
            raise ValueError(
                "a Track needs rows of equal number, got "
                f"values.shape = {self.values.shape}, seconds.shape = {self.seconds.shape}, "
                f"valid.shape = {self.valid.shape}"
            )

    def __len__(self) -> int:
        return len(self.seconds)
