"""How cost grows: with clips, with their length, with frames a second, with workers; and what a
million clips take: `python -m benchmarks.scale FOLDER`.

Builds run as commands, start-up included. Told is the processor time of all processes of a command,
which other work on the machine changes little; a straight line is fitted to it: `each` is its
slope, `start-up` where it begins, `off the line` the greatest distance of a point from it. Two
workers are compared with one by the clock, without start-up (clips that a larger run has more than
a smaller one, over the time that it takes longer): nothing else may run then, which `cores` tells,
the processors that two workers had. The rows of the million are made up, see `benchmarks.planning`.

`--charts DIR` draws one chart for each table; the pages of this project have theirs in
docs/performance.
"""

import argparse
import re
import shutil
import sys
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.clips import make_clips
from benchmarks.watched import Run, run

SOUND = """
about = "Sound alone."
clips_per_shard = {shard}

[features.audio]
extractor = "audio"

[features.mfcc]
extractor = "mfcc"

[features.logmel64]
extractor = "logmel"
n_mels = 64
"""
PICTURES = """
about = "Faces."
clips_per_shard = {shard}

[features.frames]
extractor = "frames"
fps = {fps}

[features.faces]
extractor = "faces"

[features.crops]
extractor = "crops"
"""
RATE_HZ = 16000
TIMES = re.compile(r"^ +(\S.*?) +([\d.]+) s +([\d.]+) s of processor time$")
PEAK = re.compile(r"^ +peak memory of the process (\d+) MB$")
Point = tuple[float, Run]


@dataclass(frozen=True)
class Sizes:
    """How much is built."""

    clips: Sequence[int]
    seconds: Sequence[int]
    fps: Sequence[float]
    sound: tuple[int, int]
    """Clips with which workers are compared: few, for start-up, and many."""
    pictures: tuple[int, int]
    million: int


FULL = Sizes((250, 500, 1000, 2000), (2, 4, 8, 16), (2.5, 5, 10, 20), (100, 1500), (8, 80), 10**6)
QUICK = Sizes((100, 200, 400), (2, 4, 8), (5, 10, 20), (50, 250), (4, 24), 100_000)
DRY = Sizes((2, 4), (1, 2), (5, 10), (2, 4), (1, 2), 500)


@dataclass(frozen=True)
class Line:
    """A straight line through points."""

    x: Sequence[float]
    y: Sequence[float]

    @cached_property
    def _fit(self) -> NDArray[np.float64]:
        return np.polynomial.Polynomial.fit(self.x, self.y, 1).convert().coef

    @property
    def start(self) -> float:
        return float(self._fit[0])

    @property
    def each(self) -> float:
        return float(self._fit[1])

    @property
    def off(self) -> float:
        """The greatest distance of a point from the line, as a share of it."""
        fitted = self.start + self.each * np.array(self.x)
        return float(np.abs(np.array(self.y) / fitted - 1).max())


def sound(folder: Path, count: int, seconds: float) -> Path:
    """A folder of so many tones in noise, each another file."""
    folder.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    for number in range(count):
        path = folder / f"tone-{number:05d}.wav"
        if path.exists():
            continue
        noise = np.random.default_rng(number).normal(0, 0.02, len(time))
        samples = 0.4 * np.sin(2 * np.pi * (110 + number % 200) * time) + noise
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE_HZ)
            file.writeframes(np.rint(samples * 32767).astype("<i2").tobytes())
    return folder


