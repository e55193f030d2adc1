"""The parts of a Matroska or WebM file: where each ends, and its checksum (RFC 8794, 11.3.1).

A Segment of known size is filled by its parts to the last byte, and there are ten kinds of them. A
demuxer looks for the next part that it knows where one is damaged, and says nothing. What is in
them is for `extractors.matroska_blocks`.
"""

import zlib
from typing import BinaryIO

from extractors.file_ends import CHECKSUM_DIFFERS, Contradiction, Notes
from extractors.matroska_blocks import Recording, vint

_PARTS = {
    0x114D9B74: "SeekHead",
    0x1549A966: "Info",
    0x1654AE6B: "Tracks",
    0x1F43B675: "Cluster",
    0x1C53BB6B: "Cues",
    0x1941A469: "Attachments",
    0x1043A770: "Chapters",
    0x1254C367: "Tags",
    0xEC: "Void",
    0xBF: "CRC-32",
}
_CHECKSUM = b"\xbf\x84"
"""What a part with a checksum begins with: the id of CRC-32, and that it has four bytes."""
_STEP = 1 << 20


def check_parts(file: BinaryIO, at: int, end: int) -> Notes:
    """Walks over the parts of a Segment.

    Args:
        file: The file.
        at: Where the first one begins.
        end: Where the Segment ends.

    Returns:
        `checksum_differs`, where packets fail their checksum: which stream they are of is for its
        decoder to find.

    Raises:
        Contradiction: A part is none, reaches beyond the Segment, fails its checksum where it
            describes others, or does not agree with them.
    """
    notes: Notes = ()
    recording = Recording(at)
    while at < end:
        file.seek(at)
        first = file.read(1)
        width = 9 - first[0].bit_length()
        part = _PARTS.get(int.from_bytes(first + file.read(width - 1)) if width <= 4 else 0)
        if part is None:
            raise Contradiction(f"byte {at:,} of the Segment begins no part of it")
        length, unknown = vint(file)
        if unknown and part != "Cluster":
            raise Contradiction(f"the part {part} at byte {at:,} does not say where it ends")
        if unknown:
            return notes  # a live recording: it ends where the next one begins
        start = file.tell()
        if start + length > end:
            raise Contradiction(
                f"the part {part} ends at byte {start + length:,}, and the Segment at {end:,}"
            )
        if not _is_whole(file, part, start, length):
            if part != "Cluster":
                raise Contradiction(f"the part {part} at byte {start:,} fails its checksum")
            notes = (CHECKSUM_DIFFERS,)
        else:
            recording.add(file, part, at, start, start + length)
        at = start + length
    return notes or recording.check()


def _is_whole(file: BinaryIO, part: str, start: int, length: int) -> bool:
    head = file.read(min(6, length))
    if part in {"Void", "CRC-32"} or length < 6 or head[:2] != _CHECKSUM:
        return True
    found, left = 0, length - 6
    while left:
        data = file.read(min(_STEP, left))
        if not data:
            return False
        found, left = zlib.crc32(data, found), left - len(data)
    return found == int.from_bytes(head[2:], "little")
