"""Files cut short, found by what the header declares against what the file holds.

A decoder plays what is there and says nothing, so that a half copy would pass for a shorter clip.
Each container declares its size in its own way:

    mp4, mov     boxes; without `moov` nothing can be read; with it, every sample of the table must
                 lie inside the file
    wav          the size of the `data` chunk; 0, or 2 GiB and more, is what writers to a pipe
                 leave there and declares nothing
    avi          the sizes of the chunks of the first RIFF list (`movi` is one)
    mkv, webm    the size of the Segment element, which may be unknown (a live recording)
    flv          whole tags; `duration` and `filesize` of onMetaData, where it has them
    mp3          the frame and byte counts of a Xing or Info header, where there is one
    flac         the number of samples in STREAMINFO
    ogg          whole pages

Sources: ISO/IEC 14496-12 (boxes), Microsoft RIFF and AVI references, RFC 8794 (EBML), Adobe Flash
Video File Format 10.1, RFC 9639 (FLAC), RFC 3533 (Ogg). A header that declares nothing condemns
nothing.
"""

import re
import struct
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Protocol

from manifests.quarantine import BadClip, Reason

_UNKNOWN_SIZE = 0x7FFFF000 - 4096
"""Sizes from here on, a little under 2 GiB, are what writers to a pipe put into a RIFF header."""
_MP3_SLACK = 1500
"""Bytes that a Xing header's count may be off, which differs between encoders in whether its own
frame counts."""
_FLV_SLACK_S = 0.5
_FLV_SLACK = 0.1
"""onMetaData's duration is off by a few frames in sound files; a file is cut where more than both
of these is missing."""


class Shortfall(Exception):
    """The file holds less than it declares; the text is a sentence without its end."""


