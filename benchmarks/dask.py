"""Two workers against one, as processes and on Dask, and what scheduling costs: `python -m benchmarks.dask FOLDER`.

Throughput: clips/s of `affectstore build` without start-up, as in `benchmarks.build`: the clips that a larger run has more than a smaller
one, over the time that it takes longer. All ways run in turn, several times; ratios are of medians.

Scheduling: builds of many clips on one engine, in which every worker writes down when it begins and ends a shard. What is not shard work
is told in parts: the time until the first shard, the waiting of workers between shards, and the end. The folder takes the clips and the
stores; clips that are there already are used.
"""

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.build import Bench, Rates, rates
from benchmarks.clips import KINDS
from benchmarks.watched import Run, run
from extractors.base import Runtime
from flows.shards import ShardTask, build_shards
from stores.records import ShardRecord

_LOG = "AFFECTSTORE_SHARD_LOG"
_CLIPS_PER_SHARD = 8


@dataclass(frozen=True)
class Way:
    option: str
    """Of the command: `--workers` or `--dask`."""
    workers: int

    @property
    def name(self) -> str:
        return f"{self.option} {self.value}"

    @property
    def value(self) -> str:
        return str(self.workers) if self.option == "--workers" else f"local:{self.workers}"


WAYS = [Way(option, workers) for option in ("--workers", "--dask") for workers in (1, 2)]


def measure(folder: Path, way: Way, kind: str, embed: bool) -> tuple[Run, Run]:
    """A smaller and a larger run, with the same number of clips for each worker whatever the way."""
    bench = Bench(folder, way.workers, embed)

    def timed(clips: int) -> Run:
        command = bench.command("affectstore", kind, clips)
        return run([*command[: command.index("--workers")], way.option, way.value], folder / f"{way.option[2:]}.log")

    few, many = bench.sizes("affectstore", kind)
    return timed(few), timed(many)


def throughput(folder: Path, kind: str, embed: bool, rounds: int, ways: Sequence[Way]) -> None:
    runs: dict[Way, list[tuple[Run, Run]]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, done in runs.items():
            done.append(measure(folder, way, kind, embed))
    found = {way: _rates(folder, way, kind, embed, done) for way, done in runs.items()}
    print(f"{kind} clips, {'with' if embed else 'without'} ResNet-50, median of {rounds} rounds; ratio: to one worker of the same way")
    print(f"{'':16} {'clips/s':>8} {'ratio':>6} {'start-up s':>10}")
    for way, its in found.items():
        ratio = f"{its.clips_per_s / found[one].clips_per_s:5.2f}x" if (one := Way(way.option, 1)) in found else ""
        print(f"{way.name:16} {its.clips_per_s:8.2f} {ratio:>6} {its.start_s:10.1f}")


def _rates(folder: Path, way: Way, kind: str, embed: bool, done: Sequence[tuple[Run, Run]]) -> Rates:
    return rates(done, *Bench(folder, way.workers, embed).sizes("affectstore", kind))


def timed_build(task: ShardTask, runtime: Runtime) -> dict[str, ShardRecord]:
    """`build_shards`, in a worker, which writes down when it began and ended."""
    begun = time.time()
    records = build_shards(task, runtime)
    with (Path(os.environ[_LOG]) / str(os.getpid())).open("a") as log:
        log.write(f"{begun} {time.time()}\n")
    return records


@dataclass(frozen=True)
class Shares:
    """Of one build, in seconds."""

    begin: float
    """Until the first shard: names, headers, the plan, the workers' start."""
    build: float
    """From the first shard's begin to the last one's end."""
    work: float
    """Of that, what all workers together spent in shards, over the number of workers."""
    end: float

    @property
    def overhead(self) -> float:
        """All but shard work, as a share of the build."""
        whole = self.begin + self.build + self.end
        return (whole - self.work) / whole


def schedule(folder: Path, way: Way, kind: str, embed: bool, clips: int) -> Shares:
    """One build in this process, whose workers run `timed_build`."""
    from flows.run import run_build

    bench = Bench(folder, way.workers, embed)
    source, recipe, store, log = bench.source(kind, clips), bench.recipe(), bench.fresh("store"), bench.fresh("log")
    log.mkdir()
    os.environ[_LOG] = str(log)
    per_shard = f"clips_per_shard={_CLIPS_PER_SHARD if embed else 4 * _CLIPS_PER_SHARD}"
    workers, dask = (way.workers, None) if way.option == "--workers" else (None, way.value)
    begun = time.time()
    run_build(store, {"folder": source}, str(recipe), (per_shard,), workers, dask)
    ended = time.time()
    spans = [tuple(map(float, line.split())) for part in log.iterdir() for line in part.read_text().splitlines()]
    first, last = min(span[0] for span in spans), max(span[1] for span in spans)
    return Shares(first - begun, last - first, sum(span[1] - span[0] for span in spans) / way.workers, ended - last)


def scheduling(folder: Path, kind: str, embed: bool, clips: int, rounds: int, ways: Sequence[Way]) -> None:
    from benchmarks.dask import timed_build as named  # under the name by which a worker finds it
    from flows import guard
    from flows.engine import engine

    vars(guard)["build_shards"] = named
    found: dict[Way, list[Shares]] = {way: [] for way in ways}
    with engine():
        for _ in range(rounds):
            for way, its in found.items():
                its.append(schedule(folder, way, kind, embed, clips))
    print(f"a build of {clips} {kind} clips {'with' if embed else 'without'} ResNet-50, seconds, median of {rounds} rounds")
    print(f"{'':16} {'begin':>7} {'shards':>7} {'waiting':>7} {'end':>7} {'not shard work':>15}")
    for way, its in found.items():
        columns = [[one.begin, one.work, one.build - one.work, one.end] for one in its]
        seconds = " ".join(f"{median(column):7.2f}" for column in zip(*columns, strict=True))
        print(f"{way.name:16} {seconds} {median(one.overhead for one in its):14.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kind", choices=KINDS, default="cremad")
    parser.add_argument("--clips", type=int, default=500, help="of the build whose scheduling is measured")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--embed", action="store_true", help="encode the crops with ResNet-50 too")
    parser.add_argument("--only", choices=["throughput", "scheduling"])
    parser.add_argument("--way", choices=[way.name for way in WAYS], action="append", help="default: all of them")
    args = parser.parse_args()
    ways = [way for way in WAYS if not args.way or way.name in args.way]
    args.folder.mkdir(parents=True, exist_ok=True)
    if args.only != "scheduling":
        throughput(args.folder, args.kind, args.embed, args.rounds, ways)
    if args.only != "throughput":
        scheduling(args.folder, args.kind, args.embed, args.clips, args.rounds, ways)


if __name__ == "__main__":
    main()
