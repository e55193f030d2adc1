"""Copies of clips' files, which nobody changes: what was hashed is what is probed and decoded.

A file may be overwritten, replaced or cut while it is read, and put back afterwards. Decoders open
a file several times and read parts of it twice, and neither its times nor a second look at its
hash prove that they have seen the bytes that were hashed. So a file of a corpus is opened once,
read once from its beginning to its end, and hashed on the way into a copy; all else reads that.

The copy of a wav is its bytes, which most often need no decoder. Who opens a copy finds it here:

    <temporary folder>/affectstore-xxxx/c.mp4     a link to the copy, which has no name: it lies in
                                                  memory, that of a large file on the disk

The name ends as that of the file, since libavformat looks at it where the bytes leave a doubt.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property, partial
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from extractors.limits import Deadline
from extractors.media_file import MOST_HELD
from extractors.plain_wave import HEAD_BYTES, may_be_plain

_IN_MEMORY = 1 << 28
"""Bytes of the largest file whose copy lies in memory; beyond it the disk has more room."""
_PART = 1 << 20


Stat = tuple[int, int, int, int]
"""Of a file: bytes, the times of its last writing and its last change in nanoseconds, and the inode
without its highest bit."""


Held = bytes


@dataclass(frozen=True)
class FileCopy:
    """A copy of a file, and what it is a copy of. It is there until another file is copied."""

    source: Path
    sha256: str
    bytes: int
    stat: Stat | None
    """Of the file, before and after it was read; None where these differ, twice."""
    data: Held | None
    """All of it, of a wav that is not too large."""
    _open: Callable[[], Path] = field(repr=False)

    @cached_property
    def path(self) -> Path:
        """Where it is opened; bytes that were held are written there when this is asked."""
        return self._open()


class FileCopies:
    """Makes copies of files, and keeps the last one: many clips may be turns in one long file."""

    def __init__(self) -> None:
        self._all, self._of_last = ExitStack(), ExitStack()
        self._last: FileCopy | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._of_last.close()
        self._all.close()

    def copy(self, clip_id: str, path: Path, timeout_s: float) -> FileCopy:
        """Copies a file, unless it was the last one to be copied.

        Args:
            clip_id: The clip that is read.
            path: Its file.
            timeout_s: How long reading it may take.

        Returns:
            The copy. It is there until another file is copied, or the block ends.

        Raises:
            BadClip: TIMED_OUT.
            OSError: The file is missing or the disk fails.
        """
        if self._last is None or self._last.source != path:
            with Deadline(clip_id, timeout_s) as deadline:
                copy = self._copy(path, deadline)
                self._last = copy if copy.stat else self._copy(path, deadline)
        return self._last

    def _copy(self, path: Path, deadline: Deadline) -> FileCopy:
        self._last = None
        self._of_last.close()
        with path.open("rb", buffering=0) as file:
            before = os.fstat(file.fileno())
            head = os.pread(file.fileno(), HEAD_BYTES, 0)
            if before.st_size <= MOST_HELD and may_be_plain(head):
                data = _read(file, before.st_size, deadline)
                sha256, size = hashlib.sha256(data).hexdigest(), len(data)
                opened = partial(self._write, path.suffix, data)
            else:
                data = None
                sha256, size, name = self._spool(file, path.suffix, before.st_size, deadline)
                opened = partial(_as_it_is, name)
            stat = stat_of(before)
            is_same = stat == stat_of(os.fstat(file.fileno()))
        return FileCopy(path, sha256, size, stat if is_same else None, data, opened)

    def _spool(
        self, file: FileIO, suffix: str, size: int, deadline: Deadline
    ) -> tuple[str, int, Path]:
        """Copies a large file: its hash, its bytes, and where the copy lies."""
        digest, part = hashlib.sha256(), memoryview(bytearray(min(size, _PART)))
        copy, name = self._new(suffix, size)
        left = size
        while left > 0 and (count := file.readinto(part[:left])):
            digest.update(part[:count])
            copy.write(part[:count])
            left -= count
            deadline.left_s()
        copy.flush()
        return digest.hexdigest(), size - left, name

    def _write(self, suffix: str, data: bytes) -> Path:
        copy, name = self._new(suffix, len(data))
        copy.write(data)
        copy.flush()
        return name

    def _new(self, suffix: str, size: int) -> tuple[IO[bytes], Path]:
        """An empty file, and where it is opened for reading."""
        path = self._folder / f"c{suffix}"
        self._of_last.callback(path.unlink, missing_ok=True)
        if not hasattr(os, "memfd_create"):
            return self._of_last.enter_context(path.open("wb")), path
        copy = self._of_last.enter_context(self._unnamed(size))
        path.symlink_to(f"/proc/{os.getpid()}/fd/{copy.fileno()}")
        return copy, path

    @cached_property
    def _folder(self) -> Path:
        made = tempfile.TemporaryDirectory(prefix="affectstore-")
        return Path(self._all.enter_context(made))

    def _unnamed(self, size: int) -> IO[bytes]:
        if size > _IN_MEMORY:
            return tempfile.TemporaryFile(dir=self._folder)
        return os.fdopen(os.memfd_create("clip"), "wb")


def _read(file: FileIO, size: int, deadline: Deadline) -> bytes:
    """The first bytes of a file: what is appended meanwhile is left to a later look."""
    parts: list[bytes] = []
    while size > 0 and (part := file.read(size)):
        parts.append(part)
        size -= len(part)
        deadline.left_s()
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _as_it_is(path: Path) -> Path:
    return path


def stat_of(found: os.stat_result) -> Stat:
    """Takes from the stat of a file what changes when it does.

    Args:
        found: As of os.stat.

    Returns:
        Its size, times and inode.
    """
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino & (2**63 - 1)
