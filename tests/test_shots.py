"""Shots: a cut is told from motion, light and flashes; frames come out in order, each once."""

from collections.abc import Callable, Sequence
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from extractors.base import Rgb
from extractors.faces import Faces
from extractors.shots import Frame, ShotFinder, averaged, differ, picture_of
from tests.support.media_made import scenery

LIMIT = Faces().cut_difference
VIEW, OTHER = scenery(1), scenery(2)


def beginnings(frames: Sequence[Rgb], fps: float = 10) -> list[int]:
    """Rows that a shot begins with; checks that the finder keeps no frame and moves none."""
    finder, decided = ShotFinder(LIMIT), list[tuple[Frame, bool]]()
    for row, rgb in enumerate(frames):
        decided += finder.push(Frame(row / fps, rgb))
        assert row + 1 - len(decided) in {0, 1}
    decided += finder.finish()
    assert [frame.seconds for frame, _ in decided] == [row / fps for row in range(len(frames))]
    assert all(frame.rgb is pushed for (frame, _), pushed in zip(decided, frames, strict=True))
    return [row for row, (_, begins_shot) in enumerate(decided) if begins_shot]


def moved(rgb: Rgb, right: int, zoom: float = 1.0, gain: float = 1.0) -> Rgb:
    """The view through a window of half its width, `right` pixels further on."""
    wide = cv2.resize(rgb, (640, 180))
    height, width = wide.shape[:2]
    centre = width / 4 + right, height / 2
    around = cv2.getRotationMatrix2D(centre, 0, zoom)
    near = cv2.warpAffine(wide, around, (width, height), borderMode=cv2.BORDER_REPLICATE)
    window = near[:, right : right + width // 2] * gain
    return np.clip(window, 0, 255).astype(np.uint8)


def mixed(share: float) -> Rgb:
    return np.asarray(cv2.addWeighted(VIEW, 1 - share, OTHER, share, 0), np.uint8)


def test_a_shot_begins_with_the_first_frame_after_a_cut() -> None:
    assert beginnings([VIEW] * 7 + [OTHER] * 9 + [VIEW] * 5) == [7, 16]


@pytest.mark.parametrize(
    "change",
    [
        lambda: moved(VIEW, 80),
        lambda: moved(VIEW, 0, zoom=1.4),
        lambda: moved(VIEW, 0, gain=1.4),
        lambda: moved(VIEW, 0, gain=0.6),
        lambda: moved(VIEW, 40, zoom=1.15, gain=0.8),
    ],
    ids=["pan", "zoom", "brighter", "darker", "all"],
)
def test_motion_and_light_are_no_cut_however_many_pixels_change(change: Callable[[], Rgb]) -> None:
    before, after = moved(VIEW, 0), change()
    assert np.abs(before.astype(int) - after).mean() > 15
    assert beginnings([before] * 5 + [after] * 5) == []


def test_another_order_of_the_same_colours_is_no_cut() -> None:
    turned = np.ascontiguousarray(VIEW[::-1, ::-1])
    assert np.abs(VIEW.astype(int) - turned).mean() > 25
    assert beginnings([VIEW] * 5 + [turned] * 5) == []


def test_every_pair_of_different_views_is_a_cut() -> None:
    views = [picture_of(scenery(seed)) for seed in range(12)]
    alike = [
        (i, j)
        for i, before in enumerate(views)
        for j, now in enumerate(views)
        if i != j and not differ(before, now, LIMIT)
    ]
    assert alike == []


def test_a_flash_is_no_cut() -> None:
    white = cv2.addWeighted(VIEW, 0.05, np.full_like(VIEW, 255), 0.95, 0)
    assert differ(picture_of(VIEW), picture_of(np.asarray(white, np.uint8)), LIMIT)
    assert beginnings([VIEW] * 5 + [np.asarray(white, np.uint8)] + [VIEW] * 5) == []


def test_the_last_frame_of_a_clip_may_be_of_the_next_shot() -> None:
    assert beginnings([VIEW] * 5 + [OTHER]) == [5]


def test_shots_of_one_frame_each_are_told_apart() -> None:
    third = scenery(3)
    assert beginnings([VIEW] * 4 + [OTHER] + [third] * 4) == [4, 5]


def test_a_picture_after_black_is_a_cut_and_flat_frames_of_two_levels_are_not() -> None:
    black, grey = np.zeros_like(VIEW), np.full_like(VIEW, 120)
    assert beginnings([black] * 4 + [VIEW] * 4) == [4]
    assert beginnings([VIEW] * 4 + [black] * 4) == [4]
    assert beginnings([black] * 4 + [grey] * 4) == []


@pytest.mark.parametrize(("fps", "fade_s"), [(10, 0.5), (10, 1.0), (25, 0.2), (25, 0.5), (25, 1)])
def test_a_dissolve_ends_a_shot(fps: int, fade_s: float) -> None:
    first, fading = fps, round(fps * fade_s)
    shares = [min(max(0.0, (row - first) / fading), 1.0) for row in range(2 * first + fading)]
    found = beginnings([mixed(share) for share in shares], fps)
    assert found
    assert all(first <= row <= first + fading + 1 for row in found)


def test_a_pan_as_long_as_a_dissolve_is_none() -> None:
    wide = np.hstack([VIEW, OTHER])
    window = [wide[:, 32 * row : 32 * row + 320] for row in range(11)]
    assert differ(picture_of(window[0]), picture_of(window[6]), LIMIT)
    assert beginnings([VIEW] * 10 + window + [OTHER] * 10) == []


def test_light_that_fades_is_no_dissolve() -> None:
    assert beginnings([moved(VIEW, 0, gain=1 - 0.05 * row) for row in range(15)]) == []


@pytest.mark.parametrize("size", [(240, 180), (256, 144), (213, 160), (240, 181)])
def test_a_picture_is_shrunk_as_opencv_averages_areas(size: tuple[int, int]) -> None:
    made = np.random.default_rng(0)
    noise = [made.integers(0, 256, (size[1], size[0], 3), np.uint8) for _ in range(40)]
    edges = [np.where(part < 128, 0, 255).astype(np.uint8) for part in noise]
    views = [cv2.resize(view, size) for view in (VIEW, OTHER)]
    flat = [np.full_like(noise[0], level) for level in range(256)]
    for thin in (*noise, *edges, *views, *flat):
        expected = cv2.resize(thin, (48, 48), interpolation=cv2.INTER_AREA)
        np.testing.assert_array_equal(averaged(np.asarray(thin, np.uint8)), expected)


CUTS = {
    "short_hamilton_clip.mp4": [20, 82, 211],
    "sadtalker_WDA_AOC_000.mp4": [],
    "pyfeat_single_face.mp4": [],
    "pyfeat_WolfgangLanger_Pexels.mp4": [],
}


@pytest.mark.parametrize("fps", [5, 10, 25])
@pytest.mark.parametrize("name", CUTS)
def test_the_cuts_of_real_clips_are_found_and_no_others(
    real_clips: Path, name: str, fps: int
) -> None:
    with av.open(str(real_clips / name)) as file:
        frames = [(float(f.time or 0), f.to_ndarray(format="rgb24")) for f in file.decode(video=0)]
    times = np.array([seconds for seconds, _ in frames])
    grid = times[0] + np.arange(int((times[-1] - times[0]) * fps) + 1) / fps
    shown = np.searchsorted(times, grid + 1e-6, side="right") - 1
    found = beginnings([frames[k][1] for k in shown], fps)
    assert found == [int(np.searchsorted(shown, cut)) for cut in CUTS[name]]
