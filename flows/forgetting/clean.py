"""Removing files of a store, so that none comes back after a power cut."""

import os
import re
import shutil
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path, PurePosixPath

from stores.atomic import files_below, leftovers, sync
from stores.location import Location
from stores.made import MADE
from stores.paths import WrongPlace
from stores.pointer import POINTER

JOURNAL = ".forgetting-"
"""How the name of the journal of a subject that is being forgotten begins."""
_OF_THE_MACHINE = (".lock", MADE, JOURNAL)
_CONTENT = re.compile(
    r"(?:\.pieces/)?(?:shards|fitted)/[^/]+/[0-9a-f]+/(?:[^/.][^/]*/)?[^/.][^/]*\.h5"
    r"|tables/[a-z]+-[0-9a-f]+\.parquet|snapshots/[0-9]+\.json"
)
"""Files that a store's snapshots name, or may have named: others in these folders are not ours."""


def unlisted(location: Location, files: Iterable[str], listed: Collection[str]) -> list[str]:
    """Finds the files that a store need not have.

    Args:
        location: Where it lies.
        files: Every file of it.
        listed: Those that its snapshots name, and the snapshots themselves.

    Returns:
        The others among shards, states, tables and snapshots, and what killed writers left; no file
        that is not affectstore's.
    """
    hidden = {path.relative_to(location.folder).as_posix() for path in leftovers(location.folder)}
    return sorted(
        file
        for file in {*files, *hidden}
        if file not in listed and (_CONTENT.fullmatch(file) or file in hidden)
    )


def foreign(files: Iterable[str]) -> list[str]:
    """Finds the files in the folder of a store that no command of affectstore has put there.

    Args:
        files: Every file of the store.

    Returns:
        Their paths, sorted.
    """
    own = (*_OF_THE_MACHINE, ".seen.parquet")
    return sorted(
        file
        for file in files
        if file != POINTER
        and not file.startswith(own)
        and not _CONTENT.fullmatch(file)
        and not file.endswith((".tmp", ".sha256"))
    )


def remove_files(location: Location, files: Collection[str]) -> None:
    """Removes files, and folders that are empty then.

    Args:
        location: Where the store lies; what is removed has been taken out of its pointer before.
        files: Paths below its root.
    """
    for file in files:
        try:
            location.remove(file)
        except WrongPlace:  # a link at this place: not ours to follow
            continue
    _settle(location)


def remove_copies(location: Location, listed: Collection[str]) -> None:
    """Removes from the cache of a URL what the store does not list, and downloads that were killed.

    Args:
        location: Where the store lies; of a folder nothing is removed.
        listed: What stays.
    """
    if location.is_local:
        return
    notes = {
        str(PurePosixPath(one).with_name(f".{PurePosixPath(one).name}.sha256")) for one in listed
    }
    kept = {*listed, *notes}
    for path in files_below(location.folder):
        file = path.relative_to(location.folder).as_posix()
        if file not in kept and not file.startswith(_OF_THE_MACHINE):
            path.unlink(missing_ok=True)
    shutil.rmtree(location.folder.with_suffix(".parts"), ignore_errors=True)
    _settle(location)


def _settle(location: Location) -> None:
    """Removes folders that are empty, and forces to disk that files are gone.

    In every folder: a run that was killed may have removed files without doing so.
    """
    for folder, folders, _ in os.walk(location.folder, topdown=False):
        for name in folders:
            with suppress(OSError):  # it holds files
                Path(folder, name).rmdir()
        sync(Path(folder))
