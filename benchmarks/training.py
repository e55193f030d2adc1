"""What training takes: an epoch of each model on a GPU, or one full-size step on the processor.

    python -m benchmarks.training                        on CUDA, in under four minutes
    python -m benchmarks.training --device cpu --tiny    the same way, narrow and short
    python -m benchmarks.training --steps                one full-size step of each model on the
                                                         processor: its time and its memory

Features are random numbers of the size that the recipes give, in an HDF5 file. It needs torch,
NumPy and h5py and nothing else: the papers' modules also name what reads a store, prints tables and
draws figures, and for what is not needed here empty names stand in.
"""

import argparse
import importlib
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np

from benchmarks.stand_ins import stand_in_for_ours

_NEEDED = ("extractors.architecture", "extractors.network", "extractors.weights")
"""Of our own packages beside examples; they need NumPy and torch."""
CLASSES = 8
CLIPS = 1152
"""In an epoch: four fifths of RAVDESS."""
BUDGET_S = 200.0
"""Of all models together; one that needs longer is ended, and its epoch reckoned."""
SECONDS = 3.7
"""Of a clip, the mean of RAVDESS."""
STEPS = round(10 * SECONDS)
FRAMES = 90
PICTURE = (224, 224, 3)
FEATURES: dict[str, dict[str, tuple[int, ...]]] = {
    "donatus2026": {
        "audio_embedding": (STEPS, 2048),
        "mfcc_embedding": (STEPS, 2048),
        "face_embedding": (STEPS, 2048),
    },
    "tucker2025": {"logmel128_z": (256, 128), "frame_embedding": (FRAMES, 512)},
    "tcs2026": {"logmel64_z": (STEPS, 5, 64), "face_embedding": (STEPS, 512)},
    "kirar2024": {"conv5_3": (1, 7, 7, 2048), "selected": (1, 256)},
    "satvik2025": {"frames64": (22, 64, 64, 3), "mfcc_padded": (round(93.75 * SECONDS), 20)},
}
"""Recipe -> feature -> (rows, ...) of a clip as the model reads it."""
_SHORT = {STEPS: 4, FRAMES: 4}
"""Rows of a clip -> those of a tiny one."""
DEPTH = {"donatus2026": 50, "tucker2025": 18, "tcs2026": 18}
"""Of the networks that are trained end to end."""
END_TO_END = {
    "donatus2026": ("attention fusion", "attention fusion, one network"),
    "tucker2025": ("Tucker fusion",),
    "tcs2026": ("gated fusion with TCS",),
}


# Generated clips


class Generated:
    """Clips of random numbers in a file, read one by one; see `examples.plan.Clips`."""

    def __init__(
        self, path: Path, shapes: dict[str, tuple[int, ...]], count: int, distinct: int
    ) -> None:
        self.path, self.shapes, self.count, self.distinct = path, shapes, count, distinct
        self.classes, self.dropped = tuple(map(str, range(CLASSES))), dict[str, str]()
        self.file: Any = None
        rng = np.random.default_rng(0)
        with h5py.File(path, "w") as file:
            for name, shape in shapes.items():
                values = file.create_dataset(name, (distinct, *shape), _dtype(shape))
                for i in range(distinct):
                    values[i] = (
                        rng.integers(0, 256, shape, np.uint8)
                        if values.dtype == np.uint8
                        else rng.standard_normal(shape, np.float32)
                    )

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, i: int) -> Any:
        if self.file is None:
            self.file = h5py.File(self.path)
        return i, {name: self.file[name][i % self.distinct] for name in self.shapes}, i % CLASSES

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "file": None}

    def collate(self, items: Sequence[Any]) -> dict[str, Any]:
        values = {name: np.stack([one[name] for _, one, _ in items]) for name in self.shapes}
        return {
            "clip_ids": [str(i) for i, _, _ in items],
            "targets": np.array([label for _, _, label in items], np.int64),
            "values": values,
            "mask": {name: np.ones(one.shape[:2], np.bool_) for name, one in values.items()},
        }


