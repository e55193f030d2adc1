"""Which files of a store somebody on this machine has open: `affectstore gc` removes none of them.

A reader holds a shared lock on the file of its snapshot for as long as it lives, also across a
fork; whoever would remove the snapshot asks for the lock alone, and is refused. Where the system
has /proc, files that a process has mapped or opened in another way are seen there, as far as this
user may look.
"""

import os
import time
import weakref
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_HOW = sum(getattr(os, f"O_{name}", 0) for name in ("NOFOLLOW", "NONBLOCK", "CLOEXEC"))
_PROCESSES = Path("/proc")
_TRIES, _PAUSE_S = 50, 0.002


def hold(owner: object, path: Path) -> None:
    """Has the file of a snapshot count as open while an object lives.

    Args:
        owner: The object; where its file system has no locks, nothing is held.
        path: The file, there or not.
    """
    descriptor = _locked(path, "LOCK_SH")
    if descriptor is not None:
        weakref.finalize(owner, _close, descriptor)


def is_held(path: Path) -> bool:
    """Whether a reader on this machine holds the file of a snapshot.

    Args:
        path: The file.

    Returns:
        True where one does; False too where there is no such file.
    """
    if not path.is_file():
        return False
    descriptor = _locked(path, "LOCK_EX")
    if descriptor is not None:
        _close(descriptor)
    return descriptor is None


def _locked(path: Path, how: str) -> int | None:
    """An open descriptor with a lock; None where there is none to be had."""
    try:
        import fcntl
    except ImportError:  # Windows, which lets nobody remove an open file
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | _HOW)
    except OSError:
        return None
    for _ in range(_TRIES if how == "LOCK_SH" else 1):
        try:
            fcntl.flock(descriptor, getattr(fcntl, how) | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:  # somebody looks whether it is held
            time.sleep(_PAUSE_S)
        except OSError:
            break
    os.close(descriptor)
    return None


def _close(descriptor: int) -> None:
    with suppress(OSError):
        os.close(descriptor)


def open_below(folder: Path) -> set[str]:
    """Lists files of a folder that some process has open or mapped, as far as /proc says so.

    Args:
        folder: The folder.

    Returns:
        Their paths below it, with forward slashes.
    """
    root = f"{folder.resolve()}/"
    found: set[str] = set()
    for process in _PROCESSES.glob("[0-9]*"):
        with suppress(OSError):
            found.update(_descriptors(process))
        with suppress(OSError):
            lines = (process / "maps").read_text(errors="surrogateescape").splitlines()
            found.update(line[line.index("/") :] for line in lines if root in line)
    return {path.removeprefix(root) for path in found if path.startswith(root)}


def _descriptors(process: Path) -> Iterator[str]:
    for one in (process / "fd").iterdir():
        with suppress(OSError):  # it was closed meanwhile
            yield str(one.readlink())
