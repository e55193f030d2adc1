"""Reading a store: tables as pandas frames, tracks as views of memory-mapped files."""

import difflib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from manifests.audits import AUDITS
from manifests.clips import CLIPS
from manifests.features import INDEX, FeatureSpec, IndexRow, State
from manifests.folds import FOLDS
from manifests.labels import LABELS
from manifests.quarantine import QUARANTINE
from manifests.table import Table
from manifests.tracks import Track
from stores.fitted import FittedTracks, WrongState, read_state
from stores.hdf5 import Shard, WrongShard, open_shard, split_notes
from stores.layout import Layout
from stores.records import FoldState, StoredFeature, StoredFitted
from stores.snapshot import Snapshot, load_snapshot, read_rows, read_table
from stores.trainings import Trainings
from stores.transforms import ARRAYS, TRANSFORMS

_MOST_MAPS = 400
"""Shards mapped at once: each map holds a file descriptor, of which a process has 1,024 by default."""

_WHOLE = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
"""Columns with gaps stay whole numbers and booleans in pandas."""

Row = TypeVar("Row")


class NotInStore(KeyError):
    """What was asked for is not in this snapshot; the message says what is, or why not."""

    def __str__(self) -> str:
        return str(self.args[0])


class NotFitted(KeyError):
    """A fitted feature has no state for this fold, or one that was fitted on other clips; the message says which folds it has."""

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
        self.__setstate__((self.root, load_snapshot(self.root, snapshot)))

    def __getstate__(self) -> tuple[Path, Snapshot]:
        return self.root, self.snapshot

    def __setstate__(self, state: tuple[Path, Snapshot]) -> None:
        self.root, self.snapshot = state
        self._maps = _Maps(self.root)
        self._fitted: dict[tuple[str, str, int], FittedTracks | StoredTracks] = {}

    @cached_property
    def features(self) -> dict[str, FeatureSpec]:
        """What the store holds, by name."""
        return {name: feature.spec for name, feature in self.snapshot.features.items()}

    def __getitem__(self, feature: str) -> "StoredTracks":
        """The tracks of one feature. NotInStore, a KeyError, for an unknown name."""
        tracks = self._tracks.get(feature)
        if tracks is None and feature in self.snapshot.fitted:
            raise NotInStore(f"{feature} is fitted for each fold; name a split scheme and a fold: store.fitted({feature!r}, scheme, fold)")
        if tracks is None:
            raise NotInStore(_unknown("feature", feature, self.features))
        return tracks

    def fitted(self, name: str, scheme: str, fold: int) -> "FittedTracks | StoredTracks":
        """The tracks of a fitted feature, by the state of one fold: for the clips of all its roles, learned from its training clips alone.

        `NAME~1` gives those of the augmented variant 1, by the same state, where the reader makes the tracks.
        NotInStore, a KeyError, for an unknown name; NotFitted, a KeyError, for a fold that the feature is not fitted for, or whose
        training clips are no longer those of the fit.
        """
        key = name, scheme, fold
        if key not in self._fitted:
            self._fitted[key] = self._open_fitted(*key)
        return self._fitted[key]

    def holding(self, fitted: Mapping[str, StoredFitted]) -> "FeatureStore":
        """The same snapshot with other fitted states: those that have been written and not been published yet."""
        other = FeatureStore.__new__(FeatureStore)
        other.__setstate__((self.root, replace(self.snapshot, fitted=dict(fitted))))
        other._maps, other.__dict__["_tracks"] = self._maps, self._tracks
        return other

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

    def audits(self) -> pd.DataFrame:
        """What the audit of each split scheme found; a row is a `manifests.audits.Finding`."""
        return self._frame(AUDITS)

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
        reasons: defaultdict[str, dict[str, tuple[str, str]]] = defaultdict(dict)
        for bad in self.rows(QUARANTINE):
            reasons[bad.feature][bad.clip_id] = bad.reason, bad.detail
        features = self.snapshot.features.items()
        return {name: StoredTracks(feature, index[name], reasons[name], self._maps) for name, feature in features}

    @cached_property
    def _trainings(self) -> Trainings:
        return Trainings(self.rows, self.snapshot.fitted)

    def _open_fitted(self, name: str, scheme: str, fold: int) -> "FittedTracks | StoredTracks":
        plain, tilde, _ = name.partition("~")
        entry = self.snapshot.fitted.get(plain)
        if entry is None:
            raise NotInStore(_unknown("fitted feature", name, self.snapshot.fitted))
        state = self._state(entry, scheme, fold)
        spec = replace(entry.spec, name=name, shape=state.shape)
        if entry.transform is not None:
            learned = self._learned(entry, state)
            source = self._input(entry.inputs["input"] + name.removeprefix(plain), scheme, fold)
            spec = replace(spec, variant=max(spec.variant, source.spec.variant))
            return FittedTracks(spec, learned, TRANSFORMS[entry.transform], source)
        if tilde:
            raise NotInStore(f"{plain} is stored for the clips as they are, not for variants of them; name it without {name[len(plain) :]}")
        return _network_tracks(self.root, StoredFeature(spec, state.shards), self._maps)

    def _input(self, name: str, scheme: str, fold: int) -> "FittedTracks | StoredTracks":
        return self.fitted(name, scheme, fold) if name.partition("~")[0] in self.snapshot.fitted else self[name]

    def _state(self, entry: StoredFitted, scheme: str, fold: int) -> FoldState:
        name, state = entry.spec.name, entry.state(scheme, fold)
        if state is None:
            folds = ", ".join(f"{each.scheme} {each.fold}" for each in entry.states) or "none yet"
            raise NotFitted(
                f"{name} is not fitted for fold {fold} of {scheme}, and the state of another fold has seen other clips; "
                f"it is fitted for {folds}; run affectstore fit {self.root} {scheme}"
            )
        if self._trainings.of(name, scheme, fold).sha256 != state.training_sha256:
            raise NotFitted(
                f"{name} was fitted on clips that are no longer the training clips of fold {fold} of {scheme}; "
                f"run affectstore fit {self.root} {scheme}"
            )
        return state

    def _learned(self, entry: StoredFitted, state: FoldState) -> Mapping[str, NDArray[Any]]:
        """What the state's file holds. WrongState unless it is the state of this feature, scheme and fold, and of the recorded clips."""
        found = read_state(self.root, state.file)
        wanted = entry.spec.name, entry.spec.fingerprint, state.scheme, state.fold, state.training_sha256
        if (found.name, found.fingerprint, found.scheme, found.fold, found.training_sha256) != wanted:
            raise WrongState(
                f"{self.root / state.file} holds {found.name} for fold {found.fold} of {found.scheme}, where the snapshot recorded "
                f"{entry.spec.name} for fold {state.fold} of {state.scheme}; run `affectstore verify {self.root}`"
            )
        if missing := sorted(set(ARRAYS.get(entry.transform or "", ())) - found.state.keys()):
            raise WrongState(f"{self.root / state.file} has no array {missing[0]!r}; run `affectstore verify {self.root}`")
        return found.state


