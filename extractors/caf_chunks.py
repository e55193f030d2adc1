"""The chunks of a CAF file (Apple Core Audio Format 1.0).

    head     `caff`, version, flags: 8 bytes
    chunks   four letters, their bytes in eight; a chunk `data` that is the last may have -1

A demuxer passes over what follows the samples, whatever it is.
"""

import re
import struct
from typing import BinaryIO

from extractors.file_ends import TAIL_LEFT_OUT, TOLD, Contradiction, Notes

_HEAD = 12
"""Bytes of a chunk's name and size."""


def check_caf(file: BinaryIO, size: int) -> Notes:
    """Checks that chunks fill the file.

    Args:
        file: The file.
        size: Its bytes.

    Returns:
        TAIL_LEFT_OUT where zeros follow the chunks: nobody can say whether they are samples.

    Raises:
        Contradiction: Other bytes than chunks follow one.
    """
    at = 8
    while at < size:
        file.seek(at)
        head = file.read(_HEAD).ljust(_HEAD, b"\0")
        name, length = struct.unpack(">4sq", head)
        if not any(head):
            return (TAIL_LEFT_OUT,)
        if name == b"data" and length == -1:
            return TOLD
        if not re.fullmatch(rb"[\x20-\x7e]{4}", name) or not 0 <= length <= size - at - _HEAD:
            raise Contradiction(f"byte {at:,} of the file begins no chunk that fits into it")
        at += _HEAD + length
    return TOLD
