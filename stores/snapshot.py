"""Snapshots: what a store holds, as of one commit. The pointer `dataset.json` is the one file of a store that ever changes.

    dataset.json             {"format_version": 1, "snapshot": 12}
    snapshots/000012.json    a Snapshot: never changed, lists every file with its size and sha256
    tables/...parquet        named by content, shared by all snapshots that hold the same rows
    shards/...h5             see layout.py
    fitted/...h5             see fitted.py

A commit writes tables, then the snapshot, then the pointer; a reader that starts from the pointer sees all of it, or the one before.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from manifests.audits import AUDITS
from manifests.clips import CLIPS
from manifests.features import INDEX, Json, State
from manifests.folds import FOLDS
from manifests.label_spaces import SPACES
from manifests.labels import LABELS
from manifests.quarantine import QUARANTINE
from manifests.table import Table, WrongTable
from stores.atomic import write_bytes
from stores.records import (
    ShardRecord,
    StoredFeature,
    StoredFitted,
    TableRecord,
    WrongRecord,
    check_fitted,
    check_spec,
    from_json,
    inside,
    sha256_of,
    to_json,
)

__all__ = [
    "FORMAT_VERSION",
    "TABLES",
    "NewerFormat",
    "NotCommitted",
    "ShardRecord",
    "Snapshot",
    "StoredFeature",
    "StoredFitted",
    "TableRecord",
    "WrongSnapshot",
    "load_snapshot",
    "publish",
    "read_rows",
    "read_table",
]

FORMAT_VERSION = 1
POINTER = "dataset.json"
TABLES: dict[str, Table[Any]] = {table.name: table for table in (CLIPS, LABELS, FOLDS, INDEX, QUARANTINE, AUDITS)}

Row = TypeVar("Row")


class NotCommitted(FileNotFoundError):
    """There is no store here, or not this snapshot of it."""


class NewerFormat(ValueError):
    """The store was written by a newer version than can be read here."""


class WrongSnapshot(ValueError):
    """A pointer or a snapshot cannot be read as one, or does not fit what is published; the message says what is wrong."""


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
    """Rows of each table, and under `stored`, `quarantined`, `shards`, `shard_rows` and `shard_bytes` what the features come to."""
    schemes: dict[str, Json]
    """Split scheme -> what its folds were made with."""
    fitted: dict[str, StoredFitted]
    """Features that are fitted on the training clips of one fold, and for which folds they are; see fitted.py."""
    spaces: dict[str, str]
    """Label space -> sha256 of its mapping, for the spaces that read one of the label schemes here."""


def load_snapshot(root: Path, number: int | None = None) -> Snapshot:
    """The snapshot that `root` points to, or an older one by its number.

    NotCommitted, NewerFormat or WrongSnapshot, each one sentence. Nothing but the two JSON files is read.
    """
    current = _current(root)
    if current is None:
        found = "no dataset.json" if root.is_dir() else "no such folder"
        raise NotCommitted(
            f"{root} holds no committed store ({found}); make one with `affectstore build {root} --corpus NAME=ROOT --recipe NAME`"
        )
    wanted = current if number is None else number
    if not 1 <= wanted <= current:
        raise NotCommitted(f"{root} has no committed snapshot {wanted}; expected 1 to {current}, or None for the newest")
    return _read_snapshot(root, wanted)


def read_table(root: Path, snapshot: Snapshot, table: Table[Any]) -> pa.Table:
    """One table of a snapshot. WrongTable when the file is gone, or is not what the snapshot recorded."""
    record = snapshot.tables[table.name]
    path = inside(root, record.file)
    if not path.is_file():
        raise WrongTable(f"{path} is missing; snapshot {snapshot.number} needs it, restore it from a copy or build the store again")
    if (found := sha256_of(path)) != record.sha256:
        raise WrongTable(f"{path} has sha256 {found}, but snapshot {snapshot.number} recorded {record.sha256}; it was changed afterwards")
    read = table.read(path)
    if read.num_rows != record.rows:
        raise WrongTable(f"{path} has {read.num_rows} rows, but snapshot {snapshot.number} recorded {record.rows}; build the store again")
    return read


def read_rows(root: Path, snapshot: Snapshot, table: Table[Row]) -> list[Row]:
    """The rows of one table of a snapshot. WrongTable as `read_table`, and for a word that its column does not know."""
    read = read_table(root, snapshot, table)
    try:
        return table.rows(read)
    except ValueError as error:
        raise WrongTable(f"{root / snapshot.tables[table.name].file}: {error}; build the store again") from error


def publish(
    root: Path,
    *,
    parent: Snapshot | None,
    recipe: Mapping[str, Json],
    tables: Mapping[str, pa.Table],
    features: Mapping[str, StoredFeature],
    fitted: Mapping[str, StoredFitted],
    versions: Mapping[str, str],
    schemes: Mapping[str, Json],
) -> Snapshot:
    """Commit: write tables, snapshot and pointer, in this order. `tables` has all of TABLES by name; shards and states are there already.

    Where all but `versions` equals the parent, the parent is returned and nothing is written. The caller holds the store's lock.
    WrongTable for a table that is not one, WrongSnapshot when `parent` is not the newest snapshot or a shard is not there.
    """
    _check_parent(root, parent)
    _check_files(root, features, fitted)
    if set(tables) != set(TABLES):
        raise WrongSnapshot(f"a snapshot has the tables {', '.join(TABLES)}, got {', '.join(tables)}")
    new = Snapshot(
        number=parent.number + 1 if parent else 1,
        parent=parent.number if parent else None,
        recipe=dict(recipe),
        tables={name: _table_record(root, TABLES[name], tables[name]) for name in sorted(tables)},
        features={name: _sorted(features[name]) for name in sorted(features)},
        versions=dict(versions),
        counts=_counts(tables, features),
        schemes=dict(schemes),
        fitted={name: fitted[name] for name in sorted(fitted)},
        spaces=_spaces(tables["labels"]),
    )
    if parent and _text(replace(new, number=parent.number, parent=parent.parent, versions=parent.versions)) == _text(parent):
        return parent
    for name, record in new.tables.items():
        _write_table(root, TABLES[name], tables[name], record)
    write_bytes(_snapshot_path(root, new.number), _text(new))
    write_bytes(root / POINTER, _json_text({"format_version": FORMAT_VERSION, "snapshot": new.number}))
    return new


def _current(root: Path) -> int | None:
    path = root / POINTER
    if not path.is_file():
        return None
    pointer = _read_json(path)
    match pointer:
        case {"format_version": int(version)} if version > FORMAT_VERSION:
            raise NewerFormat(
                f"{root} has format version {version}, this affectstore reads up to {FORMAT_VERSION}; install a newer affectstore"
            )
        case {"format_version": 1, "snapshot": int(number)} if number >= 1 and type(number) is int:
            return number
    raise WrongSnapshot(f'{path} is {str(pointer)[:80]!r}, expected {{"format_version": 1, "snapshot": N}}; restore it from a copy')


def _read_snapshot(root: Path, number: int) -> Snapshot:
    path = _snapshot_path(root, number)
    if not path.is_file():
        raise NotCommitted(f"{path} is missing; restore it from a copy, open another snapshot, or build the store again")
    try:
        snapshot = from_json(Snapshot, _read_json(path), "snapshot")
        _check(root, snapshot, number)
    except WrongRecord as error:
        raise WrongSnapshot(f"{path} is not a snapshot of this format: {error}") from error
    return snapshot


def _check(root: Path, snapshot: Snapshot, number: int) -> None:
    if snapshot.number != number or (snapshot.parent is not None and not 1 <= snapshot.parent < number):
        raise WrongRecord(f"it says number {snapshot.number} and parent {snapshot.parent}, expected number {number} and an older parent")
    if set(snapshot.tables) != set(TABLES):
        raise WrongRecord(f"it lists the tables {', '.join(snapshot.tables)}, expected {', '.join(TABLES)}")
    for name, feature in snapshot.features.items():
        if check_spec(feature.spec).name != name:
            raise WrongRecord(f"the spec of {name!r} says {feature.spec.name!r}")
    check_fitted(snapshot.fitted, snapshot.features)
    states = [state for entry in snapshot.fitted.values() for state in entry.states]
    shards = _shards(snapshot.features, snapshot.fitted)
    records: list[TableRecord | ShardRecord] = [*snapshot.tables.values(), *shards]
    for file, size in [*((record.file, min(record.rows, record.bytes)) for record in records), *((one.file, one.bytes) for one in states)]:
        inside(root, file)
        if size < 0:
            raise WrongRecord(f"{file} has a negative size")


def _read_json(path: Path) -> Json:
    try:
        value: Json = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise WrongSnapshot(f"{path} is not JSON ({error}); restore it from a copy, or build the store again") from error
    return value


def _check_parent(root: Path, parent: Snapshot | None) -> None:
    current, given = _current(root), parent.number if parent else None
    if current != given:
        raise WrongSnapshot(
            f"the newest snapshot of {root} is {current}, not {given}: another build has published meanwhile; run this one again"
        )


def _shards(features: Mapping[str, StoredFeature], fitted: Mapping[str, StoredFitted]) -> list[ShardRecord]:
    states = (state for entry in fitted.values() for state in entry.states)
    return [shard for feature in features.values() for shard in feature.shards] + [shard for state in states for shard in state.shards]


def _check_files(root: Path, features: Mapping[str, StoredFeature], fitted: Mapping[str, StoredFitted]) -> None:
    for feature in features.values():
        check_spec(feature.spec)
    check_fitted(fitted, features)
    states = [state for entry in fitted.values() for state in entry.states]
    files = [(shard.file, shard.bytes) for shard in _shards(features, fitted)]
    for file, size in [*files, *((state.file, state.bytes) for state in states)]:
        path = inside(root, file)
        if not path.is_file() or path.stat().st_size != size:
            raise WrongSnapshot(f"{path} is missing or does not have its {size} bytes; nothing was published, build again")


def _table_record(root: Path, table: Table[Any], content: pa.Table) -> TableRecord:
    """The record of a table; that of the file already there, where the rows are the same.

    Parquet bytes may change with the library's version, rows do not: an older snapshot's file is never written over.
    """
    file = f"tables/{table.file_name(content)}"
    path = root / file
    data = path.read_bytes() if _holds(path, table, content) else table.to_bytes(content)
    return TableRecord(file, content.num_rows, len(data), hashlib.sha256(data).hexdigest())


def _write_table(root: Path, table: Table[Any], content: pa.Table, record: TableRecord) -> None:
    path = root / record.file
    if not (path.is_file() and sha256_of(path) == record.sha256):
        write_bytes(path, table.to_bytes(content))


def _holds(path: Path, table: Table[Any], content: pa.Table) -> bool:
    if not path.is_file():
        return False
    try:
        return table.digest(table.read(path)) == table.digest(content)
    except WrongTable:
        return False


def _sorted(feature: StoredFeature) -> StoredFeature:
    return replace(feature, shards=tuple(sorted(feature.shards, key=lambda shard: shard.file)))


def _counts(tables: Mapping[str, pa.Table], features: Mapping[str, StoredFeature]) -> dict[str, int]:
    shards = [shard for feature in features.values() for shard in feature.shards]
    states = tables["index"].column("state").to_pylist()
    return {
        **{name: tables[name].num_rows for name in sorted(tables)},
        "stored": states.count(State.STORED),
        "quarantined": states.count(State.QUARANTINED),
        "shards": len(shards),
        "shard_rows": sum(shard.rows for shard in shards),
        "shard_bytes": sum(shard.bytes for shard in shards),
    }


def _spaces(labels: pa.Table) -> dict[str, str]:
    """The label spaces that read one of the schemes, with their hashes: labels mapped by another version may mean something else."""
    schemes = set(labels.column("scheme").unique().to_pylist())
    return {name: space.sha256 for name, space in sorted(SPACES.items()) if schemes & space.sources.keys()}


def _snapshot_path(root: Path, number: int) -> Path:
    return root / "snapshots" / f"{number:06d}.json"


def _text(snapshot: Snapshot) -> bytes:
    return _json_text(to_json(snapshot))


def _json_text(value: Json) -> bytes:
    """The same value, the same bytes: sorted keys, no time stamps."""
    sink = io.StringIO()
    json.dump(value, sink, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    return (sink.getvalue() + "\n").encode()
