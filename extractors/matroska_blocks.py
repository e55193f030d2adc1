"""What is in the parts of a Matroska or WebM file: tracks, blocks and times (RFC 9559, 5.1).

    Info       TimestampScale (ns a tick), Duration (ticks)
    Tracks     a TrackEntry each: TrackNumber, TrackType, CodecID
    Cues       CuePoint each: CueTime (ticks), and where in the Segment its Cluster begins
    Cluster    Timestamp; SimpleBlock, or BlockGroup with a Block: track, ticks after the Cluster's

Elements fill the one that they lie in. A demuxer passes over bytes that are no element, and over
blocks of a track that is not declared, and says nothing.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO

from extractors.even_times import UNEVEN_TIMES
from extractors.file_ends import Contradiction, Notes

_SCALE, _DURATION = 0x2AD7B1, 0x4489
_ENTRY, _NUMBER, _TYPE, _CODEC = 0xAE, 0xD7, 0x83, 0x86
_TIMESTAMP, _SIMPLE_BLOCK, _GROUP, _BLOCK, _BLOCK_DURATION = 0xE7, 0xA3, 0xA0, 0xA1, 0x9B
_POINT, _CUE_TIME, _CUE_PLACES, _CUE_CLUSTER = 0xBB, 0xB3, 0xB7, 0xF1
_IN_CLUSTER = {_TIMESTAMP, _SIMPLE_BLOCK, _GROUP, 0x5854, 0xA7, 0xAB, 0xAF, 0xBF, 0xEC}
_IN_GROUP = {
    _BLOCK,
    _BLOCK_DURATION,
    0xFA,
    0xFB,
    0xFD,
    0xA4,
    0x8E,
    0x75A1,
    0x75A2,
    0xC8,
    0xBF,
    0xEC,
}
_PREFIX = {1: b"V_", 2: b"A_", 0x11: b"S_"}
"""TrackType of pictures, sound and subtitles, and what their CodecID begins with."""
_OTHER_TYPES = {3, 0x10, 0x12, 0x20, 0x21}
_MOST_BYTES = 1 << 22
"""Bytes of Info and Tracks that are looked at."""
_BLOCK_HEAD = 12
"""Bytes of a block that are looked at: the track, in up to eight, and a time in two."""
_SLACK_S = 0.25
"""Seconds by which Duration may be longer or shorter than the blocks, beside the longest of them;
writers differ in whether the last block counts."""

Element = tuple[int, int, int]
"""Id of an element, and where what it holds begins and ends."""


def vint(file: BinaryIO) -> tuple[int, bool]:
    """Reads an EBML size.

    Args:
        file: The file, at its first byte.

    Returns:
        The size, and whether it is the one that means `unknown` (all bits set).
    """
    first = file.read(1)
    if not first or not first[0]:
        return 0, True
    length = 9 - first[0].bit_length()
    value = int.from_bytes(first + file.read(length - 1)) & ((1 << 7 * length) - 1)
    return value, value == (1 << 7 * length) - 1


def _number(data: bytes, at: int, keep: bool) -> tuple[int, int]:
    """An EBML id, which keeps its marker, or a size; and where it ends. -1: there is none."""
    if at >= len(data) or not data[at]:
        return -1, at
    length = 9 - data[at].bit_length()
    if at + length > len(data):
        return -1, at
    value = int.from_bytes(data[at : at + length])
    return (value if keep else value & ((1 << 7 * length) - 1)), at + length


def _elements(file: BinaryIO, at: int, end: int, part: str) -> Iterator[Element]:
    """The elements in another one; they fill it."""
    while at < end:
        file.seek(at)
        head = file.read(min(12, end - at))
        name, sized = _number(head, 0, keep=True)
        length, held = _number(head, sized, keep=False)
        if name < 0 or length < 0 or at + held + length > end:
            raise Contradiction(
                f"byte {at:,} in the part {part} begins no element that fits into it"
            )
        yield name, at + held, at + held + length
        at += held + length


class Recording:
    """What is read of the parts of one Segment."""

    def __init__(self, begin: int) -> None:
        """Begins a Segment.

        Args:
            begin: Where what it holds begins.
        """
        self._begin = begin
        self._clusters: dict[int, tuple[int, int]] = {}
        """Where a Cluster begins -> times of its first and last block, in ticks."""
        self._cues: list[tuple[int, int]] = []
        """A time, and where the Cluster begins that it is in."""
        self._tick_s, self._duration = 1e-3, 0.0
        self._tracks: dict[int, int] = {}
        """TrackNumber -> TrackType."""
        self._last: dict[int, int] = {}
        """TrackNumber -> time of its last block, in ticks."""
        self._end = self._longest = 0
        self._stop = 0
        """When the last block ends that says how long it is shown, in ticks."""
        self._is_open = False
        """Whether there are blocks of subtitles, or of others that last as long as they like."""

    def add(self, file: BinaryIO, part: str, head: int, start: int, end: int) -> None:
        """Reads one part.

        Args:
            file: The file.
            part: Its name.
            head: Where it begins.
            start: Where what it holds begins.
            end: Where it ends.

        Raises:
            Contradiction: Something in it cannot be so.
        """
        if part == "Cluster":
            self._add_blocks(file, head, start, end)
        elif part == "Info" and end - start <= _MOST_BYTES:
            self._add_info(file, start, end)
        elif part == "Cues" and end - start <= _MOST_BYTES:
            self._add_cues(file, start, end)
        elif part == "Tracks" and end - start <= _MOST_BYTES:
            for name, at, stop in _elements(file, start, end, part):
                if name == _ENTRY:
                    self._add_track(file, at, stop)

    def check(self) -> Notes:
        """Compares the length and the index with the times of the blocks.

        Returns:
            UNEVEN_TIMES where the index has others; some writers' are wrong.

        Raises:
            Contradiction: The length is another one.
        """
        if self._duration and self._last and not self._is_open:
            self._check_length()
        places = ((time, self._clusters.get(place, (1, 0))) for time, place in self._cues)
        are_right = all(first <= time <= last for time, (first, last) in places)
        return () if are_right else (UNEVEN_TIMES,)

    def _check_length(self) -> None:
        declared, found = self._duration * self._tick_s, self._end * self._tick_s
        longest = max(self._longest, self._stop - self._end) * self._tick_s
        if abs(declared - found) > _SLACK_S + longest:
            raise Contradiction(
                f"the recording lasts {declared:.3f} s by its header, but its last block begins at "
                f"{found:.3f} s"
            )

    def _add_cues(self, file: BinaryIO, start: int, end: int) -> None:
        for name, at, stop in _elements(file, start, end, "Cues"):
            if name == _POINT:
                self._add_point(file, at, stop)

    def _add_point(self, file: BinaryIO, start: int, end: int) -> None:
        """A time, and in which Cluster it is."""
        time = 0
        for name, at, stop in _elements(file, start, end, "Cues"):
            file.seek(at)
            if name == _CUE_TIME:
                time = int.from_bytes(file.read(min(8, stop - at)))
            if name == _CUE_PLACES:
                for inner, first, last in _elements(file, at, stop, "Cues"):
                    file.seek(first)
                    if inner == _CUE_CLUSTER:
                        self._cues.append((time, int.from_bytes(file.read(min(8, last - first)))))

    def _add_info(self, file: BinaryIO, start: int, end: int) -> None:
        for name, at, stop in _elements(file, start, end, "Info"):
            file.seek(at)
            if name == _SCALE:
                self._tick_s = int.from_bytes(file.read(min(8, stop - at))) / 1e9
            if name == _DURATION and stop - at in {4, 8}:
                form = ">f" if stop - at == 4 else ">d"
                self._duration = float(struct.unpack(form, file.read(stop - at))[0])

    def _add_track(self, file: BinaryIO, start: int, end: int) -> None:
        found = {_NUMBER: b"", _TYPE: b"", _CODEC: b""}
        for name, at, stop in _elements(file, start, end, "Tracks"):
            if name in found:
                file.seek(at)
                found[name] = file.read(min(stop - at, 64))
        number, kind = (int.from_bytes(found[name]) for name in (_NUMBER, _TYPE))
        is_known = kind in _OTHER_TYPES or found[_CODEC].startswith(_PREFIX.get(kind, ()))
        if not number or number in self._tracks or not is_known:
            raise Contradiction(
                f"track {number} of the file is of type {kind} and has the coding "
                f"`{found[_CODEC].decode('latin-1')}`"
            )
        self._tracks[number] = kind

    def _add_blocks(self, file: BinaryIO, head: int, start: int, end: int) -> None:
        begin, times = 0, list[int]()
        for name, at, stop in _elements(file, start, end, "Cluster"):
            if name not in _IN_CLUSTER:
                raise Contradiction(f"byte {at:,} in the part Cluster begins no known element")
            if name == _TIMESTAMP:
                file.seek(at)
                begin = int.from_bytes(file.read(min(8, stop - at)))
            if name == _SIMPLE_BLOCK:
                times.append(self._add_block(file, begin, at, stop))
            if name == _GROUP:
                times.append(self._add_group(file, begin, at, stop))
        self._clusters[head - self._begin] = min(times, default=begin), max(times, default=begin)

    def _add_group(self, file: BinaryIO, begin: int, start: int, end: int) -> int:
        time, length = begin, 0
        for name, at, stop in _elements(file, start, end, "Cluster"):
            if name not in _IN_GROUP:
                raise Contradiction(f"byte {at:,} in a BlockGroup begins no element")
            if name == _BLOCK:
                time = self._add_block(file, begin, at, stop)
            if name == _BLOCK_DURATION:
                file.seek(at)
                length = int.from_bytes(file.read(min(8, stop - at)))
        self._stop = max(self._stop, time + length)
        return time

    def _add_block(self, file: BinaryIO, begin: int, at: int, stop: int) -> int:
        file.seek(at)
        head = file.read(min(_BLOCK_HEAD, stop - at))
        track, timed = _number(head, 0, keep=False)
        if (self._tracks and track not in self._tracks) or len(head) < timed + 3:
            raise Contradiction(
                f"the block at byte {at:,} is of track {track}, which the file does not declare"
            )
        (after,) = struct.unpack_from(">h", head, timed)
        time = begin + after
        if self._tracks.get(track) in {1, 2}:
            self._longest = max(self._longest, time - self._last.get(track, time))
            self._end = max(self._end, time)
        else:
            self._is_open = True
        self._last[track] = time
        return time
