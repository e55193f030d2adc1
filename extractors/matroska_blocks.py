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
from extractors.file_ends import Contradiction, Notes, StreamCount

_SCALE, _DURATION = 0x2AD7B1, 0x4489
_ENTRY, _NUMBER, _TYPE, _CODEC = 0xAE, 0xD7, 0x83, 0x86
_PRIVATE, _DELAY = 0x63A2, 0x56AA
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
_IN_TRACK = {
    0xD7, 0x73C5, 0x83, 0xB9, 0x88, 0x55AA, 0x55AB, 0x55AC, 0x55AD, 0x55AE, 0x55AF, 0x9C, 0x6DE7,
    0x6DF8, 0x23E383, 0x234E7A, 0x23314F, 0x537F, 0x55EE, 0x41E4, 0x536E, 0x22B59C, 0x22B59D,
    0x86, 0x63A2, 0x258688, 0x7446, 0x3A9697, 0x3B4040, 0x26B240, 0xAA, 0x6FAB, 0x56AA, 0x56BB,
    0x6624, 0xE0, 0xE1, 0xE2, 0x6D80, 0xC0, 0xC1, 0xC6, 0xC7, 0xC4, 0xEC, 0xBF,
}  # fmt: skip
"""What a TrackEntry holds; its delay and its rate are among them."""
_PREFIX = {1: b"V_", 2: b"A_", 0x11: b"S_"}
"""TrackType of pictures, sound and subtitles, and what their CodecID begins with."""
_OTHER_TYPES = {3, 0x10, 0x12, 0x20, 0x21}
"""TrackTypes of what is neither; a coding of pictures or sound contradicts them."""
_OPUS_RATE = 48_000
_STEP = 1 << 12
"""Elements between two looks at the clip's clock."""
_MOST_BYTES = 1 << 26
"""Bytes of a part that is looked at."""
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


def _is_delay(private: bytes, delay: int) -> bool:
    """Whether a delay in ns is that of Opus (RFC 7845, 5.1), where there are both."""
    if not delay or private[:8] != b"OpusHead":
        return True
    samples = int.from_bytes(private[10:12], "little")
    return abs(delay * _OPUS_RATE - samples * 10**9) <= 10**9


