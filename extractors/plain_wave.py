"""Plain wav files: those whose header leaves no doubt, read without a decoder.

Most recordings of speech are such files, and for them opening a decoder, and what it does packet by
packet, takes longer than all that is measured on the sound. They are

    RIFF  size = all of the file
      fmt   16 or 18 bytes: PCM of 8, 16, 24 or 32 bits, or floats of 32 or 64, as the sizes of a
            frame and of a second say too
      ...   LIST, fact, PEAK, JUNK, or nothing
      data  whole frames, one at least
      ...   the same, up to the end of the file

What is left to libavformat: every other file, damage above all, and one whose samples may be a
coding that was put into a wav, which libavformat looks for (AC-3, DTS, AAC, MP3, TrueHD). Both ways
give the same facts and the same bits.
"""

import math
import re
import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractors.base import Pcm
from extractors.full_scale import as_floats
from extractors.media_file import MediaFile, held_bytes
from manifests.clips import Clip

HEAD_BYTES = 16
"""Bytes at the beginning of a file that tell its kind."""
_PCM, _FLOAT = 1, 3
"""Format tags."""
_FORMS = {
    (_PCM, 8): "u1",
    (_PCM, 16): "<i2",
    (_PCM, 24): "",
    (_PCM, 32): "<i4",
    (_FLOAT, 32): "<f4",
    (_FLOAT, 64): "<f8",
}
"""Format tag and bits of a sample -> its type; there is none of 24 bits."""
_MOST_CHANNELS = 8
_PASSED_OVER = {b"LIST", b"fact", b"PEAK", b"JUNK", b"junk", b"PAD "}
"""Chunks that say nothing of the samples."""

_SEARCHED = 1 << 15
"""Bytes in which libavformat looks for another coding, or more: one word of it is there at least.
"""
_FIRST = re.compile(
    rb"\0*(?:ID3|\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff][\x10-\xef]|\xff[\xf0\xf1\xf8\xf9]"
    rb"|\x56[\xe0-\xff]|\x0b\x77|\x77\x0b)"
)
"""What samples begin with that are frames of MP3, AAC (ADTS or LOAS) or AC-3."""
_WORDS = tuple(
    int.from_bytes(bytes.fromhex(word), "little")
    for word in ("7ffe8001", "fe7f0180", "64582025", "1fffe800", "f8726fba", "f8726fbb", "72f81f4e")
)
"""Synchronisation words of DTS, of TrueHD and MLP, and of S/PDIF, at even bytes."""
_FOURTEEN_BITS = re.compile(rb"\xff\x1f\x00\xe8[\xf0-\xff]\x07")
"""That of DTS in 14 bits, low byte first."""


@dataclass(frozen=True, eq=False)
class PlainWave:
    """The samples of a plain wav file."""

    rate_hz: int
    samples: NDArray[Any]
    """(time, channel) whole numbers or floats, as the file has them; a view of its bytes, but for
    those of 24 bits, which are the upper ones of 32."""

    @property
    def length_s(self) -> float:
        """Seconds of all samples."""
        return len(self.samples) / self.rate_hz

    def pcm(self, clip: Clip) -> Pcm | None:
        """Takes the samples of a clip.

        Args:
            clip: The clip, which may be a span of the file.

        Returns:
            A copy of them, as decoders give it; None where the span holds none.
        """
        first, end = 0, len(self.samples)
        if clip.start_s is not None:
            first = max(0, math.ceil(Fraction(clip.start_s) * self.rate_hz))
        if clip.end_s is not None:
            end = min(end, math.ceil(Fraction(clip.end_s) * self.rate_hz))
        if first >= end:
            return None
        return Pcm(as_floats(self.samples[first:end]), self.rate_hz, first / self.rate_hz)


def may_be_plain(head: bytes) -> bool:
    """Tells a wav by its first bytes.

    Args:
        head: `HEAD_BYTES` of them.

    Returns:
        False where `plain_wave` will not read it.
    """
    return head.startswith(b"RIFF") and head.endswith(b"WAVEfmt ")


def plain_wave(file: MediaFile) -> PlainWave | None:
    """Reads a plain wav file.

    Args:
        file: The file.

    Returns:
        Its samples; None for any other file, which a decoder is to judge.

    Raises:
        OSError: The file is missing or the disk fails.
    """
    held = held_bytes(file, HEAD_BYTES, may_be_plain)
    if held is None:
        return None
    data = memoryview(held)
    size, length = struct.unpack_from("<4xI8xI", data) if len(data) >= 38 else (0, 0)
    if size + 8 != len(data) or length not in {16, 18}:
        return None
    tag, channels, rate, a_second, frame, bits = struct.unpack_from("<HHIIHH", data, 20)
    form = _FORMS.get((tag, bits))
    is_consistent = frame == channels * bits // 8 and a_second == rate * frame
    if form is None or not 1 <= channels <= _MOST_CHANNELS or not rate or not is_consistent:
        return None
    if length == 18 and any(data[36:38]):
        return None
    found = _data_of(data, 20 + length)
    if found is None or not len(found) or len(found) % frame or (tag == _PCM and _is_coded(found)):
        return None
    return PlainWave(rate, _samples(found, form).reshape(-1, channels))


def _data_of(data: memoryview, at: int) -> memoryview | None:
    """The chunk `data`, where all chunks from a byte on fill the file and are known."""
    found: memoryview | None = None
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        end = at + 8 + length
        if end > len(data):
            return None
        if kind == b"data" and found is None:
            found = data[at + 8 : end]
        elif kind not in _PASSED_OVER:
            return None
        at = end + length % 2
    return found if at >= len(data) else None


def _is_coded(samples: memoryview) -> bool:
    """Whether the samples may be the frames of another coding."""
    if _FIRST.match(samples):
        return True
    halves = np.frombuffer(samples[: min(_SEARCHED, len(samples) // 2 * 2)], "<u2")
    words = halves[:-1] | halves[1:].astype(np.uint32) << 16
    return any((words == word).any() for word in _WORDS) or bool(
        _FOURTEEN_BITS.search(samples[:_SEARCHED])
    )


def _samples(found: memoryview, form: str) -> NDArray[Any]:
    if form:
        return np.frombuffer(found, form)
    upper = np.zeros((len(found) // 3, 4), np.uint8)
    upper[:, 1:] = np.frombuffer(found, np.uint8).reshape(-1, 3)
    return upper.view("<i4")
