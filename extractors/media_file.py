"""A media file as it is given to be read: a path, or a file whose bytes are at hand."""

import os
import stat
from pathlib import Path
from typing import Protocol, runtime_checkable

MOST_HELD = 1 << 22
"""Bytes of the largest file that is read whole: three quarters of a minute of 48 kHz."""


@runtime_checkable
class HeldFile(Protocol):
    """A file that somebody has read already."""

    @property
    def data(self) -> bytes | None:
        """All of its bytes; None where it is too large for that."""

    @property
    def path(self) -> Path:
        """Where it can be opened; it may be written there when this is asked for."""


MediaFile = Path | HeldFile


def path_of(file: MediaFile) -> Path:
    """Says where a file can be opened.

    Args:
        file: The file.

    Returns:
        Its path.
    """
    return file if isinstance(file, Path) else file.path


def held_bytes(file: MediaFile, magic: bytes) -> memoryview | None:
    """Reads a file whole, where it is of a kind and small.

    Args:
        file: The file.
        magic: What its kind begins with.

    Returns:
        Its bytes; None for a file of another kind, for a large one, and for what is no file.

    Raises:
        OSError: The file is missing or the disk fails.
    """
    if not isinstance(file, Path):
        data = file.data
        return memoryview(data) if data is not None and data.startswith(magic) else None
    status = file.stat()
    if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_HELD:
        return None
    with file.open("rb", buffering=0) as opened:
        if opened.read(len(magic)) != magic:
            return None
        opened.seek(0, os.SEEK_SET)
        return memoryview(opened.read(MOST_HELD))
