"""Alignment at read time: the tracks of one clip on one grid of time, or cut to one size.

NumPy alone; what is stored stays as it is.

    Clock(0.1)          windows of 100 ms: the mean of the rows in each, the nearest row, or n rows
    Steps(60)           60 equal steps over the clip, by linear interpolation
    Like("logmel64")    the rows of another feature, by linear interpolation
    Length(256)         cut or padded to a number of rows
    Windows(20, 10)     windows of 20 rows, one every 10

Each is a function from tracks to tracks: `Clock(0.1)({"mfcc": track, "frames": track})`; a
FeatureDataset takes one, or several that follow one another. A row is the instant `seconds[i]`, as
stored: nothing is taken for evenly spaced, and of rows with one time stamp (a frame that stayed on
screen) each counts. Times closer than TOLERANCE_S are one time, so that rounding in the last digit
moves no row over an edge.

What a row is made of decides whether it is valid: of valid rows alone, and never of a time before a
feature's first row or after its last. Floats keep their type and are NaN where they are not valid;
integers and booleans (pixels) are never mixed, the nearest row is taken; they are 0 where they are
not valid. A track without a row stays without a valid one.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from manifests.tracks import Track
from stores.align_plans import AlignmentPlan, AlignmentPlans
from stores.resampling import (
    TOLERANCE_S,
    Resampling,
    Seconds,
    blank,
    linear,
    means,
    nearest,
    rows_from,
    slices,
)
from stores.transforms import extended, first_rows

How = Literal["mean", "nearest"] | int


class Alignment(Protocol):
    """A function that aligns the tracks of one clip, by feature.

    It raises ValueError, in one sentence, for features that cannot be aligned.
    """

    def __call__(self, tracks: Mapping[str, Track], /) -> dict[str, Track]: ...


@dataclass(frozen=True)
class Clock:
    """One row for each window of `hop_s` seconds.

    Window k is [start + k * hop_s, start + (k + 1) * hop_s). `start` is the latest of the features'
    first rows and the last window is the one that holds the earliest of their last rows, so that
    every feature has begun and none has ended. `seconds` of a row is the middle of its window.
    Where the features have no time in common there is no window. A feature becomes, by `how`:

    mean       mean of the valid rows in each window; where the window holds no row at all, because
               the feature is slower than the clock, linear interpolation at its middle. Floats
               only, whose default it is.
    nearest    the row nearest to the window's middle; of two equally near, the earlier. The default
               of all other types.
    n          the first n rows in the window: values (window, n, ...), valid where the window holds
               so many and all are valid. A slice of 100 ms is 1600 rows of audio at 16 kHz, 5 of a
               log-mel every 20 ms.
    """

    hop_s: float
    """Length of a window, and from each one's start to the next."""
    how: Mapping[str, How] = field(default_factory=dict)
    """Feature -> mean, nearest or n; the default of its type for one that is not named."""
    keep: Collection[str] = ()
    """Features that stay as they are, off the clock, such as one summary image a clip."""
    _plans: AlignmentPlans = field(
        default_factory=AlignmentPlans, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        _check_names(self.keep)
        if not 0 < self.hop_s < np.inf:
            raise ValueError(
                f"hop_s of Clock is {self.hop_s}, expected seconds above 0, such as 0.1 for 10 Hz"
            )
        for name, how in self.how.items():
            if how not in {"mean", "nearest"} and not (type(how) is int and how > 0):
                raise ValueError(
                    f"Clock takes {name} by {how!r}, expected 'mean', 'nearest', or a number of "
                    "rows above 0"
                )

    def __call__(self, tracks: Mapping[str, Track], /) -> dict[str, Track]:
        return self._plans.aligned(tracks, self.keep, self._planned)

    def _planned(self, tracks: Mapping[str, Track]) -> AlignmentPlan:
        moved = _moved(tracks, self.keep, self.how)
        edges = self._edges(moved)
        middles = (edges[:-1] + edges[1:]) / 2
        resampled = {name: self._on(edges, middles, name, track) for name, track in moved.items()}
        return AlignmentPlan(middles, resampled)

    def _edges(self, moved: Mapping[str, Track]) -> Seconds:
        """(windows + 1,) where each window begins, and where the last one ends."""
        span = _common_span(moved)
        if span is None:
            return np.zeros(1)
        start, end = span
        return start + self.hop_s * np.arange((end - start + TOLERANCE_S) // self.hop_s + 2)

    def _on(self, edges: Seconds, middles: Seconds, name: str, track: Track) -> Resampling:
        is_float = track.values.dtype.kind == "f"
        how = self.how.get(name, "mean" if is_float else "nearest")
        if how == "mean" and not is_float:
            raise ValueError(
                f"Clock takes the mean of {name}, which is {track.values.dtype}; take the nearest "
                "row of what is no float"
            )
        if isinstance(how, int):
            _check_slices(edges, how, name, track)
            return slices(edges, how, track.seconds)
        if how == "mean":
            return means(edges, middles, track.seconds)
        # The middle of the last window may be after the last row.
        last = track.seconds[-1] if len(track) else np.inf
        return nearest(np.minimum(middles, last), track.seconds)


@dataclass(frozen=True)
class Steps:
    """`n` rows at equal steps over the time that all features share.

    The first is at the latest of the features' first rows, the last at the earliest of their last
    rows. Floats are interpolated linearly between the two rows around each step and valid where
    both are; of other types the nearest row is taken. Where the features have no time in common, no
    row is valid and `seconds` is NaN.
    """

    n: int
    """Rows, at least 2."""
    keep: Collection[str] = ()
    """Features that stay as they are, such as one summary image a clip."""
    _plans: AlignmentPlans = field(
        default_factory=AlignmentPlans, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        _check_names(self.keep)
        if self.n < 2:
            raise ValueError(
                f"n of Steps is {self.n}, expected at least 2: the first step and the last"
            )

    def __call__(self, tracks: Mapping[str, Track], /) -> dict[str, Track]:
        return self._plans.aligned(tracks, self.keep, self._planned)

    def _planned(self, tracks: Mapping[str, Track]) -> AlignmentPlan:
        moved = _moved(tracks, self.keep)
        start, end = _common_span(moved) or (np.nan, np.nan)
        at = np.linspace(start, end, self.n)
        return AlignmentPlan(at, _sampled(at, moved))


@dataclass(frozen=True)
class Like:
    """The rows of the feature `name`, which itself stays as it is.

    Floats are interpolated linearly between the two rows around each time and valid where both are;
    of other types the nearest row is taken. Rows of `name` before another feature begins, or after
    it ends, are not valid in that other feature.
    """

    name: str
    """Of the feature whose rows are taken."""
    keep: Collection[str] = ()
    """Other features that stay as they are, such as one summary image a clip."""
    _plans: AlignmentPlans = field(
        default_factory=AlignmentPlans, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        _check_names(self.keep)

    def __call__(self, tracks: Mapping[str, Track], /) -> dict[str, Track]:
        return self._plans.aligned(tracks, self.keep, self._planned)

    def _planned(self, tracks: Mapping[str, Track]) -> AlignmentPlan:
        moved = _moved(tracks, {*self.keep, self.name})
        return AlignmentPlan(self.name, _sampled(tracks[self.name].seconds, moved))


@dataclass(frozen=True)
class Length:
    """The first `rows` rows of each track.

    A shorter track is padded at its end with rows that are not valid and have no time (`seconds`
    NaN).
    """

    rows: int | Mapping[str, int]
    """Of every feature; or by feature, and then features that are not named stay as they are."""

    def __post_init__(self) -> None:
        for rows in (self.rows,) if isinstance(self.rows, int) else self.rows.values():
            if rows < 1:
                raise ValueError(f"a Length of {rows} rows was asked for, expected at least 1")

    def __call__(self, tracks: Mapping[str, Track], /) -> dict[str, Track]:
        lengths = dict.fromkeys(tracks, self.rows) if isinstance(self.rows, int) else self.rows
        _refuse_unknown(lengths, tracks)
        return {**tracks, **{name: _to_length(tracks[name], lengths[name]) for name in lengths}}


@dataclass(frozen=True)
class Windows:
    """Windows of `length` rows, one every `stride` rows.

    Row i of a track is then a window, values (window, length, ...). `seconds` is the time of a
    window's first row, and `valid` is (window, length): the rows that the window holds. The first
    window begins with the first row; the last one holds the last row and is padded with rows that
    are not valid, so that no row is left out and every clip has a window.

    A clip stays one item, with one label, however many windows it has: in a batch, values are
    (clip, window, length, ...) and the mask (clip, window, length), and a network that takes
    windows gets `values.reshape(-1, *values.shape[2:])`, those of them where `mask.any(-1)` is
    True; its answers are averaged for each clip.

    Features lie on one grid, or there is one alone: put a Clock, Steps or Like before it;
    ValueError otherwise.
    """

    length: int
    """Rows in a window."""
    stride: int
    """Rows from the start of one window to that of the next; at most `length`."""

    def __post_init__(self) -> None:
        if not 1 <= self.stride <= self.length:
            raise ValueError(
                f"Windows has length {self.length} and stride {self.stride}, expected 1 <= stride "
                "<= length: no row is passed over"
            )

    def __call__(self, tracks: Mapping[str, Track], /) -> dict[str, Track]:
        some = [name for name, track in tracks.items() if len(track)]
        for name in some[1:]:
            if not np.array_equal(tracks[name].seconds, tracks[some[0]].seconds, equal_nan=True):
                raise ValueError(
                    f"Windows counts rows, and {some[0]} and {name} lie on two grids; put a "
                    "Clock, Steps or Like before it"
                )
        return {name: _windows(track, self.length, self.stride) for name, track in tracks.items()}


def _check_names(keep: Collection[str]) -> None:
    if isinstance(keep, str):
        raise ValueError(f"keep is the text {keep!r}, expected a list of names, such as [{keep!r}]")


def _moved(
    tracks: Mapping[str, Track], keep: Collection[str], named: Iterable[str] = ()
) -> dict[str, Track]:
    """The tracks that are not kept; ValueError for an unknown name, or rows out of order."""
    _refuse_unknown([*keep, *named], tracks)
    moved = {name: track for name, track in tracks.items() if name not in keep}
    for name, track in moved.items():
        if not (track.seconds[1:] >= track.seconds[:-1]).all():
            raise ValueError(
                f"the rows of {name} are not in the order of time, so they cannot be aligned; "
                "verify the store"
            )
    return moved


def _refuse_unknown(names: Iterable[str], tracks: Mapping[str, Track]) -> None:
    for name in names:
        if name not in tracks:
            raise ValueError(
                f"the alignment names {name!r}, which is not among the features "
                f"{', '.join(tracks)}; read it too, or name another"
            )


def _common_span(tracks: Mapping[str, Track]) -> tuple[float, float] | None:
    """When the last track has begun and when the first one ends; None where none is shared."""
    spans = [(track.seconds[0], track.seconds[-1]) for track in tracks.values() if len(track)]
    if not spans:
        return None
    start, end = max(first for first, _ in spans), min(last for _, last in spans)
    return (float(start), float(end)) if start <= end else None


def _check_slices(edges: Seconds, n: int, name: str, track: Track) -> None:
    count = np.diff(rows_from(edges, track.seconds))
    if len(track) and len(count) > 1 and (most := int(count[:-1].max())) < n:
        raise ValueError(
            f"Clock takes {n} rows of {name} from each window, but the windows hold {most} at "
            f"most; ask for {most} or fewer"
        )


def _sampled(at: Seconds, tracks: Mapping[str, Track]) -> dict[str, Resampling]:
    """The tracks at the times `at`: floats interpolated, of others the nearest row."""
    return {
        name: (linear if track.values.dtype.kind == "f" else nearest)(at, track.seconds)
        for name, track in tracks.items()
    }


def _to_length(track: Track, rows: int) -> Track:
    """The first rows, or the track padded to so many."""
    missing = np.full(max(0, rows - len(track)), np.nan)
    return extended(first_rows(track, rows), missing, blank(track.values))


def _windows(track: Track, length: int, stride: int) -> Track:
    """Views of the track where nothing is padded."""
    count = 1 + max(0, -(-(len(track) - length) // stride)) if len(track) else 0
    padded = _to_length(track, length + stride * max(0, count - 1))
    values, valid = (
        np.moveaxis(sliding_window_view(of, length, axis=0), -1, 1)[::stride][:count]
        for of in (padded.values, padded.valid)
    )
    return Track(values, padded.seconds[::stride][:count], valid, track.notes)
