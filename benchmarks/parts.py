"""The parts of the bench, and what is asked of the product in each.

A part is a function that takes a `Setting` and gives rows, and one line of `PARTS`. What it needs,
it imports when it runs: one that lacks a package is left out, with the reason, and the others go
on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks import build, engine
from benchmarks.clips import KINDS, REAL, TITLES, copy_clips
from benchmarks.rows import OURS, Row, Setting

FLOOR = "the bare calls"


def in_process(kind: str) -> str:
    """The name of the table of one process and the floor."""
    return f"one process, {TITLES[kind]}"


def floor(setting: Setting) -> list[Row]:
    """Processor time in one process against the bare calls of the libraries. What they take is
    shown by stage: the profile of a build."""
    from benchmarks import floor as bare

    clips, rounds = (1, 1) if setting.dry else (4, min(3, setting.rounds))
    kinds = ["cremad"] if setting.dry else [kind for kind in build.SHOWN if kind in KINDS]
    if setting.clips:
        copy_clips(setting.folder / "clips" / REAL, setting.clips, clips)
        kinds.append(REAL)
    rows = []
    for one in bare.rows(setting.folder / "clips", kinds, clips, rounds):
        setting.say(in_process(one.kind))
        of_all = {name: taken / one.floor for name, taken in one.stages.items()}
        stages = ", ".join(f"{name} {part:.0%}" for name, part in of_all.items())
        table, lower = in_process(one.kind), {"less_is_better": True}
        rows.append(Row(table, OURS, "CPU ms", (one.product,), **lower))
        rows.append(Row(table, FLOOR, "CPU ms", (one.floor,), note=stages, **lower))
    return rows


@dataclass(frozen=True)
class Part:
    name: str
    measure: Callable[[Setting], list[Row]]
    budget_s: float
    """Of a full run on two cores."""
    in_quick: bool = True


PARTS = (
    *(Part(f"build-{kind}", partial(build.measure, kind), 105) for kind in build.SHOWN),
    Part("floor", floor, 40),
    Part("networks", engine.measure, 90, in_quick=False),
    Part("peers", build.measure_peers, 50, in_quick=False),
)
"""A part of the bench is one line here."""
GOALS = {
    f"{build.table_of('ravdess')} | {build.title('fast')}": 1.7,
    f"{build.table_of('meld')} | {build.title('fast')}": 1.5,
    f"{build.table_of('cremad')} | {build.title('fast')}": 2.0,
    f"{build.table_of(REAL)} | {build.title('fast')}": 2.0,
    **{f"{in_process(kind)} | {FLOOR}": 0.85 for kind in build.SHOWN},
    f"{engine.WHAT} | {engine.FLOOR}": 0.85,
}
"""What the product is asked to be at least, against each of these: the names of `ratios`."""


def profiles(rows: Sequence[Row]) -> dict[str, str]:
    """What the time of a table's work goes into, by its floor."""
    found = {row.what: row.note for row in rows if row.name in {FLOOR, engine.FLOOR}}
    builds = {build.table_of(kind): found.get(in_process(kind), "") for kind in build.SHOWN}
    return {**found, **builds}
