"""What a paper states, row by row, as examples/stated/NAME.toml lists it, set beside the code."""

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

from examples.not_ready import NotReady
from examples.places import Place, Places
from examples.train import paper_of

STATED = Path(__file__).with_name("stated")
SAME, DIFFERENT = "S", "D"


@dataclass(frozen=True)
class Stated:
    """One value or step of a paper, and where the code has it."""

    stage: str
    says: str
    section: str
    where: str
    """See `examples.places`."""
    value: Any = None
    """What the paper says, as the code would have it; {least, most} for a range; None for what is
    no value, whose verdict is given by `point`."""
    does: str = ""
    """What the code does, where its value does not say it."""
    point: str = ""
    """How the open point of the recipe begins that says why the code differs; none: it does not."""


@dataclass(frozen=True)
class Open:
    """What a paper leaves open."""

    stage: str
    section: str
    where: str
    point: str
    """How the open point of the recipe begins that says what was chosen."""
    does: str = ""


Row = TypeVar("Row", Stated, Open)


@dataclass(frozen=True)
class Judged(Generic[Row]):
    """A row beside the code."""

    row: Row
    place: Place
    verdict: str
    """S or D; empty for what is left open."""
    number: int | None
    """Of the open point, from 1."""


class Beside:
    """All rows of one paper beside the code."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.places = Places(paper_of(name))
        self.points: tuple[str, ...] = self.places.recipe.open_points
        table = tomllib.loads((STATED / f"{name}.toml").read_text("utf-8"))
        self.title: str = table["title"]
        self._stated = [Stated(**row) for row in table["stated"]]
        self._open = [Open(**row) for row in table["open"]]

    @cached_property
    def stated(self) -> list[Judged[Stated]]:
        """NotReady, in one sentence, for a row whose verdict and reason do not go together."""
        return [self.judge(row) for row in self._stated]

    @cached_property
    def open(self) -> list[Judged[Open]]:
        return [
            Judged(row, self.places.find(row.where), "", self._number(row.stage, row.point))
            for row in self._open
        ]

    @property
    def unnamed(self) -> list[str]:
        """Open points of the recipe that no row names."""
        named = {one.number for one in self.stated} | {one.number for one in self.open}
        return [point for number, point in enumerate(self.points, 1) if number not in named]

    def judge(self, row: Stated) -> Judged[Stated]:
        """S or D, by the value where the row has one; NotReady where its reason does not fit."""
        place = self.places.find(row.where)
        verdict = DIFFERENT if row.point else SAME
        if row.value is not None:
            verdict = SAME if fits(row.value, place.value) else DIFFERENT
        if (verdict == DIFFERENT) != bool(row.point):
            way = (
                "take the row's point away, and the recipe's open point where no other row names it"
                if row.point
                else "say why in open_points of the recipe, and how that begins in the row's point"
            )
            raise NotReady(
                f"{self.name}, {row.stage}: the paper says {row.value!r}, the code has "
                f"{place.value!r} at {place.file}:{place.line}; {way}"
            )
        number = self._number(row.stage, row.point) if row.point else None
        return Judged(row, place, verdict, number)

    def _number(self, stage: str, begins: str) -> int:
        found = [n for n, point in enumerate(self.points, 1) if point.startswith(begins)]
        if len(found) != 1:
            raise NotReady(
                f"{self.name}, {stage}: {len(found)} open points of the recipe begin with "
                f"{begins!r}, expected one"
            )
        return found[0]


def fits(stated: Any, found: Any) -> bool:
    """Whether the code has the value, or one in the range, that a paper states."""
    if isinstance(stated, Mapping):
        return bool(stated["least"] <= found <= stated["most"])
    if isinstance(stated, Sequence) and not isinstance(stated, str):
        if not isinstance(found, list) or len(found) != len(stated):
            return False
        return all(fits(one, other) for one, other in zip(stated, found, strict=True))
    if isinstance(stated, float) and isinstance(found, int | float):
        return math.isclose(stated, found, rel_tol=1e-9)
    return bool(stated == found)
