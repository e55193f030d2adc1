"""The frames of an MP3 or a raw AAC file, one after the other, and what its first one declares.

libavformat looks for the next header where there is no frame, and a decoder fills what was lost, or
leaves it out, without a word. Here each frame must begin where the one before it ends. At the ends
there may be tags, zeros, and the rest of a frame that a capture has cut.

    Xing, Info   frames and bytes of the file, in the place of the first frame's samples
    LAME         behind it, at byte 120: a delay, a CRC-16 of all other frames, and one of itself;
                 written by LAME (`LAME3.100`) and by ffmpeg (`Lavf`, `Lavc`)
    VBRI         frames and bytes, of Fraunhofer's encoder

Sources: ISO/IEC 11172-3, 2.4; 14496-3, 1.A; the LAME tag, revision 1; ID3v2.4; APEv2; Lyrics3.
"""

import re
from dataclasses import dataclass, field
from typing import BinaryIO

from extractors.crc16 import crc16, crc16_of_header
from extractors.file_ends import CHECKSUM_DIFFERS, HEAD_LEFT_OUT, Contradiction, Notes, Shortfall
from extractors.whole_frames import frame_length, is_alike

_MOST_BYTES = 1 << 28
"""Bytes of a file that are walked over."""
_IN_A_ROW = 3
"""Frames that must follow each other for a place to count as the beginning of one."""
_TAGS = (b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"ID3")
"""What a tag between or behind frames begins with."""
_STEP = 1 << 12
"""Frames between two looks at the clip's clock."""
_SYNC = re.compile(rb"\xff[\xe0-\xff]")
_NEAR = 256
"""Bytes before the end of a frame where the last one is looked for."""
_LONGEST = 1 << 13
"""Bytes of the longest frame."""
_SIDE_INFO = {(True, False): 32, (True, True): 17, (False, False): 17, (False, True): 9}
"""Bytes between an MPEG audio frame's header and its Xing header, by (MPEG-1, mono)."""
_WRITERS = (b"LAME", b"Lavf", b"Lavc", b"L3.9", b"GOGO")
_LAME, _SUM = 120, 154
"""Where the LAME tag begins behind `Xing`, and where the CRC of all before it stands."""
_OF_FFMPEG = 190
_VBRI = 36
"""Where a VBRI header stands in a frame."""


@dataclass
class Walk:
    """The frames of a file."""

    starts: list[int] = field(default_factory=list)
    """Where each begins."""
    end: int = 0
    """Where the last one ends."""


def check_frames_follow(file: BinaryIO, begin: int, size: int) -> Notes:
    """Walks over the frames of a file of MPEG audio or of AAC in ADTS.

    Args:
        file: The file.
        begin: Where it begins behind a tag.
        size: Its bytes.

    Returns:
        HEAD_LEFT_OUT, `checksum_differs`: what is to be known of it.

    Raises:
        Contradiction: There are bytes between two frames that are none, or other frames than the
            first one declares.
        Shortfall: There are fewer.
    """
    if size > _MOST_BYTES:
        return ()
    file.seek(0)
    data = file.read(size)
    codec, first = _first(data, begin)
    if first < 0:
        return ()
    walk = _walk(file, data, codec, first)
    is_cut = any(data[begin:first]) or (begin and _is_inside_tag(data, codec, begin, first))
    notes: Notes = (HEAD_LEFT_OUT,) if is_cut else ()
    if codec == "mp3":
        notes += _check_declared(data, walk)
    return notes


def _first(data: bytes, begin: int) -> tuple[str, int]:
    """The coding, and where the first of several frames in a row begins; -1 where there is none."""
    for found in _SYNC.finditer(data, begin):
        for codec in ("mp3", "aac"):
            if _follows(data, codec, found.start(), b""):
                return codec, found.start()
    return "", -1


def _follows(data: bytes, codec: str, at: int, like: bytes, count: int = _IN_A_ROW) -> bool:
    """Whether frames of one form follow each other from a place on, or up to the end."""
    like = like or data[at : at + 6]
    for number in range(count):
        if at == len(data) or (number and data.startswith(_TAGS, at)):
            return number > 0
        head = data[at : at + 6]
        length = frame_length(codec, head)
        if length <= 0 or not is_alike(codec, head, like):
            return False
        at += length
    return True


def _is_inside_tag(data: bytes, codec: str, begin: int, first: int) -> bool:
    """Whether frames begin in what a tag claims for itself.

    They run on beyond its end, into those behind it.
    """
    like = data[first : first + 6]
    for found in _SYNC.finditer(data, max(10, begin - _LONGEST), begin):
        head = data[found.start() : found.start() + 6]
        end = found.start() + frame_length(codec, head)
        is_across = end > begin and is_alike(codec, head, like)
        if is_across and _follows(data, codec, found.start(), like, 2 * _IN_A_ROW):
            return True
    return False


