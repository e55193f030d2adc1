"""Shots: where one shot of a clip ends and the next begins.

Two frames are compared as pictures of 48 x 48 pixels, in two ways at once:

    colour       the Bhattacharyya distance of their histograms (8 x 8 x 8 bins of Y, Cr, Cb), as
                 `cv2.compareHist` defines it: motion hardly changes it, another light does
    structure    1 less the mean, over nine blocks of 16 x 16 pixels, of the best normalised
                 correlation that a block of the later picture has anywhere within 16 pixels of its
                 place in the earlier one: neither light nor motion change it much

A shot ends where the geometric mean of both is large: a head that turns in a close-up, a fast pan
or a gesture changes the structure but not the colours, a flicker of light the colours but not the
structure, a cut changes both. This is block matching after histograms, the two classic measures for
cuts (Boreczky and Rowe, Comparison of video shot boundary detection techniques, SPIE 2664, 1996).
`python -m benchmarks.cuts` compares it with the detectors of PySceneDetect. On 27 uncut takes
(26 of faces) and 4 edited films, at 5, 10 and 25 frames a second, no cut was false and none of 11
missed; nor was one of 180 splices of two takes, and 6 of 540 dissolves of 0.2 to 1 s were.

A frame that differs from the one before it waits for the next. If that is like the frame before,
the odd one was a flash and the shot goes on; if not, a shot begins with it. The last frame of a
clip has no next: there a shot of one frame begins.

A dissolve has no such frame. There a shot begins with the first frame that differs from one of up
to 0.6 s earlier, where the frames between are mixtures of those two (Yu, Bozdagi and Harrington,
Feature-based hierarchical video segmentation, ICIP 1997): what moves is no mixture of where it was
and where it will be. In a dissolve several shots may begin, which are then short.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from extractors.base import Rgb

_SIDE = 48
_BLOCK = 16
_REACH = 16
"""Pixels that a block is searched for to each side: a third of the picture."""
_BINS = 8
_CHROMA = 64, 192
"""Range of Cr and Cb that the bins divide; colours beyond it do not count."""
_LEAST_CHANGE = 6.0
"""Pictures whose grey levels differ by less than this on average, of 255, are of one shot."""
_LEAST_COLOUR = 0.15
"""Nor are those of two shots whose colours differ by less. In uncut takes 3 of 1,000 differ by
more, so that structure, which takes far longer, is seldom looked at."""
_FLAT = 2.0
"""A block whose grey levels deviate by less than this from their mean has no structure."""

_DISSOLVE_S = 0.6
"""A dissolve is looked for in the last seconds of a shot, so many."""
_MOST_OFF = 0.33
"""How far a picture may be from a mixture of two, as a share of the distance of the two."""


class Frame(NamedTuple):
    """A frame and its time stamp."""

    seconds: float
    rgb: Rgb


@dataclass(frozen=True)
class Picture:
    """What is compared of a frame."""

    small: Rgb
    """(48, 48, 3)"""
    grey: NDArray[np.uint8]
    """(48, 48)"""

    @cached_property
    def colours(self) -> NDArray[np.float32]:
        """(512,) how many pixels are of each colour."""
        import cv2

        colours = cv2.cvtColor(self.small, cv2.COLOR_RGB2YCrCb)
        ranges = [0, 256, *_CHROMA, *_CHROMA]
        counts = cv2.calcHist([colours], [0, 1, 2], None, [_BINS] * 3, ranges)
        return np.asarray(counts.ravel() + np.float32(1e-6), np.float32)  # never empty

    @cached_property
    def levels(self) -> NDArray[np.float32]:
        """(6912,) the numbers of `small`."""
        return self.small.astype(np.float32).ravel()


def picture_of(rgb: Rgb) -> Picture:
    """Shrinks a frame; a large one is thinned out first, at a tenth of the cost.

    Args:
        rgb: (height, width, 3) uint8.

    Returns:
        What `differ` compares.
    """
    import cv2

    step = max(1, min(rgb.shape[:2]) // 128)
    height, width = (side // step for side in rgb.shape[:2])
    # The pixels that slices with this step would pick, in less time.
    whole = rgb[: height * step, : width * step]
    thin = cv2.resize(whole, (width, height), interpolation=cv2.INTER_NEAREST)
    small = averaged(np.asarray(thin, np.uint8))
    return Picture(small, np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8))


_OF_ROWS_BEFORE = np.array([[3], [2], [1]], np.uint16)
_OF_ROWS_BEHIND = np.array([[1], [2], [3]], np.uint16)
"""Quarters of a row that lies across the edge of two pixels."""


def averaged(thin: Rgb) -> Rgb:
    """Shrinks a picture to 48 x 48 by area averaging.

    240 x 180, as frames of 480 x 360 are thinned out, takes 0.05 ms instead of 0.12: there a pixel
    is the mean of 5 columns and 3 3/4 rows, a whole number of 75ths, which is summed up in
    integers. It is never half way between two levels, so that OpenCV's floats give the same.

    Args:
        thin: (height, width, 3) uint8.

    Returns:
        (48, 48, 3) uint8.
    """
    import cv2

    if thin.shape != (180, 240, 3):
        small = cv2.resize(thin, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
        return np.asarray(small, np.uint8)
    # Of 15 rows, which make 4 of the small picture, every fourth lies across an edge.
    rows = thin.reshape(12, 15, 720)
    quarters, across = (rows[:, first::4].astype(np.uint16) for first in (0, 3))
    quarters += rows[:, 1::4]
    quarters += rows[:, 2::4]
    quarters *= 4
    quarters[:, :3] += across * _OF_ROWS_BEFORE
    quarters[:, 1:] += across * _OF_ROWS_BEHIND
    # Columns are three numbers apart; of the sums of five, every fifth counts.
    one = quarters.reshape(-1)
    two = one[:-3] + one[3:]
    five = one.copy()
    five[:-12] = two[:-9] + two[6:-3] + one[12:]
    found = cv2.resize(five.reshape(_SIDE, 240, 3), (_SIDE, _SIDE), interpolation=cv2.INTER_NEAREST)
    return ((np.asarray(found, np.uint16) + np.uint16(37)) // np.uint16(75)).astype(np.uint8)


def differ(before: Picture, now: Picture, limit: float) -> bool:
    """Says whether two frames are so different that they are of two shots.

    Args:
        before: The earlier frame.
        now: The later frame.
        limit: Most difference within a shot, 0 to 1: the geometric mean of those of colour and of
            structure.

    Returns:
        True where the difference is larger.
    """
    colour = _colour(before, now)
    return colour >= _LEAST_COLOUR and math.sqrt(colour * _structure(before, now)) > limit


def _colour(before: Picture, now: Picture) -> float:
    """0 where the colours are the same, or hardly anything has changed, 1 where none is shared."""
    import cv2

    if cv2.norm(before.grey, now.grey, cv2.NORM_L1) < _LEAST_CHANGE * before.grey.size:
        return 0.0
    return cv2.compareHist(before.colours, now.colours, cv2.HISTCMP_BHATTACHARYYA)


def _structure(before: Picture, now: Picture) -> float:
    """0 where every block is found again, 1 where none is."""
    import cv2

    reach = _REACH, _REACH, _REACH, _REACH
    wide = cv2.copyMakeBorder(before.grey, *reach, cv2.BORDER_REPLICATE)
    matches = []
    for top in range(0, _SIDE, _BLOCK):
        for left in range(0, _SIDE, _BLOCK):
            block = now.grey[top : top + _BLOCK, left : left + _BLOCK]
            if _deviation(block) >= _FLAT:
                around = wide[top : top + _BLOCK + 2 * _REACH, left : left + _BLOCK + 2 * _REACH]
                found = cv2.matchTemplate(around, block, cv2.TM_CCOEFF_NORMED)
                matches.append(max(float(found.max()), 0.0))
            elif _deviation(before.grey[top : top + _BLOCK, left : left + _BLOCK]) >= _FLAT:
                matches.append(0.0)
    return 1 - min(sum(matches) / len(matches), 1.0) if matches else 0.0


def _deviation(grey: NDArray[np.uint8]) -> float:
    import cv2

    return float(cv2.meanStdDev(grey)[1][0, 0])


def is_dissolve(before: Picture, between: Sequence[Picture], now: Picture) -> bool:
    """Says whether pictures fade from one to another: each between them is a mixture of the two.

    Args:
        before: Where the fade begins.
        between: Pictures in between, at least one.
        now: Where it ends.

    Returns:
        True where each is as near to a mixture as it needs to be.
    """
    start = before.levels
    way = now.levels - start
    length = max(float(np.linalg.norm(way)), 1e-6)
    for picture in between:
        step = picture.levels - start
        share = min(max(float(step @ way) / length**2, 0.0), 1.0)
        if float(np.linalg.norm(step - share * way)) > _MOST_OFF * length:
            return False
    return True


class ShotFinder:
    """Says of each frame of a clip, in order, whether a shot begins with it.

    `limit`: see `differ`.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._recent: list[tuple[float, Picture]] = []
        """Times and pictures of the frames of this shot that were given back, the last
        `_DISSOLVE_S` of it."""
        self._odd: tuple[Frame, Picture] | None = None
        """A frame that differs from the last one, and waits for the next."""

    def push(self, frame: Frame) -> list[tuple[Frame, bool]]:
        """Takes the next frame.

        Args:
            frame: The frame.

        Returns:
            The frames that are decided, at most two, each with True where a shot begins with it.
            The first frame of a clip counts as one within a shot.
        """
        now = picture_of(frame.rgb)
        if self._odd is None:
            if self._recent and self._differ(self._recent[-1][1], now):
                self._odd = frame, now
                return []
            return [self._continued(frame, now)]
        odd, picture = self._odd
        self._odd = None
        if not self._differ(self._recent[-1][1], now):
            return [(odd, False), self._continued(frame, now)]
        self._recent = [(odd.seconds, picture)]
        if self._differ(picture, now):
            self._odd = frame, now
            return [(odd, True)]
        return [(odd, True), self._continued(frame, now)]

    def finish(self) -> list[tuple[Frame, bool]]:
        """Ends the clip.

        Returns:
            The frame that still waits, if one does.
        """
        waiting, self._odd = self._odd, None
        return [(waiting[0], True)] if waiting else []

    def _differ(self, before: Picture, now: Picture) -> bool:
        return differ(before, now, self._limit)

    def _continued(self, frame: Frame, now: Picture) -> tuple[Frame, bool]:
        """A frame like the one before it: it begins a shot where a dissolve has led to it."""
        self._recent = [old for old in self._recent if frame.seconds - old[0] <= _DISSOLVE_S]
        pictures = [picture for _, picture in self._recent]
        begins_shot = (
            len(pictures) > 1
            and _colour(pictures[0], now) >= _LEAST_COLOUR  # as `differ` asks first
            and is_dissolve(pictures[0], pictures[1 :: max(1, len(pictures) // 4)], now)
            and self._differ(pictures[0], now)
        )
        self._recent = [*([] if begins_shot else self._recent), (frame.seconds, now)]
        return frame, begins_shot
