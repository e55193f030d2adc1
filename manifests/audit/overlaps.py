"""Spans of one recording that overlap: two clips with other names, in part the same seconds."""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from manifests.audit.name_columns import NameColumn

_DIGITS = 9
"""Shares are rounded, so that times written in decimals compare as they are written."""
_LONGEST_S = 120.0
"""A span longer than this is no turn: MELD's tables have two of 235 and 305 s, wrong ends that
would cover whole scenes."""


@dataclass(frozen=True)
class TimelineSpan:
    """The seconds of a recording that a clip shows."""

    clip_id: str
    timeline: str
    """What the seconds count in: an episode, a dialogue or a file. Spans of different timelines
    never overlap."""
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Overlap:
    """Two clips that show some of the same seconds."""

    first: str
    """The clip that starts earlier; of two that start together, the smaller id."""
    second: str
    share: float
    """Of the shorter clip, in (0, 1]: 1.0 where one lies wholly in the other."""


@dataclass(frozen=True)
class RowOverlaps:
    """Pairs of spans of a listing that are the same stretch of one recording."""

    unit: str
    """What the seconds count in: the episode, or the dialogue of clips that have none."""
    span_of_row: NDArray[np.int64]
    """(row,) Rows with equal clip and times have one span; -1 for a row without."""
    too_long: NDArray[np.int64]
    """Rows whose span is longer than any turn of speech, a wrong time rather than a clip; they are
    in no span."""
    pairs: NDArray[np.int64]
    """(pair, 2) spans of unlike clips that share more than half of the shorter one."""
    spans: int
    """Number of spans."""


def overlapping_rows(
    unit: str,
    recording: NameColumn,
    clip: NameColumn,
    start_s: NDArray[np.float64],
    end_s: NDArray[np.float64],
) -> RowOverlaps:
    """Finds the clips of a listing that show the same stretch of one recording.

    Args:
        unit: What the seconds count in, in words.
        recording: Episode or dialogue of each row.
        clip: Clip of each row.
        start_s: (row,) where the clip starts in the recording, in seconds; NaN where unknown.
        end_s: (row,) where it ends.

    Returns:
        The spans that the rows have, and the pairs of them that overlap.
    """
    import pandas as pd

    timed = (recording.codes >= 0) & np.isfinite(start_s) & np.isfinite(end_s) & (end_s > start_s)
    too_long = end_s - start_s > _LONGEST_S
    rows = np.flatnonzero(timed & ~too_long)
    keys = pd.DataFrame(
        {
            "clip": clip.codes[rows],
            "recording": recording.codes[rows],
            "start": start_s[rows],
            "end": end_s[rows],
        }
    )
    numbers = keys.groupby(list(keys.columns), sort=False).ngroup().to_numpy()
    span_of_row = np.full(len(clip.codes), -1, np.int64)
    span_of_row[rows] = numbers
    firsts = rows[np.unique(numbers, return_index=True)[1]]
    spans = (
        TimelineSpan(str(number), str(recording.codes[row]), float(start_s[row]), float(end_s[row]))
        for number, row in enumerate(firsts.tolist())
    )
    found = [(int(pair.first), int(pair.second)) for pair in overlapping(spans)]
    pairs = np.asarray(found, np.int64).reshape(-1, 2)
    clips = clip.codes[firsts[pairs]]
    return RowOverlaps(
        unit,
        span_of_row,
        np.flatnonzero(timed & too_long),
        pairs[clips[:, 0] != clips[:, 1]],
        len(firsts),
    )


def overlapping(spans: Iterable[TimelineSpan], over: float = 0.5) -> list[Overlap]:
    """Finds all pairs on one timeline that share more than a part of the shorter span.

    A span without length shares no time. A sweep over the starts: O(n log n + k) for n spans and k
    pairs that touch at all.

    Args:
        spans: Any number of spans, in any order.
        over: The part of the shorter span that a pair must exceed, in [0, 1).

    Returns:
        The pairs, sorted by ids.

    Raises:
        ValueError: A span ends before it starts, or `over` is not in [0, 1).
    """
    if not 0 <= over < 1:
        raise ValueError(f"over = {over:g}, expected a part of the shorter span from 0 to below 1")
    pairs = (Overlap(a.clip_id, b.clip_id, _share(a, b)) for a, b in _touching(spans))
    return sorted(
        (pair for pair in pairs if pair.share > over), key=lambda pair: (pair.first, pair.second)
    )


def _touching(spans: Iterable[TimelineSpan]) -> Iterator[tuple[TimelineSpan, TimelineSpan]]:
    """Pairs that share some time; `open_spans` is a heap, by end, of the spans that run on."""
    timeline: str | None = None
    open_spans: list[tuple[float, int, TimelineSpan]] = []
    for number, span in enumerate(
        sorted(spans, key=lambda span: (span.timeline, span.start_s, span.clip_id))
    ):
        if span.end_s < span.start_s:
            raise ValueError(
                f"{span.clip_id} ends at {span.end_s:g} s, before it starts at {span.start_s:g} "
                "s; correct its times"
            )
        if span.timeline != timeline:
            timeline, open_spans = span.timeline, []
        while open_spans and open_spans[0][0] <= span.start_s:
            heapq.heappop(open_spans)
        if span.end_s > span.start_s:
            yield from ((other, span) for _, _, other in open_spans)
            heapq.heappush(open_spans, (span.end_s, number, span))


def _share(first: TimelineSpan, second: TimelineSpan) -> float:
    common = min(first.end_s, second.end_s) - second.start_s
    shorter = min(first.end_s - first.start_s, second.end_s - second.start_s)
    return round(common / shorter, _DIGITS)
