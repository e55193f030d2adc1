"""Conditions on the value of one column of clips; see `manifests.choice`."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from manifests.clips import CLIPS
from manifests.suggestions import did_you_mean
from manifests.visible import shortened

CLIP_COLUMNS = tuple(CLIPS.schema.names)
_LEFT_OFF = ("_id", "_s", "_hz", "_px")
_NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_RANGE = re.compile(rf"({_NUMBER})?\s*\.\.\s*({_NUMBER})?")
_COMMA = re.compile(r"(?<!\\),")
_MOST_SHOWN = 12


class WrongChoice(ValueError):
    """A condition has the wrong form, names what there is not, or leaves no clip."""


@dataclass(frozen=True)
class Condition:
    """What must hold for the value of one column."""

    column: str
    """As it is called in full, where it is a column of the clips."""
    values: frozenset[str] = frozenset()
    """Of which the value is one; empty for a range."""
    low: float | None = None
    high: float | None = None
    is_not: bool = False
    """All that is said must not hold."""

    @classmethod
    def parse(cls, text: str) -> "Condition":
        """Reads a condition.

        Args:
            text: Such as `modality=full-AV`; see the module.

        Returns:
            The condition.

        Raises:
            WrongChoice: It is none.
        """
        column, equals, given = text.partition("=")
        is_not = column.endswith("!")
        name = column.removesuffix("!").strip()
        values = frozenset(
            value.strip().replace(r"\,", ",") for value in _COMMA.split(given) if value.strip()
        )
        if not (equals and name and values - {".."}):
            raise WrongChoice(
                f"{text!r} chooses no clips; expected COLUMN=VALUE, COLUMN=VALUE,VALUE, "
                "COLUMN!=VALUE or COLUMN=LOW..HIGH, such as modality=full-AV"
            )
        span = _RANGE.fullmatch(given.strip())
        if span is None or not any(span.groups()):
            return cls(_in_full(name), values, is_not=is_not)
        low, high = (None if end is None else float(end) for end in span.groups())
        if low is not None and high is not None and low > high:
            raise WrongChoice(f"{text!r} is an empty range: {low:g} is more than {high:g}")
        return cls(_in_full(name), low=low, high=high, is_not=is_not)

    @property
    def text(self) -> str:
        """The condition as `parse` reads it; the same for all ways to write it."""
        return f"{self.column}{'!=' if self.is_not else '='}{self._given(',')}"

    @property
    def words(self) -> str:
        """The condition for people, such as `modality full-AV`."""
        return f"{short_name(self.column)} {'not ' if self.is_not else ''}{self._given(' or ')}"

    def _given(self, joint: str) -> str:
        if self.values:
            values = sorted(self.values)
            return joint.join(map(escaped, values) if joint == "," else values)
        return "..".join("" if end is None else _plain(end) for end in (self.low, self.high))

    def holds(self, value: object) -> bool:
        """Says whether a value is chosen.

        Args:
            value: Of a clip; None where it has none.

        Returns:
            True where the clip is chosen; False for None.
        """
        if value is None:
            return False
        return bool(self._names(value) & self.values or self._spans(value)) != self.is_not

    def _spans(self, value: object) -> bool:
        if self.values:
            return False
        number = self._number(value)
        if number is None:
            return False
        return (self.low is None or number >= self.low) and (
            self.high is None or number <= self.high
        )

    def _names(self, value: object) -> frozenset[str]:
        """All that a value may be called; the corpus of an id may be left out."""
        if isinstance(value, bool):
            return frozenset({str(value).lower()})
        if isinstance(value, int | float):
            return frozenset(name for name in self.values if _as_number(name) == value)
        text = str(value)
        return frozenset({text, text.partition("/")[2]} if self._is_id else {text}) - {""}

    def _number(self, value: object) -> float | None:
        if isinstance(value, int | float):
            return float(value)
        text = str(value)
        return _as_number(text.partition("/")[2] if self._is_id else text)

    @property
    def _is_id(self) -> bool:
        return self.column in CLIP_COLUMNS and self.column.endswith("_id")

    def check(self, known: Collection[object]) -> None:
        """Refuses a condition that no clip can have been meant by.

        Args:
            known: The distinct values that the clips have in the column.

        Raises:
            WrongChoice: A value that is named is not among them, or none lies in the range.
        """
        column = short_name(self.column)
        if not known:
            raise WrongChoice(
                f"no clip has a value in the column {column}, so {self.text!r} chooses none; "
                "choose by another column"
            )
        if not self.values:
            if not any(self._spans(value) for value in known):
                raise WrongChoice(
                    f"no clip has a {column} of {self._given(',')}; {self._what_there_is(known)}"
                )
            return
        called = frozenset[str]().union(*map(self._names, known))
        if unknown := sorted(self.values - called):
            names = [*map(name_of, known)]
            names += [name.partition("/")[2] for name in names if self._is_id]
            raise WrongChoice(
                f"no clip has the {column} {unknown[0]!r}; {did_you_mean(unknown[0], names)}"
                f"{self._what_there_is(known)}"
            )

    def _what_there_is(self, known: Collection[object]) -> str:
        numbers = [self._number(value) for value in known]
        given = [number for number in numbers if number is not None]
        if len(known) > _MOST_SHOWN and len(given) == len(known):
            return f"there are {_plain(min(given))} to {_plain(max(given))}"
        names = sorted(shortened(name_of(value)) for value in known)
        more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
        return f"there are {', '.join(names[:_MOST_SHOWN])}{more}"


def name_of(value: object) -> str:
    """How a value of a column is written in a condition.

    Args:
        value: Text, a number or a truth value.

    Returns:
        Such as `ravdess/01`, `2.5` or `true`.
    """
    if isinstance(value, bool):
        return str(value).lower()
    return _plain(value) if isinstance(value, float) else str(value)


def escaped(value: str) -> str:
    """A value whose commas are its own, as a condition has it.

    Args:
        value: Such as `happy, very`.

    Returns:
        Such as `happy\\, very`.
    """
    return value.replace(",", r"\,")


def _in_full(name: str) -> str:
    if name in CLIP_COLUMNS:
        return name
    return next((name + end for end in _LEFT_OFF if name + end in CLIP_COLUMNS), name)


def short_name(column: str) -> str:
    """How people call a column.

    Args:
        column: Its name in full.

    Returns:
        The name without `_id` or a unit, where a condition may leave it out.
    """
    for end in _LEFT_OFF:
        short = column.removesuffix(end)
        if short != column and column in CLIP_COLUMNS and _in_full(short) == column:
            return short
    return column


def _as_number(text: str) -> float | None:
    return float(text) if re.fullmatch(_NUMBER, text) else None


def _plain(number: float) -> str:
    return str(int(number)) if number == int(number) else repr(number)
