"""In what order a trainer meets items: balanced, by length, shared among ranks, drawn by a seed."""

import multiprocessing
import pickle
import random
import warnings
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manifests.clips import CLIPS
from manifests.labels import LABELS, Label
from stores import (
    BalancedSampler,
    FeatureDataset,
    FeatureStore,
    LengthBuckets,
    NotInStore,
    ShuffledSampler,
)
from tests.support.stores_made import SPEC, clip_ids, commit, make_store, tables_in, track_of

COUNT = 60
SEEDS = range(300)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> FeatureDataset:
    """60 clips of 1 to 60 rows; of class a 40, b 15, c 4, and one without a label; of three
    subjects."""
    root = tmp_path_factory.mktemp("samplers") / "store"
    ids = clip_ids(COUNT)
    lengths = random.Random(0).sample(range(1, COUNT + 1), COUNT)
    tracks = {clip_id: track_of(rows, SPEC) for clip_id, rows in zip(ids, lengths, strict=True)}
    snapshot = make_store(root, COUNT, (SPEC,), per_shard=20, tracks=tracks)
    values = ["a"] * 40 + ["b"] * 15 + ["c"] * 4
    labels = [Label(c, "abc", "x", v) for c, v in zip(ids, values, strict=False)]
    commit(root, snapshot.features, {**tables_in(root, snapshot), "labels": LABELS.build(labels)})
    return FeatureDataset(root, features=["mfcc"], labels="abc", missing="mask")


def drawn(seed: int) -> dict[str, Any]:
    """Seed, ranks and part of the items, by the seed of a test."""
    how = random.Random(seed)
    return {"seed": how.randrange(100), "ranks": how.choice((1, 1, 2, 3, 5, 8))}


def of_ranks(make: Any, ranks: int) -> list[list[Any]]:
    """The steps of each rank."""
    found = [[*make(rank=rank, ranks=ranks)] for rank in range(ranks)]
    assert {len(steps) for steps in found} == {len(make(rank=0, ranks=ranks))}
    return found


def in_order(steps: Sequence[Sequence[Any]]) -> list[Any]:
    """The steps of all ranks in the order of the epoch."""
    return [*chain.from_iterable(zip(*steps, strict=True))]


def test_ranks_share_all_items_and_repeat_no_more_than_they_must(
    dataset: FeatureDataset,
) -> None:
    for seed in SEEDS:
        how = drawn(seed)
        part = dataset.select(random.Random(seed).sample(range(COUNT), 1 + seed % COUNT))
        ranks = how["ranks"]
        order = in_order(of_ranks(partial(ShuffledSampler, part, seed=how["seed"]), ranks))
        assert sorted(order[: len(part)]) == [*range(len(part))]
        assert 0 <= len(order) - len(part) < ranks
        assert order[len(part) :] == [order[i % len(part)] for i in range(len(order) - len(part))]


def test_classes_come_equally_often_and_so_do_the_items_of_one(
    dataset: FeatureDataset,
) -> None:
    for seed in SEEDS:
        how = drawn(seed)
        part = dataset.select(random.Random(seed).sample(range(59), 1 + seed % 59))
        order = in_order(
            of_ranks(
                partial(BalancedSampler, part, seed=how["seed"]),
                how["ranks"],
            )
        )
        assert 0 <= len(order) - len(part) < how["ranks"]
        targets = part.targets[order]
        present = {*part.targets.tolist()}
        counts = Counter(targets.tolist())
        assert counts.keys() <= present
        assert max(counts.values()) - min(counts.get(each, 0) for each in present) <= 1
        for each in counts:
            times = Counter(i for i in order if part.targets[i] == each)
            of_class = np.flatnonzero(part.targets == each).tolist()
            assert max(times.values()) - min(times.get(i, 0) for i in of_class) <= 1
        for at in range(0, len(order) - len(present) + 1, len(present)):
            assert {*targets[at : at + len(present)].tolist()} == present  # so a batch is balanced


