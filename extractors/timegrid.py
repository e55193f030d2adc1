"""Which frame is on screen at each time of a grid.

All times are exact, so that no rounding picks a neighbour: frames count in whole ticks of their
stream, and a grid begins and ends at fractions of a second. The frame with time stamp p, followed
by one with time stamp n, is on screen in [p, n). A grid is a rising row of times, and a cadence
counts how many of them lie before any given time x, in whole numbers; a frame's share of the grid
is a difference of two such numbers.

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


Count = Callable[[int], int]
"""count(ticks): how many times of a grid lie before a time; all of them, where it is not before the
grid's end."""


@dataclass(frozen=True)
class GridSpan:
    """The part of the file's clock that a grid covers."""

    origin: Fraction
    """Where it begins, in seconds."""
    end: Fraction
    """Where it ends, in seconds."""
    time_base: Fraction
    """Seconds of one tick."""
    stamps: Sequence[int]
    """Time stamps of the file's frames in ticks, rising, as far as they are known."""

    def first_tick(self, time: Fraction) -> int:
        """Converts a time for comparisons with time stamps, which are whole numbers.

        Args:
            time: Seconds.

        Returns:
            The first tick that is not before it.
        """
        return math.ceil(time / self.time_base)

    def evenly(self, rate: Fraction, lead: Fraction = Fraction(0)) -> Count:
        """Counts times that lie evenly.

        Args:
            rate: How many lie in a second.
            lead: How far behind the origin the first one lies, in intervals.

        Returns:
            ticks -> ceil((time - origin) * rate - lead), not below 0.
        """
        step, offset = self.time_base * rate, self.origin * rate + lead
        scale = math.lcm(step.denominator, offset.denominator)
        a, b = int(step * scale), int(offset * scale)
        total = max(0, math.ceil((self.end - self.origin) * rate - lead))
        end = self.first_tick(self.end)
        return lambda ticks: total if ticks >= end else max(0, -((b - a * ticks) // scale))


class Cadence(ABC):
    """The times of a grid."""

    @abstractmethod
    def counter(self, span: GridSpan) -> Count:
        """Gives what counts the times of the grid.

        Args:
            span: The part of the file's clock that the grid covers.

        Returns:
            How many lie before a time.
        """


@dataclass(frozen=True)
class PerSecond(Cadence):
    """So many times a second, from the origin on."""

    fps: Fraction

    def counter(self, span: GridSpan) -> Count:
        return span.evenly(self.fps)


@dataclass(frozen=True)
class Spread(Cadence):
    """As many times, evenly over the span, each in the middle of its part.

    One alone is the middle of the clip.
    """

    count: int

    def counter(self, span: GridSpan) -> Count:
        length = span.end - span.origin
        if length <= 0:
            return lambda ticks: 0
        return span.evenly(self.count / length, Fraction(1, 2))


@dataclass(frozen=True)
class EveryNth(Cadence):
    """Frames by their number: the first of the span, and every `step`-th after it."""

    step: int

    def counter(self, span: GridSpan) -> Count:
        stamps, origin = span.stamps, span.first_tick(span.origin)
        end = span.first_tick(span.end)

        def count(ticks: int) -> int:
            frames = bisect_left(stamps, min(ticks, end)) - bisect_left(stamps, origin)
            return max(0, -(-frames // self.step))

        return count


def seconds_of(times: Sequence[int], cadences: Sequence[Cadence]) -> float:
    """Measures from the first of some times of a grid to the last one.

    Args:
        times: How many times of each grid there are.
        cadences: The grids.

    Returns:
        Seconds by the longest of those with so many times a second; 0 without one.
    """
    return max(
        (
            (count - 1) * cadence.fps.denominator / cadence.fps.numerator
            for count, cadence in zip(times, cadences, strict=True)
            if isinstance(cadence, PerSecond)
        ),
        default=0.0,
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
        time_base: Fraction,
        give: Callable[[int, Frame, Share], None],
        announced: Sequence[int] | None = None,
    ) -> None:
        """Begins a clip.

        Args:
            cadences: The grids.
            start: Where they begin, in seconds; None: with the first frame.
            end: Where they end, in seconds.
            time_base: Seconds of one tick.
            give: Receives a frame's time stamp, the frame and its share of each grid.
            announced: The time stamps of all frames of the file, rising, where its packets hold
                them; None: frames are numbered as they are shown, and all of them must be.
        """
        self._cadences, self._start, self._end, self._give = tuple(cadences), start, end, give
        self._time_base, self._end_tick = time_base, math.ceil(end / time_base)
        self._current: tuple[int, Frame] | None = None
        self._given = [0] * len(self._cadences)
        self._plan: Mapping[int, Share] | None = None
        self._due: Iterator[int] = iter(())
        """The planned frames that are still to come."""
        self._stamps = [] if announced is None else list(announced)
        self._counts_frames = announced is None and any(
            isinstance(cadence, EveryNth) for cadence in self._cadences
        )
        self._counts: list[Count] = []
        """What counts the times of each grid; nothing until it is known where they begin."""
        self._begin(start)

    def expect(self, plan: Mapping[int, Share] | None) -> None:
        """Sets the plan that frames are checked against; frames already passed on stay so.

        From now on PlanBroken is raised by a frame whose share is not the planned one, and by one
        that comes in place of another.

        Args:
            plan: Time stamp -> share of each frame that is needed, rising; None for no plan.
        """
        self._plan, self._current = plan, None
        self._due = iter(plan or ())
        if not any(self._given):
            self._begin(self._start if self._start is not None else self._first_unplanned())

    def _first_unplanned(self) -> Fraction | None:
        """When the file's first frame is shown, where the plan does without it.

        It may then not be shown at all.
        """
        is_unplanned = self._plan and self._stamps[0] not in self._plan
        return self._stamps[0] * self._time_base if is_unplanned else None

    def _begin(self, origin: Fraction | None) -> None:
        """Lays the grids from where they begin; None: with the next frame."""
        self._counts = []
        if origin is not None:
            span = GridSpan(origin, self._end, self._time_base, self._stamps)
            self._counts = [cadence.counter(span) for cadence in self._cadences]

    @property
    def end(self) -> Fraction:
        """Where the grids end, in seconds."""
        return self._end

    @property
    def ended(self) -> bool:
        """Whether no grid time is left for a frame yet to come."""
        if not self._counts or (
            self._counts_frames and (self._current is None or self._current[0] < self._end_tick)
        ):
            return False
        return all(
            n >= count(self._end_tick) for n, count in zip(self._given, self._counts, strict=True)
        )

    def show(self, stamp: int, frame: Frame) -> None:
        """Takes the next frame.

        One that is not later than the frame before it was never on screen and is dropped.

        Args:
            stamp: Its time stamp in ticks.
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
        if not self._counts:
            self._begin(stamp * self._time_base)

    def finish(self) -> None:
        """Ends the clip: the last frame stays on screen until the end.

        Raises:
            PlanBroken: A planned frame did not come.
        """
        self._pass(self._end_tick)
        self._current = None
        if self._plan is not None and next(self._due, None) is not None:
            raise PlanBroken

    def _pass(self, until: int) -> None:
        if self._current is None:
            return
        stamp, frame = self._current
        lasts = [count(until) for count in self._counts]
        firsts = [max(n, count(stamp)) for n, count in zip(self._given, self._counts, strict=True)]
        share = tuple(max(0, last - first) for first, last in zip(firsts, lasts, strict=True))
        if any(share):
            self._check(stamp, share)
            self._give(stamp, frame, share)
        self._given = [max(n, last) for n, last in zip(self._given, lasts, strict=True)]

    def _check(self, stamp: int, share: Share) -> None:
        if self._plan is None:
            return
        if self._plan.get(stamp) != share or next(self._due, None) != stamp:
            raise PlanBroken


def plan(
    stamps: list[int],
    cadences: Sequence[Cadence],
    start: Fraction | None,
    end: Fraction,
    time_base: Fraction,
) -> dict[int, Share]:
    """Computes beforehand which frames will be passed on.

    Args:
        stamps: Time stamps of all frames that will be shown in ticks, sorted.
        cadences: The grids.
        start: Where they begin, in seconds; None: with the first frame.
        end: Where they end, in seconds.
        time_base: Seconds of one tick.

    Returns:
        Time stamp -> share of each frame that is passed on.
    """
    shares: dict[int, Share] = {}

    def give(stamp: int, _: None, share: Share) -> None:
        shares[stamp] = share

    grids: Grids[None] = Grids(cadences, start, end, time_base, give, stamps)
    for stamp in stamps:
        grids.show(stamp, None)
    grids.finish()
    return shares
