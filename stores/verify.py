"""Checks a store against what was recorded: every file, every row of the index, and their sum.

A file is hashed before anything else looks into it, and one that HDF5 has to open is opened in a
watched process, so that no file keeps the check from its end.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from manifests.features import IndexRow, State
from manifests.label_spaces import SPACES
from manifests.table import WrongTable
from stores.atomic import leftovers
from stores.fitted_state import read_state
from stores.hdf5_file import WrongFile
from stores.location import Location, Place, WrongDownload, fault_of, locate
from stores.object_store import RemoteError
from stores.parsing import WrongRecord
from stores.paths import open_plain, strange_entries
from stores.pointer import (
    POINTER,
    NotCommitted,
    Pointer,
    WrongSnapshot,
    read_pointer,
    snapshot_file,
)
from stores.reading import reading_remarks
from stores.records import FileRecord, ShardRecord, StoredFeature
from stores.shard import Entry, Shard, open_shard
from stores.shard_layout import sizes_of
from stores.shard_writer import count_not_finite
from stores.snapshot import (
    TABLES,
    Snapshot,
    load_snapshot,
    not_committed,
    read_rows,
    read_snapshot,
)
from stores.training_clips import TrainingClips
from stores.verify_fitted import encoded, state_problems, track_problems
from stores.verify_forgotten import forgotten_problems

_STEP = 1 << 14
"""Rows looked at together."""

OnFile = Callable[[str], None]
"""Called with each file's path below the root, before it is read."""
Rows = Mapping[str, list[Any]]
"""Table -> its rows."""
T = TypeVar("T")
Entries = dict[tuple[str, str], Entry]
"""(shard, clip id) -> what the shard says of the clip."""


@dataclass
class Verification:
    """What was looked at and what is wrong with it."""

    snapshot: int
    snapshots: int = 0
    """Readable ones, back to the first."""
    files: int = 0
    """Shards, states and tables that were read and are as they were recorded."""
    bytes: int = 0
    clips: int = 0
    features: int = 0
    stored: int = 0
    absent: int = 0
    quarantined: int = 0
    unreferenced: int = 0
    """Shard and state files that no snapshot lists: finished shards of a build that has not been
    committed. No error."""
    unfinished: int = 0
    """Hidden files of killed writers. No error."""
    problems: list[str] = field(default_factory=list)
    """One sentence each; none: nothing is wrong."""
    remarks: list[str] = field(default_factory=list)
    """One sentence each, of what is no damage and yet good to know."""

    @property
    def summary(self) -> str:
        looked = (
            f"snapshot {self.snapshot}: {self.files} files, {self.bytes:,} bytes, "
            f"{self.clips} clips, {self.features} features"
        )
        states = f"{self.stored} stored + {self.absent} absent + {self.quarantined} quarantined"
        spare = (
            f"; {self.unreferenced} shards of no snapshot, {self.unfinished} unfinished files"
            if self.unreferenced or self.unfinished
            else ""
        )
        return (
            f"{looked}, {states}{spare}: "
            f"{_many(len(self.problems), 'problem') if self.problems else 'whole'}"
        )


def verify(place: Place, on_file: OnFile = lambda file: None) -> Verification:
    """Checks the newest snapshot of a store and those before it; reads every byte once.

    Behind a URL it is the bytes there that are read and hashed, whatever copies of them lie here.

    Args:
        place: A folder, a URL, or a location.
        on_file: Called before each file is read.

    Returns:
        What was looked at and what is wrong with it.

    Raises:
        NotCommitted: There is no snapshot to check.
        NewerFormat: A newer version of affectstore wrote the store.
        WrongSnapshot: The newest snapshot is damaged.
        RemoteError: A URL cannot be reached.
    """
    location = locate(place)
    pointer = read_pointer(location)
    if pointer is None:
        raise not_committed(location)
    return _Check(location, pointer, on_file).report


