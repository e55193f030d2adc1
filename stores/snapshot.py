"""Snapshots: what a store holds, as of one commit. The pointer `dataset.json` is the one file of a
store that ever changes.

    dataset.json             {"format_version": 1, "snapshot": 12}
    snapshots/000012.json    a Snapshot: never changed, lists every file with its size and sha256
    tables/...parquet        named by content, shared by all snapshots that hold the same rows
    shards/...h5             see layout.py
    fitted/...h5             see fitted.py

A commit writes tables, then the snapshot, then the pointer; a reader that starts from the pointer
sees all of it, or the one before.
"""

import hashlib
import os
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from manifests.audits import AUDITS
from manifests.clips import CLIPS
from manifests.features import INDEX, Json, State
from manifests.folds import FOLDS
from manifests.label_spaces import SPACES
from manifests.labels import LABELS
from manifests.quarantine import QUARANTINE
from manifests.table import Table, WrongTable
from stores.atomic import write_bytes
from stores.mirror import Mirror, ensure, mirror_of
from stores.pointer import (
    FORMAT_VERSION,
    POINTER,
    NewerFormat,
    NotCommitted,
    WrongSnapshot,
    json_text,
    newest,
    pointer_to,
    pointer_version,
    reach,
    read_json,
)
from stores.records import (
    ShardRecord,
    StoredFeature,
    StoredFitted,
    TableRecord,
    WrongRecord,
    all_inside,
    check_fitted,
    check_spec,
    from_json,
    inside,
    sha256_of,
    to_json,
)
from stores.remote import Version

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
    "load_parent",
    "load_snapshot",
    "publish",
    "reach",
    "read_compact",
    "read_rows",
    "read_table",
]

TABLES: dict[str, Table[Any]] = {
    table.name: table for table in (CLIPS, LABELS, FOLDS, INDEX, QUARANTINE, AUDITS)
}

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
    """Rows of each table, and under `stored`, `quarantined`, `shards`, `shard_rows` and
    `shard_bytes` what the features come to."""
    schemes: dict[str, Json]
    """Split scheme -> what its folds were made with."""
    fitted: dict[str, StoredFitted]
    """Features that are fitted on the training clips of one fold, and for which folds they are; see
    fitted.py."""
    spaces: dict[str, str]
    """Label space -> sha256 of its mapping, for the spaces that read one of the label schemes here.
    """


def load_snapshot(root: Path, number: int | None = None) -> Snapshot:
    """The snapshot that `root` points to, or an older one by its number.

    NotCommitted, NewerFormat or WrongSnapshot, each one sentence. Nothing but the two JSON files is
    read.
    """
    mirror = mirror_of(root)
    name = mirror.url if mirror else root
    if mirror:
        mirror.pull(POINTER)
    current = newest(root)
    if current is None:
        found = "no dataset.json" if root.is_dir() else "no such folder"
        raise NotCommitted(
            f"{name} holds no committed store ({found}); make one with `affectstore build {name} "
            "--corpus NAME=ROOT --recipe NAME`"
        )
    wanted = current if number is None else number
    if not 1 <= wanted <= current or (mirror and not _is_published(root, wanted, current)):
        raise NotCommitted(
            f"{name} has no committed snapshot {wanted}; expected 1 to {current}, or None for the "
            "newest"
        )
    return _read_snapshot(root, wanted)


def _is_published(root: Path, wanted: int, last: int) -> bool:
    """Whether the newest snapshot descends from this one: behind a URL, a build that was killed
    right then may leave another."""
    number: int | None = last
    while number is not None and number > wanted:
        number = _read_snapshot(root, number).parent
    return number == wanted


def load_parent(root: Path, snapshot: Snapshot) -> Snapshot:
    """The snapshot before one that has a parent. NotCommitted or WrongSnapshot as
    `load_snapshot`."""
    return _read_snapshot(root, snapshot.parent or 0)


def read_table(root: Path, snapshot: Snapshot, table: Table[Any]) -> pa.Table:
    """One table of a snapshot. WrongTable when the file is gone, or is not what the snapshot
    recorded."""
    read = table.read(_recorded(root, snapshot, table))
    _check_rows(root, snapshot, table, read.num_rows)
    return read


def read_compact(
    root: Path, snapshot: Snapshot, table: Table[Any], columns: Collection[str] | None = None
) -> pa.Table:
    """The same, compact and, where some are named, with these columns alone."""
    read = table.read_compact(_recorded(root, snapshot, table), columns)
    _check_rows(root, snapshot, table, read.num_rows)
    return read


def _recorded(root: Path, snapshot: Snapshot, table: Table[Any]) -> Path:
    """The file of a table; WrongTable when it is gone or has other bytes than recorded."""
    record = snapshot.tables[table.name]
    ensure(root, record)
    path = inside(root, record.file)
    if not path.is_file():
        raise WrongTable(
            f"{path} is missing; snapshot {snapshot.number} needs it, restore it from a copy or "
            "build the store again"
        )
    if (found := sha256_of(path)) != record.sha256:
        raise WrongTable(
            f"{path} has sha256 {found}, but snapshot {snapshot.number} recorded {record.sha256}; "
            "it was changed afterwards"
        )
    return path


