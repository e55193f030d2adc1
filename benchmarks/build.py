"""Clips a second of `affectstore build` against the naive script, and the memory it takes: `python
-m benchmarks.build FOLDER`.

Both run as commands, on as many workers, in turn. The rate without start-up is the clips that a
larger run has more than a smaller one, over the time that it takes longer. The folder takes the
clips and the stores, about 1 GB; clips that are there already are used.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.clips import KINDS, make_clips
from benchmarks.naive import DETECTORS
from benchmarks.watched import Run, run

FEATURES = """
about = "What the naive script makes."
clips_per_shard = {clips_per_shard}

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
OURS = "affectstore"
LOOP = "fast-loop"
"""The naive script with the fast detector as it is mostly written: a plain loop, in one process
that may use every processor."""
WAYS = (*DETECTORS, LOOP)


@dataclass(frozen=True)
class Bench:
    folder: Path
    workers: int
    embed: bool

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
                self.recipe(),
            ]
        else:
            program = [
                "benchmarks.naive",
                source,
                self.fresh("naive"),
                "--detector",
                "fast" if way == LOOP else way,
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
        for path in make_clips(self.folder / "clips" / kind, kind, clips):
            if not (some / path.name).exists():
                (some / path.name).hardlink_to(path)
        return some

    def fresh(self, name: str) -> Path:
        shutil.rmtree(self.folder / name, ignore_errors=True)
        return self.folder / name

    def recipe(self) -> Path:
        path = self.folder / ("with-embedding.toml" if self.embed else "no-embedding.toml")
        text = FEATURES.format(clips_per_shard=4 if self.embed else 8)
        path.write_text(text + (EMBEDDING if self.embed else ""), encoding="utf-8")
        return path

    def sizes(self, way: str, kind: str) -> tuple[int, int]:
        """Clips of the smaller and of the larger run: enough that some ten seconds lie between, and
        the same number for each worker."""
        if way == OURS:
            few, many = (4, 16) if self.embed else (8, 200) if kind == "cremad" else (8, 40)
        else:
            few, many = (1, 3) if self.embed else (1, 4) if way == "haar" else (2, 10)
        return few * self.workers, many * self.workers

    def measure(self, way: str, kind: str) -> tuple[Run, Run]:
        few, many = (
            run(self.command(way, kind, clips), self.folder / f"{way}.log")
            for clips in self.sizes(way, kind)
        )
        return few, many


@dataclass(frozen=True)
class Rates:
    clips_per_s: float
    """Without start-up."""
    all_in_all: float
    """Clips/s of the larger run, start-up included."""
    start_s: float
    cpu_s: float
    """Processor time a clip, without start-up."""


def rates(done: Sequence[tuple[Run, Run]], few: int, many: int) -> Rates:
    short_s, long_s = (median(pair[i].seconds for pair in done) for i in (0, 1))
    short_cpu_s, long_cpu_s = (median(pair[i].cpu_s for pair in done) for i in (0, 1))
    rate = (many - few) / (long_s - short_s)
    return Rates(
        rate, many / long_s, short_s - few / rate, (long_cpu_s - short_cpu_s) / (many - few)
    )


def speed(bench: Bench, kinds: Sequence[str], ways: Sequence[str], rounds: int) -> None:
    what = "with ResNet-50" if bench.embed else "without embedding"
    print(
        f"{what}, {bench.workers} workers, median of {rounds} rounds; ratio: affectstore's "
        "clips/s without start-up to this way's"
    )
    print(
        f"{'':9} {'':12} {'clips/s':>8} {'ratio':>6} {'CPU s/clip':>10} {'ratio':>6} "
        f"{'start-up s':>10} {'clips/s with it':>15}"
    )
    for kind in kinds:
        runs: dict[str, list[tuple[Run, Run]]] = {way: [] for way in (*ways, OURS)}
        for _ in range(rounds):
            for way, done in runs.items():
                done.append(bench.measure(way, kind))
        found = {way: rates(done, *bench.sizes(way, kind)) for way, done in runs.items()}
        ours = found[OURS]
        for way, its in found.items():
            faster, cheaper = (
                f"{ours.clips_per_s / its.clips_per_s:.1f}x",
                f"{its.cpu_s / ours.cpu_s:.1f}x",
            )
            whole = f"{its.all_in_all:.2f} ({bench.sizes(way, kind)[1]})"
            print(
                f"{kind:9} {way:12} {its.clips_per_s:8.2f} {faster:>6} {its.cpu_s:10.3f} "
                f"{cheaper:>6} {its.start_s:10.1f} {whole:>15}",
                flush=True,
            )


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
        choices=WAYS,
        action="append",
        help="detector of the naive script, or fast-loop; default: all",
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
    else:
        speed(bench, args.kind or ["ravdess", "cremad", "meld"], args.naive or WAYS, args.rounds)


if __name__ == "__main__":
    main()