class _Check:
    """One verification, made when this is made."""

    def __init__(self, location: Location, pointer: Pointer, on_file: OnFile) -> None:
        self._location, self._pointer, self._on_file = location, pointer, on_file
        self._snapshot = snapshot = load_snapshot(location, pointer.snapshot)
        self.report = Verification(snapshot.number, features=len(snapshot.features))
        self._problems = self.report.problems
        self._held: set[str] = set()
        """The clips of all shards, those that were refused among them."""
        self._damaged: set[str] = set()
        """Files of which a problem is known: what they hold is not compared."""
        snapshots = self._read_snapshots()
        rows = self._read_tables()
        entries = {name: self._read_shards(feature) for name, feature in snapshot.features.items()}
        if len(rows) == len(TABLES):
            self._check_index(rows, entries)
            self._add(_reference_problems(rows))
            self._add(forgotten_problems(snapshot.forgotten, rows, self._held))
            self._check_fitted(rows)
        self._check_older(snapshots)
        self._add(strange_entries(location.folder))
        listed = {record.file for one in snapshots for record in one.files}
        found = {file for file in location.list() if file.startswith(("shards/", "fitted/"))}
        self.report.unreferenced = sum(file.endswith(".h5") for file in found - listed)
        self.report.unfinished = len(leftovers(location.folder))
        self.report.remarks += [*_changed_spaces(snapshot), *reading_remarks(snapshots)]

    def _check_older(self, snapshots: list[Snapshot]) -> None:
        """Hashes the files that older snapshots list and the newest does not."""
        seen = {(record.file, record.sha256) for record in snapshots[0].files}
        for older in snapshots[1:]:
            for record in older.files:
                if (record.file, record.sha256) not in seen and record.file not in self._damaged:
                    seen.add((record.file, record.sha256))
                    self._read(record, partial(self._check_bytes, record))

    def _add(self, problems: Iterable[str]) -> None:
        """Adds what is wrong, each sentence once: one link may be in the way of many files."""
        self._problems += [
            problem for problem in dict.fromkeys(problems) if problem not in self._problems
        ]

    def _read(self, record: FileRecord, read: Callable[[], T]) -> T | None:
        """Reads a file and counts it; what is wrong with it becomes a problem, and gives None."""
        try:
            self._on_file(record.file)
            self._location.check(record)
            found = read()
        except RemoteError:
            raise
        except (WrongTable, WrongFile, WrongRecord, WrongDownload, OSError) as error:
            self._add([_in_words(error)])
            self._damaged.add(record.file)
            return None
        self.report.files += 1
        self.report.bytes += record.bytes
        return found

    def _check_bytes(self, record: FileRecord) -> None:
        if fault := fault_of(self._location, record):
            raise WrongFile(fault)

    def _read_snapshots(self) -> list[Snapshot]:
        """The newest snapshot and those before it, as far as they can be read."""
        found, hashes = [self._snapshot], dict(self._pointer.sha256)
        try:
            while True:
                hashes.pop(snapshot_file(found[-1].number), None)
                parent = found[-1].parent
                if parent is None or parent < self._pointer.oldest:
                    break
                found.append(
                    read_snapshot(self._location, parent, hashes.get(snapshot_file(parent)))
                )
            if hashes or not self._is_pointer_as_written():
                self._add(
                    [
                        f"{self._location.display(POINTER)} is not what a commit has written: it "
                        "was changed afterwards; restore it from a copy"
                    ]
                )
        except (NotCommitted, WrongSnapshot) as error:
            self._add([_in_words(error)])
        self.report.snapshots = len(found)
        return found

    def _is_pointer_as_written(self) -> bool:
        with open_plain(self._location.path(POINTER)) as file:
            return file.read() == self._pointer.to_bytes()

    def _read_tables(self) -> dict[str, list[Any]]:
        rows = {}
        for name, record in self._snapshot.tables.items():
            read = partial(read_rows, self._location, self._snapshot, TABLES[name])
            if (found := self._read(record, read)) is not None:
                rows[name] = found
        return rows

    def _read_shards(self, feature: StoredFeature) -> Entries:
        entries: Entries = {}
        for record in feature.shards:
            entries |= self._read(record, partial(self._read_shard, record, feature)) or {}
        return entries

    def _read_shard(self, record: ShardRecord, feature: StoredFeature) -> Entries:
        self._check_bytes(record)
        shard = open_shard(self._location, feature.spec, record)
        self._add(_shard_problems(shard, record))
        self._held.update(one.clip_id for one in shard.refused)
        self._held.update(one.clip_id for one in shard.entries)
        return {(record.file, entry.clip_id): entry for entry in shard.entries}

    def _check_index(self, rows: Rows, entries: Mapping[str, Entries]) -> None:
        clips = {clip.clip_id for clip in rows["clips"]}
        states: dict[str, dict[str, State]] = {name: {} for name in entries}
        for row in rows["index"]:
            if row.feature not in states:
                self._add(
                    [
                        f"the index has {row.feature} of {row.clip_id}, a feature that the "
                        "snapshot does not list"
                    ]
                )
                continue
            states[row.feature][row.clip_id] = row.state
            spec = self._snapshot.features[row.feature].spec
            if row.shard not in self._damaged:
                self._add(_row_problems(row, spec.fingerprint, entries[row.feature]))
        for name, of_clips in states.items():
            self._add(_sum_problems(name, of_clips.keys(), clips))
        found = [row.state for row in rows["index"]]
        self.report.clips = len(clips)
        self.report.stored = found.count(State.STORED)
        self.report.absent = found.count(State.ABSENT)
        self.report.quarantined = found.count(State.QUARANTINED)

    def _check_fitted(self, rows: Rows) -> None:
        fitted = self._snapshot.fitted
        clips = TrainingClips(lambda table: rows[table.name], fitted)
        for entry, state in ((one, state) for one in fitted.values() for state in one.states):
            found = self._read(
                state, partial(read_state, self._location, state.file, entry.spec, state)
            )
            self._add(state_problems(self._location, entry, state, found, clips))
            for variant, feature in encoded(entry, state).items():
                stored = {clip_id for _, clip_id in self._read_shards(feature)}
                if self._damaged.isdisjoint(shard.file for shard in feature.shards):
                    self._add(track_problems(entry, state, variant, stored, clips))


