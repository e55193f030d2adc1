"""What the product takes, against naive scripts, other tools and the floor: `make bench`.

    python -m benchmarks.bench [FOLDER] [--quick] [--cremad FOLDER] [--compare | --write]

All ways of a table run in turn, round by round. Rates are without start-up, which is told beside
them. The folder keeps the clips for the next time, and `rows.json` with all that was measured.
"""

import argparse
import datetime
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks import baseline
from benchmarks.page import PAGE, put_table
from benchmarks.parts import GOALS, PARTS, Part, profiles
from benchmarks.rows import Row, Setting, table
from benchmarks.watched import CommandFailed

ROUNDS = 5
"""At most."""
FAILED = "failed: "
CLIPS = "AFFECTSTORE_CLIPS"
"""Names a folder of real CREMA-D clips where `--cremad` does not."""
QUIET = 0.3
"""Processes that may wait for each core before a run, on average, without a word of warning."""


def machine() -> dict[str, str]:
    """What the figures depend on, beside the product."""
    info = Path("/proc/cpuinfo")
    names = info.read_text(encoding="utf-8") if info.exists() else ""
    models = [line.partition(":")[2].strip() for line in names.splitlines() if "model name" in line]
    return {
        "date": datetime.date.today().isoformat(),
        "processor": f"{os.cpu_count()} x {models[0] if models else platform.machine()}",
        "python": platform.python_version(),
        "load": f"{os.getloadavg()[0]:.1f} processes before it began",
    }


def load_warning() -> str:
    """A sentence where the machine does other work, else nothing."""
    waiting, cores = os.getloadavg()[0], os.cpu_count() or 1
    if waiting <= QUIET * cores:
        return ""
    return (
        f"the machine is not quiet (load {waiting:.1f} on {cores} cores): believe no rate of this "
        "run, and of processor times only the ratios"
    )


def run(part: Part, setting: Setting) -> list[Row]:
    """The rows of a part; one that says why, where a command of it failed."""
    begun = time.monotonic()
    say = setting.say
    own = replace(setting, budget_s=part.budget_s, say=lambda line: say(f"{part.name}: {line}"))
    try:
        rows = part.measure(own)
    except ImportError as error:
        rows = [Row(part.name, part.name, "", note=f"left out: {error}")]
    except (CommandFailed, ValueError) as error:
        rows = [Row(part.name, part.name, "", note=f"{FAILED}{str(error).splitlines()[0]}")]
        print(error, file=sys.stderr)
    say(f"{part.name}: took {time.monotonic() - begun:.0f} s")
    return rows


def parser() -> argparse.ArgumentParser:
    parts = [part.name for part in PARTS]
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("folder", type=Path, nargs="?", default=Path(".bench"))
    made.add_argument("--quick", action="store_true", help="one round of smaller runs")
    made.add_argument("--dry", action="store_true", help="two clips of each, to see that it runs")
    made.add_argument(
        "--cremad",
        type=Path,
        default=os.environ.get(CLIPS) or None,
        metavar="FOLDER",
        help=f"real clips of CREMA-D's VideoFlash; default: {CLIPS}",
    )
    made.add_argument(
        "--only",
        choices=parts,
        action="append",
        help="a part; default: all, with --quick the short ones",
    )
    made.add_argument("--workers", type=int, default=os.cpu_count())
    made.add_argument("--rounds", type=int, default=ROUNDS)
    then = made.add_mutually_exclusive_group()
    then.add_argument(
        "--compare",
        action="store_true",
        help="end with 1 where a ratio fell by more than 15 %% below the baseline",
    )
    then.add_argument(
        "--write",
        action="store_true",
        help="make this run the baseline, and the table of docs/performance.md",
    )
    return made


def understood(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What was asked for, refused where it makes no sense."""
    asked = parser()
    given = asked.parse_args(arguments)
    if given.write and (given.only or given.quick or given.dry):
        asked.error("a baseline is of a whole run; leave out --only, --quick and --dry")
    if given.cremad and not any(given.cremad.rglob("*.flv")):
        asked.error(f"there is no .flv below {given.cremad}; name a folder of CREMA-D's VideoFlash")
    return given


def shown(given: argparse.Namespace) -> list[str]:
    """The parts that run where none is named."""
    return [part.name for part in PARTS if part.in_quick or not given.quick]


def keep(path: Path, about: dict[str, str], rows: Sequence[Row]) -> None:
    """All that was measured so far, after every part: a run that is ended is not lost."""
    found = {"machine": about, "rows": [asdict(row) for row in rows]}
    path.write_text(json.dumps(found, indent=1), encoding="utf-8")


def finish(
    rows: Sequence[Row],
    given: argparse.Namespace,
    about: dict[str, str],
    before: dict[str, float],
) -> int:
    """Tell what was measured and keep it; 1 where a part failed or a ratio fell, else 0."""
    found, lines = baseline.ratios(rows), [*table(rows)]
    tables = {row.what for row in rows}
    asked = {
        name: least
        for name, least in GOALS.items()
        if name.partition(" | ")[0] in tables or not given.only
    }
    goals = [*baseline.against_goals(found, asked, profiles(rows))]
    print(*lines, "", *goals, sep="\n")
    failed = any(row.note.startswith(FAILED) for row in rows)
    if given.write and failed:
        print("a part failed, so that the baseline stays as it was; mend it and run it again")
    elif given.write:
        baseline.write(baseline.BASELINE, about, found)
        put_table(PAGE, about, [*lines, "", *goals])
    fell = [*baseline.fallen(before, found)]
    if given.compare:
        print("", *(fell or ["no ratio fell by more than 15 %"]), sep="\n")
    return int(failed or any(line.startswith("fell") for line in fell))


def main(arguments: Sequence[str] | None = None) -> int:
    given = understood(arguments)
    begun = time.monotonic()
    small = given.quick or given.dry

    def say(line: str) -> None:
        print(f"[{time.monotonic() - begun:4.0f} s] {line}", file=sys.stderr, flush=True)

    given.folder.mkdir(parents=True, exist_ok=True)
    try:
        before = baseline.read(baseline.BASELINE) if given.compare else {}
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    about = machine()
    if warning := load_warning():
        say(warning)
    setting = Setting(
        folder=given.folder,
        workers=given.workers,
        rounds=1 if small else given.rounds,
        quick=small,
        dry=given.dry,
        clips=given.cremad,
        say=say,
    )
    chosen = [part for part in PARTS if part.name in (given.only or shown(given))]
    rows: list[Row] = []
    for part in chosen:
        rows += run(part, setting)
        keep(given.folder / "rows.json", about, rows)
    code = finish(rows, given, about, before)
    say(f"{time.monotonic() - begun:.0f} s in all")
    return code


if __name__ == "__main__":
    sys.exit(main())
