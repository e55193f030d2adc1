"""The chunks of an AIFF or AIFF-C file (Apple, AIFF 1.3; the draft of AIFF-C, 1991).

COMM    channels, frames, bits a sample, rate; in AIFF-C the coding
SSND    bytes before the samples, a block size, the samples

Writers differ: the size of the whole may lack some bytes, a chunk of odd size the byte behind it,
and there may be a sample too many, or zeros up to a whole block.
"""

import struct
from typing import BinaryIO

from extractors.file_ends import Contradiction

_PLAIN = {b"NONE": 0, b"twos": 0, b"sowt": 0, b"fl32": 4, b"FL32": 4, b"fl64": 8, b"FL64": 8}
"""Codings of which each sample has as many bytes; 0: by its bits."""
_HEAD = 8
"""Bytes of a chunk's name and size, and of what stands before the samples."""
_SHORT = 8
"""Bytes that the size of the whole may lack."""


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
    at, form, held, before, block = 12, b"", -1, 0, 0
    while at + _HEAD <= end:
        file.seek(at)
        name, length = struct.unpack(">4sI", file.read(_HEAD))
        if at + _HEAD + length > min(end + _SHORT, size):
            raise Contradiction(f"byte {at:,} of the file begins no chunk that fits into it")
        if name == b"COMM":
            form = file.read(min(length, 22))
        elif name == b"SSND":
            before, block = struct.unpack(">II", file.read(_HEAD))
            held = length - _HEAD
        at += _HEAD + length
        at += length % 2 and not _is_chunk(file, at, end)
    if len(form) < 18:
        raise Contradiction("the file has no chunk `COMM`")
    _check_samples(form, held, before, block)


def _is_chunk(file: BinaryIO, at: int, end: int) -> bool:
    """Whether a chunk begins at a place, which must be even by the standard."""
    file.seek(at)
    head = file.read(_HEAD)
    length = int.from_bytes(head[4:])
    return len(head) == _HEAD and 0 not in head[:4] and at + _HEAD + length <= end


def _check_samples(form: bytes, held: int, before: int, block: int) -> None:
    channels, frames, bits = struct.unpack(">hIh", form[:8])
    coding = form[18:22] or b"NONE"
    if held < 0 or coding not in _PLAIN:
        if frames and held < 0:
            raise Contradiction(f"the file has {frames:,} frames of samples, and no chunk `SSND`")
        return
    if not frames:  # written to a pipe
        return
    width = channels * (_PLAIN[coding] or (bits + 7) // 8)
    expected = frames * width
    more = held - before - expected
    if more < 0 or (more > max(1, width) and (more >= block or held % block)):
        raise Contradiction(
            f"the file has {expected:,} bytes of samples by its chunk `COMM`, and {held:,} from "
            f"byte {before:,} on by `SSND`"
        )