def test_batches_by_length_hold_each_item_once_and_little_padding(
    dataset: FeatureDataset,
) -> None:
    for seed in SEEDS:
        how = drawn(seed)
        size = 1 + seed % 9
        steps = in_order(
            of_ranks(
                partial(LengthBuckets, dataset, size, seed=how["seed"]),
                how["ranks"],
            )
        )
        count = -(-COUNT // size)
        assert 0 <= len(steps) - count < how["ranks"]
        assert steps[count:] == steps[: len(steps) - count]
        assert sorted(chain.from_iterable(steps[:count])) == [*range(COUNT)]
        assert all(len(batch) <= size for batch in steps)
        lengths = dataset.lengths("mfcc")
        spans = [int(np.ptp(lengths[batch])) for batch in steps]
        assert max(spans) == size - 1  # lengths are 1 to 60, and all are sorted together


def test_pools_mix_the_batches_of_many_clips(
    dataset: FeatureDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stores.samplers._POOL", 2)
    sampler = LengthBuckets(dataset, 10)
    first = {frozenset(batch) for batch in sampler}
    sampler.set_epoch(1)
    assert first != {frozenset(batch) for batch in sampler}
    assert sorted(chain.from_iterable(sampler)) == [*range(COUNT)]


def test_an_unlabelled_item_is_never_drawn(dataset: FeatureDataset) -> None:
    assert dataset[59].label is None
    sampler = BalancedSampler(dataset)
    assert len(sampler) == 59
    assert 59 not in {*sampler}


def test_subjects_come_equally_often(dataset: FeatureDataset) -> None:
    part = dataset.filter(np.array([i % 3 == 0 or i < 12 for i in range(COUNT)]))
    counts = Counter(part.subjects[i] for i in BalancedSampler(part, "subject"))
    assert len(counts) == 3
    assert max(counts.values()) - min(counts.values()) <= 1


def test_a_clip_of_no_known_subject_is_left_out_by_hand(tmp_path: Path) -> None:
    snapshot = make_store(tmp_path, specs=(SPEC,))
    clips = FeatureStore(tmp_path).rows(CLIPS)
    clips[2] = replace(clips[2], subject_id=None)
    tables = {**tables_in(tmp_path, snapshot), "clips": CLIPS.build(clips)}
    commit(tmp_path, snapshot.features, tables)
    every = FeatureDataset(tmp_path, features=["mfcc"], labels=None, missing="error")
    with pytest.raises(ValueError, match="of 1 of 7 items nobody knows the subject; leave them"):
        BalancedSampler(every, "subject")
    known = every.filter(lambda row: row["subject_id"] is not None)
    assert len(BalancedSampler(known, "subject")) == 6


@pytest.mark.parametrize("make", [ShuffledSampler, BalancedSampler, lambda d, **h: LengthBuckets(
    d, 7, **h)])  # fmt: skip
def test_seed_and_epoch_decide_on_the_order_and_nothing_else(
    dataset: FeatureDataset, make: Any
) -> None:
    sampler = make(dataset, seed=3)
    first = [*sampler]
    assert [*sampler] == first == [*make(dataset, seed=3)]
    assert [*make(dataset, seed=4)] != first
    sampler.set_epoch(1)
    second = [*sampler]
    assert second != first
    assert [*pickle.loads(pickle.dumps(sampler))] == second
    sampler.set_epoch(0)
    assert [*sampler] == first


def test_what_no_sampler_can_do_is_said(dataset: FeatureDataset) -> None:
    for rank, ranks in ((2, 2), (-1, 2), (0, 0)):
        with pytest.raises(ValueError, match=f"rank {rank} of {ranks} was asked for, expected"):
            ShuffledSampler(dataset, rank=rank, ranks=ranks)
    with pytest.raises(ValueError, match="by is 'corpus', expected label or subject"):
        BalancedSampler(dataset, "corpus")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="a batch of 0 items was asked for"):
        LengthBuckets(dataset, 0)
    with pytest.raises(NotInStore, match="the dataset has no feature named 'mfc'"):
        LengthBuckets(dataset, 4, feature="mfc")
    with pytest.raises(ValueError, match="none of 1 items has a label; choose other labels"):
        BalancedSampler(dataset.select([59]))
    votes = FeatureDataset(
        dataset.store, features=["mfcc"], labels="abc", target="votes", missing="drop"
    )
    with pytest.raises(ValueError, match="the labels are votes, which are not counted by class"):
        BalancedSampler(votes)


# A DataLoader, in a process of its own, as in test_dataset.py


def halved(item: Any) -> Any:
    name, track = next(iter(item.tracks.items()))
    return item._replace(tracks={name: track[: len(track) // 2 + 1]})


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize("method", [None, "spawn"], ids=["in one process", "spawn"])
def test_a_dataloader_takes_them(dataset: FeatureDataset, method: str | None) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        process.submit(load, dataset.store.location.folder, method).result()


def load(root: Path, method: str | None) -> None:
    """Asserts what a DataLoader gives; warnings are errors."""
    import torch

    warnings.simplefilter("error")
    every = FeatureDataset(
        root, features=["mfcc"], labels="abc", missing="drop", metadata=True, transform=halved
    )
    dataset = every.select(range(1, 59)).filter(label=["a", "b"])
    how: dict[str, Any] = {"num_workers": 2, "multiprocessing_context": method} if method else {}
    batches = LengthBuckets(dataset, 8, seed=1)
    loader = torch.utils.data.DataLoader(
        dataset, batch_sampler=batches, collate_fn=dataset.collate, **how
    )
    found = [torch.utils.data.default_convert(batch) for batch in loader]
    assert [batch["clip_ids"] for batch in found] == [
        [dataset.clip_ids[i] for i in batch] for batch in batches
    ]
    assert all(
        [row["clip_id"] for row in batch["metadata"]] == batch["clip_ids"] for batch in found
    )
    single = BalancedSampler(dataset, rank=1, ranks=2)
    loader = torch.utils.data.DataLoader(
        dataset, batch_size=6, sampler=single, collate_fn=dataset.collate, **how
    )
    ids = [clip_id for batch in loader for clip_id in batch["clip_ids"]]
    assert ids == [dataset.clip_ids[i] for i in single]
