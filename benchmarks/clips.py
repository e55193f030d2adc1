"""Synthetic clips in the formats of three corpora, with a real face that moves: `python -m
benchmarks.clips FOLDER`; and copies of real ones.

The portrait is matplotlib's public-domain photograph of Grace Hopper. The first eight clips of a
kind differ in place, motion and pitch; the others hold the same streams in a file of other bytes.
Every run makes the same clips.

CREMA-D's own codec, VP6, has no free encoder: its stand-in is FLV1 in the same container, which
takes a third of the time to decode. Real clips are given by their owner and copied as they are, but
for two bytes that nobody reads: the last ones of the video's bit rate, a float64 in onMetaData.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import scipy.signal
from matplotlib.cbook import get_sample_data
from numpy.typing import NDArray


@dataclass(frozen=True)
class Kind:
    """How a corpus stores its clips."""

    suffix: str
    width: int
    height: int
    fps: int
    seconds: float
    video: str
    audio: str
    rate_hz: int
    channels: int
    faces: int
    """People in the picture."""
    bits_per_s: int
    """Of the video, about what the corpus has: decoding time follows it."""


KINDS = {
    "ravdess": Kind("mp4", 1280, 720, 30, 3.7, "libx264", "aac", 48000, 1, 1, bits_per_s=8_000_000),
    "cremad": Kind(
        "flv", 480, 360, 30, 2.5, "flv", "libmp3lame", 44100, 1, 1, bits_per_s=1_000_000
    ),
    "small": Kind("mp4", 640, 360, 25, 2.0, "libx264", "aac", 48000, 1, 1, bits_per_s=600_000),
    "meld": Kind("mp4", 1280, 720, 24, 3.2, "libx264", "aac", 48000, 2, 2, bits_per_s=2_000_000),
}
REAL = "real-cremad"
"""The kind of real CREMA-D clips, which are copied."""
TITLES = {
    "ravdess": "as RAVDESS (720p30 H.264)",
    "cremad": "FLV1 in place of CREMA-D's VP6",
    "small": "small (360p25 H.264)",
    "meld": "as MELD (720p24 H.264)",
    REAL: "real CREMA-D (480x360 VP6)",
}


_DISTINCT = 8
"""Clips of a kind that are encoded one by one: decoding takes as long for a copy as for a new
picture."""


def make_clips(folder: Path, kind: str, count: int) -> list[Path]:
    """`count` clips of one kind in a folder; those that are there already are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{kind}-{seed:04d}.{KINDS[kind].suffix}" for seed in range(count)]
    for seed, path in enumerate(paths):
        if path.exists():
            continue
        part = path.with_name(f"part-{path.name}")
        if seed < _DISTINCT:
            write_clip(part, KINDS[kind], seed)
        else:
            remux(paths[seed % _DISTINCT], part, f"clip {seed}")
        part.rename(path)
    return paths


def copy_clips(folder: Path, originals: Path, count: int) -> list[Path]:
    """`count` copies of the real `*.flv` below a folder, in turn, each of other bytes; those that
    are there already are kept. ValueError where there is none, or none with the field."""
    found = sorted(originals.rglob("*.flv"))
    if not found:
        raise ValueError(f"there is no .flv below {originals}; give the folder of CREMA-D's clips")
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{found[i % len(found)].stem}-{i:04d}.flv" for i in range(count)]
    for number, path in enumerate(paths):
        if not path.exists():
            part = path.with_name(f"part-{path.name}")
            part.write_bytes(marked(found[number % len(found)].read_bytes(), number))
            part.rename(path)
    return paths


_BIT_RATE = b"\x00\x0dvideodatarate\x00"
"""The name of a number of onMetaData, and the mark of a float64, which follows."""


def marked(flv: bytes, number: int) -> bytes:
    """The same streams in other bytes: the number lies in the last two of the bit rate."""
    name, field, rest = flv.partition(_BIT_RATE)
    if not field:
        raise ValueError("the clip states no videodatarate; give clips of CREMA-D's VideoFlash")
    return name + field + rest[:6] + number.to_bytes(2, "big") + rest[8:]


def remux(source: Path, target: Path, comment: str) -> None:
    """The same packets in a new file that bears a comment."""
    with av.open(source) as old, av.open(target, "w") as new:
        new.metadata["comment"] = comment
        streams: dict[int, Any] = {
            stream.index: new.add_stream_from_template(stream) for stream in old.streams
        }
        for packet in old.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                new.mux(packet)


