"""Which frame is on screen at each time of a grid.

All times are exact fractions of a second, so that no rounding picks a neighbour. The frame with
time stamp p, followed by one with time stamp n, is on screen in [p, n). A grid is a rising row of
times, and a cadence computes how many of them lie before any given time x; a frame's share of the
grid is a difference of two such numbers.

    PerSecond    t_k = origin + k / fps before `end`
                 before x: ceil((x - origin) * fps)
    Spread       t_k = origin + (k + 1/2) * (end - origin) / count
                 before x: ceil((x - origin) * count / (end - origin) - 1/2)
    EveryNth     the time stamp of every step-th frame in [origin, end)
                 before x: ceil((frames before x) / step)
"""

import math
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Generic, TypeVar

Frame = TypeVar("Frame")
Share = tuple[int, ...]
"""How many times of each grid a frame serves."""


class PlanBroken(Exception):
    """The decoder did not give a frame that the packets announced.

    Nothing wrong has been passed on yet.
    """


def exact_fps(fps: float) -> Fraction:
    """Reads a decimal number as written: 29.97 is 2997/100.

    Args:
        fps: Grid times a second.

    Returns:
        The exact fraction.
    """
    return Fraction(repr(fps))


@dataclass(frozen=True)
class GridSpan:
    """The part of the file's clock that a grid covers."""

    origin: Fraction
    end: Fraction
    stamps: Sequence[Fraction]
    """Time stamps of the file's frames, rising, as far as they are known."""

    def frames_before(self, time: Fraction) -> int:
        """Counts frames whose time stamp lies in [origin, min(time, end)).

        Args:
            time: Where the count ends.

        Returns:
            How many there are.
        """
        return max(
            0, bisect_left(self.stamps, min(time, self.end)) - bisect_left(self.stamps, self.origin)
        )


class Cadence(ABC):
    """The times of a grid."""

    @abstractmethod
    def before(self, time: Fraction, span: GridSpan) -> int:
        """Counts the times of the grid before a given time.

        Args:
            time: At most the span's end.
            span: The part of the file's clock that the grid covers.

        Returns:
            How many lie before it.
        """


@dataclass(frozen=True)
class PerSecond(Cadence):
    """So many times a second, from the origin on."""

    fps: Fraction

    def before(self, time: Fraction, span: GridSpan) -> int:
        return max(0, math.ceil((time - span.origin) * self.fps))


@dataclass(frozen=True)
class Spread(Cadence):
    """As many times, evenly over the span, each in the middle of its part.

    One alone is the middle of the clip.
    """

    count: int

    def before(self, time: Fraction, span: GridSpan) -> int:
        length = span.end - span.origin
        if length <= 0:
            return 0
        return max(0, math.ceil((time - span.origin) * self.count / length - Fraction(1, 2)))


@dataclass(frozen=True)
class EveryNth(Cadence):
    """Frames by their number: the first of the span, and every `step`-th after it."""

    step: int

    def before(self, time: Fraction, span: GridSpan) -> int:
        return math.ceil(Fraction(span.frames_before(time), self.step))


def seconds_of(times: Sequence[int], cadences: Sequence[Cadence]) -> Fraction:
    """Measures from the first of some times of a grid to the last one.

    Args:
        times: How many times of each grid there are.
        cadences: The grids.

    Returns:
        Seconds by the longest of those with so many times a second; 0 without one.
    """
    return max(
        (
            (count - 1) / cadence.fps
            for count, cadence in zip(times, cadences, strict=True)
            if isinstance(cadence, PerSecond)
        ),
        default=Fraction(0),
    )


