"""What opening a file costs, and a sound-only clip in all: `python -m benchmarks.opening`.

CPU time of one process, each way in turn, with libavformat's own defaults beside ours. `in all` is
what a build does of a clip of sound before any feature but `audio`: its hash, its header, its
samples, and these at 16 kHz.
"""

import hashlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import av
import numpy as np

from benchmarks.clips import KINDS, voice, write_clip
from extractors.audio import Audio
from extractors.limits import Deadline
from extractors.media import Limits, decode, probe
from extractors.opening import OPTIONS, open_container, read_head
from manifests.clips import Clip

ROUNDS = 40


def clip_of(path: Path) -> Clip:
    return Clip("folder/a", "folder", None, None, "folder/a", None, path.name, "0" * 64, 1)


def default_open(path: Path) -> None:
    """As libavformat does it, from the containers that we allow."""
    with av.open(str(path), options=dict(OPTIONS)):
        pass


def our_open(path: Path) -> None:
    """As for a build that decodes no picture."""
    head = read_head("a", path)
    with open_container("a", path, head, Deadline("a", 60), pictures=False):
        pass


def header(path: Path) -> None:
    probe(clip_of(path), path, Limits())


def sound(path: Path) -> None:
    decode(clip_of(path), path, audio=True, grids={}, limits=Limits())


def in_all(path: Path) -> None:
    with path.open("rb") as file:
        hashlib.file_digest(file, "sha256")
    clip = probe(clip_of(path), path, Limits())
    pcm = decode(clip, path, audio=True, grids={}, limits=Limits()).pcm
    if pcm is not None:
        Audio().convert(clip, pcm)


WAYS: dict[str, Callable[[Path], None]] = {
    "open, defaults": default_open,
    "open, ours": our_open,
    "header": header,
    "sound": sound,
    "in all": in_all,
}


def measure(paths: list[Path], rounds: int) -> dict[str, list[float]]:
    """Way -> median CPU milliseconds for each file."""
    taken: dict[tuple[str, Path], list[float]] = {(way, p): [] for way in WAYS for p in paths}
    for _ in range(rounds):
        for way, path in taken:
            begun = time.process_time()
            WAYS[way](path)
            taken[way, path].append(1e3 * (time.process_time() - begun))
    return {way: [median(taken[way, path]) for path in paths] for way in WAYS}


def make_files(folder: Path) -> list[Path]:
    """A wav of 48 kHz, the same as flac and mp3, and a 720p mp4."""
    samples = np.rint(voice(KINDS["ravdess"], 0) * 32767).astype(np.int16)
    paths = []
    for suffix, codec in (("wav", "pcm_s16le"), ("flac", "flac"), ("mp3", "libmp3lame")):
        path = folder / f"sound.{suffix}"
        with av.open(str(path), "w") as out:
            stream = out.add_stream(codec, rate=48000, layout="mono")
            form = {"mp3": "s16p"}.get(suffix, "s16")
            for at in range(0, len(samples), 1152):
                frame = av.AudioFrame.from_ndarray(samples[None, at : at + 1152], form, "mono")
                frame.sample_rate, frame.pts = 48000, at
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        paths.append(path)
    write_clip(folder / "video.mp4", KINDS["ravdess"], 0)
    return [*paths, folder / "video.mp4"]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        paths = make_files(Path(folder))
        print("CPU ms, median of", ROUNDS, "rounds;", *(f"{path.name:>10}" for path in paths))
        for way, taken in measure(paths, ROUNDS).items():
            print(f"{way:34}", *(f"{one:10.2f}" for one in taken))


if __name__ == "__main__":
    main()
