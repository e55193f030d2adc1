"""What every part of the bench gives back: rows, each of one way to do one thing, and how rows are
compared and printed. It needs nothing but Python.

A part is a function `measure(setting: Setting) -> list[Row]` and one line in `benchmarks/parts.py`.
It takes the ways in turn, round by round, so that the values of two rows of one round are a pair.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from textwrap import wrap
from time import monotonic
from typing import TypeVar

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
    """At most; fewer where the budget has no room for another one."""
    budget_s: float = float("inf")
    """What the part may take."""
    quick: bool = False
    """One look that nothing is broken, in a quarter of the time."""
    dry: bool = False
    """Two clips of each, so that a test sees all of it run."""
    clips: Path | None = None
    """A folder with real CREMA-D clips, `*.flv`."""
    say: Callable[[str], None] = print
    """Takes a line of progress for each step."""


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


def rounds_of(setting: Setting, least: int = 1) -> Iterator[int]:
    """The numbers of the rounds that the setting has room for, and of `least` in any case."""
    begun = monotonic()
    for number in range(setting.rounds):
        if number >= max(least, 1):
            a_round_s = (monotonic() - begun) / number
            if (number + 1) * a_round_s > setting.budget_s:
                return
        yield number


Value = TypeVar("Value")


def in_turn(
    ways: Mapping[str, Callable[[], Value]], setting: Setting, least: int = 1
) -> dict[str, list[Value]]:
    """What each way gives in each round: forth in one round and back in the next, so that none
    always comes first."""
    found: dict[str, list[Value]] = {name: [] for name in ways}
    for number in rounds_of(setting, least):
        for name in [*ways][:: -1 if number % 2 else 1]:
            found[name].append(ways[name]())
    return found


def cpu_ratio(ours: Row, other: Row) -> float:
    """How many times the processor time of `ours` a clip takes in `other`, round by round."""
    if len(ours.cpu_s) != len(other.cpu_s):
        return median(other.cpu_s) / median(ours.cpu_s)
    return median(b / a for a, b in zip(ours.cpu_s, other.cpu_s, strict=True))


def of_ours(row: Row, rows: Sequence[Row]) -> Row | None:
    """The product's row that this one is compared with."""
    for one in rows:
        if (one.what, one.unit, one.name) == (row.what, row.unit, OURS) and one.values:
            return one if row.name != OURS and row.values else None
    return None


def table(rows: Sequence[Row]) -> Iterator[str]:
    """The lines of one table for each thing that was measured, of at most 100 columns.

    A ratio is the product's figure to that of the row, above 1 where the product is better; of
    processor time a clip, the row's to the product's. `incl.` is clips/s with start-up, `busy` the
    share of the cores that the whole command used.
    """
    for what in dict.fromkeys(row.what for row in rows):
        some = [row for row in rows if row.what == what]
        rounds = max(len(row.values) for row in some)
        yield f"{what}: median of {rounds}" if rounds > 1 else what
        wide = max(27, *(len(row.name) for row in some))
        heads = ("", "", "ratio", "spread", "CPU ms", "ratio", "start s", "incl.", "busy")
        yield _line("", wide, *heads)
        for row in some:
            yield from _lines(row, wide, of_ours(row, rows))


def _line(name: str, wide: int, value: str, unit: str, *others: str) -> str:
    widths = (7, 7, 8, 7, 8, 7, 5)
    figures = "".join(f"{cell:>{width}}" for cell, width in zip(others, widths, strict=True))
    return f"  {name:{wide}} {value:>8} {unit:8}{figures}".rstrip()


def _lines(row: Row, wide: int, ours: Row | None) -> Iterator[str]:
    if not row.values:
        yield from wrapped(f"  {row.name:{wide}} {'-':>8} {row.note}", 6)
        return
    yield _line(
        row.name,
        wide,
        f"{row.middle:.4g}",
        row.unit,
        f"{ratio(ours, row):.2f}x" if ours else "",
        f"{spread(row.values):.0%}" if len(row.values) > 1 else "",
        f"{1e3 * median(row.cpu_s):.4g}" if row.cpu_s else "",
        f"{cpu_ratio(ours, row):.2f}x" if ours and ours.cpu_s and row.cpu_s else "",
        f"{median(row.start_s):.1f}" if row.start_s else "",
        f"{row.clips / median(row.wall_s):.3g}" if row.clips and row.wall_s else "",
        f"{median(row.busy):.0%}" if row.busy else "",
    )
    if row.note:
        yield from wrapped(f"    {row.note}", 6)


def wrapped(line: str, indent: int) -> list[str]:
    """A line in several of at most 100 columns, the further ones indented."""
    return wrap(line, 100, subsequent_indent=" " * indent, drop_whitespace=True) or [""]
