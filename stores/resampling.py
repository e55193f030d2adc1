"""The rows of a track at other times: planned from its time stamps alone, then done to its values.

A plan holds for every track whose rows lie at the same times, so that `stores.align` plans once for
all clips of one length. What each plan gives is what a loop over the rows would give, bit for bit.
"""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.tracks import Track

TOLERANCE_S = 1e-6
"""Far below the spacing of samples at 192 kHz, far above the rounding of float64."""

Seconds = NDArray[np.float64]
Numbers = NDArray[np.intp]
Mask = NDArray[np.bool_]
Span = slice | Numbers
"""Rows that follow one another, which are then a view; or the number of each."""

_BLOCK = 1 << 19
"""Bytes that are computed together: with what they are made from they stay in the second cache of a
processor, and there are few blocks, each of which takes some calls of NumPy."""


class Resampling:
    """What becomes of the rows of every track that has them at the same times."""

    @abstractmethod
    def write(self, track: Track, out: NDArray[Any]) -> Mask | None:
        """Computes the new rows.

        Args:
            track: One with the time stamps that were planned for.
            out: Of their shape and type; rows that are not valid are left as they come.

        Returns:
            Which of them are valid; None: all.
        """

    def row_shape(self, track: Track) -> tuple[int, ...]:
        """Finds the dimensions of a new row.

        Args:
            track: One with the time stamps that were planned for.

        Returns:
            Those of its rows, unless several become one.
        """
        return track.values.shape[1:]


@dataclass(frozen=True, eq=False)
class NoRows(Resampling):
    """Rows of which none is valid, for a track that has none."""

    shape: tuple[int, ...]
    """Before the dimensions of a row: (row,) or (row, slice)."""

    def row_shape(self, track: Track) -> tuple[int, ...]:
        return (*self.shape[1:], *track.values.shape[1:])

    def write(self, track: Track, out: NDArray[Any]) -> Mask:
        return np.zeros(self.shape[0], np.bool_)


@dataclass(frozen=True, eq=False)
class OwnRows(Resampling):
    """Rows as they are, where all times are the rows' own."""

    rows: Span

    def write(self, track: Track, out: NDArray[Any]) -> Mask | None:
        np.add(_picked(track.values, self.rows), 0, out=out)  # without -0.0, as all sums with 0
        return None if all_true(track.valid) else _picked(track.valid, self.rows)


@dataclass(frozen=True, eq=False)
class Linear(Resampling):
    """Linear between the rows around each time, or the row at that time; valid where these are."""

    before: Numbers
    after: Numbers
    share: Seconds
    """Of the row after; 0 at a row's own time, when that row is both."""
    inside: Mask | None
    """Which times lie neither before nor after all rows; None: all."""

    def write(self, track: Track, out: NDArray[Any]) -> Mask | None:
        exact = np.result_type(track.values, np.float32)
        values = out if out.dtype == exact else np.empty(out.shape, exact)
        source = np.ascontiguousarray(track.values, exact)
        share = self.share.astype(exact).reshape(-1, *[1] * (out.ndim - 1))
        for at in _blocks(values):
            some, left = values[at], source.take(self.before[at], axis=0)
            # With a mode other than its default, `take` writes where it is told to at once.
            source.take(self.after[at], axis=0, out=some, mode="clip")
            some -= left
            some *= share[at]
            some += left
        if values is not out:
            out[...] = values
        if all_true(track.valid):
            return self.inside
        both: Mask = track.valid[self.before] & track.valid[self.after]
        return both if self.inside is None else both & self.inside


@dataclass(frozen=True, eq=False)
class Nearest(Resampling):
    """The row nearest to each time, the earlier of two; not valid before or after all rows."""

    nearest: Numbers
    inside: Mask

    def write(self, track: Track, out: NDArray[Any]) -> Mask:
        track.values.take(self.nearest, axis=0, out=out, mode="clip")
        valid: Mask = self.inside & _taken(track.valid, self.nearest)
        return valid