def write_clip(path: Path, kind: Kind, seed: int) -> None:
    with av.open(path, "w") as container:
        video: Any = container.add_stream(kind.video, rate=kind.fps)
        video.width, video.height, video.pix_fmt = kind.width, kind.height, "yuv420p"
        if kind.video == "libx264":
            video.options = {"preset": "veryfast"}
        video.bit_rate = kind.bits_per_s
        audio: Any = container.add_stream(
            kind.audio, rate=kind.rate_hz, layout="stereo" if kind.channels == 2 else "mono"
        )
        for number, picture in enumerate(pictures(kind, seed)):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, kind.fps)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        sound = np.repeat(voice(kind, seed)[None], kind.channels, axis=0)
        block = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound), "fltp", audio.layout.name)
        block.sample_rate, block.pts = kind.rate_hz, 0
        container.mux(audio.encode(block))
        container.mux(audio.encode(None))


def pictures(kind: Kind, seed: int) -> Iterator[NDArray[np.uint8]]:
    """Portraits that sway and nod before a textured wall, with the grain of a camera."""
    random = np.random.default_rng(seed)
    wall = cv2.resize(
        random.integers(60, 140, (9, 16, 3), dtype=np.uint8),
        (kind.width, kind.height),
        interpolation=cv2.INTER_CUBIC,
    )
    grain = [np.rint(random.normal(0, 3, wall.shape)).astype(np.int8) for _ in range(8)]
    portrait = _portrait(round(kind.height * (0.9 if kind.faces == 1 else 0.6)))
    phase = random.uniform(0, 2 * np.pi, kind.faces)
    for number in range(round(kind.fps * kind.seconds)):
        picture = wall.copy()
        for person in range(kind.faces):
            sway = np.sin(2 * np.pi * 0.4 * number / kind.fps + phase[person])
            nod = np.sin(2 * np.pi * 0.9 * number / kind.fps + phase[person])
            x = round(
                kind.width * (person + 1) / (kind.faces + 1)
                - portrait.shape[1] / 2
                + 0.04 * kind.width * sway
            )
            y = round((kind.height - portrait.shape[0]) / 2 + 0.03 * kind.height * nod)
            picture[y : y + portrait.shape[0], x : x + portrait.shape[1]] = portrait
        yield np.asarray(cv2.add(picture, grain[number % 8], dtype=cv2.CV_8U), np.uint8)


def voice(kind: Kind, seed: int) -> NDArray[np.float32]:
    """(time,) pulses through two formants, with pauses and breath: shaped like speech."""
    random = np.random.default_rng(seed)
    time = np.arange(round(kind.rate_hz * kind.seconds)) / kind.rate_hz
    pitch_hz = random.uniform(90, 220) * (1 + 0.2 * np.sin(2 * np.pi * 0.7 * time))
    spoken = np.diff(np.floor(np.cumsum(pitch_hz) / kind.rate_hz), prepend=0.0)
    for formant_hz, width_hz in ((700, 90), (1800, 150)):
        radius = np.exp(-np.pi * width_hz / kind.rate_hz)
        spoken = scipy.signal.lfilter(
            [1 - radius],
            [1, -2 * radius * np.cos(2 * np.pi * formant_hz / kind.rate_hz), radius**2],
            spoken,
        )
    spoken *= np.sin(2 * np.pi * 1.3 * time) > -0.3
    return np.asarray(
        0.5 * spoken / np.abs(spoken).max() + 1e-3 * random.standard_normal(len(time)), np.float32
    )


@cache
def _portrait(height: int) -> NDArray[np.uint8]:
    whole: Any = cv2.imread(
        get_sample_data("grace_hopper.jpg", asfileobj=False), cv2.IMREAD_COLOR_RGB
    )
    return np.asarray(
        cv2.resize(
            whole,
            None,
            fx=height / len(whole),
            fy=height / len(whole),
            interpolation=cv2.INTER_AREA,
        ),
        np.uint8,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kind", choices=KINDS, action="append", help="default: all")
    parser.add_argument("--count", type=int, default=8)
    args = parser.parse_args()
    for kind in args.kind or KINDS:
        paths = make_clips(args.folder / kind, kind, args.count)
        print(
            f"{kind:8} {len(paths)} clips, "
            f"{sum(path.stat().st_size for path in paths) / len(paths) / 1e3:.0f} kB each"
        )


if __name__ == "__main__":
    main()
