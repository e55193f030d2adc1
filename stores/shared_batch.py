"""Batches that a worker process of torch's DataLoader hands over without a copy.

What one process sends to another goes through a pipe: it is pickled, written, read and unpickled,
which takes ten times as long as reading the clips. Here the values of a batch lie in a block of
memory that both processes map, and through the pipe goes which block it is.

New memory of this kind is slow too, so a worker takes a block again when nobody has arrays of it
any more: in the worker, where their base is gone; where the batch went, when that process writes so
into the block. Blocks are no files below /dev/shm, on which containers have small limits, and are
gone with the last process that maps them.

    byte 0      1 while the process that the batch was sent to has arrays of the block
    byte 64     the arrays, one after the other, each at a multiple of 64
"""

import mmap
import os
import sys
import weakref
from collections.abc import Callable, Mapping
from math import prod
from multiprocessing.reduction import ForkingPickler
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Shape = tuple[tuple[int, ...], np.dtype[Any]]
"""Dimensions and type of an array."""

_Reduced = tuple[Callable[..., dict[str, Any]], tuple[Any, ...]]
"""What pickle makes an object of."""

_ALIGNED = 64
"""The first byte of each array is a multiple of so many: that of a processor's vectors."""
_MOST_FREE = 4
"""Blocks that a worker keeps though nobody has arrays of them."""


class _ArrayPlace(NamedTuple):
    """Where an array lies in a block."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int

    def array(self, block: NDArray[np.uint8]) -> NDArray[Any]:
        """A view, whose base is the array of the block."""
        size = prod(self.shape) * self.dtype.itemsize
        return block[self.offset : self.offset + size].view(self.dtype).reshape(self.shape)


class _SharedBlock:
    """Memory of a worker that another process may map."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.descriptor = os.memfd_create("batch")
        os.ftruncate(self.descriptor, size)
        # All pages at once: one by one they take longer than what is copied into them.
        how = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
        self.map = mmap.mmap(self.descriptor, size, flags=how)
        self._array: Callable[[], NDArray[np.uint8] | None] = lambda: None

    def __del__(self) -> None:
        os.close(self.descriptor)

    @property
    def is_free(self) -> bool:
        return self._array() is None and not self.map[0]

    def array(self) -> NDArray[np.uint8]:
        """All bytes; while this array or a view of it is there, the block is not free."""
        array = np.frombuffer(self.map, np.uint8)
        self._array = weakref.ref(array)
        return array


_blocks: list[_SharedBlock] = []
"""Those of this worker."""


class SharedBatch(dict[str, Any]):
    """A batch whose values lie in a block; what another process gets of it is a dict."""

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        """Reserves memory for values.

        Args:
            shapes: Of each array, by name.
        """
        self.places: dict[str, _ArrayPlace] = {}
        size = _ALIGNED
        for name, (shape, dtype) in shapes.items():
            self.places[name] = _ArrayPlace(shape, dtype, size)
            size += -(-prod(shape) * dtype.itemsize // _ALIGNED) * _ALIGNED
        self.block = _block(size)
        array = self.block.array()
        self.arrays = {name: place.array(array) for name, place in self.places.items()}
        super().__init__(values={**self.arrays})

    def __reduce__(self) -> _Reduced:
        return dict, ({**self},)  # a copy, or a file, has nothing to do with the block


def can_share() -> bool:
    """Whether this process makes batches for a DataLoader, on a system that can hand them over.

    Returns:
        False too where torch is not loaded.
    """
    data = sys.modules.get("torch.utils.data")  # a worker of torch has it
    at_work = data is not None and data.get_worker_info() is not None
    return at_work and hasattr(os, "memfd_create")


def _block(size: int) -> _SharedBlock:
    """One that is free and large enough, or a new one."""
    free = [block for block in _blocks if block.is_free]
    fitting = [block for block in free if block.size >= size]
    chosen = fitting[0] if fitting else _SharedBlock(size + size // 4)
    kept = [block for block in fitting if block is not chosen][: _MOST_FREE - 1]
    _blocks[:] = [chosen, *kept, *(block for block in _blocks if block not in free)]
    return chosen


def _sent(batch: SharedBatch) -> _Reduced:
    """How a batch is sent: arrays that somebody exchanged go through the pipe as they are."""
    from multiprocessing.reduction import DupFd

    values = batch.get("values")
    if type(values) is not dict or batch.block.map[0]:
        return batch.__reduce__()
    places = {
        name: batch.places[name]
        for name, array in values.items()
        if array is batch.arrays.get(name)
    }
    others = {name: None if name in places else array for name, array in values.items()}
    batch.block.map[0] = 1
    duplicate = DupFd(batch.block.descriptor)
    return _received, (duplicate, batch.block.size, places, {**batch, "values": others})


def _received(
    duplicate: Any, size: int, places: Mapping[str, _ArrayPlace], batch: dict[str, Any]
) -> dict[str, Any]:
    descriptor = duplicate.detach()
    try:
        block = np.frombuffer(mmap.mmap(descriptor, size), np.uint8)
        first = mmap.mmap(descriptor, _ALIGNED)
    finally:
        os.close(descriptor)
    weakref.finalize(block, _give_back, first, os.getpid()).atexit = False
    batch["values"] |= {name: place.array(block) for name, place in places.items()}
    return batch


def _give_back(first: mmap.mmap, owner: int) -> None:
    """Says that the arrays of a block are gone, unless it is a forked process that has lost its."""
    if os.getpid() == owner:
        first[0] = 0


ForkingPickler.register(SharedBatch, _sent)
