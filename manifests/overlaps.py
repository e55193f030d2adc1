"""Spans of one recording that overlap: two clips with other names, in part the same seconds."""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_DIGITS = 9
"""Shares are rounded, so that times written in decimals compare as they are written."""


@dataclass(frozen=True)
class Span:
    clip_id: str
    timeline: str
    """What the seconds count in: an episode, a dialogue or a file. Spans of different timelines
    never overlap."""
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Overlap:
    first: str
    """The clip that starts earlier; of two that start together, the smaller id."""
    second: str
    share: float
    """Of the shorter clip, in (0, 1]: 1.0 where one lies wholly in the other."""


def overlapping(spans: Iterable[Span], over: float = 0.5) -> list[Overlap]:
    """All pairs on one timeline that share more than the part `over` of the shorter span, sorted by
    ids.

    A span without length shares no time. A sweep over the starts: O(n log n + k) for n spans and k
    pairs that touch at all. ValueError where a span ends before it starts, or `over` is not in [0,
    1).
    """
    if not 0 <= over < 1:
        raise ValueError(f"over = {over:g}, expected a part of the shorter span from 0 to below 1")
    pairs = (Overlap(a.clip_id, b.clip_id, _share(a, b)) for a, b in _touching(spans))
    return sorted(
        (pair for pair in pairs if pair.share > over), key=lambda pair: (pair.first, pair.second)
    )


def _touching(spans: Iterable[Span]) -> Iterator[tuple[Span, Span]]:
    """Pairs that share some time. `open_spans` is a heap by end: the spans of the timeline that run
    on."""
    timeline: str | None = None
    open_spans: list[tuple[float, int, Span]] = []
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


def _share(first: Span, second: Span) -> float:
    common = min(first.end_s, second.end_s) - second.start_s
    shorter = min(first.end_s - first.start_s, second.end_s - second.start_s)
    return round(common / shorter, _DIGITS)
