"""Clips a second of `affectstore build` against the naive script, and the memory it takes: `python
-m benchmarks.build FOLDER`.

Both run as commands, on as many workers, in turn. The rate without start-up is the clips that a
larger run has more than a smaller one, over the time that it takes longer; the rest of that time is
start-up. The folder takes the clips and the stores, about 1 GB; clips that are there already are
used.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.clips import KINDS, REAL, TITLES, copy_clips, make_clips
from benchmarks.rows import OURS, Row, Setting, in_turn, table
from benchmarks.watched import Run, run
from stores import FeatureStore

FEATURES = """
about = "What the naive script makes."

[features.audio]
extractor = "audio"

[features.mfcc]
extractor = "mfcc"

[features.logmel64]
extractor = "logmel"
n_mels = 64

[features.logmel128]
extractor = "logmel"
n_mels = 128

[features.frames]
extractor = "frames"
fps = 10.0

[features.faces]
extractor = "faces"

[features.crops]
extractor = "crops"
"""
EMBEDDING = """
[features.resnet50]
extractor = "resnet"
input = "crops"
depth = 50
weights = "random"
seed = 0
"""
LOOP = "fast-loop"
"""The naive script with the fast detector as it is mostly written: a plain loop, in one process
that may use every processor."""
OTHERS = {
    "haar": ("naive script, Haar", "--detector haar"),
    "haar-coarse": ("naive script, coarse Haar", "--detector haar-coarse"),
    "fast": ("naive script, BlazeFace", "--detector fast"),
    "far": ("the same, far faces too", "--detector far"),
    LOOP: ("the same as a plain loop", "--detector fast"),
    "datasets": ("the same in datasets' map", "--detector fast --map"),
    "torchcodec": ("the same with torchcodec", "--detector fast --frames torchcodec"),
}
"""Title of a way, and the options of `benchmarks.naive`."""
NAIVE = ("haar", "haar-coarse", "fast", LOOP)
SIZES = {"ravdess": (3, 11), "meld": (3, 15), "small": (8, 48), "cremad": (8, 72), REAL: (8, 64)}
"""Clips of the smaller and of the larger run for each worker. Every worker has work in the smaller
one, so that its start is no part of the difference, which takes some five seconds."""
CLIPS_PER_SHARD = {"ravdess": 8, "meld": 8}
"""So that of few clips most lie in whole shards, as in a large build; else what recipes have."""
ROUNDS = 3
"""At least, where the setting has so many."""
PEERS = ("datasets", "torchcodec")
SHOWN = ("ravdess", "meld", "cremad", REAL)
ONCE = {
    **{("haar", kind): clips for kind, clips in (("ravdess", 2), ("meld", 2), ("cremad", 5))},
    ("haar", REAL): 5,
    ("haar", "small"): 3,
    ("far", "meld"): 6,
}
"""Ways that have one run of a kind, and its clips for each worker; start-up is that of the script
with its fast detector."""


@dataclass(frozen=True)
class Bench:
    folder: Path
    workers: int
    embed: bool
    real: Path | None = None
    """Where real CREMA-D clips lie."""
    share: float = 1.0
    """Of the larger run's clips; 0 for one more than the smaller one has."""

    def command(self, way: str, kind: str, clips: int) -> list[str | Path]:
        source = self.source(kind, clips)
        if way == OURS:
            program: list[str | Path] = [
                "flows",
                "build",
                self.fresh("store"),
                "--corpus",
                f"folder={source}",
                "--recipe",
                self.recipe(kind),
            ]
        else:
            program = [
                "benchmarks.naive",
                source,
                self.fresh("naive"),
                *OTHERS[way][1].split(),
            ]
            program += ["--embed"] if self.embed else []
        return [
            sys.executable,
            "-m",
            *program,
            "--workers",
            str(1 if way == LOOP else self.workers),
        ]

    def source(self, kind: str, clips: int) -> Path:
        """A folder with the first so many clips of a kind."""
        some = self.folder / "clips" / f"{kind}-first-{clips}"
        some.mkdir(parents=True, exist_ok=True)
        for path in self.clips(kind, clips):
            if not (some / path.name).exists():
                (some / path.name).hardlink_to(path)
        return some

    def clips(self, kind: str, count: int) -> list[Path]:
        whole = self.folder / "clips" / kind
        if kind != REAL:
            return make_clips(whole, kind, count)
        if self.real is None:
            raise ValueError("no clips given")
        return copy_clips(whole, self.real, count)

    def fresh(self, name: str) -> Path:
        shutil.rmtree(self.folder / name, ignore_errors=True)
        return self.folder / name

    def recipe(self, kind: str) -> Path:
        path = self.folder / ("with-embedding.toml" if self.embed else "no-embedding.toml")
        shards = f"clips_per_shard = {4 if self.embed else CLIPS_PER_SHARD.get(kind, 32)}\n"
        text = shards + FEATURES + (EMBEDDING if self.embed else "")
        path.write_text(text, encoding="utf-8")
        return path

    def sizes(self, kind: str) -> tuple[int, int]:
        """Clips of the smaller and of the larger run: the same for every way, and for each
        worker."""
        few, many = (2, 6) if self.embed else SIZES[kind]
        return few * self.workers, max(few + 1, round(many * self.share)) * self.workers

    def timed(self, way: str, kind: str, clips: int) -> Run:
        return run(self.command(way, kind, clips), self.folder / f"{way}.log")

    def measure(self, way: str, kind: str) -> tuple[Run, Run]:
        few, many = (self.timed(way, kind, clips) for clips in self.sizes(kind))
        return few, many

    def faces(self, way: str) -> str:
        """How many faces a clip the last run of a way has kept: what more it found, it paid for."""
        if way == OURS:
            found = [
                track.valid.sum() for track in FeatureStore(self.folder / "store")["faces"].values()
            ]
        else:
            kept = (self.folder / "naive").glob("*.crops.npy")
            found = [len(np.load(path, mmap_mode="r")) for path in kept]
        return f"{np.mean(found):.1f} faces a clip" if found else ""