def _walk(file: BinaryIO, data: bytes, codec: str, at: int) -> Walk:
    like, walk = data[at : at + 6], Walk()
    width = 4 if codec == "mp3" else 6
    known: dict[bytes, int] = {}
    while at < len(data):
        head = data[at : at + width]
        length = known.get(head)
        if length is None:
            whole = data[at : at + 6]
            length = frame_length(codec, whole) if is_alike(codec, whole, like) else -1
            known[head] = length
        if 0 < length <= len(data) - at:
            walk.starts.append(at)
            if not len(walk.starts) % _STEP:
                file.read(0)  # looks at the clip's clock
            at += length
            walk.end = at
        elif length == 0 or (behind := _resumed(data, codec, at, like)) < 0:
            _check_last(data, codec, at, like)
            break
        elif data.startswith(_TAGS, at) or not any(data[at:behind]):
            at = behind
        else:
            raise Contradiction(
                f"the {behind - at:,} bytes from byte {at:,} on are no frame, and others follow"
            )
    return walk


def _check_last(data: bytes, codec: str, at: int, like: bytes) -> None:
    """Refuses a last frame that ends with the file and begins before the one in front ends."""
    for start in range(max(0, at - _NEAR), at):
        head = data[start : start + 6]
        if start + frame_length(codec, head) == len(data) and is_alike(codec, head, like):
            raise Contradiction(
                f"the last frame begins at byte {start:,}, and the one before it ends at {at:,}"
            )


def _resumed(data: bytes, codec: str, at: int, like: bytes) -> int:
    """Where frames go on behind bytes that are none; -1 where they do not."""
    for found in _SYNC.finditer(data, at):
        if _follows(data, codec, found.start(), like):
            return found.start()
    return -1


def _check_declared(data: bytes, walk: Walk) -> Notes:
    """Compares the frames with what the first one declares, and with their checksums."""
    first = walk.starts[0]
    at = first + 4 + _SIDE_INFO[data[first + 1] & 8 == 8, data[first + 3] >> 6 == 3]
    is_named = data[at + _LAME : at + _LAME + 4] in _WRITERS
    if data[at : at + 4] not in {b"Xing", b"Info"}:
        if is_named and not any(data[first + 4 : at]):  # its name alone is damaged
            return (CHECKSUM_DIFFERS,)
        declared = int.from_bytes(data[first + _VBRI + 14 : first + _VBRI + 18])
        if data[first + _VBRI : first + _VBRI + 4] == b"VBRI" and declared:
            _check_count(declared, len(walk.starts), 2)
        return _damaged(data, walk.starts)
    flags = int.from_bytes(data[at + 4 : at + 8])
    declared = int.from_bytes(data[at + 8 : at + 12]) if flags & 1 else 0
    end = walk.starts[1] if walk.starts[1:] else walk.end
    is_tagged = is_named and _is_whole_tag(data[first:end], at + _SUM - first)
    if declared:
        _check_count(declared, len(walk.starts) - 1, 0 if is_tagged else 1)
    lame = data[at + _LAME : min(at + _SUM + 2, end)]
    if not is_named and any(lame):
        return (CHECKSUM_DIFFERS,)
    if is_named and (not is_tagged or not _is_whole_music(data, walk, lame)):
        return (CHECKSUM_DIFFERS,)
    return _damaged(data, walk.starts[1:])


def _is_whole_tag(frame: bytes, at: int) -> bool:
    """Whether the LAME tag agrees with its checksum, which LAME takes of all before it, and ffmpeg
    of the first 190 bytes of the frame, with the checksum itself and what the frame lacks as 0."""
    found = int.from_bytes(frame[at : at + 2])
    blank = (frame[:at] + bytes(2) + frame[at + 2 :])[:_OF_FFMPEG]
    return found in {crc16(frame[:at]), crc16(blank.ljust(_OF_FFMPEG, b"\0"))}


def _check_count(declared: int, found: int, slack: int) -> None:
    """Some writers count the frame that holds the header, or one that a cut has left."""
    if found < declared - slack:
        raise Shortfall(f"the mp3 has {declared:,} frames by its header, but {found:,} are there")
    if found > declared + slack:
        raise Contradiction(
            f"the mp3 has {declared:,} frames by its header, and {found:,} are there: some are "
            "doubled, or another recording follows"
        )


def _is_whole_music(data: bytes, walk: Walk, lame: bytes) -> bool:
    """Whether all frames behind the first agree with the checksum of the LAME tag."""
    begin = walk.starts[1] if len(walk.starts) > 1 else walk.end
    length = int.from_bytes(lame[28:32])
    declared = int.from_bytes(lame[32:34])
    if not declared:
        return True
    return walk.starts[0] + length == walk.end and crc16(data[begin : walk.end]) == declared


def _damaged(data: bytes, starts: list[int]) -> Notes:
    """`checksum_differs` where a frame of layer III fails its own checksum."""
    for at in starts:
        if data[at + 1] & 7 == 2:  # layer III, protected
            size = _SIDE_INFO[data[at + 1] & 8 == 8, data[at + 3] >> 6 == 3]
            covered = data[at + 2 : at + 4] + data[at + 6 : at + 6 + size]
            if crc16_of_header(covered) != int.from_bytes(data[at + 4 : at + 6]):
                return (CHECKSUM_DIFFERS,)
    return ()
