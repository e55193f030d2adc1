"""Samples as files and decoders hold them -> floats with full scale 1."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_SCALE = {"u1": 2.0**-7, "i2": 2.0**-15, "i4": 2.0**-31, "i8": 2.0**-63}
"""Of whole numbers, as libswresample takes them; bytes have their zero at 128."""


def as_floats(values: NDArray[Any]) -> NDArray[np.float32]:
    """Scales samples.

    Args:
        values: (time, channel) whole numbers, or floats.

    Returns:
        (time, channel) a copy.
    """
    if values.dtype.kind == "f":
        return np.array(values, dtype=np.float32, order="C")
    floats = np.array(values, dtype=np.float32, order="C")
    kind = values.dtype.str[1:]
    if kind == "u1":
        floats -= np.float32(128.0)
    floats *= np.float32(_SCALE[kind])
    return floats
