"""Embeddings by a ResNet: of pictures (face crops), and of MFCC stacks as three-channel images.

Imports neither torch nor OpenVINO; the engine does, at the first row that is encoded.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from extractors import engines, weights
from extractors.architecture import DEPTHS, embedding_dim
from extractors.base import Encoder, Layout, Runtime, form_of
from extractors.frames import as_rgb, resize
from manifests.features import FeatureSpec, Json
from manifests.tracks import Track

PRECISIONS = ("float32", "bfloat16", "float16")
"""Types that a network may compute in."""


@dataclass(frozen=True)
class ResNet(Encoder):
    """Embeddings by a ResNet: the output of its global average pool.

    values: (time, 512) float32 at depth 18 and 34, (time, 2048) at depth 50; NaN where the input's
        row is not valid.

    See `extractors.architecture` for the paper and the variant. Of pictures, row i is picture i,
    resized to `size` where it has another size. Of MFCC stacks, row i is segment i, and `seconds`
    its centre. The image of a segment is that of Donatus et al.: coefficients, their first and
    their second derivative are its three channels. What they leave open is settled here: a segment
    has round(segment_s / hop) rows of MFCC and begins round(i * segment_hop_s / hop) rows after the
    first; when rows are left after the last whole segment, one more segment ends with the last row;
    a clip shorter than one segment is one segment of what there is. Each channel of each segment is
    scaled to 0..255 by its own least and greatest value (a constant one to 0), coefficient 0 is the
    top row, time runs to the right, and the image is resized bilinearly. A segment is valid where
    all of its rows are.
    """

    name: ClassVar[str] = "resnet"
    version: ClassVar[int] = 1
    roles: ClassVar[tuple[str, ...]] = ("input",)

    input: str = "crops"
    """Name of the feature that is encoded."""
    depth: int = 50
    """18, 34 or 50."""
    weights: str = "IMAGENET1K_V1"
    """`IMAGENET1K_V1`, `IMAGENET1K_V2` (depth 50), `random`, or the path of a .pth file with a
    state dict in torchvision's names."""
    seed: int | None = None
    """Seed of random weights; None for others."""
    size: int = 224
    """Height and width of what the network takes, in pixels."""
    segment_s: float | None = None
    """Length of one image of MFCC; None for an input of pictures."""
    segment_hop_s: float | None = None
    """From one segment to the next; at most segment_s, so that no sound is passed over."""
    precision: str = "float32"
    """What the convolutions compute in. `bfloat16` needs a CUDA device or a processor that has it
    in hardware, `float16` a CUDA device."""

    def __post_init__(self) -> None:
        if self.depth not in DEPTHS:
            raise ValueError(
                f"depth = {self.depth} is no ResNet known here; expected one of "
                f"{', '.join(map(str, DEPTHS))}"
            )
        if self.precision not in PRECISIONS:
            raise ValueError(
                f'precision = "{self.precision}" is unknown; expected one of '
                f"{', '.join(PRECISIONS)}"
            )
        if not 32 <= self.size <= 4096:
            raise ValueError(
                f"size = {self.size} does not suit the network, which shrinks its image 32 times; "
                "expected 32 to 4096 pixels"
            )
        weights.check_choice(self.depth, self.weights, self.seed)
        _check_segments(self.segment_s, self.segment_hop_s)

    @property
    def weights_sha256(self) -> str | None:
        """Identity of the weights.

        It is the official file's name, which holds eight digits of its sha256, or a local file's
        sha256.
        """
        return weights.identity(self.depth, self.weights)

    @property
    def dim(self) -> int:
        return embedding_dim(self.depth)

    def params(self) -> dict[str, Json]:
        return {**super().params(), "weights": weights.public_name(self.depth, self.weights)}

    def ensure_weights(self) -> None:
        """Fetches and checks the weights, so that a build without them ends before it begins.

        Raises:
            WeightsError: They cannot be had; one sentence.
        """
        if self.weights != weights.RANDOM:
            weights.load_state(self.depth, self.weights, self.seed)

    def check_runtime(self, runtime: Runtime) -> None:
        engines.check_precision(self.precision, runtime)

    def layout(self, needs: Mapping[str, FeatureSpec]) -> Layout:
        source = needs["input"]
        if self.segment_s is None:
            _check_pictures(source)
        else:
            _check_mfcc(source)
        hop_s = source.hop_s if self.segment_s is None else self.segment_hop_s
        units = "mean activation of each channel of the last block"
        return Layout(
            "float32", ("time", "embedding"), self.row_shape, units, hop_s, about=self._about()
        )

    def _about(self) -> str:
        if self.weights != weights.RANDOM:
            return ""
        return (
            f"untrained weights (seed {self.seed}): shapes and speed are real, the embedding "
            "means nothing"
        )

    def images(self, track: Track) -> Track:
        if self.segment_s is None or self.segment_hop_s is None:
            return self._pictures(track)
        return self._segments(track, self.segment_s, self.segment_hop_s)

    def image_rows(self, track: Track) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Places what `images` makes of a track in time, and draws nothing.

        Args:
            track: Pictures or MFCC.

        Returns:
            (images,) their seconds, and (images,) which of them are valid.
        """
        if self.segment_s is None or self.segment_hop_s is None:
            return track.seconds, track.valid
        return segment_rows(track, segment_spans(track.seconds, self.segment_s, self.segment_hop_s))

    def some_images(self, track: Track, rows: Sequence[int]) -> NDArray[np.uint8]:
        """Makes some of the images that `images` makes, and no other.

        Args:
            track: Pictures or MFCC.
            rows: Numbers of the images; all are valid.

        Returns:
            (rows, size, size, 3) uint8.
        """
        if self.segment_s is None or self.segment_hop_s is None:
            chosen = list(rows)
            some = Track(track.values[chosen], track.seconds[chosen], track.valid[chosen])
            return np.asarray(self._pictures(some).values, np.uint8)
        spans = segment_spans(track.seconds, self.segment_s, self.segment_hop_s)
        images = [mfcc_image(track.values[slice(*spans[row])], self.size) for row in rows]
        return np.array(images, np.uint8).reshape(len(images), self.size, self.size, 3)

    def encode(self, images: NDArray[np.uint8], runtime: Runtime) -> NDArray[np.float32]:
        if not len(images):
            return np.empty((0, *self.row_shape), np.float32)
        return next(self.encode_batches([images], runtime))

    def encode_batches(
        self, batches: Iterable[NDArray[np.uint8]], runtime: Runtime
    ) -> Iterator[NDArray[np.float32]]:
        for found in engines.load(self._network(), runtime).stream(map(self._checked, batches)):
            yield found.reshape(-1, *self.row_shape)

    def _checked(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if images.shape[1:] != (self.size, self.size, 3) or images.dtype != np.uint8:
            raise ValueError(
                f"expected uint8 images of shape (n, {self.size}, {self.size}, 3), got "
                f"{images.shape} {images.dtype}; call images()"
            )
        return images

    def _network(self) -> engines.NetworkSpec:
        return engines.NetworkSpec(
            self.depth, self.weights, self.weights_sha256, self.seed, self.size, self.precision
        )

    def _pictures(self, track: Track) -> Track:
        values = np.zeros((len(track), self.size, self.size, 3), np.uint8)
        for row in np.flatnonzero(track.valid):
            rgb = as_rgb(track.values[row])
            values[row] = rgb if rgb.shape == values.shape[1:] else resize(rgb, self.size)
        return Track(values, track.seconds, track.valid, track.notes)

    def _segments(self, track: Track, segment_s: float, segment_hop_s: float) -> Track:
        spans = segment_spans(track.seconds, segment_s, segment_hop_s)
        values = np.zeros((len(spans), self.size, self.size, 3), np.uint8)
        seconds, valid = segment_rows(track, spans)
        for row in np.flatnonzero(valid):
            first, end = spans[row]
            values[row] = mfcc_image(track.values[first:end], self.size)
        return Track(values, seconds, valid, track.notes)


def segment_spans(
    seconds: NDArray[np.float64], segment_s: float, segment_hop_s: float
) -> list[tuple[int, int]]:
    """Cuts evenly spaced rows into segments; see `ResNet` for the rule at the end of a clip.

    Args:
        seconds: (time,) times of the rows.
        segment_s: Length of a segment.
        segment_hop_s: From one segment to the next.

    Returns:
        (first row, row after the last) of each segment.
    """
    rows = len(seconds)
    if rows < 2:
        return [(0, rows)] * rows
    row_s = float(seconds[-1] - seconds[0]) / (rows - 1)
    length = max(1, round(segment_s / row_s))
    if rows <= length:
        return [(0, rows)]
    starts = [
        first for i in range(rows) if (first := round(i * segment_hop_s / row_s)) + length <= rows
    ]
    if starts[-1] + length < rows:
        starts.append(rows - length)
    return [(first, first + length) for first in dict.fromkeys(starts)]


def segment_rows(
    track: Track, spans: Sequence[tuple[int, int]]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Places segments in time.

    Args:
        track: What is cut into segments.
        spans: (first row, row after the last) of each segment.

    Returns:
        (segments,) their centres in seconds, and (segments,) whether all of their rows are valid.
    """
    centres = [(track.seconds[first] + track.seconds[end - 1]) / 2 for first, end in spans]
    valid = [track.valid[first:end].all() for first, end in spans]
    return np.array(centres, np.float64), np.array(valid, np.bool_)


