"""The data packets of an ASF or WMV file (Advanced Systems Format 01.20.06, 5.2).

    packet     flags, its length, that of its padding, a time; one payload or several
    payload    a stream, the number of an object in it, its place there, and the object's size

An object is a frame of pictures or of sound; it may lie in several payloads. Its parts follow each
other, and objects are numbered one by one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from extractors.even_times import UNEVEN_TIMES
from extractors.file_ends import Contradiction, Notes

_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
"""What the object begins with that holds the packets."""
_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
"""What the object of the header begins with that describes the file."""
_STREAM = bytes.fromhex("9107dcb7b7a9cf118ee600c00c205365")
_MORE = bytes.fromhex("cba5e61472c632438399a96952065b5a")
"""What those begin with that describe a stream, and say more of it."""
_SOUND = bytes.fromhex("409e69f84d5bcf11a8fd00805f5c442b")
_WMA = {b"\x60\1", b"\x61\1"}
"""Codings of sound whose objects are whole blocks, all of one size: both kinds of WMA."""
_KINDS = {_SOUND} | {
    bytes.fromhex(kind)
    for kind in (
        "c0ef19bc4d5bcf11a8fd00805f5c442b",  # pictures
        "c0cfda59e659d011a3ac00a0c90348f6",  # commands
        "00e11bb64e5bcf11a8fd00805f5c442b",  # JPEG
        "e07d903515e4cf11a91700805f5c442b",  # JPEG that may lose parts
        "2c22bd911cf27a498b6d5aa86bfc0185",  # files
        "e265fb3aef47f240ac2c70a90d71d343",  # any bytes
    )
}
"""What kinds of streams there are."""
_CORRECTION = 0x82
"""What a packet begins with that has two bytes of data of correction, both 0."""
_WIDTHS = (0, 1, 2, 4)
"""Bytes of a number, by two bits."""
_LATE_MS, _MOST_LATE_MS = 2_000, 60_000
"""Between the beginning of the recording and that of its clock: beyond the first it is odd, and
beyond the second damaged."""
_MOST_BYTES = 1 << 28
_MOST_HEADER = 1 << 22
"""Bytes of a file, and of its header, that are looked at."""


@dataclass(frozen=True)
class _Payload:
    """A part of an object of a stream."""

    stream: int
    number: int
    """Of the object, and how many there are before they begin anew."""
    numbers: int
    place: int
    """Bytes of the object before this part; -1 where the payload holds whole objects."""
    size: int
    """Bytes of the object, or 0 where the payload does not say."""
    length: int
    shown_ms: int
    """When the object is shown; -1 where the payload does not say."""


def check_packets(file: BinaryIO, size: int) -> Notes:
    """Walks over the packets of a file.

    Args:
        file: The file.
        size: Its bytes.

    Returns:
        UNEVEN_TIMES where objects may be missing or doubled by their numbers.

    Raises:
        Contradiction: A packet is damaged, or parts of an object are missing, doubled or moved.
    """
    file.seek(16)
    end = int.from_bytes(file.read(8), "little")
    file.seek(0)
    header = file.read(min(end, _MOST_HEADER))
    file.seek(end)
    head = file.read(50)
    properties = header.find(_PROPERTIES)
    length = int.from_bytes(header[properties + 92 : properties + 96], "little")
    if (
        properties >= 0
        and header[properties + 92 : properties + 96] != header[properties + 96 : properties + 100]
    ):
        raise Contradiction("the packets of the file have two sizes by its header")
    if head[:16] != _DATA or properties < 0 or not length or size > _MOST_BYTES:
        return ()
    streams = _streams(header)
    objects = _StreamObjects(streams)
    stop = min(end + int.from_bytes(head[16:24], "little"), size)
    for number, place in enumerate(range(end + 50, stop - length + 1, length)):
        file.seek(place)
        try:
            for payload in _payloads(file.read(length)):
                if payload.stream not in streams:
                    raise Contradiction(
                        f"packet {number} of the file holds a part of stream {payload.stream}, "
                        "which its header does not describe"
                    )
                objects.add(payload)
        except IndexError as error:
            raise Contradiction(f"packet {number} of the file does not fit into itself") from error
    objects.check_whole()
    objects.check_times(header[properties : properties + 96])
    return (UNEVEN_TIMES,) if objects.are_odd else ()


def _streams(header: bytes) -> dict[int, int]:
    """The streams that a header describes: number -> bytes of a block of WMA, 0 of others."""
    more = re.finditer(re.escape(_MORE), header)
    streams = {header[found.start() + 72] & 0x7F: 0 for found in more}
    for found in re.finditer(re.escape(_STREAM), header):
        number = header[found.start() + 72] & 0x7F
        kind = header[found.start() + 24 : found.start() + 40]
        if kind not in _KINDS:
            raise Contradiction(f"stream {number} of the file is of no known kind")
        form = header[found.start() + 78 : found.start() + 92]
        is_wma = kind == _SOUND and form[:2] in _WMA
        streams[number] = int.from_bytes(form[12:], "little") if is_wma else 0
    return streams


class _StreamObjects:
    """The objects of all streams, as their parts come."""

    def __init__(self, blocks: dict[int, int]) -> None:
        self._blocks = blocks
        self._last: dict[int, _Payload] = {}
        self._times: list[int] = []
        self.are_odd = False
        """Whether a number does not follow on the one before it."""

    def add(self, part: _Payload) -> None:
        if part.shown_ms >= 0:
            self._times.append(part.shown_ms)
        block = self._blocks.get(part.stream)
        if block and part.size % block:
            raise Contradiction(
                f"object {part.number} of stream {part.stream} has {part.size:,} bytes, which are "
                f"no blocks of {block:,}, as the sound has by its header"
            )
        before = self._last.get(part.stream)
        if before is not None and 0 <= part.shown_ms < before.shown_ms - _MOST_LATE_MS:
            raise Contradiction(
                f"object {part.number} of stream {part.stream} is shown at "
                f"{part.shown_ms / 1000:,.3f} s, and the one before it at "
                f"{before.shown_ms / 1000:,.3f} s"
            )
        self._last[part.stream] = part
        if before is None or part.place < 0 or before.place < 0:
            return
        end = before.place + before.length
        is_next = part.place == 0 and part.number == (before.number + 1) % part.numbers
        if part.number == before.number and part.place == end and part.place:
            return
        if part.place or (before.size and end != before.size):
            raise Contradiction(
                f"object {before.number} of stream {part.stream} has {before.size:,} bytes by its "
                f"header, and {end:,} are there before byte {part.place:,} of object {part.number}"
            )
        self.are_odd |= not is_next

    def check_whole(self) -> None:
        """Looks whether the last object of each stream is there as a whole.

        Raises:
            Contradiction: It is not.
        """
        for part in self._last.values():
            end = part.place + part.length
            if part.place >= 0 and part.size and end != part.size:
                raise Contradiction(
                    f"the last object of stream {part.stream} has {part.size:,} bytes by its "
                    f"header, and {end:,} are there"
                )

    def check_times(self, properties: bytes) -> None:
        """Compares the time of the first object with that of the clock, which begins with it.

        Args:
            properties: The object that describes the file.

        Raises:
            Contradiction: They differ.
        """
        first, before_ms = min(self._times, default=0), int.from_bytes(properties[80:88], "little")
        late = abs(first - before_ms) if self._times else 0
        self.are_odd |= late > _LATE_MS or (bool(self._times) and first < before_ms)
        if late > _MOST_LATE_MS:
            raise Contradiction(
                f"the recording begins at {first / 1000:,.3f} s, and at {before_ms / 1000:,.3f} s "
                "by its header"
            )


class _Reader:
    """Numbers of a packet, one after the other; IndexError behind its end."""

    def __init__(self, packet: bytes) -> None:
        self._packet, self.at = packet, 0

    def number(self, width: int) -> int:
        self.at += width
        if self.at > len(self._packet):
            raise IndexError
        return int.from_bytes(self._packet[self.at - width : self.at], "little")


def _payloads(packet: bytes) -> Iterator[_Payload]:
    reader = _Reader(packet)
    flags = reader.number(1)
    if flags & 0x80:
        # Other kinds of correction are not in use, and libavformat passes over such packets.
        if flags != _CORRECTION or reader.number(2):
            raise IndexError
        flags = reader.number(1)
    widths = reader.number(1)
    length = reader.number(_WIDTHS[flags >> 5 & 3]) or len(packet)
    reader.number(_WIDTHS[flags >> 1 & 3])
    padding = reader.number(_WIDTHS[flags >> 3 & 3])
    reader.number(6)  # when it is sent, and for how long
    end = min(length, len(packet)) - (padding if length >= len(packet) else 0)
    count, width = 1, 0
    if flags & 1:
        many = reader.number(1)
        count, width = many & 0x3F, _WIDTHS[many >> 6]
    for _ in range(count):
        yield _payload(reader, widths, width, end)
        if reader.at > end:
            raise IndexError
    if any(packet[reader.at : end]):  # a payload that is not counted
        raise IndexError


def _payload(reader: _Reader, widths: int, width: int, end: int) -> _Payload:
    stream = reader.number(_WIDTHS[widths >> 6]) & 0x7F
    number = reader.number(_WIDTHS[widths >> 4 & 3])
    place = reader.number(_WIDTHS[widths >> 2 & 3])
    copied = reader.number(_WIDTHS[widths & 3])
    size = reader.number(4) if copied >= 8 else 0
    shown_ms = reader.number(4) if copied >= 8 else -1
    reader.number(copied - 8 if copied >= 8 else copied)
    length = reader.number(width) if width else end - reader.at
    reader.at += length
    numbers = 1 << 8 * max(1, _WIDTHS[widths >> 4 & 3])
    return _Payload(stream, number, numbers, -1 if copied == 1 else place, size, length, shown_ms)
