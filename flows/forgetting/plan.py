"""What forgetting somebody takes: decided before anything is written."""

import shlex
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pyarrow as pa

from flows.forgetting.target import SUBJECT, ForgetError, ForgetTarget
from manifests.clips import CLIPS
from manifests.columns import positions
from manifests.features import INDEX, IndexRow, Json
from manifests.folds import FOLDS
from manifests.labels import LABELS
from manifests.quarantine import QUARANTINE
from manifests.table import Table
from stores.fitted_state import read_state
from stores.forgotten import clip_without, recipe_without, without_names
from stores.location import Location
from stores.records import FoldState, ShardRecord, StoredFitted, in_order
from stores.shard import Shard, open_shard
from stores.snapshot import Snapshot, read_table


@dataclass(frozen=True)
class ShardCut:
    """A shard that is written anew without some clips."""

    feature: str
    record: ShardRecord
    kept: tuple[str, ...]
    """Clips that stay, those without a value among them."""


class ForgetPlan:
    """What of the newest snapshot stays, and what goes."""

    def __init__(self, location: Location, snapshot: Snapshot, target: ForgetTarget) -> None:
        """Reads tables when they are first needed.

        Args:
            location: Where the store lies.
            snapshot: Its newest snapshot.
            target: Who is to be forgotten.

        Raises:
            ForgetError: No clip would be left.
        """
        self.location, self.snapshot, self.target = location, snapshot, target
        self._ids = pa.array(sorted(target.clip_ids), pa.string())
        if not self.tables["clips"].num_rows:
            raise ForgetError(_nobody_else(location, snapshot, target))

    @cached_property
    def tables(self) -> dict[str, pa.Table]:
        """Clips, labels, folds, index and quarantine without the rows that go."""
        found = {table.name: self._without(table) for table in (CLIPS, LABELS, INDEX, QUARANTINE)}
        folds = read_table(self.location, self.snapshot, FOLDS)
        dropped = pa.array(sorted(self.schemes), pa.string())
        is_dropped = positions(folds.column("scheme"), dropped) >= 0
        return {**found, "folds": folds.filter(pa.array(~is_dropped))}

    def _without(self, table: Table[Any]) -> pa.Table:
        rows = read_table(self.location, self.snapshot, table)
        kept = rows.filter(pa.array(positions(rows.column("clip_id"), self._ids) < 0))
        if table.name == CLIPS.name and self.target.kind == SUBJECT:
            clips = CLIPS.rows(kept)
            others = [clip_without(clip, self._is_theirs) for clip in clips]
            return kept if others == clips else CLIPS.build(others)
        if table.name != QUARANTINE.name:
            return kept
        found = QUARANTINE.rows(kept)
        return QUARANTINE.build(replace(row, detail=self.target.scrub(row.detail)) for row in found)

    def _is_theirs(self, text: str) -> bool:
        return text == self.target.id

    @cached_property
    def schemes(self) -> dict[str, str]:
        """Split schemes that had one of the clips, or name who goes -> how to deal them again."""
        folds = read_table(self.location, self.snapshot, FOLDS)
        is_hit = positions(folds.column("clip_id"), self._ids) >= 0
        is_hit |= positions(folds.column("group_id"), pa.array([self.target.id])) >= 0
        hit = folds.filter(pa.array(is_hit))
        named = {name for name, made in self.snapshot.schemes.items() if self._names(made)}
        return {
            name: self._deal_again(name, self.snapshot.schemes.get(name))
            for name in sorted({*hit.column("scheme").unique().to_pylist(), *named})
        }

    def _names(self, made: Json) -> bool:
        facts = made if isinstance(made, dict) else {}
        given = [one for name in ("test", "valid") for one in _texts(facts.get(name))]
        where = _texts(facts.get("where"))
        return any(map(self.target.named, given)) or self._is_cut(where)

    def _is_cut(self, where: Sequence[str]) -> bool:
        return without_names(where, self.target.named) != without_names(where, lambda text: False)

    def _deal_again(self, scheme: str, made: Json) -> str:
        facts = made if isinstance(made, dict) else {}
        words = ["affectstore", "split", str(self.location), scheme]
        for name in ("folds", "seed"):
            if facts.get(name):
                words += [f"--{name}", str(facts[name])]
        for name in ("test", "valid"):
            if given := _texts(facts.get(name)):
                left = [one for one in given if not self.target.named(one)]
                words += [f"--{name}", ",".join(left) or "SUBJECT"]
        for one in without_names(_texts(facts.get("where")), self.target.named):
            words += ["--where", one]
        return shlex.join(words)

    @cached_property
    def cuts(self) -> list[ShardCut]:
        """The shards that hold a row of somebody who goes, with what stays of each."""
        found = []
        for name, feature in self.snapshot.features.items():
            for record in feature.shards:
                if record.file in self.used:
                    self.location.fetch(record)
                    shard = open_shard(self.location, feature.spec, record)
                    if cut := self._cut(name, record, shard):
                        found.append(cut)
        return found

    def _cut(self, feature: str, record: ShardRecord, shard: Shard) -> ShardCut | None:
        held = [one.clip_id for one in shard.entries] + [one.clip_id for one in shard.refused]
        kept = tuple(sorted(set(held) - self.target.clip_ids))
        is_named = any(self.target.is_in(one.detail) for one in shard.refused)
        return ShardCut(feature, record, kept) if len(kept) < len(held) or is_named else None

    @cached_property
    def used(self) -> frozenset[str]:
        """The shards that rows which stay lie in."""
        return frozenset(self.tables["index"].column("shard").unique().to_pylist()) - {None}

    @property
    def rows(self) -> list[IndexRow]:
        """The rows of the index that stay, in the shards of before."""
        return INDEX.rows(self.tables["index"])

    @cached_property
    def states(self) -> list[str]:
        """The fitted states that go, in words."""
        return [
            f"{name}, fold {state.fold} of {state.scheme}"
            for name, entry in self.snapshot.fitted.items()
            for state in entry.states
            if not self._stays(name, state)
        ]

    @cached_property
    def _gone(self) -> set[tuple[str, str, int]]:
        """Feature, scheme and fold of each state that saw somebody who goes, or is fitted on one
        that did."""
        fitted = self.snapshot.fitted
        gone: set[tuple[str, str, int]] = set()
        for name in in_order(fitted):
            for state in fitted[name].states:
                needs = fitted[name].inputs.values()
                is_on_one = any((need, state.scheme, state.fold) in gone for need in needs)
                if is_on_one or self._saw(fitted[name], state):
                    gone.add((name, state.scheme, state.fold))
        return gone

    def _saw(self, entry: StoredFitted, state: FoldState) -> bool:
        if state.scheme in self.schemes or self._is_cut(state.where or ()):
            return True
        # What a network has made is of all clips of the store: it is made anew.
        if state.all_shards and self.removed_rows["clips"]:
            return True
        seen = read_state(self.location, state.file, entry.spec, state).clips
        return any(clip_id in self.target.clip_ids for clip_id, _ in seen)

    def _stays(self, name: str, state: FoldState) -> bool:
        return (name, state.scheme, state.fold) not in self._gone

    @property
    def fitted(self) -> dict[str, tuple[FoldState, ...]]:
        """The states that stay, of each fitted feature."""
        return {
            name: tuple(state for state in entry.states if self._stays(name, state))
            for name, entry in self.snapshot.fitted.items()
        }

    @property
    def recipe(self) -> dict[str, Json]:
        """The recipe without names of who goes."""
        return recipe_without(self.snapshot.recipe, self.target.named)

    @property
    def listed(self) -> Mapping[str, int] | None:
        """What lies in the corpora's folders, where clips are chosen; the clips that go do not
        count."""
        gone = Counter(clip.corpus for clip in self.target.clips)
        counts = self.snapshot.listed
        return {name: count - gone[name] for name, count in counts.items()} or None

    def has_file_of(self, sha256s: Container[str]) -> list[bool]:
        """Whether clips that stay lie in one file with one that goes.

        Args:
            sha256s: Of the files of those that go.

        Returns:
            Of each clip that stays.
        """
        return [one in sha256s for one in self.tables["clips"].column("sha256").to_pylist()]

    @property
    def removed_rows(self) -> dict[str, int]:
        """Rows that go, of each table."""
        counts = self.snapshot.counts
        return {name: counts[name] - table.num_rows for name, table in sorted(self.tables.items())}


def _nobody_else(location: Location, snapshot: Snapshot, target: ForgetTarget) -> str:
    remove = "remove the whole store instead, and what was made of it"
    if chosen := _texts(snapshot.recipe.get("clips")):
        return (
            f"{location} was narrowed to {' '.join(chosen)}, and has clips of {target.id} alone; "
            f"build it again with others, then run this once more, or {remove}"
        )
    return f"every clip of {location} is of {target.id}; {remove}"


def _texts(value: Json) -> list[str]:
    return [*map(str, value)] if isinstance(value, list) else []
