"""NumPy files, as bytes that are the same for the same array."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.tracks import Track


def npy_bytes(array: NDArray[Any]) -> bytes:
    """Writes an array in the form of NumPy's .npy files.

    Args:
        array: Any plain array.

    Returns:
        The bytes of the file.
    """
    sink = io.BytesIO()
    np.lib.format.write_array(sink, np.ascontiguousarray(array), allow_pickle=False)
    return sink.getvalue()


def arrays_of(track: Track) -> dict[str, NDArray[Any]]:
    """The arrays of a track by the suffix that their files bear.

    Args:
        track: The track.

    Returns:
        `""` the values, `.seconds` the times and `.valid` the mask; of one length each.
    """
    return {"": track.values, ".seconds": track.seconds, ".valid": track.valid}
