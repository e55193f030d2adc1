"""Face detectors: one frame -> boxes. Each is one function and one line in `DETECTORS`.

The libraries are heavy (MediaPipe and OpenVINO take seconds to import), so they are imported where
a model is loaded: once a process.
"""

import atexit
import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from extractors import openvino_import
from extractors.base import Rgb
from extractors.mediapipe_calls import Found, finder

if TYPE_CHECKING:
    import cv2

_SAME_FACE = 0.3
"""Intersection over union above which two boxes are one face: the value of MediaPipe's own graphs.
"""


class Box(NamedTuple):
    """A face in a frame, in pixels of that frame.

    x grows to the right and y down; (0, 0) is the outer corner of the first pixel.
    """

    left: float
    top: float
    right: float
    bottom: float
    score: float
    """How sure the detector is; see each detector for its scale."""

    @property
    def area(self) -> float:
        """Square pixels of the box; 0 where it is turned inside out."""
        width, height = self.right - self.left, self.bottom - self.top
        return width * height if width > 0 and height > 0 else 0.0


Detect = Callable[[Rgb, float], list[Box]]
"""detect(rgb, min_score) -> the faces whose score is at least min_score, best first."""


@dataclass(frozen=True)
class ModelFile:
    """A model file and the hash that it must have."""

    path: Path
    sha256: str

    def read(self) -> bytes:
        """Reads the file, if it is the one that fingerprints were made with.

        Returns:
            Its bytes.

        Raises:
            ValueError: The file is missing or has changed, so that its numbers would be others.
        """
        content = self.path.read_bytes() if self.path.is_file() else b""
        found = hashlib.sha256(content).hexdigest()
        if found != self.sha256:
            what = f"has sha256 {found}" if content else "is missing or empty"
            raise ValueError(
                f"the face model {self.path} {what}, expected sha256 {self.sha256}; install the "
                "package again"
            )
        return content


@dataclass(frozen=True)
class Detector:
    """A function that finds faces, and the model file that it reads."""

    detect: Detect
    """What finds the faces of a frame."""
    model: ModelFile
    """What the detector's numbers depend on: its hash is part of the fingerprint."""


def _folder_of(package: str) -> Path:
    """Where a package is installed, found without importing it."""
    found = find_spec(package)
    return Path(found.origin).parent if found and found.origin else Path(package)


_MODELS = Path(__file__).parent / "models"
SHORT_RANGE = ModelFile(
    _MODELS / "face_detection_short_range.tflite",
    "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
)
FULL_RANGE = ModelFile(
    _MODELS / "face_detection_full_range.tflite",
    "99bf9494d84f50acc6617d89873f71bf6635a841ea699c17cb3377f9507cfec3",
)
HAAR = ModelFile(
    _folder_of("cv2") / "data" / "haarcascade_frontalface_default.xml",
    "0f7d4527844eb514d4a4948e822da90fbb16a34a0bbbbc6adc6498747a5aafb0",
)


def blazeface_short(rgb: Rgb, min_score: float) -> list[Box]:
    """BlazeFace short range in MediaPipe: near faces, 2 ms a frame, 7 ms where none is found.

    Bazarevsky et al. 2019, arXiv:1907.05047. The box spans brows to chin; the score is a
    probability. A face narrower than about a tenth of the frame is missed, so where the full frame
    shows none, the detector runs on overlapping square tiles of it.

    Args:
        rgb: The frame.
        min_score: Least score of a face.

    Returns:
        The faces, best first.
    """
    if boxes := _blazeface_short_once(rgb, min_score):
        return boxes
    tiles = _tiles(rgb)
    if len(tiles) == 1:
        return boxes
    return _distinct([box for tile in tiles for box in _detect_in_tile(rgb, tile, min_score)])


