"""A track: measured values with their own time axis.

Tracks are what extractors give and what stores give back.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from manifests.converted import TorchTrack, to_pandas, to_torch, to_xarray
from manifests.features import FeatureSpec
from manifests.shown import as_html
from manifests.visible import visible

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


@dataclass(frozen=True, eq=False, repr=False)
class Track:
    """Values of one feature of one clip. Time is the first dimension of all three arrays.

    `track[:50]` are its first 50 rows, `track[track.valid]` those that are valid.

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

    def __getitem__(self, rows: slice | NDArray[Any]) -> "Track":
        if not isinstance(rows, slice | np.ndarray):
            raise TypeError(
                f"rows of a track were asked for by {rows!r}, expected a slice such as [:50], or "
                "an array of numbers or truth values; of one row, its values are track.values[i]"
            )
        return Track(self.values[rows], self.seconds[rows], self.valid[rows], self.notes)

    def __repr__(self) -> str:
        return visible(f"Track({', '.join(text for text in self._facts.values() if text)})")

    def _repr_html_(self) -> str:
        return as_html("Track", self._facts)

    def to_torch(self) -> TorchTrack:
        """Copies the track to tensors.

        Returns:
            `values`, `seconds` and `valid`, a tensor each.

        Raises:
            ImportError: torch is not installed.
        """
        return to_torch(self)

    def to_pandas(self, spec: FeatureSpec | None = None) -> "pd.DataFrame":
        """Copies the track to a table.

        Args:
            spec: Its feature, `store["mfcc"].spec`, whose units name the columns where they name
                each number of a row.

        Returns:
            A row for each row of the track, by its time: the index is `seconds`. Columns: the
            numbers of a row, then `valid`.

        Raises:
            ValueError: A row has more than one dimension, as pictures have.
        """
        return to_pandas(self, spec)

    def to_xarray(self, spec: FeatureSpec | None = None) -> "xr.DataArray":
        """Copies the track to an array with names.

        Args:
            spec: Its feature, `store["mfcc"].spec`, which names the array and its dimensions.

        Returns:
            Coordinates `time`, the seconds of the rows, and `valid`; attributes `notes`, and
            `units` where the feature is given.

        Raises:
            ImportError: xarray is not installed.
        """
        return to_xarray(self, spec)

    @property
    def _facts(self) -> dict[str, str]:
        shape = ", ".join(map(str, self.values.shape))
        hop = f", median hop {np.median(np.diff(self.seconds)):.3g} s" if len(self) > 1 else ""
        span = f"{self.seconds[0]:.3f} to {self.seconds[-1]:.3f} s{hop}" if len(self) else ""
        return {
            "values": f"({shape}{',' if self.values.ndim == 1 else ''}) {self.values.dtype}",
            "seconds": span,
            "valid": f"{np.count_nonzero(self.valid)} of {self.valid.size} rows valid",
            "notes": ", ".join(self.notes),
        }
