"""What a GPU gives, and how much of it the pipeline uses, on a machine with torch, NumPy, h5py and
OpenCV and nothing else:

    python benchmarks/gpu.py                             on CUDA; it plans for four minutes at most
    python benchmarks/gpu.py --device cpu --seconds 5    the same way, small: to see that it runs

Run it from the repository's root. It checks the network's numbers against float64 on the processor
and prints images a second: of the bare network, by precision and by batch; of the pipeline from
stored crops, which are read, decoded, encoded and written as in a build; and from clips, which
OpenCV decodes in a process for each processor. Weights are random, pictures are made here.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest.mock import patch

ROOT = str(Path(__file__).resolve().parents[1])
if not __package__:  # as a script: this folder must not hide other modules
    sys.path[0] = ROOT
NEEDED = {"torch": "torch", "numpy": "numpy", "h5py": "h5py", "cv2": "opencv-python"}
PRECISIONS = ("float32", "bfloat16", "float16")
FARTHEST = {"float32": 1e-5, "bfloat16": 0.03, "float16": 0.005}
"""From float64, of the norm."""
SECONDS = 110.0
"""Of all measurements together; checks and the making of files come on top."""


@dataclass(frozen=True)
class Scale:
    """How large everything is."""

    device: str
    depth: int
    size: int
    """Of a picture, in pixels."""
    batches: tuple[int, ...]
    """Of the curve."""
    clips: int
    """Of a shard."""
    rows: int
    """Pictures of a clip."""
    frame: tuple[int, int]
    """Width and height of a video."""
    seconds: float
    """Of one measurement; the curve counts as two."""

    @property
    def batch(self) -> int:
        """Rows of a pass, as the product has them."""
        return 256 if self.device == "cuda" else 8


def scale_for(device: str, seconds: float) -> Scale:
    share = seconds / (len(PRECISIONS) + 2 + 4 + 2)
    if device == "cuda":
        batches = (1, 4, 16, 64, 128, 256, 512, 1024)
        return Scale(device, 50, 224, batches, 16, 37, (1280, 720), share)
    return Scale(device, 18, 64, (1, 8), 3, 5, (160, 120), share)


# The network


@cache
def bare_network(scale: Scale, precision: str) -> Any:
    """As an engine has it: folded, channels last, on the device."""
    import torch

    from extractors.network import build, computing_in, fold
    from extractors.weights import random_state

    network = fold(build(scale.depth, random_state(scale.depth, 0)), scale.depth)
    network = computing_in(precision, network, scale.depth)
    return network.to(scale.device, memory_format=torch.channels_last)


def bare_rate(scale: Scale, precision: str, batch: int, seconds: float) -> float:
    """Images/s of the network on pictures that lie on the device already."""
    import torch

    network = bare_network(scale, precision)
    shape = (batch, scale.size, scale.size, 3)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, device=scale.device)
    exact = torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )
    with torch.inference_mode(), exact:
        for _ in range(3):
            network(images)
        synchronise(scale.device)
        begun, done = time.perf_counter(), 0
        while time.perf_counter() - begun < seconds or not done:
            for _ in range(4):
                network(images)
            synchronise(scale.device)
            done += 4 * batch
        return done / (time.perf_counter() - begun)


def synchronise(device: str) -> None:
    import torch

    if device == "cuda":
        torch.cuda.synchronize()


def encoder(scale: Scale, precision: str) -> Any:
    from extractors.resnet import ResNet

    return ResNet(depth=scale.depth, weights="random", seed=0, size=scale.size, precision=precision)


def distance(scale: Scale, precision: str) -> float:
    """Between the product's numbers and those of float64, as a share of their norm."""
    import numpy as np

    images, exact = _judged(scale)
    found = encoder(scale, precision).encode(images, runtime())
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


