"""Media made for the tests: small, real files, encoded here and now."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from manifests.clips import Clip

pytest_plugins = ["tests.object_store"]

CLIPS = Path(__file__).parents[1].parent / "shared" / "clips"
REAL_SILENT = CLIPS / "pyfeat_WolfgangLanger_Pexels.mp4"

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with many slow tests first: where files go to several processes, none is left with the
    longest one at the end."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


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


def number_of(rgb: NDArray[np.uint8]) -> int:
    """Which frame of `picture` this is."""
    return sum(int(rgb[4:12, bit * 16 + 4 : bit * 16 + 12].mean() > 128) << bit for bit in range(8))


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


Writer = Callable[..., Path]


@pytest.fixture
def write_media(tmp_path: Path) -> Writer:
    """write_media(name, frames=30, fps=30, video=True, audio_s=1.0, ...) -> the path of a new media
    file; see `write`."""

    def make(name: str = "clip.mp4", **how: object) -> Path:
        return write(tmp_path / name, **how)  # type: ignore[arg-type]

    return make


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
            audio.layout = {1: "mono", 2: "stereo", 6: "5.1"}[pcm.shape[1]]
        for i in range(frames):
            assert video is not None
            frame = av.VideoFrame.from_ndarray(picture(i, *size), "rgb24").reformat(format=pix_fmt)
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


@pytest.fixture
def real_clips() -> Path:
    if not CLIPS.is_dir():
        pytest.skip("the folder of real clips is not beside this checkout")
    return CLIPS


QUICK = ("features.resnet18.size=64", "features.mfcc_resnet18.size=64", "clips_per_shard=4")
"""Changes to the demo recipe that make a test's build short."""


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One Prefect server for all tests, and for every command that they start."""
    os.environ["PREFECT_HOME"] = str(tmp_path_factory.mktemp("prefect"))
    os.environ["PREFECT_LOGGING_TO_API_ENABLED"] = "false"
    from flows.local_server import engine

    with engine():
        from prefect.settings import PREFECT_API_URL

        os.environ["PREFECT_API_URL"] = str(PREFECT_API_URL.value())
        yield
    for name in ("PREFECT_API_URL", "PREFECT_HOME", "PREFECT_LOGGING_TO_API_ENABLED"):
        del os.environ[name]


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small sample corpus: 3 actors x 2 emotions, and the three bad clips. Copy it before
    changing it."""
    from flows.sample.pictures import write_sample

    folder = tmp_path_factory.mktemp("sample") / "clips"
    write_sample(folder, actors=3, emotions=2, takes=1)
    return folder


@pytest.fixture(scope="session")
def built(engine: None, sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of the small sample corpus. Copy it before changing it."""
    from flows.build import build

    store = tmp_path_factory.mktemp("built") / "store"
    build(store, {"sample": sample}, "demo", QUICK, workers=1)
    return store
