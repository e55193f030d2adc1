"""Which stream of a file is the clip: the recording itself, not a preview, and the one to play."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from av.audio.stream import AudioStream
from av.stream import Disposition
from av.video.stream import VideoStream

SEVERAL_VIDEO = "several_video"
"""Note: the file holds several video streams; the one flagged as default was taken, or the first.
"""
SEVERAL_AUDIO = "several_audio"
"""Note: the file holds several audio streams; the one flagged as default was taken, or the first.
"""
UNDECODABLE_START = "undecodable_start"
"""Note: a capture begins inside a group of pictures; what comes before the first key frame is left
out."""

_CAPTURED = {"mpeg", "mpegts"}
"""Containers without a header, which can begin anywhere, and whose key frames are found in the
pictures themselves."""

S = TypeVar("S", VideoStream, AudioStream)


def moving(streams: Sequence[VideoStream]) -> list[VideoStream]:
    """Leaves out cover pictures.

    Args:
        streams: The video streams of a file.

    Returns:
        Those that are not attached pictures.
    """
    return [stream for stream in streams if not stream.disposition & Disposition.attached_pic]


def played(streams: Sequence[S], packets: Mapping[int, Sequence[Any]]) -> tuple[S | None, bool]:
    """Picks the stream that a player shows, or plays.

    A stream without a packet counts as absent, and a video of a single picture beside a longer one
    is a preview of it.

    Args:
        streams: The streams of one kind, in the order of the file.
        packets: Index of a stream -> its packets.

    Returns:
        The first that is flagged as default, or else the first; None where there is none. And
        whether there are others.
    """
    found = [stream for stream in streams if packets[stream.index]]
    longer = [stream for stream in found if len(packets[stream.index]) > 1]
    if longer and isinstance(longer[0], VideoStream):
        found = longer
    default = [stream for stream in found if stream.disposition & Disposition.default]
    return next(iter(default or found), None), len(found) > 1


def before_first_key(container: str, packets: Sequence[Any]) -> int:
    """Counts the packets at the start of a capture that cannot be decoded.

    Args:
        container: libavformat's name of the container.
        packets: The packets of its pictures, with `is_keyframe`.

    Returns:
        Packets before the first key frame; 0 where the container has a header, and where no key
        frame is marked.
    """
    if container not in _CAPTURED:
        return 0
    return next((i for i, packet in enumerate(packets) if packet.is_keyframe), 0)
