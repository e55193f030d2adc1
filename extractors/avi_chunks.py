"""The chunks of an AVI file against its header and its index (Microsoft's AVI RIFF reference).

    hdrl    avih: microseconds a frame, number of streams; strl for each: strh, strf
    movi    chunks named `00dc`, `01wb`: two digits of the stream, two letters; `rec ` groups some
    idx1    name, flags, place and bytes of each chunk of `movi`, in order

A demuxer passes over a chunk with a name that it does not know, and counts on: what follows in its
stream moves by a frame. An AVI keeps no times.
"""

import re
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from extractors.even_times import UNEVEN_TIMES
from extractors.file_ends import TOLD, Contradiction, Notes

_DATA = re.compile(rb"([\dA-Fa-f]{2})(?:dc|db|wb|pc|tx|sb|iv|id|ib|ds|AC|__)", re.DOTALL)
"""Names of chunks of a stream."""
_OTHER = re.compile(rb"JUNK|junk|ix[\dA-Fa-f]{2}|idx1|indx|LIST.{4}|\0{4}|[A-Z]{4}", re.DOTALL)
"""Names of chunks that are of none."""
_KINDS = {b"vids", b"auds", b"txts", b"mids", b"iavs"}
"""What streams there are: pictures, sound, texts, notes, and both in one."""
_LEAST_FORM = {b"vids": 40, b"auds": 14}
"""Bytes of a BITMAPINFOHEADER and of a WAVEFORMAT, which `strf` holds."""
_SHORTEST_US, _LONGEST_US = 4_000, 1_000_000
"""Microseconds of a frame that may be one."""
_RATE = 0.02
"""The part by which the two lengths of a frame may differ."""


class _Chunk(NamedTuple):
    kind: bytes
    start: int
    """Behind its head."""
    size: int


def _chunks(file: BinaryIO, at: int, end: int) -> Iterator[_Chunk]:
    """The chunks of a list, those in lists in it among them."""
    while at + 8 <= end:
        file.seek(at)
        kind, size = struct.unpack("<4sI", file.read(8).ljust(8, b"\0"))
        if kind == b"LIST":
            yield _Chunk(kind + file.read(4), at + 12, max(0, size - 4))
            at += 12
            continue
        if at + 8 + size > end:
            raise Contradiction(
                f"the chunk `{kind.decode('latin-1')}` at byte {at:,} ends behind its list"
            )
        yield _Chunk(kind, at + 8, size)
        at += 8 + size + size % 2


class AviFile:
    """What is read of the lists of an AVI, in their order."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._streams = self._frame_us = 0
        self._heads: list[bytes] = []
        """The chunk `strh` of each stream."""
        self._forms: list[int] = []
        """Bytes of the chunk `strf` of each stream."""
        self._media: list[_Chunk] = []

    def add(self, kind: bytes, start: int, end: int) -> Notes:
        """Reads one chunk of the top level.

        Args:
            kind: Its name.
            start: Where it begins behind its head.
            end: Where it ends.

        Returns:
            UNEVEN_TIMES where it is the index, and the chunks are others.

        Raises:
            Contradiction: Something in it cannot be so.
        """
        if _DATA.fullmatch(kind):
            raise Contradiction(f"the chunk at byte {start:,} of a stream lies behind all others")
        if kind == b"idx1":
            return self._check_index(start, end - start)
        if kind == b"LIST":
            self._file.seek(start)
            name = self._file.read(4)
            if name == b"hdrl":
                self._add_header(start + 4, end)
            if name == b"movi" and not self._media:
                for chunk in _chunks(self._file, start + 4, end):
                    self._add_chunk(chunk)
        return TOLD

    def _add_header(self, start: int, end: int) -> None:
        for chunk in _chunks(self._file, start, end):
            self._file.seek(chunk.start)
            if chunk.kind == b"avih" and chunk.size >= 28:
                fields = struct.unpack("<7I", self._file.read(28))
                self._frame_us, self._streams = fields[0], fields[6]
            if chunk.kind == b"strf":
                self._forms.append(chunk.size)
            if chunk.kind == b"strh":
                self._heads.append(self._file.read(min(chunk.size, 48)).ljust(48, b"\0"))
        if not self._streams == len(self._heads) == len(self._forms):
            raise Contradiction(
                f"the avi has {self._streams} streams by its header, and {len(self._heads)} are "
                f"described, {len(self._forms)} with their form"
            )
        for head, form in zip(self._heads, self._forms, strict=True):
            if head[:4] not in _KINDS:
                raise Contradiction(
                    f"a stream of the avi is of the kind `{head[:4].decode('latin-1')}`"
                )
            if form < _LEAST_FORM.get(head[:4], 0):
                raise Contradiction(
                    f"the form of a stream `{head[:4].decode('latin-1')}` has {form} bytes, "
                    f"expected {_LEAST_FORM[head[:4]]} or more"
                )
            scale, rate = struct.unpack("<II", head[20:28])
            if head[:4] == b"vids" and rate:
                self._check_rate(1e6 * scale / rate)

    def _check_rate(self, length_us: float) -> None:
        """Compares the two lengths of a frame; writers without an idea of it write some tick."""
        if not _SHORTEST_US < self._frame_us < _LONGEST_US:
            return
        if abs(length_us / self._frame_us - 1) > _RATE:
            raise Contradiction(
                f"a frame of the avi lasts {self._frame_us:,} microseconds by `avih`, and "
                f"{length_us:,.0f} by `strh`"
            )

    def _add_chunk(self, chunk: _Chunk) -> None:
        if found := _DATA.fullmatch(chunk.kind):
            if int(found[1], 16) >= max(1, len(self._heads)):
                raise Contradiction(
                    f"the chunk at byte {chunk.start:,} is of stream {int(found[1], 16)}, which "
                    "the file does not declare"
                )
            self._media.append(chunk)
        elif not _OTHER.fullmatch(chunk.kind):
            raise Contradiction(
                f"the chunk `{chunk.kind.decode('latin-1')}` at byte {chunk.start:,} is of no "
                "stream"
            )

    def _check_index(self, start: int, size: int) -> Notes:
        """Compares the chunks with the index; some writers' indices are wrong."""
        self._file.seek(start)
        rows = struct.iter_unpack("<4sIII", self._file.read(size - size % 16))
        listed = [(kind, held) for kind, _, _, held in rows if _DATA.fullmatch(kind)]
        found = [(chunk.kind, chunk.size) for chunk in self._media]
        return TOLD if listed == found or not self._media else (UNEVEN_TIMES,)
