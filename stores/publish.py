"""The commit of a store: tables, then the snapshot, then the pointer, in this order."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manifests.features import Json, State
from manifests.label_spaces import SPACES
from manifests.table import Table, WrongTable
from stores.atomic import write_bytes
from stores.forgotten import Forgotten
from stores.location import Location
from stores.object_store import Version
from stores.paths import check_inside, sha256_of
from stores.pointer import (
    FORMAT_VERSION,
    POINTER,
    Pointer,
    WrongSnapshot,
    json_text,
    read_pointer,
    snapshot_file,
)
from stores.records import StoredFeature, StoredFitted, TableRecord
from stores.snapshot import LISTED, TABLES, Snapshot, files_of


def publish(
    location: Location,
    *,
    parent: Snapshot | None,
    recipe: Mapping[str, Json],
    tables: Mapping[str, pa.Table],
    features: Mapping[str, StoredFeature],
    fitted: Mapping[str, StoredFitted],
    versions: Mapping[str, str],
    schemes: Mapping[str, Json],
    listed: Mapping[str, int] | None = None,
    same: Collection[str] = (),
    newest_format: bool = False,
    forgotten: Forgotten | None = None,
    ends_history: bool = False,
) -> Snapshot:
    """Commits a snapshot. The caller holds the store's lock; shards and states are there already.

    Behind a URL the lock holds for one machine alone, and the store itself sees to it that of two
    rivals one publishes.

    Args:
        location: Where the store lies.
        parent: The newest snapshot; None where there is none.
        recipe: As resolved, every default written out.
        tables: All of TABLES by name.
        features: Stored features by name.
        fitted: Fitted features by name.
        versions: Library -> version that made the newest numbers.
        schemes: Split scheme -> what its folds were made with.
        listed: Corpus -> clips that lay there when those of the store were chosen; empty where all
            were taken, None where that has not changed since the parent.
        same: Tables that the caller has read from the parent and found equal: their files are not
            read or hashed again, and of the index no more than the column `state` need be given.
        newest_format: Bring a store of an older format to the newest, as one may who has judged
            every row of it.
        forgotten: Whom the store has forgotten; None: those of the parent.
        ends_history: No older snapshot is named any more, not even the parent.

    Returns:
        The new snapshot; the parent where all but `versions` equals it, and nothing is written.

    Raises:
        WrongTable: A table is not one of its kind.
        WrongSnapshot: `parent` is not the newest snapshot, or a shard is not there.
    """
    version = location.version(POINTER)  # before the pointer is read: no rival passes unseen
    pointer = _pointer_to(location, parent)
    pointer = replace(pointer, format_version=FORMAT_VERSION) if newest_format else pointer
    _check_files(location, features, fitted)
    if set(tables) != set(TABLES):
        raise WrongSnapshot(
            f"a snapshot has the tables {', '.join(TABLES)}, got {', '.join(tables)}"
        )
    prepared = {
        name: (parent.tables[name], None)
        if parent and name in same
        else _prepare(location, TABLES[name], tables[name])
        for name in sorted(tables)
    }
    new = Snapshot(
        number=parent.number + 1 if parent else 1,
        parent=parent.number if parent and not ends_history else None,
        recipe=dict(recipe),
        tables={name: record for name, (record, _) in prepared.items()},
        features={name: _sorted(features[name]) for name in sorted(features)},
        versions=dict(versions),
        counts={
            **_counts(tables, features, pointer.format_version),
            **_listed(parent, listed),
        },
        schemes=dict(schemes),
        fitted=dict(sorted(fitted.items())),
        spaces=_spaces(tables["labels"]),
        forgotten=forgotten or (parent.forgotten if parent else None),
    )
    if ends_history:
        pointer = replace(pointer, sha256={})
    if parent and _holds_the_same(new, parent):
        return parent
    for record, data in prepared.values():
        if data is not None:
            write_bytes(location.path(record.file), data)
    location.settle(_all_files(new) - (_all_files(parent) if parent else set()))
    return _commit(location, new, pointer, version)


def _commit(location: Location, new: Snapshot, before: Pointer, version: Version) -> Snapshot:
    overtaken = WrongSnapshot(
        f"another build has published into {location} meanwhile; "
        "nothing was published, run this one again"
    )
    if not all(location.upload(record) for record in new.tables.values()):
        raise overtaken
    # A snapshot behind a URL is never written over: where a build was killed before its pointer,
    # and this one holds something else, a number is left out.
    while not location.create(snapshot_file(new.number), json_text(new)):
        new = replace(new, number=new.number + 1)
    sha256 = hashlib.sha256(json_text(new)).hexdigest()
    hashes = {**before.sha256, snapshot_file(new.number): sha256}
    oldest = before.oldest if new.parent else new.number
    pointer = replace(before, snapshot=new.number, sha256=hashes, oldest=oldest)
    if not location.replace(POINTER, pointer.to_bytes(), version):
        raise overtaken
    return new


def _all_files(snapshot: Snapshot) -> set[str]:
    records = [*snapshot.tables.values(), *files_of(snapshot.features, snapshot.fitted)]
    return {record.file for record in records}


def _pointer_to(location: Location, parent: Snapshot | None) -> Pointer:
    """The pointer so far, which must be to the parent; of a new store, to no snapshot."""
    pointer = read_pointer(location)
    current, given = pointer.snapshot if pointer else None, parent.number if parent else None
    if current != given:
        raise WrongSnapshot(
            f"the newest snapshot of {location} is {current}, not {given}: "
            "another build has published meanwhile; run this one again"
        )
    return pointer or Pointer(0, {})


def _check_files(
    location: Location, features: Mapping[str, StoredFeature], fitted: Mapping[str, StoredFitted]
) -> None:
    expected = files_of(features, fitted)
    files = [record.file for record in expected]
    check_inside(location.folder, files)
    for record, size in zip(expected, location.sizes(files), strict=True):
        if size != record.bytes:
            raise WrongSnapshot(
                f"{location.display(record.file)} is missing or does not have its {record.bytes} "
                "bytes; nothing was published, build again"
            )


def _prepare(
    location: Location, table: Table[Any], content: pa.Table
) -> tuple[TableRecord, bytes | None]:
    """The record of a table and its bytes; None for a file that holds the same rows already.

    Parquet bytes may change with the library's version, rows do not: an older snapshot's file is
    never written over.
    """
    digest = table.digest(content)
    file = f"tables/{table.file_name(digest)}"
    path = location.path(file)
    if location.exists(file) and _has_digest(path, table, digest):
        return TableRecord(file, content.num_rows, path.stat().st_size, sha256_of(path)), None
    data = table.to_bytes(content)
    sha256 = hashlib.sha256(data).hexdigest()
    return TableRecord(file, content.num_rows, len(data), sha256), data


def _has_digest(path: Path, table: Table[Any], digest: str) -> bool:
    try:
        return table.digest_of(path) == digest
    except (FileNotFoundError, WrongTable):
        return False


def _holds_the_same(new: Snapshot, old: Snapshot) -> bool:
    """Whether both say the same, versions aside."""
    alike = replace(new, number=old.number, parent=old.parent, versions=old.versions, features={})
    is_same = new.features == old.features
    return is_same and json_text(alike) == json_text(replace(old, features={}))


def _sorted(feature: StoredFeature) -> StoredFeature:
    return replace(feature, shards=tuple(sorted(feature.shards, key=lambda shard: shard.file)))


def _counts(
    tables: Mapping[str, pa.Table], features: Mapping[str, StoredFeature], format_version: int
) -> dict[str, int]:
    shards = [shard for feature in features.values() for shard in feature.shards]
    by_state = pc.value_counts(tables["index"].column("state")).to_pylist()
    states = {row["values"]: row["counts"] for row in by_state}
    return {
        **{name: tables[name].num_rows for name in sorted(tables)},
        "stored": states.get(State.STORED, 0),
        **({"absent": states.get(State.ABSENT, 0)} if format_version > 1 else {}),
        "quarantined": states.get(State.QUARANTINED, 0),
        "shards": len(shards),
        "shard_rows": sum(shard.rows for shard in shards),
        "shard_bytes": sum(shard.bytes for shard in shards),
    }


def _listed(parent: Snapshot | None, listed: Mapping[str, int] | None) -> dict[str, int]:
    if listed is None:
        listed = parent.listed if parent else {}
    return {f"{LISTED}{corpus}": count for corpus, count in sorted(listed.items())}


def _spaces(labels: pa.Table) -> dict[str, str]:
    """Label spaces that read one of the schemes -> their hashes.

    Labels mapped by another version of a space may mean something else.
    """
    schemes = set(labels.column("scheme").unique().to_pylist())
    used = {name: space for name, space in SPACES.items() if schemes & space.sources.keys()}
    return {name: space.sha256 for name, space in sorted(used.items())}