def blazeface_full(rgb: Rgb, min_score: float) -> list[Box]:
    """BlazeFace full range in OpenVINO: far or several faces, 3-6 ms a frame.

    Box and score are of the kind that `blazeface_short` gives.

    Args:
        rgb: The frame.
        min_score: Least score of a face.

    Returns:
        The faces, best first.
    """
    side = max(rgb.shape[:2])
    origin = np.array([(side - rgb.shape[1]) / 2, (side - rgb.shape[0]) / 2])
    corners, scores = _decode_full_range(*_run_full_range(_letterbox(rgb)))
    keep = scores >= min_score
    corners = corners[keep].astype(np.float64) * side - np.tile(origin, 2)
    return _blended(
        [Box(*numbers) for numbers in np.column_stack([corners, scores[keep]]).tolist()]
    )


def haar(rgb: Rgb, min_score: float) -> list[Box]:
    """OpenCV's Haar cascade on the frame at 360 lines: the baseline of older papers.

    Viola and Jones 2001; up to 60 ms a frame. The box is square and wider than BlazeFace's. The
    score is the weight of the cascade's last stage: above 0, without an upper limit.

    Args:
        rgb: The frame.
        min_score: Least score of a face.

    Returns:
        The faces, best first.
    """
    import cv2

    scale = min(1.0, 360 / min(rgb.shape[:2]))
    small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    grey = cv2.equalizeHist(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))
    least = max(24, round(0.15 * min(grey.shape)))
    found, _, weights = _haar_cascade().detectMultiScale3(
        grey, 1.1, 5, minSize=(least, least), outputRejectLevels=True
    )
    boxes = [_scaled(found[i], float(np.ravel(weights)[i]), 1 / scale) for i in range(len(found))]
    return sorted((box for box in boxes if box.score >= min_score), key=_best_first)


DETECTORS = {
    "blazeface_short": Detector(blazeface_short, SHORT_RANGE),
    "blazeface_full": Detector(blazeface_full, FULL_RANGE),
    "haar": Detector(haar, HAAR),
}
"""Name of a detector in a recipe -> the detector."""


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes.

    Args:
        a: A box.
        b: Another one of the same frame.

    Returns:
        0 for boxes that do not touch, up to 1 for equal ones.
    """
    shared = _shared_area(a, b)
    return shared / (a.area + b.area - shared) if shared else 0.0


def _shared_area(a: Box, b: Box) -> float:
    return Box(
        max(a.left, b.left), max(a.top, b.top), min(a.right, b.right), min(a.bottom, b.bottom), 0.0
    ).area


def _best_first(box: Box) -> tuple[float, ...]:
    return (-box.score, *box[:4])


# --- BlazeFace short range


@cache
def _short_range(min_score: float) -> Callable[[Rgb], list[Found]]:
    from extractors.mediapipe_import import mediapipe

    return _short_range_of(mediapipe, min_score)


# Registered before MediaPipe is imported: exit handlers run last in, first out, and once
# MediaPipe's own has run, its detectors close without a word. Left to the end of the interpreter
# they print a traceback.
atexit.register(_short_range.cache_clear)


def _short_range_of(mediapipe: Any, min_score: float) -> Callable[[Rgb], list[Found]]:
    """A detector of MediaPipe, from the imported module.

    It is not made in the function that imports: errors that the import catches and keeps refer to
    that function's frame, and so would keep the detector alive.
    """
    tasks = mediapipe.tasks
    options = tasks.vision.FaceDetectorOptions(
        base_options=tasks.BaseOptions(model_asset_buffer=SHORT_RANGE.read()),
        min_detection_confidence=min_score,
        min_suppression_threshold=_SAME_FACE,
    )
    return finder(mediapipe, options)


def _blazeface_short_once(rgb: Rgb, min_score: float) -> list[Box]:
    found = _short_range(min_score)(rgb)
    return sorted((Box(*numbers) for numbers in found), key=_best_first)


def _tiles(rgb: Rgb) -> list[tuple[int, int, int]]:
    """Squares of the shorter side that cover the frame, as (left, top, side).

    They are the fewest that overlap their neighbours by half or more.
    """
    height, width = rgb.shape[:2]
    side, spare = min(height, width), abs(width - height)
    count = math.ceil(2 * spare / side) + 1
    starts = [round(i * spare / max(count - 1, 1)) for i in range(count)]
    return [(at, 0, side) if width >= height else (0, at, side) for at in starts]


def _detect_in_tile(rgb: Rgb, tile: tuple[int, int, int], min_score: float) -> list[Box]:
    x, y, side = tile
    found = _blazeface_short_once(rgb[y : y + side, x : x + side], min_score)
    return [Box(b.left + x, b.top + y, b.right + x, b.bottom + y, b.score) for b in found]


def _distinct(boxes: Sequence[Box]) -> list[Box]:
    """Boxes without those that mostly lie in a better one, best first.

    A tile may cut a face that its neighbour shows in full.
    """
    kept: list[Box] = []
    for box in sorted(boxes, key=_best_first):
        if all(_shared_area(box, better) <= 0.5 * min(box.area, better.area) for better in kept):
            kept.append(box)
    return kept


# --- BlazeFace full range


_INPUT_PX = 192
"""Side of the picture that the full-range model takes."""
_GRID = 48
"""Anchors in a row of the full-range model, and in a column."""


@cache
def _full_range() -> Any:
    FULL_RANGE.read()
    # One thread and float32 for this model alone: the same bits on every machine and beside any
    # number of other workers.
    setup = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    core = openvino_import.core()
    return core.compile_model(core.read_model(FULL_RANGE.path), "CPU", setup)


def _run_full_range(square: Rgb) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(192, 192, 3) -> (2304, 16) box and keypoint numbers, (2304,) logits."""
    pixels = square[None].astype(np.float32) / 127.5 - 1
    numbers, logits = _full_range()([pixels]).values()
    return numbers[0], logits[0, :, 0]