@cache
def _judged(scale: Scale) -> tuple[Any, Any]:
    import torch

    from extractors.network import build
    from extractors.weights import random_state

    images = pictures(scale.size, 4)
    network = build(scale.depth, random_state(scale.depth, 0)).double()
    with torch.inference_mode():
        return images, network(torch.from_numpy(images)).numpy()


def runtime() -> Any:
    from extractors.base import Runtime

    return Runtime("torch", preparing=os.cpu_count() or 1)


@contextmanager
def busy(device: str) -> Iterator[Callable[[], float]]:
    """While the block runs, notes when the device computes; gives what says for how long."""
    import torch

    from extractors.torch_passes import TorchPasses

    def mark() -> Any:
        if device == "cpu":
            return time.perf_counter()
        event: Any = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event

    passes: list[tuple[Any, Any]] = []
    run = TorchPasses._run

    def noted(self: TorchPasses, images: Any) -> Any:
        begun = mark()
        found = run(self, images)
        passes.append((begun, mark()))
        return found

    def seconds() -> float:
        synchronise(device)
        if device == "cpu":
            return sum(ended - begun for begun, ended in passes)
        return sum(begun.elapsed_time(ended) for begun, ended in passes) / 1e3

    with patch.object(TorchPasses, "_run", noted):
        yield seconds


# Pictures, crops and clips


def pictures(size: int, count: int, seed: int = 0) -> Any:
    """Blots with a little grain: JPEG files of them are about as large as those of faces."""
    import cv2
    import numpy as np

    rng = np.random.default_rng(seed)
    made = np.empty((count, size, size, 3), np.uint8)
    for one in made:
        blots = rng.integers(0, 256, (8, 8, 3), np.uint8)
        smooth = cv2.resize(blots, (size, size), interpolation=cv2.INTER_CUBIC)
        one[:] = cv2.add(smooth, rng.integers(0, 6, smooth.shape, np.uint8))
    return made


def crops_spec(size: int, codec: str) -> Any:
    from manifests.features import FeatureSpec

    dims, shape = ("time", "row", "column", "rgb"), (size, size, 3)
    return FeatureSpec(
        "crops", "uint8", dims, shape, "0..255", 0.1, "0" * 32, "crops", 1, "{}", codec=codec
    )


def embedding_spec(dim: int) -> Any:
    from manifests.features import FeatureSpec

    dims = ("time", "embedding")
    return FeatureSpec("net", "float32", dims, (dim,), "1", 0.1, "1" * 32, "resnet", 1, "{}")


def crops_track(images: Any, codec: str) -> Any:
    import numpy as np

    from extractors.frames import encode_jpeg
    from manifests.tracks import Track

    values = images
    if codec == "jpeg":
        values = np.empty(len(images), object)
        values[:] = [encode_jpeg(image) for image in images]
    return Track(values, np.arange(len(images)) / 10, np.ones(len(images), np.bool_))


Crops = tuple[str, Any]
"""A shard of crops: its file, and its layout, so that no process has to look for it."""


def write_crops(folder: Path, file: str, codec: str, clips: Sequence[Any]) -> Crops:
    """A shard with the crops of some clips, (rows, size, size, 3) each."""
    from stores.location import locate
    from stores.shard import Shard
    from stores.shard_writer import ShardWriter

    with ShardWriter(locate(folder), file, crops_spec(clips[0].shape[1], codec)) as shard:
        for number, images in enumerate(clips):
            shard.add(f"clip/{number:03d}", crops_track(images, codec))
    return file, Shard(locate(folder), file).layout


def write_clip(path: Path, scale: Scale, seed: int) -> Path:
    """A video of as many crops as `scale` says, at ten crops and thirty frames a second."""
    import cv2

    width, height = scale.frame
    code = cv2.VideoWriter.fourcc(*"mp4v")
    video = cv2.VideoWriter(str(path), code, 30.0, (width, height))
    side = max(width, height)
    wall = pictures(2 * side, 1, seed)[0]
    for number in range(3 * scale.rows):
        at = 2 * number % side
        video.write(wall[at : at + height, at : at + width])
    video.release()
    return path


