"""Memory of batches that are gone is taken again, and never while somebody has an array of it."""

import gc
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

import numpy as np
import pytest

from manifests.tracks import Track
from stores import collate, reused_arrays
from stores.batch import Example
from stores.reused_arrays import empty

FLOATS = np.dtype("float32")
LARGE = (32, 300, 64)
"""2.5 MB of them."""


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    reused_arrays._free.clear()
    yield
    reused_arrays._free.clear()


def kept_bytes() -> int:
    return sum(memory.nbytes for memory in reused_arrays._free)


def test_memory_is_taken_again_when_nobody_has_the_array_and_no_sooner() -> None:
    first = empty(LARGE, FLOATS)
    first[...] = 1
    view, place = first[3:, ::2, 0].T, first.ctypes.data
    del first
    gc.collect()
    second = empty(LARGE, FLOATS)
    second[...] = 2
    assert (view == 1).all(), "a view of it is left"
    assert second.ctypes.data != place
    del view
    gc.collect()
    third = empty(LARGE, FLOATS)
    assert third.ctypes.data == place
    third[...] = 3
    assert (second == 2).all()


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [*product([(40, 3000), (600_000,), (1, 2, 3, 100_000)], ["u1", "f2", "f4", "f8", "c16", "?"])],
)
def test_an_array_is_of_its_shape_and_type_wherever_it_lies(
    shape: tuple[int, ...], dtype: str
) -> None:
    for _ in range(3):
        array = empty(shape, np.dtype(dtype))
        assert (array.shape, array.dtype) == (shape, np.dtype(dtype))
        assert array.flags.writeable
        assert array.flags.c_contiguous
        assert array.ctypes.data % 16 == 0


def test_a_buffer_or_tensor_of_an_array_keeps_its_memory() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    tensor = torch.from_numpy(empty(LARGE, FLOATS))[2:]
    tensor[...] = 1
    array = empty(LARGE, FLOATS)
    array[...] = 2
    buffer = array[:3].data
    del array
    gc.collect()
    empty(LARGE, FLOATS)[...] = 3
    assert bool((tensor == 1).all())
    assert (np.asarray(buffer) == 2).all()


def test_little_is_kept_however_much_there_was() -> None:
    held = [empty((1 << 22,), FLOATS) for _ in range(9)]
    for number, one in enumerate(held):
        one[:] = number
    assert [one[-1] for one in held] == list(range(9))
    del one
    held.clear()
    gc.collect()
    assert 0 < kept_bytes() <= reused_arrays._MOST_BYTES
    empty((1 << 25,), FLOATS)
    assert kept_bytes() <= reused_arrays._MOST_BYTES, "what is larger is not kept at all"


def test_small_arrays_and_objects_take_no_kept_memory() -> None:
    for shape, dtype in ((10, 10), "f4"), ((100_000,), "O"), ((0, 1000, 1000), "f4"):
        empty(shape, np.dtype(dtype))
    gc.collect()
    assert not reused_arrays._free


def test_a_small_array_takes_no_memory_that_is_much_larger() -> None:
    empty((1 << 22,), FLOATS)
    place = empty((1 << 18,), FLOATS).ctypes.data
    assert sorted(memory.nbytes >> 20 for memory in reused_arrays._free) == [1, 16]
    assert empty((1 << 18,), FLOATS).ctypes.data == place


def test_threads_never_share_memory() -> None:
    def filled(number: int) -> bool:
        for turn in range(60):
            array = empty((100_000 + 10_000 * (turn % 3),), FLOATS)
            array[:] = number
            if not (array == number).all():
                return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(filled, range(8)))


def test_a_forked_process_writes_to_memory_of_its_own(processes: None) -> None:
    ours = empty(LARGE, FLOATS)
    ours[...] = 1
    child = os.fork()
    if not child:
        del ours
        gc.collect()
        empty(LARGE, FLOATS)[...] = 2
        os._exit(0)
    os.waitpid(child, 0)
    assert (ours == 1).all()


def clips(number: int, rows: tuple[int, ...]) -> list[Example]:
    def track(count: int) -> Track:
        good = np.arange(count) % 7 != 3
        values = np.full((count, 500), number, np.float32)
        values[~good] = np.nan
        return Track(values, np.arange(count) / 10, good)

    return [(f"clip-{count}", {"f": track(count)}, None) for count in rows]


def test_a_batch_has_nothing_of_the_one_before_it() -> None:
    collate(clips(5, (300, 300)))
    gc.collect()
    assert reused_arrays._free
    batch: Any = collate(clips(7, (300, 190)))
    assert not reused_arrays._free, "its memory is taken"
    values, mask = batch["values"]["f"], batch["mask"]["f"]
    assert (values[mask] == 7).all()
    assert (values[~mask] == 0).all()
    assert not mask[1, 190:].any()
