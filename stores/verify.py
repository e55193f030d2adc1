"""Is a store whole? Every file, every row of the index, and the sum of it all, against what was
recorded."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from manifests.features import IndexRow, State
from manifests.label_spaces import SPACES
from manifests.table import WrongTable
from stores.atomic import leftovers
from stores.location import FileRecord, Location, Place, WrongDownload, locate
from stores.object_store import RemoteError
from stores.pointer import NotCommitted, WrongSnapshot
from stores.records import ShardRecord, StoredFeature, WrongRecord
from stores.shard import Entry, Shard
from stores.shard_layout import WrongShard
from stores.shard_writer import count_not_finite
from stores.snapshot import TABLES, Snapshot, load_parent, load_snapshot, read_rows, shards_of
from stores.training_clips import TrainingClips
from stores.verify_fitted import encoded, state_problems, track_problems

_STEP = 1 << 14
"""Rows looked at together."""

OnFile = Callable[[str], None]
"""Called with each file's path below the root, before it is read."""

Look = Callable[[FileRecord], None]
"""Called with each file that is recorded, before it is read; WrongDownload or FileNotFoundError
where a URL does not give it."""


@dataclass
class Verification:
    """What was looked at and what is wrong with it."""

    snapshot: int
    snapshots: int = 0
    """Readable ones, back to the first."""
    files: int = 0
    """Shards and tables of the newest snapshot that were read."""
    bytes: int = 0
    clips: int = 0
    features: int = 0
    stored: int = 0
    quarantined: int = 0
    unreferenced: int = 0
    """Shard and state files that no snapshot lists: finished shards of a build that has not been
    committed. No error."""
    unfinished: int = 0
    """Hidden files of killed writers. No error."""
    problems: list[str] = field(default_factory=list)
    """One sentence each; none: the store is whole."""
    remarks: list[str] = field(default_factory=list)
    """One sentence each, of what is no damage and yet good to know."""

    @property
    def summary(self) -> str:
        looked = (
            f"snapshot {self.snapshot}: {self.files} files, {self.bytes:,} bytes, "
            f"{self.clips} clips, {self.features} features"
        )
        states = f"{self.stored} stored + {self.quarantined} quarantined"
        spare = (
            f"; {self.unreferenced} shards of no snapshot, {self.unfinished} unfinished files"
            if self.unreferenced or self.unfinished
            else ""
        )
        return (
            f"{looked}, {states}{spare}: "
            f"{'whole' if not self.problems else f'{len(self.problems)} problems'}"
        )


def verify(place: Place, on_file: OnFile = lambda file: None) -> Verification:
    """Check the newest snapshot of a store and the chain behind it; reads every byte once.

    Behind a URL it is the bytes there that are read and hashed, whatever copies of them lie here.
    NotCommitted, NewerFormat or WrongSnapshot when there is no snapshot to check, RemoteError when
    a URL cannot be reached; all else becomes a problem of the report.
    """
    location = locate(place)
    snapshot = load_snapshot(location)

    def look(record: FileRecord) -> None:
        on_file(record.file)
        location.check(record)

    report = Verification(snapshot.number, features=len(snapshot.features))
    chain = _read_chain(location, snapshot, report)
    tables = _read_tables(location, snapshot, report, look)
    entries = {
        name: _read_shards(location, feature, report, look)
        for name, feature in snapshot.features.items()
    }
    if len(tables) == len(TABLES):
        _check_index(snapshot, tables, entries, report)
        _check_references(tables, report)
        _check_fitted(location, snapshot, tables, report, look)
    listed = {file for one in chain for file in _files_of(one)}
    report.unreferenced = sum(
        file not in listed
        for file in location.list()
        if file.startswith(("shards/", "fitted/")) and file.endswith(".h5")
    )
    report.unfinished = len(leftovers(location.folder))
    report.remarks += _changed_spaces(snapshot)
    return report


