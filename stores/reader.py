"""Reading a store: tables as pandas frames, tracks as views of memory-mapped files."""

import difflib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa

from manifests.clips import CLIPS
from manifests.features import INDEX, FeatureSpec, IndexRow, State
from manifests.folds import FOLDS
from manifests.labels import LABELS
from manifests.quarantine import QUARANTINE
from manifests.table import Table
from manifests.tracks import Track
from stores.hdf5 import Shard, WrongShard, split_notes
from stores.layout import Layout
from stores.snapshot import Snapshot, StoredFeature, load_snapshot, read_rows, read_table

_MOST_MAPS = 400
"""Shards mapped at once: each map holds a file descriptor, of which a process has 1,024 by default."""

_WHOLE = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
"""Columns with gaps stay whole numbers and booleans in pandas."""

Row = TypeVar("Row")


class NotInStore(KeyError):
    """What was asked for is not in this snapshot; the message says what is, or why not."""

    def __str__(self) -> str:
        return str(self.args[0])


class FeatureStore:
    """One snapshot of a store, read-only.

    `store["mfcc"]["ravdess/03-01-05-01-01-01-12"]` is a Track whose arrays are read-only views of the file: nothing is copied, and
    only what is touched is read. A store stays at its snapshot, whatever is published meanwhile. It may be pickled and forked; files
    are mapped lazily, by each process for itself.
    """

    def __init__(self, root: str | Path, snapshot: int | None = None) -> None:
        """Open `root` at a snapshot's number; None: the newest. NotCommitted, NewerFormat or WrongSnapshot when it cannot be read."""
        self.root = Path(root).absolute()
        self.snapshot = load_snapshot(self.root, snapshot)
        self._maps = _Maps(self.root)

    def __getstate__(self) -> tuple[Path, Snapshot]:
        return self.root, self.snapshot

    def __setstate__(self, state: tuple[Path, Snapshot]) -> None:
        self.root, self.snapshot = state
        self._maps = _Maps(self.root)

    @cached_property
    def features(self) -> dict[str, FeatureSpec]:
        """What the store holds, by name."""
        return {name: feature.spec for name, feature in self.snapshot.features.items()}

    def __getitem__(self, feature: str) -> "StoredTracks":
        """The tracks of one feature. NotInStore, a KeyError, for an unknown name."""
        tracks = self._tracks.get(feature)
        if tracks is None:
            raise NotInStore(_unknown("feature", feature, self.features))
        return tracks

    def clips(self) -> pd.DataFrame:
        return self._frame(CLIPS)

    def labels(self) -> pd.DataFrame:
        return self._frame(LABELS)

    def folds(self) -> pd.DataFrame:
        return self._frame(FOLDS)

    def index(self) -> pd.DataFrame:
        return self._frame(INDEX)

    def quarantine(self) -> pd.DataFrame:
        return self._frame(QUARANTINE)

    def rows(self, table: Table[Row]) -> list[Row]:
        """The rows of a table, as its row type. WrongTable when the file is not what was recorded."""
        return read_rows(self.root, self.snapshot, table)

    def _frame(self, table: Table[Any]) -> pd.DataFrame:
        frame: pd.DataFrame = read_table(self.root, self.snapshot, table).to_pandas(types_mapper=_WHOLE.get)
        return frame

    @cached_property
    def _tracks(self) -> dict[str, "StoredTracks"]:
        index: defaultdict[str, list[IndexRow]] = defaultdict(list)
        for row in self.rows(INDEX):
            index[row.feature].append(row)
        reasons: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for bad in self.rows(QUARANTINE):
            reasons[bad.feature][bad.clip_id] = f"{bad.reason}: {bad.detail}"
        features = self.snapshot.features.items()
        return {name: StoredTracks(feature, index[name], reasons[name], self._maps) for name, feature in features}


class StoredTracks(Mapping[str, Track]):
    """The tracks of one feature by clip id: `len`, `in`, iteration in the order of ids, and access at random."""

    spec: FeatureSpec

    def __init__(self, feature: StoredFeature, index: list[IndexRow], reasons: dict[str, str], maps: "_Maps") -> None:
        self.spec = feature.spec
        self._reasons, self._maps = reasons, maps
        rows = {shard.file: shard.rows for shard in feature.shards}
        self._where = {row.clip_id: _where(row, rows) for row in index if row.state == State.STORED}
        maps.expect({shard.file: (feature.spec, shard.rows, shard.bytes) for shard in feature.shards})

    def __getitem__(self, clip_id: str) -> Track:
        """The clip's track. NotInStore, a KeyError, says why there is none; WrongShard when the file is damaged."""
        where = self._where.get(clip_id)
        if where is None:
            raise NotInStore(self._why_not(clip_id))
        file, start, stop, notes = where
        return self._maps[file].slice(start, stop, notes)

    def __contains__(self, clip_id: object) -> bool:
        return clip_id in self._where

    def __iter__(self) -> Iterator[str]:
        return iter(self._where)

    def __len__(self) -> int:
        return len(self._where)

    def _why_not(self, clip_id: str) -> str:
        if clip_id in self._reasons:
            return f"{clip_id} has no {self.spec.name}, it is quarantined: {self._reasons[clip_id]}"
        return _unknown(f"clip of {self.spec.name}", clip_id, self._where)


class _Maps(dict[str, Shard]):
    """Shards mapped so far. The oldest map goes first; tracks that still refer to it keep it alive, and where its datasets lie stays
    known, so that mapping it again costs two system calls."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root
        self._layouts: dict[str, Layout] = {}
        self._expected: dict[str, tuple[FeatureSpec, int, int]] = {}

    def expect(self, files: Mapping[str, tuple[FeatureSpec, int, int]]) -> None:
        """What the snapshot says of its shards: spec, rows and bytes."""
        self._expected.update(files)

    def __missing__(self, file: str) -> Shard:
        shard = Shard(self._root, file, self._layouts.get(file))
        found = shard.spec, len(shard.seconds), shard.layout.size
        if found != self._expected[file]:
            raise WrongShard(f"{shard.path} is not the file that the snapshot recorded; run `affectstore verify {self._root}`")
        self._layouts[file] = shard.layout
        for old in list(self)[: len(self) + 1 - _MOST_MAPS]:
            self.pop(old, None)
        self[file] = shard
        return shard


def _where(row: IndexRow, rows: Mapping[str, int]) -> tuple[str, int, int, tuple[str, ...]]:
    """Shard, first row, row after the last, and notes; WrongShard when these rows are not in the shard."""
    file, start, count = row.shard, row.start, row.rows
    if file is None or start is None or count is None or file not in rows or not 0 <= start <= start + count <= rows[file]:
        raise WrongShard(
            f"the index places {row.feature} of {row.clip_id} at {file}, row {start}, which the snapshot does not hold; build again"
        )
    return file, start, start + count, split_notes(row.notes)


def _unknown(what: str, name: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    if near:
        hint = f"did you mean {' or '.join(near)}"
    elif len(known) <= 20:
        hint = f"there are {', '.join(known) or 'none'}"
    else:
        hint = f"there are {len(known)}, such as {next(iter(known))}"
    return f"the store has no {what} named {name!r}; {hint}"