def check_structure(clip_id: str, path: Path) -> None:
    """Refuses a file whose own sizes say that its end is missing; reads headers only.

    Args:
        clip_id: The clip's id.
        path: The file.

    Raises:
        BadClip: TRUNCATED.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(16)
        try:
            _check(file, head, size)
        except Shortfall as missing:
            raise _truncated(clip_id, missing) from missing


def _check(file: BinaryIO, head: bytes, size: int) -> None:
    if head[:4] in {b"RIFF", b"RF64", b"RIFX"}:
        _check_riff(file, head, size)
    elif head[4:8] in {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"}:
        _check_boxes(file, size)
    elif head[:4] == b"\x1aE\xdf\xa3":
        _check_segment(file, size)
    elif head[:3] == b"FLV":
        _check_tags(file, size)
    elif head[:4] == b"OggS":
        _check_pages(file, size)
    elif head[:3] == b"ID3" or (head[0] == 0xFF and head[1:2] >= b"\xe0"):
        _check_xing(file, size)


def _lacks(what: str, declared: int, size: int) -> Shortfall:
    return Shortfall(
        f"{what} ends at byte {declared:,} by its header, but the file holds {size:,} bytes"
    )


def _check_riff(file: BinaryIO, head: bytes, size: int) -> None:
    order = ">" if head[:4] == b"RIFX" else "<"
    at, long_data = 12, 0
    while at + 8 <= size:
        file.seek(at)
        kind, length = struct.unpack(order + "4sI", file.read(8))
        if kind == b"ds64":  # RF64 keeps the true sizes here
            long_data = struct.unpack("<QQ", file.read(16).ljust(16, b"\0"))[1]
        if kind == b"data" and length == 0xFFFFFFFF and long_data:
            length = long_data
        elif length >= _UNKNOWN_SIZE or (length == 0 and kind in {b"data", b"LIST"}):
            return
        if at + 8 + length > size:
            raise _lacks(f"the chunk `{kind.decode('latin-1').strip()}`", at + 8 + length, size)
        if kind == b"RIFF" or (kind == b"data" and head[8:12] == b"WAVE"):
            return
        at += 8 + length + length % 2


def _boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int]]:
    """Type and end of each box of the top level, as long as they look like boxes.

    Junk after the last one is no fault.
    """
    at = 0
    while at + 8 <= size:
        file.seek(at)
        length, kind = struct.unpack(">I4s", file.read(8))
        if length == 1:
            (length,) = struct.unpack(">Q", file.read(8).ljust(8, b"\xff"))
        if length == 0:
            length = size - at
        if length < 8 or not re.fullmatch(rb"[\x20-\x7e\xa9]{4}", kind):
            return
        yield kind, at + length
        at += length


def _check_boxes(file: BinaryIO, size: int) -> None:
    ends = {b"moov": 0, b"mdat": 0, b"moof": 0}
    for kind, end in _boxes(file, size):
        ends[kind] = max(end, ends.get(kind, 0))
    for kind in (b"ftyp", b"moov", b"moof"):
        if ends.get(kind, 0) > size:
            raise _lacks(f"the box `{kind.decode()}`", ends[kind], size)
    if not ends[b"moov"]:
        if ends[b"mdat"] > size:
            raise _lacks("the box `mdat`", ends[b"mdat"], size)
        raise Shortfall(
            f"the file ends at byte {size:,} without the box `moov`, which every mp4 needs: 0 "
            "found, 1 expected"
        )


def _vint(file: BinaryIO) -> tuple[int, bool]:
    """An EBML size, and whether it is the one that means `unknown` (all bits set)."""
    first = file.read(1)
    if not first or not first[0]:
        return 0, True
    length = 9 - first[0].bit_length()
    value = int.from_bytes(first + file.read(length - 1)) & ((1 << 7 * length) - 1)
    return value, value == (1 << 7 * length) - 1


def _check_segment(file: BinaryIO, size: int) -> None:
    file.seek(4)
    header, unknown = _vint(file)
    if unknown or header > size:
        return
    file.seek(header, 1)
    if file.read(4) != b"\x18S\x80g":
        return
    length, unknown = _vint(file)
    if not unknown and file.tell() + length > size:
        raise _lacks("the Segment", file.tell() + length, size)


def _check_tags(file: BinaryIO, size: int) -> None:
    """FLV: a header of 9 bytes, then tags, each followed by its size in 4 bytes."""
    file.seek(5)
    at = int.from_bytes(file.read(4)) + 4
    first, last_ms, meta = True, 0, b""
    while at + 11 <= size:
        file.seek(at)
        tag = file.read(11)
        if tag[0] & 0x1F not in {8, 9, 18}:
            return
        length = int.from_bytes(tag[1:4])
        if at + 11 + length > size:
            raise _lacks("the last tag", at + 11 + length, size)
        if first and tag[0] & 0x1F == 18:
            meta = file.read(min(length, 65536))
        if tag[0] & 0x1F != 18:
            last_ms = max(last_ms, int.from_bytes(tag[7:8] + tag[4:7]))
        first = False
        at += 11 + length + 4
    _check_metadata(meta, last_ms, size)


def _check_metadata(meta: bytes, last_ms: int, size: int) -> None:
    declared = _amf_number(meta, b"filesize")
    if declared > size:
        raise _lacks("the flv", int(declared), size)
    duration = _amf_number(meta, b"duration")
    missing = duration - last_ms / 1000
    if missing > _FLV_SLACK_S and missing > _FLV_SLACK * duration:
        raise Shortfall(
            f"the flv lasts {duration:.2f} s by its header, but its last packet is at "
            f"{last_ms / 1000:.2f} s"
        )


def _amf_number(meta: bytes, key: bytes) -> float:
    """A number of an AMF0 object, 0 where it is not there or no size at all."""
    found = re.search(
        re.escape(struct.pack(">H", len(key)) + key + b"\0") + rb"(.{8})", meta, re.DOTALL
    )
    value = struct.unpack(">d", found[1])[0] if found else 0.0
    return float(value) if 0 < value < 2**53 else 0.0


def _check_pages(file: BinaryIO, size: int) -> None:
    at = 0
    while at < size:
        file.seek(at)
        page = file.read(27)
        if page[:4] != b"OggS"[: len(page)]:
            return
        table = file.read(page[26]) if len(page) == 27 else b""
        end = at + 27 + (len(table) and page[26]) + sum(table)
        if end > size or len(page) < 27 or len(table) < page[26]:
            raise _lacks("the last Ogg page", max(end, at + 28), size)
        at = end


_MP3_SIDE_INFO = {(True, False): 32, (True, True): 17, (False, False): 17, (False, True): 9}
"""Bytes between an MPEG audio frame's header and its Xing header, by (MPEG-1, mono)."""


def _check_xing(file: BinaryIO, size: int) -> None:
    at = _after_id3(file)
    file.seek(at)
    frame = file.read(200)
    if len(frame) < 60 or frame[0] != 0xFF or frame[1] & 0xE0 != 0xE0:
        return
    xing = 4 + _MP3_SIDE_INFO[frame[1] & 0x18 == 0x18, frame[3] >> 6 == 3]
    if frame[xing : xing + 4] not in {b"Xing", b"Info"}:
        return
    flags = int.from_bytes(frame[xing + 4 : xing + 8])
    if flags & 2:
        skip = xing + 8 + (4 if flags & 1 else 0)
        declared = at + int.from_bytes(frame[skip : skip + 4])
        if declared - size > max(_MP3_SLACK, 0.01 * declared):
            raise _lacks("the mp3", declared, size)


def _after_id3(file: BinaryIO) -> int:
    file.seek(0)
    tag = file.read(10)
    if tag[:3] != b"ID3" or len(tag) < 10:
        return 0
    length = 0
    for byte in tag[6:10]:
        length = length << 7 | byte & 0x7F
    return 10 + length + (10 if tag[5] & 0x10 else 0)


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
            raise _truncated(clip_id, _lacks("the last sample", end, size))
    if container == "flac" and end_s is not None:
        _check_flac(clip_id, path, float(end_s))


def _check_flac(clip_id: str, path: Path, end_s: float) -> None:
    with path.open("rb") as file:
        file.seek(_after_id3(file))
        head = file.read(26)
    if head[:4] != b"fLaC" or len(head) < 26:
        return
    packed = int.from_bytes(head[18:26])
    rate, samples = packed >> 44, packed & (1 << 36) - 1
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