def table_of(kind: str) -> str:
    """The name of a table of rows."""
    return f"build, {TITLES[kind]}"


def title(way: str) -> str:
    return OURS if way == OURS else OTHERS[way][0]


def row(what: str, name: str, done: Sequence[tuple[Run, Run]], sizes: tuple[int, int]) -> Row:
    """Of the smaller and the larger run of each round."""
    few, many = sizes
    cores = os.cpu_count() or 1
    longer = [long.seconds - short.seconds for short, long in done]
    if min(longer) <= 0:
        return Row(what, name, "clips/s", clips=many, note="too few clips to tell")
    return Row(
        what,
        name,
        "clips/s",
        tuple((many - few) / seconds for seconds in longer),
        clips=many,
        wall_s=tuple(long.seconds for _, long in done),
        start_s=tuple(
            short.seconds - few * seconds / (many - few)
            for (short, _), seconds in zip(done, longer, strict=True)
        ),
        cpu_s=tuple((long.cpu_s - short.cpu_s) / (many - few) for short, long in done),
        busy=tuple(long.cpu_s / cores / long.seconds for _, long in done),
    )


def compare(bench: Bench, kind: str, ways: Sequence[str], setting: Setting) -> list[Row]:
    """A row of the product and of each naive script, in turn."""
    name, sizes = table_of(kind), bench.sizes(kind)

    faces: dict[str, str] = {}

    def both_runs(way: str) -> tuple[Run, Run]:
        setting.say(f"{name}: {title(way)}, {sizes[0]} and {sizes[1]} clips")
        done = bench.measure(way, kind)
        faces[way] = bench.faces(way)
        return done

    runs = in_turn({way: partial(both_runs, way) for way in (OURS, *ways)}, setting, ROUNDS)
    rows = [(way, row(name, title(way), done, sizes)) for way, done in runs.items()]
    return [replace(one, note=one.note or faces[way]) for way, one in rows]


