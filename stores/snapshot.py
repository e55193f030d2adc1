"""Snapshots: what a store holds, as of one commit.

    dataset.json             {"format_version": 2, "snapshot": 12}: the one file that ever changes
    snapshots/000012.json    a Snapshot: never changed, lists every file with its size and sha256
    tables/...parquet        named by content, shared by all snapshots that hold the same rows
    shards/...h5             see shard_layout.py
    fitted/...h5             see fitted_state.py

A commit (publish.py) writes tables, then the snapshot, then the pointer; a reader that starts from
the pointer sees all of it, or the commit before.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from manifests.audits import AUDITS
from manifests.clips import CLIPS
from manifests.features import INDEX, Json
from manifests.folds import FOLDS
from manifests.labels import LABELS
from manifests.quarantine import QUARANTINE
from manifests.table import Table, WrongTable
from stores.forgotten import Forgotten
from stores.location import Location, fault_of
from stores.parsing import WrongRecord, from_json
from stores.paths import MissingFile, check_names, sha256_of
from stores.pointer import (
    LEFT_OUT,
    POINTER,
    NotCommitted,
    Pointer,
    WrongSnapshot,
    read_json,
    read_pointer,
    snapshot_file,
)
from stores.records import (
    FileRecord,
    FoldState,
    ShardRecord,
    StoredFeature,
    StoredFitted,
    TableRecord,
    check_fitted,
    check_spec,
)

TABLES: dict[str, Table[Any]] = {
    table.name: table for table in (CLIPS, LABELS, FOLDS, INDEX, QUARANTINE, AUDITS)
}

LISTED = "listed "
"""How a count begins that is of what lay in the folder of a corpus."""
Row = TypeVar("Row")


@dataclass(frozen=True)
class Snapshot:
    """Everything that a store holds, as of one commit."""

    number: int
    parent: int | None
    """Number of the snapshot before."""
    recipe: dict[str, Json]
    """As resolved, every default written out."""
    tables: dict[str, TableRecord]
    """By name: clips, labels, folds, index, quarantine, audits."""
    features: dict[str, StoredFeature]
    versions: dict[str, str]
    """Library -> version that made the newest numbers: recorded, not keyed."""
    counts: dict[str, int]
    """Rows of each table, and under `stored`, `absent`, `quarantined`, `shards`, `shard_rows` and
    `shard_bytes` the sums over the features; a snapshot of format 1 has no `absent`. Under `listed
    CORPUS` the clips that lay there, where the recipe chooses among them."""
    schemes: dict[str, Json]
    """Split scheme -> what its folds were made with."""
    fitted: dict[str, StoredFitted]
    """Features that are fitted on the training clips of one fold, and for which folds they are."""
    spaces: dict[str, str]
    """Label space -> sha256 of its mapping, for the spaces that read one of the label schemes."""
    forgotten: Forgotten | None = field(default=None, metadata={LEFT_OUT: True})
    """Whom `affectstore forget` has taken out, so that no build brings them back; None: nobody."""

    @property
    def listed(self) -> dict[str, int]:
        """Corpus -> clips that lay there, of which the recipe chose; empty where it took all."""
        return {
            name.removeprefix(LISTED): count
            for name, count in self.counts.items()
            if name.startswith(LISTED)
        }

    @property
    def files(self) -> list[FileRecord]:
        """Every file that the snapshot lists."""
        return [*self.tables.values(), *files_of(self.features, self.fitted)]


def files_of(
    features: Mapping[str, StoredFeature], fitted: Mapping[str, StoredFitted]
) -> list[ShardRecord | FoldState]:
    """Lists the files that hold features, and checks what is said of the features.

    Args:
        features: Stored features by name.
        fitted: Fitted features by name.

    Returns:
        Every shard and every fitted state.

    Raises:
        WrongRecord: A feature is not what it may be.
    """
    for name, feature in features.items():
        if check_spec(feature.spec).name != name:
            raise WrongRecord(f"the spec of {name!r} says {feature.spec.name!r}")
    check_fitted(fitted, features)
    stored = [shard for feature in features.values() for shard in feature.shards]
    states = [state for entry in fitted.values() for state in entry.states]
    return [*stored, *(shard for state in states for shard in state.all_shards), *states]


def load_snapshot(location: Location, number: int | None = None) -> Snapshot:
    """Reads a snapshot; nothing but the two JSON files is read.

    Args:
        location: Where the store lies.
        number: Of the snapshot; None: the newest.

    Returns:
        The snapshot.

    Raises:
        NotCommitted: There is no store here, or no such snapshot.
        NewerFormat: A newer version of affectstore wrote the store.
        WrongSnapshot: One of the files is damaged.
        RemoteError: The URL cannot be reached.
    """
    pointer = read_pointer(location)
    if pointer is None:
        raise not_committed(location)
    current = pointer.snapshot
    wanted = current if number is None else number
    if not 1 <= wanted <= current or not _is_published(location, wanted, pointer):
        raise NotCommitted(
            f"{location} has no committed snapshot {wanted}; "
            f"expected {pointer.oldest} to {current}, or None for the newest"
            f"{_removed(pointer)}"
        )
    return read_snapshot(location, wanted, pointer.sha256.get(snapshot_file(wanted)))


def not_committed(location: Location) -> NotCommitted:
    """Words what is wrong with a place where nothing was ever published.

    Args:
        location: The place.

    Returns:
        The error to raise.
    """
    found = "no dataset.json" if location.folder.is_dir() else "no such folder"
    if location.is_local and location.folder.is_dir():
        below = sorted(path.parent.name for path in location.folder.glob(f"*/{POINTER}"))
        if below:
            return NotCommitted(
                f"{location} holds no committed store ({found}), but {below[0]} in it is one; "
                f"give {location.folder / below[0]}"
            )
        if any(location.folder.iterdir()):
            return NotCommitted(
                f"{location} holds no committed store ({found}) and is not empty; give the folder "
                "of a store, or make one in a new folder with `affectstore build`"
            )
    return NotCommitted(
        f"{location} holds no committed store ({found}); make one with "
        f"`affectstore build {location} --corpus NAME=ROOT --recipe NAME`"
    )


def _removed(pointer: Pointer) -> str:
    """Says of an older snapshot why it is not there."""
    if pointer.oldest == 1:
        return ""
    return (
        f"; those before {pointer.oldest} were removed by `affectstore gc` or `affectstore forget`"
    )


def _is_published(location: Location, wanted: int, pointer: Pointer) -> bool:
    """Whether the newest snapshot descends from this one, and this one was kept.

    Behind a URL, a build that was killed before its pointer may leave one that none descends from.
    """
    if location.is_local or wanted < pointer.oldest:
        return wanted >= pointer.oldest
    number: int | None = pointer.snapshot
    while number is not None and number > wanted:
        number = read_snapshot(location, number).parent
    return number == wanted


def read_table(location: Location, snapshot: Snapshot, table: Table[Any]) -> pa.Table:
    """Reads one table of a snapshot.

    Args:
        location: Where the store lies.
        snapshot: The snapshot.
        table: Which of its tables.

    Returns:
        The rows, by the schema of `table`.

    Raises:
        WrongTable: The file is gone, or is not what the snapshot recorded.
    """
    return _read(location, snapshot, table, table.read)


def read_tables(location: Location, snapshot: Snapshot) -> dict[str, pa.Table]:
    """Reads every table of a snapshot.

    Args:
        location: Where the store lies.
        snapshot: The snapshot.

    Returns:
        Name -> rows.

    Raises:
        WrongTable: As `read_table`.
    """
    return {name: read_table(location, snapshot, table) for name, table in TABLES.items()}


def read_compact(
    location: Location,
    snapshot: Snapshot,
    table: Table[Any],
    columns: Collection[str] | None = None,
) -> pa.Table:
    """Reads one table of a snapshot with its texts as dictionaries.

    Args:
        location: Where the store lies.
        snapshot: The snapshot.
        table: Which of its tables.
        columns: The columns to read; None: all.

    Returns:
        The rows, in the compact form of `table`.

    Raises:
        WrongTable: As `read_table`.
    """
    return _read(location, snapshot, table, partial(table.read_compact, columns=columns))


def read_rows(location: Location, snapshot: Snapshot, table: Table[Row]) -> list[Row]:
    """Reads one table of a snapshot as objects.

    Args:
        location: Where the store lies.
        snapshot: The snapshot.
        table: Which of its tables.

    Returns:
        One object a row, of the table's row type.

    Raises:
        WrongTable: As `read_table`, or a cell holds a word that its column does not know.
    """
    read = read_table(location, snapshot, table)
    try:
        return table.rows(read)
    except ValueError as error:
        name = location.display(snapshot.tables[table.name].file)
        raise WrongTable(f"{name}: {error}; build the store again") from error


def _read(
    location: Location, snapshot: Snapshot, table: Table[Any], read: Callable[[Path], pa.Table]
) -> pa.Table:
    """The rows of a table, whose file must be the one that the snapshot recorded."""
    record = snapshot.tables[table.name]
    name = location.display(record.file)
    try:
        fault = fault_of(location, record)
    except MissingFile as error:
        raise WrongTable(
            f"{name} is missing; snapshot {snapshot.number} needs it, restore it from a copy or "
            "build the store again"
        ) from error
    if fault:
        raise WrongTable(fault)
    rows = read(location.path(record.file))
    if rows.num_rows != record.rows:
        raise WrongTable(
            f"{name} has {rows.num_rows} rows, but snapshot {snapshot.number} "
            f"recorded {record.rows}; build the store again"
        )
    return rows


def read_snapshot(location: Location, number: int, sha256: str | None = None) -> Snapshot:
    """Reads a snapshot, whether it is published or not.

    Args:
        location: Where the store lies.
        number: Of the snapshot.
        sha256: Of its file; None where it is not known.

    Returns:
        The snapshot.

    Raises:
        NotCommitted: Its file is missing.
        WrongSnapshot: Its file is damaged.
    """
    file = snapshot_file(number)
    path, name = location.refresh(file), location.display(file)
    try:
        snapshot = from_json(Snapshot, read_json(path, name), "snapshot")
        _check(snapshot, number)
    except FileNotFoundError as error:
        raise NotCommitted(
            f"{name} is missing; restore it from a copy, open another snapshot, "
            "or build the store again"
        ) from error
    except WrongRecord as error:
        raise WrongSnapshot(f"{name} is not a snapshot of this format: {error}") from error
    if sha256 is not None and (found := sha256_of(path)) != sha256:
        raise WrongSnapshot(
            f"{name} has sha256 {found}, but {location.display(POINTER)} recorded {sha256}; "
            "one of the two was changed afterwards, restore it from a copy"
        )
    return snapshot


def _check(snapshot: Snapshot, number: int) -> None:
    has_older_parent = snapshot.parent is None or 1 <= snapshot.parent < number
    if snapshot.number != number or not has_older_parent:
        raise WrongRecord(
            f"it says number {snapshot.number} and parent {snapshot.parent}, "
            f"expected number {number} and an older parent"
        )
    if set(snapshot.tables) != set(TABLES):
        raise WrongRecord(
            f"it lists the tables {', '.join(snapshot.tables)}, expected {', '.join(TABLES)}"
        )
    check_names(record.file for record in snapshot.files)
    for record in snapshot.files:
        if min(record.bytes, getattr(record, "rows", 0)) < 0:
            raise WrongRecord(f"{record.file} has a negative size")
