"""Builds the index and the quarantine of a snapshot: one row for every clip and feature.

A row says where a feature of a clip lies, or that it does not. Rows that stay come from the
committed snapshot, the others from new shards.
"""

from collections.abc import Collection, Mapping
from typing import Any, Generic, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.building.absent import absent_rows
from flows.building.committed import Committed
from flows.building.plan import BuildPlan
from manifests.columns import Positions, codes, flags, positions, texts
from manifests.features import INDEX, FeatureSpec, IndexRow, State
from manifests.quarantine import QUARANTINE, BadClip, Quarantined, Reason
from manifests.table import Table
from stores.location import Location
from stores.records import ShardRecord, StoredFeature
from stores.shard import open_shard
from stores.shard_layout import WrongShard

_STEP = 1 << 16

Row = TypeVar("Row")


class NewRows:
    """Collects the rows of new shards: one by one as they are made, while others are being made."""

    def __init__(self, specs: Mapping[str, FeatureSpec]) -> None:
        """Starts without any.

        Args:
            specs: Features by name.
        """
        self._specs = specs
        self.index: _CompactRows[IndexRow] = _CompactRows(INDEX)
        self.quarantined: _CompactRows[Quarantined] = _CompactRows(QUARANTINE)

    def add_shard(self, location: Location, name: str, record: ShardRecord) -> None:
        """Adds the rows of a new shard, from the shard itself.

        Args:
            location: Where the store lies.
            name: Of the feature.
            record: Of the shard.
        """
        location.fetch(record)
        spec = self._specs[name]
        shard, fingerprint = open_shard(location, spec, record), spec.fingerprint
        for clip_id, start, count, valid, notes in shard.entries:
            place = (record.file, start, count, valid)
            text = ",".join(notes)
            self.index.add(IndexRow(clip_id, name, fingerprint, State.STORED, *place, text))
        for clip_id, reason, detail in shard.refused:
            self.refuse(clip_id, name, reason, detail)

    def refuse(self, clip_id: str, name: str, reason: str, detail: str) -> None:
        """Adds a row of a clip that has no value for a feature.

        Args:
            clip_id: Of the clip.
            name: Of the feature.
            reason: A word of `Reason`.
            detail: What was found.
        """
        fingerprint, nowhere = self._specs[name].fingerprint, (None, None, None, None)
        self.index.add(IndexRow(clip_id, name, fingerprint, State.QUARANTINED, *nowhere, ""))
        self.quarantined.add(Quarantined(clip_id, name, str(reason), detail))