def once(bench: Bench, way: str, kind: str, other: Row, setting: Setting) -> Row:
    """A row of a naive script from one run, where it is so much slower that no second one is
    needed, or beside the point."""
    clips, name = ONCE[way, kind] * bench.workers, table_of(kind)
    setting.say(f"{name}: {title(way)}, {clips} clips, once")
    done = bench.timed(way, kind, clips)
    work_s = done.seconds - (median(other.start_s) if other.start_s else 0.0)
    note = f"one run; start-up is that of BlazeFace's; {bench.faces(way)}"
    return Row(name, title(way), "clips/s", (clips / work_s,), clips=clips, note=note)


def measure(kind: str, setting: Setting) -> list[Row]:
    """A part of the bench: clips that are made, or real ones where they are given."""
    if kind == REAL and setting.clips is None:
        return [Row(table_of(kind), OURS, "clips/s", note="no clips given")]
    share = 0.0 if setting.dry else 0.5 if setting.quick else 1.0
    bench = Bench(setting.folder, setting.workers, False, setting.clips, share)
    rows = compare(bench, kind, ["fast"], setting)
    if setting.quick:
        return rows
    others = [way for way, of in ONCE if of == kind]
    return [*rows, *(once(bench, way, kind, rows[-1], setting) for way in others)]


def measure_peers(setting: Setting) -> list[Row]:
    """Another part: the naive script in the hands of tools that spread, keep or decode for it."""
    bench = Bench(setting.folder, setting.workers, False, share=0.0 if setting.dry else 0.5)
    found = {way: imports(way) for way in PEERS}
    rows = compare(
        bench,
        "cremad",
        [way for way, error in found.items() if not error],
        replace(setting, rounds=min(2, setting.rounds)),
    )
    name = f"peers, {TITLES['cremad']}"
    left_out = [Row(name, title(way), "", note=error) for way, error in found.items() if error]
    return [*(replace(one, what=name) for one in rows), *left_out]


def imports(package: str) -> str:
    """Empty where a package can be imported, else why it cannot."""
    if find_spec(package) is None:
        return "not installed"
    done = subprocess.run(
        [sys.executable, "-c", f"import {package}"], capture_output=True, text=True, check=False
    )
    lines = done.stderr.strip().splitlines()
    why = re.sub(r":? ?/\S+", "", lines[-1])[:60] if lines else ""  # places of this machine
    return f"does not import: {why}" if done.returncode else ""


def memory(bench: Bench) -> None:
    print(f"peak memory of a process in MB, {bench.workers} workers")
    print(f"{'':9} {'clips':>5} {'main':>6} {'worker':>6} {'other':>6} {'seconds':>8}")
    for kind, clips in (("ravdess", 16), ("meld", 16), ("small", 50), ("small", 500)):
        watched = run(bench.command(OURS, kind, clips), bench.folder / "memory.log")
        peaks = " ".join(
            f"{watched.peak_mb.get(part, 0):6.0f}" for part in ("main", "worker", "other")
        )
        print(f"{kind:9} {clips:5} {peaks} {watched.seconds:8.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--kind", choices=KINDS, action="append", help="default: ravdess, cremad and meld"
    )
    parser.add_argument(
        "--naive",
        choices=OTHERS,
        action="append",
        help="a detector of the naive script or another form of it; default: all detectors and "
        "the plain loop",
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--embed", action="store_true", help="encode the crops with ResNet-50 too")
    parser.add_argument("--memory", action="store_true", help="measure memory instead of speed")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    bench = Bench(args.folder, args.workers, args.embed)
    if args.memory:
        memory(bench)
        return
    for kind in args.kind or ["ravdess", "cremad", "meld"]:
        setting = Setting(args.folder, args.workers, args.rounds, say=lambda line: None)
        rows = compare(bench, kind, args.naive or NAIVE, setting)
        print(*table(rows), sep="\n", flush=True)


if __name__ == "__main__":
    main()
