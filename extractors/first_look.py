"""What a probe has to decode to know: how pictures are brought upright, and when frames are shown.

PyAV shows the display matrix of a decoded frame, not that of a stream. A frame is decoded only
where a header holds a matrix that turns or mirrors: mp4 and its relatives have one for each track
(tkhd) and one for all of them (mvhd; ISO/IEC 14496-12, 8.2.2 and 8.3.2), Matroska has a projection
(RFC 9559, 5.1.4.1.28.41). All frames are decoded where the packets do not tell their times.
"""

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from av import VideoFrame
from av.video.stream import VideoStream

from extractors.container import opened
from extractors.limits import Deadline, Limits, WatchedFile
from extractors.packets import Packets
from extractors.pixels import AS_STORED, Orientation, orientation_of
from extractors.presentation import FrameClock, are_times_unknown, in_order
from extractors.pyav_decoder import PacketDecoder
from manifests.clips import Clip
from manifests.quarantine import BadClip

_MATRIX = re.compile(
    rb"(?:tkhd(?:\x00.{39}|\x01.{51})|mvhd(?:\x00.{35}|\x01.{47}))(.{20})", re.DOTALL
)
"""A header box of version 0 or 1, up to the numbers a b u c d of its matrix."""
_PROJECTION = b"\x76\x70"
"""The id of Matroska's element."""
_TRACKS = 1 << 16
"""Bytes at the beginning of a Matroska file that hold the descriptions of its tracks."""
_BOXES = {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"}
"""What an mp4 or a relative of it begins with."""


@dataclass(frozen=True)
class FirstLook:
    """What decoding shows of the pictures of a file, as far as that was needed."""

    orientation: Orientation = AS_STORED
    """How the first frame is brought upright."""
    times: tuple[int, ...] | None = None
    """When each frame is shown, in ticks; None where the packets tell it."""


def first_look(
    clip: Clip, path: Path, pictures: Packets[VideoStream], limits: Limits, deadline: Deadline
) -> FirstLook:
    """Decodes as much of a clip's pictures as a probe needs: nothing of most.

    Args:
        clip: The clip.
        path: Its file.
        pictures: The packets of its pictures, without their bytes.
        limits: What the clip may ask for.
        deadline: Its time limit.

    Returns:
        What was found; that which needs no decoding where it fails.

    Raises:
        BadClip: TIMED_OUT.
    """
    is_unknown = are_times_unknown(pictures, clip.end_s)
    if pictures.stream.codec_context is None or not (is_unknown or _may_turn(path, deadline)):
        return FirstLook()
    try:
        with opened(clip.clip_id, path, deadline, to_decode=True, pictures=True) as content:
            if content.video is None:
                return FirstLook()
            decoder = PacketDecoder(clip.clip_id, content.video, limits.max_pixels, deadline)
            frames = decoder.video(None)
            return _look(content.video, frames if is_unknown else islice(frames, 1), is_unknown)
    except BadClip:  # decoding says what is wrong with it
        deadline.left_s()
        return FirstLook()


def _look(
    pictures: Packets[VideoStream], frames: Iterable[VideoFrame], is_unknown: bool
) -> FirstLook:
    clock, orientation = FrameClock(pictures.stream), AS_STORED
    times: list[int] = []
    for frame in frames:
        if not times:
            orientation = orientation_of(frame)
        times.append(clock.time(frame))
    found = tuple(time for time in in_order(times, pictures) if time is not None)
    return FirstLook(orientation, found if is_unknown and found else None)


def _may_turn(path: Path, deadline: Deadline) -> bool:
    with WatchedFile(path, deadline) as file:
        head = file.read(_TRACKS)
        if head.startswith(b"\x1aE\xdf\xa3"):
            return _PROJECTION in head
        if head[4:8] not in _BOXES:
            return False
        parts = _movie_header(file, path.stat().st_size)
        found = (matrix for part in parts for matrix in _MATRIX.findall(part))
        matrices = (struct.unpack(">5i", matrix) for matrix in found)
        return any(a < 0 or d < 0 or b or c for a, b, _, c, d in matrices)


_PART = 1 << 20
"""Bytes of a box that are looked at together; one that a header declares can be of any size."""
_LONGEST = 80
"""Bytes of a header box up to the end of its matrix, and more."""


def _movie_header(file: BinaryIO, size: int) -> Iterator[bytes]:
    """The box `moov`, which describes the tracks, in parts that overlap."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        length, kind = struct.unpack(">I4s", file.read(8))
        if length == 1:
            (length,) = struct.unpack(">Q", file.read(8).ljust(8, b"\0"))
        if kind == b"moov":
            end = min(at + length if length else size, size)
            for part in range(at, end, _PART):
                file.seek(part)
                yield file.read(min(_PART + _LONGEST, end - part))
            return
        if length < 8:
            return
        at += length
