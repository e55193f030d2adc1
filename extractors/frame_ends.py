"""Where FLV, Ogg, MP3 and FLAC say that they end: in their tags, pages and first frames."""

import re
import struct
import zlib
from typing import BinaryIO

from extractors.file_ends import (
    NOT_TOLD,
    TAIL_LEFT_OUT,
    TOLD,
    Contradiction,
    Notes,
    Shortfall,
    lacks,
)
from extractors.mpeg_walk import check_frames_follow

_MP3_SLACK = 1500
"""Bytes that a Xing header's count may be off, which differs between encoders in whether its own
frame counts."""
_LOOK = 11 + 6
"""Bytes of a tag that are looked at: its head, and the beginning of its body."""
_PART = 1 << 16
"""Bytes of a file that are read together: most tags are far smaller."""
_FLV_SLACK_S = 0.5
_FLV_SLACK = 0.1
"""onMetaData's duration is off by a few frames in sound files; a file is cut where more than both
of these is missing."""


def check_tags(file: BinaryIO, size: int) -> Notes:
    """Checks the tags of an FLV file.

    A header of 9 bytes, then tags, each followed by its size in 4 bytes.

    Args:
        file: The file.
        size: Its bytes.

    Returns:
        What is to be known of its end.

    Raises:
        Shortfall: Its end is missing.
        Contradiction: Tags follow on bytes that are none.
    """
    file.seek(5)
    at = int.from_bytes(file.read(4)) + 4
    first, last_ms, meta = True, 0, b""
    part, start = b"", at
    while at + 11 <= size:
        if at + _LOOK > start + len(part):
            file.seek(at)
            part, start = file.read(_PART), at
        tag = part[at - start : at - start + _LOOK]
        if tag[0] & 0x1F not in {8, 9, 18}:
            _check_no_tags(file, at)
            return TOLD if _lacks_time(meta, last_ms) else (TAIL_LEFT_OUT,)
        length = int.from_bytes(tag[1:4])
        if at + 11 + length > size:
            raise lacks("the last tag", at + 11 + length, size)
        if first and tag[0] & 0x1F == 18:
            file.seek(at + 11)
            meta = file.read(min(length, 65536))
        if tag[0] & 0x1F != 18 and length > 1:
            _check_body(tag[0] & 0x1F, tag[11 : 11 + length], at)
        if tag[0] & 0x1F != 18:
            last_ms = max(last_ms, int.from_bytes(tag[7:8] + tag[4:7]))
        first = False
        at += 11 + length + 4
    return _check_metadata(meta, last_ms, size)


def _check_body(kind: int, begin: bytes, at: int) -> None:
    """Refuses a tag of AAC that is neither its header (0) nor one of its frames (1), and one of
    H.264 that is said to be its header, which begins with 1."""
    if kind == 8 and begin[0] >> 4 == 10 and begin[1] > 1:
        raise Contradiction(f"the tag of AAC at byte {at:,} is of kind {begin[1]}, expected 0 or 1")
    if kind == 9 and begin[0] & 0x8F == 7 and begin[1] == 0 and begin[5:] not in {b"", b"\1"}:
        raise Contradiction(f"the tag of H.264 at byte {at:,} is of kind 0, and no header")


def _check_no_tags(file: BinaryIO, at: int) -> None:
    """Refuses a file in which whole tags follow on bytes that are none."""
    file.seek(at)
    rest = file.read(_MOST_BEHIND)
    for found in _TAG.finditer(rest):
        place = found.start()
        for number in range(_IN_A_ROW):
            end = place + 11 + int.from_bytes(rest[place + 1 : place + 4])
            if not _TAG.match(rest, place) or int.from_bytes(rest[end : end + 4]) != end - place:
                break
            place = end + 4
            if number == _IN_A_ROW - 1:
                raise Contradiction(
                    f"there is no tag at byte {at:,}, but one at byte {at + found.start():,}"
                )


_TAG = re.compile(rb"[\x08\x09\x12].{7}\0\0\0", re.DOTALL)
"""The head of a tag: what it holds, its length, its time, and three bytes that are always 0."""
_MOST_BEHIND = 1 << 26
"""Bytes behind the last whole tag in which others are looked for."""
_IN_A_ROW = 3
"""Tags that must follow each other for a place to count as the beginning of one."""


def _check_metadata(meta: bytes, last_ms: int, size: int) -> Notes:
    declared = _amf_number(meta, b"filesize")
    if declared > size:
        raise lacks("the flv", int(declared), size)
    duration = _amf_number(meta, b"duration")
    if _lacks_time(meta, last_ms):
        raise Shortfall(
            f"the flv lasts {duration:.2f} s by its header, but its last packet is at "
            f"{last_ms / 1000:.2f} s"
        )
    return TOLD if declared or duration else NOT_TOLD


def _lacks_time(meta: bytes, last_ms: int) -> bool:
    duration = _amf_number(meta, b"duration")
    missing = duration - last_ms / 1000
    return missing > _FLV_SLACK_S and missing > _FLV_SLACK * duration


def _amf_number(meta: bytes, key: bytes) -> float:
    """A number of an AMF0 object, 0 where it is not there or no size at all."""
    found = re.search(
        re.escape(struct.pack(">H", len(key)) + key + b"\0") + rb"(.{8})", meta, re.DOTALL
    )
    value = struct.unpack(">d", found[1])[0] if found else 0.0
    return float(value) if 0 < value < 2**53 else 0.0


