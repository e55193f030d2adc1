"""Where a sound file, or one of ASF or MXF, says that it ends: read from its header alone.

    au, snd     the header's data size; all bits set: not known
    caf         the size of the chunk `data`; -1: not known
    aiff, aifc  the size of the chunk FORM; 0 or all bits set: not known
    w64         the sizes of its chunks up to `data`
    sphere      sample_count x channel_count x sample_n_bytes behind the header
    asf, wmv    File Size in the File Properties object, unless the broadcast flag is set
    mxf         the offset of the footer partition in the header partition; 0: not known

Sources: Sun's audio file format; Apple Core Audio Format 1.0; AIFF-C draft of 1991; Sony Wave64;
NIST SPHERE 2.6; Advanced Systems Format 01.20.06; SMPTE ST 377-1.
"""

import os
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

SPHERE_MAGIC = b"NIST_1A\n"
"""First bytes of a NIST SPHERE file."""
ASF_MAGIC = bytes.fromhex("3026b2758e66cf11")
"""First bytes of an ASF file."""


class DeclaredEnd(NamedTuple):
    """Where a file ends by its header."""

    byte: int
    """The one behind the last that is declared."""
    is_all: bool
    """Nothing of the format can follow; else more may, such as a chunk of text."""


def declared_end(file: BinaryIO, head: bytes) -> DeclaredEnd | None:
    """Finds where a file ends by its header.

    Args:
        file: The file.
        head: Its first 16 bytes.

    Returns:
        Its end; None where it does not say, or is of another kind.
    """
    for magic, at, find, is_all in _KINDS:
        if head[at : at + len(magic)] == magic:
            end = find(file)
            return None if end is None else DeclaredEnd(end, is_all)
    return None


def sphere_fields(head: bytes) -> dict[str, str]:
    """Reads the header of a NIST SPHERE file.

    Args:
        head: The beginning of the file.

    Returns:
        Name of a field -> its value as text.
    """
    lines = re.findall(rb"^(\w+) -\w+ ([^\n]*)$", head.partition(b"end_head")[0], re.MULTILINE)
    return {name.decode("latin-1"): value.decode("latin-1").strip() for name, value in lines}


def _read_at(file: BinaryIO, at: int, size: int) -> bytes:
    """Bytes from a place that the file itself names, where no file system may reach."""
    if at >= os.fstat(file.fileno()).st_size:
        return b""
    file.seek(at)
    return file.read(size)


def _au(file: BinaryIO) -> int | None:
    file.seek(4)
    header, data = int.from_bytes(file.read(4)), int.from_bytes(file.read(4))
    return None if data == 0xFFFFFFFF else header + data


def _aiff(file: BinaryIO) -> int | None:
    file.seek(4)
    length = int.from_bytes(file.read(4))
    return None if length in {0, 0xFFFFFFFF} else 8 + length


def _caf(file: BinaryIO) -> int | None:
    at = 8
    while True:
        chunk = _read_at(file, at, 12)
        if len(chunk) < 12:
            return None
        length = int.from_bytes(chunk[4:], signed=True)
        if length < 0:
            return None
        at += 12 + length
        if chunk[:4] == b"data":
            return at


_W64_DATA = bytes.fromhex("64617461f3acd3118cd100c04f8edb8a")


def _w64(file: BinaryIO) -> int | None:
    at = 40
    while True:
        chunk = _read_at(file, at, 24)
        length = int.from_bytes(chunk[16:], "little")
        if len(chunk) < 24 or length < 24:
            return None
        if chunk[:16] == _W64_DATA:
            return at + length
        at += length + -length % 8


def _sphere(file: BinaryIO) -> int | None:
    file.seek(8)
    try:
        header = int(file.read(8))
        file.seek(0)
        fields = sphere_fields(file.read(min(max(header, 0), 1 << 16)))
        sizes = [int(fields[name]) for name in ("sample_count", "channel_count", "sample_n_bytes")]
    except (ValueError, KeyError):
        return None
    return header + sizes[0] * sizes[1] * sizes[2] if min(sizes) > 0 else None


_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


def _asf_objects(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Kind and place of the objects in the header."""
    file.seek(24)
    at = 30
    for _ in range(int.from_bytes(file.read(4), "little") & 0xFFFF):
        head = _read_at(file, at, 24)
        length = int.from_bytes(head[16:], "little")
        if len(head) < 24 or length < 24:
            return
        yield head[:16], at
        at += length


def _asf(file: BinaryIO) -> int | None:
    for kind, at in _asf_objects(file):
        if kind == _ASF_PROPERTIES:
            file.seek(at + 40)
            size = int.from_bytes(file.read(8), "little")
            file.seek(at + 88)
            is_broadcast = int.from_bytes(file.read(4), "little") & 1
            return None if is_broadcast or not size else size
    return None


def _mxf(file: BinaryIO) -> int | None:
    file.seek(16)
    length = file.read(1)
    if not length:
        return None
    file.seek(17 + (length[0] & 0x7F if length[0] & 0x80 else 0) + 24)
    footer = int.from_bytes(file.read(8))
    return footer + 16 if footer else None


_KINDS: tuple[tuple[bytes, int, Callable[[BinaryIO], int | None], bool], ...] = (
    (b".snd", 0, _au, True),
    (b"caff", 0, _caf, False),
    (b"AIFF", 8, _aiff, True),
    (b"AIFC", 8, _aiff, True),
    (bytes.fromhex("726966662e91cf11a5d628db04c10000"), 0, _w64, False),
    (SPHERE_MAGIC, 0, _sphere, True),
    (ASF_MAGIC, 0, _asf, True),
    (bytes.fromhex("060e2b34020501010d0102010102"), 0, _mxf, False),
)
"""First bytes of a file, where they stand, what finds its end, and whether nothing may follow."""
