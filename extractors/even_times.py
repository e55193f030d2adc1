"""Whether the packets of a stream follow each other: one that was lost, doubled or moved leaves a
step in times that are even otherwise.

A decoder of sound takes such a packet for the next one, and one of pictures shows the one before it
for longer. A recorder may have had no frame or no sound at that moment, which looks the same: the
clip is noted and not refused. Streams that are uneven as a whole (variable frame rates) tell
nothing.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from extractors.sound_extent import GAP_S, frame_samples

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.video.stream import VideoStream

    from extractors.packets import Packets

UNEVEN_TIMES = "uneven_times"
"""Note: the packets do not follow each other as evenly as the others of their stream do: some are
missing, doubled or moved, or were never recorded."""

_KEEP_TIMES = {"flv", "matroska,webm", "asf", "mpegts"}
"""Containers that keep a time with each packet, and nothing else that tells of a lost one."""
_KEEP_BOTH = {"flv", "mpegts"}
"""Those of them that keep the time of decoding too."""
_TICKS = 2
"""Ticks that are rounding."""
_SLACK = 4
"""The part of a packet's length by which it may be off: a quarter."""
_ENOUGH, _DRIFT = 10, 0.04
"""Steps that are enough to tell that a sampling rate is wrong, and the part by which their length
is then off; the nearest two rates, 44.1 and 48 kHz, differ by twice as much."""
_ODD = 4
"""The part of a stream's steps that may be unlike the usual one: a quarter; else it has none."""


def is_uneven(
    container: str,
    sound: "Packets[AudioStream] | None",
    pictures: "Packets[VideoStream] | None",
) -> bool:
    """Says whether packets of a file are missing, doubled or moved by what its times say.

    Args:
        container: libavformat's name of the container.
        sound: The packets of its sound.
        pictures: The packets of its pictures.

    Returns:
        True where a step is unlike the others; False in containers that have other means.
    """
    if container not in _KEEP_TIMES:
        return False
    most = float(GAP_S / sound.time_base) if sound else 0.0
    is_odd = sound is not None and (_has_steps(sound.items, most) or _is_at_odds(sound, most))
    if is_odd or pictures is None or pictures.stream.codec_context is None:
        return is_odd
    is_hidden = container == "asf" and _are_held_back(pictures)
    return is_hidden or _runs_back(pictures, container in _KEEP_BOTH) or _has_gaps(pictures)


def _has_steps(sound: Sequence[Any], most: float) -> bool:
    """Whether a packet of sound does not begin where the one before it ends; a longer hole is
    filled and has a note of its own."""
    for one, other in pairwise(sound):
        if one.pts is None or other.pts is None or not one.duration:
            continue
        missing = other.pts - one.pts - one.duration
        if missing <= most and abs(missing) > max(_TICKS, one.duration // _SLACK):
            return True
    return False


def _is_at_odds(sound: "Packets[AudioStream]", most: float) -> bool:
    """Whether packets of one length follow each other faster or slower than their samples."""
    context = sound.stream.codec_context
    known = [packet.pts for packet in sound.items if packet.pts is not None]
    steps = [after - before for before, after in pairwise(known) if after - before <= most]
    if context is None or not context.sample_rate or len(steps) < _ENOUGH:
        return False
    length = frame_samples(context) / context.sample_rate / float(sound.time_base)
    return length > 0 and abs(sum(steps) / len(steps) / length - 1) > _DRIFT


def _are_held_back(pictures: "Packets[VideoStream]") -> bool:
    """Whether MPEG-4 is said to come in another order than it is shown in, of which a container of
    times of presentation has none left."""
    context = pictures.stream.codec_context
    return (
        context is not None
        and context.name == "mpeg4"
        and context.reorder_depth > 0
        and all(packet.pts is None for packet in pictures.items)
    )


def _runs_back(pictures: "Packets[VideoStream]", has_both: bool) -> bool:
    """Whether pictures come in another order than that of decoding.

    Where a container keeps times of presentation alone, that is known of codings that show pictures
    in the order of decoding.
    """
    context, items = pictures.stream.codec_context, pictures.items
    if not has_both and (context is None or context.reorder_depth):
        return False
    times = [packet.dts if has_both else packet.pts for packet in items]
    known = [time for time in times if time is not None]
    return any(after < before for before, after in pairwise(known))


def _has_gaps(pictures: "Packets[VideoStream]") -> bool:
    """Whether pictures are missing among even ones, or two share a time."""
    shown = sorted(packet.pts for packet in pictures.items if packet.pts is not None)
    steps = [after - before for before, after in pairwise(shown)]
    if len(steps) < 3:
        return False
    usual = sorted(steps)[len(steps) // 2]
    odd = sum(abs(step - usual) > max(_TICKS, usual // _SLACK) for step in steps)
    return bool(0 < odd * _ODD <= len(steps))
