"""The plan is a function of what is missing, and of nothing else; whole columns give what a rule
for one clip and one feature gives."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from flows.building.committed import STATE_COLUMNS, Committed
from flows.building.pending import chunks, judge_again, unchanged_refusals, unchanged_rows
from manifests.clips import CLIPS, Clip
from manifests.features import INDEX, FeatureSpec, IndexRow, State
from manifests.quarantine import QUARANTINE, UNFORESEEN, BadClip, Quarantined, Reason

CLIP = Clip("a/1", "a", "a/x", "a/x", "a/1", None, "1.mp4", "aa", 1)
SPEC = FeatureSpec("mfcc", "float32", ("time", "mfcc"), (40,), "", 0.01, "f1", "mfcc", 1, "{}")
ROW = IndexRow("a/1", "mfcc", "f1", State.STORED, "shards/x.h5", 0, 5, 5, "")

Key = tuple[str, str]


def committed(
    index: Sequence[IndexRow], clips: Sequence[Clip], quarantine: Sequence[Quarantined] = ()
) -> Committed:
    rows = INDEX.compact(INDEX.build(index))
    return Committed(
        None,
        CLIPS.build(clips),
        rows.select(STATE_COLUMNS),
        QUARANTINE.compact(QUARANTINE.build(quarantine)),
        lambda: rows,
    )


def kept(
    before: Committed, clips: Sequence[Clip], specs: Mapping[str, FeatureSpec], same_media: bool
) -> dict[Key, IndexRow]:
    """What stays, row by row."""
    rows, table = INDEX.rows(before.index), CLIPS.build(clips)
    unchanged = unchanged_rows(before, table, specs, same_media)
    ids, names = table.column("clip_id").to_pylist(), sorted(specs)
    return {
        (ids[clip], names[feature]): rows[unchanged[clip, feature]]
        for clip, feature in np.argwhere(unchanged >= 0)
    }


def plain_rule(
    before: Sequence[Clip],
    index: Sequence[IndexRow],
    clips: Sequence[Clip],
    specs: Mapping[str, FeatureSpec],
    same_media: bool,
) -> dict[Key, IndexRow]:
    """The rule as one would say it: the reference for the columns."""
    old, old_rows = (
        {clip.clip_id: clip for clip in before},
        {(row.clip_id, row.feature): row for row in index},
    )
    unchanged = {}
    for clip in clips:
        was = old.get(clip.clip_id)
        if was is None or (was.sha256, was.start_s, was.end_s, was.region) != (
            clip.sha256,
            clip.start_s,
            clip.end_s,
            clip.region,
        ):
            continue
        for name, spec in specs.items():
            row = old_rows.get((clip.clip_id, name))
            if (
                row
                and row.fingerprint == spec.fingerprint
                and (row.state == State.STORED or same_media)
            ):
                unchanged[clip.clip_id, name] = row
    return unchanged


def plain_chunks(
    pending: Mapping[str, frozenset[str]], clips_per_shard: int
) -> list[tuple[tuple[str, ...], frozenset[str]]]:
    """The same for the cutting of shards."""
    groups: dict[frozenset[str], list[str]] = {}
    for clip_id in sorted(pending):
        if pending[clip_id]:
            groups.setdefault(pending[clip_id], []).append(clip_id)
    return [
        (tuple(ids[at : at + clips_per_shard]), features)
        for features, ids in sorted(groups.items(), key=lambda item: sorted(item[0]))
        for at in range(0, len(ids), clips_per_shard)
    ]


def test_a_stored_row_of_the_same_bytes_and_fingerprint_stays() -> None:
    assert kept(committed([ROW], [CLIP]), [CLIP], {"mfcc": SPEC}, same_media=False) == {
        ("a/1", "mfcc"): ROW
    }


@pytest.mark.parametrize(
    ("clip", "spec"),
    [
        (replace(CLIP, sha256="bb"), SPEC),
        (replace(CLIP, region="left"), SPEC),
        (replace(CLIP, start_s=1.0), SPEC),
        (replace(CLIP, clip_id="a/2"), SPEC),
        (CLIP, replace(SPEC, fingerprint="f2")),
    ],
    ids=["other bytes", "other region", "other span", "new clip", "other fingerprint"],
)
def test_anything_else_is_pending(clip: Clip, spec: FeatureSpec) -> None:
    assert kept(committed([ROW], [CLIP]), [clip], {"mfcc": spec}, same_media=True) == {}


def test_a_quarantined_row_is_judged_again_when_the_decoding_has_changed() -> None:
    bad = replace(ROW, state=State.QUARANTINED, shard=None, start=None, rows=None, valid_rows=None)
    assert kept(committed([bad], [CLIP]), [CLIP], {"mfcc": SPEC}, same_media=True) == {
        ("a/1", "mfcc"): bad
    }
    assert kept(committed([bad], [CLIP]), [CLIP], {"mfcc": SPEC}, same_media=False) == {}


@pytest.mark.parametrize(
    ("which", "left"),
    [
        ({}, {"a/1 mfcc", "a/1 faces", "a/2 mfcc", "a/2 faces", "a/3 mfcc", "a/3 faces"}),
        ({"unforeseen": True}, {"a/1 mfcc", "a/1 faces", "a/2 faces", "a/3 mfcc", "a/3 faces"}),
        ({"damaged": True}, {"a/3 mfcc", "a/3 faces"}),
    ],
    ids=["nothing", "unforeseen", "damaged"],
)
def test_rows_of_refused_clips_are_taken_out_of_those_that_stay(
    which: dict[str, bool], left: set[str]
) -> None:
    """a/1 has a damaged picture, a/2 an error that nobody foresaw, a/3 no face."""
    clips = [replace(CLIP, clip_id=f"a/{number}") for number in (1, 2, 3)]
    specs = {"mfcc": SPEC, "faces": replace(SPEC, name="faces", fingerprint="f2")}
    refusals = [
        Quarantined("a/1", "faces", Reason.CORRUPT, "a packet is refused"),
        Quarantined("a/2", "mfcc", Reason.UNREADABLE, f"{UNFORESEEN} 2.mp4: KeyError"),
        Quarantined("a/3", "faces", Reason.NO_FACE, "none was found"),
        Quarantined("a/4", "faces", Reason.CORRUPT, "a clip that is gone"),
    ]
    bad = {(row.clip_id, row.feature) for row in refusals}
    index = [
        replace(
            ROW,
            clip_id=clip.clip_id,
            feature=name,
            fingerprint=spec.fingerprint,
            state=State.QUARANTINED if (clip.clip_id, name) in bad else State.STORED,
        )
        for clip in clips
        for name, spec in specs.items()
    ]
    before, table = committed(index, clips, refusals), CLIPS.build(clips)
    unchanged = unchanged_rows(before, table, specs, same_media=True)
    how = {"unforeseen": False, "damaged": False} | which
    judge_again(unchanged, before, table, specs, **how)
    names = sorted(specs)
    assert {f"a/{clip + 1} {names[row]}" for clip, row in np.argwhere(unchanged >= 0)} == left


@pytest.mark.parametrize("seed", range(20))
def test_whole_columns_keep_what_the_rule_for_one_clip_and_feature_keeps(seed: int) -> None:
    chance = random.Random(seed)
    features = [f"feature{number}" for number in range(chance.choice([1, 4, 40]))]

    def some_clips() -> list[Clip]:
        ids = chance.sample(
            [f"a/{number:03d}" for number in range(60)] + ["b/größer", "b/\U0001f600"],
            chance.choice([0, 1, 40]),
        )
        one_of = chance.choice
        return [
            replace(
                CLIP,
                clip_id=clip_id,
                sha256=one_of("ab"),
                start_s=one_of([None, 0.0, 1.5]),
                region=one_of([None, "left"]),
            )
            for clip_id in sorted(ids)
        ]

    def row(clip: Clip, feature: str) -> IndexRow:
        state = chance.choice([State.STORED, State.QUARANTINED])
        shard, start = (
            (chance.choice(["shards/x.h5", "shards/y.h5"]), 0)
            if state == State.STORED
            else (None, None)
        )
        return IndexRow(
            clip.clip_id,
            feature,
            chance.choice(["f1", "f2"]),
            state,
            shard,
            start,
            start,
            start,
            "",
        )

    before = some_clips()
    index = [row(clip, feature) for clip in before for feature in features if chance.random() < 0.9]
    wanted = chance.sample([*features, "another"], chance.randint(1, len(features)))
    specs = {
        name: replace(SPEC, name=name, fingerprint=chance.choice(["f1", "f2", "f3"]))
        for name in wanted
    }
    now = [
        replace(clip, **chance.choice([{}, {}, {"sha256": "c"}]))
        for clip in before
        if chance.random() < 0.8
    ] or some_clips()
    for same_media in (True, False):
        assert kept(committed(index, before), now, specs, same_media) == plain_rule(
            before, index, now, specs, same_media
        )


def test_a_clip_that_is_refused_for_the_same_reason_keeps_its_rows_and_for_another_not() -> None:
    ids = ["a/1", "a/2", "a/3", "a/4"]
    quarantine = [Quarantined(clip_id, "mfcc", Reason.TRUNCATED, "cut") for clip_id in ids]
    index = [
        replace(
            ROW,
            clip_id=clip_id,
            state=State.QUARANTINED,
            shard=None,
            start=None,
            rows=None,
            valid_rows=None,
        )
        for clip_id in ids
    ]
    store = committed(index, [replace(CLIP, clip_id=clip_id) for clip_id in ids], quarantine)
    now = CLIPS.build(replace(CLIP, clip_id=clip_id, sha256="other") for clip_id in ["a/0", *ids])
    bad = {
        "a/0": BadClip("a/0", Reason.TRUNCATED, "cut"),
        "a/1": BadClip("a/1", Reason.TRUNCATED, "cut"),
        "a/2": BadClip("a/2", Reason.TRUNCATED, "cut elsewhere"),
        "a/4": BadClip("a/4", Reason.CORRUPT, "cut"),
    }
    assert unchanged_refusals(store, now, {"mfcc": SPEC}, bad).tolist() == [
        [-1],
        [0],
        [-1],
        [-1],
        [-1],
    ]
    assert (
        unchanged_refusals(store, now, {"mfcc": replace(SPEC, fingerprint="f2")}, bad).max() == -1
    )
    assert unchanged_refusals(store, now, {"mfcc": SPEC}, {}).max() == -1


@pytest.mark.parametrize("seed", range(20))
def test_chunks_are_cut_as_the_plain_rule_cuts_them(seed: int) -> None:
    chance = random.Random(seed)
    features = sorted(f"feature{number}" for number in range(chance.choice([1, 3, 33, 100])))
    ids = [f"a/{number:03d}" for number in range(chance.choice([0, 1, 100]))]
    kinds = [chance.choices([True, False], k=len(features)) for _ in range(5)]
    missing = np.array([chance.choice(kinds) for _ in ids], np.bool_).reshape(-1, len(features))
    pending = {
        clip_id: frozenset(np.array(features)[row].tolist())
        for clip_id, row in zip(ids, missing, strict=True)
    }
    made = chunks(missing, features, 16)
    assert [(tuple(ids[row] for row in rows), lacking) for rows, lacking in made] == plain_chunks(
        pending, 16
    )
    assert len(made) == len(list(made))
    assert made.features == frozenset().union(*pending.values())
    assert made.clips == sum(map(bool, pending.values()))


def test_committed_clips_and_reasons_are_found_by_id_and_others_are_not() -> None:
    clips = [replace(CLIP, clip_id=f"a/{number}") for number in (1, 2, 3, 5)]
    quarantine = [
        Quarantined("a/2", "faces", "no_face", "none"),
        Quarantined("a/2", "mfcc", "no_audio", "x"),
        Quarantined("a/5", "faces", "no_face", "y"),
    ]
    store = committed([], clips, quarantine)
    assert store.clips(["a/0", "a/2", "a/4", "a/5", "a/6"]) == {"a/2": clips[1], "a/5": clips[3]}
    assert [store.quarantined(row.clip_id, row.feature) for row in quarantine] == quarantine
    for absent in (("a/1", "faces"), ("a/5", "mfcc"), ("a/6", "faces")):
        with pytest.raises(KeyError):
            store.quarantined(*absent)
