"""How the pictures of a file are brought upright, without decoding them where that can be avoided.

PyAV shows the display matrix of a decoded frame, not that of a stream. A frame is decoded only
where a header holds a matrix that turns or mirrors: mp4 and its relatives have one for each track
(tkhd) and one for all of them (mvhd; ISO/IEC 14496-12, 8.2.2 and 8.3.2), Matroska has a projection
(RFC 9559, 5.1.4.1.28.41).
"""

import re
import struct
from pathlib import Path

from extractors.container import opened
from extractors.limits import Deadline
from extractors.pixels import AS_STORED, Orientation, orientation_of
from extractors.pyav_decoder import PacketDecoder
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


def orientation_by_header(
    clip_id: str, path: Path, max_pixels: int, deadline: Deadline
) -> Orientation:
    """Finds how pictures are brought upright.

    Args:
        clip_id: The clip's id.
        path: Its file, which has pictures.
        max_pixels: Of a frame, at most.
        deadline: The clip's time limit.

    Returns:
        The orientation of the first frame; as stored where no header holds a matrix that turns,
        and where the frame cannot be decoded.

    Raises:
        BadClip: TIMED_OUT.
    """
    if not _may_turn(path):
        return AS_STORED
    try:
        with opened(clip_id, path, deadline) as content:
            if content.video is None or content.video.stream.codec_context is None:
                return AS_STORED
            decoder = PacketDecoder(clip_id, content.video, max_pixels, deadline)
            frame = next(decoder.video(None), None)
    except BadClip:
        deadline.left_s()
        return AS_STORED
    return AS_STORED if frame is None else orientation_of(frame)


def _may_turn(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(_TRACKS)
    if head.startswith(b"\x1aE\xdf\xa3"):
        return _PROJECTION in head
    if head[4:8] not in _BOXES:
        return False
    matrices = (struct.unpack(">5i", found) for found in _MATRIX.findall(_movie_header(path)))
    return any(a < 0 or d < 0 or b or c for a, b, _, c, d in matrices)


def _movie_header(path: Path) -> bytes:
    """The box `moov`, which describes the tracks; nothing where there is none."""
    size = path.stat().st_size
    with path.open("rb") as file:
        at = 0
        while at + 8 <= size:
            file.seek(at)
            length, kind = struct.unpack(">I4s", file.read(8))
            if length == 1:
                (length,) = struct.unpack(">Q", file.read(8).ljust(8, b"\0"))
            if kind == b"moov":
                return file.read(min(length or size, size - at))
            if length < 8:
                break
            at += length
    return b""
