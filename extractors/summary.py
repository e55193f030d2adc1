"""One picture a clip: the average of its pictures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from extractors.base import FromTracks, Inputs, Layout, Rgb
from extractors.frames import decode_jpeg
from manifests.clips import Clip
from manifests.features import FeatureSpec
from manifests.quarantine import BadClip, Reason
from manifests.tracks import Track


@dataclass(frozen=True, kw_only=True)
class Summary(FromTracks):
    """The mean of a clip's pictures, level by level, rounded.

    values: (1, height, width, 3) uint8 RGB, over the pictures whose `valid` is True; `seconds` is
        the mean of their times. BadClip
    NO_FACE for a clip without such a picture.
    """

    name: ClassVar[str] = "summary"
    version: ClassVar[int] = 1

    input: str = "frames"
    """The feature that holds the pictures: frames with a size, or crops."""

    @property
    def needs(self) -> Mapping[str, str]:
        return {"input": self.input}

    def layout(self, needs: Mapping[str, FeatureSpec]) -> Layout:
        source = needs["input"]
        if (
            source.dtype != "uint8"
            or len(source.shape) != 3
            or source.shape[2] != 3
            or not source.shape[0]
        ):
            raise ValueError(
                f"summary averages pictures (height, width, 3) uint8, but {source.name} holds "
                f"rows of shape {source.shape} {source.dtype}; "
                "name a feature of crops, or of frames with a size"
            )
        return Layout(
            source.dtype, source.dims, source.shape, source.units, None, about=source.about
        )

    def extract(self, clip: Clip, inputs: Inputs) -> Track:
        pictures = inputs["input"]
        rows = pictures.values[pictures.valid]
        if not len(rows):
            raise BadClip(
                clip.clip_id,
                Reason.NO_FACE,
                f"none of the {len(pictures)} pictures of {self.input} is valid, expected one",
            )
        total = np.zeros(_picture(rows[0]).shape, np.uint64)
        for row in rows:
            total += _picture(row)
        mean = np.rint(total / len(rows)).astype(np.uint8)
        return Track(
            mean[None],
            pictures.seconds[pictures.valid].mean(keepdims=True),
            np.ones(1, np.bool_),
            pictures.notes,
        )


def _picture(row: bytes | Rgb) -> Rgb:
    return decode_jpeg(row) if isinstance(row, bytes) else row
