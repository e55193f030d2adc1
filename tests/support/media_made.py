"""Media made for the tests: small, real files, encoded here and now."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from manifests.clips import Clip

CLIPS = Path(__file__).parents[2].parent / "shared" / "clips"
REAL_SILENT = CLIPS / "pyfeat_WolfgangLanger_Pexels.mp4"
REAL_CLIPS = (
    "pyfeat_WolfgangLanger_Pexels.mp4",
    "pyfeat_no_face.mp4",
    "pyfeat_single_face.mp4",
    "sadtalker_WDA_AOC_000.mp4",
    "short_hamilton_clip.mp4",
)
"""In the folder of real clips, which holds others beside them."""

Writer = Callable[..., Path]

AUDIO_CODECS = {
    ".mp4": "aac",
    ".mkv": "aac",
    ".flv": "aac",
    ".avi": "libmp3lame",
    ".webm": "libopus",
    ".ts": "aac",
    ".wav": "pcm_s16le",
    ".mp3": "libmp3lame",
    ".flac": "flac",
    ".ogg": "libopus",
    ".m4a": "aac",
}
VIDEO_CODECS = {
    ".mp4": "libx264",
    ".mkv": "libx264",
    ".flv": "libx264",
    ".avi": "mpeg4",
    ".webm": "libvpx-vp9",
    ".ts": "libx264",
}


def picture(i: int, width: int = 160, height: int = 120) -> NDArray[np.uint8]:
    """Frame i: a gradient, a moving square of noise, and i as 8 black or white blocks along the
    top, so that a frame can be named."""
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[..., 0] = np.linspace(0, 255, width).astype(np.uint8)
    rgb[..., 2] = np.linspace(0, 255, height).astype(np.uint8)[:, None]
    x = (3 * i) % (width - 32)
    rgb[60:92, x : x + 32] = np.random.default_rng(i).integers(0, 256, (32, 32, 3))
    for bit in range(8):
        rgb[:16, bit * 16 : bit * 16 + 16] = 255 * (i >> bit & 1)
    return rgb


def scenery(seed: int, width: int = 320, height: int = 180) -> NDArray[np.uint8]:
    """A made view: patches of light and shade in a tint of its own."""
    draw = np.random.default_rng(seed)
    patches = draw.uniform(0.2, 1, (8, 14, 1)) * draw.permutation([90, 170, 250])
    patches += draw.uniform(-25, 25, 3)
    return cv2.resize(np.clip(patches, 0, 255).astype(np.uint8), (width, height))


def number_of(rgb: NDArray[np.uint8]) -> int:
    """Which frame of `picture` this is."""
    return sum(int(rgb[4:12, bit * 16 + 4 : bit * 16 + 12].mean() > 128) << bit for bit in range(8))


def portrait_in_motion() -> list[tuple[float, NDArray[np.uint8]]]:
    """12 frames of 320 x 240, 10 a second: matplotlib's portrait moves to the right before a grey
    gradient."""
    from matplotlib.cbook import get_sample_data

    file = get_sample_data("grace_hopper.jpg", asfileobj=False)
    portrait = cv2.imread(file, cv2.IMREAD_COLOR_RGB)
    assert portrait is not None
    small = cv2.resize(portrait, (180, 212), interpolation=cv2.INTER_AREA)
    grey = np.linspace(40, 200, 320).astype(np.uint8)
    frames = []
    for number in range(12):
        frame = np.repeat(grey[None, :, None], 240, axis=0).repeat(3, axis=2)
        frame[14:226, 20 + 8 * number : 200 + 8 * number] = small
        frames.append((number / 10, frame))
    return frames


def tone(seconds: float, rate_hz: int = 16000, channels: int = 1) -> NDArray[np.float32]:
    """(time, channel): a sine of its own frequency in each channel, with a peak of 0.5."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    return np.stack(
        [0.5 * np.sin(2 * np.pi * (220 + 110 * c) * t) for c in range(channels)], axis=1
    ).astype(np.float32)


def a_clip(path: Path, clip_id: str | None = None, **facts: float | str | bool | None) -> Clip:
    return Clip(
        clip_id or f"made/{path.stem}",
        "made",
        None,
        None,
        path.stem,
        None,
        path.name,
        "0" * 64,
        1,
        **facts,
    )  # type: ignore[arg-type]


def write(
    path: Path,
    *,
    frames: int = 30,
    fps: int | Fraction = 30,
    stamps: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    video_codec: str | None = None,
    video_options: dict[str, str] | None = None,
    pix_fmt: str = "yuv420p",
    size: tuple[int, int] = (160, 120),
    audio_s: float | None = None,
    samples: NDArray[np.float32] | None = None,
    rate_hz: int = 48000,
    channels: int = 1,
    audio_codec: str | None = None,
    bit_rate: int | None = None,
    container: str | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """frames=0: no video; audio_s and samples None: no sound. `stamps` are the frames' times in
    ticks of `time_base`."""
    suffix = path.suffix
    with av.open(str(path), "w", format=container, options=options or {}) as out:
        video = audio = None
        if frames:
            video = out.add_stream(video_codec or VIDEO_CODECS[suffix], rate=Fraction(fps))
            assert isinstance(video, av.VideoStream)
            video.width, video.height = size
            video.pix_fmt = pix_fmt
            video.options = {"g": "12", **(video_options or {})}
            video.codec_context.time_base = time_base or 1 / Fraction(fps)
        if audio_s is not None or samples is not None:
            pcm = tone(audio_s or 0.0, rate_hz, channels) if samples is None else samples
            audio = out.add_stream(audio_codec or AUDIO_CODECS[suffix], rate=rate_hz)
            assert isinstance(audio, av.AudioStream)
            if bit_rate is not None:
                audio.bit_rate = bit_rate
            audio.layout = {1: "mono", 2: "stereo", 6: "5.1"}[pcm.shape[1]]
        reformatter = VideoReformatter()  # keeps what it has worked out from frame to frame
        for i in range(frames):
            assert video is not None
            rgb = av.VideoFrame.from_ndarray(picture(i, *size), "rgb24")
            frame = reformatter.reformat(rgb, format=pix_fmt)
            frame.pts = i if stamps is None else stamps[i]
            frame.time_base = time_base or 1 / Fraction(fps)
            out.mux(video.encode(frame))
        if video is not None:
            out.mux(video.encode(None))
        if audio is not None:
            _write_audio(out, audio, pcm, rate_hz)
    return path


def _write_audio(
    out: av.container.OutputContainer, audio: av.AudioStream, pcm: NDArray[np.float32], rate_hz: int
) -> None:
    for at in range(0, len(pcm), 1024):
        part = np.ascontiguousarray(pcm[at : at + 1024].T)
        frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=audio.layout.name)
        frame.sample_rate, frame.pts, frame.time_base = rate_hz, at, Fraction(1, rate_hz)
        out.mux(audio.encode(frame))
    out.mux(audio.encode(None))
