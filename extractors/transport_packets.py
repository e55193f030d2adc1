"""The packets of an MPEG transport stream, each with a number of four bits.

    0x47, flags and PID, a counter that rises by one with each payload of its PID
    adaptation field, which may say that the counter jumps here
    payload; at the beginning of a PES packet its length, where it is known

A capture may begin and end anywhere, and files that are put together may begin a PES packet with
another number; inside one no payload can be missing, doubled or moved (ISO/IEC 13818-1, 2.4.3). A
packet may be sent twice by the standard, but libavformat takes its payload twice too: that is
damage here.
"""

from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from extractors.even_times import UNEVEN_TIMES
from extractors.file_ends import NOT_TOLD, Contradiction, Notes, StreamFault

_SYNC = 0x47
_PACKET = 188
_WIDTHS = (188, 192, 204)
"""Bytes from one packet to the next; some have four bytes of time before them, or sixteen of parity
behind."""
_IN_A_ROW = 5
"""Packets that must follow each other for a place to count as the beginning of one."""
_MOST_BYTES = 1 << 28
"""Bytes of a file that are looked at."""
_MOST_RUNS = 100
"""Runs of packets with zeros between them."""
_FILLER = 0x1FFF

Rows = NDArray[np.uint8]
"""(packets, 188)."""
Ints = NDArray[np.int64]


class Runs(NamedTuple):
    """The packets of a file, in runs without other bytes between two."""

    packets: list[Rows]
    has_holes: bool
    """Whether something is written over whole packets; those that fill up a bit rate count not."""
    has_damage: bool
    """Whether that is something else than zeros."""


def check_transport(file: BinaryIO, size: int) -> Notes:
    """Checks that no packet is missing inside a PES packet.

    Args:
        file: The file.
        size: Its bytes.

    Returns:
        `may_be_cut`; UNEVEN_TIMES where packets may be missing between two PES packets, or at the
        beginning or the end of a stream; and the streams inside whose PES packets some are missing,
        doubled, moved or damaged.

    Raises:
        Contradiction: There are other bytes between two packets.
    """
    file.seek(0)
    data = file.read(size) if size <= _MOST_BYTES else b""
    at, width = _aligned(data, 0)
    if not width:
        return NOT_TOLD
    if at >= max(_WIDTHS) and any(data[:at]):  # a capture begins inside a packet, or with one
        raise Contradiction(f"the {at:,} bytes before the first transport packet are none")
    runs = _runs(data, at, width)
    packets = np.concatenate(runs.packets)
    notes: dict[str | StreamFault, None] = {}
    pids = (packets[:, 1] & 0x1F).astype(np.int64) << 8 | packets[:, 2]
    for pid in np.unique(pids):
        try:
            if pid == _FILLER or _is_continuous(packets[pids == pid]):
                continue
            if runs.has_holes:
                raise Contradiction("packets of the stream are missing, and others are damaged")
            notes[UNEVEN_TIMES] = None
        except Contradiction as fault:
            notes[StreamFault(int(pid), str(fault))] = None
    if runs.has_damage and not notes:  # the first or the last packets of a stream, or a table
        notes[UNEVEN_TIMES] = None
    return (*NOT_TOLD, *notes)


def _aligned(data: bytes, begin: int) -> tuple[int, int]:
    """Where packets follow each other first, and the bytes from one to the next; 0 of these where
    they do not."""
    at = data.find(_SYNC, begin)
    while at >= 0:
        for width in _WIDTHS:
            last = at + (_IN_A_ROW - 1) * width
            if last < len(data) and all(data[place] == _SYNC for place in range(at, last, width)):
                return at, width
        at = data.find(_SYNC, at + 1)
    return 0, 0