@dataclass(frozen=True, eq=False)
class Slices(Resampling):
    """The first n rows in each window; valid where it holds so many and all are valid."""

    windows: int
    full: Span
    """The windows that hold so many."""
    picked: Span
    """The rows of these, one window after the other."""
    n: int

    def row_shape(self, track: Track) -> tuple[int, ...]:
        return (self.n, *track.values.shape[1:])

    def write(self, track: Track, out: NDArray[Any]) -> Mask:
        out[self.full] = _grouped(_picked(track.values, self.picked), self.n)
        valid = np.zeros(self.windows, np.bool_)
        valid[self.full] = _grouped(_picked(track.valid, self.picked), self.n).all(axis=1)
        return valid


@dataclass(frozen=True, eq=False)
class _EqualWindows:
    """Windows that hold equally many rows."""

    windows: Span
    picked: Span
    """Their rows, one window after the other."""
    count: int
    """Rows in each."""

    def write(self, values: NDArray[Any], out: NDArray[Any]) -> None:
        """Puts their means where they belong among those of all windows."""
        rows = _picked(values, self.picked)
        if self.count == 1 and isinstance(self.windows, slice):
            np.add(rows, 0, out=out[self.windows])  # a sum that begins with 0 has no -0.0
        elif self.count == 1:
            out[self.windows] = rows + 0
        else:
            sums = np.add.reduce(_grouped(rows, self.count), axis=1, dtype=np.float64)
            sums /= self.count
            out[self.windows] = sums


@dataclass(frozen=True, eq=False)
class Means(Resampling):
    """Mean of the valid rows in each window; interpolated at the middle of one without a row."""

    edges: Seconds
    middles: Seconds
    groups: tuple[_EqualWindows, ...]
    empty: Mask
    between: Linear | OwnRows | None
    """Of the empty windows, if there are any."""

    def write(self, track: Track, out: NDArray[Any]) -> Mask | None:
        if all_true(track.valid):
            return self._write(track, track.values, out)
        planned = _planned_means(self.edges, self.middles, track.seconds, track.valid)
        return planned._write(track, track.values[track.valid], out)

    def _write(self, track: Track, good: NDArray[Any], out: NDArray[Any]) -> Mask | None:
        good = np.ascontiguousarray(good)  # NumPy adds in another order along other layouts
        for group in self.groups:
            group.write(good, out)
        if self.between is None:
            return None
        # A window that holds rows, none of them valid, stays so: its middle is beside one.
        values, valid = out[self.empty], ~self.empty
        found = self.between.write(track, values)
        out[self.empty], valid[self.empty] = values, True if found is None else found
        return valid


def linear(at: Seconds, seconds: Seconds) -> Linear | OwnRows | NoRows:
    """Plans an interpolation.

    Args:
        at: Times at which rows are wanted.
        seconds: Time of each row, rising.

    Returns:
        A row for each time.
    """
    return _linear(at, seconds) if len(seconds) else NoRows(at.shape)


def _linear(at: Seconds, seconds: Seconds) -> Linear | OwnRows:
    before = np.searchsorted(seconds, at + TOLERANCE_S, "right") - 1
    after = np.searchsorted(seconds, at - TOLERANCE_S, "left")
    inside = (before >= 0) & (after < len(seconds))
    before, after = np.where(inside, before, 0), np.where(inside, after, 0)
    # At a row's own time there is no gap: that row is both before and after.
    gap = seconds[after] - seconds[before]
    share = np.divide(at - seconds[before], gap, out=np.zeros(len(at)), where=gap > 0)
    if len(at) and inside.all() and (before == after).all():
        return OwnRows(_span(before))
    return Linear(before, after, share, None if inside.all() else inside)


def nearest(at: Seconds, seconds: Seconds) -> Nearest | NoRows:
    """Plans which row is taken at each time.

    Args:
        at: Times at which rows are wanted.
        seconds: Time of each row, rising.

    Returns:
        A row for each time.
    """
    if not len(seconds):
        return NoRows(at.shape)
    after = np.searchsorted(seconds, at, "right")
    before, after = np.maximum(after - 1, 0), np.minimum(after, len(seconds) - 1)
    rows = np.where(at - seconds[before] <= seconds[after] - at + TOLERANCE_S, before, after)
    return Nearest(rows, (at >= seconds[0] - TOLERANCE_S) & (at <= seconds[-1] + TOLERANCE_S))


