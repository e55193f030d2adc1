"""Faults put into a command on purpose: each must be found, or the harness finds nothing."""

import os
from collections.abc import Callable
from pathlib import Path


def pointer_first() -> None:
    """Publishes the pointer before the snapshot that it names."""
    import stores.publish as publish

    commit = publish._commit

    def hasty(location: object, new: object, parent: object, version: object) -> object:
        number = new.number  # type: ignore[attr-defined]
        location.replace(publish.POINTER, publish.pointer_to(number), version)  # type: ignore[attr-defined]
        fresh = location.version(publish.POINTER)  # type: ignore[attr-defined]
        return commit(location, new, parent, fresh)  # type: ignore[arg-type]

    publish._commit = hasty  # type: ignore[assignment]


def no_file_sync() -> None:
    """Renames files that were not forced to disk."""
    _without_sync(Path.is_file)


def no_folder_sync() -> None:
    """Does not force folders to disk after a rename."""
    _without_sync(Path.is_dir)


def _without_sync(forgotten: Callable[[Path], bool]) -> None:
    """Also in workers, which are told by the variable; see `in_worker`."""
    import stores.atomic as atomic

    sync = atomic.sync
    atomic.sync = lambda path: None if forgotten(path) else sync(path)  # type: ignore[assignment]


def in_place() -> None:
    """Writes files under their own names."""
    import stores.atomic as atomic
    import stores.location as location
    import stores.publish as publish

    def write(path: Path, data: bytes) -> None:
        atomic.make_folder(path.parent)
        path.write_bytes(data)

    for module in (atomic, location, publish):
        module.write_bytes = write  # type: ignore[attr-defined]


def orphans() -> None:
    """Starts a process that does not end with its command."""
    if os.fork() == 0:
        import time

        time.sleep(100)
        os._exit(0)


def clock() -> None:
    """Writes the time into what is published."""
    import time

    import stores.publish as publish

    text = publish.json_text
    publish.json_text = lambda value: text(value) + f"{time.time()}\n".encode()  # type: ignore[assignment]


TAMPERS = {
    one.__name__: one
    for one in (pointer_first, no_file_sync, no_folder_sync, in_place, orphans, clock)
}
"""By name, as `--tamper` takes them."""
