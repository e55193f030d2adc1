"""Crops: the face that `faces` follows, cut out of every frame and resized.

Crops are cut while the frames pass by, before it is known which face the clip shows: the largest
few of each frame are kept until `faces` has decided. So a clip is decoded once, and only crops stay
in memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from extractors.base import FromFrames, Layout, Rgb, Sink
from extractors.detectors import Box
from extractors.faces import FaceSink, face_sink
from extractors.frames import encode_jpeg, resize
from manifests.clips import Clip
from manifests.features import FeatureSpec
from manifests.tracks import Track

_CANDIDATES = 4
"""Faces of a frame that are cut, the largest first."""


@dataclass(frozen=True)
class Crops(FromFrames):
    """A square picture of the followed face in every frame.

    values: (time, size, size, 3) uint8 RGB where `pixels` is `raw`; (time,) JPEG images where it is
        `jpeg`. Row k is the frame of row k of `faces`.
    valid: That of `faces`; where it is False the image is empty (JPEG) or black (raw) and means
        nothing. A row whose face is not among the four largest of its frame is not valid either.

    The square has the box's centre and its longer side, with `margin` of that side added on each of
    the four sides, rounded to whole pixels. Beyond the edge of the frame the edge's pixels are
    repeated, so that the face stays in the middle and at its scale. It is resized by area averaging
    when it shrinks and bilinearly when it grows.
    """

    name: ClassVar[str] = "crops"
    version: ClassVar[int] = 1
    roles: ClassVar[tuple[str, ...]] = ("frames", "faces")

    frames: str = "frames"
    """The feature whose frames are cut."""
    faces: str = "faces"
    """The feature that follows the face."""
    size: int = 224
    """Side in pixels."""
    margin: float = 0.25
    """Share of the box's longer side that is added on every side."""
    pixels: str = "jpeg"
    """`jpeg` or `raw`."""
    quality: int = 95
    """Quality of the JPEG images, 1 to 100."""

    def __post_init__(self) -> None:
        self.check_range("size", 1, 4096, " pixels")
        if not 0 <= self.margin <= 10:
            raise ValueError(
                f"margin of crops is {self.margin}, expected a share of the box's side from 0 to 10"
            )
        if self.pixels not in {"jpeg", "raw"}:
            raise ValueError(f"pixels of crops is {self.pixels!r}, expected `jpeg` or `raw`")
        self.check_range("quality", 1, 100)

    def layout(self, needs: Mapping[str, FeatureSpec]) -> Layout:
        return Layout(
            dtype="uint8",
            dims=("time", "height", "width", "channel"),
            shape=(self.size, self.size, 3),
            units="sRGB, red green blue",
            hop_s=needs["frames"].hop_s,
            codec=self.pixels,
        )

    def sink(self, clip: Clip, needs: Mapping[str, Sink]) -> "CropSink":
        return CropSink(self, face_sink(f"crops of {self.faces!r} need", needs["faces"]))


class CropSink:
    """Cuts the faces of one clip out of the frames that the sink of `faces` passes on."""

    def __init__(self, crops: Crops, faces: FaceSink) -> None:
        self._crops, self._faces = crops, faces
        self._cut: list[dict[int, Any]] = []
        """For each row, the number of a face -> its picture as it will be stored."""
        faces.listen(self._cut_faces)

    def push(self, seconds: float, rgb: Rgb) -> None:
        """Does nothing: the frame comes back from `faces` once its boxes are known.

        Args:
            seconds: Not used.
            rgb: Not used.
        """

    def finish(self) -> Track:
        """Ends the clip.

        Returns:
            The crops of the face that `faces` shows.

        Raises:
            BadClip: As `faces` raises it: no frame, or no face.
        """
        faces = self._faces.finish()
        pictures = [
            cut.get(number) if number is not None else None
            for cut, number in zip(self._cut, self._faces.shown, strict=True)
        ]
        valid = np.array([picture is not None for picture in pictures], np.bool_)
        return Track(self._values(pictures), faces.seconds, valid, faces.notes)

    def _cut_faces(self, rgb: Rgb, seconds: float, boxes: Mapping[int, Box]) -> None:
        largest = sorted(boxes, key=lambda number: (-boxes[number].area, number))[:_CANDIDATES]
        self._cut.append({number: self._stored(rgb, boxes[number]) for number in largest})

    def _stored(self, rgb: Rgb, box: Box) -> Any:
        picture = cut_square(rgb, box, self._crops.margin, self._crops.size)
        if self._crops.pixels == "raw":
            return picture
        return encode_jpeg(picture, self._crops.quality)

    def _values(self, pictures: list[Any]) -> NDArray[Any]:
        values: NDArray[Any] = np.full(len(pictures), b"", dtype=object)
        if self._crops.pixels == "raw":
            side = self._crops.size
            values = np.zeros((len(pictures), side, side, 3), np.uint8)
        for row, picture in enumerate(pictures):
            if picture is not None:
                values[row] = picture
        return values


def square(box: Box, margin: float) -> tuple[int, int, int]:
    """Places the square around a box; see `Crops`.

    Args:
        box: A face, in pixels of its frame.
        margin: Share of the box's longer side that is added on every side.

    Returns:
        Left, top and side in whole pixels; the square may reach beyond the frame.
    """
    side = max(1, round(max(box.right - box.left, box.bottom - box.top) * (1 + 2 * margin)))
    return round((box.left + box.right - side) / 2), round((box.top + box.bottom - side) / 2), side


def cut_square(rgb: Rgb, box: Box, margin: float, size: int) -> Rgb:
    """Cuts the square around a box; pixels beyond the frame repeat its edge.

    Args:
        rgb: The frame.
        box: A face, in pixels of the frame.
        margin: Share of the box's longer side that is added on every side.
        size: Side of the result in pixels.

    Returns:
        (size, size, 3) uint8.
    """
    import cv2

    left, top, side = square(box, margin)
    height, width = rgb.shape[:2]
    x0, y0 = min(max(left, 0), width - 1), min(max(top, 0), height - 1)
    x1, y1 = max(min(left + side, width), x0 + 1), max(min(top + side, height), y0 + 1)
    inside: Any = rgb[y0:y1, x0:x1]
    beyond = max(0, -top), max(0, top + side - height), max(0, -left), max(0, left + side - width)
    if any(beyond):
        inside = cv2.copyMakeBorder(inside, *beyond, cv2.BORDER_REPLICATE)[:side, :side]
    if side == size:
        return np.ascontiguousarray(inside)
    return resize(inside, size)