def _check_rows(root: Path, snapshot: Snapshot, table: Table[Any], found: int) -> None:
    record = snapshot.tables[table.name]
    if found != record.rows:
        path = root / record.file
        raise WrongTable(
            f"{path} has {found} rows, but snapshot {snapshot.number} recorded {record.rows}; "
            "build the store again"
        )


def read_rows(root: Path, snapshot: Snapshot, table: Table[Row]) -> list[Row]:
    """The rows of one table of a snapshot. WrongTable as `read_table`, and for a word that its
    column does not know."""
    read = read_table(root, snapshot, table)
    try:
        return table.rows(read)
    except ValueError as error:
        raise WrongTable(
            f"{root / snapshot.tables[table.name].file}: {error}; build the store again"
        ) from error


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
    same: Collection[str] = (),
) -> Snapshot:
    """Commit: write tables, snapshot and pointer, in this order. `tables` has all of TABLES by
    name; shards and states are there already. `same`: tables that the caller has read from the
    parent and found equal; their files are not read or hashed again, and of the index no more than
    the column `state` need be given.

    Where all but `versions` equals the parent, the parent is returned and nothing is written. The
    caller holds the store's lock. WrongTable for a table that is not one, WrongSnapshot when
    `parent` is not the newest snapshot or a shard is not there. Behind a URL the lock holds for one
    machine alone, and the store itself sees to it that of two rivals one publishes; the other gets
    WrongSnapshot.
    """
    mirror = mirror_of(root)
    version = pointer_version(mirror) if mirror else None
    _check_parent(root, parent)
    _check_files(root, features, fitted)
    if set(tables) != set(TABLES):
        raise WrongSnapshot(
            f"a snapshot has the tables {', '.join(TABLES)}, got {', '.join(tables)}"
        )
    prepared = {
        name: (parent.tables[name], None)
        if parent and name in same
        else _prepared(root, TABLES[name], tables[name])
        for name in sorted(tables)
    }
    new = Snapshot(
        number=parent.number + 1 if parent else 1,
        parent=parent.number if parent else None,
        recipe=dict(recipe),
        tables={name: record for name, (record, _) in prepared.items()},
        features={name: _sorted(features[name]) for name in sorted(features)},
        versions=dict(versions),
        counts=_counts(tables, features),
        schemes=dict(schemes),
        fitted={name: fitted[name] for name in sorted(fitted)},
        spaces=_spaces(tables["labels"]),
    )
    if parent and _holds_the_same(
        replace(new, number=parent.number, parent=parent.parent, versions=parent.versions), parent
    ):
        return parent
    for record, data in prepared.values():
        if data is not None:
            write_bytes(root / record.file, data)
    if mirror:
        return _upload(mirror, new, version)
    write_bytes(_snapshot_path(root, new.number), _text(new))
    write_bytes(root / POINTER, pointer_to(new.number))
    return new


def _upload(mirror: Mirror, new: Snapshot, version: Version) -> Snapshot:
    """Tables, snapshot and pointer, in this order; the pointer only while it is the one that was
    read, else WrongSnapshot.

    A snapshot is never written over: where a build was killed before its pointer, and this one
    holds something else, a number is left out.
    """
    overtaken = WrongSnapshot(
        f"another build has published into {mirror.url} meanwhile; nothing was published, run "
        "this one again"
    )
    if not all(mirror.send(record) for record in new.tables.values()):
        raise overtaken
    while not mirror.create(_snapshot_file(new.number), _text(new)):
        new = replace(new, number=new.number + 1)
    if not mirror.swap(POINTER, pointer_to(new.number), version):
        raise overtaken
    mirror.pull(POINTER)
    return new


def _read_snapshot(root: Path, number: int) -> Snapshot:
    path = _snapshot_path(root, number)
    if mirror := mirror_of(root):
        mirror.pull(path.relative_to(root).as_posix())
    if not path.is_file():
        raise NotCommitted(
            f"{path} is missing; restore it from a copy, open another snapshot, or build the "
            "store again"
        )
    try:
        snapshot = from_json(Snapshot, read_json(path), "snapshot")
        _check(root, snapshot, number)
    except WrongRecord as error:
        raise WrongSnapshot(f"{path} is not a snapshot of this format: {error}") from error
    return snapshot


def _check(root: Path, snapshot: Snapshot, number: int) -> None:
    if snapshot.number != number or (
        snapshot.parent is not None and not 1 <= snapshot.parent < number
    ):
        raise WrongRecord(
            f"it says number {snapshot.number} and parent {snapshot.parent}, expected number "
            f"{number} and an older parent"
        )
    if set(snapshot.tables) != set(TABLES):
        raise WrongRecord(
            f"it lists the tables {', '.join(snapshot.tables)}, expected {', '.join(TABLES)}"
        )
    for name, feature in snapshot.features.items():
        if check_spec(feature.spec).name != name:
            raise WrongRecord(f"the spec of {name!r} says {feature.spec.name!r}")
    check_fitted(snapshot.fitted, snapshot.features)
    states = [state for entry in snapshot.fitted.values() for state in entry.states]
    shards = _shards(snapshot.features, snapshot.fitted)
    records: list[TableRecord | ShardRecord] = [*snapshot.tables.values(), *shards]
    sizes = [
        *((record.file, min(record.rows, record.bytes)) for record in records),
        *((one.file, one.bytes) for one in states),
    ]
    for (file, size), _ in zip(sizes, all_inside(root, (file for file, _ in sizes)), strict=True):
        if size < 0:
            raise WrongRecord(f"{file} has a negative size")


