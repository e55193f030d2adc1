"""Reading a store: tables as pandas frames, tracks as views of memory-mapped files."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from manifests.audits import AUDITS
from manifests.clips import CLIPS
from manifests.features import INDEX, FeatureSpec, IndexRow, State
from manifests.folds import FOLDS
from manifests.labels import LABELS
from manifests.quarantine import QUARANTINE
from manifests.suggestions import closest
from manifests.table import Table
from manifests.tracks import Track
from manifests.variant_names import plain_name, variant_name
from stores.fitted_state import FittedTracks, WrongState, read_state
from stores.location import Location, Place, locate
from stores.records import FoldState, ShardRecord, StoredFeature, StoredFitted
from stores.row_places import RowPlaces
from stores.shard import Shard
from stores.shard_layout import ShardLayout, WrongShard
from stores.snapshot import Snapshot, load_snapshot, read_compact, read_rows, read_table
from stores.training_clips import TrainingClips
from stores.transforms import ARRAYS, TRANSFORMS

if TYPE_CHECKING:
    import pandas as pd

_MOST_MAPS = 400
"""Shards mapped at once: each map holds a file descriptor, of which a process has 1,024 by default.
"""

_MOST_COMPARED = 20_000
"""Names among which a misspelt one is looked for; with more it would take longer than a second."""

Row = TypeVar("Row")


class NotInStore(KeyError):
    """What was asked for is not in this snapshot; the message says what is, or why not."""

    def __str__(self) -> str:
        return str(self.args[0])


class NotFitted(KeyError):
    """A fitted feature has no state for this fold, or one that was fitted on other clips; the
    message says which folds it has."""

    def __str__(self) -> str:
        return str(self.args[0])


class FeatureStore:
    """One snapshot of a store, read-only.

    `store["mfcc"]["ravdess/03-01-05-01-01-01-12"]` is a Track whose arrays are read-only views of
    the file: nothing is copied, and only what is touched is read. A store stays at its snapshot,
    whatever is published meanwhile. It may be pickled and forked; files are mapped lazily, by each
    process for itself.
    """

    def __init__(self, root: Place, snapshot: int | None = None) -> None:
        """Open `root`, a folder or a URL such as s3://bucket/store, at a snapshot's number; None:
        the newest.

        NotCommitted, NewerFormat or WrongSnapshot when it cannot be read; RemoteError, an OSError,
        when a URL cannot be reached. Of a URL the tables are fetched now and each shard when it is
        first needed; what is read is a local copy, see `stores.mirror`.
        """
        location = locate(root)
        self.__setstate__((location, load_snapshot(location, snapshot)))

    def __getstate__(self) -> tuple[Location, Snapshot]:
        return self.location, self.snapshot

    def __setstate__(self, state: tuple[Location, Snapshot]) -> None:
        self.location, self.snapshot = state
        self._maps = _Maps(self.location)
        self._tracks: dict[str, StoredTracks] = {}
        self._compact = cache(partial(read_compact, self.location, self.snapshot))
        self._fitted: dict[tuple[str, str, int], FittedTracks | StoredTracks] = {}

    @cached_property
    def features(self) -> dict[str, FeatureSpec]:
        """What the store holds, by name."""
        return {name: feature.spec for name, feature in self.snapshot.features.items()}

    def __getitem__(self, feature: str) -> "StoredTracks":
        """The tracks of one feature. NotInStore, a KeyError, for an unknown name."""
        if feature not in self._tracks and feature in self.snapshot.features:
            self._tracks[feature] = StoredTracks(
                self.snapshot.features[feature], self._compact(INDEX), self._reasons, self._maps
            )
        tracks = self._tracks.get(feature)
        if tracks is None and feature in self.snapshot.fitted:
            raise NotInStore(
                f"{feature} is fitted for each fold; name a split scheme and a fold: "
                f"store.fitted({feature!r}, scheme, fold)"
            )
        if tracks is None:
            raise NotInStore(_unknown("feature", feature, self.features))
        return tracks

    def fitted(self, name: str, scheme: str, fold: int) -> "FittedTracks | StoredTracks":
        """The tracks of a fitted feature, by the state of one fold: for the clips of all its roles,
        learned from its training clips alone.

        `NAME~1` gives those of the augmented variant 1, by the same state; where a network made
        them, of the fold's training clips alone. NotInStore, a KeyError, for an unknown name;
        NotFitted, a KeyError, for a fold that the feature is not fitted for, or whose training
        clips are no longer those of the fit.
        """
        key = name, scheme, fold
        if key not in self._fitted:
            self._fitted[key] = self._open_fitted(*key)
        return self._fitted[key]

    def holding(self, fitted: Mapping[str, StoredFitted]) -> "FeatureStore":
        """The same snapshot with other fitted states: those that have been written and not been
        published yet."""
        other = FeatureStore.__new__(FeatureStore)
        other.__setstate__((self.location, replace(self.snapshot, fitted=dict(fitted))))
        other._maps, other._tracks, other._compact = self._maps, self._tracks, self._compact
        return other

    def clips(self) -> "pd.DataFrame":
        return self._frame(CLIPS)

    def labels(self) -> "pd.DataFrame":
        return self._frame(LABELS)

    def folds(self) -> "pd.DataFrame":
        return self._frame(FOLDS)

    def index(self) -> "pd.DataFrame":
        return self._frame(INDEX)

    def quarantine(self) -> "pd.DataFrame":
        return self._frame(QUARANTINE)

    def audits(self) -> "pd.DataFrame":
        """What the audit of each split scheme found; a row is a `manifests.audits.Finding`."""
        return self._frame(AUDITS)

    def rows(self, table: Table[Row]) -> list[Row]:
        """The rows of a table, as its row type. WrongTable when the file is not what was
        recorded."""
        return read_rows(self.location, self.snapshot, table)

    def _frame(self, table: Table[Any]) -> "pd.DataFrame":
        import pandas as pd  # which the workers of a build, who read shards too, do without

        # Columns with gaps stay whole numbers and booleans.
        whole = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
        frame: pd.DataFrame = read_table(self.location, self.snapshot, table).to_pandas(
            types_mapper=whole.get
        )
        return frame

    def _reasons(self, feature: str) -> dict[str, tuple[str, str]]:
        rows = self._compact(QUARANTINE)
        mine = QUARANTINE.rows(rows.filter(pc.equal(rows.column("feature"), feature)))
        return {bad.clip_id: (bad.reason, bad.detail) for bad in mine}

    @cached_property
    def _trainings(self) -> TrainingClips:
        return TrainingClips(self.rows, self.snapshot.fitted)

    def _open_fitted(self, name: str, scheme: str, fold: int) -> "FittedTracks | StoredTracks":
        plain = plain_name(name)
        entry = self.snapshot.fitted.get(plain)
        if entry is None:
            raise NotInStore(_unknown("fitted feature", name, self.snapshot.fitted))
        number = next(
            (number for number, spec in entry.by_variant.items() if spec.name == name), None
        )
        if number is None:
            known = ", ".join(spec.name for spec in entry.variants) or "none"
            raise NotInStore(
                f"the store has no variant {name} of {plain}; the variants of its inputs give "
                f"{known}"
            )
        state = self._state(entry, scheme, fold)
        spec = replace(entry.by_variant[number], shape=state.shape)
        if entry.transform is not None:
            learned = self._learned(entry, state)
            source = self._input(entry.inputs["input"] + name.removeprefix(plain), scheme, fold)
            return FittedTracks(spec, learned, TRANSFORMS[entry.transform], source)
        shards = self._variant_shards(plain, state, number) if number else state.shards
        return _network_tracks(self.location, StoredFeature(spec, shards), self._maps)

    def _variant_shards(self, name: str, state: FoldState, variant: int) -> tuple[ShardRecord, ...]:
        made = state.in_variant(variant)
        if made is None or made.encoded_sha256 != self._trainings.able_sha256(
            name, state.scheme, state.fold, variant
        ):
            raise NotFitted(
                f"{variant_name(name, variant)} was made of clips that are no longer the training clips of "
                f"fold {state.fold} of {state.scheme}; "
                f"run affectstore fit {self.location} {state.scheme}"
            )
        return made.shards

    def _input(self, name: str, scheme: str, fold: int) -> "FittedTracks | StoredTracks":
        return (
            self.fitted(name, scheme, fold)
            if plain_name(name) in self.snapshot.fitted
            else self[name]
        )

    def _state(self, entry: StoredFitted, scheme: str, fold: int) -> FoldState:
        name, state = entry.spec.name, entry.state(scheme, fold)
        if state is None:
            folds = ", ".join(f"{each.scheme} {each.fold}" for each in entry.states) or "none yet"
            raise NotFitted(
                f"{name} is not fitted for fold {fold} of {scheme}, and the state of another fold "
                "has seen other clips; "
                f"it is fitted for {folds}; run affectstore fit {self.location} {scheme}"
            )
        if self._trainings.of(name, scheme, fold).sha256 != state.training_sha256:
            raise NotFitted(
                f"{name} was fitted on clips that are no longer the training clips of fold {fold} "
                f"of {scheme}; "
                f"run affectstore fit {self.location} {scheme}"
            )
        return state

    def _learned(self, entry: StoredFitted, state: FoldState) -> Mapping[str, NDArray[Any]]:
        """What the state's file holds. WrongState unless it is the state of this feature, scheme
        and fold, and of the recorded clips."""
        self.location.fetch(state)
        found = read_state(self.location, state.file)
        wanted = (
            entry.spec.name,
            entry.spec.fingerprint,
            state.scheme,
            state.fold,
            state.training_sha256,
        )
        if (
            found.name,
            found.fingerprint,
            found.scheme,
            found.fold,
            found.training_sha256,
        ) != wanted:
            raise WrongState(
                f"{self.location.display(state.file)} holds {found.name} for fold {found.fold} of "
                f"{found.scheme}, where the snapshot recorded "
                f"{entry.spec.name} for fold {state.fold} of {state.scheme}; run `affectstore "
                f"verify {self.location}`"
            )
        if missing := sorted(set(ARRAYS.get(entry.transform or "", ())) - found.state.keys()):
            raise WrongState(
                f"{self.location.display(state.file)} has no array {missing[0]!r}; run `affectstore verify "
                f"{self.location}`"
            )
        return found.state


Reasons = Callable[[str], Mapping[str, tuple[str, str]]]
"""Feature -> clip in quarantine -> reason and detail."""


class StoredTracks(Mapping[str, Track]):
    """The tracks of one feature by clip id: `len`, `in`, iteration in the order of ids, and access
    at random."""

    spec: FeatureSpec

    def __init__(
        self, feature: StoredFeature, index: pa.Table, reasons: "Reasons", maps: "_Maps"
    ) -> None:
        """`index`: rows of the table INDEX, those of the feature among them."""
        self.spec, self._reasons, self._maps = feature.spec, reasons, maps
        self._where = RowPlaces(feature, index)
        maps.expect({shard.file: (feature.spec, shard) for shard in feature.shards})

    @cached_property
    def quarantined(self) -> Mapping[str, tuple[str, str]]:
        """Clip in quarantine -> reason and detail."""
        return self._reasons(self.spec.name)

    def __getitem__(self, clip_id: str) -> Track:
        """The clip's track. NotInStore, a KeyError, says why there is none; WrongShard when the
        file is damaged."""
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
        if clip_id in self.quarantined:
            return (
                f"{clip_id} has no {self.spec.name}, it is quarantined: "
                f"{': '.join(self.quarantined[clip_id])}"
            )
        return _unknown(f"clip of {self.spec.name}", clip_id, self._where)


def open_tracks(location: Location, feature: StoredFeature, index: pa.Table) -> StoredTracks:
    """The tracks of a feature whose shards are there, by the table INDEX, be it published or
    not."""
    return StoredTracks(feature, index, lambda feature: {}, _Maps(location))


def _network_tracks(location: Location, feature: StoredFeature, maps: "_Maps") -> StoredTracks:
    """The tracks that a network made for one fold: such shards have no rows in the index, and say
    themselves what they hold."""
    name, fingerprint = feature.spec.name, feature.spec.fingerprint
    rows: list[IndexRow] = []
    lost: dict[str, tuple[str, str]] = {}
    for record in feature.shards:
        location.fetch(record)
        shard = Shard(location, record.file)
        for clip_id, start, count, valid, notes in shard.entries:
            rows.append(
                IndexRow(
                    clip_id,
                    name,
                    fingerprint,
                    State.STORED,
                    record.file,
                    start,
                    count,
                    valid,
                    ",".join(notes),
                )
            )
        lost |= {clip_id: (reason, detail) for clip_id, reason, detail in shard.refused}
    return StoredTracks(
        feature,
        INDEX.unsorted(sorted(rows, key=lambda row: row.clip_id)),
        lambda feature: lost,
        maps,
    )


class _Maps(dict[str, Shard]):
    """Shards mapped so far. The oldest map goes first; tracks that still refer to it keep it alive,
    and where its datasets lie stays known, so that mapping it again costs two system calls."""

    def __init__(self, location: Location) -> None:
        super().__init__()
        self._location = location
        self._layouts: dict[str, ShardLayout] = {}
        self._expected: dict[str, tuple[FeatureSpec, ShardRecord]] = {}

    def expect(self, files: Mapping[str, tuple[FeatureSpec, ShardRecord]]) -> None:
        """What the snapshot says of its shards."""
        self._expected.update(files)

    def __missing__(self, file: str) -> Shard:
        spec, record = self._expected[file]
        if file not in self._layouts:
            self._location.fetch(record)
        shard = Shard(self._location, file, self._layouts.get(file))
        if (shard.spec, len(shard.seconds), shard.layout.size) != (spec, record.rows, record.bytes):
            raise WrongShard(
                f"{shard.name} is not the file that the snapshot recorded; run `affectstore "
                f"verify {self._location}`"
            )
        self._layouts[file] = shard.layout
        for old in list(self)[: len(self) + 1 - _MOST_MAPS]:
            self.pop(old, None)
        self[file] = shard
        return shard


def _unknown(what: str, name: str, known: Collection[str]) -> str:
    near = closest(name, known, most=3) if len(known) <= _MOST_COMPARED else []
    if near:
        hint = f"did you mean {' or '.join(near)}"
    elif len(known) <= 20:
        hint = f"there are {', '.join(known) or 'none'}"
    else:
        hint = f"there are {len(known)}, such as {next(iter(known))}"
    return f"the store has no {what} named {name!r}; {hint}"
