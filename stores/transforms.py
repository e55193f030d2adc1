"""What a reader does with a fitted state and a track: plain NumPy, one function for each kind.

A row that is not valid in the input is not valid in the output, and NaN there.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.tracks import Track

State = Mapping[str, NDArray[Any]]
"""Arrays by name: what a fit has learned."""


def first_rows(track: Track, rows: int) -> Track:
    """Cuts a track at its end.

    Args:
        track: The track.
        rows: How many rows stay, if it has so many.

    Returns:
        Views of its first rows.
    """
    return Track(track.values[:rows], track.seconds[:rows], track.valid[:rows], track.notes)


def extended(track: Track, seconds: NDArray[np.float64], blank: float) -> Track:
    """Adds rows that are not valid to the end of a track.

    Args:
        track: The track.
        seconds: (rows,) time of each row that is added.
        blank: Every value of these rows.

    Returns:
        The longer track; the track itself where no row is added.
    """
    if not len(seconds):
        return track
    values, valid = (
        np.full((len(seconds), *rows.shape[1:]), fill, rows.dtype)
        for rows, fill in ((track.values, blank), (track.valid, False))
    )
    return Track(
        np.concatenate([track.values, values]),
        np.concatenate([track.seconds, seconds]),
        np.concatenate([track.valid, valid]),
        track.notes,
    )


def scale(state: State, track: Track) -> Track:
    """Computes (values - mean) / scale.

    Args:
        state: mean and scale, each of the shape of a row.
        track: Of floats.

    Returns:
        The track in float32, computed in float64.
    """
    return _floats(track, (track.values - state["mean"]) / state["scale"])


def project(state: State, track: Track) -> Track:
    """Computes (values - mean) @ basis.T.

    Args:
        state: mean (d,), basis (k, d).
        track: Values (time, d) of floats.

    Returns:
        The track (time, k) in float32, computed in float64.
    """
    return _floats(track, (track.values - state["mean"]) @ state["basis"].T)


def select(state: State, track: Track) -> Track:
    """Takes some columns of the rows.

    Args:
        state: columns (k,) int64.
        track: Values (time, column).

    Returns:
        The track (time, k) in the order of the state, in its own dtype.
    """
    return replace(track, values=track.values[:, state["columns"]])


def pad(state: State, track: Track) -> Track:
    """Cuts or pads a track at its end to one number of rows.

    Rows that are added are zeros, as published pipelines feed them to a network, and not valid;
    their seconds go on in the track's own median step, or the state's where it has no two rows.

    Args:
        state: length () int64, hop_s () float64.
        track: The track.

    Returns:
        The track of `length` rows.
    """
    rows, length = len(track), int(state["length"])
    if rows >= length:
        return first_rows(track, length)
    step = float(np.median(np.diff(track.seconds))) if rows > 1 else float(state["hop_s"])
    last = float(track.seconds[-1]) if rows else -step
    return extended(track, last + step * np.arange(1, length - rows + 1, dtype=np.float64), 0)


ARRAYS = {
    "scale": ("mean", "scale"),
    "project": ("mean", "basis"),
    "select": ("columns",),
    "pad": ("length", "hop_s"),
}
"""Transform -> the arrays that it needs of a state."""

TRANSFORMS: dict[str, Callable[[State, Track], Track]] = {
    "scale": scale,
    "project": project,
    "select": select,
    "pad": pad,
}
"""The transforms that a snapshot may name."""


def _floats(track: Track, values: NDArray[np.float64]) -> Track:
    out = values.astype(np.float32)
    out[~track.valid] = np.nan
    return replace(track, values=out)
