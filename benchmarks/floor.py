"""How near the product comes to the bare calls that it cannot do without: `python -m
benchmarks.floor FOLDER`.

The floor of a clip is what libav, MediaPipe, OpenCV, soxr and SciPy take for the very work that the
product gives them, with nothing between: opening and demultiplexing, decoding (frames that nobody
needs are skipped where that is exact), conversion of the frames that are wanted, the thumbnail of
each (cuts are found by it), the detector on the pictures that the product looks at, a resizing and
a JPEG for each crop, resampling, and the features of sound. Which frames are wanted, and where
faces are, it is told. Both run in this process, in turn.
"""

import argparse
import gc
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import av
import cv2
import numpy as np
import soxr
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.audio_features import EXTRACTORS, our_features
from benchmarks.clips import KINDS, make_clips
from extractors import crops as crop_module
from extractors import detectors
from extractors.audio import Audio
from extractors.base import Rgb
from extractors.crops import Crops
from extractors.faces import Faces
from extractors.frames import JPEG_QUALITY, Frames
from extractors.plan import Graph, Media, Outcome, measure
from extractors.presentation import SKIPPING
from extractors.shots import averaged
from manifests.clips import Clip
from manifests.tracks import Track

STAGES = (
    *("open", "demux", "decode", "convert", "thumbs", "detect", "resize", "jpeg"),
    *("sound", "features"),
)
"""Parts of the floor; `sound` is its decoding and resampling."""
GRAPH = Graph(
    {
        "audio": Audio(),
        **EXTRACTORS,
        "frames": Frames(fps=10.0),
        "faces": Faces(),
        "crops": Crops(),
    }
)


@dataclass(frozen=True)
class Row:
    """CPU time of the clips of one kind in ms a clip, medians of several rounds."""

    kind: str
    product: float
    floor: float
    stages: Mapping[str, float]
    """Part of the floor -> its time."""

    @property
    def share(self) -> float:
        """What the floor is of the product: 1 where nothing is between the calls."""
        return self.floor / self.product


@dataclass(frozen=True)
class Work:
    """What the product asks the libraries for, of one clip."""

    path: Path
    seconds: frozenset[float]
    """Time stamps of the frames that are wanted."""
    looked_at: Sequence[Rgb]
    """Pictures that the detector sees: frames, and tiles of those without a face."""
    faces: Sequence[Rgb]
    """Parts of frames that are resized to crops."""


class Stopwatch:
    """CPU seconds by stage."""

    def __init__(self) -> None:
        self.taken = dict.fromkeys(STAGES, 0.0)

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        begun = time.process_time()
        yield
        self.taken[stage] += time.process_time() - begun


def product(path: Path) -> Mapping[str, Outcome]:
    name = f"folder/{path.stem}"
    clip = Clip(name, "folder", None, None, name, None, path.name, "0" * 64, 1)
    return measure(GRAPH, GRAPH.extractors, clip, path, Media())


@contextmanager
def noted(module: Any, name: str) -> Iterator[list[Any]]:
    """Collects the first arguments that a function of a module is called with meanwhile."""
    original, calls = getattr(module, name), list[Any]()

    def call(first: Any, *others: Any) -> Any:
        calls.append(first)
        return original(first, *others)

    vars(module)[name] = call
    try:
        yield calls
    finally:
        vars(module)[name] = original


def work_of(path: Path) -> Work:
    """Runs the product once, and notes what it asks for."""
    with (
        noted(detectors, "_blazeface_short_once") as looked_at,
        noted(crop_module, "resize") as faces,
    ):
        frames = product(path)["frames"]
    if not isinstance(frames, Track):
        raise frames
    return Work(path, frozenset(frames.seconds.tolist()), looked_at, faces)


def floor(work: Work) -> Mapping[str, float]:
    """Does the work of one clip by bare calls; CPU seconds of each stage."""
    watch = Stopwatch()
    # An mp4 needs no picture decoded to be opened.
    looks: Any = [{"skip_frame": "all"}] * 2 if work.path.suffix == ".mp4" else None
    with watch.of("open"):
        container = av.open(str(work.path), stream_options=looks)
    with container:
        with watch.of("demux"):
            packets = [packet for packet in container.demux() if packet.size]
        with watch.of("sound"):
            samples = _samples([one for one in packets if one.stream.type == "audio"])
        with watch.of("features"):
            our_features(samples)
        wanted = [one for one in packets if one.stream.type == "video"]
        with watch.of("decode"):
            frames = _frames(wanted, work.seconds)
        for frame in frames:
            with watch.of("convert"):
                rgb = _converted(frame)
            with watch.of("thumbs"):
                _thumbnail(rgb)
            del rgb  # or the next frame takes new pages of the system, at thrice the cost
    detect = detectors._short_range(Faces().min_score)
    with watch.of("detect"):
        for picture in work.looked_at:
            detect(picture)
    with watch.of("resize"):
        crops = [_resized(part) for part in work.faces]
    with watch.of("jpeg"):
        for crop in crops:
            cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return watch.taken


