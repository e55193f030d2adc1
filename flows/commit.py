"""The last step of a build: from finished shards to one published snapshot."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa

from flows.auditing import audit_tables
from flows.fitting import declared
from flows.pending import Held, Key
from flows.recipe import Recipe
from flows.steps import BuildError, Plan, Scan
from manifests.audits import AUDITS
from manifests.clips import CLIPS
from manifests.features import INDEX, IndexRow, State
from manifests.folds import FOLDS
from manifests.labels import LABELS
from manifests.quarantine import QUARANTINE, Quarantined, Reason
from stores.hdf5 import open_shard
from stores.records import ShardRecord, StoredFeature, StoredFitted
from stores.snapshot import Snapshot, publish, read_table
from stores.trainings import carry

Records = Sequence[Mapping[str, ShardRecord]]
"""For each task: feature -> its new shard."""


@dataclass(frozen=True)
class Result:
    """What a build left behind."""

    snapshot: Snapshot
    is_new: bool
    shards_written: int
    folds_dropped: bool
    """The clips have changed, so the folds of the snapshot before no longer fit."""


def commit(root: Path, recipe: Recipe, scan: Scan, held: Held, plan: Plan, records: Records, engine: str) -> Result:
    """Publish one snapshot from the rows that stay and the shards that are new; nothing when nothing changed."""
    ledger = _Ledger(recipe, held, plan)
    for bad in scan.bad.values():
        for name in recipe.stored:
            ledger.quarantine(bad.clip_id, name, bad.reason, bad.detail)
    for record in records:
        for name, shard in record.items():
            ledger.read_back(root, name, shard)
    _check_budget(recipe, len(scan.found), ledger)
    folds, dropped = _carry_folds(root, held, scan)
    old = held.snapshot
    tables = {
        "clips": CLIPS.build(f.clip for f in scan.found),
        "labels": LABELS.build(label for f in scan.found for label in f.labels),
        "folds": folds,
        "index": INDEX.build(ledger.rows.values()),
        "quarantine": QUARANTINE.build(ledger.lost.values()),
    }
    features = {name: ledger.stored_feature(name, records) for name in recipe.stored}
    fitted = _carry_fitted(recipe, old, tables)
    snapshot = publish(
        root,
        parent=old,
        recipe=recipe.resolved(),
        tables={**tables, "audits": _carry_audits(root, old, tables, features, fitted)},
        features=features,
        fitted=fitted,
        versions={"engine": engine, **versions()} if records or old is None else old.versions,
        schemes={} if dropped or old is None else old.schemes,
    )
    return Result(snapshot, old is None or snapshot.number != old.number, sum(map(len, records)), dropped)


class _Ledger:
    """One row for every clip and feature: where it lies, or why it does not."""

    def __init__(self, recipe: Recipe, held: Held, plan: Plan) -> None:
        self._specs, self._held = recipe.graph.specs, held
        self.rows: dict[Key, IndexRow] = dict(plan.good)
        self.lost: dict[Key, Quarantined] = {key: held.quarantine[key] for key, row in plan.good.items() if row.state == State.QUARANTINED}

    def quarantine(self, clip_id: str, name: str, reason: str, detail: str) -> None:
        fingerprint = self._specs[name].fingerprint
        self.rows[clip_id, name] = IndexRow(clip_id, name, fingerprint, State.QUARANTINED, None, None, None, None, "")
        self.lost[clip_id, name] = Quarantined(clip_id, name, str(reason), detail)

    def read_back(self, root: Path, name: str, record: ShardRecord) -> None:
        """The rows of a new shard, from the shard itself."""
        shard = open_shard(root, record.file)
        fingerprint = self._specs[name].fingerprint
        for clip_id, start, count, valid, notes in shard.entries:
            row = IndexRow(clip_id, name, fingerprint, State.STORED, record.file, start, count, valid, ",".join(notes))
            self.rows[clip_id, name] = row
        for clip_id, reason, detail in shard.refused:
            self.quarantine(clip_id, name, reason, detail)

    def stored_feature(self, name: str, records: Records) -> StoredFeature:
        """The shards that the rows point to, old and new."""
        used = {row.shard for (_, feature), row in self.rows.items() if feature == name and row.shard}
        known = {record[name].file: record[name] for record in records if name in record}
        if self._held.snapshot and name in self._held.snapshot.features:
            known |= {shard.file: shard for shard in self._held.snapshot.features[name].shards}
        return StoredFeature(self._specs[name], tuple(known[file] for file in sorted(used)))


def _check_budget(recipe: Recipe, clips: int, ledger: _Ledger) -> None:
    damaged = {row.clip_id: row for row in ledger.lost.values() if Reason(row.reason).is_fault}
    allowed = recipe.max_bad_fraction * clips
    if len(damaged) <= allowed:
        return
    counts = ", ".join(f"{count} {reason}" for reason, count in Counter(row.reason for row in damaged.values()).most_common(3))
    first = damaged[min(damaged)]
    raise BuildError(
        f"{len(damaged)} of {clips} clips are damaged ({counts}), the recipe allows {allowed:.0f}; nothing was published. "
        f"First: {first.clip_id}: {first.detail}. Repair the files, or allow more with --set max_bad_fraction=1.0"
    )


def _carry_folds(root: Path, held: Held, scan: Scan) -> tuple[pa.Table, bool]:
    """The folds of the parent, as long as they are folds of the same clips and groups; else none, and True."""
    if held.snapshot is None:
        return FOLDS.build([]), False
    folds = read_table(root, held.snapshot, FOLDS)
    before = {clip.clip_id: clip.group_id for clip in held.clips.values()}
    if folds.num_rows == 0 or before == {f.clip.clip_id: f.clip.group_id for f in scan.found}:
        return folds, False
    return FOLDS.build([]), True


def _carry_audits(
    root: Path,
    old: Snapshot | None,
    tables: Mapping[str, pa.Table],
    features: Mapping[str, StoredFeature],
    fitted: Mapping[str, StoredFitted],
) -> pa.Table:
    """The findings of the parent, as long as they are of the same tables and states; else the folds that were carried are audited again."""
    same = (read_table(root, old, table).equals(tables[table.name]) for table in (CLIPS, LABELS, FOLDS, INDEX)) if old else ()
    if old is not None and old.fitted == fitted and all(same):
        return read_table(root, old, AUDITS)
    return AUDITS.build(audit_tables(root, tables, features, fitted))


def _carry_fitted(recipe: Recipe, old: Snapshot | None, tables: Mapping[str, pa.Table]) -> dict[str, StoredFitted]:
    """What the recipe fits, with those states of the parent that a fit on these tables would find again."""
    entries = declared(recipe.fitted, recipe.graph.specs)
    return carry(entries, old.fitted if old else {}, lambda table: table.rows(tables[table.name]))


_LIBRARIES = ("affectstore", "av", "h5py", "librosa", "mediapipe", "numpy", "opencv-python", "openvino", "scipy", "soxr", "torch")


def versions() -> dict[str, str]:
    """What numbers are made with: recorded, not keyed, and the same wherever a part of a build is done."""
    return {name: version(name) for name in _LIBRARIES}
