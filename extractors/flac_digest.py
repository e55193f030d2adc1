"""The MD5 digest that a FLAC file keeps of its samples, and how many there are (RFC 9639, 8.2).

A decoder leaves out a frame that is damaged and goes on, so that what follows moves; one digest
tells that, and everything else.
"""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

_STREAMINFO = 34
"""Bytes of the block that begins the decoder's configuration."""


class FlacDigest:
    """Compares the samples of a whole FLAC file with what its header says of them."""

    def __init__(self, streaminfo: bytes) -> None:
        """Reads the header.

        Args:
            streaminfo: Its block STREAMINFO.
        """
        packed = int.from_bytes(streaminfo[10:18])
        self._bits = (packed >> 36 & 31) + 1
        self._declared = packed & (1 << 36) - 1
        self._digest = streaminfo[18:_STREAMINFO]
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._samples = 0
        self._is_exact = any(self._digest) and self._bits in {8, 16, 24}

    def add(self, samples: NDArray[Any]) -> None:
        """Adds the next samples.

        Args:
            samples: (time, channel) as a decoder gives them: whole numbers that fill their type
                from the top, or floating-point ones of full scale 1, exact, as they have 24 bits at
                most.
        """
        self._samples += len(samples)
        if not self._is_exact:
            return
        if samples.dtype.kind == "f":
            samples = (samples * np.float32(2 ** (self._bits - 1))).astype("<i4")
        elif unused := 8 * samples.dtype.itemsize - self._bits:
            samples = samples >> unused
        if self._bits == 24:
            whole = np.ascontiguousarray(samples, "<i4")
            self._md5.update(whole.view("u1").reshape(-1, 4)[:, :3].tobytes())
        else:
            self._md5.update(np.ascontiguousarray(samples, f"<i{self._bits // 8}").data)

    def fault(self) -> str | None:
        """Ends the file.

        Returns:
            What is wrong with it; None where nothing is.
        """
        if self._declared and self._samples != self._declared:
            return (
                f"the flac holds {self._declared:,} samples by its header, but {self._samples:,} "
                "were decoded"
            )
        if self._is_exact and self._md5.digest() != self._digest:
            return (
                "the samples of the flac have another MD5 digest than its header says: "
                f"{self._md5.hexdigest()} found, {self._digest.hex()} expected"
            )
        return None


def flac_digest(container: str, extradata: bytes | None) -> FlacDigest | None:
    """Says what a file tells of its samples.

    Args:
        container: libavformat's name of the container.
        extradata: The decoder's configuration.

    Returns:
        The digest to compare with; None of what is no FLAC file: a part of one that was copied into
        another container keeps the header of the whole.
    """
    if container != "flac" or extradata is None or len(extradata) < _STREAMINFO:
        return None
    return FlacDigest(extradata[:_STREAMINFO])
