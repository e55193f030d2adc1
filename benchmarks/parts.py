"""The parts of the bench, and what is asked of the product in each.

A part is a function that takes a `Setting` and gives rows, and one line of `PARTS`. What it needs,
it imports when it runs: one that lacks a package is left out, with the reason, and the others go
on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks import adapted, build, engine
from benchmarks.adapted import FLOOR, in_process
from benchmarks.baseline import ratios
from benchmarks.clips import REAL
from benchmarks.rows import Row, Setting


@dataclass(frozen=True)
class Part:
    name: str
    measure: Callable[[Setting], list[Row]]
    budget_s: float
    """Of a full run on two cores."""
    in_quick: bool = True


PARTS = (
    *(Part(f"build-{kind}", partial(build.measure, kind), 80) for kind in build.SHOWN),
    Part("floor", adapted.floor, 40),
    Part("sound", adapted.sound, 125),
    Part("reading", adapted.reading, 30),
    Part("startup", adapted.startup, 80, in_quick=False),
    Part("networks", engine.measure, 50, in_quick=False),
    Part("peers", build.measure_peers, 30, in_quick=False),
)
"""A part of the bench is one line here."""
GOALS = {
    f"{build.table_of('ravdess')} | {build.title('fast')}": 1.7,
    f"{build.table_of('meld')} | {build.title('fast')}": 1.5,
    f"{build.table_of('cremad')} | {build.title('fast')}": 2.0,
    f"{build.table_of(REAL)} | {build.title('fast')}": 2.0,
    **{f"{in_process(kind)} | {FLOOR}": 0.85 for kind in build.SHOWN},
    **{
        f"{adapted.command(name)} | {adapted.IMPORT}": 1 / most
        for name, most in adapted.SHORT_COMMANDS.items()
    },
    **{f"{what} | {adapted.SCRIPT}": 1.5 for what in (adapted.SOUND, *adapted.SOUND_IN.values())},
    f"{adapted.READING} | {adapted.MEMMAP}": 0.98,
    **{f"{adapted.aligned(name)} | {adapted.AS_STORED}": 0.6 for name in adapted.ALIGNED},
    f"{engine.WHAT} | {engine.FLOOR}": 0.85,
}
"""What the product is asked to be at least, against each of these: the names of `ratios`."""


def profiles(rows: Sequence[Row]) -> dict[str, str]:
    """What the time of a table's work goes into, by its floor; and of a build how fast it would be
    if nothing else were done."""
    found = {row.what: row.note for row in rows if row.name in {FLOOR, engine.FLOOR}}
    measured = ratios(rows)
    builds = {}
    for kind in build.SHOWN:
        what = build.table_of(kind)
        share = measured.get(f"{in_process(kind)} | {FLOOR}")
        times = measured.get(f"{what} | {build.title('fast')}")
        most = f"; the bare calls alone: {times / share:.2f}x" if share and times else ""
        builds[what] = found.get(in_process(kind), "") + most
    return {**found, **builds}
