"""The chunks of an AIFF or AIFF-C file (Apple, AIFF 1.3; the draft of AIFF-C, 1991).

COMM    channels, frames, bits a sample, rate; in AIFF-C the coding
SSND    bytes before the samples, a block size, the samples
"""

import struct
from typing import BinaryIO

from extractors.file_ends import Contradiction

_PLAIN = {b"NONE": 0, b"twos": 0, b"sowt": 0, b"fl32": 4, b"FL32": 4, b"fl64": 8, b"FL64": 8}
"""Codings of which each sample has as many bytes; 0: by its bits."""
_HEAD = 8
"""Bytes of a chunk's name and size, and of what stands before the samples."""


def check_aiff(file: BinaryIO, size: int) -> None:
    """Checks that chunks fill the file, and that there are as many samples as it says.

    Args:
        file: The file.
        size: Its bytes.

    Raises:
        Contradiction: It is not so.
    """
    file.seek(4)
    end = min(_HEAD + int.from_bytes(file.read(4)), size)
    at, form, held, before = 12, b"", -1, 0
    while at + _HEAD <= end:
        file.seek(at)
        name, length = struct.unpack(">4sI", file.read(_HEAD))
        if at + _HEAD + length > end:
            raise Contradiction(f"byte {at:,} of the file begins no chunk that fits into it")
        if name == b"COMM":
            form = file.read(min(length, 22))
        elif name == b"SSND":
            before, _ = struct.unpack(">II", file.read(_HEAD))
            held = length - _HEAD
        at += _HEAD + length + length % 2
    if len(form) < 18:
        raise Contradiction("the file has no chunk `COMM`")
    _check_samples(form, held, before)


def _check_samples(form: bytes, held: int, before: int) -> None:
    channels, frames, bits = struct.unpack(">hIh", form[:8])
    coding = form[18:22] or b"NONE"
    if held < 0 or coding not in _PLAIN:
        if frames and held < 0:
            raise Contradiction(f"the file has {frames:,} frames of samples, and no chunk `SSND`")
        return
    if not frames:  # written to a pipe
        return
    expected = frames * channels * (_PLAIN[coding] or (bits + 7) // 8)
    if before > held - expected or held - before - expected > 1:
        raise Contradiction(
            f"the file has {expected:,} bytes of samples by its chunk `COMM`, and {held:,} from "
            f"byte {before:,} on by `SSND`"
        )
