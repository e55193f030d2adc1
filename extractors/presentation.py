"""When each frame is shown: what packets tell of it beforehand, and what decoded frames tell.

Most containers keep the time at which a frame is shown (pts). AVI keeps the order of decoding alone
(dts), in which a frame that later ones are predicted from comes before the frames shown before it;
other files lack some of the times. libavcodec then takes a frame to be shown when the packet is
decoded with which it comes out; where both times are there and contradict each other, it follows
the one that has run backwards less often (`best_effort_timestamp`, guess_correct_pts() of
libavcodec/decode.c). Frames that come out at the end, after the last packet, follow each other by
their duration, as the ffmpeg program has it (video_frame_process() of fftools/ffmpeg_dec.c).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from av import VideoFrame
from av.video.stream import VideoStream

from extractors.container import Packets
from extractors.h264 import may_hold_fields

SKIPPING = {"h264", "hevc"}
"""Codecs whose non-reference frames are skipped exactly."""
RESTARTING = {"mpeg4", "flv1", "vp8", "vp9", "mjpeg"}
"""Codecs whose decoding can begin at any packet that is marked as a key frame."""
_REORDERED = 16
"""Frames that a decoder holds back at most (H.264 and HEVC: the size of the picture buffer)."""


class FrameClock:
    """Says when each frame is shown, of the frames of one stream in the order they come out."""

    def __init__(self, stream: VideoStream) -> None:
        rate = stream.average_rate
        self._time_base = stream.time_base or Fraction(1, 1_000_000)
        self._nominal = round(1 / (rate * self._time_base)) if rate else 0
        self._last_pts = self._last_dts = -(2**63)
        self._faulty_pts = self._faulty_dts = 0
        self._last: int | None = None
        self._step = 1

    def time(self, frame: VideoFrame) -> Fraction:
        """Takes the next frame.

        Args:
            frame: A frame as it comes out of the decoder.

        Returns:
            When it is shown, in seconds on the file's clock.
        """
        shown = self._guess(frame.pts, frame.dts)
        if shown is None:
            shown = 0 if self._last is None else self._last + self._step
        self._step = self._duration(frame.duration or 0, shown)
        self._last = shown
        return shown * self._time_base

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
        and not (context.name == "h264" and may_hold_fields(context.extradata))
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
    context = packets.stream.codec_context
    if start is None or context is None or context.name not in RESTARTING:
        return 0
    items, shown = packets.items, packets.stamps is not None
    begin = 0
    for place, packet in enumerate(items):
        if packet.is_keyframe:
            seen = packet if shown else items[min(place + _REORDERED, len(items) - 1)]
            stamp = seen.pts if shown else seen.dts
            if stamp is not None and stamp * packets.time_base <= start:
                begin = place
    return begin


@dataclass(frozen=True)
class Extent:
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

    def end_after(self, last: Fraction) -> Fraction:
        """Computes when the pictures end.

        Args:
            last: When the last frame is shown, as decoding shows it.

        Returns:
            Seconds on the file's clock.
        """
        return max(last + self.step, self.last_packet)


def extent(packets: Packets[VideoStream]) -> Extent | None:
    """Reads from the packets when the first frame is shown and when the last one ends.

    Where they keep the order of decoding alone, frames are shown as many packets later as the codec
    holds back.

    Args:
        packets: The packets of the pictures.

    Returns:
        The extent; None where no packet has a time stamp.
    """
    is_exact = packets.stamps is not None
    known = packets.stamps or [packet.dts for packet in packets.items if packet.dts is not None]
    if not known or packets.end_s is None:
        return None
    times = sorted(known)
    context = packets.stream.codec_context
    held = 0 if is_exact or context is None else min(context.reorder_depth, len(times) - 1)
    last = times[-1] * packets.time_base
    # Without a duration or a rate, the last frame lasts as long as the one before it, or a tick.
    gap = times[-1] - times[-2] if len(times) > 1 else 0
    step = packets.end_s - last or (gap or 1) * packets.time_base
    return Extent(
        times[held] * packets.time_base, last + (held + 1) * step, is_exact, last, step
    )


def frame_count(packets: Packets[VideoStream]) -> int | None:
    """Counts the frames that are shown, as far as the packets tell.

    Args:
        packets: The packets of the pictures.

    Returns:
        How many; None where a packet may hold one field of a frame.
    """
    context = packets.stream.codec_context
    if context is not None and context.name == "h264" and may_hold_fields(context.extradata):
        return None
    return sum(not packet.is_discard for packet in packets.items)