def _letterbox(rgb: Rgb) -> Rgb:
    """The frame in the middle of a black square of the model's size."""
    import cv2

    height, width = rgb.shape[:2]
    scale = _INPUT_PX / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    square = np.zeros((_INPUT_PX, _INPUT_PX, 3), np.uint8)
    x, y = (_INPUT_PX - size[0]) // 2, (_INPUT_PX - size[1]) // 2
    square[y : y + size[1], x : x + size[0]] = small
    return square


def _decode_full_range(
    numbers: NDArray[np.float32], logits: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(2304, 4) left, top, right, bottom as shares of the square's side and (2304,) probabilities.

    The anchors are the centres of a 48 x 48 grid, row by row; each box is given by its centre's
    offset, width and height in input pixels.
    """
    steps = (np.arange(_GRID, dtype=np.float32) + 0.5) / _GRID
    anchors = np.stack([np.tile(steps, _GRID), np.repeat(steps, _GRID)], axis=1)
    centre = anchors + numbers[:, 0:2] / _INPUT_PX
    half = numbers[:, 2:4] / (2 * _INPUT_PX)
    scores = 1 / (1 + np.exp(-np.clip(logits, -80, 80)))
    return np.concatenate([centre - half, centre + half], axis=1), scores.astype(np.float32)


def _blended(boxes: Sequence[Box]) -> list[Box]:
    """One box a face: the mean of the boxes that overlap the best one, weighted by score.

    This is the blending of BlazeFace, section 3.4.
    """
    left, faces = sorted(boxes, key=_best_first), []
    while left:
        same = [box for box in left if box is left[0] or iou(box, left[0]) > _SAME_FACE]
        numbers = np.average(same, axis=0, weights=[box.score for box in same])
        faces.append(Box(*numbers.tolist())._replace(score=left[0].score))
        left = [box for box in left if box not in same]
    return faces


# --- Haar


@cache
def _haar_cascade() -> "cv2.CascadeClassifier":
    import cv2

    HAAR.read()
    return cv2.CascadeClassifier(str(HAAR.path))


def _scaled(at: Sequence[int], score: float, scale: float) -> Box:
    left, top, width, height = (float(number) * scale for number in at)
    return Box(left, top, left + width, top + height, score)