def _check_parent(root: Path, parent: Snapshot | None) -> None:
    current, given = newest(root), parent.number if parent else None
    if current != given:
        raise WrongSnapshot(
            f"the newest snapshot of {root} is {current}, not {given}: another build has "
            "published meanwhile; run this one again"
        )


def _shards(
    features: Mapping[str, StoredFeature], fitted: Mapping[str, StoredFitted]
) -> list[ShardRecord]:
    states = (state for entry in fitted.values() for state in entry.states)
    return [shard for feature in features.values() for shard in feature.shards] + [
        shard for state in states for shard in state.all_shards
    ]


def _check_files(
    root: Path, features: Mapping[str, StoredFeature], fitted: Mapping[str, StoredFitted]
) -> None:
    for feature in features.values():
        check_spec(feature.spec)
    check_fitted(fitted, features)
    states = [state for entry in fitted.values() for state in entry.states]
    sizes = [
        *((shard.file, shard.bytes) for shard in _shards(features, fitted)),
        *((state.file, state.bytes) for state in states),
    ]
    mirror = mirror_of(root)
    there = mirror.sizes() if mirror else None
    for (file, size), path in zip(
        sizes, all_inside(root, (file for file, _ in sizes)), strict=True
    ):
        if (_size(path) if there is None else there.get(file)) != size:
            raise WrongSnapshot(
                f"{path} is missing or does not have its {size} bytes; nothing was published, "
                "build again"
            )


def _size(path: str) -> int | None:
    try:
        found = os.stat(path)  # noqa: PTH116  (a Path for each of a million shards takes longer than looking at them)
    except FileNotFoundError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _prepared(root: Path, table: Table[Any], content: pa.Table) -> tuple[TableRecord, bytes | None]:
    """The record of a table, and its bytes; None for those where the file that is there already
    holds the same rows.

    Parquet bytes may change with the library's version, rows do not: an older snapshot's file is
    never written over.
    """
    digest = table.digest(content)
    file = f"tables/{table.file_name(digest)}"
    path = root / file
    if mirror := mirror_of(root):
        mirror.find(file)
    if _holds(path, table, digest):
        return TableRecord(file, content.num_rows, path.stat().st_size, sha256_of(path)), None
    data = table.to_bytes(content)
    return TableRecord(file, content.num_rows, len(data), hashlib.sha256(data).hexdigest()), data


def _holds(path: Path, table: Table[Any], digest: str) -> bool:
    try:
        return table.digest_of(path) == digest
    except (FileNotFoundError, WrongTable):
        return False


def _holds_the_same(new: Snapshot, old: Snapshot) -> bool:
    """The same text, which need not be written for that where the shards differ, or are the same
    and very many."""
    shards = ([feature.shards for feature in snapshot.features.values()] for snapshot in (new, old))
    return next(shards) == next(shards) and _text(_without_shards(new)) == _text(
        _without_shards(old)
    )


def _without_shards(snapshot: Snapshot) -> Snapshot:
    return replace(
        snapshot,
        features={name: replace(feature, shards=()) for name, feature in snapshot.features.items()},
    )


def _sorted(feature: StoredFeature) -> StoredFeature:
    return replace(feature, shards=tuple(sorted(feature.shards, key=lambda shard: shard.file)))


def _counts(
    tables: Mapping[str, pa.Table], features: Mapping[str, StoredFeature]
) -> dict[str, int]:
    shards = [shard for feature in features.values() for shard in feature.shards]
    states = {
        row["values"]: row["counts"]
        for row in pc.value_counts(tables["index"].column("state")).to_pylist()
    }
    return {
        **{name: tables[name].num_rows for name in sorted(tables)},
        "stored": states.get(State.STORED, 0),
        "quarantined": states.get(State.QUARANTINED, 0),
        "shards": len(shards),
        "shard_rows": sum(shard.rows for shard in shards),
        "shard_bytes": sum(shard.bytes for shard in shards),
    }


def _spaces(labels: pa.Table) -> dict[str, str]:
    """The label spaces that read one of the schemes, with their hashes: labels mapped by another
    version may mean something else."""
    schemes = set(labels.column("scheme").unique().to_pylist())
    return {
        name: space.sha256
        for name, space in sorted(SPACES.items())
        if schemes & space.sources.keys()
    }


def _snapshot_path(root: Path, number: int) -> Path:
    return root / _snapshot_file(number)


def _snapshot_file(number: int) -> str:
    return f"snapshots/{number:06d}.json"


def _text(snapshot: Snapshot) -> bytes:
    return json_text(to_json(snapshot))