def _samples(packets: Sequence[Any]) -> NDArray[np.float32]:
    """One channel at 16 kHz."""
    context = packets[0].stream.codec_context
    blocks = [frame.to_ndarray() for packet in packets for frame in context.decode(packet)]
    sound = np.concatenate(blocks, axis=1).mean(axis=0, dtype=np.float32)
    return np.asarray(soxr.resample(sound, context.sample_rate, 16000), np.float32)


def _frames(packets: Sequence[Any], seconds: frozenset[float]) -> list[Any]:
    """The frames at these times; others are skipped where no other frame needs them."""
    stream = packets[0].stream
    context, time_base = stream.codec_context, stream.time_base
    context.thread_type, context.thread_count = "NONE", 1
    found = []
    for packet in (*packets, None):
        if context.name in SKIPPING:
            is_wanted = packet is None or float(packet.pts * time_base) in seconds
            context.skip_frame = "DEFAULT" if is_wanted else "NONREF"
        found += [
            frame for frame in context.decode(packet) if float(frame.pts * time_base) in seconds
        ]
        if len(found) == len(seconds):
            break
    return found


def _converted(frame: Any) -> Rgb:
    converted = _reformatter().reformat(
        frame,
        format="rgb24",
        src_colorspace=Colorspace.ITU601,
        src_color_range=ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
        interpolation=Interpolation.BILINEAR,
        threads=1,
    )
    return np.asarray(converted.to_ndarray(), np.uint8)


@cache
def _reformatter() -> VideoReformatter:
    return VideoReformatter()


def _thumbnail(rgb: Rgb) -> None:
    step = max(1, min(rgb.shape[:2]) // 128)
    height, width = (side // step for side in rgb.shape[:2])
    whole = rgb[: height * step, : width * step]
    thin = cv2.resize(whole, (width, height), interpolation=cv2.INTER_NEAREST)
    averaged(np.asarray(thin, np.uint8))


def _resized(part: Rgb) -> Rgb:
    shrinks = min(part.shape[:2]) >= Crops().size
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(part, (Crops().size,) * 2, interpolation=how), np.uint8)


def measured(kind: str, paths: Sequence[Path], rounds: int) -> Row:
    """Times the product and the floor on some clips, in turn.

    Args:
        kind: Name of the row.
        paths: The clips, which have sound and a face.
        rounds: How often.

    Returns:
        The medians.
    """
    works = [work_of(path) for path in paths]
    ours: list[float] = []
    theirs: list[Mapping[str, float]] = []
    for work in works * rounds:
        begun = time.process_time()
        product(work.path)
        gc.collect(0)  # as a worker does when a clip ends
        ours.append(time.process_time() - begun)
        theirs.append(floor(work))
    stages = {stage: 1e3 * median(each[stage] for each in theirs) for stage in STAGES}
    whole = 1e3 * median(sum(each.values()) for each in theirs)
    return Row(kind, 1e3 * median(ours), whole, stages)


def rows(folder: Path, kinds: Sequence[str], clips: int, rounds: int) -> Iterator[Row]:
    """Measures kinds of clips one after the other.

    Args:
        folder: Where clips are made; one that is named as a kind and holds clips is used as it is.
        kinds: Names of kinds, or of folders in it.
        clips: How many of each.
        rounds: How often each is measured.

    Yields:
        A row for each kind.
    """
    cv2.setNumThreads(1)  # as a worker of the product has it, which seldom looks for garbage
    gc.set_threshold(100_000)
    gc.freeze()
    with threadpool_limits(1):
        for kind in kinds:
            if kind in KINDS:
                paths = make_clips(folder / kind, kind, clips)
            else:
                paths = sorted((folder / kind).iterdir())[:clips]
            yield measured(kind, paths, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--kind",
        action="append",
        help="a kind of benchmarks.clips, or a folder of clips; default: ravdess, cremad, meld",
    )
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    kinds = args.kind or ["ravdess", "cremad", "meld"]
    print(f"CPU ms a clip on one core, median of {args.rounds} rounds of {args.clips} clips")
    print(f"{'':9} {'product':>8} {'floor':>8} {'share':>6} ", *(f"{s:>8}" for s in STAGES))
    for row in rows(args.folder, kinds, args.clips, args.rounds):
        print(
            f"{row.kind:9} {row.product:8.1f} {row.floor:8.1f} {row.share:6.0%} ",
            *(f"{taken:8.1f}" for taken in row.stages.values()),
            flush=True,
        )


if __name__ == "__main__":
    main()
