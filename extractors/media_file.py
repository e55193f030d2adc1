"""A media file as it is given to be read: a path, or a file whose bytes are at hand."""

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

MOST_HELD = 1 << 25
"""Bytes of the largest file that is held whole: five minutes of 48 kHz in 16 bits."""


@runtime_checkable
class HeldFile(Protocol):
    """A file that somebody has read already."""

    @property
    def data(self) -> bytes | None:
        """All of its bytes; None where they are not at hand."""

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


def held_bytes(
    file: MediaFile, head_bytes: int, is_wanted: Callable[[bytes], bool]
) -> bytes | None:
    """Reads a file whole, where it is of a kind and not too large.

    Args:
        file: The file.
        head_bytes: How many bytes tell the kind.
        is_wanted: Whether what begins with these is of the kind.

    Returns:
        Its bytes; None for a file of another kind, for a large one, and for what is no file.

    Raises:
        OSError: The file is missing or the disk fails.
    """
    if not isinstance(file, Path):
        data = file.data
        return data if data is not None and is_wanted(data[:head_bytes]) else None
    status = file.stat()
    if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_HELD:
        return None
    with file.open("rb", buffering=0) as opened:
        if not is_wanted(opened.read(head_bytes)):
            return None
        opened.seek(0)
        return opened.read(MOST_HELD)
