"""The last step of a build: from finished shards to one published snapshot."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version

import pyarrow as pa

from flows.auditing.store import StoreContent, audit_store
from flows.building.choosing import NOTHING_CHOSEN, ListedClips
from flows.building.clip_table import ClipTable
from flows.building.committed import Committed
from flows.building.forgotten import NOBODY_FORGOTTEN, ForgottenFiles
from flows.building.index_builder import (
    IndexBuilder,
    NewRows,
    damaged_clips,
    stored_features,
)
from flows.building.plan import BuildPlan
from flows.building.shard_task import Records
from flows.errors import BuildError
from flows.fitting.plan import declared
from flows.recipe import Recipe
from manifests.audits import AUDITS
from manifests.choice import Choice, ClipColumns
from manifests.columns import positions
from manifests.folds import FOLDS
from manifests.labels import LABELS
from manifests.quarantine import UNFORESEEN
from manifests.variant_names import plain_name
from stores.choosing import split_choice
from stores.location import Location
from stores.publish import publish
from stores.reading import HASHED_COPY, READING
from stores.records import StoredFeature, StoredFitted
from stores.shard import Shard
from stores.snapshot import Snapshot, read_compact, read_table
from stores.training_clips import carry

_ASSIGNED_BY = ["clip_id", "group_id"]
"""Columns of the table of clips that folds depend on."""


@dataclass(frozen=True)
class BuildResult:
    """What a build left behind."""

    snapshot: Snapshot
    is_new: bool
    shards_written: int
    folds_dropped: bool
    """The clips have changed, so the folds of the snapshot before no longer fit."""
    clips_computed: int
    seconds: float
    left_out: Mapping[str, int]
    """Files of the corpora's folders that are no clip: suffix with its dot, "" for none -> files.
    """
    listed: ListedClips = NOTHING_CHOSEN
    """What lies there, of which the clips of the snapshot were chosen."""
    forgotten: ForgottenFiles = NOBODY_FORGOTTEN
    """What lies there of those that the store has forgotten."""


@dataclass(frozen=True)
class Commit:
    """Everything that a snapshot of a build is made of."""

    location: Location
    recipe: Recipe
    table: ClipTable
    committed: Committed
    plan: BuildPlan
    records: Sequence[Records]
    """Of the new shards, for each task."""
    rows: NewRows
    """Of the index and the quarantine, as these shards have them."""
    engine: str
    """What networks ran on."""
    listed: ListedClips = NOTHING_CHOSEN
    """What the clips were chosen of."""
    recalled: Committed | None = None
    """What is committed, with the rows of older snapshots that the plan counts on; None: none."""

    def publish(self) -> tuple[Snapshot, bool]:
        """Publishes one snapshot from the rows that stay and the shards that are new.

        Returns:
            The snapshot, that of before where nothing changed; and whether folds were dropped.

        Raises:
            BuildError: More clips are damaged than the recipe allows.
        """
        recipe, before = self.recipe, self.committed.snapshot
        builder = self._index_builder()
        quarantine = builder.quarantine()
        try:
            _check_budget(recipe, self.table.clips.num_rows, quarantine)
        except BuildError:
            self._remove_unforeseen()
            raise
        folds, dropped = self._folds()
        tables = {
            "clips": self.table.clips,
            "labels": self.table.labels,
            "folds": folds,
            "quarantine": quarantine,
        }
        same = self._unchanged_tables(tables, builder, bool(dropped))
        if before and same == {*tables, "index"} and not recipe.fitted:
            tables["index"] = self.committed.states
            specs = recipe.graph.specs
            features = {
                name: StoredFeature(specs[name], before.features[name].shards)
                for name in recipe.stored
            }
        else:
            tables["index"] = builder.index()
            features = self._features(tables["index"])
        fitted = self._fitted(tables)
        content = StoreContent(self.location, tables, features, fitted)
        if before and self._keeps_findings(content, same):
            same |= {"audits"}  # of an older version too, in the form that they have
            tables["audits"] = read_table(self.location, before, AUDITS)
        else:
            tables["audits"] = AUDITS.build(audit_store(content))
        made_with = {"engine": self.engine, READING: HASHED_COPY, **versions()}
        snapshot = publish(
            self.location,
            parent=before,
            recipe=recipe.resolved(),
            tables=tables,
            features=features,
            fitted=fitted,
            versions=made_with if self.records or before is None else before.versions,
            schemes={
                name: made
                for name, made in (before.schemes if before else {}).items()
                if name not in dropped
            },
            listed=self.listed.clips,
            same=same,
            newest_format=True,
        )
        return snapshot, bool(dropped)

    def _remove_unforeseen(self) -> None:
        """Removes new shards that hold refusals for an error that nobody foresaw.

        They would be found finished by the next build, which may be one without that error.
        """
        if not self.location.is_local:
            return  # there an account need not have the right to remove anything
        for record in self.records:
            for shard in record.values():
                refused = Shard(self.location, shard.file).refused
                if any(refusal.detail.startswith(UNFORESEEN) for refusal in refused):
                    self.location.remove(shard.file)

    def _index_builder(self) -> IndexBuilder:
        clip_ids = self.table.clips.column("clip_id")
        held = self.recalled or self.committed
        builder = IndexBuilder(self.recipe.graph.specs, held, self.plan, clip_ids, self.rows)
        builder.refuse(self.table.bad)
        return builder

    def _features(self, index: pa.Table) -> dict[str, StoredFeature]:
        new = {shard.file: shard for record in self.records for shard in record.values()}
        known = {**new, **(self.recalled or self.committed).shards}
        return stored_features(self.recipe.graph.specs, self.recipe.stored, index, known)

    def _folds(self) -> tuple[pa.Table, frozenset[str]]:
        """The folds of the parent that are folds of the same clips and groups; and the schemes of
        which there were others."""
        snapshot = self.committed.snapshot
        if snapshot is None:
            return FOLDS.build([]), frozenset()
        folds = read_compact(self.location, snapshot, FOLDS)
        schemes = folds.column("scheme").unique().to_pylist()
        given = {scheme: split_choice(snapshot, scheme) for scheme in schemes}
        is_same = {choice: self._has_the_same(snapshot, choice) for choice in {*given.values()}}
        dropped = frozenset(scheme for scheme, choice in given.items() if not is_same[choice])
        if dropped:
            is_dropped = positions(folds.column("scheme"), pa.array(dropped, pa.string())) >= 0
            folds = folds.filter(pa.array(~is_dropped))
        return folds, dropped

    def _has_the_same(self, snapshot: Snapshot, choice: Choice) -> bool:
        """Whether the clips of a choice, and their groups, are those of the parent."""
        before, now = self.committed.clip_table, self.table.clips
        if choice:
            then = ClipColumns(before, partial(read_table, self.location, snapshot, LABELS))
            here = ClipColumns(now, lambda: self.table.labels)
            before = before.filter(pa.array(then.chosen(choice, strict=False)))
            now = now.filter(pa.array(here.chosen(choice, strict=False)))
        return bool(before.select(_ASSIGNED_BY).equals(now.select(_ASSIGNED_BY)))

    def _unchanged_tables(
        self, tables: Mapping[str, pa.Table], builder: IndexBuilder, folds_dropped: bool
    ) -> set[str]:
        """The tables that are those of the parent, the index among them."""
        committed = self.committed
        if committed.snapshot is None:
            return set()
        before = {
            "clips": committed.clip_table,
            "labels": read_table(self.location, committed.snapshot, LABELS),
            "quarantine": committed.quarantine,
        }
        same = {name for name, table in before.items() if tables[name].equals(table)}
        known = {"folds": not folds_dropped, "index": builder.is_unchanged}
        return same | {name for name, is_same in known.items() if is_same}

    def _keeps_findings(self, content: StoreContent, same: set[str]) -> bool:
        """The findings of the parent are of the same content; else they are made anew."""
        before = self.committed.snapshot
        is_same = {"clips", "labels", "folds", "index"} <= same
        return before is not None and is_same and before.fitted == content.fitted

    def _fitted(self, tables: Mapping[str, pa.Table]) -> dict[str, StoredFitted]:
        """What the recipe fits, with the states of the parent that a fit would find again."""
        recipe, before = self.recipe, self.committed.snapshot
        specs = recipe.graph.specs
        entries = declared(recipe.fitted, {name: specs[name] for name in recipe.stored})
        if not entries:
            return {}
        needs = {need for entry in entries.values() for need in entry.inputs.values()}
        inputs = [name for name in recipe.stored if needs & {name, plain_name(name)}]
        index = tables["index"]
        is_input = positions(index.column("feature"), pa.array(sorted(inputs), pa.string())) >= 0
        read = {**tables, "index": index.filter(pa.array(is_input))}
        states = before.fitted if before else {}
        return carry(entries, states, lambda table: table.rows(read[table.name]))


def _check_budget(recipe: Recipe, clips: int, quarantine: pa.Table) -> None:
    bad = damaged_clips(quarantine)
    allowed = recipe.max_bad_fraction * clips
    if len(bad) <= allowed:
        return
    reasons = Counter(row.reason for row in bad.values()).most_common(3)
    counts = ", ".join(f"{count} {reason}" for reason, count in reasons)
    first = bad[min(bad)]
    raise BuildError(
        f"{len(bad)} of {clips} clips are damaged ({counts}), the recipe allows {allowed:.0f}; "
        f"nothing was published. First: {first.clip_id}: {first.detail}. "
        "Repair the files, or allow more with --set max_bad_fraction=1.0"
    )


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
    """The libraries that numbers are made with: recorded, not keyed, and the same on all workers.

    Returns:
        Library -> version.
    """
    return {name: version(name) for name in _LIBRARIES}
