"""Which frame is on screen at each time of a grid. All times are exact fractions of a second, so that no rounding picks a neighbour.

The frame with time stamp p, followed by one with time stamp n, is on screen in [p, n). Grid times are t_k = origin + k / fps before `end`.
The number of them before a time x is ceil((x - origin) * fps), hence every frame's share is a difference of two such numbers.
"""

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Generic, TypeVar

Frame = TypeVar("Frame")
Share = tuple[int, ...]
"""How many times of each grid a frame serves."""


class PlanBroken(Exception):
    """The decoder did not give a frame that the packets announced; nothing wrong has been handed on yet."""


def exact_fps(fps: float) -> Fraction:
    """The decimal number as written: 29.97 is 2997/100."""
    return Fraction(repr(fps))


class Grids(Generic[Frame]):
    """Takes frames in the order of their time stamps and hands on those that a grid time falls on.

    One frame is held back until the next one tells how long it was on screen.
    """

    def __init__(
        self,
        rates: tuple[Fraction, ...],
        start: Fraction | None,
        end: Fraction,
        give: Callable[[Fraction, Frame, Share], None],
    ) -> None:
        """`start` None: the grid begins with the first frame. `give` receives a frame's time stamp, the frame and its share."""
        self._rates, self._start, self._end, self._give = rates, start, end, give
        self._origin = start
        self._current: tuple[Fraction, Frame] | None = None
        self._given = [0] * len(rates)
        self._plan: Mapping[Fraction, Share] | None = None

    def expect(self, plan: Mapping[Fraction, Share] | None) -> None:
        """From now on a frame whose share is not the planned one raises PlanBroken. Frames already handed on stay so."""
        self._plan, self._current = plan, None
        if not any(self._given):
            self._origin = self._start

    @property
    def ended(self) -> bool:
        """No grid time is left for a frame yet to come."""
        return self._origin is not None and all(n >= self._before(self._end, r) for n, r in zip(self._given, self._rates, strict=True))

    def show(self, stamp: Fraction, frame: Frame) -> None:
        """The next frame. One that is not later than the frame before it was never on screen and is dropped."""
        if self._current is not None and stamp <= self._current[0]:
            return
        self._pass(stamp)
        self._current = (stamp, frame)
        if self._origin is None:
            self._origin = stamp

    def finish(self) -> None:
        """The last frame stays on screen until the end."""
        self._pass(self._end)
        self._current = None

    def _before(self, time: Fraction, rate: Fraction) -> int:
        return 0 if self._origin is None else max(0, math.ceil((time - self._origin) * rate))

    def _pass(self, until: Fraction) -> None:
        if self._current is None:
            return
        stamp, frame = self._current
        share = []
        for i, rate in enumerate(self._rates):
            first = max(self._given[i], self._before(stamp, rate))
            last = self._before(min(until, self._end), rate)
            share.append(max(0, last - first))
        self._check(stamp, tuple(share))
        if any(share):
            self._give(stamp, frame, tuple(share))
        for i, rate in enumerate(self._rates):
            self._given[i] = max(self._given[i], self._before(min(until, self._end), rate))

    def _check(self, stamp: Fraction, share: Share) -> None:
        if self._plan is not None and any(share) and self._plan.get(stamp) != share:
            raise PlanBroken


def plan(stamps: list[Fraction], rates: tuple[Fraction, ...], start: Fraction | None, end: Fraction) -> dict[Fraction, Share]:
    """The frames that will be handed on, by time stamp, when those at `stamps` (sorted) are shown."""
    shares: dict[Fraction, Share] = {}

    def give(stamp: Fraction, _: None, share: Share) -> None:
        shares[stamp] = share

    grids: Grids[None] = Grids(rates, start, end, give)
    for stamp in stamps:
        grids.show(stamp, None)
    grids.finish()
    return shares
