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
`python -m benchmarks.cuts` compares it with the detectors of PySceneDetect.

A frame that differs from the one before it waits for the next. If that is like the frame before, the
odd one was a flash and the shot goes on; if not, a shot begins with it. The last frame of a clip has
no next: there a shot of one frame begins.
"""

import math
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
_FLAT = 2.0
"""A block whose grey levels deviate by less than this from their mean has no structure."""


class Frame(NamedTuple):
    """A frame and its time stamp."""

    seconds: float
    rgb: Rgb


class Picture(NamedTuple):
    """What is compared of a frame."""

    small: Rgb
    """(48, 48, 3)"""
    grey: NDArray[np.uint8]
    """(48, 48)"""


def picture_of(rgb: Rgb) -> Picture:
    """Shrinks a frame; a large one is thinned out first, at a tenth of the cost.

    Args:
        rgb: (height, width, 3) uint8.

    Returns:
        What `differ` compares.
    """
    import cv2

    step = max(1, min(rgb.shape[:2]) // 128)
    thin = np.ascontiguousarray(rgb[::step, ::step])
    small = cv2.resize(thin, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return Picture(
        np.asarray(small, np.uint8), np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
    )


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
    import cv2

    if cv2.norm(before.grey, now.grey, cv2.NORM_L1) < _LEAST_CHANGE * before.grey.size:
        return False
    colour = cv2.compareHist(_colours(before), _colours(now), cv2.HISTCMP_BHATTACHARYYA)
    # Structure is 1 at most, and takes ten times as long.
    return colour > limit**2 and math.sqrt(colour * _structure(before.grey, now.grey)) > limit


def _colours(picture: Picture) -> NDArray[np.float32]:
    import cv2

    colours = cv2.cvtColor(picture.small, cv2.COLOR_RGB2YCrCb)
    ranges = [0, 256, *_CHROMA, *_CHROMA]
    counts = cv2.calcHist([colours], [0, 1, 2], None, [_BINS] * 3, ranges)
    return np.asarray(counts.ravel() + np.float32(1e-6), np.float32)  # no histogram is empty


def _structure(before: NDArray[np.uint8], now: NDArray[np.uint8]) -> float:
    """0 where every block is found again, 1 where none is."""
    import cv2

    wide = cv2.copyMakeBorder(before, *[_REACH] * 4, cv2.BORDER_REPLICATE)
    matches = []
    for top in range(0, _SIDE, _BLOCK):
        for left in range(0, _SIDE, _BLOCK):
            block = now[top : top + _BLOCK, left : left + _BLOCK]
            if block.std() >= _FLAT:
                around = wide[top : top + _BLOCK + 2 * _REACH, left : left + _BLOCK + 2 * _REACH]
                found = cv2.matchTemplate(around, block, cv2.TM_CCOEFF_NORMED)
                matches.append(max(float(found.max()), 0.0))
            elif before[top : top + _BLOCK, left : left + _BLOCK].std() >= _FLAT:
                matches.append(0.0)
    return 1 - min(sum(matches) / len(matches), 1.0) if matches else 0.0


class ShotFinder:
    """Says of each frame of a clip, in order, whether a shot begins with it.

    `limit`: see `differ`.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._last: Picture | None = None
        """The last frame that is given back."""
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
            if self._last is None or not differ(self._last, now, self._limit):
                self._last = now
                return [(frame, False)]
            self._odd = frame, now
            return []
        (odd, picture), last = self._odd, self._last
        is_flash = last is not None and not differ(last, now, self._limit)
        if is_flash or not differ(picture, now, self._limit):
            self._odd, self._last = None, now
            return [(odd, not is_flash), (frame, False)]
        self._odd, self._last = (frame, now), picture
        return [(odd, True)]

    def finish(self) -> list[tuple[Frame, bool]]:
        """Ends the clip.

        Returns:
            The frame that still waits, if one does.
        """
        waiting, self._odd = self._odd, None
        return [(waiting[0], True)] if waiting else []