class _BlockPart:
    """The bytes of one part of a Segment."""

    def __init__(self, file: BinaryIO, name: str, start: int, end: int) -> None:
        file.seek(start)
        self.name, self.data, self.start = name, file.read(end - start), start
        self._file, self._count = file, 0

    def elements(self, at: int, end: int) -> Iterator[Element]:
        """The elements from one place to another; they fill it."""
        data = self.data
        while at < end:
            width = 9 - data[at].bit_length()
            name, place = int.from_bytes(data[at : at + width]), at + width
            wide = 9 - data[place].bit_length() if place < end else 9
            held = place + wide
            length = int.from_bytes(data[place:held]) & ((1 << 7 * wide) - 1)
            if width > 4 or wide > 8 or held + length > end:
                raise Contradiction(
                    f"byte {self.start + at:,} in the part {self.name} begins no element that "
                    "fits into it"
                )
            self._count += 1
            if not self._count % _STEP:
                self._file.read(0)  # looks at the clip's clock
            yield name, held, held + length
            at = held + length

    def number(self, at: int, stop: int) -> int:
        """A whole number of up to eight bytes."""
        return int.from_bytes(self.data[at : min(stop, at + 8)])


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
        self._span = (0, 0)
        """Times of the first and the last block of the Cluster that was read last."""
        self._stop = 0
        """When the last block ends that says how long it is shown, in ticks."""
        self._is_open = False
        """Whether there are blocks of subtitles, or of others that last as long as they like."""
        self._is_odd = False
        """Whether a track holds an element that none has: the name of another may be damaged."""

    def add(self, file: BinaryIO, name: str, head: int, start: int, end: int) -> None:
        """Reads one part.

        Args:
            file: The file.
            name: Name of the part.
            head: Where it begins.
            start: Where what it holds begins.
            end: Where it ends.

        Raises:
            Contradiction: Something in it cannot be so.
        """
        read = {"Cluster": self._add_cluster, "Info": self._add_info, "Cues": self._add_cues}
        read["Tracks"] = self._add_tracks
        if name in read and end - start <= _MOST_BYTES:
            read[name](_BlockPart(file, name, start, end))
        if name == "Cluster":
            self._clusters[head - self._begin] = self._span

    def check(self) -> Notes:
        """Compares the length and the index with the times of the blocks.

        Returns:
            How many tracks of sound and pictures have blocks; UNEVEN_TIMES where the index has
            other times, as some writers' have, or a track an element that is not known.

        Raises:
            Contradiction: The length is another one.
        """
        if self._last and not self._tracks:
            raise Contradiction("the file has blocks, and describes no track")
        if self._duration and self._last and not self._is_open:
            self._check_length()
        places = ((time, self._clusters.get(place, (1, 0))) for time, place in self._cues)
        are_right = all(first <= time <= last for time, (first, last) in places)
        are_right &= not self._is_odd
        count = sum(self._tracks.get(track) in {1, 2} for track in self._last)
        return (StreamCount(count), *(() if are_right else (UNEVEN_TIMES,)))

    def _check_length(self) -> None:
        declared, found = self._duration * self._tick_s, self._end * self._tick_s
        longest = max(self._longest, self._stop - self._end) * self._tick_s
        if abs(declared - found) > _SLACK_S + longest:
            raise Contradiction(
                f"the recording lasts {declared:.3f} s by its header, but its last block begins at "
                f"{found:.3f} s"
            )

    def _add_cues(self, part: _BlockPart) -> None:
        for name, at, stop in part.elements(0, len(part.data)):
            if name == _POINT:
                self._add_point(part, at, stop)

    def _add_point(self, part: _BlockPart, start: int, end: int) -> None:
        """A time, and in which Cluster it is."""
        time = 0
        for name, at, stop in part.elements(start, end):
            if name == _CUE_TIME:
                time = part.number(at, stop)
            for inner, first, last in part.elements(at, stop) if name == _CUE_PLACES else ():
                if inner == _CUE_CLUSTER:
                    self._cues.append((time, part.number(first, last)))

    def _add_info(self, part: _BlockPart) -> None:
        for name, at, stop in part.elements(0, len(part.data)):
            if name == _SCALE:
                self._tick_s = part.number(at, stop) / 1e9
            if name == _DURATION and stop - at in {4, 8}:
                form = ">f" if stop - at == 4 else ">d"
                self._duration = float(struct.unpack_from(form, part.data, at)[0])

    def _add_tracks(self, part: _BlockPart) -> None:
        for name, at, stop in part.elements(0, len(part.data)):
            if name == _ENTRY:
                self._add_track(part, at, stop)

    def _add_track(self, part: _BlockPart, start: int, end: int) -> None:
        found = {name: (at, stop) for name, at, stop in part.elements(start, end)}
        number, kind, delay = (
            part.number(*found.get(name, (0, 0))) for name in (_NUMBER, _TYPE, _DELAY)
        )
        coding, private = (
            part.data[at : min(stop, at + 64)]
            for at, stop in (found.get(name, (0, 0)) for name in (_CODEC, _PRIVATE))
        )
        self._is_odd |= not found.keys() <= _IN_TRACK or not _is_delay(private, delay)
        is_other = kind in _OTHER_TYPES and not coding.startswith((b"V_", b"A_"))
        is_known = is_other or coding.startswith(_PREFIX.get(kind, ()))
        if not number or number in self._tracks or not is_known:
            raise Contradiction(
                f"track {number} of the file is of type {kind} and has the coding "
                f"`{coding.decode('latin-1')}`"
            )
        self._tracks[number] = kind

    def _add_cluster(self, part: _BlockPart) -> None:
        begin, times = 0, list[int]()
        for name, at, stop in part.elements(0, len(part.data)):
            if name == _SIMPLE_BLOCK:
                times.append(self._add_block(part, begin, at, stop))
            elif name == _TIMESTAMP:
                begin = part.number(at, stop)
            elif name == _GROUP:
                times.append(self._add_group(part, begin, at, stop))
            elif name not in _IN_CLUSTER:
                raise Contradiction(
                    f"byte {part.start + at:,} in the part Cluster begins no known element"
                )
        self._span = min(times, default=begin), max(times, default=begin)

    def _add_group(self, part: _BlockPart, begin: int, start: int, end: int) -> int:
        time, length = begin, 0
        for name, at, stop in part.elements(start, end):
            if name not in _IN_GROUP:
                raise Contradiction(
                    f"byte {part.start + at:,} in a BlockGroup begins no known element"
                )
            if name == _BLOCK:
                time = self._add_block(part, begin, at, stop)
            if name == _BLOCK_DURATION:
                length = part.number(at, stop)
        self._stop = max(self._stop, time + length)
        return time

    def _add_block(self, part: _BlockPart, begin: int, at: int, stop: int) -> int:
        wide = 9 - part.data[at].bit_length() if at < stop else 9
        track = part.number(at, at + wide) & ((1 << 7 * wide) - 1)
        if (self._tracks and track not in self._tracks) or at + wide + 3 > stop:
            raise Contradiction(
                f"the block at byte {part.start + at:,} is of track {track}, which the file does "
                "not declare"
            )
        time = begin + int.from_bytes(part.data[at + wide : at + wide + 2], signed=True)
        if self._tracks.get(track) in {1, 2}:
            self._longest = max(self._longest, time - self._last.get(track, time))
            self._end = max(self._end, time)
        else:
            self._is_open = True
        self._last[track] = time
        return time
