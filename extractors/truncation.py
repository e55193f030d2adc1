"""Files cut short or damaged, found by what the header declares against what the file holds.

A decoder plays what is there and says nothing, so that a half copy would pass for a shorter clip.
Each container declares its size in its own way:

    mp4, mov     boxes; without `moov` nothing can be read; with it, every sample of the table must
                 lie inside the file; of a fragmented file `mfra` is the end
    wav          the size of the `data` chunk, which that of RIFF and what follows must agree with;
                 0, or 2 GiB and more, is what writers to a pipe leave there and declares nothing;
                 where it is the size of the RIFF chunk, which is all there, a writer has put that
                 in both places
    avi          the sizes of the chunks of the first RIFF list (`movi` is one)
    mkv, webm    the size of the Segment element, which may be unknown (a live recording)
    flv          whole tags; `duration` and `filesize` of onMetaData, where it has them
    mp3          the frame and byte counts of a Xing, Info or VBRI header, where there is one
    flac         the number of samples in STREAMINFO
    ogg          whole pages; the last one of each stream is marked
    others       see `extractors.declared_ends`

Whether what is there agrees with itself is for `extractors.movie_tables` (mp4),
`extractors.segments` (mkv), `extractors.frame_ends` (the checksums of Ogg) and
`extractors.flac_digest`.

Sources: ISO/IEC 14496-12 (boxes), Microsoft RIFF and AVI references, RFC 8794 (EBML), Adobe Flash
Video File Format 10.1, RFC 9639 (FLAC), RFC 3533 (Ogg). A header that declares nothing condemns
nothing: the clip is noted as one that may be cut.
"""

import re
import struct
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Protocol

from extractors.aiff_chunks import check_aiff
from extractors.asf_packets import check_packets
from extractors.avi_chunks import AviFile
from extractors.caf_chunks import check_caf
from extractors.damage import Damage
from extractors.declared_ends import ASF_MAGIC, declared_end
from extractors.file_ends import (
    NOT_TOLD,
    TAIL_LEFT_OUT,
    TOLD,
    WRONG_SIZE,
    Contradiction,
    Notes,
    Shortfall,
    lacks,
)
from extractors.frame_ends import after_id3, check_frames, check_pages, check_tags, flac_length
from extractors.limits import Deadline, WatchedFile
from extractors.matroska_blocks import vint
from extractors.movie_boxes import check_name
from extractors.movie_fragments import check_index
from extractors.movie_tables import (
    MOST_OF_MOVIE,
    Span,
    check_fragments,
    check_tables,
    fragment_number,
)
from extractors.program_packs import check_packs
from extractors.segments import check_parts
from extractors.transport_packets import check_transport
from extractors.wave_format import check_format, check_w64
from manifests.quarantine import BadClip, Reason

_UNKNOWN_SIZE = 0x7FFFF000 - 4096
"""Sizes from here on, a little under 2 GiB, are what writers to a pipe put into a RIFF header."""


def check_structure(
    clip_id: str,
    path: Path,
    deadline: Deadline,
    damage: Damage | None = None,
    container: str = "",
) -> Notes:
    """Refuses a file whose own sizes say that its end is missing; reads headers only.

    Args:
        clip_id: The clip's id.
        path: The file.
        deadline: The clip's time limit.
        damage: What becomes of damage; None: the file is refused.
        container: libavformat's name of the container, where it is known already.

    Returns:
        What is to be known of it: notes (see `extractors.file_ends`), and faults of streams.

    Raises:
        BadClip: TRUNCATED, CORRUPT, or TIMED_OUT.
    """
    size, damage = path.stat().st_size, damage or Damage(keep=False)
    with WatchedFile(path, deadline) as file:
        head = file.read(16)
        try:
            return _check(file, head, size, container)
        except Shortfall as missing:
            damage.report(_truncated(clip_id, missing))
        except (struct.error, IndexError):
            broken = Shortfall(f"a header breaks off before the file's end at byte {size:,}")
            damage.report(_truncated(clip_id, broken))
        except Contradiction as damaged:
            detail = f"{damaged}; copy or download it again"
            damage.report(BadClip(clip_id, Reason.CORRUPT, detail))
    return NOT_TOLD


def is_capture(head: bytes, container: str) -> bool:
    """Says whether a file is a part of a stream without a header, known by what is in it alone.

    Args:
        head: The first bytes of the file.
        container: libavformat's name of the container.

    Returns:
        True where `check_structure` needs that name to check it.
    """
    return container in _CAPTURES and not any(begins.match(head) for begins, _ in _KINDS)


