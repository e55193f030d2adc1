"""The frames of one clip that its grids fall on, from either decoder."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import partial

from av import VideoFrame
from av.video.stream import VideoStream

from extractors.even_times import UNEVEN_TIMES
from extractors.limits import Deadline, Limits
from extractors.media import Push
from extractors.packets import Packets
from extractors.pixels import DisplayFacts, display_facts, shown_size, to_rgb
from extractors.presentation import (
    FrameClock,
    VideoExtent,
    are_shown_as_told,
    are_times_unknown,
    can_plan,
    extent,
    first_needed,
    in_order,
)
from extractors.pyav_decoder import PacketDecoder
from extractors.timegrid import Cadence, Grids, PlanBroken, Share, plan, seconds_of
from manifests.clips import Clip
from manifests.quarantine import BadClip, Reason

ShownFrame = tuple[VideoFrame, Callable[[VideoFrame], DisplayFacts]]
"""A decoded frame, and what says how it is to be shown; that is asked of the frames alone that a
grid falls on."""


class GridFrames:
    """Passes on the frames that the grids of one clip fall on."""

    def __init__(
        self, clip: Clip, grids: Mapping[Cadence, Push], limits: Limits, deadline: Deadline
    ) -> None:
        self._clip, self._limits, self._deadline = clip, limits, deadline
        self._cadences, self._pushes = tuple(grids), tuple(grids.values())
        self._start = None if clip.start_s is None else Fraction(clip.start_s)
        self._given = [0] * len(self._cadences)
        """How many times of each grid the frames that were passed on serve."""
        self.notes: tuple[str, ...] = ()
        """What decoding has shown of the times of all frames."""

    def show(self, pictures: Packets[VideoStream], decoder: PacketDecoder) -> None:
        """Decodes in this process and passes frames on.

        Args:
            pictures: The packets of the pictures.
            decoder: Their decoder.

        Raises:
            BadClip: A packet that is needed is refused, or the clip goes beyond a limit.
        """
        if can_plan(pictures) and not decoder.skips_damage:
            self._show_planned(pictures, decoder)
            return
        is_unknown = are_times_unknown(pictures, self._clip.end_s)
        begin = 0 if is_unknown else first_needed(pictures, self._start)

        def frames() -> Iterator[tuple[int, ShownFrame]]:
            return _shown(pictures, decoder.video(None, begin))

        if is_unknown:
            times = self.order([stamp for stamp, _ in frames()], pictures)
            _feed(self.grids(pictures, times), _at(times, frames()))
            return
        found: list[int] = []
        _feed(self.grids(pictures, None), _kept(frames(), found))
        self.note(found, pictures)

    def order(self, found: Sequence[int], pictures: Packets[VideoStream]) -> Sequence[int | None]:
        """Gives each frame its time, and notes where packets tell of others.

        Args:
            found: Time of each frame in the order they come out, in ticks.
            pictures: The packets of the pictures.

        Returns:
            When each frame is shown, in ticks; None for one that never is.
        """
        times = in_order(found, pictures)
        self.note(times, pictures)
        return times

    def note(self, times: Sequence[int | None], pictures: Packets[VideoStream]) -> None:
        """Notes where the frames of a whole file are not those that its packets tell of.

        Args:
            times: When each frame is shown, in ticks; None for one that never is.
            pictures: The packets of the pictures.
        """
        is_whole = self._start is None and self._clip.end_s is None
        if is_whole and not are_shown_as_told(times, pictures):
            self.notes = (UNEVEN_TIMES,)

    def grids(
        self, pictures: Packets[VideoStream], times: Sequence[int | None] | None
    ) -> Grids[ShownFrame]:
        """Lays the grids of a stream all of whose frames will be shown.

        Args:
            pictures: Its packets.
            times: When each frame is shown in ticks, from a first decoding; None where there was
                none.

        Returns:
            The grids, which take the frames.

        Raises:
            BadClip: No packet has a time stamp.
        """
        known = self._extent(pictures)
        if times is None:
            return self._between(pictures, known.end, None)
        stamps = [time for time in times if time is not None]
        return self._between(pictures, known.end_after(times), stamps)

    def _show_planned(self, pictures: Packets[VideoStream], decoder: PacketDecoder) -> None:
        """Passes on frames whose times the packets hold; what nobody needs is not decoded."""
        stamps = list(pictures.stamps or ())
        grids = self._between(pictures, self._extent(pictures).end, stamps)
        shares = plan(stamps, self._cadences, self._start, grids.end, pictures.time_base)
        grids.expect(shares)
        try:
            _feed(grids, _shown(pictures, decoder.video(set(shares))))
        except PlanBroken:
            grids.expect(None)
            _feed(grids, _shown(pictures, decoder.video(None, is_complete=True)))

    def _between(
        self, pictures: Packets[VideoStream], end: Fraction, stamps: list[int] | None
    ) -> Grids[ShownFrame]:
        limit = end if self._clip.end_s is None else min(end, Fraction(self._clip.end_s))
        time_base = pictures.time_base
        give = partial(self._give, time_base)
        return Grids(self._cadences, self._start, limit, time_base, give, stamps)

    def _extent(self, pictures: Packets[VideoStream]) -> VideoExtent:
        known = extent(pictures)
        if known is None:
            raise BadClip(
                self._clip.clip_id,
                Reason.UNREADABLE,
                "no video packet has a time stamp, expected one on each; remux the file into mp4 "
                "or mkv",
            )
        return known

    def _give(self, time_base: Fraction, stamp: int, shown: ShownFrame, share: Share) -> None:
        frame, facts = shown
        display = facts(frame)
        size = shown_size(frame.width, frame.height, display.pixel_aspect)
        self._limits.check_pixels(self._clip.clip_id, *size)
        self._given = [n + times for n, times in zip(self._given, share, strict=True)]
        self._limits.check_shown(self._clip.clip_id, seconds_of(self._given, self._cadences))
        seconds = stamp * time_base.numerator / time_base.denominator
        rgb = to_rgb(frame, display, self._clip.region)
        with self._deadline.paused():
            for push, times in zip(self._pushes, share, strict=True):
                for _ in range(times):
                    push(seconds, rgb)


def _shown(
    pictures: Packets[VideoStream], frames: Iterable[VideoFrame]
) -> Iterator[tuple[int, ShownFrame]]:
    """Each frame with the time at which it is shown, and how."""
    clock = FrameClock(pictures.stream)
    facts = partial(display_facts, pixel_aspect=pictures.stream.sample_aspect_ratio)
    for frame in frames:
        yield clock.time(frame), (frame, facts)


def _at(
    times: Sequence[int | None] | None, frames: Iterable[tuple[int, ShownFrame]]
) -> Iterator[tuple[int, ShownFrame]]:
    """The frames at the times that a first decoding found for them; None: at their own."""
    if times is None:
        yield from frames
        return
    for time, (_, frame) in zip(times, frames, strict=False):
        if time is not None:
            yield time, frame


def _kept(
    frames: Iterable[tuple[int, ShownFrame]], times: list[int]
) -> Iterator[tuple[int, ShownFrame]]:
    for stamp, frame in frames:
        times.append(stamp)
        yield stamp, frame


def _feed(grids: Grids[ShownFrame], frames: Iterable[tuple[int, ShownFrame]]) -> None:
    for stamp, frame in frames:
        grids.show(stamp, frame)
        if grids.ended:
            return
    grids.finish()
