"""Where the fragments of an mp4 are by its own indices (ISO/IEC 14496-12, 8.8.10 and 8.16.3).

    sidx   before the fragments: bytes of each, one after the other
    mfra   behind them: where the box `moof` of each begins

Both are left out by some writers, and the places of `mfra` are wrong where a tool has moved the
fragments: it tells how many there were.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO

from extractors.file_ends import Contradiction, lacks

_MOST_BYTES = 1 << 24
"""Bytes of an index that are looked at."""


def check_index(file: BinaryIO, kind: bytes, start: int, end: int, fragments: int) -> None:
    """Compares an index with the fragments of a file.

    Args:
        file: The file.
        kind: Of the box: `sidx`, `mfra`, or others, which are none.
        start: Where what it holds begins.
        end: Where it ends.
        fragments: How many boxes `moof` the file has before it.

    Raises:
        Shortfall: The last fragments are missing.
        Contradiction: Some are missing.
    """
    if end - start > _MOST_BYTES or kind not in {b"sidx", b"mfra"}:
        return
    file.seek(start)
    data = file.read(end - start)
    if kind == b"sidx":
        file.seek(0, 2)
        size, last = file.tell(), end + _bytes(data)
        if last > size:
            raise lacks("the last fragment", last, size)
        return
    listed = max((len(places) for places in _tables(data)), default=0)
    if listed > fragments:
        raise Contradiction(
            f"the film has {listed} fragments by its box `mfra`, and {fragments} are there: "
            "fragments are missing"
        )


def _bytes(data: bytes) -> int:
    """Bytes behind a box `sidx` that it tells of."""
    at = 20 if data[:1] == b"\0" else 28
    first = int.from_bytes(data[at - 4 : at] if data[:1] == b"\0" else data[at - 8 : at])
    count = int.from_bytes(data[at + 2 : at + 4])
    rows = data[at + 4 : at + 4 + 12 * count]
    sizes = [int.from_bytes(rows[row : row + 4]) & 0x7FFFFFFF for row in range(0, len(rows), 12)]
    return first + sum(sizes)


def _tables(data: bytes) -> Iterator[set[int]]:
    """The places of fragments by each table `tfra`, one a track."""
    at = 0
    while at + 24 <= len(data):
        length, kind, head, _, widths, count = struct.unpack_from(">I4sIIII", data, at)
        wide = 8 if head >> 24 else 4
        step = 2 * wide + sum((widths >> shift & 3) + 1 for shift in (0, 2, 4))
        rows = range(at + 24, min(at + length, len(data)) - step + 1, step)[:count]
        if kind == b"tfra":
            yield {int.from_bytes(data[row + wide : row + 2 * wide]) for row in rows}
        at += max(length, 8)