def _files_of(snapshot: Snapshot) -> Iterator[str]:
    """Every shard and every fitted state."""
    yield from (state.file for entry in snapshot.fitted.values() for state in entry.states)
    yield from (shard.file for shard in shards_of(snapshot.features, snapshot.fitted))


def _check_fitted(
    location: Location,
    snapshot: Snapshot,
    tables: dict[str, list[Any]],
    report: Verification,
    look: Look,
) -> None:
    trainings = TrainingClips(lambda table: tables[table.name], snapshot.fitted)
    for entry in snapshot.fitted.values():
        for state in entry.states:
            report.problems.extend(_unseen(look, state))
            report.problems.extend(state_problems(location, entry, state, trainings))
            report.files += 1
            report.bytes += state.bytes
            for variant, feature in encoded(entry, state).items():
                held = {clip_id for _, clip_id in _read_shards(location, feature, report, look)}
                report.problems.extend(track_problems(entry, state, variant, held, trainings))


def _changed_spaces(snapshot: Snapshot) -> Iterator[str]:
    """Label spaces that the installed version reads otherwise than the version that published the
    snapshot."""
    for name, recorded in snapshot.spaces.items():
        if name not in SPACES:
            yield (
                f"the label space {name}, which the store was published with, is not in this "
                "version of affectstore"
            )
        elif (found := SPACES[name].sha256) != recorded:
            yield (
                f"the label space {name} has sha256 {found[:12]} and had {recorded[:12]} when the "
                "store was published: it maps labels in "
                "another way now, so do not compare results on it with earlier ones"
            )


def _read_chain(location: Location, newest: Snapshot, report: Verification) -> list[Snapshot]:
    chain = [newest]
    while chain[-1].parent is not None:
        try:
            chain.append(load_parent(location, chain[-1]))
        except (NotCommitted, WrongSnapshot) as error:
            report.problems.append(str(error))
            break
    report.snapshots = len(chain)
    return chain


def _unseen(look: Look, state: FileRecord) -> Iterator[str]:
    try:
        look(state)
    except RemoteError:
        raise
    except (WrongDownload, OSError) as error:
        yield str(error)


def _read_tables(
    location: Location, snapshot: Snapshot, report: Verification, look: Look
) -> dict[str, list[Any]]:
    tables = {}
    for name, record in snapshot.tables.items():
        try:
            look(record)
            tables[name] = read_rows(location, snapshot, TABLES[name])
        except RemoteError:
            raise
        except (WrongTable, WrongDownload, OSError) as error:
            report.problems.append(str(error))
            continue
        report.files += 1
        report.bytes += record.bytes
    return tables


Entries = dict[tuple[str, str], Entry]
"""(shard, clip id) -> what the shard says of the clip."""


def _read_shards(
    location: Location, feature: StoredFeature, report: Verification, look: Look
) -> Entries:
    entries: Entries = {}
    for record in feature.shards:
        try:
            look(record)
            shard = Shard(location, record.file)
            report.problems.extend(_shard_problems(shard, record, feature))
            entries |= {(record.file, entry.clip_id): entry for entry in shard.entries}
        except RemoteError:
            raise
        except (WrongShard, WrongRecord, WrongDownload, OSError) as error:
            report.problems.append(str(error))
            continue
        report.files += 1
        report.bytes += record.bytes
    return entries


def _shard_problems(shard: Shard, record: ShardRecord, feature: StoredFeature) -> Iterator[str]:
    if (found := shard.record()) != record:
        yield (
            f"{shard.name} is {found}, but the snapshot recorded {record}; it was changed "
            "afterwards, build again without it"
        )
    if shard.spec != feature.spec:
        yield (
            f"{shard.name} holds {shard.spec}, but the snapshot says {feature.spec}; build "
            "again without this file"
        )
    shard.check_offsets()
    ids = [entry.clip_id for entry in shard.entries]
    if len(set(ids)) != len(ids):
        yield f"{shard.name} holds a clip twice; build again without this file"
    if bad := _count_bad_values(shard):
        yield (
            f"{shard.name} has {bad} valid rows that are not finite; build again without this file"
        )
    if not np.isfinite(shard.seconds).all():
        yield f"{shard.name} has rows whose seconds are not finite; build again without this file"