class StoredTracks(Mapping[str, Track]):
    """The tracks of one feature by clip id: `len`, `in`, iteration in the order of ids, and access at random."""

    spec: FeatureSpec
    lost: Mapping[str, tuple[str, str]]
    """Clip in quarantine -> reason and detail."""

    def __init__(self, feature: StoredFeature, index: list[IndexRow], lost: Mapping[str, tuple[str, str]], maps: "_Maps") -> None:
        self.spec, self.lost = feature.spec, lost
        self._maps = maps
        rows = {shard.file: shard.rows for shard in feature.shards}
        self._where = {row.clip_id: _where(row, rows) for row in index if row.state == State.STORED}
        maps.expect({shard.file: (feature.spec, shard.rows, shard.bytes) for shard in feature.shards})

    def __getitem__(self, clip_id: str) -> Track:
        """The clip's track. NotInStore, a KeyError, says why there is none; WrongShard when the file is damaged."""
        return self.track(clip_id)

    def track(self, clip_id: str, decode: bool = True) -> Track:
        """The same; where `decode` is False, JPEG rows stay `bytes`."""
        where = self._where.get(clip_id)
        if where is None:
            raise NotInStore(self._why_not(clip_id))
        file, start, stop, notes = where
        return self._maps[file].slice(start, stop, notes, decode)

    def __contains__(self, clip_id: object) -> bool:
        return clip_id in self._where

    def __iter__(self) -> Iterator[str]:
        return iter(self._where)

    def __len__(self) -> int:
        return len(self._where)

    def _why_not(self, clip_id: str) -> str:
        if clip_id in self.lost:
            return f"{clip_id} has no {self.spec.name}, it is quarantined: {': '.join(self.lost[clip_id])}"
        return _unknown(f"clip of {self.spec.name}", clip_id, self._where)


def open_tracks(root: Path, feature: StoredFeature, index: Iterable[IndexRow]) -> StoredTracks:
    """The tracks of a feature whose shards are there, by its rows of the index, be they published or not."""
    return StoredTracks(feature, sorted(index, key=lambda row: row.clip_id), {}, _Maps(root))


def _network_tracks(root: Path, feature: StoredFeature, maps: "_Maps") -> StoredTracks:
    """The tracks that a network made for one fold: such shards have no rows in the index, and say themselves what they hold."""
    name, fingerprint = feature.spec.name, feature.spec.fingerprint
    rows: list[IndexRow] = []
    lost: dict[str, tuple[str, str]] = {}
    for record in feature.shards:
        shard = open_shard(root, record.file)
        for clip_id, start, count, valid, notes in shard.entries:
            rows.append(IndexRow(clip_id, name, fingerprint, State.STORED, record.file, start, count, valid, ",".join(notes)))
        lost |= {clip_id: (reason, detail) for clip_id, reason, detail in shard.refused}
    return StoredTracks(feature, sorted(rows, key=lambda row: row.clip_id), lost, maps)


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
