"""Columns of names, factorised once.

So every rule is a few counts over whole numbers, however long the table is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class NameColumn:
    """A column of names: `codes[row]` counts into `values`, -1 where the row has none."""

    codes: NDArray[np.int32]
    """(row,)"""
    values: NDArray[np.object_]
    """(value,) the distinct names, as text."""
    members: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """Code of a name that stands for several, such as `Ross and Rachel` -> the code of each."""

    @staticmethod
    def of(values: Iterable[str | None]) -> "NameColumn":
        """Factorises the names of all rows.

        Args:
            values: Name of each row; None for none.

        Returns:
            The column, its values in the order in which they come first.
        """
        import pandas as pd

        codes, uniques = pd.factorize(np.asarray(list(values), dtype=object), use_na_sentinel=True)
        return NameColumn(codes.astype(np.int32), np.asarray(uniques, dtype=object))

    def take(self, rows: NDArray[np.integer]) -> "NameColumn":
        """Some rows of the column.

        Args:
            rows: (n,) row numbers; may repeat.

        Returns:
            A column of n rows with the same values.
        """
        return NameColumn(self.codes[rows], self.values, self.members)

    def singles(self, there: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Resolves names that stand for several.

        Args:
            there: (value,) True for the names that are there.

        Returns:
            (value,) True for the names of one that are there, by themselves or among several.
        """
        if not self.members:
            return there
        alone = there.copy()
        alone[list(self.members)] = False
        for code, each in self.members.items():
            alone[list(each)] |= there[code]
        return alone

    def holding(self, codes: NDArray[np.integer]) -> NDArray[np.integer]:
        """Adds the names that stand for several.

        Args:
            codes: Values of the column.

        Returns:
            The same, and each name that stands for one of them and others.
        """
        joint = [code for code, each in self.members.items() if np.isin(each, codes).any()]
        return np.append(codes, joint).astype(np.int64) if joint else codes

    @cached_property
    def known(self) -> bool:
        """At least one row has a name."""
        return bool((self.codes >= 0).any())

    def row_of(self, code: int) -> int:
        """The first row with a value.

        Args:
            code: Place of the value in `values`.

        Returns:
            Number of the row; 0 where no row has the value.
        """
        return int(np.argmax(self.codes == code))

    def or_else(self, other: "NameColumn | None") -> "NameColumn":
        """Fills the gaps of this column from another.

        Args:
            other: A column of the same rows; None for nothing to fill with.

        Returns:
            The name of each row here, else its name in the other column.
        """
        if other is None or not (self.codes < 0).any():
            return self
        merged = NameColumn.of([*self.values, *other.values, None])
        here, there = (
            np.append(codes, -1) for codes in np.split(merged.codes[:-1], [len(self.values)])
        )
        codes = np.where(self.codes >= 0, here[self.codes], there[other.codes])
        members = {
            int(new[code]): tuple(int(new[one]) for one in each)
            for column, new in ((other, there), (self, here))
            for code, each in column.members.items()
        }
        return NameColumn(codes.astype(np.int32), merged.values, members)
