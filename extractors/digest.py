"""Digests: one hash a clip of its sound, and one of its pictures, to find exact copies.

They are hashes of what was decoded, so that copies in files of other bytes are found.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from extractors.base import FromFrames, FromTracks, Inputs, Layout, Rgb, Sink
from extractors.frames import no_frames
from manifests.clips import Clip
from manifests.features import FeatureSpec
from manifests.tracks import Track

_EVERY = 4
"""Lines from one that is hashed to the next."""
_LAYOUT = Layout("uint8", ("time", "byte"), (32,), "sha256", None)


@dataclass(frozen=True)
class SoundDigest(FromTracks):
    """sha256 of the samples of `audio`, exactly as they are: little-endian float32, no time stamps.

    values: (1, 32) uint8; the row's time is that of the first sample.
    valid: False where all samples are equal: digital silence does not distinguish clips.

    What was decoded with other versions of the decoder may differ in the last bit, and so in every
    byte here.
    """

    name: ClassVar[str] = "sound_digest"
    version: ClassVar[int] = 1
    roles: ClassVar[tuple[str, ...]] = ("audio",)

    audio: str = "audio"
    """Name of the feature that holds the sound."""

    def layout(self, needs: Mapping[str, FeatureSpec]) -> Layout:
        return _LAYOUT

    def extract(self, clip: Clip, inputs: Inputs) -> Track:
        """Hashes the sound of one clip.

        Args:
            clip: The clip; not used.
            inputs: Its sound, under the role `audio`.

        Returns:
            The digest as one row.
        """
        sound = inputs["audio"]
        digest = hashlib.sha256(sound.values.astype("<f4").tobytes()).digest()
        return _row(digest, float(sound.seconds[0]), bool((sound.values != sound.values[0]).any()))


@dataclass(frozen=True)
class FramesDigest(FromFrames):
    """sha256 of the grid frames, in their order and as decoded; no time stamps.

    values: (1, 32) uint8; the row's time is that of the first frame.
    valid: False where all frames are of one and the same colour.

    What is hashed is the size of each frame and every fourth line of its pixels. A frame that stays
    on screen for several grid times counts each time. Every line would cost as much as an eighth of
    the decoding; whatever encoder, size or caption differs, differs in every fourth line too.
    """

    name: ClassVar[str] = "frames_digest"
    version: ClassVar[int] = 1
    roles: ClassVar[tuple[str, ...]] = ("frames",)

    frames: str = "frames"
    """The feature whose frames are hashed."""

    def layout(self, needs: Mapping[str, FeatureSpec]) -> Layout:
        return _LAYOUT

    def sink(self, clip: Clip, needs: Mapping[str, Sink]) -> "FramesDigestSink":
        return FramesDigestSink(clip)


class FramesDigestSink:
    """Hashes the frames of one clip as they come."""

    def __init__(self, clip: Clip) -> None:
        self._clip = clip
        self._hash = hashlib.sha256()
        self._first: tuple[float, Rgb] | None = None
        self._varied = False

    def push(self, seconds: float, rgb: Rgb) -> None:
        """Hashes the next frame.

        Args:
            seconds: The frame's time stamp.
            rgb: Its pixels.
        """
        if self._first is None:
            self._first = seconds, rgb[:1, :1].copy()
        self._varied = self._varied or bool((rgb != self._first[1]).any())
        self._hash.update(repr(rgb.shape).encode() + rgb[::_EVERY].tobytes())

    def finish(self) -> Track:
        """Ends the clip.

        Returns:
            The digest as one row.

        Raises:
            BadClip: NO_VIDEO where no frame came.
        """
        if self._first is None:
            raise no_frames(self._clip)
        return _row(self._hash.digest(), self._first[0], self._varied)


def _row(digest: bytes, seconds: float, is_valid: bool) -> Track:
    return Track(
        np.frombuffer(digest, np.uint8)[None].copy(), np.array([seconds]), np.array([is_valid])
    )