def mfcc_image(rows: NDArray[Any], size: int) -> NDArray[np.uint8]:
    """Draws a segment of MFCC as an image; see `ResNet`.

    Args:
        rows: (time, 3 * n_mfcc) coefficients, their first and their second derivative.
        size: Side of the image in pixels.

    Returns:
        (size, size, 3) uint8.
    """
    import cv2

    stack = np.asarray(rows, np.float64).reshape(len(rows), 3, -1).transpose(2, 0, 1)
    low, high = stack.min(axis=(0, 1)), stack.max(axis=(0, 1))
    scaled = 255 * (stack - low) / np.where(high > low, high - low, 1)
    image = cv2.resize(scaled.astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.rint(image).clip(0, 255), dtype=np.uint8)


def _check_segments(segment_s: float | None, segment_hop_s: float | None) -> None:
    if segment_s is None and segment_hop_s is None:
        return
    if segment_s is None or segment_hop_s is None:
        raise ValueError(
            f"segment_s = {segment_s} and segment_hop_s = {segment_hop_s}, but they go together; "
            "give both for MFCC, none for pictures"
        )
    if not 0 < segment_hop_s <= segment_s:
        raise ValueError(
            f"segment_hop_s = {segment_hop_s} must be more than 0 and at most segment_s = "
            f"{segment_s}, so that no sound is passed over"
        )


def _check_pictures(source: FeatureSpec) -> None:
    side = source.shape[0] if source.shape else 0
    if source.dtype == "uint8" and source.shape == (side, side, 3) and side:
        return
    raise ValueError(
        f"{form_of(source)}, but a ResNet takes square RGB pictures (side, side, 3) uint8; name a "
        "feature of pictures, or give segment_s and segment_hop_s for MFCC"
    )


def _check_mfcc(source: FeatureSpec) -> None:
    if source.extractor == "mfcc" and json.loads(source.params).get("deltas") == 2:
        return
    raise ValueError(
        f"{source.name} is no stack of MFCC with first and second derivatives, which segment_s "
        "asks for; "
        "name a feature of the extractor mfcc with deltas = 2, or leave segment_s and "
        "segment_hop_s out for pictures"
    )
