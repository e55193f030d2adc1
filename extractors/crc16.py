"""CRC-16 by the polynomial x^16 + x^15 + x^2 + 1, as MP3 files use it: over megabytes, and over a
few bytes."""

import numpy as np
from numpy.typing import NDArray

_BACKWARDS, _FORWARDS = 0xA001, 0x8005
"""The polynomial from the low bit to the high one, and the other way round."""
_SHORT = 1 << 12
"""Bytes up to which it is quicker to go byte by byte."""


def _table() -> list[int]:
    """What each byte makes of a checksum of 0, from the low bit to the high one."""
    table = list(range(256))
    for _ in range(8):
        table = [crc >> 1 ^ (_BACKWARDS if crc & 1 else 0) for crc in table]
    return table


_LOW_FIRST = _table()
_FOR_ARRAYS: NDArray[np.uint16] = np.array(_LOW_FIRST, np.uint16)


def crc16(data: bytes) -> int:
    """Computes the checksum of the LAME tag: from the low bit to the high one, beginning with 0.

    The bytes are cut into parts of one length, whose checksums are computed side by side, and then
    put together: over as many zeros as a part has bytes, each bit of a checksum becomes the same
    other one.

    Args:
        data: Any bytes.

    Returns:
        The checksum.
    """
    length = int(len(data) ** 0.5) if len(data) > _SHORT else 0
    count = len(data) // length if length else 0
    whole = np.frombuffer(data, np.uint8, length * count).reshape(count, length) if count else None
    crc = 0
    if whole is not None:
        crcs = np.zeros(count, np.uint16)
        for column in np.ascontiguousarray(whole.T):
            crcs = crcs >> 8 ^ _FOR_ARRAYS[(crcs ^ column) & 0xFF]
        crc = _joined(crcs.tolist(), length)
    return _plain(data[length * count :], crc)


def _plain(data: bytes, crc: int) -> int:
    for byte in data:
        crc = crc >> 8 ^ _LOW_FIRST[(crc ^ byte) & 0xFF]
    return crc


def _joined(crcs: list[int], length: int) -> int:
    """The checksum of parts of one length, of those of each."""
    zeros, crc = bytes(length), 0
    bits = [_plain(zeros, 1 << bit) for bit in range(16)]
    for part in crcs:
        after = part
        for bit in range(16):
            if crc >> bit & 1:
                after ^= bits[bit]
        crc = after
    return crc


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
