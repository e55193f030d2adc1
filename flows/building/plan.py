"""What a build will do: which rows of the index stay, and which shards are to be made."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from flows.building.absent import Absences, absences, drop_misjudged
from flows.building.clip_table import ClipTable
from flows.building.committed import Committed
from flows.building.pending import (
    Chunks,
    chunks,
    judge_again,
    refusals_for,
    unchanged_refusals,
    unchanged_rows,
)
from flows.building.shard_task import ShardTask, readers
from flows.errors import BuildError
from flows.recipe import Recipe
from manifests.clips import CLIPS, Clip
from manifests.columns import Positions, pick, positions
from manifests.features import INDEX, IndexRow, State
from manifests.quarantine import BadClip, Reason
from stores.location import Location


def check_corpora(location: Location, committed: Committed, given: Iterable[str]) -> None:
    """Checks that a build names every corpus that the store holds: none is dropped by accident.

    Args:
        location: Where the store lies.
        committed: What it holds.
        given: The names of the corpora.

    Raises:
        BuildError: A corpus is left out.
    """
    stored = committed.clip_table.column("corpus").unique().to_pylist()
    if forgotten := sorted(set(stored) - set(given)):
        options = " ".join(f"--corpus {name}=FOLDER" for name in forgotten)
        raise BuildError(
            f"{location} holds clips of {', '.join(forgotten)}, which this build does not name; "
            f"add {options}, or build into another store"
        )


@dataclass(frozen=True)
class Tasks:
    """The tasks of a plan, each made when it is its turn: a plan may have very many."""

    chunks: Chunks
    make: Callable[[Positions, frozenset[str]], ShardTask]

    def __len__(self) -> int:
        return len(self.chunks)

    def __iter__(self) -> Iterator[ShardTask]:
        return (self.make(rows, features) for rows, features in self.chunks)


@dataclass(frozen=True)
class BuildPlan:
    """What a build will do."""

    unchanged: Positions
    """(clip, feature) the row of the committed index that stays as it is, or -1; features by name,
    as in `stored`."""
    stored: tuple[str, ...]
    tasks: Tasks
    absent: Absences
    """What the files never had: it is in no task."""

    def after(self, table: ClipTable, changed: Collection[str], recipe: Recipe) -> "BuildPlan":
        """Lets no row of the committed index stay of some clips.

        Args:
            table: All clips, these as they are now.
            changed: The ids of these clips.
            recipe: What is wanted of each clip.

        Returns:
            The plan.
        """
        if not changed:
            return self
        unchanged = self.unchanged.copy()
        ids = table.clips.column("clip_id")
        unchanged[positions(ids, pa.array(changed, pa.string())) >= 0] = -1
        absent = absences(table, recipe.graph, self.stored)
        return replace(self, unchanged=unchanged, absent=absent)


def standing_reasons(
    committed: Committed, recipe: Recipe, retry: Collection[Reason]
) -> frozenset[Reason]:
    """The reasons for which the same bytes are refused again: their files need no other look.

    Args:
        committed: What the store holds.
        recipe: What is wanted of each clip.
        retry: Clips that are in quarantine for one of these reasons are looked at again.

    Returns:
        None where another version or other limits may judge otherwise.
    """
    snapshot = committed.snapshot
    if not snapshot or snapshot.recipe.get("media") != recipe.resolved()["media"]:
        return frozenset()
    if any(snapshot.versions.get(name) != now for name, now in readers().items()):
        return frozenset()
    return frozenset(Reason) - _OF_THE_MOMENT - frozenset(retry)


_OF_THE_MOMENT = {Reason.TIMED_OUT, Reason.CRASHED, Reason.CHANGED_WHILE_READ}
"""What a busy machine may have caused."""


def make_plan(
    location: Location,
    recipe: Recipe,
    table: ClipTable,
    committed: Committed,
    retry: Collection[Reason] = (),
) -> BuildPlan:
    """Compares what is wanted with what the store holds.

    Args:
        location: Where the store lies.
        recipe: What is wanted of each clip.
        table: The clips as they are now.
        committed: What the store holds.
        retry: Clips that are in quarantine for one of these reasons are measured again.

    Returns:
        The plan.
    """
    specs = {name: recipe.graph.specs[name] for name in sorted(recipe.stored)}
    snapshot = committed.snapshot
    same_media = bool(snapshot and snapshot.recipe.get("media") == recipe.resolved()["media"])
    held = unchanged_rows(committed, table.clips, specs)
    # Another decoder or other limits may save a clip.
    doubted = retry if same_media else tuple(Reason)
    again = (held >= 0) & refusals_for(doubted, committed, table.clips, specs)
    unchanged = np.where(again, np.int32(-1), held)
    if snapshot:
        judge_again(
            unchanged,
            committed,
            table.clips,
            specs,
            unforeseen=any(snapshot.versions.get(name) != now for name, now in readers().items()),
            damaged=recipe.media.strict and not same_media,
        )
    bad = positions(table.clips.column("clip_id"), pa.array(table.bad, pa.string())) >= 0
    unchanged[bad] = unchanged_refusals(committed, table.clips, specs, table.bad)[bad]
    absent = absences(table, recipe.graph, tuple(specs))
    drop_misjudged(unchanged, committed, absent)
    missing = (unchanged < 0) & ~bad[:, np.newaxis] & (absent == 0)

    def make(rows: Positions, features: frozenset[str]) -> ShardTask:
        clips = CLIPS.rows(pick(table.clips, rows))
        inputs = _StoredInputs(committed, list(specs), unchanged[rows])
        task = _task(location, recipe, table, clips, features, inputs)
        tried = snapshot.number if snapshot and again[rows].any() else 0
        return replace(task, tried_before=tried)

    cut = chunks(missing, list(specs), recipe.clips_per_shard)
    return BuildPlan(unchanged, tuple(specs), Tasks(cut, make), absent)


@dataclass(frozen=True)
class _StoredInputs:
    """What the store holds of the clips of one task."""

    committed: Committed
    stored: Sequence[str]
    unchanged: Positions

    def rows(self, feature: str) -> list[IndexRow]:
        """The rows of the index of one feature."""
        rows = self.unchanged[:, self.stored.index(feature)]
        return INDEX.rows(pick(self.committed.index, rows))


def _task(
    location: Location,
    recipe: Recipe,
    table: ClipTable,
    clips: Sequence[Clip],
    features: frozenset[str],
    inputs: _StoredInputs,
) -> ShardTask:
    graph, committed = recipe.graph, inputs.committed
    needed = {encoder.needs["input"] for encoder in graph.encoders(features).values()} - features
    rows = {name: inputs.rows(name) for name in sorted(needed) if recipe.features[name].store}
    shards = {row.shard for found in rows.values() for row in found if row.shard}
    quarantined = [
        committed.quarantined(row.clip_id, name)
        for name, found in rows.items()
        for row in found
        if row.state == State.QUARANTINED
    ]
    return ShardTask(
        location=location,
        graph=graph,
        media=recipe.decoding,
        clips=tuple(clips),
        paths=tuple(table.path(clip) for clip in clips),
        features=tuple(name for name in graph.order if name in features),
        stored={name: _shard_of(found) for name, found in rows.items()},
        records={file: committed.shards[file] for file in sorted(shards)},
        quarantined={
            (row.clip_id, row.feature): BadClip(row.clip_id, Reason(row.reason), row.detail)
            for row in quarantined
        },
    )


def _shard_of(rows: Sequence[IndexRow]) -> Mapping[str, str]:
    return {row.clip_id: row.shard for row in rows if row.shard}