def _changed_spaces(snapshot: Snapshot) -> Iterator[str]:
    """Label spaces that this version reads otherwise than the one that published the snapshot."""
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


def _shard_problems(shard: Shard, record: ShardRecord) -> Iterator[str]:
    found = shard.record()
    if found != replace(record, sizes=sizes_of(shard.layout)):
        yield (
            f"{shard.name} has {_many(found.clips, 'clip')} and {_many(found.rows, 'row')}, "
            f"but the snapshot recorded {_many(record.clips, 'clip')} and "
            f"{_many(record.rows, 'row')}; build again without it"
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


def _row_problems(row: IndexRow, fingerprint: str, entries: Entries) -> Iterator[str]:
    what = f"the index row of {row.feature} of {row.clip_id}"
    place = (row.start, row.rows, row.valid_rows)
    entry = entries.get((str(row.shard), row.clip_id))
    if row.fingerprint != fingerprint:
        yield (
            f"{what} has fingerprint {row.fingerprint}, the snapshot's feature has {fingerprint}"
        )
    elif row.state != State.STORED:
        if {row.shard, *place} != {None}:
            yield f"{what} is {row.state} and yet names a place in a shard"
    elif entry is None:
        yield f"{what} names {row.shard}, which does not hold the clip"
    else:
        said = (*place, row.notes)
        found = (entry.start, entry.rows, entry.valid_rows, ",".join(entry.notes))
        if said != found:
            yield f"{what} says {_place(*said)}, the shard itself {_place(*found)}"


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _place(start: int | None, rows: int | None, valid_rows: int | None, notes: str) -> str:
    """Where the track of a clip lies, in words."""
    noted = f"the notes {notes}" if notes else "no notes"
    return f"{rows} rows from row {start}, {valid_rows} of them valid, and {noted}"


def _in_words(error: Exception) -> str:
    """An error of the system without its number; every other one is a sentence already."""
    if isinstance(error, OSError) and error.errno is not None and error.filename:
        return (
            f"{error.filename} cannot be read ({error.strerror}); look at its permissions and at "
            "the disk, or restore it from a copy"
        )
    return str(error)


def _sum_problems(name: str, found: Iterable[str], clips: set[str]) -> Iterator[str]:
    if missing := sorted(clips.difference(found)):
        yield (
            f"{len(missing)} clips are neither stored nor absent nor quarantined for {name}, such "
            f"as {missing[0]}"
        )
    if extra := sorted(set(found) - clips):
        yield (
            f"{len(extra)} clips of {name} in the index are not in the table of clips, such as "
            f"{extra[0]}"
        )


def _reference_problems(rows: Rows) -> Iterator[str]:
    clips = {clip.clip_id for clip in rows["clips"]}
    for name in ("labels", "folds"):
        if extra := sorted({row.clip_id for row in rows[name]} - clips):
            yield (
                f"{len(extra)} clips in the table of {name} are not in the table of clips, such "
                f"as {extra[0]}"
            )
    quarantined = {
        (row.clip_id, row.feature) for row in rows["index"] if row.state == State.QUARANTINED
    }
    explained = {(row.clip_id, row.feature) for row in rows["quarantine"]}
    for clip_id, feature in sorted(quarantined - explained):
        yield (
            f"{feature} of {clip_id} is quarantined in the index, but no row of quarantine says why"
        )
    for clip_id, feature in sorted(explained - quarantined):
        yield (
            f"{feature} of {clip_id} has a row in quarantine, but the index does not say "
            "quarantined"
        )