class IndexBuilder:
    """Puts the rows that stay and the new ones together, then gives the tables."""

    def __init__(
        self,
        specs: Mapping[str, FeatureSpec],
        committed: Committed,
        plan: BuildPlan,
        clip_ids: pa.ChunkedArray,
        rows: NewRows,
    ) -> None:
        """Starts from the rows that stay.

        Args:
            specs: Features by name.
            committed: What the store holds.
            plan: Which of its rows stay.
            clip_ids: Of all clips, in the order of the table.
            rows: Of the new shards.
        """
        self._specs, self._committed, self._plan = specs, committed, plan
        self._clip_ids = clip_ids
        self._rows = rows
        self._newly_absent = np.where(plan.unchanged < 0, plan.absent, 0)

    def refuse(self, bad: Mapping[str, BadClip]) -> None:
        """Adds clips that are refused before any decoding: they have no feature.

        Args:
            bad: Clip id -> why.
        """
        rows = positions(pa.chunked_array([list(bad)], pa.string()), self._clip_ids)
        for clip, row in zip(bad.values(), rows, strict=True):
            is_wanted = (self._plan.unchanged[row] < 0) & (self._plan.absent[row] == 0)
            for column in np.flatnonzero(is_wanted):
                feature = self._plan.stored[column]
                self._rows.refuse(clip.clip_id, feature, clip.reason, clip.detail)

    def index(self) -> pa.Table:
        """Builds the index.

        Returns:
            INDEX, compact.

        Raises:
            WrongShard: A new shard does not hold a clip that it was made for.
        """
        new, before = self._rows.index.table(), self._committed.states.num_rows
        # (clip, feature) -> row of the committed index and, after these, of `new`.
        source = self._plan.unchanged.copy()
        source[self._cells(new)] = before + np.arange(new.num_rows, dtype=np.int32)
        # After the shards: one that was planned before its clip changed may have looked for it.
        absent = self._absent_rows()
        source[self._newly_absent > 0] = (
            before + new.num_rows + np.arange(absent.num_rows, dtype=np.int32)
        )
        if len(gaps := np.argwhere(source < 0)):
            clip, feature = self._clip_ids[gaps[0][0]], self._plan.stored[gaps[0][1]]
            raise WrongShard(
                f"no shard holds {feature} of {clip}, nor says why not; "
                "nothing was published, build into an empty folder"
            )
        if self.is_unchanged:
            return self._committed.index
        rows = pa.concat_tables([self._committed.index, new, absent]).unify_dictionaries()
        return rows.take(source.ravel())

    def _absent_rows(self) -> pa.Table:
        specs = [self._specs[name] for name in self._plan.stored]
        return absent_rows(self._newly_absent, self._clip_ids, specs)

    @property
    def is_unchanged(self) -> bool:
        """Nothing is new and nothing is gone: the index is that of the committed snapshot."""
        rows = self._plan.unchanged.ravel()
        is_new = self._rows.index.count or self._newly_absent.any()
        if is_new or len(rows) != self._committed.states.num_rows:
            return False
        return bool((rows == np.arange(len(rows), dtype=np.int32)).all())

    def quarantine(self) -> pa.Table:
        """Builds the quarantine.

        Returns:
            QUARANTINE, compact.
        """
        before = self._committed.quarantine
        clips, features = self._cells(before)
        is_known = (clips >= 0) & (features >= 0)
        row = np.where(is_known, self._plan.unchanged[clips, features], -1)
        stays = np.empty(0, np.bool_)
        if len(row):
            states = self._committed.states.column("state").take(pa.array(np.maximum(row, 0)))
            stays = (row >= 0) & flags(pc.equal(states, State.QUARANTINED.value))
        kept = before if stays.all() else before.filter(pa.array(stays))
        new = self._rows.quarantined.table()
        if self._newly_absent.any():
            new = new.filter(pa.array(self._newly_absent[self._cells(new)] == 0))
        rows = pa.concat_tables([kept, new])
        return QUARANTINE.arrange(rows.unify_dictionaries())

    def _cells(self, table: pa.Table) -> tuple[Positions, Positions]:
        """Clip and feature of each row, by number."""
        clips = positions(table.column("clip_id"), self._clip_ids)
        return clips, positions(table.column("feature"), pa.array(self._plan.stored))


def stored_features(
    specs: Mapping[str, FeatureSpec],
    names: Collection[str],
    index: pa.Table,
    known: Mapping[str, ShardRecord],
) -> dict[str, StoredFeature]:
    """Lists the shards of each feature.

    Args:
        specs: Features by name.
        names: Those that are stored.
        index: INDEX, compact.
        known: Records of shards, old and new, by file.

    Returns:
        Each feature with the shards that its rows of the index name.
    """
    files = texts(index.column("shard")).to_pylist()
    # One more of each, for rows of no such feature and rows without a shard.
    used = np.zeros((len(names) + 1, len(files) + 1), np.bool_)
    feature = positions(index.column("feature"), pa.array(names, pa.string()))
    used[feature, codes(index.column("shard"))] = True
    features = {}
    for name, row in zip(names, used[:, : len(files)], strict=False):
        shards = sorted(files[code] for code in np.flatnonzero(row))
        features[name] = StoredFeature(specs[name], tuple(known[file] for file in shards))
    return features


def damaged_clips(quarantine: pa.Table) -> dict[str, Quarantined]:
    """Finds the clips whose file is at fault.

    Args:
        quarantine: QUARANTINE, compact.

    Returns:
        Clip id -> one of its rows.
    """
    faults = pa.array([str(reason) for reason in Reason if reason.is_fault])
    is_fault = positions(quarantine.column("reason"), faults) >= 0
    rows = quarantine.filter(pa.array(is_fault))
    ids = rows.column("clip_id")
    numbers = positions(ids, ids.unique().cast(pa.string()))
    firsts = rows.take(pa.array(np.unique(numbers, return_index=True)[1]))
    return {row.clip_id: row for row in QUARANTINE.rows(firsts)}


class _CompactRows(Generic[Row]):
    """Rows of a table in the order in which they are added, compact however many they are."""

    def __init__(self, table: Table[Any]) -> None:
        self._table = table
        self._parts = [table.compact(table.build([]))]
        self._waiting: list[Any] = []
        self.count = 0

    def add(self, row: Row) -> None:
        self.count += 1
        self._waiting.append(row)
        if len(self._waiting) == _STEP:
            self._flush()

    def table(self) -> pa.Table:
        self._flush()
        self._parts = [pa.concat_tables(self._parts).unify_dictionaries()]
        return self._parts[0]

    def _flush(self) -> None:
        self._parts.append(self._table.compact(self._table.unsorted(self._waiting)))
        self._waiting.clear()
