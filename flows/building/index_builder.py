"""One row for every clip and feature of a build: where it lies, or why it does not; of what stays,
and of what is new."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.building.pending import Held
from flows.building.plan import Plan
from manifests.columns import Positions, codes, flags, positions, texts
from manifests.features import INDEX, FeatureSpec, IndexRow, State
from manifests.quarantine import QUARANTINE, BadClip, Quarantined, Reason
from manifests.table import Table
from stores.mirror import ensure
from stores.records import ShardRecord, StoredFeature
from stores.shard import WrongShard, open_shard

_STEP = 1 << 16

Row = TypeVar("Row")


class Ledger:
    """What has become of each clip and feature. Tell it all that is new, then ask."""

    def __init__(
        self, specs: Mapping[str, FeatureSpec], held: Held, plan: Plan, clip_ids: pa.ChunkedArray
    ) -> None:
        self._specs, self._held, self._plan, self._clip_ids = specs, held, plan, clip_ids
        self._new: _Rows[IndexRow] = _Rows(INDEX)
        self._lost: _Rows[Quarantined] = _Rows(QUARANTINE)

    def refuse(self, bad: Mapping[str, BadClip]) -> None:
        """Clips that are bad before any decoding have no feature at all."""
        clips = list(bad.values())
        for clip, row in zip(
            clips,
            positions(pa.chunked_array([list(bad)], pa.string()), self._clip_ids),
            strict=True,
        ):
            for column in np.flatnonzero(self._plan.good[row] < 0):
                self._quarantine(clip.clip_id, self._plan.stored[column], clip.reason, clip.detail)

    def read_back(self, root: Path, name: str, record: ShardRecord) -> None:
        """The rows of a new shard, from the shard itself."""
        ensure(root, record)
        shard = open_shard(root, record.file)
        fingerprint = self._specs[name].fingerprint
        for clip_id, start, count, valid, notes in shard.entries:
            self._new.add(
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
        for clip_id, reason, detail in shard.refused:
            self._quarantine(clip_id, name, reason, detail)

    def _quarantine(self, clip_id: str, name: str, reason: str, detail: str) -> None:
        fingerprint = self._specs[name].fingerprint
        self._new.add(
            IndexRow(clip_id, name, fingerprint, State.QUARANTINED, None, None, None, None, "")
        )
        self._lost.add(Quarantined(clip_id, name, str(reason), detail))

    def index(self) -> pa.Table:
        """The table INDEX, compact. WrongShard when a new shard does not hold a clip that it was
        made for."""
        new, held = self._new.table(), self._held.marks.num_rows
        source = (
            self._plan.good.copy()
        )  # (clip, feature) -> row of the held index and, after these, of `new`
        source[self._cells(new)] = held + np.arange(new.num_rows, dtype=np.int32)
        if len(gaps := np.argwhere(source < 0)):
            clip, feature = self._clip_ids[gaps[0][0]], self._plan.stored[gaps[0][1]]
            raise WrongShard(
                f"no shard holds {feature} of {clip}, nor says why not; nothing was published, "
                "build into an empty folder"
            )
        if self.is_as_held:
            return self._held.index
        return pa.concat_tables([self._held.index, new]).unify_dictionaries().take(source.ravel())

    @property
    def is_as_held(self) -> bool:
        """Nothing is new and nothing is gone: the index is that of the parent."""
        good = self._plan.good.ravel()
        if self._new.count or len(good) != self._held.marks.num_rows:
            return False
        return bool((good == np.arange(len(good), dtype=np.int32)).all())

    def quarantine(self) -> pa.Table:
        """The table QUARANTINE, compact."""
        held = self._held.quarantine
        clips, features = self._cells(held)
        row = np.where((clips < 0) | (features < 0), -1, self._plan.good[clips, features])
        state = self._held.marks.column("state").take(pa.array(np.maximum(row, 0)))
        stays = (
            (row >= 0) & flags(pc.equal(state, State.QUARANTINED.value))
            if len(row)
            else np.empty(0, np.bool_)
        )
        kept = held if stays.all() else held.filter(pa.array(stays))
        return QUARANTINE.arrange(pa.concat_tables([kept, self._lost.table()]).unify_dictionaries())

    def _cells(self, table: pa.Table) -> tuple[Positions, Positions]:
        """Clip and feature of each row, by number."""
        return positions(table.column("clip_id"), self._clip_ids), positions(
            table.column("feature"), pa.array(self._plan.stored)
        )


def stored_features(
    specs: Mapping[str, FeatureSpec],
    names: Collection[str],
    index: pa.Table,
    known: Mapping[str, ShardRecord],
) -> dict[str, StoredFeature]:
    """Each feature with the shards that its rows of the index point to, old and new; `known`: their
    records by file."""
    files = texts(index.column("shard")).to_pylist()
    used = np.zeros(
        (len(names) + 1, len(files) + 1), np.bool_
    )  # the last ones: of rows of no such feature, and of no shard
    used[
        positions(index.column("feature"), pa.array(names, pa.string())),
        codes(index.column("shard")),
    ] = True
    shards = (
        sorted(files[code] for code in np.flatnonzero(row))
        for row in used[: len(names), : len(files)]
    )
    return {
        name: StoredFeature(specs[name], tuple(known[file] for file in found))
        for name, found in zip(names, shards, strict=True)
    }


def damaged(lost: pa.Table) -> dict[str, Quarantined]:
    """Clips with a fault -> one row of the table QUARANTINE that says which."""
    faults = pa.array([str(reason) for reason in Reason if reason.is_fault])
    at_fault = lost.filter(pa.array(positions(lost.column("reason"), faults) >= 0))
    return {row.clip_id: row for row in QUARANTINE.rows(_first_of_each(at_fault))}


def _first_of_each(rows: pa.Table) -> pa.Table:
    """Of each clip, the first row alone."""
    ids = positions(rows.column("clip_id"), rows.column("clip_id").unique().cast(pa.string()))
    return rows.take(pa.array(np.unique(ids, return_index=True)[1]))


class _Rows(Generic[Row]):
    """Rows on their way into a compact table, however many they are."""

    def __init__(self, table: Table[Any]) -> None:
        self._table = table
        self._parts = [table.compact(table.build([]))]
        self._waiting: list[Any] = []
        self.count = 0

    def add(self, row: Row) -> None:
        self.count += 1
        self._waiting.append(row)
        if len(self._waiting) == _STEP:
            self._put_away()

    def table(self) -> pa.Table:
        """In the order that they came in."""
        self._put_away()
        self._parts = [pa.concat_tables(self._parts).unify_dictionaries()]
        return self._parts[0]

    def _put_away(self) -> None:
        self._parts.append(self._table.compact(self._table.unsorted(self._waiting)))
        self._waiting.clear()
