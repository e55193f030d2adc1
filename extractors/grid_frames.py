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

        def frames() -> Iterator[tuple[Fraction, ShownFrame]]:
            return _shown(pictures, decoder.video(None, begin))

        if is_unknown:
            times = self.order([stamp for stamp, _ in frames()], pictures)
            _feed(self.grids(pictures, times), _at(times, frames()))
            return
        found: list[Fraction] = []
        _feed(self.grids(pictures, None), _kept(frames(), found))
        self.note(found, pictures)

    def order(
        self, found: Sequence[Fraction], pictures: Packets[VideoStream]
    ) -> Sequence[Fraction | None]:
        """Gives each frame its time, and notes where packets tell of others.

        Args:
            found: Time of each frame in the order they come out, in seconds.
            pictures: The packets of the pictures.

        Returns:
            When each frame is shown; None for one that never is.
        """
        times = in_order(found, pictures)
        self.note(times, pictures)
        return times

    def note(self, times: Sequence[Fraction | None], pictures: Packets[VideoStream]) -> None:
        """Notes where the frames of a whole file are not those that its packets tell of.

        Args:
            times: When each frame is shown, in seconds; None for one that never is.
            pictures: The packets of the pictures.
        """
        is_whole = self._start is None and self._clip.end_s is None
        if is_whole and not are_shown_as_told(times, pictures):
            self.notes = (UNEVEN_TIMES,)

    def grids(
        self, pictures: Packets[VideoStream], times: Sequence[Fraction | None] | None
    ) -> Grids[ShownFrame]:
        """Lays the grids of a stream all of whose frames will be shown.

        Args:
            pictures: Its packets.
            times: When each frame is shown, from a first decoding; None where there was none.

        Returns:
            The grids, which take the frames.

        Raises:
            BadClip: No packet has a time stamp.
        """
        known = self._extent(pictures)
        if times is None:
            return self._between(known.end, None)
        stamps = [time for time in times if time is not None]
        return self._between(known.end_after(times), stamps)

    def _show_planned(self, pictures: Packets[VideoStream], decoder: PacketDecoder) -> None:
        """Passes on frames whose times the packets hold; what nobody needs is not decoded."""
        stamps = [pts * pictures.time_base for pts in pictures.stamps or []]
        grids = self._between(self._extent(pictures).end, stamps)
        shares = plan(stamps, self._cadences, self._start, grids.end)
        grids.expect(shares)
        wanted = {int(stamp / pictures.time_base) for stamp in shares}
        try:
            _feed(grids, _shown(pictures, decoder.video(wanted)))
        except PlanBroken:
            grids.expect(None)
            _feed(grids, _shown(pictures, decoder.video(None, is_complete=True)))

    def _between(self, end: Fraction, stamps: list[Fraction] | None) -> Grids[ShownFrame]:
        limit = end if self._clip.end_s is None else min(end, Fraction(self._clip.end_s))
        return Grids(self._cadences, self._start, limit, self._give, stamps)

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

    def _give(self, stamp: Fraction, shown: ShownFrame, share: Share) -> None:
        frame, facts = shown
        display = facts(frame)
        size = shown_size(frame.width, frame.height, display.pixel_aspect)
        self._limits.check_pixels(self._clip.clip_id, *size)
        self._given = [n + times for n, times in zip(self._given, share, strict=True)]
        shown_s = float(seconds_of(self._given, self._cadences))
        self._limits.check_shown(self._clip.clip_id, shown_s)
        rgb = to_rgb(frame, display, self._clip.region)
        with self._deadline.paused():
            for push, times in zip(self._pushes, share, strict=True):
                for _ in range(times):
                    push(float(stamp), rgb)


def _shown(
    pictures: Packets[VideoStream], frames: Iterable[VideoFrame]
) -> Iterator[tuple[Fraction, ShownFrame]]:
    """Each frame with the time at which it is shown, and how."""
    clock = FrameClock(pictures.stream)
    facts = partial(display_facts, pixel_aspect=pictures.stream.sample_aspect_ratio)
    for frame in frames:
        yield clock.time(frame), (frame, facts)


def _at(
    times: Sequence[Fraction | None] | None, frames: Iterable[tuple[Fraction, ShownFrame]]
) -> Iterator[tuple[Fraction, ShownFrame]]:
    """The frames at the times that a first decoding found for them; None: at their own."""
    if times is None:
        yield from frames
        return
    for time, (_, frame) in zip(times, frames, strict=False):
        if time is not None:
            yield time, frame


def _kept(
    frames: Iterable[tuple[Fraction, ShownFrame]], times: list[Fraction]
) -> Iterator[tuple[Fraction, ShownFrame]]:
    for stamp, frame in frames:
        times.append(stamp)
        yield stamp, frame


def _feed(grids: Grids[ShownFrame], frames: Iterable[tuple[Fraction, ShownFrame]]) -> None:
    for stamp, frame in frames:
        grids.show(stamp, frame)
        if grids.ended:
            return
    grids.finish()
