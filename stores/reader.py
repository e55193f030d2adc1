"""Reading a store: tables as pandas frames, tracks as views of memory-mapped files."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache, cached_property, partial
from typing import Any, TypeVar

import pyarrow.compute as pc
from numpy.typing import NDArray

from manifests.features import INDEX, FeatureSpec, State
from manifests.quarantine import QUARANTINE
from manifests.shown import as_html, as_text
from manifests.table import Table
from manifests.variant_names import plain_name
from stores.clip_tracks import (
    Absent,
    ClipTracks,
    FittedTracks,
    NotInStore,
    Reasons,
    ShardMaps,
    StoredTracks,
    network_tracks,
    unknown,
)
from stores.fitted_state import WrongState, read_state
from stores.location import Location, Place, locate
from stores.open_files import hold
from stores.pointer import snapshot_file
from stores.records import FoldState, ShardRecord, StoredFeature, StoredFitted
from stores.row_places import RowPlaces
from stores.shown import facts_of_store
from stores.snapshot import Snapshot, load_snapshot, read_compact, read_rows
from stores.store_tables import StoreTables
from stores.training_clips import TrainingClips
from stores.transforms import ARRAYS, TRANSFORMS

Row = TypeVar("Row")


class NotFitted(KeyError):
    """A fitted feature has no state for this fold, or one that was fitted on other clips.

    The message says which folds it has.
    """

    def __str__(self) -> str:
        return str(self.args[0])


class FeatureStore(StoreTables):
    """One snapshot of a store, read-only.

    `store["mfcc"]["ravdess/03-01-05-01-01-01-12"]` is a Track whose arrays are read-only views of
    the file: nothing is copied, and only what is touched is read. `len`, `in` and iteration are by
    the names of the stored features. A store stays at its snapshot,
    whatever is published meanwhile, and `affectstore gc` on this machine leaves it that. It may be
    pickled and forked; files are mapped lazily, by each process for itself. Of a URL the tables are
    fetched at once and each shard when it is first needed; what is read is a local copy, see
    `stores.remote_store`.
    """

    verify: bool
    """Whether each shard is hashed when it is first touched."""

    def __init__(self, root: Place, snapshot: int | None = None, verify: bool = False) -> None:
        """Opens a store.

        Args:
            root: A folder, a URL such as s3://bucket/store, or a location.
            snapshot: Number of the snapshot; None: the newest.
            verify: Hash each shard when it is first touched, which reads all of it. Without this,
                the structure of a shard, its size, and the clips that it holds are checked, and a
                changed value is not seen.

        Raises:
            NotCommitted: There is no store here, or not this snapshot of it.
            NewerFormat: A newer version of affectstore wrote the store.
            WrongSnapshot: The snapshot is damaged.
            RemoteError: A URL cannot be reached.
        """
        location = locate(root)
        self.__setstate__((location, load_snapshot(location, snapshot), verify))

    def __getstate__(self) -> tuple[Location, Snapshot, bool]:
        return self.location, self.snapshot, self.verify

    def __setstate__(self, state: tuple[Location, Snapshot, bool]) -> None:
        self.location, self.snapshot, self.verify = state
        hold(self, self.location.folder / snapshot_file(self.snapshot.number))
        self._maps = ShardMaps(self.location, self.verify)
        self._compact = cache(partial(read_compact, self.location, self.snapshot))
        self._stored = cache(self._open_stored)
        self._fitted = cache(self._open_fitted)

    @cached_property
    def features(self) -> dict[str, FeatureSpec]:
        """What the store holds, by name; fitted features are not among them."""
        return {name: feature.spec for name, feature in self.snapshot.features.items()}

    def __getitem__(self, feature: str) -> StoredTracks:
        if feature in self.snapshot.features:
            return self._stored(feature)
        if feature in self.snapshot.fitted:
            raise NotInStore(
                f"{feature} is fitted for each fold; name a split scheme and a fold: "
                f"store.fitted({feature!r}, scheme, fold)"
            )
        raise NotInStore(unknown("feature", feature, self.features))

    def __contains__(self, feature: object) -> bool:
        return feature in self.snapshot.features

    def __iter__(self) -> Iterator[str]:
        return iter(self.snapshot.features)

    def __len__(self) -> int:
        return len(self.snapshot.features)

    def __bool__(self) -> bool:
        return True  # also without a feature

    def __repr__(self) -> str:
        return as_text(f"FeatureStore {self.location}", facts_of_store(self.snapshot))

    def _repr_html_(self) -> str:
        return as_html(f"FeatureStore {self.location}", facts_of_store(self.snapshot))

    def fitted(self, name: str, scheme: str, fold: int) -> ClipTracks:
        """Opens the tracks of a fitted feature, by the state of one fold.

        They are those of the clips of all its roles, learned from its training clips alone.

        Args:
            name: The feature. `NAME~1` gives those of the augmented variant 1, by the same state;
                where a network made them, of the fold's training clips alone.
            scheme: The split scheme.
            fold: Number of the fold.

        Returns:
            The tracks.

        Raises:
            NotInStore: The name is unknown; a KeyError.
            NotFitted: The feature is not fitted for the fold, or the training clips are no longer
                those of the fit; a KeyError.
            WrongState: The file of the state is damaged.
        """
        return self._fitted(name, scheme, fold)

    def tracks(self, name: str, scheme: str, fold: int) -> ClipTracks:
        """Opens the tracks of a feature, stored or fitted.

        Args:
            name: The feature.
            scheme: The split scheme whose fold decides on the state of a fitted feature.
            fold: Number of the fold.

        Returns:
            The tracks.

        Raises:
            NotInStore: The name is unknown.
            NotFitted: As `fitted`.
        """
        if plain_name(name) in self.snapshot.fitted:
            return self.fitted(name, scheme, fold)
        return self[name]

    def release(self) -> None:
        """Unmaps the shards that were read; each is mapped again when it is asked for.

        What is read of a mapped file counts as memory of the process, so whoever reads a whole
        store once does this now and then. Tracks that are still held stay as they are.
        """
        self._maps.clear()

    def with_states(self, fitted: Mapping[str, StoredFitted]) -> "FeatureStore":
        """The same snapshot with states that have been written and not been published yet.

        Args:
            fitted: Its fitted features by name, with these states.

        Returns:
            The store; what was read of this one is not read again.
        """
        other = FeatureStore.__new__(FeatureStore)
        snapshot = replace(self.snapshot, fitted=dict(fitted))
        other.__setstate__((self.location, snapshot, self.verify))
        other._maps, other._stored, other._compact = self._maps, self._stored, self._compact
        return other

    def rows(self, table: Table[Row]) -> list[Row]:
        """Reads a table as objects.

        Args:
            table: Such as `manifests.clips.CLIPS`.

        Returns:
            One object a row, of the table's row type.

        Raises:
            WrongTable: The file is not what was recorded.
        """
        return read_rows(self.location, self.snapshot, table)

    def _open_stored(self, name: str) -> StoredTracks:
        feature = self.snapshot.features[name]
        places = RowPlaces(feature, self._compact(INDEX))
        reasons, absent = partial(self._reasons, name), partial(self._absent, name)
        return StoredTracks(feature, places, reasons, absent, self._maps)

    def _reasons(self, feature: str) -> Reasons:
        rows = self._compact(QUARANTINE)
        mine = QUARANTINE.rows(rows.filter(pc.equal(rows.column("feature"), feature)))
        return {bad.clip_id: (bad.reason, bad.detail) for bad in mine}

    def _absent(self, feature: str) -> Absent:
        rows = self._compact(INDEX)
        mine = pc.equal(rows.column("feature"), feature)
        is_absent = pc.equal(rows.column("state"), State.ABSENT.value)
        found = INDEX.rows(rows.filter(pc.and_(mine, is_absent)))
        return {row.clip_id: row.notes for row in found}

    @cached_property
    def _clips(self) -> TrainingClips:
        return TrainingClips(self.rows, self.snapshot.fitted)

    def _open_fitted(self, name: str, scheme: str, fold: int) -> ClipTracks:
        plain = plain_name(name)
        entry = self.snapshot.fitted.get(plain)
        if entry is None:
            raise NotInStore(unknown("fitted feature", name, self.snapshot.fitted))
        spec = next((spec for spec in entry.by_variant.values() if spec.name == name), None)
        if spec is None:
            known = ", ".join(spec.name for spec in entry.variants) or "none"
            raise NotInStore(
                f"the store has no variant {name} of {plain}; the variants of its inputs give "
                f"{known}"
            )
        state = self._state(entry, scheme, fold)
        shaped = replace(spec, shape=state.shape)
        if entry.transform is not None:
            learned = self._learned(entry, state)
            source = self.tracks(entry.inputs["input"] + name.removeprefix(plain), scheme, fold)
            return FittedTracks(shaped, learned, TRANSFORMS[entry.transform], source)
        shards = state.shards if spec is entry.spec else self._variant_shards(entry, state, spec)

        def absent() -> Absent:
            inputs = [self.tracks(need, scheme, fold).absent for need in entry.inputs.values()]
            return {clip_id: what for each in inputs for clip_id, what in each.items()}

        return network_tracks(StoredFeature(shaped, shards), absent, self._maps)

    def _variant_shards(
        self, entry: StoredFitted, state: FoldState, spec: FeatureSpec
    ) -> tuple[ShardRecord, ...]:
        fold = (entry.spec.name, state.scheme, state.fold)
        made = state.in_variant(spec.variant)
        if made is None or made.encoded_sha256 != self._clips.inputs_sha256(*fold, spec.variant):
            raise self._not_fitted(
                f"{spec.name} was made of clips that are no longer the training clips of "
                f"fold {state.fold} of {state.scheme}",
                state.scheme,
            )
        return made.shards

    def _state(self, entry: StoredFitted, scheme: str, fold: int) -> FoldState:
        name, state = entry.spec.name, entry.state(scheme, fold)
        if state is None:
            folds = ", ".join(f"{each.scheme} {each.fold}" for each in entry.states) or "none yet"
            raise self._not_fitted(
                f"{name} is not fitted for fold {fold} of {scheme}, and the state of another fold "
                f"has seen other clips; it is fitted for {folds}",
                scheme,
            )
        if self._clips.of(name, scheme, fold).sha256 != state.training_sha256:
            raise self._not_fitted(
                f"{name} was fitted on clips that are no longer the training clips of fold {fold} "
                f"of {scheme}",
                scheme,
            )
        return state

    def _not_fitted(self, what: str, scheme: str) -> NotFitted:
        return NotFitted(f"{what}; run affectstore fit {self.location} {scheme}")

    def _learned(self, entry: StoredFitted, state: FoldState) -> Mapping[str, NDArray[Any]]:
        """What the file of a state holds; WrongState unless it is the recorded one."""
        found = read_state(self.location, state.file, entry.spec, state)
        name = self.location.display(state.file)
        if not found.is_of(entry.spec, state):
            raise WrongState(
                f"{name} holds {found.name} for fold {found.fold} of {found.scheme}, "
                f"where the snapshot recorded {entry.spec.name} for fold {state.fold} of "
                f"{state.scheme}; run `affectstore verify {self.location}`"
            )
        if missing := sorted(set(ARRAYS.get(entry.transform or "", ())) - found.state.keys()):
            raise WrongState(
                f"{name} has no array {missing[0]!r}; run `affectstore verify {self.location}`"
            )
        return found.state
