"""The last step of a build: from finished shards to one published snapshot."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa

from flows.auditing.run import audit_tables
from flows.building.clip_table import Scan
from flows.building.index_builder import Ledger, damaged, stored_features
from flows.building.pending import Held
from flows.building.plan import BuildError, Plan
from flows.fitting.plan import declared
from flows.recipe import Recipe
from manifests.audits import AUDITS
from manifests.columns import positions
from manifests.folds import FOLDS
from manifests.labels import LABELS
from stores.records import ShardRecord, StoredFeature, StoredFitted
from stores.snapshot import Snapshot, publish, read_compact, read_table
from stores.training_clips import carry

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


def commit(
    root: Path, recipe: Recipe, scan: Scan, held: Held, plan: Plan, records: Records, engine: str
) -> Result:
    """Publish one snapshot from the rows that stay and the shards that are new; nothing when
    nothing changed."""
    specs, old = recipe.graph.specs, held.snapshot
    ledger = Ledger(specs, held, plan, scan.clips.column("clip_id"))
    ledger.refuse(scan.bad)
    for record in records:
        for name, shard in record.items():
            ledger.read_back(root, name, shard)
    lost = ledger.quarantine()
    _check_budget(recipe, scan.clips.num_rows, lost)
    folds, dropped = _carry_folds(root, held, scan)
    tables = {"clips": scan.clips, "labels": scan.labels, "folds": folds, "quarantine": lost}
    same = _unchanged(root, held, tables, ledger, dropped)
    if old is not None and same == {*tables, "index"} and not recipe.fitted:
        index, features = (
            held.marks,
            {name: StoredFeature(specs[name], old.features[name].shards) for name in recipe.stored},
        )
    else:
        new = {shard.file: shard for record in records for shard in record.values()}
        index = ledger.index()
        features = stored_features(specs, recipe.stored, index, {**new, **held.shards})
    tables["index"] = index
    fitted = _carry_fitted(recipe, old, tables)
    audits = _carry_audits(root, old, tables, features, fitted, same)
    snapshot = publish(
        root,
        parent=old,
        recipe=recipe.resolved(),
        tables={**tables, "audits": audits},
        features=features,
        fitted=fitted,
        versions={"engine": engine, **versions()} if records or old is None else old.versions,
        schemes={} if dropped or old is None else old.schemes,
        same=same,
    )
    return Result(
        snapshot, old is None or snapshot.number != old.number, sum(map(len, records)), dropped
    )


def _check_budget(recipe: Recipe, clips: int, lost: pa.Table) -> None:
    bad = damaged(lost)
    allowed = recipe.max_bad_fraction * clips
    if len(bad) <= allowed:
        return
    counts = ", ".join(
        f"{count} {reason}"
        for reason, count in Counter(row.reason for row in bad.values()).most_common(3)
    )
    first = bad[min(bad)]
    raise BuildError(
        f"{len(bad)} of {clips} clips are damaged ({counts}), the recipe allows {allowed:.0f}; "
        "nothing was published. "
        f"First: {first.clip_id}: {first.detail}. Repair the files, or allow more with --set "
        "max_bad_fraction=1.0"
    )


def _carry_folds(root: Path, held: Held, scan: Scan) -> tuple[pa.Table, bool]:
    """The folds of the parent, as long as they are folds of the same clips and groups; else none,
    and True."""
    if held.snapshot is None:
        return FOLDS.build([]), False
    folds = read_compact(root, held.snapshot, FOLDS)
    if folds.num_rows == 0 or held.clip_table.select(_DEALT_BY).equals(
        scan.clips.select(_DEALT_BY)
    ):
        return folds, False
    return FOLDS.build([]), True


_DEALT_BY = ["clip_id", "group_id"]


def _unchanged(
    root: Path, held: Held, tables: Mapping[str, pa.Table], ledger: Ledger, folds_dropped: bool
) -> set[str]:
    """The tables that are those of the parent, the index among them."""
    if held.snapshot is None:
        return set()
    before = {
        "clips": held.clip_table,
        "labels": read_table(root, held.snapshot, LABELS),
        "quarantine": held.quarantine,
    }
    told = {"folds": not folds_dropped, "index": ledger.is_as_held}
    return {name for name, table in before.items() if tables[name].equals(table)} | {
        name for name, is_same in told.items() if is_same
    }


def _carry_audits(
    root: Path,
    old: Snapshot | None,
    tables: Mapping[str, pa.Table],
    features: Mapping[str, StoredFeature],
    fitted: Mapping[str, StoredFitted],
    same: Collection[str],
) -> pa.Table:
    """The findings of the parent, as long as they are of the same tables and states; else the folds
    that were carried are audited again."""
    if (
        old is not None
        and old.fitted == fitted
        and {"clips", "labels", "folds", "index"} <= set(same)
    ):
        return read_table(root, old, AUDITS)
    return AUDITS.build(audit_tables(root, tables, features, fitted))


def _carry_fitted(
    recipe: Recipe, old: Snapshot | None, tables: Mapping[str, pa.Table]
) -> dict[str, StoredFitted]:
    """What the recipe fits, with those states of the parent that a fit on these tables would find
    again."""
    entries = declared(recipe.fitted, {name: recipe.graph.specs[name] for name in recipe.stored})
    needs = {need for entry in entries.values() for need in entry.inputs.values()}
    if not entries:
        return {}
    inputs = pa.array(
        sorted(
            name for name in recipe.stored if not needs.isdisjoint({name, name.partition("~")[0]})
        ),
        pa.string(),
    )
    seen = {
        **tables,
        "index": tables["index"].filter(
            pa.array(positions(tables["index"].column("feature"), inputs) >= 0)
        ),
    }
    return carry(entries, old.fitted if old else {}, lambda table: table.rows(seen[table.name]))


_LIBRARIES = (
    "affectstore",
    "av",
    "h5py",
    "librosa",
    "mediapipe",
    "numpy",
    "opencv-python",
    "openvino",
    "scipy",
    "soxr",
    "torch",
)


def versions() -> dict[str, str]:
    """What numbers are made with: recorded, not keyed, and the same wherever a part of a build is
    done."""
    return {name: version(name) for name in _LIBRARIES}
