"""One picture a clip: the average of its pictures."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from extractors.base import FromTracks, Inputs, Layout
from extractors.frames import as_rgb, check_pictures
from manifests.clips import Clip
from manifests.features import FeatureSpec
from manifests.quarantine import BadClip, Reason
from manifests.tracks import Track


@dataclass(frozen=True, kw_only=True)
class Summary(FromTracks):
    """The mean of a clip's pictures, level by level, rounded.

    values: (1, height, width, 3) uint8 RGB, over the pictures whose `valid` is True.
    seconds: The mean of their times.
    """

    name: ClassVar[str] = "summary"
    version: ClassVar[int] = 1
    roles: ClassVar[tuple[str, ...]] = ("input",)

    input: str = "frames"
    """The feature that holds the pictures: frames with a size, or crops."""

    def layout(self, needs: Mapping[str, FeatureSpec]) -> Layout:
        source = needs["input"]
        check_pictures(f"{self.name} averages pictures", source)
        return replace(Layout.of(source), hop_s=None, codec="raw")

    def extract(self, clip: Clip, inputs: Inputs) -> Track:
        """Averages the pictures of one clip.

        Args:
            clip: The clip.
            inputs: Its pictures, under the role `input`.

        Returns:
            One picture.

        Raises:
            BadClip: NO_FACE for a clip without a valid picture.
        """
        pictures = inputs["input"]
        rows = pictures.values[pictures.valid]
        if not len(rows):
            raise BadClip(
                clip.clip_id,
                Reason.NO_FACE,
                f"none of the {len(pictures)} pictures of {self.input} is valid, expected one",
            )
        total = np.zeros(as_rgb(rows[0]).shape, np.uint64)
        for row in rows:
            total += as_rgb(row)
        mean = np.rint(total / len(rows)).astype(np.uint8)
        return Track(
            mean[None],
            pictures.seconds[pictures.valid].mean(keepdims=True),
            np.ones(1, np.bool_),
            pictures.notes,
        )
