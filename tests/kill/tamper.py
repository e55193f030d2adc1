"""Faults put into a command on purpose: each must be found, or the harness finds nothing."""

import os
from collections.abc import Callable
from pathlib import Path


def pointer_first() -> None:
    """Publishes the pointer before the snapshot that it names."""
    from stores.location import Location

    create, late = Location.create, list[tuple[str, bytes]]()

    def postponed(location: Location, file: str, data: bytes) -> bool:
        late.append((file, data))
        return True

    def replace(location: Location, file: str, data: bytes, version: object) -> bool:
        create(location, file, data)
        return all(create(location, *each) for each in late)

    Location.create = postponed  # type: ignore[method-assign]
    Location.replace = replace  # type: ignore[method-assign, assignment]


def no_file_sync() -> None:
    """Renames files that were not forced to disk."""
    _without_sync(Path.is_file)


def no_folder_sync() -> None:
    """Does not force folders to disk after a rename."""
    _without_sync(Path.is_dir)


def _without_sync(forgotten: Callable[[Path], bool]) -> None:
    """In the command alone: workers are started anew."""
    from stores import atomic

    sync = atomic.sync
    atomic.sync = lambda path: None if forgotten(path) else sync(path)  # type: ignore[assignment]


def in_place() -> None:
    """Writes files under their own names."""
    from stores import atomic, location, publish

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

    from stores.location import Location

    create = Location.create

    def dated(location: Location, file: str, data: bytes) -> bool:
        stamp = f"{time.time()}\n".encode() if file.startswith("snapshots/") else b""
        return create(location, file, data + stamp)

    Location.create = dated  # type: ignore[method-assign]


TAMPERS = {
    one.__name__: one
    for one in (pointer_first, no_file_sync, no_folder_sync, in_place, orphans, clock)
}
"""By name, as `--tamper` takes them."""
