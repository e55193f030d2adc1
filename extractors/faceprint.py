"""A fingerprint of the face and its motion, to find copies of a clip.

It survives re-encoding, other picture sizes and other brightness.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from extractors.base import FromFrames, Layout, Rgb, Sink
from extractors.detectors import Box
from extractors.faces import FaceSink, face_sink
from manifests.clips import Clip
from manifests.features import FeatureSpec
from manifests.tracks import Track

_THUMB_PX = 256
"""Longer side of the grey picture that is kept of each frame until it is known where the face is:
37 kB at 16:9."""
_MARGIN = 0.25
"""Share of the box's longer side that is added on every side."""
_SIDE = 24
"""Pixels along a side of the picture that is transformed."""
_FINER = 4
"""The region is sampled so many times finer and then averaged, so that no detail is folded into a
lower frequency."""
_NUMBERS = 32
"""Coefficients that are kept of a picture."""


@dataclass(frozen=True)
class FacePrint(FromFrames):
    """The lowest frequencies of the face's grey levels, in 32 numbers a frame.

    values: (time, 32) float32, the coefficients of the orthonormal DCT-II of a picture of 24 x 24
        pixels, without the mean, in the order of rising frequency (i + j, then i), divided by the
        root of the sum of their squares. Row k is the frame of row k of `faces`.
    valid: False, and the values NaN, where no face was found or where the picture is of one grey.

    The picture is the square around the MEDIAN of the boxes of the clip, with a margin of a quarter
    of its side: it stands still while the head moves, so that the numbers hold the motion too.
    Crops that follow the detector's box do not serve: from one encoding to the next the box jitters
    by more than an encoder changes a picture. (Signs of such coefficients, 64 bits a crop, differed
    in 5 % of the bits between encodings of one clip, in up to 25 %, and in 14 % between two
    stretches of one shot.) What it takes to distinguish copies from other clips of one person is
    the motion; see `stores.near_duplicates`.
    """

    name: ClassVar[str] = "faceprint"
    version: ClassVar[int] = 1
    roles: ClassVar[tuple[str, ...]] = ("frames", "faces")

    frames: str = "frames"
    """The feature whose frames are transformed."""
    faces: str = "faces"
    """The feature that follows the face."""

    def layout(self, needs: Mapping[str, FeatureSpec]) -> Layout:
        units = "DCT coefficients of the face's grey levels, re their root sum of squares"
        return Layout("float32", ("time", "coefficient"), (_NUMBERS,), units, needs["frames"].hop_s)

    def sink(self, clip: Clip, needs: Mapping[str, Sink]) -> "FacePrintSink":
        return FacePrintSink(face_sink(f"faceprint of {self.faces!r} needs", needs["faces"]))


class _Thumb(NamedTuple):
    """A small grey picture of one frame."""

    grey: NDArray[np.uint8]
    scale: float
    """Pixels of the thumbnail for each pixel of the frame."""


class FacePrintSink:
    """Keeps small grey pictures of the frames that the sink of `faces` passes on.

    They wait until the end of the clip, when it is known where the face is.
    """

    def __init__(self, faces: FaceSink) -> None:
        self._faces = faces
        self._thumbs: list[_Thumb] = []
        faces.listen(self._keep_thumbnail)

    def push(self, seconds: float, rgb: Rgb) -> None:
        """Does nothing: the frame comes back from `faces` once its boxes are known.

        Args:
            seconds: Not used.
            rgb: Not used.
        """

    def finish(self) -> Track:
        """Ends the clip.

        Returns:
            The coefficients of every frame.

        Raises:
            BadClip: As `faces` raises it: no frame, or no face.
        """
        faces = self._faces.finish()
        scales = np.array([thumb.scale for thumb in self._thumbs], np.float64)
        boxes = faces.values[faces.valid, :4] * scales[faces.valid, None]
        left, top, right, bottom = np.median(boxes, axis=0)
        side = max(right - left, bottom - top)
        x, y = (left + right) / 2, (top + bottom) / 2
        pictures = np.stack([_region(thumb.grey, x, y, side) for thumb in self._thumbs])
        values = _coefficients(pictures)
        values[~faces.valid] = np.nan
        return Track(values, faces.seconds, ~np.isnan(values[:, 0]), faces.notes)

    def _keep_thumbnail(self, rgb: Rgb, seconds: float, boxes: Mapping[int, Box]) -> None:
        self._thumbs.append(_thumbnail(rgb))


def _thumbnail(rgb: Rgb) -> _Thumb:
    """Grey, at most 256 pixels long."""
    import cv2

    height, width = rgb.shape[:2]
    scale = min(1.0, _THUMB_PX / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    grey = cv2.resize(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA)
    return _Thumb(np.asarray(grey, np.uint8), size[0] / width)


def _region(grey: NDArray[np.uint8], x: float, y: float, side: float) -> NDArray[np.float32]:
    """(24, 24): the square of the face's side and its margins; edges are repeated.

    Its centre is at x, y to a part of a pixel.
    """
    import cv2

    fine = _SIDE * _FINER
    step = max(side, 1.0) * (1 + 2 * _MARGIN) / fine
    corner = step * (1 - fine) / 2 - 0.5
    to_thumb = np.array([[step, 0, x + corner], [0, step, y + corner]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    sampled = cv2.warpAffine(
        grey.astype(np.float32),
        to_thumb,
        (fine, fine),
        flags=flags,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(cv2.resize(sampled, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), np.float32)


def _coefficients(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """(time, 24, 24) -> (time, 32), each row of length 1, NaN for a picture of one grey."""
    from scipy.fft import dctn

    rows, columns = _lowest()
    spectra = dctn(pictures.astype(np.float64), axes=(1, 2), norm="ortho")
    chosen = spectra[:, rows, columns]
    length = np.linalg.norm(chosen, axis=1, keepdims=True)
    flat = length < 1.0  # below rounding of 8-bit levels
    return np.where(flat, np.nan, chosen / np.where(flat, 1.0, length)).astype(np.float32)


@cache
def _lowest() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of the coefficients that are kept."""
    places = sorted((i + j, i, j) for i in range(_SIDE) for j in range(_SIDE))[1 : _NUMBERS + 1]
    chosen = np.array(places, np.int64)
    return chosen[:, 1], chosen[:, 2]
