"""The parts of the bench, and what is asked of the product in each.

A part is a function that takes a `Setting` and gives rows, and one line of `PARTS`. What it needs,
it imports when it runs: one that lacks a package is left out, with the reason, and the others go
on.
"""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks import build, engine
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
    Part("build", build.measure, 420),
    Part("networks", engine.measure, 60, in_quick=False),
    Part("peers", build.measure_peers, 60, in_quick=False),
)
"""A part of the bench is one line here."""
GOALS = {
    f"{build.table_of('ravdess')} | {build.title('fast')}": 1.7,
    f"{build.table_of('meld')} | {build.title('fast')}": 1.5,
    f"{build.table_of('cremad')} | {build.title('fast')}": 2.0,
    f"{build.table_of(REAL)} | {build.title('fast')}": 2.0,
    f"{engine.WHAT} | {engine.FLOOR}": 0.85,
}
"""What the product is asked to be at least, against each of these: the names of `ratios`."""
