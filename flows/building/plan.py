"""The steps of the flows, as plain functions: nothing here knows of Prefect."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from flows.auditing.run import audit_again
from flows.building.clip_table import Scan
from flows.building.pending import (
    MARKS,
    NOTHING_HELD,
    Chunks,
    Held,
    chunks,
    still_good,
    still_refused,
)
from flows.building.shard_task import ShardTask
from flows.recipe import Recipe
from manifests.audits import AUDITS
from manifests.clips import CLIPS, Clip
from manifests.columns import Positions, pick, positions
from manifests.corpora.catalog import CORPORA, Found
from manifests.corpora.known_issues import apply_known_issues
from manifests.features import INDEX, IndexRow, Json, State
from manifests.folds import FOLDS, Fold
from manifests.labels import LABELS, Label
from manifests.quarantine import QUARANTINE, BadClip, Reason
from manifests.schemes.catalog import (
    SCHEMES,
    Scheme,
    SplitError,
    empty_classes,
    refuse_leaks,
    weigh,
)
from stores.snapshot import NotCommitted, Snapshot, load_snapshot, publish, read_compact, read_table
from stores.training_clips import carry


class BuildError(ValueError):
    """The build cannot start or must not publish; the message says why and what to do."""


class StoreBusy(BuildError):
    """Another process is writing to the store."""


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the store for one writer; StoreBusy when another has it."""
    from filelock import FileLock, Timeout

    root.mkdir(parents=True, exist_ok=True)
    lock = FileLock(root / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise StoreBusy(
            f"another build or split is writing to {root}; wait until it ends, then run the same "
            "command again"
        ) from error
    try:
        yield
    finally:
        lock.release()


def list_clips(corpora: Mapping[str, Path], ignored_issues: Collection[str] = ()) -> list[Found]:
    """Every clip of every corpus, by name alone; files known to be bad are refused, but for the
    corpora and clips in `ignored_issues`."""
    found: list[Found] = []
    for name, root in sorted(corpora.items()):
        if name not in CORPORA:
            raise BuildError(f"there is no corpus {name!r}; there are {', '.join(CORPORA)}")
        found += CORPORA[name].scan(root)
    return apply_known_issues(sorted(found, key=lambda f: f.clip.clip_id), ignored_issues)


def load_held(root: Path) -> Held:
    """What the store holds; nothing when there is no store yet."""
    try:
        snapshot = load_snapshot(root)
    except NotCommitted:
        return NOTHING_HELD
    marks = read_compact(root, snapshot, INDEX, MARKS)
    # reading it takes as much again as is kept, which the tables to come may have
    pa.default_memory_pool().release_unused()
    return Held(
        snapshot=snapshot,
        clip_table=read_table(root, snapshot, CLIPS),
        marks=marks,
        quarantine=read_compact(root, snapshot, QUARANTINE),
        read_index=partial(read_compact, root, snapshot, INDEX),
    )


def check_corpora(root: Path, held: Held, given: Iterable[str]) -> None:
    """A build says everything: a corpus that the store holds is never dropped by leaving it out."""
    forgotten = set(held.clip_table.column("corpus").unique().to_pylist()) - set(given)
    if forgotten:
        options = " ".join(f"--corpus {name}=FOLDER" for name in sorted(forgotten))
        names = ", ".join(sorted(forgotten))
        raise BuildError(
            f"{root} holds clips of {names}, which this build does not name; add {options}, or "
            "build into another store"
        )


@dataclass(frozen=True)
class Plan:
    """What a build will do."""

    good: Positions
    """(clip, feature) -> the row of the held index that stays as it is, or -1; features by name, as
    in `stored`."""
    stored: tuple[str, ...]
    tasks: "Tasks"


@dataclass(frozen=True)
class Tasks:
    """The tasks of a plan, each made when it is its turn: a plan may have very many."""

    chunks: Chunks
    make: Callable[[Positions, frozenset[str]], ShardTask]

    def __len__(self) -> int:
        return len(self.chunks)

    def __iter__(self) -> Iterator[ShardTask]:
        return (self.make(rows, features) for rows, features in self.chunks)

    @property
    def features(self) -> frozenset[str]:
        """All that any of them makes."""
        return frozenset(name for features, _ in self.chunks.groups for name in features)

    @property
    def clips(self) -> int:
        """Of all tasks together."""
        return sum(len(rows) for _, rows in self.chunks.groups)


def make_plan(root: Path, recipe: Recipe, scan: Scan, held: Held) -> Plan:
    specs = {name: recipe.graph.specs[name] for name in sorted(recipe.stored)}
    same_media = (
        held.snapshot is not None
        and held.snapshot.recipe.get("media") == recipe.resolved()["media"]
    )
    good = still_good(held, scan.clips, specs, same_media)
    bad = positions(scan.clips.column("clip_id"), pa.array(scan.bad, pa.string())) >= 0
    good[bad] = still_refused(held, scan.clips, specs, scan.bad)[bad]
    missing = (good < 0) & ~bad[:, np.newaxis]

    def make(rows: Positions, features: frozenset[str]) -> ShardTask:
        return _task(
            root,
            recipe,
            scan,
            CLIPS.rows(pick(scan.clips, rows)),
            features,
            _Inputs(held, list(specs), good[rows]),
        )

    return Plan(
        good, tuple(specs), Tasks(chunks(missing, list(specs), recipe.clips_per_shard), make)
    )


@dataclass(frozen=True)
class _Inputs:
    """What the store holds of the clips of one task."""

    held: Held
    stored: Sequence[str]
    good: Positions

    def rows(self, feature: str) -> list[IndexRow]:
        return INDEX.rows(pick(self.held.index, self.good[:, self.stored.index(feature)]))


def _task(
    root: Path,
    recipe: Recipe,
    scan: Scan,
    clips: Sequence[Clip],
    features: frozenset[str],
    inputs: _Inputs,
) -> ShardTask:
    graph = recipe.graph
    needed = {encoder.needs["input"] for encoder in graph.encoders(features).values()} - features
    rows = {name: inputs.rows(name) for name in sorted(needed) if recipe.features[name].store}
    shards = {row.shard for found in rows.values() for row in found if row.shard}
    lost = [
        inputs.held.lost(row.clip_id, name)
        for name, found in rows.items()
        for row in found
        if row.state == State.QUARANTINED
    ]
    return ShardTask(
        root=root,
        graph=graph,
        media=recipe.decoding,
        clips=tuple(clips),
        paths=tuple(scan.path(clip) for clip in clips),
        features=tuple(name for name in graph.order if name in features),
        held={
            name: {row.clip_id: row.shard for row in found if row.shard}
            for name, found in rows.items()
        },
        records={file: inputs.held.shards[file] for file in sorted(shards)},
        lost={
            (row.clip_id, row.feature): BadClip(row.clip_id, Reason(row.reason), row.detail)
            for row in lost
        },
    )


def write_folds(
    root: Path,
    scheme: str,
    folds: int | None,
    seed: int,
    test: tuple[str, ...] = (),
    valid: tuple[str, ...] = (),
) -> Snapshot:
    """Deal the clips that have at least one stored feature to folds; publish them beside the other
    schemes, and what the audit finds.

    `test` and `valid` are subjects, for the scheme `holdout`. What a scheme claims to keep on one
    side is checked before it is stored: LeakingSplit where the claim does not hold.
    """
    if scheme not in SCHEMES:
        raise SplitError(f"there is no split scheme {scheme!r}; there are {', '.join(SCHEMES)}")
    snapshot = load_snapshot(root)
    tables = {
        table.name: read_table(root, snapshot, table)
        for table in (CLIPS, LABELS, FOLDS, INDEX, QUARANTINE, AUDITS)
    }
    stored = {row.clip_id for row in INDEX.rows(tables["index"]) if row.state == State.STORED}
    clips = [clip for clip in CLIPS.rows(tables["clips"]) if clip.clip_id in stored]
    labels = LABELS.rows(tables["labels"])
    dealt = SCHEMES[scheme](clips, labels, folds, seed, test, valid)
    asked: dict[str, Json] = {
        "folds": folds,
        "seed": seed,
        "test": list(test),
        "valid": list(valid),
    }
    facts = _facts(SCHEMES[scheme], dealt, clips, labels)
    others = [fold for fold in FOLDS.rows(tables["folds"]) if fold.scheme != scheme]
    whole = {**tables, "folds": FOLDS.build([*others, *dealt])}
    fitted = carry(snapshot.fitted, snapshot.fitted, lambda table: table.rows(whole[table.name]))
    return publish(
        root,
        parent=snapshot,
        recipe=snapshot.recipe,
        tables={**whole, "audits": audit_again(root, whole, snapshot.features, fitted, scheme)},
        features=snapshot.features,
        fitted=fitted,
        versions=snapshot.versions,
        schemes={**snapshot.schemes, scheme: {**asked, **facts}},
    )


def _facts(
    scheme: Scheme, dealt: Sequence[Fold], clips: Sequence[Clip], labels: Sequence[Label]
) -> dict[str, Json]:
    """What the snapshot says of the folds of a scheme, once its claim has been checked."""
    mine = scheme.of(clips)
    refuse_leaks(dealt, mine, scheme.keeps)
    balance = weigh(dealt, mine, labels) if scheme.disjoint else None
    return {
        "disjoint": scheme.disjoint,
        "keeps": list(scheme.keeps),
        "imbalance": balance.imbalance if balance else None,
        "least_imbalance": balance.bound if balance else None,
        "empty_classes": list(empty_classes(dealt, mine, labels)),
    }
