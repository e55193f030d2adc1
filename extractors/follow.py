"""Following faces: boxes of single frames -> tracks of one face each -> the face of every row."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from extractors.detectors import Box

_MAX_SHIFT = 0.7
"""A face moves by at most this share of its box's side from one detection to the next; further off
it is another face."""
_MAX_GROWTH = 2.0
"""Nor does its box grow or shrink by more than this factor in area."""
_EPSILON_S = 1e-6
"""Time stamps are rational numbers rounded to float64; a comparison of sums of them needs this much
room."""


@dataclass
class FaceTrack:
    """One face, from the row where it is first found to the row where it is last found.

    It may be missing in between.
    """

    number: int
    boxes: dict[int, Box] = field(default_factory=dict)
    """Row -> box, in rising order of rows; only rows where the face was found."""

    @property
    def first_row(self) -> int:
        """The first row that shows the face."""
        return next(iter(self.boxes))

    @property
    def first_box(self) -> Box:
        """Its box in that row."""
        return self.boxes[self.first_row]

    @property
    def last_row(self) -> int:
        """The last row that shows the face, so far."""
        return next(reversed(self.boxes))

    @property
    def last_box(self) -> Box:
        """Its box in that row."""
        return self.boxes[self.last_row]

    def weight(self) -> float:
        """Area times time, as rows are evenly spaced: the sum of the boxes' areas."""
        return sum(box.area for box in self.boxes.values())


class FaceTracker:
    """Links the boxes of successive rows.

    `missing_s`: how long a face may be missing and still be the same one.
    """

    def __init__(self, missing_s: float) -> None:
        self.all: list[FaceTrack] = []
        self.seconds: list[float] = []
        self.cuts: list[int] = []
        """Rows that a shot begins with, but for the first row."""
        self._missing_s = missing_s
        self._open: list[FaceTrack] = []

    def add_row(self, seconds: float, boxes: Sequence[Box]) -> dict[int, Box]:
        """Adds a row; a box that continues no track begins one.

        Args:
            seconds: Time of the row.
            boxes: Faces of the row.

        Returns:
            Number of a track -> the box that belongs to it.
        """
        row = len(self.seconds)
        self._open = [
            track for track in self._open if self._absent_s(track) <= self._missing_s + _EPSILON_S
        ]
        self.seconds.append(seconds)
        pairs = dict(linked(boxes, [track.last_box for track in self._open]))
        owners = [self._open[pairs[i]] if i in pairs else self._begin() for i in range(len(boxes))]
        for track, box in zip(owners, boxes, strict=True):
            track.boxes[row] = box
        return {track.number: box for track, box in zip(owners, boxes, strict=True)}

    def cut(self) -> None:
        """Ends all tracks, because a shot ends with the last row."""
        self._open = []
        self.cuts.append(len(self.seconds))

    def present(self) -> list[Box]:
        """Gives the boxes of the last row.

        Returns:
            One box for each track that reaches that row.
        """
        return [track.last_box for track in self._open if track.last_row == len(self.seconds) - 1]

    def is_largest_missing(self) -> bool:
        """Says whether the largest face is missing in the last row, and may yet come back.

        Returns:
            True where the largest face of a moment ago has no box in the last row.
        """
        largest = max(self._open, key=lambda track: track.last_box.area, default=None)
        return largest is not None and largest.last_row < len(self.seconds) - 1

    def _absent_s(self, track: FaceTrack) -> float:
        """Seconds that a face has been missing, up to the last row, not to the next.

        While a frame stays on screen, however long, its faces are not missing.
        """
        return self.seconds[-1] - self.seconds[track.last_row]

    def _begin(self) -> FaceTrack:
        track = FaceTrack(len(self.all))
        self.all.append(track)
        self._open.append(track)
        return track


def linked(now: Sequence[Box], before: Sequence[Box]) -> list[tuple[int, int]]:
    """Pairs the boxes of one face in two rows: the nearest first, each box at most once.

    Args:
        now: Boxes of the later row.
        before: Boxes of the earlier row.

    Returns:
        (index in now, index in before) of each pair.
    """
    steps = [(_step(box, old), i, j) for i, box in enumerate(now) for j, old in enumerate(before)]
    pairs: list[tuple[int, int]] = []
    for step, i, j in sorted(steps):
        if step <= _MAX_SHIFT and all(i != a and j != b for a, b in pairs):
            pairs.append((i, j))
    return pairs


def largest_faces_linked(
    now: Sequence[Box], before: Sequence[Box], pairs: Sequence[tuple[int, int]]
) -> bool:
    """Says whether the largest face of each of two rows is also in the other.

    Args:
        now: Boxes of the later row.
        before: Boxes of the earlier row.
        pairs: What `linked` gave for them.

    Returns:
        True where it is so, also where neither row has a face.
    """
    linked_now, linked_before = {i for i, _ in pairs}, {j for _, j in pairs}
    return _largest(now) in {None, *linked_now} and _largest(before) in {None, *linked_before}


