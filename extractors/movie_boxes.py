"""The boxes of a film in mp4 or a relative of it (ISO/IEC 14496-12, 4.2 and 8)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from extractors.file_ends import Contradiction

_FOLDERS: dict[bytes, set[bytes]] = {
    b"trak": {b"edts", b"mdia"},
    b"mdia": {b"minf"},
    b"minf": {b"stbl"},
}
"""A box that holds others -> those among them that hold others too."""
_MOST_BOXES = 1 << 16
"""Boxes within one; of a film with 100 tracks there are some hundreds."""
_KINDS = {b"soun": "sound", b"vide": "pictures"}
_KNOWN = {
    b"mvhd", b"trak", b"mvex", b"trex", b"mehd", b"tkhd", b"edts", b"elst", b"mdia", b"mdhd",
    b"hdlr", b"minf", b"stbl", b"smhd", b"vmhd", b"stsd", b"stts", b"ctts", b"stsz", b"stz2",
    b"stsc", b"stco", b"co64", b"moov", b"moof", b"mdat", b"mfhd", b"traf", b"tfhd", b"tfdt",
    b"trun",
}  # fmt: skip
"""Boxes without which a film is read in another way, or not at all."""
_OTHERS = {
    b"trep", b"tref", b"trgr", b"load", b"stss", b"stsh", b"stsg", b"stps", b"cslg", b"sdtp",
    b"stdp", b"sbgp", b"sgpd", b"subs", b"saiz", b"saio", b"padb", b"udta", b"meta", b"iods",
    b"gmhd", b"hmhd", b"nmhd", b"sthd", b"dinf", b"elng", b"kmat", b"clip", b"crgn",
}  # fmt: skip
"""Boxes that may have the name of one of these but for a byte."""
_NAMES = _KNOWN | _OTHERS


@dataclass
class MovieTrack:
    """What is read of one track."""

    boxes: dict[bytes, bytes] = field(default_factory=dict)
    """Kind of a box that holds no others -> its bytes behind its head; the first of each kind."""

    @property
    def kind(self) -> str:
        """`sound`, `pictures`, or nothing where it is neither."""
        return _KINDS.get(self.boxes.get(b"hdlr", b"")[8:12], "")

    @property
    def likely_kind(self) -> str:
        """What it is by its media header, where the box that says it is damaged."""
        heads = {b"smhd": "sound", b"vmhd": "pictures"}
        return next((heads[box] for box in heads if box in self.boxes), "of another kind")

    @property
    def samples(self) -> int:
        """How many samples the table has by its own count of sizes."""
        sizes = self.boxes.get(b"stsz") or self.boxes.get(b"stz2") or b""
        return uint(sizes, 8)


def read_tracks(movie: bytes) -> list[MovieTrack]:
    """Reads the tracks of a film.

    Args:
        movie: The box `moov` behind its head.

    Returns:
        Its tracks, of sound and pictures and others.

    Raises:
        Contradiction: A box is longer than the one that it lies in.
    """
    tracks = []
    for kind, start, end in children(movie, 0, len(movie), "moov"):
        check_name(kind, "moov")
        if kind != b"trak" and movie[start + 4 : start + 8] == b"tkhd":
            raise Contradiction(f"a box `{kind.decode('latin-1')}` holds a track")
        if kind == b"trak":
            tracks.append(MovieTrack())
            _collect(movie, start, end, kind, tracks[-1])
    return tracks


def _collect(movie: bytes, start: int, end: int, within: bytes, track: MovieTrack) -> None:
    for kind, at, stop in children(movie, start, end, within.decode()):
        check_name(kind, within.decode())
        if kind == b"edts" and movie[at + 4 : at + 8] != b"elst" and any(movie[at:stop]):
            raise Contradiction("a box `edts` holds no `elst`")
        if kind in _FOLDERS.get(within, ()):
            _collect(movie, at, stop, kind, track)
        else:
            track.boxes.setdefault(kind, movie[at:stop])


def check_name(kind: bytes, within: str) -> None:
    """Refuses the name of a box that is another's but for a byte: readers pass over it.

    Args:
        kind: Its name.
        within: The box that it lies in.

    Raises:
        Contradiction: It is.
    """
    if kind in _NAMES:
        return
    for known in _KNOWN:
        if sum(one != other for one, other in zip(kind, known, strict=True)) == 1:
            raise Contradiction(
                f"a box `{kind.decode('latin-1')}` in `{within}` is `{known.decode()}` but for a "
                "byte"
            )


def children(movie: bytes, at: int, end: int, name: str) -> Iterator[tuple[bytes, int, int]]:
    """Walks over the boxes within another one.

    Args:
        movie: The box `moov` behind its head.
        at: Where the first begins.
        end: Where the last ends.
        name: The box that they lie in.

    Yields:
        The kind of each, where it begins behind its head, and where it ends.

    Raises:
        Contradiction: One does not fit.
    """
    count = 0
    while at + 8 <= end:
        (length, kind), head = struct.unpack_from(">I4s", movie, at), 8
        if not length and not any(movie[at:end]):  # a filler
            return
        count += 1
        if count > _MOST_BOXES:
            raise Contradiction(f"`{name}` holds more than {_MOST_BOXES:,} boxes")
        if length == 1 and at + 16 <= end:
            (length,), head = struct.unpack_from(">Q", movie, at + 8), 16
        if length < head or at + length > end:
            raise Contradiction(
                f"a box in `{name}` of {length:,} bytes does not fit into the {end - at:,} there"
            )
        yield kind, at + head, at + length
        at += length
    if any(movie[at:end]):
        raise Contradiction(f"{end - at} bytes in `{name}` are no box")


def uint(box: bytes, at: int) -> int:
    """Reads a number of four bytes.

    Args:
        box: A box behind its head.
        at: Where the number begins.

    Returns:
        The number; 0 behind the end of the box.
    """
    return int.from_bytes(box[at : at + 4]) if len(box) >= at + 4 else 0
