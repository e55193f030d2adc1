"""Makes the media of the sample corpus: offline, and the same bytes each time on the same machine.

What is real: one photograph, the official portrait of Grace Hopper (in the public domain;
matplotlib ships it). What is made: everything else. All "actors" are this one portrait, cut out,
mirrored or not, scaled, placed, lit and tinted differently, before a plain background; it moves as
one picture and its face does not change. The speech is synthetic (see `flows.sample.speech`). The
corpus exercises the machinery; nothing about emotions can be learnt from it, and no accuracy
measured on it means anything.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from zlib import crc32

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from flows.sample.speech import RATE_HZ, Samples, speak
from flows.workers.pool import cores
from manifests.corpora.sample import Defect, SampleClip, sample_clips

Rgb = NDArray[np.uint8]

WIDTH_PX, HEIGHT_PX = 640, 360
FPS = 25
NOTE = "SAMPLE.txt"
_DRIFT_PX = 40
"""How far the light on the wall drifts to either side."""

# Outline of the figure in the portrait (512 x 600 px), x and y in turn.
_OUTLINE = (
    "172 75 178 55 205 38 240 26 285 24 325 38 350 62 356 84 368 95 371 150 377 195 372 225 362 "
    "262 352 292 338 306 332 325 "
    "360 342 430 365 474 384 488 408 498 450 498 600 12 600 30 430 42 396 64 378 130 352 190 340 "
    "200 320 196 295 178 268 165 235 154 200 "
    "158 182 148 150 148 100"
)
_CHIN = (265, 330)
"""Where the portrait turns and is placed by."""


class NotASampleFolder(FileExistsError):
    """The folder holds something else than this very sample; nothing in it was touched."""


def write_sample(
    folder: Path,
    *,
    actors: int = 6,
    emotions: int = 4,
    takes: int = 2,
    on_clip: Callable[[str], None] | None = None,
) -> list[Path]:
    """Draws the sample corpus.

    Args:
        folder: Absent, empty, or with a sample corpus of the same size.
        actors: How many actors, as for `manifests.corpora.sample.sample_clips`.
        emotions: How many emotions.
        takes: How many takes of each.
        on_clip: Called with each path, relative to the folder, in their order, when its file is
            complete.

    Returns:
        The files.

    Raises:
        NotASampleFolder: The folder holds something else: RAVDESS's own files have the same names.
        ValueError: Names of RAVDESS do not allow such numbers.
    """
    clips = sample_clips(actors, emotions, takes)
    _claim(folder, f"actors={actors} emotions={emotions} takes={takes}")
    paths = [folder / clip.path for clip in clips]
    _cut_out()  # what all of them are made of
    with ThreadPoolExecutor(cores()) as threads:  # drawing and encoding let go of the interpreter
        for clip, _ in zip(clips, threads.map(_draw, clips, paths), strict=True):
            if on_clip:
                on_clip(clip.path)
    return paths


def _claim(folder: Path, size: str) -> None:
    """Makes the folder, and says in a note, before anything else, what it is."""
    if folder.exists() and not folder.is_dir():
        raise NotASampleFolder(f"{folder} is a file; name a folder for the sample corpus")
    text = f"The affectstore sample corpus ({size}).\n{__doc__}"
    note = folder / NOTE
    if note.is_file():
        if note.read_text("utf-8").partition("\n")[0] != text.partition("\n")[0]:
            raise NotASampleFolder(
                f"{folder} holds another sample corpus (see {NOTE} in it); delete it, or name an "
                "empty folder"
            )
    elif folder.is_dir() and any(folder.iterdir()):
        raise NotASampleFolder(
            f"{folder} is not empty and holds no sample corpus; name an empty folder, so that no "
            "file is overwritten"
        )
    folder.mkdir(parents=True, exist_ok=True)
    note.write_text(text, "utf-8")


def _draw(clip: SampleClip, path: Path) -> None:
    seed = crc32(clip.stem.encode())
    samples = speak(clip, seed)
    heard = None if clip.defect is Defect.NO_SOUND else samples
    path.parent.mkdir(exist_ok=True)
    write_clip(path, _frames(clip, samples, seed), FPS, heard, RATE_HZ)
    if clip.defect is Defect.TRUNCATED:
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])


def write_clip(
    path: Path, frames: Iterable[Rgb], fps: int, samples: Samples | None, rate_hz: int
) -> None:
    """Writes an mp4 with H.264 video, and with AAC audio where there are samples.

    The header stands before the media, so that a file that was cut still opens. One thread and no
    dates or versions: the same input gives the same bytes on one machine. The file appears complete
    or not at all.

    Args:
        path: The file.
        frames: Each (height, width, 3) uint8 RGB, both sides even.
        fps: Frames per second.
        samples: (time,) float32, full scale 1.0; None: no audio.
        rate_hz: Of the samples.

    Raises:
        ValueError: There is no frame.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with av.open(
            str(part), "w", format="mp4", options={"movflags": "+faststart", "fflags": "+bitexact"}
        ) as container:
            _mux(container, frames, fps, samples, rate_hz)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _mux(
    container: Any, frames: Iterable[Rgb], fps: int, samples: Samples | None, rate_hz: int
) -> None:
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise ValueError("a clip of no frames was to be written; a video needs at least one")
    height, width, _ = first.shape
    options = {"threads": "1", "preset": "veryfast", "crf": "20", "flags": "+bitexact"}
    video = container.add_stream(
        "libx264", rate=fps, width=width, height=height, pix_fmt="yuv420p", options=options
    )
    # Both streams must be there before the first packet: it fixes the header.
    audio = None
    if samples is not None:
        audio = container.add_stream(
            "aac", rate=rate_hz, layout="mono", options={"flags": "+bitexact"}
        )
    _encode_video(container, video, first, frames)
    if audio is not None and samples is not None:
        _encode_audio(container, audio, samples, rate_hz)


