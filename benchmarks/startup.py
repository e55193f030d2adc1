"""How soon the command does what it is asked: `python -m benchmarks.startup FOLDER`.

`show`, `split` and a build that finds nothing new, as multiples of importing pandas, pyarrow and
h5py, in turn with it; the time until a build of a new store has stored its first clip; and the
share of the processors that a build of 400 clips keeps busy from the first second to the last. The
folder takes the clips and the stores; what is there already is used again.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.build import FEATURES
from benchmarks.clips import make_clips
from benchmarks.rows import Row, Setting, in_turn
from benchmarks.watched import Run, run

IMPORTS = ("-c", "import pandas, pyarrow, h5py")
WHAT = "start-up"
GOALS = {"show": 1.5, "split": 2.5, "build, nothing new": 3.0}
"""Multiples of the import that each is to take at most."""
QUICK = ("features.resnet18.size=64", "features.mfcc_resnet18.size=64")
"""Changes to the demo's recipe under which its store is soon made; to find nothing new in it takes
as long as ever."""
_POLL_S = 0.01


def measure(setting: Setting) -> list[Row]:
    """Start-up of the command in multiples and seconds, and how busy a build keeps a machine."""
    setting.folder.mkdir(parents=True, exist_ok=True)
    many = 4 if setting.dry else 80 if setting.quick else 400
    bench = _Commands(setting)
    return [*_multiples(bench), *_builds(bench, many)]


class _Commands:
    """The commands that are measured, on stores of a folder."""

    def __init__(self, setting: Setting) -> None:
        self.setting, self.folder = setting, setting.folder
        self.recipe = self.folder / "startup.toml"
        self.recipe.write_text(FEATURES.format(clips_per_shard=8), encoding="utf-8")

    def run(self, *words: str | Path) -> Run:
        return run([sys.executable, *words], self.folder / "startup.log")

    def flows(self, *words: str | Path) -> Run:
        return self.run("-m", "flows", *words)

    def demo(self) -> tuple[Path, Callable[[], Run]]:
        """A store of the sample corpus, and its build once more."""
        clips, store = self.folder / "sample", self.folder / "sample-store"
        changes = [word for change in QUICK for word in ("--set", change)]
        again = partial(
            self.flows, "build", store, "--corpus", f"sample={clips}", "--recipe", "demo", *changes
        )
        if not clips.exists():
            self.flows("sample", clips)
        again()
        again()  # files that were as new as the store are read once more
        return store, again

    def build(self, store: Path, clips: Path, *more: str) -> list[str | Path]:
        """The build of a folder of clips without networks."""
        words: list[str | Path] = [sys.executable, "-m", "flows", "build", store]
        return [*words, "--corpus", f"folder={clips}", "--recipe", self.recipe, *more]

    def source(self, count: int) -> Path:
        """A folder with the first so many clips."""
        folder = self.folder / f"first-{count}"
        folder.mkdir(exist_ok=True)
        for path in make_clips(self.folder / "cremad", "cremad", count):
            if not (folder / path.name).exists():
                (folder / path.name).hardlink_to(path)
        return folder


def _multiples(bench: _Commands) -> list[Row]:
    store, again = bench.demo()
    ways = {
        "import": partial(bench.run, *IMPORTS),
        "show": partial(bench.flows, "show", store),
        "split": partial(bench.flows, "split", store, "subject_kfold", "--folds", "3"),
        "build, nothing new": again,
    }
    bench.setting.say("start-up: short commands, in turn with an import")
    found = in_turn(ways, bench.setting, least=1 if bench.setting.dry else 3)
    rows = []
    for name, most in GOALS.items():
        pairs = list(zip(found[name], found["import"], strict=True))
        of_cpu = sorted(ours.cpu_s / base.cpu_s for ours, base in pairs)[len(pairs) // 2]
        rows.append(
            Row(
                WHAT,
                name,
                "times the import",
                tuple(ours.seconds / base.seconds for ours, base in pairs),
                wall_s=tuple(ours.seconds for ours, _ in pairs),
                less_is_better=True,
                note=f"{of_cpu:.1f} times its processor time; to be {most} at most",
            )
        )
    return rows


def _builds(bench: _Commands, many: int) -> list[Row]:
    some, store = bench.source(min(many, 16)), bench.folder / "startup-store"
    clips, cores = bench.source(many), bench.setting.workers
    ways: dict[str, Callable[[], Run]] = {
        "first clip": partial(_first_clip, bench, some),
        "build": partial(_fresh, bench, store, clips),
        "again": lambda: run(bench.build(store, clips), bench.folder / "startup.log"),
    }
    bench.setting.say(f"start-up: builds of {many} clips")
    found: dict[str, list[Run]] = {name: [] for name in ways}
    for number in range(1 if bench.setting.dry else min(2, bench.setting.rounds)):
        for name, way in ways.items():
            found[name].append(way())
        bench.setting.say(f"start-up: round {number + 1} of builds is done")
    first, built, again = (found[name] for name in ways)
    busy = tuple(one.cpu_s / cores / one.seconds for one in built)
    return [
        _seconds("first clip of a new store", first, 16),
        _seconds(f"build of {many} clips, nothing new", again, many),
        Row(
            WHAT,
            f"build of {many} clips",
            "share of the processors",
            busy,
            many,
            wall_s=tuple(one.seconds for one in built),
            cpu_s=tuple(one.cpu_s / many for one in built),
            busy=busy,
            note="to be 0.9 at least, on a machine that does nothing else",
        ),
    ]


def _seconds(name: str, runs: list[Run], clips: int) -> Row:
    values = tuple(one.seconds for one in runs)
    return Row(WHAT, name, "s", values, clips, wall_s=values, less_is_better=True)


def _fresh(bench: _Commands, store: Path, clips: Path) -> Run:
    shutil.rmtree(store, ignore_errors=True)
    words = [*bench.build(store, clips), "--workers", str(bench.setting.workers)]
    return run(words, bench.folder / "startup.log")


def _first_clip(bench: _Commands, clips: Path) -> Run:
    """The time until the first shard is there, where each holds one clip; then the build is ended
    without ado."""
    store = bench.folder / "first-store"
    shutil.rmtree(store, ignore_errors=True)
    words = bench.build(store, clips, "--set", "clips_per_shard=1")
    with (bench.folder / "startup.log").open("w") as log:
        begun = time.perf_counter()
        with subprocess.Popen(words, stdout=log, stderr=log) as process:
            while process.poll() is None and not any((store / "shards").rglob("[!.]*.h5")):
                time.sleep(_POLL_S)
            taken = time.perf_counter() - begun
            process.terminate()
    return Run(taken)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="builds of 80 clips")
    parser.add_argument("--dry", action="store_true", help="two clips of each")
    args = parser.parse_args()
    cores = os.cpu_count() or 1
    setting = Setting(args.folder, cores, args.rounds, quick=args.quick, dry=args.dry)
    for row in measure(setting):
        print(f"{row.name:40} {row.middle:6.2f} {row.unit}  {row.note}")


if __name__ == "__main__":
    main()