def _largest(boxes: Sequence[Box]) -> int | None:
    return max(range(len(boxes)), key=lambda i: boxes[i].area, default=None)


def _step(a: Box, b: Box) -> float:
    """Distance of the centres in sides of the box; infinite where the sizes are too different."""
    small, large = sorted((a.area, b.area))
    if large > _MAX_GROWTH * small or large == 0:
        return math.inf
    across = (a.left + a.right - b.left - b.right) / 2, (a.top + a.bottom - b.top - b.bottom) / 2
    return math.hypot(*across) / math.sqrt(math.sqrt(a.area * b.area))


def between(a: Box, b: Box, share: float) -> Box:
    """Places a box on the straight line between two, its score likewise.

    Args:
        a: The box at share 0.
        b: The box at share 1.
        share: Where on the line, 0 to 1.

    Returns:
        The box there.
    """
    return Box(*(x + (y - x) * share for x, y in zip(a, b, strict=True)))


def hop_s(seconds: Sequence[float]) -> float:
    """Measures the mean time from one row to the next.

    Where a recording has a gap, time stamps repeat, so that a median may be 0.

    Args:
        seconds: Times of the rows.

    Returns:
        Seconds; 0 for a single row.
    """
    return (seconds[-1] - seconds[0]) / (len(seconds) - 1) if len(seconds) > 1 else 0.0


def lasting(tracks: FaceTracker, least_s: float) -> list[FaceTrack]:
    """Finds the tracks that last long enough to be a face.

    Args:
        tracks: All tracks of a clip.
        least_s: How long a face must be found without a break; in a shot that is shorter than twice
            that, for half of the shot.

    Returns:
        The tracks that are, and those which a cut parts from one that is: a cross-fade shows a face
        for a frame or two more on the far side of the cut.
    """
    hop, edges = hop_s(tracks.seconds), [0, *tracks.cuts, len(tracks.seconds)]

    def lasts(track: FaceTrack) -> bool:
        next_shot = bisect_right(edges, track.first_row)
        rows = edges[next_shot] - edges[next_shot - 1]
        return hop * _longest_stretch(track) + _EPSILON_S >= min(least_s, hop * rows / 2)

    found = [track for track in tracks.all if lasts(track)]
    parted = _parted(tracks.all, found) + _parted(found, tracks.all)
    numbers = {track.number for pair in parted for track in pair} | {t.number for t in found}
    return [track for track in tracks.all if track.number in numbers]


def _parted(
    before: Sequence[FaceTrack], after: Sequence[FaceTrack]
) -> list[tuple[FaceTrack, FaceTrack]]:
    """Pairs of tracks of which one ends in the row before the other begins, at about its place:
    within a shot they would be one track."""
    ending: dict[int, list[FaceTrack]] = {}
    for track in before:
        ending.setdefault(track.last_row, []).append(track)
    return [
        (old, new)
        for new in after
        for old in ending.get(new.first_row - 1, [])
        if linked([new.first_box], [old.last_box])
    ]


def _longest_stretch(track: FaceTrack) -> int:
    """Most rows in succession that show the face."""
    rows = np.fromiter(track.boxes, np.int64)
    edges = np.flatnonzero(np.diff(rows) > 1) + 1
    return int(np.diff(np.concatenate([[0], edges, [len(rows)]])).max())


def main_faces(tracks: Sequence[FaceTrack], rows: int) -> list[int | None]:
    """Decides which face each row shows.

    The largest face (area times time) has every row from its first to its last: while it is missing
    there, nobody takes its place. The rows left over go to the next largest, and so on.

    Args:
        tracks: Tracks of a clip.
        rows: Rows of the clip.

    Returns:
        For each row the number of a track; None where no face is, or where the face that has the
        row is missing.
    """
    owner: list[FaceTrack | None] = [None] * rows
    for track in sorted(tracks, key=lambda t: (-t.weight(), t.number)):
        for row in range(track.first_row, track.last_row + 1):
            owner[row] = owner[row] or track
    return [
        track.number if track and row in track.boxes else None for row, track in enumerate(owner)
    ]


def face_counts(tracks: Sequence[FaceTrack], rows: int) -> NDArray[np.int64]:
    """Counts the faces of each row.

    Args:
        tracks: Tracks of a clip.
        rows: Rows of the clip.

    Returns:
        (rows,) number of faces.
    """
    counts = np.zeros(rows, np.int64)
    for track in tracks:
        counts[list(track.boxes)] += 1
    return counts