def _encode_video(container: Any, stream: Any, first: Rgb, others: Iterator[Rgb]) -> None:
    def encode(rgb: Rgb) -> None:
        container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))

    encode(first)
    for rgb in others:
        encode(rgb)
    container.mux(stream.encode(None))


def _encode_audio(container: Any, stream: Any, samples: Samples, rate_hz: int) -> None:
    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(samples[np.newaxis]), format="fltp", layout="mono"
    )
    frame.rate = rate_hz
    frame.pts = 0
    frame.time_base = Fraction(1, rate_hz)
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


@dataclass(frozen=True)
class _Motion:
    """How an emotion moves the portrait; lengths in px of the frame."""

    sway_px: float
    sway_hz: float
    nod_px: float
    """Downwards at the loudest syllable."""
    turn_deg: float
    approach: float
    """Growth from the first frame to the last, as a share."""


_MOTIONS = {
    "neutral": _Motion(sway_px=1, sway_hz=0.4, nod_px=1, turn_deg=0, approach=0),
    "calm": _Motion(sway_px=2, sway_hz=0.3, nod_px=1, turn_deg=1, approach=0),
    "happy": _Motion(sway_px=5, sway_hz=1.5, nod_px=-5, turn_deg=4, approach=0.02),
    "sad": _Motion(sway_px=2, sway_hz=0.3, nod_px=2, turn_deg=-6, approach=-0.03),
    "angry": _Motion(sway_px=3, sway_hz=2.0, nod_px=9, turn_deg=-2, approach=0.08),
    "fearful": _Motion(sway_px=2, sway_hz=6.0, nod_px=-2, turn_deg=2, approach=-0.06),
    "disgust": _Motion(sway_px=2, sway_hz=0.5, nod_px=2, turn_deg=7, approach=-0.04),
    "surprised": _Motion(sway_px=2, sway_hz=1.0, nod_px=-8, turn_deg=1, approach=0.04),
}


@dataclass(frozen=True)
class _Look:
    """What distinguishes one actor's picture from another's."""

    mirrored: bool
    scale: float
    """Frame px per portrait px; the face is some 210 portrait px wide."""
    chin: tuple[float, float]
    """Where the chin is in the frame, px."""
    tint: tuple[float, float, float]
    """Factors on red, green and blue."""
    light: float
    """How much brighter the left edge is than the right one, as a share; negative: darker."""
    wall: tuple[float, float, float]
    """Colour of the background, 0 to 255."""


@cache
def _look(actor: int) -> _Look:
    rng = np.random.default_rng(1000 + actor)
    exposure = rng.uniform(0.75, 1.15)
    grey = float(rng.uniform(60, 190))
    red, green, blue = exposure * rng.uniform(0.9, 1.1, 3)
    return _Look(
        mirrored=actor % 4 in (2, 3),
        scale=float(rng.uniform(0.48, 0.68)),
        chin=(
            WIDTH_PX / 2 + float(rng.uniform(-80, 80)),
            HEIGHT_PX * float(rng.uniform(0.58, 0.66)),
        ),
        tint=(float(red), float(green), float(blue)),
        light=float(rng.choice([-1, 1]) * rng.uniform(0.1, 0.35)),
        wall=(
            grey + float(rng.uniform(-30, 30)),
            grey + float(rng.uniform(-30, 30)),
            grey + float(rng.uniform(-30, 30)),
        ),
    )


