"""Files that appear complete or not at all.

A file is written under a hidden name in its own folder, forced to disk and renamed. A killed writer
therefore leaves the old file, or none, and a hidden one that `sweep` removes.
"""

import os
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

_HIDDEN = re.compile(r"\..+\.\d+-[0-9a-f]{8}\.tmp")


@contextmanager
def publishing(path: Path) -> Iterator[Path]:
    """Publishes a file that the block writes, when the block ends without an exception.

    Args:
        path: Where the file will lie; missing folders are made.

    Yields:
        A hidden path to write to. It is removed where the block fails, and nothing is published.

    Raises:
        OSError: The disk fails; nothing is published.
    """
    make_folder(path.parent)
    hidden = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        yield hidden
        sync(hidden)
        hidden.replace(path)
    except BaseException:
        hidden.unlink(missing_ok=True)
        raise
    sync(path.parent)


def write_bytes(path: Path, data: bytes) -> None:
    """Writes a file, replacing an older one at once.

    Args:
        path: The file.
        data: All of its bytes.
    """
    with publishing(path) as hidden:
        hidden.write_bytes(data)


def sweep(root: Path) -> list[Path]:
    """Removes what killed writers left.

    Args:
        root: Folder of a store whose lock the caller has: no other writer may be at work.

    Returns:
        What was removed.
    """
    left = leftovers(root)
    for path in left:
        path.unlink(missing_ok=True)
    return left


def leftovers(root: Path) -> list[Path]:
    """Lists what killed writers left, or writers at work have not published yet.

    Args:
        root: Folder of a store.

    Returns:
        The hidden files, sorted.
    """
    return sorted(path for path in files_below(root) if _HIDDEN.fullmatch(path.name))


def files_below(root: Path) -> Iterator[Path]:
    """Lists the files of a folder.

    Args:
        root: The folder, there or not.

    Yields:
        Every file, at any depth. A folder that a writer removes meanwhile is passed over, where
        `Path.rglob` would fail.
    """
    for folder, _, names in os.walk(root):
        yield from (Path(folder, name) for name in names)


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it, and forces each new name to disk.

    Args:
        folder: The folder, there or not.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync(folder.parent)


def settle(root: Path, files: Iterable[str]) -> None:
    """Forces to disk the names of files that lie there, and of the folders that they lie in.

    A writer that was killed may have named a file, and made a folder, without doing so.

    Args:
        root: A folder.
        files: Paths below it, with forward slashes.
    """
    folders = {folder for file in files for folder in PurePosixPath(file).parents}
    for folder in sorted(folders, reverse=True):
        sync(root / folder)


def sync(path: Path) -> None:
    """Forces to disk what was written to a file, or the names in a folder.

    Args:
        path: The file or the folder.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