def _runs(data: bytes, at: int, width: int) -> Runs:
    """Zeros that are no whole packets fill up blocks, of a segment or of a disk."""
    runs: list[Rows] = []
    holes: set[bool] = set()
    padded = data.ljust(len(data) + max(_WIDTHS), b"\0")
    while width:
        count = (len(data) - at - _PACKET) // width + 1
        rows = np.frombuffer(padded, np.uint8, count * width, at).reshape(count, width)
        wrong = np.flatnonzero(rows[:, 0] != _SYNC)
        runs.append(rows[: wrong[0] if len(wrong) else count, :_PACKET])
        lost = at + len(runs[-1]) * width
        before = width
        at, width = _aligned(data, lost) if len(wrong) else (0, 0)
        if not width:
            break
        # Whole packets whose heads are damaged are missed by the numbers of their streams.
        is_whole, has_bytes = (at - lost) % before == 0, any(data[lost:at])
        if (has_bytes and not is_whole) or len(runs) == _MOST_RUNS:
            raise Contradiction(
                f"the {at - lost:,} bytes from byte {lost:,} on are no transport packet, and "
                "others follow"
            )
        if is_whole and not all(_is_filler(data, place) for place in range(lost, at, before)):
            holes.add(has_bytes)
    return Runs(runs, bool(holes), True in holes)


def _is_filler(data: bytes, at: int) -> bool:
    """Whether a packet fills up a bit rate, by its number alone."""
    return int.from_bytes(data[at + 1 : at + 3]) & _FILLER == _FILLER


def _is_continuous(packets: Rows) -> bool:
    """Checks the packets of one PID; False where some may be missing before a PES packet.

    Tables are repeated, and one that is missing is no loss.
    """
    has_field, has_payload = packets[:, 3] & 0x20 > 0, packets[:, 3] & 0x10 > 0
    jumps = has_field & (packets[:, 4] > 0) & (packets[:, 5] & 0x80 > 0)
    starts = np.where(has_field, 5 + packets[:, 4].astype(np.int64), 4)
    are_empty = ~has_field & ~has_payload  # which no packet is (2.4.3.3)
    jumps = np.logical_or.accumulate(jumps[~has_payload]).any() | jumps
    packets, starts, jumps = packets[has_payload], starts[has_payload], jumps[has_payload]
    begins = (packets[:, 1] & 0x40 > 0) & (starts < _PACKET - 6)
    heads = packets[np.flatnonzero(begins)[:, None], starts[begins][:, None] + np.arange(6)]
    are_heads = (heads[:, :3] == (0, 0, 1)).all(axis=1)
    if not len(heads) or not are_heads.mean() > 0.5:
        return True
    if are_empty.any() or (packets[:, 1] & 0x80).any():
        raise Contradiction("packets of the stream are marked as damaged")
    numbers = packets[:, 3].astype(np.int64) & 15
    broken = (np.diff(numbers) % 16 != 1) & ~jumps[1:]
    is_twice = (packets[1:] == packets[:-1]).all(axis=1)
    if (broken & (is_twice | ~begins[1:])).any():
        raise Contradiction("packets of the stream are missing, doubled or moved by their numbers")
    if not are_heads.all():
        raise Contradiction("a PES packet of the stream begins without 00 00 01")
    _check_lengths(heads, begins, _PACKET - starts)
    return not broken.any()


def _check_lengths(heads: NDArray[np.uint8], begins: NDArray[np.bool_], payloads: Ints) -> None:
    """Refuses a PES packet that holds less or more than it declares; the last one may be cut."""
    declared = heads[:, 4].astype(np.int64) << 8 | heads[:, 5]
    first = np.flatnonzero(begins)
    held = np.add.reduceat(np.maximum(payloads, 0), first) - 6
    wrong = np.flatnonzero((declared > 0) & (held != declared))
    if len(wrong) and (wrong[0] < len(held) - 1 or held[wrong[0]] > declared[wrong[0]]):
        raise Contradiction(
            f"a packet of the stream has {declared[wrong[0]]:,} bytes by its "
            f"header, and {held[wrong[0]]:,} are there"
        )
