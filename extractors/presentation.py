"""When each frame is shown: what packets tell of it beforehand, and what decoded frames tell.

Most containers keep the time at which a frame is shown (pts). AVI keeps the order of decoding alone
(dts), in which a frame that later ones are predicted from comes before the frames shown before it;
program streams keep times of some frames only. libavcodec then takes a frame to be shown when the
packet is decoded with which it comes out; where both times are there and contradict each other, it
follows the one that has run backwards less often (`best_effort_timestamp`, guess_correct_pts() of
libavcodec/decode.c). Frames that come out at the end, after the last packet, follow each other by
their duration, as the ffmpeg program has it (video_frame_process() of fftools/ffmpeg_dec.c).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise, takewhile

from av import VideoFrame
from av.video.stream import VideoStream

from extractors.h264 import may_hold_fields
from extractors.packets import MICROSECOND, Packets

SKIPPING = {"h264", "hevc"}
"""Codecs whose non-reference frames are skipped exactly."""
RESTARTING = {"mpeg4", "flv", "vp8", "vp9", "mjpeg"}
"""Codecs whose decoding can begin at any packet that is marked as a key frame."""
ONE_A_PACKET = SKIPPING | RESTARTING | {
    "mpeg1video", "mpeg2video", "h263", "vp6", "vp6f", "libdav1d", "av1", "theora", "msmpeg4",
    "msmpeg4v2", "wmv1", "wmv2", "prores", "dnxhd", "huffyuv", "ffvhuff", "ffv1", "rawvideo",
}  # fmt: skip
"""Codecs of which each packet is a frame that is shown."""
_MAY_HIDE = {"vp8", "vp9", "libdav1d", "av1", "theora"}
"""Those of them with packets that are never shown, or show the frame before them again."""
_OF_MPEG = re.compile(rb"\0\0\x01\0.[\x18-\x1f\x58-\x5f\x98-\x9f\xd8-\xdf]", re.DOTALL)
_TWO_SIDED = {
    "mpeg1video": _OF_MPEG,
    "mpeg2video": _OF_MPEG,
    "mpeg4": re.compile(rb"\0\0\x01\xb6[\x80-\xbf]"),
}
"""What is in a packet whose frame is predicted from the ones before and behind it."""
_PLACEHOLDER = 12
"""MPEG-4 packets of fewer bytes stand for a frame that is not coded, or that DivX and Xvid packed
into the packet before."""
_HELD_BACK = 16
"""Frames that a decoder holds back at most (H.264 and HEVC: the size of the picture buffer)."""


class FrameClock:
    """Says when each frame is shown, of the frames of one stream in the order they come out."""

    def __init__(self, stream: VideoStream) -> None:
        rate = stream.average_rate
        self._nominal = round(1 / (rate * (stream.time_base or MICROSECOND))) if rate else 0
        self._last_pts = self._last_dts = -(2**63)
        self._faulty_pts = self._faulty_dts = 0
        self._last: int | None = None
        self._step = 1

    def time(self, frame: VideoFrame) -> int:
        """Takes the next frame.

        Args:
            frame: A frame as it comes out of the decoder.

        Returns:
            When it is shown, in ticks of the file's clock.
        """
        if (shown := self._guess(frame.pts, frame.dts)) is None:
            shown = 0 if self._last is None else self._last + self._step
        self._step = self._duration(frame.duration or 0, shown)
        self._last = shown
        return shown

    def _guess(self, pts: int | None, dts: int | None) -> int | None:
        if dts is not None:
            self._faulty_dts += dts <= self._last_dts
            self._last_dts = dts
        elif pts is not None:
            self._last_dts = pts
        if pts is not None:
            self._faulty_pts += pts <= self._last_pts
            self._last_pts = pts
        elif dts is not None:
            self._last_pts = dts
        if pts is not None and (dts is None or self._faulty_pts <= self._faulty_dts):
            return pts
        return dts

    def _duration(self, declared: int, shown: int) -> int:
        gap = 0 if self._last is None else shown - self._last
        if declared > 0 and not (declared == 1 and gap > 2):
            return declared
        return gap if gap > 0 else declared or self._nominal or max(self._step, 1)


def in_order(times: Sequence[int], packets: Packets[VideoStream]) -> list[int | None]:
    """Gives each frame a time of its own, later than that of the frame before it.

    Frames come out of a decoder in the order of presentation. Where the times guessed for them are
    not in that order, each gets the time that its place has among them; where two share one, and a
    place is free nearby, all up to it move by a frame. Where none is free, the times are the
    packets' own, sorted, if each packet has one and is a frame.

    Args:
        times: Time of each frame in the order they come out, in ticks.
        packets: The packets of the pictures.

    Returns:
        When each frame is shown, in ticks; None for one that is never on screen, as it shares its
        time and has no place of its own.
    """
    if all(before < after for before, after in pairwise(times)):
        return list(times)
    ordered = sorted(times)
    step, never = _usual_gap(ordered), set()
    for i in range(1, len(ordered)):
        if ordered[i] <= ordered[i - 1] and not (step and _make_room(ordered, i, step)):
            never.add(i)
    stamps = packets.stamps or ()
    if never and len(set(stamps)) == len(stamps) == len(times):
        return list(stamps)
    return [None if i in never else time for i, time in enumerate(ordered)]


def _usual_gap(times: Sequence[int]) -> int:
    """The middle one of the gaps between frames; 0 where there is none, or most share a time."""
    gaps = sorted(after - before for before, after in pairwise(times))
    return gaps[len(gaps) // 2] if gaps else 0


def _make_room(ordered: list[int], at: int, step: int) -> bool:
    """Moves the frames between `at` and the nearest free place, if there is one among the next few.

    A place is free where a frame more would fit before the next one.
    """
    for place in range(at + 1, min(at + _HELD_BACK, len(ordered)) + 1):
        if place == len(ordered) or 2 * (ordered[place] - ordered[place - 1]) > 3 * step:
            ordered[at:place] = [time + step for time in ordered[at:place]]
            return True
    for place in range(at - 1, max(at - _HELD_BACK, 0), -1):
        if 2 * (ordered[place] - ordered[place - 1]) > 3 * step:
            ordered[place:at] = [time - step for time in ordered[place:at]]
            return True
    return False


def can_plan(packets: Packets[VideoStream]) -> bool:
    """Says whether the packets hold what will be shown, so that frames may be skipped.

    Args:
        packets: The packets of the pictures.

    Returns:
        True where each packet is one frame with its own time stamp, the first is a key frame that
        no frame is shown before, and none is damaged; of the codecs whose frames can be skipped.
    """
    stamps, items = packets.stamps, packets.items
    context = packets.stream.codec_context
    return (
        context is not None
        and context.name in SKIPPING
        and stamps is not None
        and len(set(stamps)) == len(stamps)
        and items[0].is_keyframe
        and all(packet.pts >= items[0].pts and not packet.is_corrupt for packet in items)
        and not _may_hold_fields(packets)
    )


def first_needed(packets: Packets[VideoStream], start: Fraction | None) -> int:
    """Finds where decoding can begin, of a stream of which no frame is skipped.

    Args:
        packets: The packets of the pictures.
        start: When the first frame that is wanted is on screen, in seconds; None: from the first
            frame on.

    Returns:
        Number of a packet: the last key frame that is certainly on screen by then, where the
        codec allows to begin there, or else the first.
    """
    context, items, begin = packets.stream.codec_context, packets.items, 0
    if start is None or context is None or context.name not in RESTARTING:
        return begin
    for place, packet in enumerate(items):
        if packet.is_keyframe:
            stamp = packet.pts
            if packets.stamps is None:
                stamp = items[min(place + _HELD_BACK, len(items) - 1)].dts
            if stamp is not None and stamp * packets.time_base <= start:
                begin = place
    return begin


def frame_count(packets: Packets[VideoStream]) -> int | None:
    """Counts the frames that are shown, as far as the packets tell.

    Args:
        packets: The packets of the pictures.

    Returns:
        How many; None where a packet may be less or more than a frame.
    """
    if not _is_one_a_packet(packets) or _may_hold_fields(packets):
        return None
    return sum(not packet.is_discard for packet in packets.items)


def are_shown_as_told(times: Sequence[int | None], packets: Packets[VideoStream]) -> bool:
    """Compares the frames that a decoder gives with the packets.

    Args:
        times: When each frame is shown, in ticks, of all frames; None for one that never is.
        packets: The packets of the pictures.

    Returns:
        False where packets give no frame, or a frame is shown at a time that no packet has. Frames
        that are shown before the first key frame may need what a cut has taken; and those that a
        decoder holds back have no time where packets are said to be shown as they are decoded.
    """
    context, items, stamps = packets.stream.codec_context, packets.items, packets.stamps
    if context is None or context.name in _MAY_HIDE or frame_count(packets) is None:
        return True
    key = next((at for at, packet in enumerate(items) if packet.is_keyframe), 0)
    first, leading = items[key].pts, _leading(packets, key)
    due = sum(
        not packet.is_discard and (first is None or packet.pts is None or packet.pts >= first)
        for packet in (*items[: key + 1], *items[key + 1 + leading :])
    )
    told = set(stamps or ())
    shown = _rising(times)
    if len(shown) < due and _keep_order_of_decoding(packets):
        due -= context.reorder_depth
    return len(shown) >= due and (not told or told.issuperset(shown))


def _rising(times: Sequence[int | None]) -> list[int]:
    """The times that are later than all before them: other frames are never on screen."""
    rising: list[int] = []
    for time in times:
        if time is not None and (not rising or time > rising[-1]):
            rising.append(time)
    return rising


def _keep_order_of_decoding(packets: Packets[VideoStream]) -> bool:
    """Whether times rise, though frames are predicted from later ones (copied out of an AVI)."""
    form = _TWO_SIDED.get(packets.stream.codec_context.name)
    stamps = [packet.pts for packet in packets.items]
    if None in stamps or form is None or any(b <= a for a, b in pairwise(stamps)):
        return False
    return any(form.search(bytes(packet)) for packet in packets.items)


def _leading(packets: Packets[VideoStream], key: int) -> int:
    """How many packets behind a key frame are predicted from both sides, and need one before it."""
    context = packets.stream.codec_context
    form = _TWO_SIDED.get(context.name) if context else None
    following = (bytes(packet) for packet in packets.items[key + 1 :])
    return sum(1 for _ in takewhile(form.search, following)) if form else 0


@dataclass(frozen=True)
class VideoExtent:
    """When the pictures of a file begin and end, as its packets tell it."""

    first: Fraction
    """When the first frame is shown, in seconds on the file's clock."""
    end: Fraction
    """When the last one ends."""
    is_exact: bool
    """Whether the packets hold the times of presentation. Where they do not, this is how a regular
    recording has them, and decoding shows how this one has."""
    last_packet: Fraction
    """Time of the last packet; the pictures last at least until then."""
    step: Fraction
    """How long the last frame is shown."""
    time_base: Fraction
    """Seconds of one tick."""

    def end_after(self, times: Sequence[int | None]) -> Fraction:
        """Computes when the pictures end, as decoding shows it.

        Args:
            times: When each frame is shown, in ticks, rising; None for one that is not.

        Returns:
            Seconds on the file's clock.
        """
        shown = [time for time in times if time is not None]
        if not shown:
            return self.end
        gap = _usual_gap(shown) if 2 * len(shown) > len(times) else 0
        step = gap * self.time_base or self.step
        return max(shown[-1] * self.time_base + step, self.last_packet)