def decode_clips(paths: Sequence[Path], size: int, folder: Path, file: str) -> Crops:
    """In a process of its own: writes a shard with a crop of every third frame. The middle of the
    picture stands for the face."""
    prepare()
    import cv2
    import numpy as np

    cv2.setNumThreads(1)
    clips = []
    for path in paths:
        video, crops, number = cv2.VideoCapture(str(path)), [], 0
        while video.grab():
            if number % 3 == 0:
                frame = video.retrieve()[1]
                side = min(frame.shape[:2])
                top, left = ((whole - side) // 2 for whole in frame.shape[:2])
                square = frame[top : top + side, left : left + side, ::-1]
                crops.append(cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA))
            number += 1
        clips.append(np.stack(crops))
    return write_crops(folder, file, "jpeg", clips)


# The pipeline


@dataclass(frozen=True)
class Found:
    """What a pipeline did."""

    rate: float
    """Images/s."""
    waits: float
    """Share of the time in which the device computes nothing."""


def pipeline(scale: Scale, precision: str, folder: Path, shards: Iterator[Crops]) -> Found:
    """Reads shards of crops, encodes them and writes shards of embeddings, as a build does."""
    from extractors.batching import encode_stream
    from stores.location import locate
    from stores.shard import Shard
    from stores.shard_writer import ShardWriter

    network = encoder(scale, precision)
    network.encode(pictures(scale.size, 2), runtime())  # loaded, and what it needs is looked up
    location, spec = locate(folder), embedding_spec(network.dim)
    sizes: dict[str, int] = {}

    def tracks() -> Iterator[tuple[str, Any]]:
        for number, (file, layout) in enumerate(shards):
            shard = Shard(location, file, layout)
            sizes[f"{number}"] = len(shard.entries)
            for entry in shard.entries:
                yield f"{number}:{entry.clip_id}", shard.outcome(entry.clip_id)

    with ThreadPoolExecutor(1) as publishing, busy(scale.device) as computed:
        begun, images, published = time.perf_counter(), 0, list[Future[None]]()
        writers: dict[str, ShardWriter] = {}
        for clip_id, track in encode_stream(network, tracks(), runtime()):
            number, _, name = clip_id.partition(":")
            if number not in writers:
                file = f"shards/net/{number}.h5"
                writers[number] = ShardWriter(location, file, spec).__enter__()
            writers[number].add(name, track)
            images += len(track)
            sizes[number] -= 1
            if not sizes[number]:
                whole = writers.pop(number)
                published.append(publishing.submit(partial(whole.__exit__, None)))
        for one in published:
            one.result()
        wall_s = time.perf_counter() - begun
        return Found(images / wall_s, max(0.0, 1 - computed() / wall_s))


def again_and_again(made: Sequence[Crops], seconds: float) -> Iterator[Crops]:
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends:
        yield from made


def from_clips(scale: Scale, precision: str, folder: Path) -> Found:
    """Processes decode, as many as there are processors; this one has the device."""
    clips = [write_clip(folder / f"{seed}.mp4", scale, seed) for seed in range(4)]
    tasks = 0

    def shards(pool: ProcessPoolExecutor, workers: int) -> Iterator[Crops]:
        nonlocal tasks
        ends = time.perf_counter() + 2 * scale.seconds
        waiting: set[Future[Crops]] = set()
        while waiting or tasks == 0:
            while len(waiting) < 2 * workers and (not tasks or time.perf_counter() < ends):
                file = f"shards/crops/{tasks}.h5"
                waiting.add(pool.submit(decode_clips, clips, scale.size, folder, file))
                tasks += 1
            done = next(as_completed(waiting))
            waiting.remove(done)
            yield done.result()

    workers = os.cpu_count() or 1
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        starting = [pool.submit(prepare) for _ in range(workers)]  # apart from what is measured
        for one in starting:
            one.result()
        return pipeline(scale, precision, folder, shards(pool, workers))


