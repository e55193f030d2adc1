"""The packs of an MPEG program stream, one after the other (ISO/IEC 13818-1, 2.5; 11172-1, 2.4).

    00 00 01 ba    a pack: a clock, and up to seven bytes of filler
    00 00 01 bb    a system header: its length in two bytes
    00 00 01 ..    a PES packet of a stream: its length in two bytes
    00 00 01 b9    the end of a recording, behind which another may follow

A capture may begin and end anywhere. In between each begins where the one before it ends; a demuxer
looks for the next one, and says nothing. Beside each other stand the times at which a packet is
shown and decoded. Zeros may fill up a sector of a disk: those of sound of a Video CD end with 20.
"""

import re
from typing import BinaryIO

from extractors.file_ends import NOT_TOLD, Contradiction, Notes

_PREFIX = b"\0\0\1"
_PACK, _END = 0xBA, 0xB9
_STREAMS = range(0xC0, 0xF0)
_IN_A_ROW = 3
"""Packets that must follow each other for a place to count as the beginning of one."""
_FILLED = re.compile(rb"\0{0,64}(?=\0\0\x01|\Z)")
"""Zeros between two packets in a row."""
_TICKS_A_SECOND = 90_000
_MOST_LATE_S = 60
"""Seconds between the times at which a packet is decoded and shown, at most."""
_STEP = 1 << 12
"""Packets between two looks at the clip's clock."""
_MOST_BYTES = 1 << 28
"""Bytes of a file that are looked at."""


def check_packs(file: BinaryIO, size: int) -> Notes:
    """Walks over the packs and packets of a file.

    Args:
        file: The file.
        size: Its bytes.

    Returns:
        `may_be_cut`: nothing says where it ends.

    Raises:
        Contradiction: There are other bytes between two packets, or one is shown long after it is
            decoded.
    """
    file.seek(0)
    data = file.read(size) if size <= _MOST_BYTES else b""
    at, count = _found(data, 0), 0
    while 0 <= at < len(data) - 4:
        if length := _length(data, at):
            late_s = _late(data, at) / _TICKS_A_SECOND
            if abs(late_s) > _MOST_LATE_S:
                raise Contradiction(
                    f"the packet at byte {at:,} is shown {late_s:,.0f} s after it is decoded"
                )
            at, count = at + length, count + 1
            if not count % _STEP:
                file.read(0)  # looks at the clip's clock
            continue
        behind = _found(data, at)
        if behind > 0 and any(data[at:behind]):
            raise Contradiction(
                f"the {behind - at:,} bytes from byte {at:,} on are no packet, and others follow"
            )
        at = behind
    return NOT_TOLD


def _found(data: bytes, begin: int) -> int:
    """Where packets follow each other again; -1 where they do not."""
    at = data.find(_PREFIX, begin)
    while at >= 0:
        place = at
        for _ in range(_IN_A_ROW):
            length = _length(data, place)
            filled = _FILLED.match(data, place + length)
            place = filled.end() if filled else place + length
            if not length or place >= len(data):
                break
        if length:
            return at
        at = data.find(_PREFIX, at + 1)
    return -1


def _length(data: bytes, at: int) -> int:
    """Bytes of what begins at a place; 0 where nothing does."""
    if data[at : at + 3] != _PREFIX or at + 14 > len(data):
        return 4 if data[at : at + 4] == _PREFIX + bytes([_END]) else 0
    kind = data[at + 3]
    if kind == _PACK:
        is_second = data[at + 4] >> 6 == 1
        return 14 + (data[at + 13] & 7) if is_second else 12 if data[at + 4] >> 4 == 2 else 0
    if kind < _END:
        return 0
    return 4 if kind == _END else 6 + int.from_bytes(data[at + 4 : at + 6])


def _late(data: bytes, at: int) -> int:
    """Ticks between the times at which a packet is decoded and shown; 0 where it says one only."""
    if data[at + 3] not in _STREAMS:
        return 0
    if data[at + 6] >> 6 == 2:  # of MPEG-2
        place, has_both = at + 9, data[at + 7] >> 6 == 3
    else:
        place = at + 6
        while place < min(at + 22, len(data) - 10) and data[place] == 0xFF:
            place += 1
        place += 2 if data[place] >> 6 == 1 else 0
        has_both = data[place] >> 4 == 3
    return _stamp(data, place) - _stamp(data, place + 5) if has_both else 0


def _stamp(data: bytes, at: int) -> int:
    bits = int.from_bytes(data[at : at + 5])
    return (bits >> 33 & 7) << 30 | (bits >> 17 & 0x7FFF) << 15 | bits >> 1 & 0x7FFF