class Grids(Generic[Frame]):
    """Takes frames in the order of their time stamps and passes on those that a grid time falls on.

    One frame is kept back until the next one shows how long it was on screen.
    """

    def __init__(
        self,
        cadences: Sequence[Cadence],
        start: Fraction | None,
        end: Fraction,
        give: Callable[[Fraction, Frame, Share], None],
        announced: Sequence[Fraction] | None = None,
    ) -> None:
        """Begins a clip.

        Args:
            cadences: The grids.
            start: Where they begin; None: with the first frame.
            end: Where they end.
            give: Receives a frame's time stamp, the frame and its share of each grid.
            announced: The time stamps of all frames of the file, rising, where its packets hold
                them; None: frames are numbered as they are shown, and all of them must be.
        """
        self._cadences, self._start, self._end, self._give = tuple(cadences), start, end, give
        self._origin = start
        self._current: tuple[Fraction, Frame] | None = None
        self._given = [0] * len(self._cadences)
        self._plan: Mapping[Fraction, Share] | None = None
        self._due: Iterator[Fraction] = iter(())
        """The planned frames that are still to come."""
        self._stamps = [] if announced is None else list(announced)
        self._counts_frames = announced is None and any(
            isinstance(cadence, EveryNth) for cadence in self._cadences
        )

    def expect(self, plan: Mapping[Fraction, Share] | None) -> None:
        """Sets the plan that frames are checked against; frames already passed on stay so.

        From now on PlanBroken is raised by a frame whose share is not the planned one, and by one
        that comes in place of another.

        Args:
            plan: Time stamp -> share of each frame that is needed, rising; None for no plan.
        """
        self._plan, self._current = plan, None
        self._due = iter(plan or ())
        if not any(self._given):
            self._origin = self._start if self._start is not None else self._first_unplanned()

    def _first_unplanned(self) -> Fraction | None:
        """The time stamp of the file's first frame, where the plan does without it.

        It may then not be shown at all.
        """
        return self._stamps[0] if self._plan and self._stamps[0] not in self._plan else None

    @property
    def end(self) -> Fraction:
        """Where the grids end."""
        return self._end

    @property
    def ended(self) -> bool:
        """Whether no grid time is left for a frame yet to come."""
        if self._origin is None or (
            self._counts_frames and (self._current is None or self._current[0] < self._end)
        ):
            return False
        return all(
            n >= self._before(self._end, cadence)
            for n, cadence in zip(self._given, self._cadences, strict=True)
        )

    def show(self, stamp: Fraction, frame: Frame) -> None:
        """Takes the next frame.

        One that is not later than the frame before it was never on screen and is dropped.

        Args:
            stamp: Its time stamp.
            frame: The frame.

        Raises:
            PlanBroken: The frame before it has another share than planned.
        """
        if self._current is not None and stamp <= self._current[0]:
            return
        self._pass(stamp)
        self._current = (stamp, frame)
        if self._counts_frames:
            self._stamps.append(stamp)
        if self._origin is None:
            self._origin = stamp

    def finish(self) -> None:
        """Ends the clip: the last frame stays on screen until the end.

        Raises:
            PlanBroken: A planned frame did not come.
        """
        self._pass(self._end)
        self._current = None
        if self._plan is not None and next(self._due, None) is not None:
            raise PlanBroken

    def _before(self, time: Fraction, cadence: Cadence) -> int:
        return (
            0
            if self._origin is None
            else cadence.before(time, GridSpan(self._origin, self._end, self._stamps))
        )

    def _pass(self, until: Fraction) -> None:
        if self._current is None:
            return
        stamp, frame = self._current
        lasts = [self._before(min(until, self._end), cadence) for cadence in self._cadences]
        firsts = [
            max(n, self._before(stamp, cadence))
            for n, cadence in zip(self._given, self._cadences, strict=True)
        ]
        share = tuple(max(0, last - first) for first, last in zip(firsts, lasts, strict=True))
        self._check(stamp, share)
        if any(share):
            self._give(stamp, frame, share)
        self._given = [max(n, last) for n, last in zip(self._given, lasts, strict=True)]

    def _check(self, stamp: Fraction, share: Share) -> None:
        if self._plan is None or not any(share):
            return
        if self._plan.get(stamp) != share or next(self._due, None) != stamp:
            raise PlanBroken


def plan(
    stamps: list[Fraction], cadences: Sequence[Cadence], start: Fraction | None, end: Fraction
) -> dict[Fraction, Share]:
    """Computes beforehand which frames will be passed on.

    Args:
        stamps: Time stamps of all frames that will be shown, sorted.
        cadences: The grids.
        start: Where they begin; None: with the first frame.
        end: Where they end.

    Returns:
        Time stamp -> share of each frame that is passed on.
    """
    shares: dict[Fraction, Share] = {}

    def give(stamp: Fraction, _: None, share: Share) -> None:
        shares[stamp] = share

    grids: Grids[None] = Grids(cadences, start, end, give, stamps)
    for stamp in stamps:
        grids.show(stamp, None)
    grids.finish()
    return shares