def _count_bad_values(shard: Shard) -> int:
    if shard.values.dtype.kind != "f":
        return 0
    starts = range(0, len(shard.seconds), _STEP)
    return sum(
        count_not_finite(shard.values[at : at + _STEP], shard.valid[at : at + _STEP])
        for at in starts
    )


def _check_index(
    snapshot: Snapshot,
    tables: dict[str, list[Any]],
    entries: dict[str, Entries],
    report: Verification,
) -> None:
    clips = {clip.clip_id for clip in tables["clips"]}
    rows: dict[str, list[IndexRow]] = {name: [] for name in snapshot.features}
    for row in tables["index"]:
        if row.feature not in rows:
            report.problems.append(
                f"the index has {row.feature} of {row.clip_id}, a feature that the snapshot does "
                "not list"
            )
            continue
        rows[row.feature].append(row)
        problem = _row_problem(
            row, snapshot.features[row.feature].spec.fingerprint, entries[row.feature]
        )
        report.problems.extend([problem] if problem else [])
    for name, found in rows.items():
        _check_sum(name, {row.clip_id: row.state for row in found}, clips, report)
    report.clips = len(clips)
    report.stored = sum(row.state == State.STORED for row in tables["index"])
    report.quarantined = sum(row.state == State.QUARANTINED for row in tables["index"])


def _row_problem(row: IndexRow, fingerprint: str, entries: Entries) -> str | None:
    what = f"the index row of {row.feature} of {row.clip_id}"
    if row.fingerprint != fingerprint:
        return f"{what} has fingerprint {row.fingerprint}, the snapshot's feature has {fingerprint}"
    if row.state == State.QUARANTINED:
        placed = (row.shard, row.start, row.rows, row.valid_rows) != (None, None, None, None)
        return f"{what} is quarantined and yet names a place in a shard" if placed else None
    entry = entries.get((str(row.shard), row.clip_id))
    if entry is None:
        return f"{what} names {row.shard}, which does not hold the clip"
    said, found = (
        (row.start, row.rows, row.valid_rows, row.notes),
        (entry.start, entry.rows, entry.valid_rows, ",".join(entry.notes)),
    )
    return (
        None
        if said == found
        else f"{what} says (start, rows, valid rows, notes) = {said}, the shard itself {found}"
    )


def _check_sum(name: str, states: dict[str, State], clips: set[str], report: Verification) -> None:
    if missing := sorted(clips - states.keys()):
        report.problems.append(
            f"{len(missing)} clips are neither stored nor quarantined for {name}, such as "
            f"{missing[0]}"
        )
    if extra := sorted(states.keys() - clips):
        report.problems.append(
            f"{len(extra)} clips of {name} in the index are not in the table of clips, such as "
            f"{extra[0]}"
        )


def _check_references(tables: dict[str, list[Any]], report: Verification) -> None:
    clips = {clip.clip_id for clip in tables["clips"]}
    for name in ("labels", "folds"):
        if extra := sorted({row.clip_id for row in tables[name]} - clips):
            report.problems.append(
                f"{len(extra)} clips in the table of {name} are not in the table of clips, such "
                f"as {extra[0]}"
            )
    quarantined = {
        (row.clip_id, row.feature) for row in tables["index"] if row.state == State.QUARANTINED
    }
    explained = {(row.clip_id, row.feature) for row in tables["quarantine"]}
    for clip_id, feature in sorted(quarantined - explained):
        report.problems.append(
            f"{feature} of {clip_id} is quarantined in the index, but no row of quarantine says why"
        )
    for clip_id, feature in sorted(explained - quarantined):
        report.problems.append(
            f"{feature} of {clip_id} has a row in quarantine, but the index does not say "
            "quarantined"
        )
