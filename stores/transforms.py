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


def scale(state: State, track: Track) -> Track:
    """(values - mean) / scale, in float64, given as float32. State: mean and scale, each of the
    shape of a row."""
    return _floats(track, (track.values - state["mean"]) / state["scale"])


def project(state: State, track: Track) -> Track:
    """(values - mean) @ basis.T, in float64, given as float32. State: mean (d,), basis (k, d)."""
    return _floats(track, (track.values - state["mean"]) @ state["basis"].T)


def select(state: State, track: Track) -> Track:
    """Some columns of the rows, in the order of the state; the dtype stays. State: columns (k,)
    int64."""
    return replace(track, values=track.values[:, state["columns"]])


def pad(state: State, track: Track) -> Track:
    """Cut or padded at the end to `length` rows.

    Rows that are added are zeros, as published pipelines feed them to a network, and not valid;
    their seconds go on in the track's own median step, or the state's where it has no two rows.
    State: length () int64, hop_s () float64.
    """
    rows, length = len(track), int(state["length"])
    if rows >= length:
        return replace(
            track,
            values=track.values[:length],
            seconds=track.seconds[:length],
            valid=track.valid[:length],
        )
    more = length - rows
    step = float(np.median(np.diff(track.seconds))) if rows > 1 else float(state["hop_s"])
    last = float(track.seconds[-1]) if rows else -step
    return replace(
        track,
        values=np.concatenate(
            [track.values, np.zeros((more, *track.values.shape[1:]), track.values.dtype)]
        ),
        seconds=np.concatenate([track.seconds, last + step * np.arange(1, more + 1)]),
        valid=np.concatenate([track.valid, np.zeros(more, np.bool_)]),
    )


ARRAYS = {
    "scale": ("mean", "scale"),
    "project": ("mean", "basis"),
    "select": ("columns",),
    "pad": ("length", "hop_s"),
}
"""What each needs of a state."""

TRANSFORMS: dict[str, Callable[[State, Track], Track]] = {
    "scale": scale,
    "project": project,
    "select": select,
    "pad": pad,
}


def _floats(track: Track, values: NDArray[np.float64]) -> Track:
    out = values.astype(np.float32)
    out[~track.valid] = np.nan
    return replace(track, values=out)
