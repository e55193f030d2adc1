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
from flows.building.index_builder import Ledger, damaged, stored_features
from flows.building.pending import MARKS, Held, chunks, still_good, still_refused
from flows.building.plan import Plan, Tasks
from flows.building.shard_task import ShardTask
from manifests.clips import CLIPS, Clip
from manifests.columns import Positions
from manifests.features import INDEX, FeatureSpec, IndexRow, State
from manifests.quarantine import QUARANTINE, BadClip, Quarantined, Reason
from stores.records import ShardRecord, StoredFeature
from stores.shard import WrongShard, open_shard
from tests.test_shards import spec_of, track_of, write

SPECS = {name: spec_of(name, shape=(2,), hop_s=0.02) for name in ("zcr", "logmel", "mfcc")}
Key = tuple[str, str]


@dataclass
class Case:
    """A store, what a scan finds, and what the tasks of its plan have made."""

    root: Path
    held: Held
    rows: dict[Key, IndexRow]
    lost: dict[Key, Quarantined]
    clips: pa.Table
    bad: list[BadClip]
    plan: Plan
    records: list[dict[str, ShardRecord]]


def held_of(clips: Iterable[Clip], rows: Iterable[IndexRow], lost: Iterable[Quarantined]) -> Held:
    whole = INDEX.compact(INDEX.build(rows))
    return Held(
        None,
        CLIPS.build(clips),
        whole.select(MARKS),
        QUARANTINE.compact(QUARANTINE.build(lost)),
        lambda: whole,
    )


def no_task(rows: Positions, features: frozenset[str]) -> ShardTask:
    raise AssertionError("a ledger asks for no task")


def shard_of(
    chance: random.Random, root: Path, file: str, spec: FeatureSpec, ids: Sequence[str]
) -> ShardRecord:
    lost = [clip_id for clip_id in ids if chance.random() < 0.3]
    tracks = {
        clip_id: track_of(chance.randint(1, 4), spec, 0, notes=("silent",) * chance.randint(0, 1))
        for clip_id in ids
        if clip_id not in lost
    }
    refused = tuple(
        BadClip(clip_id, chance.choice([Reason.NO_AUDIO, Reason.CORRUPT]), "some words")
        for clip_id in lost
    )
    return write(root, file, spec, tracks, refused).record


def rows_of(
    root: Path, spec: FeatureSpec, record: ShardRecord
) -> tuple[list[IndexRow], list[Quarantined]]:
    shard = open_shard(root, record.file)
    key = spec.fingerprint
    stored = [
        IndexRow(
            clip_id, spec.name, key, State.STORED, record.file, start, count, valid, ",".join(notes)
        )
        for clip_id, start, count, valid, notes in shard.entries
    ]
    lost = [
        Quarantined(clip_id, spec.name, reason, detail) for clip_id, reason, detail in shard.refused
    ]
    return [
        *stored,
        *(
            IndexRow(bad.clip_id, spec.name, key, State.QUARANTINED, None, None, None, None, "")
            for bad in lost
        ),
    ], lost


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
    lost: dict[Key, Quarantined] = {}
    for name, spec in old_specs.items():
        for at in range(0, len(ids), 3):
            record = shard_of(chance, root, f"shards/{name}/old-{at}.h5", spec, ids[at : at + 3])
            some, bad = rows_of(root, spec, record)
            rows |= {(row.clip_id, name): row for row in some}
            lost |= {(row.clip_id, name): row for row in bad}
    held = held_of(before, rows.values(), lost.values())
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
    good = still_good(held, clips, SPECS, same_media=chance.random() < 0.7)
    refused = np.isin(clips.column("clip_id").to_pylist(), [bad.clip_id for bad in bad_clips])
    bad_by_id = {bad.clip_id: bad for bad in bad_clips}
    good[refused] = still_refused(held, clips, SPECS, bad_by_id)[refused]
    cut = chunks((good < 0) & ~refused[:, np.newaxis], names, 3)
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
        held,
        rows,
        lost,
        clips,
        bad_clips,
        Plan(good, tuple(names), Tasks(cut, no_task)),
        records,
    )


def plain_rule(case: Case) -> tuple[dict[Key, IndexRow], dict[Key, Quarantined]]:
    """The reference: one row after another."""
    ids, all_rows = case.clips.column("clip_id").to_pylist(), INDEX.rows(case.held.index)
    rows = {
        (ids[c], case.plan.stored[f]): all_rows[case.plan.good[c, f]]
        for c, f in np.argwhere(case.plan.good >= 0)
    }
    lost = {key: case.lost[key] for key, row in rows.items() if row.state == State.QUARANTINED}
    for bad in case.bad:
        for name, spec in SPECS.items():
            rows[bad.clip_id, name] = IndexRow(
                bad.clip_id, name, spec.fingerprint, State.QUARANTINED, None, None, None, None, ""
            )
            lost[bad.clip_id, name] = Quarantined(bad.clip_id, name, bad.reason, bad.detail)
    for record in case.records:
        for name, shard in record.items():
            some, bad_rows = rows_of(case.root, SPECS[name], shard)
            rows |= {(row.clip_id, name): row for row in some}
            lost |= {(row.clip_id, name): row for row in bad_rows}
    return rows, lost


def told(case: Case) -> Ledger:
    ledger = Ledger(SPECS, case.held, case.plan, case.clips.column("clip_id"))
    ledger.refuse({bad.clip_id: bad for bad in case.bad})
    for record in case.records:
        for name, shard in record.items():
            ledger.read_back(case.root, name, shard)
    return ledger


@pytest.mark.parametrize("seed", range(12))
def test_columns_make_the_tables_that_the_plain_rule_makes(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flows.building.index_builder, "_STEP", 2 if seed % 2 else 1 << 16)
    case = make_case(seed, tmp_path)
    rows, lost = plain_rule(case)
    ledger = told(case)
    index, quarantine = ledger.index(), ledger.quarantine()
    assert INDEX.to_bytes(index) == INDEX.to_bytes(INDEX.build(rows.values()))
    assert QUARANTINE.to_bytes(quarantine) == QUARANTINE.to_bytes(QUARANTINE.build(lost.values()))
    assert damaged(quarantine).keys() == {
        row.clip_id for row in lost.values() if Reason(row.reason).is_fault
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


def test_where_nothing_is_new_the_tables_are_those_that_are_held(tmp_path: Path) -> None:
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
    rows, lost = (
        [row for some, _ in found for row in some],
        [row for _, some in found for row in some],
    )
    held = held_of(CLIPS.rows(clips), rows, lost)
    good = still_good(held, clips, SPECS, same_media=True)
    plan = Plan(good, tuple(sorted(SPECS)), Tasks(chunks(good < 0, sorted(SPECS), 3), no_task))
    ledger = Ledger(SPECS, held, plan, clips.column("clip_id"))
    assert len(plan.tasks) == 0
    assert ledger.is_as_held
    assert ledger.index() is held.index
    assert ledger.quarantine().equals(held.quarantine)


def test_a_shard_that_lacks_a_clip_it_was_made_for_publishes_nothing(tmp_path: Path) -> None:
    case = next(
        case for seed in range(20) if (case := make_case(seed, tmp_path / str(seed))).records
    )
    name = next(iter(case.records[0]))
    del case.records[0][name]
    with pytest.raises(WrongShard, match=f"no shard holds {name} of "):
        told(case).index()
