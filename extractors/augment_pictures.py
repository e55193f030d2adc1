"""Augmented pictures: mirrored, turned, cut, brighter or duller; all pictures of a clip alike."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from extractors.augmentation import Augmentation, Draws
from extractors.base import Inputs, Layout, Rgb
from extractors.frames import check_pictures, decode_jpeg, encode_jpeg
from manifests.clips import Clip
from manifests.features import FeatureSpec
from manifests.tracks import Track

_GREY = 127.5
"""The level that a change of contrast leaves as it is: the middle of the scale, so that one table
of levels serves all pictures of a clip."""


@dataclass(frozen=True)
class PictureChange:
    """What is done to the pictures of one clip."""

    flip: bool
    rotation_deg: float
    """Counterclockwise."""
    keep: float
    """Side of the part that is kept, as a share of the picture's."""
    left: float
    """Where that part begins from the left, as a share of the picture's width."""
    top: float
    """Where that part begins from above, as a share of the picture's height."""
    brightness: float
    """Factor of all levels."""
    contrast: float
    """Factor of their distance from the middle of the scale."""


@dataclass(frozen=True, kw_only=True)
class AugmentPictures(Augmentation):
    """One augmented variant of pictures, the same change for every picture of a clip.

    values, seconds, valid, notes: As those of the input, raw or JPEG (quality 95); rows that are
        not valid stay as they are.

    In this order: the picture is mirrored, turned about its middle, and a part of it cut out and
    stretched to the old size, all in one bilinear interpolation (a mere mirror image moves no
    level), the edge's pixels repeated where nothing is known; then each level x becomes (x *
    brightness - 127.5) * contrast + 127.5, rounded and kept within 0 to 255.

    Draws (see `extractors.augmentation`): `flip`, `rotation`, `crop`, `crop_left`, `crop_top`,
    `brightness`, `contrast`.
    """

    name: ClassVar[str] = "augment_pictures"
    version: ClassVar[int] = 1
    roles: ClassVar[tuple[str, ...]] = ("input",)
    strengths: ClassVar[tuple[str, ...]] = (
        "flip",
        "rotation_deg",
        "crop",
        "brightness",
        "contrast",
    )

    input: str = "crops"
    """The feature that holds the pictures."""
    flip: float = 0.0
    """Probability that left and right are exchanged."""
    rotation_deg: float = 0.0
    """To either side by at most so many degrees."""
    crop: float = 0.0
    """At most this share of the picture's side is cut off: the part kept has 1 - crop to 1 of it,
    anywhere in the picture."""
    brightness: float = 0.0
    """All levels are multiplied by 1 - brightness to 1 + brightness; 0.1 for +-10 %."""
    contrast: float = 0.0
    """Distances from the middle of the scale are multiplied by 1 - contrast to 1 + contrast."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_limits(flip=1, rotation_deg=180, crop=0.9, brightness=1, contrast=1)

    def layout(self, needs: Mapping[str, FeatureSpec]) -> Layout:
        source = needs["input"]
        self.check_plain(source)
        check_pictures(f"{self.name} works on pictures,", source)
        return Layout.of(source)

    def drawn(self, clip: Clip) -> PictureChange:
        """Draws the change of one clip.

        Args:
            clip: The clip; the draw depends on its id, the seed and the variant alone.

        Returns:
            What is done to all of its pictures.
        """
        return self.change_of(self.draws(clip))

    def change_of(self, draws: Draws) -> PictureChange:
        """Draws a change.

        Args:
            draws: The numbers of one clip, be it of a variant or of an epoch.

        Returns:
            What is done to all of the clip's pictures.
        """
        cut = draws.share("crop") * self.crop
        return PictureChange(
            flip=draws.share("flip") < self.flip,
            rotation_deg=draws.within("rotation", self.rotation_deg),
            keep=1 - cut,
            left=draws.share("crop_left") * cut,
            top=draws.share("crop_top") * cut,
            brightness=1 + draws.within("brightness", self.brightness),
            contrast=1 + draws.within("contrast", self.contrast),
        )

    def extract(self, clip: Clip, inputs: Inputs) -> Track:
        """Changes the pictures of one clip as drawn.

        Args:
            clip: The clip that the draws are made for.
            inputs: Its pictures, under the role `input`.

        Returns:
            The changed pictures, in the form of the input.
        """
        pictures, change = inputs["input"], self.drawn(clip)
        levels = table_of_levels(change.brightness, change.contrast)
        values: NDArray[Any] = pictures.values.copy()
        for row in np.flatnonzero(pictures.valid):
            picture = values[row]
            if isinstance(picture, bytes):
                values[row] = encode_jpeg(changed(decode_jpeg(picture), change, levels))
            else:
                values[row] = changed(picture, change, levels)
        return Track(values, pictures.seconds, pictures.valid, pictures.notes)


def table_of_levels(brightness: float, contrast: float) -> NDArray[np.uint8]:
    """Tabulates what becomes of each level.

    Args:
        brightness: Factor of all levels.
        contrast: Factor of their distance from the middle of the scale.

    Returns:
        (256,) the new level of each old one.
    """
    levels = (np.arange(256) * brightness - _GREY) * contrast + _GREY
    return np.asarray(np.rint(levels).clip(0, 255), np.uint8)


def changed(picture: Rgb, change: PictureChange, levels: NDArray[np.uint8]) -> Rgb:
    """Changes one picture.

    Args:
        picture: (height, width, 3) uint8.
        change: What is done to its place in the frame: mirrored, turned, cut.
        levels: (256,) what becomes of each level.

    Returns:
        (height, width, 3) uint8.
    """
    import cv2

    moved: NDArray[Any] = picture[:, ::-1] if change.flip else picture
    if change.rotation_deg or change.keep < 1:
        height, width = picture.shape[:2]
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        moved = cv2.warpAffine(
            picture,
            backwards(change, width, height),
            (width, height),
            flags=flags,
            borderMode=cv2.BORDER_REPLICATE,
        )
    return np.asarray(cv2.LUT(np.ascontiguousarray(moved), levels), np.uint8)


def backwards(change: PictureChange, width: int, height: int) -> NDArray[np.float64]:
    """Finds where each pixel of the new picture lies in the old one.

    Args:
        change: What is done to the picture.
        width: Of the picture, in pixels.
        height: Of the picture, in pixels.

    Returns:
        (2, 3) the affine map from a place in the new picture to its place in the old one, x to the
        right and y down, in pixels.
    """
    to_middle = np.array([[1, 0, -(width - 1) / 2], [0, 1, -(height - 1) / 2], [0, 0, 1]])
    part = np.diag([change.keep, change.keep, 1.0])
    part[:2, 2] = (
        (change.left + change.keep / 2 - 0.5) * width,
        (change.top + change.keep / 2 - 0.5) * height,
    )
    angle = math.radians(change.rotation_deg)
    # With y down, this turns the place clockwise, and so the picture that is read there
    # counterclockwise.
    turned = np.array(
        [[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]]
    )
    mirrored = np.diag([-1.0 if change.flip else 1.0, 1.0, 1.0])
    matrix: NDArray[np.float64] = np.linalg.inv(to_middle) @ mirrored @ turned @ part @ to_middle
    return matrix[:2]