@dataclass(frozen=True)
class Builder:
    """Builds stores below a folder."""

    root: Path

    def sound(self, count: int, seconds: float, workers: int) -> Run:
        name = f"sound-{count}-{seconds:g}"
        shard = max(1, min(128, count // (4 * workers)))
        source = sound(self.root / name, count, seconds)
        return self.build(source, SOUND.format(shard=shard), workers)

    def pictures(self, count: int, fps: float, workers: int) -> Run:
        source = self.root / f"small-{count}"
        source.mkdir(exist_ok=True)
        for path in make_clips(self.root / "small", "small", count):
            if not (source / path.name).exists():
                (source / path.name).hardlink_to(path)
        shard = max(1, min(16, count // (4 * workers)))
        return self.build(source, PICTURES.format(shard=shard, fps=fps), workers)

    def build(self, source: Path, recipe: str, workers: int) -> Run:
        store, written = self.root / "store", self.root / "recipe.toml"
        shutil.rmtree(store, ignore_errors=True)
        written.write_text(recipe, encoding="utf-8")
        command = [sys.executable, "-m", "flows", "build", store, "--recipe", written]
        options = ["--corpus", f"folder={source}", "--workers", str(workers)]
        return run([*command, *options], self.root / "build.log")


def chart(
    path: Path, axes: tuple[str, str], points: Mapping[str, Sequence[tuple[float, float]]]
) -> None:
    """Points, and the straight line through each series."""
    figure = Figure(figsize=(5.2, 2.8), layout="constrained")
    axis = figure.subplots()
    for label, series in points.items():
        x, y = (np.array(column) for column in zip(*series, strict=True))
        line = Line(x.tolist(), y.tolist())
        ends = np.array([0, x.max()])
        (dots,) = axis.plot(x, y, "o", label=label)
        axis.plot(ends, line.start + line.each * ends, color=dots.get_color(), linewidth=1)
    axis.set(xlabel=axes[0], ylabel=axes[1], xlim=(0, None), ylim=(0, None))
    _save(figure, path, len(points) > 1)


def bars(path: Path, axes: tuple[str, str], groups: Mapping[str, Mapping[str, float]]) -> None:
    """Bars side by side: group -> bar -> height."""
    figure = Figure(figsize=(5.2, 2.8), layout="constrained")
    axis = figure.subplots()
    names = list(next(iter(groups.values())))
    for number, (label, heights) in enumerate(groups.items()):
        width = 0.8 / len(groups)
        at = np.arange(len(names)) + width * (number - (len(groups) - 1) / 2)
        axis.bar(at, [heights[name] for name in names], width, label=label)
    axis.set_xticks(range(len(names)), names)
    axis.set(xlabel=axes[0], ylabel=axes[1])
    _save(figure, path, len(groups) > 1)


def _save(figure: Figure, path: Path, has_legend: bool) -> None:
    figure.axes[0].spines[["top", "right"]].set_visible(False)
    if has_legend:
        figure.axes[0].legend(frameon=False, fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    with rc_context({"svg.hashsalt": "scale"}):  # the same numbers give the same bytes
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def growth(what: str, points: Sequence[Point], charts: Path | None) -> None:
    """Tell processor time against a number of `what`."""
    line = Line([x for x, _ in points], [one.cpu_s for _, one in points])
    print(f"\n{what:24} {'processor s':>11} {'seconds':>8} {'worker MB':>9}")
    for x, one in points:
        memory = one.peak_mb.get("worker", one.peak_mb["main"])
        print(f"{x:<24g} {one.cpu_s:11.1f} {one.seconds:8.1f} {memory:9.0f}")
    print(
        f"each {1e3 * line.each:.1f} ms, start-up {line.start:.1f} s, off the line "
        f"{line.off:.0%} at most",
        flush=True,
    )
    if charts:
        series = {"": [(x, one.cpu_s) for x, one in points]}
        chart(charts / f"{what.split()[0]}.svg", (what, "processor time, s"), series)


def workers(builder: Builder, sizes: Sizes, rounds: int, charts: Path | None) -> None:
    """Tell clips a second with one worker and with two, in turn."""
    print(
        f"\n{'workers':24} {'clips/s: 1':>11} {'2':>8} {'ratio':>9} {'cores':>6} {'worker MB':>9}"
    )
    found: dict[str, dict[str, float]] = {"1 worker": {}, "2 workers": {}}
    for kind, (few, many) in (("sound", sizes.sound), ("pictures", sizes.pictures)):
        rates: dict[int, list[float]] = {1: [], 2: []}
        memory, cores = 0.0, 0.0
        for _ in range(rounds):
            for count, its in rates.items():
                how = (2.0,) if kind == "sound" else (10.0,)
                short, long = (getattr(builder, kind)(n, *how, count) for n in (few, many))
                its.append((many - few) / max(long.seconds - short.seconds, 1e-3))
                memory = max(memory, long.peak_mb.get("worker", 0.0))
                cores = (long.cpu_s - short.cpu_s) / max(long.seconds - short.seconds, 1e-3)
        one, two = (float(np.median(rates[count])) for count in (1, 2))
        ratio = float(np.median(np.array(rates[2]) / np.array(rates[1])))
        print(
            f"{kind:24} {one:11.1f} {two:8.1f} {ratio:8.2f}x {cores:6.2f} {memory:9.0f}", flush=True
        )
        found["1 worker"][kind], found["2 workers"][kind] = 1.0, ratio
    if charts:
        bars(charts / "workers.svg", ("clips of", "speed; 1: one worker"), found)


def million(root: Path, clips: int, charts: Path | None) -> None:
    """Tell what each stage of planning and publishing takes, and its memory."""
    log = root / "planning.log"
    run([sys.executable, "-m", "benchmarks.planning", "--clips", str(clips)], log)
    print(f"\n{clips:,} clips")
    stage, spent = "", dict[str, float]()
    for line in log.read_text(encoding="utf-8").splitlines():
        if begun := re.match(r"(\w+): ", line):
            stage = begun[1]
        elif (took := TIMES.match(line)) and took[1] not in {"read the store", "plan"}:
            name = "no-op" if stage == "second" else stage
            if took[1] == "in all" or stage != "second":
                spent[name] = spent.get(name, 0.0) + float(took[3])
        print(line)
    if charts:
        names = {"first": "plan", "publish": "commit", "more": "1 % new", "read": "open"}
        shown = {names.get(name, name): seconds for name, seconds in spent.items()}
        bars(charts / "million.svg", ("", "processor time, s"), {"": shown})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="takes 1 GB; what is there is used")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_const", const=QUICK, dest="sizes")
    size.add_argument("--dry", action="store_const", const=DRY, dest="sizes")
    parser.add_argument("--rounds", type=int, default=1, help="of one worker against two")
    parser.add_argument("--charts", type=Path, help="folder for SVG files")
    parser.add_argument("--only", choices=["clips", "seconds", "frames", "workers", "million"])
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    sizes, builder, charts = args.sizes or FULL, Builder(args.folder), args.charts
    few = sizes.clips[0]
    parts = {
        "clips": lambda: growth(
            "clips of sound, 2 s", [(n, builder.sound(n, 2, 1)) for n in sizes.clips], charts
        ),
        "seconds": lambda: growth(
            f"seconds a clip, {few}", [(s, builder.sound(few, s, 1)) for s in sizes.seconds], charts
        ),
        "frames": lambda: growth(
            "frames a second, faces",
            [(fps, builder.pictures(sizes.pictures[1] // 2, fps, 1)) for fps in sizes.fps],
            charts,
        ),
        "workers": lambda: workers(builder, sizes, args.rounds, charts),
        "million": lambda: million(args.folder, sizes.million, charts),
    }
    for name, part in parts.items():
        if args.only in (None, name):
            part()


if __name__ == "__main__":
    main()
