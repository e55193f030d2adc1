"""Large arrays in memory that earlier ones have left.

New memory comes from the system page by page, each of them cleared, and large arrays may go back
to it as soon as they are gone: filling such an array costs several times what copying the rows
into it does. A batch is used for a moment, so the next one takes its place.

An array's memory is free when nobody has the array, or a view of it, any more. There is no lock:
memory may come back in any thread, also in the middle of a function of this module.
"""

import weakref
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LEAST_BYTES = 1 << 18
"""Smaller arrays are left to the allocator of C, which has memory for them."""
_MOST_BYTES = 1 << 26
"""That is kept though nobody uses it."""
_ALIGNED = 64
"""The first byte of an array is a multiple of so many: that of a processor's vectors."""

_free: list[memoryview] = []


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Makes an array that holds what happened to be in memory.

    Args:
        shape: Its dimensions.
        dtype: Its type.

    Returns:
        One that may be written to and kept as long as one likes.
    """
    size = prod(shape) * dtype.itemsize
    if not _LEAST_BYTES <= size <= _MOST_BYTES or dtype.hasobject:
        return np.empty(shape, dtype)
    memory = _taken(size)
    # Every view refers to this array, as the last one on the way to the memory: an array between
    # them and another array would be passed over, and be gone too soon.
    whole = np.frombuffer(memory, np.uint8)
    weakref.finalize(whole, _give_back, memory).atexit = False
    first = -whole.ctypes.data % _ALIGNED
    return whole[first : first + size].view(dtype).reshape(shape)


def _taken(size: int) -> memoryview:
    """Free memory that is large enough and not much larger, or new memory."""
    for _ in range(len(_free)):
        try:
            memory = _free.pop(0)
        except IndexError:  # another thread was faster
            break
        if size + _ALIGNED <= memory.nbytes <= 2 * size:
            return memory
        _free.append(memory)
    step = 1 << max(0, size.bit_length() - 3)  # so that batches of about one length fit
    return np.empty(-(-size // step) * step + _ALIGNED, np.uint8).data


def _give_back(memory: memoryview) -> None:
    _free.append(memory)
    while sum(one.nbytes for one in _free) > _MOST_BYTES:
        try:
            _free.pop(0)
        except IndexError:
            break
