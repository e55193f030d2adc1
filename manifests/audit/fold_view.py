"""One fold of a listing, seen as the clips of its train, valid and test sides."""

from collections.abc import Iterable
from functools import cached_property
from heapq import nsmallest

import numpy as np
from numpy.typing import NDArray

from manifests.audit.listing import ROLES, TEST, TRAIN, VALID, FoldRows, Listing
from manifests.audit.name_columns import NameColumn
from manifests.audits import Coverage
from manifests.visible import shortened

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

_SHOWN = 5
"""Examples that a finding gives at most."""


class FoldView:
    """One fold of a listing, as the rules see it."""

    def __init__(self, listing: Listing, fold: FoldRows) -> None:
        """Looks at one fold.

        Args:
            listing: All rows.
            fold: Those that take part, each on one side.
        """
        self.listing, self.scheme, self.fold = listing, shortened(fold.scheme), fold.fold
        self.rows, self.role = fold.rows, fold.role
        self._columns: dict[str, NameColumn] = {}
        self._counts: dict[tuple[str, int], Ints] = {}

    @cached_property
    def sizes(self) -> tuple[int, int, int]:
        """Rows in train, valid and test."""
        train, valid, test = np.bincount(self.role, minlength=3).tolist()
        return train, valid, test

    @cached_property
    def judged(self) -> int:
        """The side that results are reported on: the test or, without one, the validation."""
        return TEST if self.sizes[TEST] else VALID

    @cached_property
    def pairs(self) -> list[tuple[int, int]]:
        """(side that teaches, side that is measured) for all sides that have rows.

        The first pair is the one that results rest on.
        """
        pairs = [(TRAIN, self.judged)]
        if self.sizes[VALID] and self.sizes[TEST]:
            pairs += [(TRAIN, VALID), (VALID, TEST)]
        return pairs

    @property
    def corpora(self) -> str:
        """The corpora's names, for messages."""
        return ", ".join(self.listing.corpora) or "the corpus"

    def names(self, unit: str) -> NameColumn | None:
        """A column of names as far as this fold has it.

        Args:
            unit: What it names, such as `subject`.

        Returns:
            The column, in the order of the fold's rows; None where nothing is known.
        """
        if unit not in self._columns:
            column = self.listing.names.get(unit)
            if column is None or not column.known:
                return None
            self._columns[unit] = column.take(self.rows)
        return self._columns[unit]

    @cached_property
    def clip(self) -> NameColumn:
        """The clip of each row; of a list of subjects or of series no row has one."""
        nothing = NameColumn(np.full(len(self.role), -1, np.int32), np.zeros(0, object))
        return self.names("clip") or nothing

    def numbers(self, name: str) -> NDArray[np.float64] | None:
        """A column of numbers as far as this fold has it.

        Args:
            name: One of NUMBERS.

        Returns:
            (row,) in the order of the fold's rows; None where nothing is known.
        """
        column = self.listing.numbers.get(name)
        return None if column is None or np.isnan(column).all() else column[self.rows]

    def flag(self, name: str) -> Bools | None:
        """A flag as far as this fold has it.

        Args:
            name: A key of `Listing.flags`.

        Returns:
            (row,) in the order of the fold's rows; None where nothing is known.
        """
        column = self.listing.flags.get(name)
        return None if column is None else column[self.rows]

    def has(self, unit: str) -> Bools:
        """Says which rows have a name.

        Args:
            unit: What is named.

        Returns:
            (row,) True where the row has one.
        """
        column = self.names(unit)
        return np.zeros(len(self.role), np.bool_) if column is None else column.codes >= 0

    def coverage(self, known: Bools | None) -> Coverage:
        """Counts the rows of each side that a rule could judge.

        Args:
            known: (row,) the rows that it could judge; None for all.

        Returns:
            Those rows, and the others.
        """
        if known is None:
            return Coverage(self.sizes, (0, 0, 0))
        judged, unjudged = (
            np.bincount(self.role[mask], minlength=3).tolist() for mask in (known, ~known)
        )
        return Coverage(tuple(judged), tuple(unjudged))

    @cached_property
    def is_part(self) -> Bools:
        """(row,) True where the row is a window or a copy of a clip."""
        return self.has("window") | self.has("copy")

    def counts(self, unit: str, side: int, mask: Bools | None = None) -> Ints:
        """Counts the rows of each value on one side.

        Args:
            unit: What is named; without a column there are no values.
            side: TRAIN, VALID or TEST.
            mask: (row,) the rows to count; None for all.

        Returns:
            (value,)
        """
        if mask is None and (unit, side) in self._counts:
            return self._counts[unit, side]
        column = self.names(unit)
        if column is None:
            return np.zeros(0, np.int64)
        codes = column.codes[self.role == side if mask is None else mask & (self.role == side)]
        counts: Ints = np.bincount(codes[codes >= 0], minlength=len(column.values))
        if mask is None:
            self._counts[unit, side] = counts
        return counts

    def shared(self, unit: str, sides: tuple[int, int], mask: Bools | None = None) -> Ints:
        """Finds the values that lie on both of two sides.

        Args:
            unit: What is named.
            sides: The two sides.
            mask: (row,) the rows to look at; None for all.

        Returns:
            Their codes in the column.
        """
        first, second = (self.there(unit, side, mask) for side in sides)
        return np.flatnonzero(first & second)

    def there(self, unit: str, side: int, mask: Bools | None = None) -> Bools:
        """Finds the values of one side, a name of several being each of them.

        Args:
            unit: What is named.
            side: TRAIN, VALID or TEST.
            mask: (row,) the rows to look at; None for all.

        Returns:
            (value,)
        """
        counts, column = self.counts(unit, side, mask), self.names(unit)
        return counts > 0 if column is None else column.singles(counts > 0)

    def shown(self, unit: str, codes: Iterable[int] | NDArray[np.integer]) -> tuple[str, ...]:
        """Some values by name, as examples.

        Args:
            unit: What is named.
            codes: Values of its column.

        Returns:
            The first few, sorted.
        """
        column = self.names(unit)
        if column is None:
            return ()
        first = nsmallest(_SHOWN, (str(column.values[code]) for code in codes))
        return tuple(shortened(name) for name in first)

    def clips(self, mask: Bools) -> tuple[str, ...]:
        """Some clips by their ids, as examples.

        Args:
            mask: (row,) the rows to show.

        Returns:
            The first few in the order of the source, each once.
        """
        import pandas as pd

        clip = self.clip
        codes = pd.unique(clip.codes[np.flatnonzero(mask & (clip.codes >= 0))])[:_SHOWN]
        return tuple(shortened(str(clip.values[code])) for code in codes)

    def share_of(self, count: int, side: int) -> str:
        """Says how many of a side's clips are meant.

        Args:
            count: How many rows.
            side: The side that they are on.

        Returns:
            Such as `3 of 20 test clips`; `rows` where rows are windows or copies, or no clips.
        """
        rows = "rows" if self.is_part.any() or (self.clip.codes < 0).any() else "clips"
        return f"{count} of {self.sizes[side]} {ROLES[side]} {rows}"

    def rows_with(self, unit: str, codes: Ints, mask: Bools | None = None) -> Bools:
        """Finds the rows that have one of some values.

        Args:
            unit: What is named.
            codes: The values; a row of several names has each of them.
            mask: (row,) the rows to look at; None for all.

        Returns:
            (row,)
        """
        column = self.names(unit)
        if column is None or not len(codes):
            return np.zeros(len(self.role), np.bool_)
        wanted = np.zeros(len(column.values) + 1, np.bool_)
        wanted[column.holding(codes)] = True  # the last is for rows without a name: code -1
        there = wanted[column.codes]
        return there if mask is None else there & mask


def between(sides: tuple[int, int]) -> str:
    """Two sides in words.

    Args:
        sides: The two, the one that teaches first.

    Returns:
        Such as `train and test`.
    """
    return " and ".join(ROLES[side] for side in sides)
