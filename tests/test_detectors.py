"""Detectors on a real portrait (public domain, shipped with matplotlib) pasted at known places."""

import itertools
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from matplotlib.cbook import get_sample_data

from extractors import detectors, mediapipe_calls
from extractors.base import Rgb
from extractors.detectors import DETECTORS, SHORT_RANGE, Box, ModelFile, iou

PORTRAIT: Rgb = cv2.imread(get_sample_data("grace_hopper.jpg", asfileobj=False))[:, :, ::-1].copy()
FACE = Box(163, 128, 368, 330, 1.0)
"""Where the face is in the portrait: brows to chin, ear to ear."""


def background(height: int, width: int) -> Rgb:
    noise = np.random.default_rng(7).integers(
        60, 140, (height // 20, width // 20, 3), dtype=np.uint8
    )
    return np.asarray(
        cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8
    )


def paste(rgb: Rgb, left: int, top: int, scale: float) -> tuple[Rgb, Box]:
    """The frame with the portrait in it, and where its face is then."""
    small = cv2.resize(PORTRAIT, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    frame = rgb.copy()
    frame[top : top + small.shape[0], left : left + small.shape[1]] = small
    corners = np.array(FACE) * [scale, scale, scale, scale, 1] + [left, top, left, top, 0]
    return frame, Box(*corners.tolist())


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.parametrize(
    ("height", "width", "left", "top", "scale"),
    [(360, 640, 60, 20, 0.5), (720, 1280, 700, 50, 1.0), (600, 600, 10, 200, 0.6)],
)
def test_the_box_sits_on_the_face(
    name: str, height: int, width: int, left: int, top: int, scale: float
) -> None:
    rgb, face = paste(background(height, width), left, top, scale)
    best, *others = DETECTORS[name].detect(rgb, 0.6)
    # The Haar cascade draws wider boxes and sees faces in noise.
    assert iou(best, face) > (0.55 if name == "haar" else 0.7)
    assert not others or name == "haar"
    assert all(type(number) is float for number in best)


@pytest.mark.parametrize("name", DETECTORS)
def test_a_frame_without_a_face_gives_no_box(name: str) -> None:
    assert DETECTORS[name].detect(np.full((360, 640, 3), 90, np.uint8), 0.6) == []


def test_mediapipe_called_directly_finds_what_its_documented_interface_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, _ = paste(background(360, 640), 20, 40, 0.4)
    two, _ = paste(one, 380, 90, 0.3)
    frames = [one, two, two[:, 300:], background(360, 640), two[:37, :51]]
    directly = [detectors._blazeface_short_once(frame, 0.3) for frame in frames]
    assert [bool(boxes) for boxes in directly] == [True, True, True, False, False]
    monkeypatch.setattr(mediapipe_calls, "_library", lambda detector: detector.moved)
    documented = detectors._short_range.__wrapped__(0.3)
    found = [[Box(*numbers) for numbers in documented(frame)] for frame in frames]
    assert [sorted(boxes, key=detectors._best_first) for boxes in found] == directly


@pytest.mark.parametrize("name", DETECTORS)
def test_the_same_frame_gives_the_same_boxes(name: str) -> None:
    rgb, _ = paste(background(360, 640), 300, 40, 0.5)
    assert DETECTORS[name].detect(rgb, 0.3) == DETECTORS[name].detect(rgb.copy(), 0.3)


@pytest.mark.parametrize("name", DETECTORS)
def test_a_frame_that_is_a_view_of_a_larger_one_is_read_rightly(name: str) -> None:
    rgb, _ = paste(background(360, 640), 300, 40, 0.5)
    half = rgb[:, 280:]
    assert DETECTORS[name].detect(half, 0.6) == DETECTORS[name].detect(half.copy(), 0.6) != []


def test_a_far_face_is_found_in_a_tile_where_the_whole_frame_shows_none() -> None:
    rgb, face = paste(background(720, 1280), 640, 240, 0.4)
    assert detectors._blazeface_short_once(rgb, 0.6) == []
    (found,) = DETECTORS["blazeface_short"].detect(rgb, 0.6)
    assert iou(found, face) > 0.6


def test_the_full_range_finds_two_faces_side_by_side() -> None:
    rgb, first = paste(background(360, 640), 20, 40, 0.4)
    rgb, second = paste(rgb, 380, 90, 0.3)
    found = sorted(DETECTORS["blazeface_full"].detect(rgb, 0.6), key=lambda box: box.left)
    assert len(found) == 2
    assert iou(found[0], first) > 0.65
    assert iou(found[1], second) > 0.65


@pytest.mark.parametrize(
    ("height", "width", "count"),
    [(100, 100, 1), (360, 640, 3), (480, 640, 2), (640, 360, 3), (100, 101, 2)],
)
def test_tiles_cover_the_frame_and_overlap_by_half(height: int, width: int, count: int) -> None:
    tiles = detectors._tiles(np.zeros((height, width, 3), np.uint8))
    side = min(height, width)
    starts = [x + y for x, y, _ in tiles]
    assert len(tiles) == count
    assert {size for _, _, size in tiles} == {side}
    assert starts[0] == 0
    assert starts[-1] + side == max(height, width)
    assert all(b - a <= side / 2 + 1 for a, b in itertools.pairwise(starts))


def test_a_face_cut_by_a_tile_is_not_counted_twice() -> None:
    frame, part, other = (
        Box(10, 10, 50, 50, 0.9),
        Box(30, 10, 50, 50, 0.7),
        Box(80, 10, 120, 50, 0.8),
    )
    assert detectors._distinct([part, other, frame]) == [frame, other]


def test_overlapping_boxes_are_averaged_by_score() -> None:
    blended = detectors._blended(
        [Box(0, 0, 10, 10, 0.6), Box(2, 0, 12, 10, 0.9), Box(50, 0, 60, 10, 0.7)]
    )
    np.testing.assert_allclose(blended, [(1.2, 0, 11.2, 10, 0.9), (50, 0, 60, 10, 0.7)])


def test_a_changed_or_missing_model_file_is_one_sentence(tmp_path: Path) -> None:
    changed = tmp_path / "model.tflite"
    changed.write_bytes(SHORT_RANGE.path.read_bytes()[:-1] + b"x")
    with pytest.raises(
        ValueError, match=r"has sha256 .*, expected sha256 bbff11ce.*; install the package again"
    ):
        ModelFile(changed, SHORT_RANGE.sha256).read()
    with pytest.raises(ValueError, match="is missing or empty, expected"):
        ModelFile(tmp_path / "none.tflite", SHORT_RANGE.sha256).read()


@pytest.mark.usefixtures("processes")
def test_a_process_that_has_detected_faces_ends_quietly() -> None:
    """A pytest process, because what is alive at its end made the detectors close too late, with a
    traceback."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-k",
        "same_boxes",
        __file__,
    ]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("name", DETECTORS)
def test_every_model_file_is_the_one_that_the_fingerprint_names(name: str) -> None:
    assert DETECTORS[name].model.read()