def check_pages(file: BinaryIO, size: int) -> Notes:
    """Checks the pages of an Ogg file.

    Args:
        file: The file.
        size: Its bytes.

    Returns:
        What is to be known of its end.

    Raises:
        Shortfall: Its end is missing.
        Contradiction: A page is damaged or missing, or there are other bytes between two pages.
    """
    at, unended, numbers = 0, set[bytes](), dict[bytes, int]()
    while at < size:
        file.seek(at)
        page = file.read(27)
        if page[:4] != b"OggS"[: len(page)]:
            _check_behind(file, at)
            return NOT_TOLD if unended else (TAIL_LEFT_OUT,)
        table = file.read(page[26]) if len(page) == 27 else b""
        end = at + 27 + (len(table) and page[26]) + sum(table)
        if end > size or len(page) < 27 or len(table) < page[26]:
            raise lacks("the last Ogg page", max(end, at + 28), size)
        stream = page[14:18]
        number = numbers.get(stream, int.from_bytes(page[18:22], "little") - 1) + 1
        _check_page(page + table + file.read(sum(table)), at, number)
        numbers[stream] = number
        unended = unended - {stream} if page[5] & _LAST_PAGE else unended | {stream}
        at = end
    return NOT_TOLD if unended else TOLD


def _check_behind(file: BinaryIO, at: int) -> None:
    """Refuses a file in which whole pages follow on bytes that are none."""
    file.seek(at)
    rest = file.read()
    for found in re.finditer(b"OggS", rest):
        page = rest[found.start() : found.start() + _LONGEST_PAGE]
        table = page[27 : 27 + page[26]] if len(page) > 27 else b""
        if table and _is_whole(page[: 27 + len(table) + sum(table)]):
            raise Contradiction(
                f"there is no Ogg page at byte {at:,}, but one at byte {at + found.start():,}"
            )


def _is_whole(page: bytes) -> bool:
    """Whether an Ogg page agrees with its checksum: a CRC-32 of the usual polynomial, from the high
    bit to the low one, where zlib's goes the other way."""
    turned = (page[:22] + bytes(4) + page[26:]).translate(_MIRRORED)
    crc = zlib.crc32(turned, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return crc.to_bytes(4).translate(_MIRRORED) == page[22:26]


def _check_page(page: bytes, at: int, number: int) -> None:
    """Checks the number and the checksum of an Ogg page (RFC 3533, 6).

    A decoder leaves out a page whose checksum is wrong, and says nothing. The checksum is that of
    zlib with all bits in the other order and without its two inversions.
    """
    found = int.from_bytes(page[18:22], "little")
    if found != number & 0xFFFFFFFF:
        raise Contradiction(
            f"the Ogg page at byte {at:,} is number {found:,} of its stream, expected {number:,}: "
            "pages are missing"
        )
    if not _is_whole(page):
        raise Contradiction(f"the Ogg page at byte {at:,} fails its checksum")


_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
"""Each byte with its bits in the other order."""
_LONGEST_PAGE = 27 + 255 + 255 * 255
_LAST_PAGE = 4
"""Flag of an Ogg page that ends its stream."""
_MP3_SIDE_INFO = {(True, False): 32, (True, True): 17, (False, False): 17, (False, True): 9}
"""Bytes between an MPEG audio frame's header and its Xing header, by (MPEG-1, mono)."""
_VBRI = 36
"""Where a VBRI header stands in an MPEG audio frame."""


def check_frames(file: BinaryIO, size: int) -> Notes:
    """Checks what the first frame of an MP3 or FLAC file says.

    An ID3 tag may be before it.

    Args:
        file: The file.
        size: Its bytes.

    Returns:
        What is to be known of its end.

    Raises:
        Shortfall: Its end is missing.
        Contradiction: Frames do not follow each other.
    """
    at = after_id3(file)
    file.seek(at)
    frame = file.read(200)
    if frame[:4] == b"fLaC":
        return TOLD if flac_length(frame)[1] else NOT_TOLD
    notes = check_frames_follow(file, at, size)
    length = None
    if len(frame) >= 60 and frame[0] == 0xFF and frame[1] & 0xE0 == 0xE0:
        length = _mp3_bytes(frame)
    if length is not None and at + length - size > max(_MP3_SLACK, 0.01 * (at + length)):
        raise lacks("the mp3", at + length, size)
    return notes if length is not None else (*NOT_TOLD, *notes)


def _mp3_bytes(frame: bytes) -> int | None:
    """Bytes of all frames by the header that the first one may hold."""
    if frame[_VBRI : _VBRI + 4] == b"VBRI":
        return int.from_bytes(frame[_VBRI + 10 : _VBRI + 14]) or None
    xing = 4 + _MP3_SIDE_INFO[frame[1] & 0x18 == 0x18, frame[3] >> 6 == 3]
    if frame[xing : xing + 4] not in {b"Xing", b"Info"}:
        return None
    flags = int.from_bytes(frame[xing + 4 : xing + 8])
    if not flags & 2:
        return None
    skip = xing + 8 + (4 if flags & 1 else 0)
    return int.from_bytes(frame[skip : skip + 4])


def flac_length(head: bytes) -> tuple[int, int]:
    """Reads how long a FLAC file is.

    Args:
        head: Its first 26 bytes, from `fLaC` on.

    Returns:
        Sampling rate in Hz, and samples; 0 where it does not say.
    """
    packed = int.from_bytes(head[18:26])
    return packed >> 44, packed & (1 << 36) - 1


def after_id3(file: BinaryIO) -> int:
    """Finds where a file begins behind an ID3 tag.

    Args:
        file: The file.

    Returns:
        The byte; 0 where there is no tag.
    """
    file.seek(0)
    tag = file.read(10)
    if tag[:3] != b"ID3" or len(tag) < 10:
        return 0
    length = 0
    for byte in tag[6:10]:
        length = length << 7 | byte & 0x7F
    return 10 + length + (10 if tag[5] & 0x10 else 0)
