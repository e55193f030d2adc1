"""Decoded frames -> RGB. One path for both decoders, so that both give the same bits.

Conversion is swscale's default, each chroma sample serving its own pixels: pixel for pixel what
OpenCV and PyAV read by themselves, so that features agree with those of older scripts, at a tenth
of the cost of interpolated chroma. The matrix (ITU-R BT.601, BT.709, BT.2020, ...) and the range
(limited 16..235 or full 0..255) are those that the frame declares; where it declares none, BT.601
and limited range, as ffmpeg and OpenCV take them.

Frames come out as players show them: turned and mirrored as the display matrix of the file says
(phones, front cameras), and with square pixels. Where the stored ones are not square (anamorphic
recordings, which would squeeze faces), the side that is too short is stretched, so that no pixel is
lost.
"""

import struct
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np
from av import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from extractors.base import Rgb

_DEFAULT = Interpolation.BILINEAR

# From AVColorSpace (ITU-T H.273, table 4) to swscale's matrices.
_MATRIX = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}


_MOST_STRETCHED = 4
"""Pixels that are longer than this are taken for a mistake of the header, and stay as they are."""


@dataclass(frozen=True)
class Orientation:
    """How a stored picture is brought upright: one of the eight ways to lay a rectangle."""

    transposed: bool = False
    """Rows become columns, before anything is reversed."""
    reversed_rows: bool = False
    """The last row becomes the first: mirrored top to bottom."""
    reversed_columns: bool = False
    """The last column becomes the first: mirrored left to right."""

    def of(self, picture: Rgb) -> Rgb:
        """Brings a picture upright.

        Args:
            picture: (height, width, 3) uint8, as stored.

        Returns:
            A view of it, upright.
        """
        laid = picture.transpose(1, 0, 2) if self.transposed else picture
        return laid[:: -1 if self.reversed_rows else 1, :: -1 if self.reversed_columns else 1]


AS_STORED = Orientation()
"""Of a picture that is stored upright."""


@dataclass(frozen=True)
class DisplayFacts:
    """What must be known about a decoded frame, beside its planes, to show it."""

    colorspace: int
    """AVColorSpace, as the stream declares it."""
    full_range: bool
    """Whether levels take 0..255 rather than 16..235."""
    orientation: Orientation
    """How it is brought upright."""
    pixel_aspect: Fraction
    """Width of a stored pixel over its height."""


def display_facts(frame: VideoFrame, pixel_aspect: Fraction | None) -> DisplayFacts:
    """Reads how a frame is to be shown.

    Args:
        frame: A decoded frame.
        pixel_aspect: Width of a pixel over its height, as the stream declares it; None where it
            does not.

    Returns:
        Its colour space, range, orientation and shape of pixels.
    """
    full = frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")
    return DisplayFacts(
        int(frame.colorspace), full, orientation_of(frame), pixel_aspect or Fraction(1)
    )


def orientation_of(frame: VideoFrame) -> Orientation:
    """Reads the display matrix of a frame.

    A stored pixel (x, y) is shown at (a x + c y, b x + d y); the matrix is the nine numbers
    a b u c d v x y w. An angle that is no quarter turn is rounded to one.

    Args:
        frame: A decoded frame.

    Returns:
        How it is brought upright.
    """
    try:
        if not len(frame.side_data):
            return AS_STORED
        matrix = bytes(frame.side_data["DISPLAYMATRIX"])  # type: ignore[typeddict-item]
    except KeyError:
        return AS_STORED
    except ValueError:  # PyAV has no name for some other data of the frame, but knows the angle
        return _TURNED[round(frame.rotation / 90) % 4]
    a, b, _, c, d = struct.unpack("<5i", matrix[:20])
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(False, reversed_rows=d < 0, reversed_columns=a < 0)
    return Orientation(True, reversed_rows=b < 0, reversed_columns=c < 0)


_TURNED = (
    AS_STORED,
    Orientation(True, reversed_rows=True),
    Orientation(False, reversed_rows=True, reversed_columns=True),
    Orientation(True, reversed_columns=True),
)
"""By quarter turns counterclockwise."""


def shown_size(
    width: int, height: int, pixel_aspect: Fraction | None, orientation: Orientation = AS_STORED
) -> tuple[int, int]:
    """Computes how large a stored picture is when it is shown.

    Args:
        width: Of the stored picture, in pixels.
        height: Likewise.
        pixel_aspect: Width of a stored pixel over its height; None where it is not known.
        orientation: How it is brought upright.

    Returns:
        Width and height of the upright picture with square pixels.
    """
    aspect = pixel_aspect or Fraction(1)
    if aspect != 1:
        if 1 < aspect <= _MOST_STRETCHED:
            width = round(width * aspect)
        elif 1 < 1 / aspect <= _MOST_STRETCHED:
            height = round(height / aspect)
    return (height, width) if orientation.transposed else (width, height)


def to_rgb(frame: VideoFrame, display: DisplayFacts, region: str | None = None) -> Rgb:
    """Converts a frame to RGB.

    A half is width // 2 columns wide, so that the middle column of an odd width belongs to neither.

    Args:
        frame: A decoded frame.
        display: How it is to be shown.
        region: `left` or `right` for a half of the upright frame; None for all of it.

    Returns:
        (height, width, 3) uint8, upright, with square pixels and memory of its own.

    Raises:
        ValueError: There is no such region.
    """
    source = ColorRange.JPEG if display.full_range else ColorRange.MPEG
    width, height = shown_size(frame.width, frame.height, display.pixel_aspect)
    rgb = _reformatter().reformat(
        frame,
        width=width,
        height=height,
        format="rgb24",
        src_colorspace=_MATRIX.get(display.colorspace, Colorspace.ITU601),
        src_color_range=source,
        dst_color_range=ColorRange.JPEG,
        interpolation=_DEFAULT,
        threads=1,
    )
    upright = display.orientation.of(np.asarray(rgb.to_ndarray(), np.uint8))
    return np.ascontiguousarray(_half(upright, region))


def _half(rgb: Rgb, region: str | None) -> Rgb:
    width = rgb.shape[1]
    if region is None:
        return rgb
    if region not in {"left", "right"}:
        raise ValueError(
            f"the clip's region is {region!r}, expected `left`, `right` or none; correct the "
            "corpus module that made the clip"
        )
    return rgb[:, : width // 2] if region == "left" else rgb[:, width - width // 2 :]


@cache
def _reformatter() -> VideoReformatter:
    return VideoReformatter()