# The report


def report(scale: Scale) -> bool:
    """Prints all figures; whether the numbers were near enough to float64."""
    import torch

    begun = time.monotonic()
    print(title(scale), flush=True)
    good = True
    for precision in PRECISIONS:
        far = distance(scale, precision)
        good &= far < FARTHEST[precision]
        verdict = "as it should be" if far < FARTHEST[precision] else "TOO FAR"
        print(f"{precision:9} is {far:.1e} from float64 on the processor: {verdict}", flush=True)
    print(f"\nbare network, images/s in passes of {scale.batch}")
    bare = {}
    for precision in PRECISIONS:
        bare[precision] = bare_rate(scale, precision, scale.batch, scale.seconds)
        print(f"  {precision:9} {bare[precision]:10,.0f}", flush=True)
    print("\nbare network in bfloat16, images/s by batch")
    for batch in scale.batches:
        try:
            rate = bare_rate(scale, "bfloat16", batch, 2 * scale.seconds / len(scale.batches))
        except torch.cuda.OutOfMemoryError:
            print(f"  {batch:9} {'no memory':>10}", flush=True)
            break
        print(f"  {batch:9} {rate:10,.0f}", flush=True)
    print("\nthe pipeline       images/s   of the bare network   the device waits")
    with tempfile.TemporaryDirectory() as name:
        for title_, precision, found in pipelines(scale, Path(name)):
            print(
                f"  {title_:15} {found.rate:10,.0f} {found.rate / bare[precision]:21.0%} "
                f"{found.waits:18.0%}",
                flush=True,
            )
    print(f"\n{time.monotonic() - begun:.0f} s in all")
    return good


def pipelines(scale: Scale, folder: Path) -> Iterator[tuple[str, str, Found]]:
    for codec in ("raw", "jpeg"):
        clips = [pictures(scale.size, scale.rows, seed) for seed in range(scale.clips)]
        made = [write_crops(folder, f"shards/{codec}/{n}.h5", codec, clips) for n in range(2)]
        for precision in ("float32", "bfloat16"):
            shards = again_and_again(made, scale.seconds)
            name = {"float32": "float32", "bfloat16": "bf16"}[precision]
            yield f"{codec} crops, {name}", precision, pipeline(scale, precision, folder, shards)
    yield "clips, bf16", "bfloat16", from_clips(scale, "bfloat16", folder)


def title(scale: Scale) -> str:
    import torch

    name = torch.cuda.get_device_name() if scale.device == "cuda" else "the processor, small"
    return (
        f"{name}, torch {torch.__version__}, {os.cpu_count()} processors, ResNet-{scale.depth} at "
        f"{scale.size} pixels, {time.strftime('%Y-%m-%d')}"
    )


def prepare() -> None:
    """Lets our packages be imported where pyarrow, which writes their tables, is missing."""
    from benchmarks.stand_ins import stand_in_for

    stand_in_for("pyarrow")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help="of all measurements (%(default)g)"
    )
    given = parser.parse_args(arguments)
    if missing := [package for name, package in NEEDED.items() if find_spec(name) is None]:
        parser.error(f"{', '.join(missing)} is not installed; pip install {' '.join(missing)}")
    if given.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    prepare()
    import torch

    from extractors import engines

    if given.device == "cuda" and not torch.cuda.is_available():
        parser.error(
            "torch finds no CUDA device here; install a torch for CUDA, or give --device cpu to "
            "see that the script runs"
        )
    scale = scale_for(given.device, given.seconds)
    if given.device == "cuda":
        return 0 if report(scale) else 1
    # One thread: more wait for each other where others use the processors. And so small a network
    # may be emulated, so that every line of this script is run.
    torch.set_num_threads(1)
    with patch.object(engines, "_check_device", lambda *_: None):
        return 0 if report(scale) else 1


if __name__ == "__main__":
    sys.exit(main())
