"""Batches of DataLoader workers: what arrives is what was made, and stays so while it is held."""

import copy
import gc
import multiprocessing
import os
import pickle
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manifests.tracks import Track
from stores import Batch, collate, shared_batch
from stores.batch import Example
from stores.shared_batch import SharedBatch

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="Linux alone has it")
SHAPES = {"f": ((2, 3), np.dtype("float32")), "g": ((2, 5, 1), np.dtype("uint8"))}


@pytest.fixture(autouse=True)
def no_blocks() -> Iterator[None]:
    shared_batch._blocks.clear()
    yield
    shared_batch._blocks.clear()


def made(number: int) -> SharedBatch:
    batch = SharedBatch(SHAPES)
    for values in batch["values"].values():
        values[...] = number
    batch |= {"clip_ids": ["a", "b"], "targets": np.array([number, 1])}
    return batch


def sent(batch: SharedBatch) -> Any:
    """As a process gets it that it is sent to."""
    return pickle.loads(ForkingPickler.dumps(batch))


def test_a_batch_arrives_as_a_dict_of_arrays_that_may_be_written_to() -> None:
    batch = made(7)
    there = sent(batch)
    assert type(there) is dict
    assert list(there) == ["values", "clip_ids", "targets"]
    assert {name: (one.shape, one.dtype) for name, one in there["values"].items()} == SHAPES
    assert all((one == 7).all() and one.ctypes.data % 64 == 0 for one in there["values"].values())
    assert there["targets"].tolist() == [7, 1]
    there["values"]["f"][0] = 8
    assert batch["values"]["f"][0, 0] == 8, "it is the same memory"
    assert len(ForkingPickler.dumps(made(1))) < 2000


def test_a_block_is_used_again_when_nobody_has_arrays_of_it_and_no_sooner() -> None:
    first = made(1)
    there = sent(first)
    kept = there["values"]["g"][:, 1:]
    del first, there
    gc.collect()
    second = made(2)
    assert (kept == 1).all(), "a view of one array is left"
    assert len(shared_batch._blocks) == 2
    del kept, second
    gc.collect()
    third = made(3)
    assert len(shared_batch._blocks) == 2
    assert sent(third)["values"]["f"].tolist() == [[3.0] * 3] * 2


def test_a_batch_that_is_still_here_keeps_its_block_though_the_other_process_is_done() -> None:
    first = made(1)
    sent(first)
    gc.collect()
    made(2)
    assert (first["values"]["f"] == 1).all()


def test_a_process_that_was_forked_gives_no_block_back_that_another_has(
    processes: None,
) -> None:
    first = made(1)
    there = sent(first)
    del first
    child = os.fork()
    if not child:
        there.clear()
        gc.collect()
        os._exit(0)
    os.waitpid(child, 0)
    made(2)
    assert (there["values"]["f"] == 1).all()


def test_large_blocks_are_made_once_and_few_are_kept() -> None:
    held = [made(number) for number in range(9)]
    assert len(shared_batch._blocks) == 9
    assert all((one["values"]["f"] == number).all() for number, one in enumerate(held))
    held.clear()
    gc.collect()
    wide = SharedBatch({"f": ((1, 100_000), np.dtype("float64"))})
    assert len(shared_batch._blocks) == 1, "those that are too small are gone"
    assert wide["values"]["f"].shape == (1, 100_000)
    held = [made(number) for number in range(9)]
    held.clear()
    gc.collect()
    made(1)
    assert len(shared_batch._blocks) <= 1 + shared_batch._MOST_FREE


def test_what_somebody_exchanged_is_sent_as_it_is() -> None:
    batch = made(1)
    batch["values"]["f"] = np.arange(3)
    batch["values"]["h"] = np.ones(2)
    there = sent(batch)
    assert list(there["values"]) == ["f", "g", "h"]
    assert there["values"]["f"].tolist() == [0, 1, 2]
    assert (there["values"]["g"] == 1).all()
    batch["values"] = "none"
    assert sent(batch)["values"] == "none"


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))]
)
def test_a_copy_is_a_dict_that_has_nothing_to_do_with_the_block(copied: Any) -> None:
    batch = made(1)
    assert type(other := copied(batch)) is dict
    assert (other["values"]["g"] == 1).all()


def test_a_batch_that_is_sent_twice_is_copied_the_second_time() -> None:
    batch = made(1)
    first, second = sent(batch), sent(batch)
    assert (first["values"]["f"] == 1).all()
    del batch, first
    gc.collect()
    made(2)
    assert (second["values"]["f"] == 1).all()


def test_in_the_process_of_the_dataset_nothing_is_shared() -> None:
    assert type(collate([example(0, 2)])) is dict
    assert not shared_batch._blocks


# In a DataLoader, in a process of its own, as in test_dataset.py.


def example(number: int, rows: int) -> Example:
    values = np.full((rows, 1000), number, np.float32)
    track = Track(values, 0.1 * np.arange(rows), np.arange(rows) != 1)
    return f"clip-{number}", {"f": track, "g": track[:1]}, None


class Examples:
    def __len__(self) -> int:
        return 60

    def __getitem__(self, i: int) -> Example:
        return example(i, 2 + i % 5)


def doubled(items: list[Example]) -> Batch:
    batch = collate(items)
    batch["values"]["g"] = 2 * batch["values"]["g"]
    return batch


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_hand_over_memory_and_take_it_again(method: str) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        process.submit(load, method).result()


def load(method: str) -> None:
    """Asserts what a DataLoader gives; warnings are errors."""
    from torch.utils.data import DataLoader

    warnings.simplefilter("error")
    data, workers = Examples(), 2
    loader: Any = DataLoader(
        data,  # type: ignore[arg-type]
        batch_size=4,
        num_workers=workers,
        collate_fn=doubled,
        multiprocessing_context=method,
        persistent_workers=True,
    )
    plain = [doubled([data[i] for i in range(at, at + 4)]) for at in range(0, 60, 4)]
    first = next(iter(loader))  # the rest of this epoch is thrown away
    for _ in range(8):
        for batch, expected in zip(loader, plain, strict=True):
            assert_same(batch, expected)
            batch["values"]["f"] += 1
    assert_same(first, plain[0])
    pids = [one.pid for one in multiprocessing.active_children()]
    assert len(pids) == workers
    for pid in pids:
        opened = [*Path(f"/proc/{pid}/fd").iterdir()]
        blocks = {one.stat().st_ino for one in opened if "memfd:batch" in str(one.readlink())}
        assert 1 <= len(blocks) <= 4 + shared_batch._MOST_FREE, blocks
    del batch, first
    gc.collect()
    assert "memfd:batch" not in Path("/proc/self/maps").read_text()


def assert_same(batch: Batch, expected: Batch) -> None:
    assert list(batch) == list(expected)
    for kind in ("values", "seconds", "mask", "lengths"):
        for name in ("f", "g"):
            np.testing.assert_array_equal(batch[kind][name], expected[kind][name])  # type: ignore[literal-required]
