"""Paths below the root of a store, and what they hold: a store may come from anyone."""

import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from io import BufferedReader
from pathlib import Path

from manifests.features import Json, canonical_json
from stores.parsing import WrongRecord

_PART = r"(?!\.\.?(?:/|\Z))[^/\\:\0\ud800-\udfff]+"
_BELOW = re.compile(f"{_PART}(?:/{_PART})*")
"""A relative path with forward slashes, without `.`, `..` and what another system takes for more
than a name."""
_READ = sum(getattr(os, f"O_{name}", 0) for name in ("NOFOLLOW", "NONBLOCK", "CLOEXEC", "BINARY"))
_KINDS = {
    stat.S_IFDIR: "folder",
    stat.S_IFIFO: "FIFO",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
}


class WrongPlace(WrongRecord):
    """A file or folder of a store is a link, or is of another kind; the message names it."""


class MissingFile(FileNotFoundError):
    """A file that a snapshot lists is not there; the message names it."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} is missing; restore it from a copy, or build into an empty folder"
        )
        self._name = name

    def __reduce__(self) -> tuple[type["MissingFile"], tuple[str]]:
        return MissingFile, (self._name,)


def inside(root: Path, file: str) -> Path:
    """Finds the path of a file of a store.

    Args:
        root: Folder of the store, which may be reached by links.
        file: Path of the file below it, with forward slashes.

    Returns:
        The path, whether the file is there or not.

    Raises:
        WrongRecord: The path leads out of the store by its parts.
        WrongPlace: The file, or a folder between it and the root, is a symbolic link; or a file is
            where such a folder should be.
    """
    check_names([file])
    path, left = str(root), file.count("/")
    for part in file.split("/"):
        path = f"{path}/{part}"
        try:
            mode = os.lstat(path).st_mode
        except FileNotFoundError:
            break
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            raise _wrong_name(file) from error
        if stat.S_ISLNK(mode) or (left and not stat.S_ISDIR(mode)):
            raise _strange(path, mode, "folder" if left else "plain file")
        left -= 1
    return root / file


def check_names(files: Iterable[str]) -> None:
    """Checks paths of files by their text alone.

    Args:
        files: Paths below the root of a store.

    Raises:
        WrongRecord: One leads out of the store.
    """
    for file in files:
        if not _BELOW.fullmatch(file):
            raise _wrong_name(file)


def _wrong_name(file: str) -> WrongRecord:
    return WrongRecord(
        f"{file!r} is not a path below the store's root; expected one such as "
        "shards/mfcc/0a1b/2c3d.h5"
    )


def check_inside(root: Path, files: Iterable[str]) -> None:
    """Checks the paths of very many files, faster than `inside`: each folder is looked at once.

    Args:
        root: Folder of the store.
        files: Paths below it.

    Raises:
        WrongRecord: A path leads out of the store by its parts.
        WrongPlace: A file or folder is a link, or is of another kind.
    """
    folders: set[str] = set()
    for file in files:
        folder = file.rpartition("/")[0]
        # A Path for each of a million files takes longer.
        if folder not in folders or os.path.islink(f"{root}/{file}"):  # noqa: PTH114
            inside(root, file)
            folders.add(folder)
        else:
            check_names([file])


def open_plain(path: Path) -> BufferedReader:
    """Opens a plain file for reading, and nothing else: a FIFO would be waited for.

    Args:
        path: The file.

    Returns:
        The open file.

    Raises:
        WrongPlace: It is a link, a folder, a FIFO, a socket or a device.
        OSError: The disk fails: no such file, no permission.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | _READ)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENXIO}:  # a link; a socket
            raise _strange(path, os.lstat(path).st_mode, "plain file") from error
        raise
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise _strange(path, mode, "plain file")
    return os.fdopen(descriptor, "rb")


def strange_entries(root: Path) -> Iterator[str]:
    """Looks for what no file or folder of a store may be.

    Args:
        root: Folder of the store.

    Yields:
        One sentence for each link, FIFO, socket or device, at any depth.
    """
    for folder, folders, files in os.walk(root):
        for name in sorted([*folders, *files]):
            path = f"{folder}/{name}"
            try:
                mode = os.lstat(path).st_mode
            except FileNotFoundError:  # a writer's, which is gone by now
                continue
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                yield str(_strange(path, mode, "plain file"))


def _strange(path: Path | str, mode: int, expected: str) -> WrongPlace:
    if stat.S_ISLNK(mode):
        return WrongPlace(
            f"{path} is a link, and nothing of a store may lie elsewhere; "
            "remove it, or put a copy of what it points to in its place"
        )
    kind = _KINDS.get(stat.S_IFMT(mode), "file")
    return WrongPlace(
        f"{path} is a {kind}, expected a {expected}; restore it from a copy, or build into an "
        "empty folder"
    )


def key_of(content: Json) -> str:
    """Makes the name of a file that is a function of its content.

    Args:
        content: What decides on the content.

    Returns:
        32 hex digits.
    """
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()[:32]


def sha256_of(path: Path) -> str:
    """Hashes a file.

    Args:
        path: The file.

    Returns:
        64 hex digits.

    Raises:
        WrongPlace: It is no plain file.
        OSError: The disk fails: no such file, no permission.
    """
    with open_plain(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
