"""The index after a build, made of whole columns, is the one that a rule for one clip and one
feature makes."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import flows.building.index_builder
from flows.building.committed import STATE_COLUMNS, Committed
from flows.building.index_builder import IndexBuilder, NewRows, damaged_clips, stored_features
from flows.building.pending import chunks, refusals_for, unchanged_refusals, unchanged_rows
from flows.building.plan import BuildPlan, Tasks
from flows.building.shard_task import ShardTask
from manifests.clips import CLIPS, Clip
from manifests.columns import Positions
from manifests.features import INDEX, FeatureSpec, IndexRow, State
from manifests.quarantine import QUARANTINE, BadClip, Quarantined, Reason
from stores.location import locate
from stores.records import ShardRecord, StoredFeature
from stores.shard import Shard
from stores.shard_layout import WrongShard
from tests.support.stores_made import spec_of, track_of, write

SPECS = {name: spec_of(name, shape=(2,), hop_s=0.02) for name in ("zcr", "logmel", "mfcc")}
Key = tuple[str, str]


@dataclass
class Case:
    """A store, what a scan finds, and what the tasks of its plan have made."""

    root: Path
    committed: Committed
    rows: dict[Key, IndexRow]
    quarantined: dict[Key, Quarantined]
    clips: pa.Table
    bad: list[BadClip]
    plan: BuildPlan
    records: list[dict[str, ShardRecord]]


def committed_of(
    clips: Iterable[Clip], rows: Iterable[IndexRow], quarantined: Iterable[Quarantined]
) -> Committed:
    index = INDEX.compact(INDEX.build(rows))
    return Committed(
        None,
        CLIPS.build(clips),
        index.select(STATE_COLUMNS),
        QUARANTINE.compact(QUARANTINE.build(quarantined)),
        lambda: index,
    )


def no_task(rows: Positions, features: frozenset[str]) -> ShardTask:
    raise AssertionError("an index builder asks for no task")


def shard_of(
    chance: random.Random, root: Path, file: str, spec: FeatureSpec, ids: Sequence[str]
) -> ShardRecord:
    bad = [clip_id for clip_id in ids if chance.random() < 0.3]
    tracks = {
        clip_id: track_of(chance.randint(1, 4), spec, 0, notes=("silent",) * chance.randint(0, 1))
        for clip_id in ids
        if clip_id not in bad
    }
    refused = tuple(
        BadClip(clip_id, chance.choice([Reason.NO_AUDIO, Reason.CORRUPT]), "some words")
        for clip_id in bad
    )
    return write(root, file, spec, tracks, refused).record


def rows_of(
    root: Path, spec: FeatureSpec, record: ShardRecord
) -> tuple[list[IndexRow], list[Quarantined]]:
    shard = Shard(locate(root), record.file)
    key = spec.fingerprint
    stored = [
        IndexRow(
            clip_id, spec.name, key, State.STORED, record.file, start, count, valid, ",".join(notes)
        )
        for clip_id, start, count, valid, notes in shard.entries
    ]
    quarantined = [
        Quarantined(clip_id, spec.name, reason, detail) for clip_id, reason, detail in shard.refused
    ]
    return [
        *stored,
        *(
            IndexRow(bad.clip_id, spec.name, key, State.QUARANTINED, None, None, None, None, "")
            for bad in quarantined
        ),
    ], quarantined


def make_case(seed: int, root: Path) -> Case:
    chance = random.Random(seed)
    old_specs = {
        name: chance.choice([spec, replace(spec, fingerprint="0" * 32)])
        for name, spec in SPECS.items()
        if chance.random() < 0.8
    }
    ids = sorted(chance.sample([f"a/{number:02d}" for number in range(20)], chance.choice([0, 8])))
    before = [Clip(clip_id, "a", None, None, clip_id, None, "x", "aa", 1) for clip_id in ids]
    rows: dict[Key, IndexRow] = {}
    quarantined: dict[Key, Quarantined] = {}
    for name, spec in old_specs.items():
        for at in range(0, len(ids), 3):
            record = shard_of(chance, root, f"shards/{name}/old-{at}.h5", spec, ids[at : at + 3])
            some, bad = rows_of(root, spec, record)
            rows |= {(row.clip_id, name): row for row in some}
            quarantined |= {(row.clip_id, name): row for row in bad}
    committed = committed_of(before, rows.values(), quarantined.values())
    now = [
        replace(clip, sha256=chance.choice(["aa", "aa", "bb"]))
        for clip in before
        if chance.random() < 0.8
    ]
    now += [
        Clip(f"b/{number}", "a", None, None, "b", None, "x", "aa", 1)
        for number in range(chance.choice([0, 4]))
    ]
    bad_clips = [
        BadClip(clip.clip_id, chance.choice([Reason.CORRUPT, Reason.NO_AUDIO]), "some words")
        for clip in now
        if chance.random() < 0.3
    ]
    clips, names = CLIPS.build(now), sorted(SPECS)
    unchanged = unchanged_rows(committed, clips, SPECS)
    again = tuple(Reason) if chance.random() > 0.7 else ()
    unchanged[refusals_for(again, committed, clips, SPECS)] = -1
    refused = np.isin(clips.column("clip_id").to_pylist(), [bad.clip_id for bad in bad_clips])
    bad_by_id = {bad.clip_id: bad for bad in bad_clips}
    unchanged[refused] = unchanged_refusals(committed, clips, SPECS, bad_by_id)[refused]
    never = np.array([chance.random() < 0.2 for _ in now], np.int8)
    absent = never[:, np.newaxis] * np.array([name != names[0] for name in names], np.int8)
    unchanged[absent > 0] = -1
    is_missing = (unchanged < 0) & ~refused[:, np.newaxis]
    if chance.random() < 0.5:  # else a file changed after the plan: a shard looked for it in vain
        is_missing &= absent == 0
    cut = chunks(is_missing, names, 3)
    records = []
    for number, (some_rows, features) in enumerate(cut):
        chunk_ids = clips.column("clip_id").take(pa.array(some_rows)).to_pylist()
        records.append(
            {
                name: shard_of(
                    chance, root, f"shards/{name}/new-{number}.h5", SPECS[name], chunk_ids
                )
                for name in features
            }
        )
    return Case(
        root,
        committed,
        rows,
        quarantined,
        clips,
        bad_clips,
        BuildPlan(unchanged, tuple(names), Tasks(cut, no_task), absent),
        records,
    )


def plain_rule(case: Case) -> tuple[dict[Key, IndexRow], dict[Key, Quarantined]]:
    """The reference: one row after another."""
    ids, all_rows = case.clips.column("clip_id").to_pylist(), INDEX.rows(case.committed.index)
    rows = {
        (ids[c], case.plan.stored[f]): all_rows[case.plan.unchanged[c, f]]
        for c, f in np.argwhere(case.plan.unchanged >= 0)
    }
    quarantined = {
        key: case.quarantined[key] for key, row in rows.items() if row.state == State.QUARANTINED
    }
    for bad in case.bad:
        for name, spec in SPECS.items():
            rows[bad.clip_id, name] = IndexRow(
                bad.clip_id, name, spec.fingerprint, State.QUARANTINED, None, None, None, None, ""
            )
            quarantined[bad.clip_id, name] = Quarantined(bad.clip_id, name, bad.reason, bad.detail)
    for record in case.records:
        for name, shard in record.items():
            some, bad_rows = rows_of(case.root, SPECS[name], shard)
            rows |= {(row.clip_id, name): row for row in some}
            quarantined |= {(row.clip_id, name): row for row in bad_rows}
    for c, f in np.argwhere(case.plan.absent > 0):
        key = ids[c], case.plan.stored[f]
        nowhere = (State.ABSENT, None, None, None, None, "sound")
        rows[key] = IndexRow(*key, SPECS[key[1]].fingerprint, *nowhere)
        quarantined.pop(key, None)
    return rows, quarantined


def filled(case: Case) -> IndexBuilder:
    rows = NewRows(SPECS)
    builder = IndexBuilder(SPECS, case.committed, case.plan, case.clips.column("clip_id"), rows)
    builder.refuse({bad.clip_id: bad for bad in case.bad})
    for record in case.records:
        for name, shard in record.items():
            rows.add_shard(locate(case.root), name, shard)
    return builder


@pytest.mark.parametrize("seed", range(12))
def test_columns_make_the_tables_that_the_plain_rule_makes(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flows.building.index_builder, "_STEP", 2 if seed % 2 else 1 << 16)
    case = make_case(seed, tmp_path)
    rows, quarantined = plain_rule(case)
    builder = filled(case)
    index, quarantine = builder.index(), builder.quarantine()
    assert INDEX.to_bytes(index) == INDEX.to_bytes(INDEX.build(rows.values()))
    expected = QUARANTINE.build(quarantined.values())
    assert QUARANTINE.to_bytes(quarantine) == QUARANTINE.to_bytes(expected)
    assert damaged_clips(quarantine).keys() == {
        row.clip_id for row in quarantined.values() if Reason(row.reason).is_fault
    }
    known = {
        row.shard: ShardRecord(str(row.shard), 0, 0, 0, "") for row in rows.values() if row.shard
    }
    assert stored_features(SPECS, tuple(SPECS), index, known) == features_by_the_plain_rule(
        rows, known
    )


def features_by_the_plain_rule(
    rows: Mapping[Key, IndexRow], known: Mapping[str, ShardRecord]
) -> dict[str, StoredFeature]:
    used = {
        name: sorted(
            {row.shard for (_, feature), row in rows.items() if feature == name and row.shard}
        )
        for name in SPECS
    }
    return {
        name: StoredFeature(spec, tuple(known[file] for file in used[name]))
        for name, spec in SPECS.items()
    }


def test_where_nothing_is_new_the_tables_are_those_that_are_committed(tmp_path: Path) -> None:
    ids = [f"a/{number}" for number in range(4)]
    clips = CLIPS.build(
        Clip(clip_id, "a", None, None, clip_id, None, "x", "aa", 1) for clip_id in ids
    )
    found = [
        rows_of(
            tmp_path,
            spec,
            shard_of(random.Random(0), tmp_path, f"shards/{spec.name}/a.h5", spec, ids),
        )
        for spec in SPECS.values()
    ]
    rows, quarantined = (
        [row for some, _ in found for row in some],
        [row for _, some in found for row in some],
    )
    committed = committed_of(CLIPS.rows(clips), rows, quarantined)
    unchanged = unchanged_rows(committed, clips, SPECS)
    names = tuple(sorted(SPECS))
    tasks = Tasks(chunks(unchanged < 0, names, 3), no_task)
    plan = BuildPlan(unchanged, names, tasks, np.zeros(unchanged.shape, np.int8))
    builder = IndexBuilder(SPECS, committed, plan, clips.column("clip_id"), NewRows(SPECS))
    assert len(plan.tasks) == 0
    assert builder.is_unchanged
    assert builder.index() is committed.index
    assert builder.quarantine().equals(committed.quarantine)


def test_a_shard_that_lacks_a_clip_it_was_made_for_publishes_nothing(tmp_path: Path) -> None:
    case = next(
        case for seed in range(20) if (case := make_case(seed, tmp_path / str(seed))).records
    )
    name = next(iter(case.records[0]))
    del case.records[0][name]
    with pytest.raises(WrongShard, match=f"no shard holds {name} of "):
        filled(case).index()
