"""`affectstore gc`: what no kept snapshot names is removed.

The pointer is written first: from then on it says which snapshots there are, and whoever is killed
after that leaves files that the next run removes.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from flows.forgetting.clean import JOURNAL, remove_copies, remove_files, unlisted
from stores.location import Location, Place, locate
from stores.object_store import Version
from stores.open_files import is_held, open_below
from stores.pointer import POINTER, Pointer, WrongSnapshot, read_pointer, snapshot_file
from stores.snapshot import Snapshot, load_snapshot, not_committed, read_snapshot


class CollectError(ValueError):
    """Nothing can be removed; the message says why and what to do."""


@dataclass(frozen=True)
class Collected:
    """What was removed, or would be."""

    kept: tuple[int, ...]
    """Numbers of the snapshots that stay, newest first."""
    gone: tuple[int, ...]
    """Numbers of those that do not."""
    held: tuple[int, ...]
    """Older snapshots that stay since a reader on this machine has them open."""
    files: tuple[str, ...]
    bytes: int
    in_use: tuple[str, ...]
    """Files that stay since some process has them open."""
    is_done: bool
    """False: nothing was removed, by wish."""


def run_collect(store: Place, keep: int | None = None, dry_run: bool = False) -> Collected:
    """Removes what no kept snapshot of a store names.

    Args:
        store: Folder or URL of the store.
        keep: How many of the newest snapshots to keep; None: all.
        dry_run: Remove nothing.

    Returns:
        What was removed.

    Raises:
        NotCommitted: There is no store.
        WrongSnapshot: A snapshot that is to be kept is damaged, so that nobody knows what it names.
        StoreBusy: Another process is writing to the store.
        CollectError: `keep` is less than 1, or somebody is only half forgotten.
    """
    if keep is not None and keep < 1:
        raise CollectError(f"--keep {keep} would leave no snapshot; expected 1 or more")
    location = locate(store)
    load_snapshot(location)  # no folder is made where there is no store
    with location.lock():
        version = location.version(POINTER)  # before it is read: no rival passes unseen
        pointer = read_pointer(location)
        if pointer is None:
            raise not_committed(location)
        chain = _chain(location, pointer)
        kept = chain[: keep or len(chain)]
        found = _plan(location, chain, kept)
        if not dry_run:
            _publish(location, pointer, kept, version)
            remove_files(location, found.files)
            remove_copies(location, {*location.list(), POINTER})
        return replace(found, is_done=not dry_run)


def _chain(location: Location, pointer: Pointer) -> list[Snapshot]:
    """The snapshots of a store, the newest first."""
    found = [read_snapshot(location, pointer.snapshot)]
    while (parent := found[-1].parent) is not None and parent >= pointer.oldest:
        found.append(read_snapshot(location, parent, pointer.sha256.get(snapshot_file(parent))))
    return found


def _plan(location: Location, chain: Sequence[Snapshot], kept: Sequence[Snapshot]) -> Collected:
    files = sorted(location.list())
    if any(file.startswith(JOURNAL) for file in files):
        raise CollectError(
            f"`affectstore forget` was interrupted in {location}, and still needs what lies there; "
            "run it again to its end first"
        )
    held = _held(location, files, kept)
    listed = _listed([*kept, *held])
    spare = unlisted(location, files, listed)
    opened = open_below(location.folder)
    gone = [file for file in spare if file not in opened]
    numbers = {one.number for one in (*kept, *held)}
    return Collected(
        kept=tuple(one.number for one in kept),
        gone=tuple(one.number for one in chain if one.number not in numbers),
        held=tuple(one.number for one in held),
        files=tuple(gone),
        bytes=sum(size or 0 for size in location.sizes(gone)),
        in_use=tuple(file for file in spare if file in opened),
        is_done=False,
    )


def _listed(snapshots: Collection[Snapshot]) -> set[str]:
    files = {record.file for one in snapshots for record in one.files}
    return {POINTER, *files, *(snapshot_file(one.number) for one in snapshots)}


def _held(location: Location, files: Collection[str], kept: Collection[Snapshot]) -> list[Snapshot]:
    """The snapshots beside the kept ones that a reader on this machine has open."""
    found, known = [], {snapshot_file(one.number) for one in kept}
    for file in files:
        is_other = file.startswith("snapshots/") and file.endswith(".json") and file not in known
        if is_other and is_held(location.path(file)):
            found.append(read_snapshot(location, int(file[len("snapshots/") : -len(".json")])))
    return found


def _publish(
    location: Location, pointer: Pointer, kept: Sequence[Snapshot], version: Version
) -> None:
    """Writes from which snapshot on the store is whole."""
    oldest = kept[-1].number if kept[-1].parent is not None else pointer.oldest
    names = {snapshot_file(one.number) for one in kept}
    hashes = {file: sha256 for file, sha256 in pointer.sha256.items() if file in names}
    new = replace(pointer, oldest=max(oldest, pointer.oldest), sha256=hashes)
    if new != pointer and not location.replace(POINTER, new.to_bytes(), version):
        raise WrongSnapshot(
            f"another build has published into {location} meanwhile; nothing was removed, run "
            "this again"
        )
    location.settle([POINTER])
