"""Frames on a declared time grid, and the JPEG coding that every stored picture goes through.

The clip lasts from t_0, its `start_s` or else the time stamp of the first frame, to t_1, the end of
the last frame or its `end_s`. Its grid is one of three (numbers k from 0):

    fps      t_k = t_0 + k / fps, for every t_k before t_1
    count    t_k = t_0 + (k + 1/2) * (t_1 - t_0) / count, for k below count: evenly over the clip;
             one alone is its middle
    every    t_k = the time stamp of frame k * every, of those that begin in [t_0, t_1): the
             recording's own frames, by number

A row is the frame ON SCREEN at t_k, the last one whose time stamp is not later, and its `seconds`
is that frame's own time stamp as the decoder gives it, never t_k: where a recording has a gap, or
fewer frames than the grid has times, a frame stays on screen and its time stamp repeats. A grid
time before the first frame has no row.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from extractors.base import FromFrames, Layout, Rgb, Sink, form_of
from extractors.timegrid import Cadence, EveryNth, PerSecond, Spread, exact_fps
from manifests.clips import Clip
from manifests.features import FeatureSpec
from manifests.quarantine import BadClip, Reason
from manifests.tracks import Track

JPEG_QUALITY = 95
"""Quality of stored frames, 1 to 100."""

_FPS = 10.0
"""Grid times a second where a recipe says nothing of the grid."""


def encode_jpeg(rgb: Rgb, quality: int = JPEG_QUALITY) -> bytes:
    """Encodes a picture as JPEG (baseline, 4:2:0), byte-identical from run to run.

    Args:
        rgb: (height, width, 3) uint8, red first.
        quality: 1 to 100.

    Returns:
        A JPEG file.

    Raises:
        ValueError: The picture has another form, or is too large for JPEG.
    """
    import cv2

    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError(
            f"a picture is (height, width, 3) uint8, got {rgb.shape} {rgb.dtype}; convert it "
            "before encoding"
        )
    done, data = cv2.imencode(
        ".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    if not done:
        raise ValueError(
            f"a picture of shape {rgb.shape} does not fit in a JPEG file, whose sides are at most "
            "65,535 pixels; shrink it"
        )
    return bytes(data)


def decode_jpeg(data: bytes) -> Rgb:
    """Decodes a JPEG file.

    Args:
        data: The file.

    Returns:
        (height, width, 3) uint8, red first.

    Raises:
        ValueError: The bytes are no JPEG file.
    """
    import cv2

    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if bgr is None:
        raise ValueError(
            f"{len(data)} bytes are not a JPEG image; rows that are not valid hold an empty one, "
            "so look at `valid` first"
        )
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def as_rgb(row: bytes | Rgb) -> Rgb:
    """Gives the pixels of a picture as it is stored.

    Args:
        row: A JPEG file or pixels.

    Returns:
        (height, width, 3) uint8, red first.
    """
    return decode_jpeg(row) if isinstance(row, bytes) else row


def check_pictures(subject: str, source: FeatureSpec) -> None:
    """Refuses an input whose rows are no pictures of one size.

    Args:
        subject: Beginning of the sentence that refuses it, up to "pictures".
        source: The spec of the input.

    Raises:
        ValueError: Its rows are not (height, width, 3) uint8.
    """
    is_rgb = source.dtype == "uint8" and len(source.shape) == 3 and source.shape[2] == 3
    if not is_rgb or not source.shape[0]:
        raise ValueError(
            f"{subject} (height, width, 3) uint8, but {form_of(source)}; name a feature of crops, "
            "or of frames with a size"
        )


def no_frames(clip: Clip) -> BadClip:
    """Makes the refusal of a clip without a frame on its time grid.

    Args:
        clip: The clip.

    Returns:
        NO_VIDEO, to be raised.
    """
    return BadClip(
        clip.clip_id,
        Reason.NO_VIDEO,
        "no frame was found on the clip's time grid, expected at least one",
    )


@dataclass(frozen=True)
class Frames(FromFrames):
    """Whole frames on the grid.

    values: (time, size, size, 3) uint8 RGB, or (time,) JPEG images where `pixels` is `jpeg`. Row k
        is the frame on screen at t_k.
    seconds: The frames' own time stamps (see the module's text).
    valid: True throughout.

    notes: `several_video`, `undecodable_start`, `decoded_by_ffmpeg`.

    Frames are those that a player shows: upright, also where the file says so by a mirrored or
    transposed display matrix, and with square pixels (the shorter side of an anamorphic recording
    is stretched). With `size` None they keep that size, go to the features that need them, and are
    not kept: the track then holds the time stamps alone, with values (time, 0, 0, 3). With a `size`
    a frame is squeezed to a square; its aspect ratio is not kept.
    """

    name: ClassVar[str] = "frames"
    version: ClassVar[int] = 2

    fps: float | None = None
    """Grid times a second; 10 where nothing is said of the grid."""
    count: int | None = None
    """Grid times a clip, however long it is; 1: its middle frame."""
    every: int | None = None
    """Every so many frames of the recording, whatever its frame rate: 1 for all of them, 5 for the
    first, the sixth, ..."""
    size: int | None = None
    """Side of the stored square in pixels; None: nothing but the time stamps is kept."""
    pixels: str = "raw"
    """`raw` or `jpeg` (quality 95)."""

    def __post_init__(self) -> None:
        self._check_grid()
        if self.size is not None:
            self.check_range("size", 1, 8192, " pixels, or none to keep time stamps only")
        if self.pixels not in {"raw", "jpeg"}:
            raise ValueError(f"pixels of frames is {self.pixels!r}, expected `raw` or `jpeg`")
        if self.pixels == "jpeg" and self.size is None:
            raise ValueError(
                "pixels of frames is `jpeg` without a size, so that nothing would be kept; set "
                "size, or leave pixels out"
            )

    def _check_grid(self) -> None:
        given = [name for name in ("fps", "count", "every") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(
                f"{' and '.join(given)} of frames are both given, but each says by itself which "
                "frames to take; keep one"
            )
        if not given:
            object.__setattr__(self, "fps", _FPS)
        if self.fps is not None and not 0 < self.fps <= 1000:
            raise ValueError(
                f"fps of frames is {self.fps}, expected more than 0 and at most 1000; set the "
                "grid times a second"
            )
        for name in ("count", "every"):
            if (number := getattr(self, name)) is not None and not 1 <= number <= 1_000_000:
                raise ValueError(
                    f"{name} of frames is {number}, expected a whole number from 1 to 1000000"
                )

    @property
    def cadence(self) -> Cadence:
        """The times of the grid."""
        if self.count is not None:
            return Spread(self.count)
        if self.every is not None:
            return EveryNth(self.every)
        return PerSecond(exact_fps(_FPS if self.fps is None else self.fps))

    def layout(self, needs: Mapping[str, FeatureSpec]) -> Layout:
        side = self.size or 0
        return Layout(
            dtype="uint8",
            dims=("time", "height", "width", "channel"),
            shape=(side, side, 3),
            units="sRGB, red green blue",
            hop_s=None if self.fps is None else 1 / self.fps,
            codec=self.pixels,
            about="" if self.size else "time stamps of the grid frames, without their pixels",
        )

    def sink(self, clip: Clip, needs: Mapping[str, Sink]) -> Sink:
        return FramesSink(self, clip)


class FramesSink:
    """Collects the grid frames of one clip, resized one by one."""

    def __init__(self, frames: Frames, clip: Clip) -> None:
        self._frames, self._clip = frames, clip
        self._seconds: list[float] = []
        self._rows: list[Rgb] = []
        self._images: list[bytes] = []

    def push(self, seconds: float, rgb: Rgb) -> None:
        """Keeps the next frame, resized.

        Args:
            seconds: The frame's time stamp.
            rgb: Its pixels.
        """
        self._seconds.append(seconds)
        if self._frames.size is None:
            return
        small = resize(rgb, self._frames.size)
        if self._frames.pixels == "jpeg":
            self._images.append(encode_jpeg(small))
        else:
            self._rows.append(small)

    def finish(self) -> Track:
        """Ends the clip.

        Returns:
            The frames as a track.

        Raises:
            BadClip: NO_VIDEO where no frame came.
        """
        if not self._seconds:
            raise no_frames(self._clip)
        n = len(self._seconds)
        return Track(self._values(n), np.array(self._seconds, np.float64), np.ones(n, np.bool_))

    def _values(self, n: int) -> NDArray[np.generic]:
        if self._frames.size is None:
            return np.empty((n, 0, 0, 3), np.uint8)
        if self._frames.pixels == "raw":
            return np.stack(self._rows)
        images = np.empty(n, object)
        images[:] = self._images
        return images


def resize(rgb: Rgb, side: int) -> Rgb:
    """Resizes a picture: area averaging when both sides shrink, bilinear otherwise.

    Args:
        rgb: (height, width, 3) uint8.
        side: Side of the result in pixels.

    Returns:
        (side, side, 3) uint8.
    """
    import cv2

    shrinks = min(rgb.shape[:2]) >= side
    small = cv2.resize(
        rgb, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )
    return np.asarray(small, dtype=np.uint8)
