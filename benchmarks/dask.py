"""Two workers against one, as processes and on Dask, and what scheduling costs: `python -m
benchmarks.dask FOLDER`.

Throughput: clips/s of `affectstore build` without start-up, as in `benchmarks.build`: the clips
that a larger run has more than a smaller one, over the time that it takes longer. All ways run in
turn, several times; ratios are of medians.

Scheduling: the command builds many clips, and every worker notes when it begins and ends a shard,
or a piece of one. What is not shard work is given in parts; see `Shares`.

The folder takes the clips and the stores; clips that are there already are used.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import astuple, dataclass
from pathlib import Path
from statistics import median

from benchmarks.build import Bench, row
from benchmarks.clips import KINDS
from benchmarks.timed import spans
from benchmarks.watched import Run, run

_CLIPS_PER_SHARD = 32
"""Of a build whose scheduling is measured: what recipes have where they do not say."""


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
    """A smaller and a larger run, with the same number of clips for each worker whatever the
    way."""
    bench = Bench(folder, way.workers, embed)

    def timed(clips: int) -> Run:
        command = bench.command("affectstore", kind, clips)
        return run(
            [*command[: command.index("--workers")], way.option, way.value],
            folder / f"{way.option[2:]}.log",
        )

    few, many = bench.sizes(kind)
    return timed(few), timed(many)


def throughput(folder: Path, kind: str, embed: bool, rounds: int, ways: Sequence[Way]) -> None:
    runs: dict[Way, list[tuple[Run, Run]]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, done in runs.items():
            done.append(measure(folder, way, kind, embed))
    found = {
        way: row(kind, way.name, done, Bench(folder, way.workers, embed).sizes(kind))
        for way, done in runs.items()
    }
    print(
        f"{kind} clips, {'with' if embed else 'without'} ResNet-50, median of {rounds} rounds; "
        "ratio: to one worker of the same way"
    )
    print(f"{'':16} {'clips/s':>8} {'ratio':>6} {'start-up s':>10}")
    for way, its in found.items():
        ratio = (
            f"{its.middle / found[one].middle:5.2f}x"
            if (one := Way(way.option, 1)) in found
            else ""
        )
        print(f"{way.name:16} {its.middle:8.2f} {ratio:>6} {median(its.start_s):10.1f}")


@dataclass(frozen=True)
class Shares:
    """Of one build, in seconds."""

    start: float
    """Of the command: imports, and the run on the server where there is one."""
    begin: float
    """Of the flow, until the first shard: names, headers, the plan, the workers' start."""
    work: float
    """What all workers together spent in shards, over the number of workers."""
    wait: float
    """What they spent outside of shards, from the first shard's begin to the last one's end."""
    end: float
    """The commit, and the end of the flow."""
    leave: float
    """From there to the end of the command: what it prints, and the end of the run on a server."""

    @property
    def of_flow(self) -> float:
        """All but shard work, as a share of the flow."""
        other = self.begin + self.wait + self.end
        return other / (other + self.work)

    @property
    def of_command(self) -> float:
        other = self.start + self.begin + self.wait + self.end + self.leave
        return other / (other + self.work)


def schedule(folder: Path, way: Way, kind: str, embed: bool, clips: int) -> Shares:
    """One build, whose workers note when they work."""
    bench = Bench(folder, way.workers, embed)
    source, recipe, store, times = (
        bench.source(kind, clips),
        bench.recipe(kind),
        bench.fresh("store"),
        bench.fresh("times"),
    )
    times.mkdir()
    build: list[str | Path] = [
        sys.executable,
        "-m",
        "benchmarks.timed",
        times,
        "build",
        store,
        "--corpus",
        f"folder={source}",
    ]
    how: list[str | Path] = [
        "--recipe",
        recipe,
        "--set",
        f"clips_per_shard={_CLIPS_PER_SHARD}",
        way.option,
        way.value,
    ]
    begun = time.time()
    run([*build, *how], folder / "scheduling.log")
    ended = time.time()
    found = spans(times)
    ((flow, done),) = found["flow"]
    first, last = min(span[0] for span in found["work"]), max(span[1] for span in found["work"])
    work = sum(span[1] - span[0] for span in found["work"]) / way.workers
    return Shares(flow - begun, first - flow, work, last - first - work, done - last, ended - done)


def scheduling(
    folder: Path, kind: str, embed: bool, clips: int, rounds: int, ways: Sequence[Way], server: bool
) -> None:
    found: dict[Way, list[Shares]] = {way: [] for way in ways}
    with _server(folder) if server else nullcontext():
        for _ in range(rounds):
            for way, its in found.items():
                its.append(schedule(folder, way, kind, embed, clips))
    what = f"{clips} {kind} clips {'with' if embed else 'without'} ResNet-50"
    print(
        f"a build of {what}, {'on a running' if server else 'without a'} Prefect server, "
        f"seconds, median of {rounds} rounds"
    )
    heads = "".join(f"{name:>8}" for name in ("start", "begin", "work", "wait", "end", "leave"))
    print(f"{'':14}{heads}   not shard work: of the flow, of the command")
    for way, its in found.items():
        columns = zip(*(astuple(one) for one in its), strict=True)
        seconds = "".join(f"{median(column):8.2f}" for column in columns)
        flow, command = (
            median(getattr(one, name) for one in its) for name in ("of_flow", "of_command")
        )
        print(f"{way.name:14}{seconds} {flow:28.1%} {command:13.1%}")


@contextmanager
def _server(folder: Path) -> Iterator[None]:
    """A Prefect server for all that is run."""
    from flows.local_server import local_server

    home = folder / "prefect"
    home.mkdir(parents=True, exist_ok=True)
    os.environ["PREFECT_HOME"] = str(home.absolute())
    with local_server() as url:
        os.environ["PREFECT_API_URL"] = url
        yield
        del os.environ["PREFECT_API_URL"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kind", choices=KINDS, default="cremad")
    parser.add_argument(
        "--clips", type=int, default=500, help="of the build whose scheduling is measured"
    )
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--embed", action="store_true", help="encode the crops with ResNet-50 too")
    parser.add_argument("--only", choices=["throughput", "scheduling"])
    parser.add_argument(
        "--server",
        action="store_true",
        help="measure scheduling on a Prefect server that runs already",
    )
    parser.add_argument(
        "--way", choices=[way.name for way in WAYS], action="append", help="default: all of them"
    )
    args = parser.parse_args()
    ways = [way for way in WAYS if not args.way or way.name in args.way]
    args.folder.mkdir(parents=True, exist_ok=True)
    if args.only != "scheduling":
        throughput(args.folder, args.kind, args.embed, args.rounds, ways)
    if args.only != "throughput":
        scheduling(args.folder, args.kind, args.embed, args.clips, args.rounds, ways, args.server)


if __name__ == "__main__":
    main()
