"""Tracks as torch, pandas and xarray have them; each is imported when it is asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from manifests.features import FeatureSpec

if TYPE_CHECKING:
    import pandas as pd
    import torch
    import xarray as xr

    from manifests.tracks import Track


class TorchTrack(NamedTuple):
    """A track as tensors of their own memory."""

    values: "torch.Tensor"
    """(time, ...)"""
    seconds: "torch.Tensor"
    """(time,) float64"""
    valid: "torch.Tensor"
    """(time,) bool"""


def to_torch(track: "Track") -> TorchTrack:
    """Copies a track to tensors.

    Args:
        track: The track.

    Returns:
        Values, seconds and valid.

    Raises:
        ImportError: torch is not installed.
    """
    with _needed("to_torch", "torch"):
        import torch
    # A view of a file is read-only, which no tensor can be.
    parts = (track.values, track.seconds, track.valid)
    return TorchTrack(*(torch.from_numpy(np.array(part)) for part in parts))


def to_pandas(track: "Track", spec: FeatureSpec | None = None) -> "pd.DataFrame":
    """Copies a track to a table.

    Args:
        track: The track; a row has one dimension at most.
        spec: Its feature, whose units name the columns where they name each number of a row.

    Returns:
        A row for each row, by its time `seconds`; columns of numbers, and the column `valid` last.

    Raises:
        ImportError: pandas is not installed.
        ValueError: A row has more dimensions.
    """
    with _needed("to_pandas", "pandas"):
        import pandas as pd
    if track.values.ndim > 2:
        raise ValueError(
            f"the values are {track.values.shape}, and a table has rows and columns alone; use "
            "to_xarray, or take a part of them"
        )
    values, valid = (
        part if part.ndim > 1 else part[:, np.newaxis] for part in (track.values, track.valid)
    )
    index = pd.Index(track.seconds, name="seconds")
    frame = pd.DataFrame(values.copy(), index, _columns(values.shape[1], spec))
    frame["valid"] = np.asarray(valid.all(axis=1))
    return frame


def to_xarray(track: "Track", spec: FeatureSpec | None = None) -> "xr.DataArray":
    """Copies a track to an array with names.

    Args:
        track: The track.
        spec: Its feature, which names the array and its dimensions.

    Returns:
        Dimensions `time` and those of the feature, else dim_1 and so on; coordinates `time`, the
        seconds of the rows, and `valid`; attributes `units`, where the feature is known, and
        `notes`.

    Raises:
        ImportError: xarray is not installed.
    """
    with _needed("to_xarray", "xarray"):
        import xarray as xr
    dims = tuple(f"dim_{number}" if number else "time" for number in range(track.values.ndim))
    if spec is not None and len(spec.dims) == len(dims):
        dims = spec.dims
    valid = (dims[: track.valid.ndim], track.valid.copy())
    return xr.DataArray(
        track.values.copy(),
        dims=dims,
        coords={"time": ("time", track.seconds.copy()), "valid": valid},
        name=spec.name if spec else None,
        attrs={"notes": ", ".join(track.notes)} | ({"units": spec.units} if spec else {}),
    )


def _columns(count: int, spec: FeatureSpec | None) -> list[str] | range:
    if spec is None:
        return range(count)
    names = [name.strip() for name in spec.units.split(",")] if count > 1 else [spec.name]
    return names if len(names) == count == len({*names}) else range(count)


@contextmanager
def _needed(method: str, library: str) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise ImportError(
            f"{method} needs {library}, which is not installed: pip install {library}"
        ) from error