def extent(packets: Packets[VideoStream]) -> VideoExtent | None:
    """Reads from the packets when the first frame is shown and when the last one ends.

    Where they keep the order of decoding alone, frames are shown as many packets later as the codec
    holds back.

    Args:
        packets: The packets of the pictures.

    Returns:
        The extent; None where no packet has a time stamp.
    """
    if not (times := list(packets.stamps or _decoding_times(packets))):
        return None
    context, first = packets.stream.codec_context, packets.items[0].pts
    held = 0
    if packets.stamps is None and context is not None:
        held = min(context.reorder_depth, len(times) - 1)
    last, step = max(times) * packets.time_base, _last_step(packets, times)
    return VideoExtent(
        (first if held and first is not None else times[held]) * packets.time_base,
        last + (held + 1) * step,
        _are_all_shown(packets),
        last,
        step,
        packets.time_base,
    )


def are_times_unknown(packets: Packets[VideoStream], until: float | None) -> bool:
    """Says whether frames must be decoded to know when each is shown and when the last one ends.

    Args:
        packets: The packets of the pictures.
        until: Where the frames that are wanted end, in seconds; None: with the last one.

    Returns:
        True where the packets do not tell. Of an AVI, whose frames come out in order and at their
        times, only the end is not known, and does not matter where less is wanted.
    """
    known = extent(packets)
    if known is None or known.is_exact:
        return False
    in_decoding_order = packets.stamps is None and all(
        packet.dts is not None and packet.pts in {None, packet.dts} for packet in packets.items
    )
    return until is None or until > known.last_packet or not in_decoding_order