def _dtype(shape: tuple[int, ...]) -> Any:
    return np.uint8 if shape[-1] == 3 else np.float32


# Models


@dataclass(frozen=True)
class Job:
    recipe: str
    model: str
    joint: bool
    trial: Any
    shapes: dict[str, tuple[int, ...]]

    @property
    def title(self) -> str:
        return f"{self.recipe}  {self.model}{', end to end' if self.joint else ''}"

    @property
    def examples(self) -> int:
        """In an epoch."""
        frames = next(iter(FEATURES[self.recipe].values()))[0]
        return CLIPS * frames if self.trial.rows else CLIPS


def jobs(tiny: bool) -> Iterator[Job]:
    """Every model of every recipe on its features, and end to end."""
    for recipe in FEATURES:
        paper = importlib.import_module(f"examples.{recipe}").PAPER
        for trial in paper.trials(paper.small if tiny else paper.settings):
            if missing := [name for name in trial.features if name not in FEATURES[recipe]]:
                raise LookupError(f"{recipe} {trial.name!r} reads {missing}; add it to FEATURES")
            shapes = {name: FEATURES[recipe][name] for name in trial.features}
            if tiny:
                shapes = {name: (_SHORT.get(n, n), *more) for name, (n, *more) in shapes.items()}
            if trial.rows:
                shapes = {name: (1, *shape[1:]) for name, shape in shapes.items()}
            yield Job(recipe, trial.name, False, trial, shapes)
            if trial.name in END_TO_END.get(recipe, ()):
                yield _end_to_end(recipe, trial, shapes, tiny)


def chosen(only: str, tiny: bool) -> list[Job]:
    """The models whose title holds a text; NotReady, with all titles, where none does."""
    from examples.not_ready import NotReady

    every = list(jobs(tiny))
    found = [job for job in every if only in job.title]
    if not found:
        titles = "; ".join(job.title for job in every)
        raise NotReady(
            f"--only: no model's line holds {only!r}, expected a part of one of: {titles}"
        )
    return found


def _end_to_end(recipe: str, trial: Any, shapes: dict[str, tuple[int, ...]], tiny: bool) -> Job:
    from examples.joint import Backbone, JointSettings, end_to_end

    depth, side = (18, (32, 32, 3)) if tiny else (DEPTH[recipe], PICTURE)
    # What a ResNet of the recipe says of itself, with random weights.
    encoder: Any = SimpleNamespace(depth=depth, weights="random", seed=0)
    backbones = {
        name: Backbone(encoder, None, 0.0, None) for name in shapes if name.endswith("embedding")
    }
    pixels = {name: (shapes[name][0], *side) for name in backbones}
    whole = end_to_end(trial, backbones, JointSettings())
    return Job(recipe, trial.name, True, whole, {**shapes, **pixels})


@dataclass
class Found:
    """Of one model."""

    parameters: int
    seconds: float
    """Of an epoch, or of a step."""
    steps: int
    of: int
    """Steps in an epoch."""
    share: float | None = None
    """Of the time in which the GPU worked."""


