"""Segments of fixed length, cut out of tracks that are read when they are wanted."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractors.fitted.base import TrackSequence
from manifests.tracks import Track

Segments = NDArray[np.float32]
"""(n, rows of a segment, bands), standardised."""

_JUDGED = 1024
"""How many held-out segments there are, roughly: as many as this of all clips together, and at
least one of each."""
PER_CLIP = 4
"""Segments that a batch takes of one clip, so that fewer tracks are read than segments used."""


@dataclass(frozen=True, eq=False)
class SegmentSampler:
    """Standardised segments of tracks that are read when they are wanted."""

    tracks: TrackSequence
    mean: NDArray[np.float32]
    """(bands,) training mean."""
    scale: NDArray[np.float32]
    """(bands,) training deviation."""
    rows: int
    """Rows of a segment."""

    def judged(self, clips: NDArray[np.int64]) -> Segments:
        """Cuts segments of every clip, evenly spread over it, and about `_JUDGED` in all.

        Args:
            clips: Numbers of the clips.

        Returns:
            The segments.

        Raises:
            ValueError: There is none.
        """
        most = max(1, _JUDGED // len(clips))
        usable = self._usable(clips, "held-out")
        return np.concatenate([self._evenly(clip, most) for clip in usable])

    def batches(
        self, clips: NDArray[np.int64], size: int, rng: np.random.Generator
    ) -> Iterator[Segments]:
        """Draws segments endlessly, clips in a new random order each round.

        Args:
            clips: Numbers of the clips.
            size: Segments of a batch, a multiple of `PER_CLIP`, which are drawn of each clip.
            rng: Source of the order and the places.

        Yields:
            One batch of segments.

        Raises:
            ValueError: There is none.
        """
        usable = self._usable(clips, "other")
        order = itertools.chain.from_iterable(rng.permutation(usable) for _ in itertools.count())
        while True:
            batch = itertools.islice(order, size // PER_CLIP)
            yield np.concatenate([self._at_random(clip, rng) for clip in batch])

    def _usable(self, clips: NDArray[np.int64], which: str) -> NDArray[np.int64]:
        usable = [clip for clip in clips if len(starts(self.tracks[int(clip)].valid, self.rows))]
        if not usable:
            raise ValueError(
                f"no {which} training clip of {len(clips)} has a segment of {self.rows} valid "
                "rows; use shorter segments"
            )
        return np.array(usable)

    def _evenly(self, clip: np.int64, most: int) -> Segments:
        track = self.tracks[int(clip)]
        places = starts(track.valid, self.rows)
        count = min(most, -(-len(places) // self.rows))
        spread = np.linspace(0, len(places) - 1, count).round().astype(np.int64)
        return self._cut(track, places[spread])

    def _at_random(self, clip: np.int64, rng: np.random.Generator) -> Segments:
        track = self.tracks[int(clip)]
        return self._cut(track, rng.choice(starts(track.valid, self.rows), PER_CLIP))

    def _cut(self, track: Track, firsts: NDArray[np.int64]) -> Segments:
        cuts = [track.values[first : first + self.rows] for first in firsts]
        return np.stack([standardised(cut, self.rows, self.mean, self.scale) for cut in cuts])


def moments(tracks: TrackSequence, clips: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Measures each band over all valid rows.

    Args:
        tracks: The training clips' input.
        clips: How many there are.

    Returns:
        Mean and standard deviation, (bands,) each; the deviation of a constant band is given as 1.

    Raises:
        ValueError: No row is valid.
    """
    count, total, squares = 0, np.float64(0), np.float64(0)
    for clip in range(clips):
        track = tracks[clip]
        rows = track.values[track.valid].astype(np.float64)
        count += len(rows)
        total = total + rows.sum(axis=0)
        squares = squares + (rows**2).sum(axis=0)
    if not count:
        raise ValueError(
            f"none of the {clips} training clips has a valid row; look at the index for what "
            "became of them"
        )
    mean = np.asarray(total / count)
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
    # Below the rounding of the sums a deviation is none.
    scale = np.where(deviation > 1e-6 * np.abs(mean), deviation, 1)
    return mean.astype(np.float32), scale.astype(np.float32)


def starts(valid: NDArray[np.bool_], rows: int) -> NDArray[np.int64]:
    """Finds where segments may begin.

    Args:
        valid: (time,) which rows of a clip are valid.
        rows: Rows of a segment.

    Returns:
        First rows of all segments whose rows are valid; 0 alone for a clip that is shorter than one
        and valid throughout.
    """
    if len(valid) <= rows:
        return np.zeros(int(len(valid) > 0 and valid.all()), np.int64)
    good = np.cumsum(np.concatenate([[0], valid]))
    return np.flatnonzero(good[rows:] - good[:-rows] == rows)


def spans(length: int, rows: int) -> list[tuple[int, int]]:
    """Cuts a clip into segments; see `Autoencoder`.

    Args:
        length: Rows of the clip.
        rows: Rows of a segment.

    Returns:
        (first row, row after the last) of each segment.
    """
    if length <= rows:
        return [(0, length)] * (length > 0)
    firsts = [*range(0, length - rows, rows), length - rows]
    return [(first, first + rows) for first in firsts]


def standardised(
    values: NDArray[Any], rows: int, mean: NDArray[np.float32], scale: NDArray[np.float32]
) -> Segments:
    """Standardises a segment, and fills it at the end with zeros, which is the mean.

    Args:
        values: (at most `rows`, bands).
        rows: Rows of a segment.
        mean: (bands,) training mean.
        scale: (bands,) training deviation.

    Returns:
        (rows, bands).
    """
    segment = np.zeros((rows, len(mean)), np.float32)
    segment[: len(values)] = (values - mean) / scale
    return segment