def means(edges: Seconds, middles: Seconds, seconds: Seconds) -> Means | NoRows:
    """Plans the mean of each window.

    Args:
        edges: (windows + 1,) where each window begins, and where the last one ends.
        middles: (windows,) of each.
        seconds: Time of each row, rising.

    Returns:
        A row for each window.
    """
    if not len(seconds):
        return NoRows(middles.shape)
    return _planned_means(edges, middles, seconds, slice(None))


def _planned_means(edges: Seconds, middles: Seconds, seconds: Seconds, good: Mask | slice) -> Means:
    bounds = rows_from(edges, seconds[good])
    count = np.diff(bounds)
    empty = count == 0
    # The middle of the last window may be after the last row.
    between = _linear(np.minimum(middles[empty], seconds[-1]), seconds) if empty.any() else None
    groups = tuple(
        _EqualWindows(_span(of := np.flatnonzero(count == n)), _spans(bounds[of], n), n)
        for n in np.unique(count[~empty]).tolist()
    )
    return Means(edges, middles, groups, empty, between)


def slices(edges: Seconds, n: int, seconds: Seconds) -> Slices | NoRows:
    """Plans the first n rows of each window.

    Args:
        edges: (windows + 1,) where each window begins, and where the last one ends.
        n: How many rows are taken.
        seconds: Time of each row, rising.

    Returns:
        (n, ...) rows for each window.
    """
    bounds = rows_from(edges, seconds)
    full = np.flatnonzero(np.diff(bounds) >= n)
    if not len(full):
        return NoRows((len(edges) - 1, n))
    return Slices(len(edges) - 1, _span(full), _spans(bounds[full], n), n)


def rows_from(edges: Seconds, seconds: Seconds) -> Numbers:
    """Finds the first row at or after each edge.

    Args:
        edges: Times, rising.
        seconds: Time of each row, rising.

    Returns:
        Its number for each edge; that of rows, where none is left.
    """
    return np.searchsorted(seconds, edges - TOLERANCE_S)


def blank(values: NDArray[Any]) -> float:
    """Finds what stands where nothing is valid.

    Args:
        values: The rows.

    Returns:
        NaN, or 0 for a type that has none.
    """
    return np.nan if values.dtype.kind == "f" else 0


def all_true(mask: Mask) -> bool:
    """Whether all of a mask is True: for some hundred rows five times faster than `mask.all()`.

    Args:
        mask: One.

    Returns:
        True for an empty one.
    """
    return b"\0" not in mask.tobytes()


def _blocks(values: NDArray[Any]) -> Iterator[slice]:
    """Rows that make up a block, one after the other."""
    if values.nbytes <= _BLOCK:
        return iter((slice(None),))
    step = max(1, _BLOCK // max(1, values[:1].nbytes))
    return (slice(at, at + step) for at in range(0, len(values), step))


def _span(numbers: Numbers) -> Span:
    """Rising numbers at equal steps as a slice."""
    first, last = int(numbers[0]), int(numbers[-1])
    step = int(numbers[1]) - first if len(numbers) > 1 else 1
    is_even = step > 0 and (np.diff(numbers) == step).all()
    return slice(first, last + 1, step) if is_even else numbers


def _spans(starts: Numbers, n: int) -> Span:
    """The n rows from each start on."""
    if (np.diff(starts) == n).all():
        return slice(int(starts[0]), int(starts[-1]) + n)
    return (starts[:, np.newaxis] + np.arange(n)).ravel()


def _picked(of: NDArray[Any], rows: Span) -> NDArray[Any]:
    return of[rows] if isinstance(rows, slice) else _taken(of, rows)


def _grouped(rows: NDArray[Any], n: int) -> NDArray[Any]:
    """Every n rows that follow one another as one."""
    return rows.reshape(len(rows) // n, n, *rows.shape[1:])


def _taken(of: NDArray[Any], rows: Numbers) -> NDArray[Any]:
    """Rows of an array, for which `take` is faster than an index."""
    return of.take(rows, axis=0)