def train(job: Job, device: Any, folder: Path, budget_s: float, count: int | None = None) -> Found:
    """Trains for an epoch of `count` clips, or as far as the time reaches."""
    from examples import loop

    trial, whole = job.trial, count or job.examples
    clips = Generated(folder / "features.h5", job.shapes, whole, min(whole, 8 if job.joint else 64))
    course: Any = loop._Course(trial, clips, clips, None, 0, device)
    course.model.train()
    parameters = sum(one.numel() for one in course.model.parameters())
    size, done, warm = trial.fitting.batch, 0, time.monotonic()
    load: Sampler | None = None
    began = warm
    for batch in loop.tensors(clips, clips, size, course.shuffle, device):
        course.step(batch, loop.Tally())
        done += 1
        if done == 1 and whole > size and device.at.type == "cuda":
            # The first step chooses algorithms and fills the loaders.
            load, began, done = Sampler(), time.monotonic(), 0
            warm = began
        if time.monotonic() - warm > budget_s:
            break
    seconds, steps = time.monotonic() - began, -(-whole // size)
    share = load.end() if load else None
    return Found(parameters, seconds * steps / max(done, 1), done, steps, share)


class Sampler:
    """What nvidia-smi says of the GPU, several times a second: the share of the time in which it
    did anything."""

    def __init__(self) -> None:
        command = shutil.which("nvidia-smi")
        query = ["--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "200"]
        self.process = (
            subprocess.Popen([command, "-i", "0", *query], stdout=subprocess.PIPE, text=True)
            if command
            else None
        )

    def end(self) -> float | None:
        """The mean so far; None where nothing was said."""
        if self.process is None:
            return None
        self.process.terminate()
        words = self.process.communicate()[0].split()
        values = [float(word) for word in words if word.isdecimal()]
        return sum(values) / len(values) / 100 if values else None


# Commands


def epochs(device: Any, work: Sequence[Job], tiny: bool) -> None:
    """Prints a line for each model."""
    begun = time.monotonic()
    print(f"{len(work)} models on {device.title}; an epoch is {CLIPS:,} clips")
    print(f"{'model':64s} {'parameters':>12s} {'s an epoch':>11s} {'steps':>12s} {'GPU works':>9s}")
    for number, job in enumerate(work):
        left = (BUDGET_S - (time.monotonic() - begun)) / (len(work) - number)
        with tempfile.TemporaryDirectory() as folder:
            found = train(job, device, Path(folder), left, 4 if tiny else None)
        share = "" if found.share is None else f"{found.share:.0%}"
        steps = f"{found.steps} of {found.of}"
        print(
            f"{job.title:64s} {found.parameters:12,d} {found.seconds:11.2f} {steps:>12s} "
            f"{share:>9s}",
            flush=True,
        )
    print(f"{time.monotonic() - begun:.0f} s in all")


def steps(work: Sequence[Job], tiny: bool) -> None:
    """Prints time and memory of one full-size step of each model, each in its own process."""
    print(f"{'one step of':64s} {'examples':>8s} {'seconds':>8s} {'peak GB':>8s}")
    for job in work:
        command = [sys.executable, "-m", "benchmarks.training", "--one", job.title]
        done = subprocess.run(
            [*command, *(["--tiny"] if tiny else [])], stdout=subprocess.PIPE, check=True, text=True
        )
        found = json.loads(done.stdout.splitlines()[-1])
        print(
            f"{job.title:64s} {job.trial.fitting.batch:8d} {found['seconds']:8.1f} "
            f"{found['peak_gb']:8.2f}",
            flush=True,
        )


def one(title: str, tiny: bool) -> None:
    from examples.device import choose

    job = next(job for job in jobs(tiny) if job.title == title)
    with tempfile.TemporaryDirectory() as folder:
        found = train(job, choose("cpu"), Path(folder), 0.0, job.trial.fitting.batch)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": found.seconds, "peak_gb": peak / 1e9}))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--bf16", action="store_true", help="matrix products in bfloat16")
    parser.add_argument("--tiny", action="store_true", help="narrow models, a few clips")
    parser.add_argument("--steps", action="store_true", help="one full-size step on the processor")
    parser.add_argument("--only", default="", help="the models whose line holds this")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.device == "cpu" and not (given.tiny or given.steps or given.one):
        parser.error(
            "an epoch of the full models takes a processor hours; give --tiny for narrow ones, or "
            "--steps for one step of each"
        )
    if given.steps and given.bf16:
        parser.error("--steps measures in float32; leave --bf16 out, or --steps")
    stand_in_for_ours(_NEEDED)
    if given.one:
        one(given.one, given.tiny)
        return
    from examples.not_ready import NotReady

    try:
        _measure(given)
    except NotReady as error:
        parser.error(str(error))


def _measure(given: argparse.Namespace) -> None:
    from examples.device import choose

    work = chosen(given.only, given.tiny)
    if given.steps:
        steps(work, given.tiny)
        return
    device = choose(given.device, threads=1 if given.tiny else None)
    epochs(replace(device, bf16=given.bf16), work, given.tiny)


if __name__ == "__main__":
    main()
