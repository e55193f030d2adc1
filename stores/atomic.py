"""Files that appear whole or not at all.

A file is written under a hidden name in its own folder, forced to disk and renamed. A killed writer
therefore leaves the old file, or none, and a hidden one that `sweep` removes.
"""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_HIDDEN = re.compile(r"\..+\.\d+-[0-9a-f]{8}\.tmp")


@contextmanager
def publishing(path: Path) -> Iterator[Path]:
    """Gives a hidden path to write to; the file gets its name when the block ends well, and is
    removed when it does not.

    Missing folders are made. OSError of the disk passes through, and then nothing is published.
    """
    make_folder(path.parent)
    hidden = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        yield hidden
        _sync(hidden)
        hidden.replace(path)
    except BaseException:
        hidden.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file, replacing an older one at once."""
    with publishing(path) as hidden:
        hidden.write_bytes(data)


def sweep(root: Path) -> list[Path]:
    """Remove what killed writers left below `root`, and say what it was. No other writer may be at
    work: hold the store's lock."""
    left = leftovers(root)
    for path in left:
        path.unlink(missing_ok=True)
    return left


def leftovers(root: Path) -> list[Path]:
    """What `sweep` would remove."""
    return sorted(path for path in files_below(root) if _HIDDEN.fullmatch(path.name))


def files_below(root: Path) -> Iterator[Path]:
    """Every file; a folder that a writer removes meanwhile is passed over, which `Path.rglob` takes
    for an error."""
    for folder, _, names in os.walk(root):
        yield from (Path(folder, name) for name in names)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; each new name is forced to disk in the folder that holds
    it."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync(folder.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