def _check(file: BinaryIO, head: bytes, size: int, container: str) -> Notes:
    for begins, check in _KINDS:
        if begins.match(head):
            return check(file, size)
    if container in _CAPTURES:
        return _CAPTURES[container](file, size)
    end = declared_end(file, head)
    if end is not None and end.byte > size:
        raise lacks("the file", end.byte, size)
    notes = check_packets(file, size) if head.startswith(ASF_MAGIC) else TOLD
    if head.startswith(b"caff"):
        notes = check_caf(file, size)
    if head.startswith(b"riff"):
        check_w64(file, size)
    if head.startswith(b"FORM") and head[8:11] == b"AIF" and end is not None:
        check_aiff(file, size)
    if end is None:
        return (*NOT_TOLD, *notes)
    return (TAIL_LEFT_OUT, *notes) if end.is_all and size > end.byte + end.byte % 2 else notes


def _check_riff(file: BinaryIO, size: int) -> Notes:
    file.seek(0)
    head = file.read(12).ljust(12, b"\0")
    order = ">" if head[:4] == b"RIFX" else "<"
    (riff,) = struct.unpack(order + "I", head[4:8])
    at, long_data, avi = 12, 0, AviFile(file)
    notes: Notes = TOLD
    while at + 8 <= size:
        file.seek(at)
        kind, length = struct.unpack(order + "4sI", file.read(8))
        if at >= 8 + riff and kind != b"RIFF" and riff:  # of AVI, a second list may follow
            return (TAIL_LEFT_OUT, *notes)
        if kind == b"ds64":  # RF64 keeps the true sizes here
            whole, long_data = struct.unpack("<QQ", file.read(16).ljust(16, b"\0"))
            riff = whole or riff
        if kind == b"data" and length == 0xFFFFFFFF and long_data:
            length = long_data
        elif length >= _UNKNOWN_SIZE or (length == 0 and kind in {b"data", b"LIST"}):
            return NOT_TOLD
        end = at + 8 + length
        if end > size:
            if kind == b"data" and length == riff <= size:
                return (WRONG_SIZE,)
            raise lacks(f"the chunk `{kind.decode('latin-1').strip()}`", end, size)
        if kind == b"RIFF":
            return notes
        if head[8:12] == b"AVI ":
            notes += avi.add(kind, at + 8, end)
        if kind == b"fmt ":
            check_format(file.read(min(length, 40)), order)
        if kind == b"data" and head[8:12] == b"WAVE":
            is_more = length != riff and _check_after_data(file, end, min(8 + riff, size), order)
            is_more = is_more or size > max(end + end % 2, 8 + riff)
            return (TAIL_LEFT_OUT,) if is_more else TOLD
        at = end + length % 2
    return notes


_SLOPPY = 44
"""Bytes by which a RIFF chunk's size may be off: writers forget headers in it."""


def _check_after_data(file: BinaryIO, end: int, riff_end: int, order: str) -> bool:
    """Refuses a wav whose samples go on behind its chunk `data`, or before whose end RIFF ends.

    True where zeros follow, of which nobody can say whether they are samples.
    """
    if 12 < riff_end < end - _SLOPPY:
        raise Contradiction(
            f"the chunk `data` ends at byte {end:,} by its header, and all chunks at {riff_end:,}"
        )
    at = end + end % 2
    while at + 8 <= riff_end:
        file.seek(at)
        kind, length = struct.unpack(order + "4sI", file.read(8))
        if not re.fullmatch(rb"[\x20-\x7e]{4}|\0{4}", kind) or at + 8 + length > riff_end + _SLOPPY:
            raise Contradiction(
                f"the chunk `data` ends at byte {end:,} by its header, but what follows up to "
                f"{riff_end:,} is no chunk"
            )
        if kind == bytes(4):
            return True
        at += 8 + length + length % 2
    return False