def _decoding_times(packets: Packets[VideoStream]) -> list[int]:
    """When each packet is decoded, in ticks; one without a time follows the one before it."""
    times: list[int] = []
    for packet in packets.items:
        if packet.dts is not None:
            times.append(packet.dts)
        elif times:
            times.append(times[-1] + (packet.duration or 0))
    return times


def _last_step(packets: Packets[VideoStream], times: Sequence[int]) -> Fraction:
    """How long the last frame is shown."""
    if packets.stamps is not None and packets.end_s is not None:
        declared = packets.end_s - max(times) * packets.time_base
    else:
        declared = (packets.items[-1].duration or 0) * packets.time_base
    rate = packets.stream.average_rate
    if declared or rate:
        return declared or 1 / Fraction(rate or 1)
    # Without a duration or a rate, it is shown as long as the one before it, or a tick.
    before, last = [times[-1], *sorted(times)][-2:]
    return (last - before or 1) * packets.time_base


def _is_one_a_packet(packets: Packets[VideoStream]) -> bool:
    context = packets.stream.codec_context
    if context is None or context.name not in ONE_A_PACKET:
        return False
    return context.name != "mpeg4" or all(packet.size >= _PLACEHOLDER for packet in packets.items)


def _are_all_shown(packets: Packets[VideoStream]) -> bool:
    """Whether each packet is a frame that is shown at its own time.

    Those that follow the first key frame and are shown before it may need what a cut has taken.
    """
    stamps, first = packets.stamps, packets.items[0].pts
    if stamps is None or not _is_one_a_packet(packets) or _may_be_packed(packets):
        return False
    return first is None or not stamps or first <= stamps[0]


def _may_be_packed(packets: Packets[VideoStream]) -> bool:
    """Whether a packet may hold two frames, as DivX and Xvid have it, which a container with times
    of presentation gives wrong ones."""
    context = packets.stream.codec_context
    return context is not None and context.name == "mpeg4" and context.reorder_depth > 0


def _may_hold_fields(packets: Packets[VideoStream]) -> bool:
    context = packets.stream.codec_context
    return context is not None and context.name == "h264" and may_hold_fields(context.extradata)
