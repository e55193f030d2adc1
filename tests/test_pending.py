"""The plan is a function of what is missing, and of nothing else."""

import random
from dataclasses import replace

import pytest

from flows.pending import Held, chunks, still_good
from manifests.clips import Clip
from manifests.features import FeatureSpec, IndexRow, State

CLIP = Clip("a/1", "a", "a/x", "a/x", "a/1", None, "1.mp4", "aa", 1)
SPEC = FeatureSpec("mfcc", "float32", ("time", "mfcc"), (40,), "", 0.01, "f1", "mfcc", 1, "{}")
ROW = IndexRow("a/1", "mfcc", "f1", State.STORED, "shards/x.h5", 0, 5, 5, "")


def held(row: IndexRow = ROW, clip: Clip = CLIP) -> Held:
    return Held(None, {clip.clip_id: clip}, {(row.clip_id, row.feature): row}, {})


def test_a_stored_row_of_the_same_bytes_and_fingerprint_stays() -> None:
    assert still_good(held(), [CLIP], {"mfcc": SPEC}, same_media=False) == {("a/1", "mfcc"): ROW}


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
    assert still_good(held(), [clip], {"mfcc": spec}, same_media=True) == {}


def test_a_quarantined_row_is_judged_again_when_the_decoding_has_changed() -> None:
    bad = replace(ROW, state=State.QUARANTINED)
    assert still_good(held(bad), [CLIP], {"mfcc": SPEC}, same_media=True) == {("a/1", "mfcc"): bad}
    assert still_good(held(bad), [CLIP], {"mfcc": SPEC}, same_media=False) == {}


def test_chunks_do_not_depend_on_the_order_of_the_clips() -> None:
    pending = {f"a/{n:03d}": frozenset({"mfcc", "faces"} if n % 3 else {"mfcc"}) for n in range(100)}
    shuffled = list(pending.items())
    random.Random(0).shuffle(shuffled)
    assert chunks(dict(shuffled), 16) == chunks(pending, 16)


def test_every_pending_clip_is_in_one_chunk_and_clips_of_a_chunk_lack_the_same() -> None:
    pending = {f"a/{n:03d}": frozenset({"mfcc"} if n % 2 else {"faces"}) for n in range(50)} | {"a/done": frozenset()}
    made = chunks(pending, 8)
    assert sorted(clip for ids, _ in made for clip in ids) == sorted(c for c, f in pending.items() if f)
    assert all(pending[clip] == features for ids, features in made for clip in ids)
    assert max(len(ids) for ids, _ in made) == 8
