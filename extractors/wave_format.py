"""The form of a wav's samples, which its header says twice, and the chunks of a Wave64 file.

A Wave64 file is a wav whose names have 16 bytes, and whose sizes, which count their heads, eight.
"""

import struct
from typing import BinaryIO

from extractors.file_ends import Contradiction

_PLAIN = {1, 3}
"""Format tags of a wav whose samples are whole numbers, and floating-point ones."""

_FORMAT = bytes.fromhex("666d7420f3acd3118cd100c04f8edb8a")
"""The name of the chunk `fmt ` of a Wave64 file."""


def check_format(fields: bytes, order: str) -> None:
    """Compares what a wav says twice of its form: bytes of a frame and of a second.

    Args:
        fields: What its chunk `fmt ` holds.
        order: `<` or `>`: which byte of a number comes first.

    Raises:
        Contradiction: They differ.
    """
    if len(fields) < 16:
        return
    tag, channels, rate, a_second, frame, bits = struct.unpack(order + "HHIIHH", fields[:16])
    if tag not in _PLAIN or not frame or not bits:
        return
    if frame != channels * ((bits + 7) // 8) or (a_second and a_second != rate * frame):
        raise Contradiction(
            f"the wav has {channels} channels of {bits} bits, {rate:,} a second, and yet "
            f"{frame} bytes a frame and {a_second:,} a second"
        )


def check_w64(file: BinaryIO, size: int) -> None:
    """Checks that chunks fill a Wave64 file, and what it says of its form.

    Args:
        file: The file.
        size: Its bytes.

    Raises:
        Contradiction: They do not.
    """
    file.seek(16)
    end, at, has_format = min(int.from_bytes(file.read(8), "little"), size), 40, False
    while at + 24 <= end:
        file.seek(at)
        head = file.read(24)
        length = int.from_bytes(head[16:], "little")
        if length < 24 or at + length > end:
            raise Contradiction(f"byte {at:,} of the file begins no chunk that fits into it")
        if head[:16] == _FORMAT:
            has_format = True
            check_format(file.read(min(length - 24, 40)), "<")
        at += length + -length % 8
    file.seek(at)
    if at < end and any(file.read(end - at)):
        raise Contradiction(f"the {end - at} bytes from byte {at:,} on are no chunk")
    if not has_format:
        raise Contradiction("the file has no chunk `fmt `")