@lru_cache(maxsize=2)  # as many as are drawn at the change from one actor to the next
def _figure(actor: int) -> NDArray[np.float32]:
    """The portrait by the actor's light, cut out: (600, 512, 4), red, green, blue (0 to 255) times
    the mask, and the mask (1 inside)."""
    look = _look(actor)
    portrait, mask = _cut_out()
    if look.mirrored:
        portrait, mask = portrait[:, ::-1], mask[:, ::-1]
    side = np.linspace(1 + look.light, 1 - look.light, portrait.shape[1], dtype=np.float32)[
        np.newaxis, :, np.newaxis
    ]
    lit = np.clip(portrait * side * np.array(look.tint, dtype=np.float32), 0, 255)
    return np.concatenate([lit * mask, mask], axis=2)


@cache
def _cut_out() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The portrait (600, 512, 3), RGB from 0 to 255, and its mask (600, 512, 1), 1 on the figure,
    with a soft edge."""
    from matplotlib.cbook import get_sample_data

    bgr = cv2.imread(str(get_sample_data("grace_hopper.jpg", asfileobj=False)), cv2.IMREAD_COLOR)
    if bgr is None:
        raise FileNotFoundError(
            "matplotlib's sample picture grace_hopper.jpg cannot be read; install matplotlib again"
        )
    outline = np.array(_OUTLINE.split(), dtype=np.int32).reshape(-1, 2)
    mask = np.zeros(bgr.shape[:2], dtype=np.float32)
    cv2.fillPoly(mask, [outline], 1.0)
    soft = np.asarray(cv2.GaussianBlur(mask, (0, 0), 3), dtype=np.float32)
    return np.asarray(bgr[..., ::-1], dtype=np.float32), soft[..., np.newaxis]


@lru_cache(maxsize=2)
def _wall(actor: int) -> NDArray[np.float32]:
    """A plain wall, lighter in the middle: (3, 360, 640 + 2 * _DRIFT_PX), 0 to 255."""
    x = np.linspace(-1, 1, WIDTH_PX + 2 * _DRIFT_PX)
    y = np.linspace(-1, 1, HEIGHT_PX)[:, np.newaxis]
    return np.asarray(
        (1 - 0.2 * x**2 - 0.1 * y**2) * np.array(_look(actor).wall)[:, np.newaxis, np.newaxis],
        dtype=np.float32,
    )


def _frames(clip: SampleClip, samples: Samples, seed: int) -> Iterator[Rgb]:
    """The pictures of the clip, FPS a second, over the length of its sound."""
    count = round(len(samples) / RATE_HZ * FPS)
    loud = _loudness(samples, count)
    phase = float(np.random.default_rng(seed).uniform(0, 2 * np.pi))
    for number in range(count):
        picture = _drifting_wall(clip.actor, number / count, phase)
        if clip.defect is not Defect.NO_FACE:
            picture = _before(
                picture, clip.actor, _pose(clip, number, count, float(loud[number]), phase)
            )
        yield np.asarray(cv2.merge([plane.astype(np.uint8) for plane in picture]))


def _loudness(samples: Samples, count: int) -> NDArray[np.float64]:
    """Root mean square of the sound around each of `count` frames, the largest being 1."""
    power = np.array(
        [np.mean(part.astype(np.float64) ** 2) for part in np.array_split(samples, count)]
    )
    smooth = np.convolve(np.sqrt(power), np.ones(3) / 3, mode="same")
    return np.asarray(smooth / smooth.max())


def _pose(
    clip: SampleClip, number: int, count: int, loud: float, phase: float
) -> NDArray[np.float64]:
    """The affine map (2, 3) from portrait px to frame px, for frame `number` of `count`."""
    motion, look = _MOTIONS[clip.emotion], _look(clip.actor)
    share = number / count
    scale = look.scale * (1 + motion.approach * share)
    degrees = motion.turn_deg * np.sin(np.pi * share) * (-1 if look.mirrored else 1)
    pose = np.asarray(cv2.getRotationMatrix2D(_CHIN, degrees, scale), dtype=np.float64)
    pose[:, 2] += np.array(look.chin) - _CHIN
    pose[0, 2] += motion.sway_px * np.sin(2 * np.pi * motion.sway_hz * number / FPS + phase)
    pose[1, 2] += motion.nod_px * loud
    return pose


def _drifting_wall(actor: int, share: float, phase: float) -> NDArray[np.float32]:
    left = round(_DRIFT_PX * (1 + np.sin(2 * np.pi * share + phase)))
    return _wall(actor)[:, :, left : left + WIDTH_PX]


def _before(
    wall: NDArray[np.float32], actor: int, pose: NDArray[np.float64]
) -> NDArray[np.float32]:
    """The actor's figure in front of the wall, both (3, height, width): numpy takes whole planes
    several times as fast as pixels."""
    # Below the portrait's edge its last row goes on, so that no figure floats.
    figure = cv2.warpAffine(
        _figure(actor),
        pose,
        (WIDTH_PX, HEIGHT_PX),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    *planes, mask = cv2.split(figure)
    return wall * (1 - mask) + np.stack(planes)
