"""CRC-16 by the polynomial x^16 + x^15 + x^2 + 1, as MP3 files use it: over megabytes, and over a
few bytes."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

_BACKWARDS, _FORWARDS = 0xA001, 0x8005
"""The polynomial from the low bit to the high one, and the other way round."""
_SHORT = 1 << 10
"""Bytes up to which it is quicker to go byte by byte."""
_PART = 64
"""Bytes of the parts that longer data are cut into."""


def _table() -> list[int]:
    """What each byte makes of a checksum of 0, from the low bit to the high one."""
    table = list(range(256))
    for _ in range(8):
        table = [crc >> 1 ^ (_BACKWARDS if crc & 1 else 0) for crc in table]
    return table


_LOW_FIRST = _table()


def crc16(data: bytes) -> int:
    """Computes the checksum of the LAME tag: from the low bit to the high one, beginning with 0.

    The bytes are cut into parts of one length, whose checksums are computed side by side, two bytes
    at a time, and then put together: over as many zeros as a part has bytes, each bit of a checksum
    becomes the same other one.

    Args:
        data: Any bytes.

    Returns:
        The checksum.
    """
    count = len(data) // _PART if len(data) > _SHORT else 0
    crc = 0
    if count:
        pairs, crcs = _of_pairs(), np.zeros(count, np.uint16)
        parts = np.frombuffer(data, "<u2", count * _PART // 2).reshape(count, -1)
        for column in np.ascontiguousarray(parts.T):
            crcs = pairs[crcs ^ column]
        low, high = _over_zeros()
        for part in crcs.tolist():
            crc = low[crc & 0xFF] ^ high[crc >> 8] ^ part
    return _plain(data[count * _PART :], crc)


def _plain(data: bytes, crc: int) -> int:
    for byte in data:
        crc = crc >> 8 ^ _LOW_FIRST[(crc ^ byte) & 0xFF]
    return crc


@cache
def _of_pairs() -> NDArray[np.uint16]:
    """What each two bytes make of a checksum of 0."""
    table, crcs = np.array(_LOW_FIRST, np.uint16), np.arange(1 << 16, dtype=np.uint16)
    for _ in range(2):
        crcs = crcs >> 8 ^ table[crcs & 0xFF]
    return crcs


@cache
def _over_zeros() -> tuple[list[int], list[int]]:
    """What the zeros of a part make of a checksum: of its low byte and of its high one."""
    zeros = bytes(_PART)
    return [_plain(zeros, byte) for byte in range(256)], [
        _plain(zeros, byte << 8) for byte in range(256)
    ]


def crc16_of_header(data: bytes) -> int:
    """Computes the checksum that an MPEG audio frame may have: from the high bit to the low one,
    beginning with all bits set.

    Args:
        data: The bytes that it is of, some dozens.

    Returns:
        The checksum.
    """
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = crc << 1 & 0xFFFF ^ (_FORWARDS if crc & 0x8000 else 0)
    return crc