def _boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, beginning behind its head, and end of each box of the top level.

    They are those that look like boxes. Junk after the last one is no fault.
    """
    at = 0
    while at + 8 <= size:
        file.seek(at)
        length, kind = struct.unpack(">I4s", file.read(8))
        head = 16 if length == 1 else 8
        if length == 1:
            (length,) = struct.unpack(">Q", file.read(8).ljust(8, b"\xff"))
        if length == 0:
            length = size - at
        if length < 8 or not re.fullmatch(rb"[\x20-\x7e\xa9]{4}", kind):
            return
        yield kind, at + head, at + length
        at += length


def _check_boxes(file: BinaryIO, size: int) -> Notes:
    ends = {b"moov": 0, b"mdat": 0, b"moof": 0}
    media, fragments, movie, numbers = list[Span](), list[Span](), (0, 0), list[int]()
    for kind, start, end in _boxes(file, size):
        check_name(kind, "the file")
        ends[kind] = max(end, ends.get(kind, 0))
        if kind == b"mdat":
            media.append((start, end))
        if kind == b"moov":
            movie = (start, end)
        if kind == b"moof":
            file.seek(start)
            numbers.append(fragment_number(file.read(16)))
            fragments.append((start, end))
        if end <= size:
            check_index(file, kind, start, end, len(numbers))
    for kind in (b"ftyp", b"moov", b"moof"):
        if ends.get(kind, 0) > size:
            raise lacks(f"the box `{kind.decode()}`", ends[kind], size)
    if not ends[b"moov"]:
        if ends[b"mdat"] > size:
            raise lacks("the box `mdat`", ends[b"mdat"], size)
        raise Shortfall(
            f"the file ends at byte {size:,} without the box `moov`, which every mp4 needs: 0 "
            "found, 1 expected"
        )
    notes = check_tables(file, *movie, media, fragments)
    check_fragments(numbers)
    if size > max(end for end in ends.values() if end <= size):
        return (TAIL_LEFT_OUT, *notes)
    return (*(NOT_TOLD if ends[b"moof"] and b"mfra" not in ends else TOLD), *notes)


def movie_box(file: BinaryIO, size: int) -> bytes:
    """Reads the box `moov` of an mp4 or a relative of it.

    Args:
        file: The file.
        size: Its bytes.

    Returns:
        What is behind its head; nothing where there is none, or one beyond all measure.
    """
    for kind, start, end in _boxes(file, size):
        if kind == b"moov" and end - start <= MOST_OF_MOVIE:
            file.seek(start)
            return file.read(end - start)
    return b""


def _check_segment(file: BinaryIO, size: int) -> Notes:
    file.seek(4)
    header, unknown = vint(file)
    if unknown or header > size:
        return NOT_TOLD
    file.seek(header, 1)
    if file.read(4) != b"\x18S\x80g":
        return NOT_TOLD
    length, unknown = vint(file)
    if unknown:
        return NOT_TOLD
    end = file.tell() + length
    if end > size:
        raise lacks("the Segment", end, size)
    notes = check_parts(file, end - length, end)
    return (TAIL_LEFT_OUT, *notes) if end < size else notes


_KINDS: tuple[tuple[re.Pattern[bytes], Callable[[BinaryIO, int], Notes]], ...] = (
    (re.compile(rb"RIFF|RF64|RIFX"), _check_riff),
    (re.compile(rb".{4}(?:ftyp|moov|mdat|wide|free|skip)", re.DOTALL), _check_boxes),
    (re.compile(rb"\x1aE\xdf\xa3"), _check_segment),
    (re.compile(rb"FLV"), check_tags),
    (re.compile(rb"OggS"), check_pages),
    (re.compile(rb"ID3|fLaC|\xff[\xe0-\xff]"), check_frames),
    (re.compile(rb"\0\0\x01[\xb9-\xff]"), check_packs),
    (re.compile(rb"(?:.{4})?\x47", re.DOTALL), check_transport),
)
"""What a file of each kind begins with, and what checks it."""
_CAPTURES: dict[str, Callable[[BinaryIO, int], Notes]] = {
    "mp3": check_frames,
    "aac": check_frames,
    "mpeg": check_packs,
    "mpegts": check_transport,
}
"""What checks a stream that may begin anywhere, by libavformat's name of its container."""


class Stream(Protocol):
    """What is asked of a demuxed stream; PyAV's are such."""

    @property
    def index_entries(self) -> Iterable["IndexEntry"]:
        """The samples of the file's table."""


class IndexEntry(Protocol):
    """A sample of a file's table."""

    @property
    def pos(self) -> int:
        """Its first byte in the file."""

    @property
    def size(self) -> int:
        """Its bytes."""


def check_samples(
    clip_id: str, path: Path, container: str, stream: Stream, end_s: Fraction | None
) -> None:
    """Refuses a file whose sample table or sample count goes beyond what was read.

    It is called after the packets were read.

    Args:
        clip_id: The clip's id.
        path: The file.
        container: libavformat's name of the container.
        stream: One of its streams.
        end_s: When the stream's last packet ends; None where that is not known.

    Raises:
        BadClip: TRUNCATED.
    """
    size = path.stat().st_size
    if container.startswith("mov,"):
        end = max((entry.pos + entry.size for entry in stream.index_entries), default=0)
        if end > size:
            raise _truncated(clip_id, lacks("the last sample", end, size))
    if container == "flac" and end_s is not None:
        _check_flac(clip_id, path, float(end_s))


def _check_flac(clip_id: str, path: Path, end_s: float) -> None:
    with path.open("rb") as file:
        file.seek(after_id3(file))
        head = file.read(26)
    if head[:4] != b"fLaC" or len(head) < 26:
        return
    rate, samples = flac_length(head)
    if rate and samples and round(end_s * rate) < samples:
        raise _truncated(
            clip_id,
            Shortfall(
                f"the flac holds {samples:,} samples by its header, but {round(end_s * rate):,} "
                "are there"
            ),
        )


def _truncated(clip_id: str, missing: Shortfall) -> BadClip:
    return BadClip(clip_id, Reason.TRUNCATED, f"{missing}; copy or download it again")
