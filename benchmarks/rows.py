"""What every part of the bench gives back: rows, each of one way to do one thing, and how rows are
compared and printed. It needs nothing but Python.

A part is a function `measure(setting: Setting) -> list[Row]` and one line in `benchmarks/bench.py`.
It takes the ways in turn, round by round, so that the values of two rows of one round are a pair.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import monotonic

OURS = "affectstore"
"""The name of the product's row, which the others of a table are compared with."""


@dataclass(frozen=True)
class Setting:
    """What a part is given."""

    folder: Path
    """Takes what the part makes; what is there already may be used again."""
    workers: int
    """Processes for every way that can have several."""
    rounds: int
    """At least so many, where a part's time allows it."""
    quick: bool = False
    """One look that nothing is broken, in a quarter of the time."""
    clips: Path | None = None
    """Real CREMA-D clips, `*.flv`."""


@dataclass(frozen=True)
class Row:
    """One way to do one thing."""

    what: str
    """The thing, such as `build, ravdess`: rows that share it are one table."""
    name: str
    """The way, such as `affectstore` or `librosa script`."""
    unit: str
    """Of the values, such as `clips/s`, without start-up."""
    values: tuple[float, ...] = ()
    """One of each round; none where the way could not run, and the note says why."""
    clips: int | None = None
    """Of a round."""
    wall_s: tuple[float, ...] = ()
    """Of the whole command in each round."""
    start_s: tuple[float, ...] = ()
    """Start-up in each round."""
    cpu_s: tuple[float, ...] = ()
    """Processor time of all its processes for one clip, without start-up, in each round."""
    busy: tuple[float, ...] = ()
    """Share of the processors that the whole command kept busy, 0 to 1, in each round."""
    less_is_better: bool = False
    """The values are times or sizes, not rates."""
    note: str = ""

    @property
    def key(self) -> str:
        """By which a table that was kept finds the row again."""
        return f"{self.what} | {self.name} | {self.unit}"

    @property
    def middle(self) -> float:
        """The median of its values."""
        return median(self.values)


def spread(values: Sequence[float]) -> float:
    """How far rounds differ: the largest less the smallest, as a share of the median."""
    return (max(values) - min(values)) / middle if (middle := median(values)) else 0.0


def ratio(ours: Row, other: Row) -> float:
    """How many times as good `ours` is as `other`: the median over the rounds, each a pair.

    Where one of the two has more rounds, the ratio of the medians.
    """
    if len(ours.values) != len(other.values):
        times = ours.middle / other.middle
    else:
        times = median(a / b for a, b in zip(ours.values, other.values, strict=True))
    return 1 / times if ours.less_is_better else times


def in_turn(
    ways: Mapping[str, Callable[[], float]], rounds: int, budget_s: float = float("inf")
) -> dict[str, tuple[float, ...]]:
    """One value of each way in each round: forth in one round and back in the next, so that none
    always comes first. No further round begins once the budget is spent."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    ends = monotonic() + budget_s
    for number in range(rounds):
        if number and monotonic() > ends:
            break
        for name in [*ways][:: -1 if number % 2 else 1]:
            found[name].append(ways[name]())
    return {name: tuple(values) for name, values in found.items()}


def table(rows: Sequence[Row]) -> Iterator[str]:
    """The lines of one table for each thing that was measured. A ratio is the product's figure to
    that of the row, above 1 where the product is better."""
    for what in dict.fromkeys(row.what for row in rows):
        some = [row for row in rows if row.what == what]
        yield f"{what:36} {'median':>10} {'':12} {'spread':>6} {'ratio':>7}   more"
        for row in some:
            yield f"  {row.name:34} {_figures(row, some)}".rstrip()


def _figures(row: Row, others: Sequence[Row]) -> str:
    if not row.values:
        return row.note
    against = [one for one in others if one.name == OURS and one.unit == row.unit and one.values]
    times = f"{ratio(against[0], row):6.2f}x" if against and row.name != OURS else ""
    figures = f"{row.middle:10.4g} {row.unit:12} {spread(row.values):6.0%} {times:>7}"
    return f"{figures}   {', '.join(_more(row))}"


def _more(row: Row) -> Iterator[str]:
    if row.cpu_s:
        yield f"CPU {1e3 * median(row.cpu_s):.3g} ms a clip"
    if row.start_s:
        yield f"start-up {median(row.start_s):.1f} s"
    if row.wall_s and row.clips:
        yield f"with it {row.clips / median(row.wall_s):.3g} clips/s of {row.clips}"
    if row.busy:
        yield f"cores busy {median(row.busy):.0%}"
    if row.note:
        yield row.note
