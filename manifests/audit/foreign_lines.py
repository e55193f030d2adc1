"""The lines of one foreign table or several, one after the other, each checked as it is read."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from manifests.audit.errors import WrongForeignTable
from manifests.audit.foreign_columns import COLUMNS
from manifests.audit.foreign_table import ForeignTable, seconds
from manifests.audit.name_columns import NameColumn
from manifests.audit.reading.sides import side_of_cell

_YES, _NO = {"1", "true", "yes", "y"}, {"", "0", "false", "no", "n"}
_FLAGS = dict.fromkeys(_YES, True) | dict.fromkeys(_NO, False)

UNITS = ("name", "subject", "episode", "video")
"""What a line may be, the best first: a clip or, where no clip is listed, what clips are of."""

_SHOWN = 100
"""Characters of a cell that a message shows."""

Value = TypeVar("Value", int, float)


class ForeignLines:
    """All lines of all tables of one split, one after the other."""

    def __init__(self, tables: Sequence[ForeignTable]) -> None:
        """Reads the names and the sides.

        Args:
            tables: One table, or one for each side.

        Raises:
            WrongForeignTable: A table has no line, or a line without a clip or a side.
        """
        self.tables = tables
        self.starts = np.cumsum([0, *(table.size for table in tables)])
        sources = dict.fromkeys(table.source or str(table.path) for table in tables)
        self.title = " + ".join(sources)
        for table in tables:
            _refuse_unfit(table)
        self.unit = next(unit for unit in UNITS if any(_has(table, unit) for table in tables))
        """What a line is: a clip (`name`) or, in lists without clips, a `subject`, `episode` or
        `video`."""
        self.name = _joined([_name_of(table, self.unit) for table in self.tables])
        """What each line names, as it is written: its clip, or the unit that it is."""
        self.refuse_gaps(self.name, self.unit, "the clip's name, path or id")
        self.role = self._roles()
        """(line,) side of each line; None where the column `fold` holds parts instead."""

    @property
    def size(self) -> int:
        """Number of lines."""
        return int(self.starts[-1])

    def has(self, meaning: str) -> bool:
        """Says whether any table has a column.

        Args:
            meaning: What the column means, a key of COLUMNS.

        Returns:
            True for at least one table.
        """
        return any(meaning in table.columns for table in self.tables)

    def column(self, meaning: str) -> NameColumn:
        """One column of all tables.

        Args:
            meaning: What the column means, a key of COLUMNS.

        Returns:
            The cells; lines of a table without the column have no name.
        """
        return _joined([_as_names(table.columns.get(meaning), table.size) for table in self.tables])

    def numbers(self, meaning: str) -> NDArray[np.float64]:
        """One column of numbers or times.

        Args:
            meaning: What the column means, a key of COLUMNS.

        Returns:
            (line,) times in seconds; NaN where the cell is empty.

        Raises:
            WrongForeignTable: A cell holds something else.
        """
        what = "{!r} is no number; expected seconds or h:mm:ss,mmm for times"
        column = self.column(meaning)
        parsed = self.parsed(column, meaning, seconds, what)
        return np.asarray([*parsed, None], dtype=np.float64)[column.codes]

    def flag(self, meaning: str) -> NDArray[np.bool_]:
        """One column of yes and no.

        Args:
            meaning: What the column means, a key of COLUMNS.

        Returns:
            (line,) False where the cell is empty.

        Raises:
            WrongForeignTable: A cell holds something else.
        """
        column = self.column(meaning)
        what = "{!r} is neither yes nor no"
        parsed = self.parsed(column, meaning, lambda cell: _FLAGS.get(cell.casefold()), what)
        return np.asarray([*parsed, False], dtype=np.bool_)[column.codes]

    def parsed(
        self,
        column: NameColumn,
        meaning: str,
        parse: Callable[[str], Value | None],
        what: str,
    ) -> list[Value]:
        """The values of a column as numbers.

        Args:
            column: Cells of all lines.
            meaning: What the column means, a key of COLUMNS.
            parse: Cell -> number; None for a cell that cannot be understood.
            what: What is wrong then, with a place for the cell.

        Returns:
            A number for each value of the column.

        Raises:
            WrongForeignTable: A value cannot be understood.
        """
        found: list[Value] = []
        for code, cell in enumerate(column.values):
            value = parse(str(cell))
            if value is None:
                raise self.wrong(column.row_of(code), meaning, what.format(str(cell)[:_SHOWN]))
            found.append(value)
        return found

    def refuse_gaps(self, column: NameColumn, meaning: str, expected: str) -> None:
        """Refuses a column with an empty cell.

        Args:
            column: Cells of all lines.
            meaning: What the column means, a key of COLUMNS.
            expected: What each cell should hold, in words.

        Raises:
            WrongForeignTable: A cell is empty.
        """
        lacking = np.flatnonzero(column.codes < 0)
        if len(lacking):
            raise self.wrong(int(lacking[0]), meaning, f"it is empty; expected {expected}")

    def wrong(self, line: int, meaning: str, what: str) -> WrongForeignTable:
        """The error for one cell.

        Args:
            line: Number of the line among all, from 0.
            meaning: The cell's column, by what it means.
            what: What is wrong there, and what was expected.

        Returns:
            The error, to be raised.
        """
        table, row = self._place(line)
        return table.wrong(row, meaning, what)

    def place(self, line: int) -> str:
        """A second place in an error.

        Args:
            line: Number of the line among all, from 0.

        Returns:
            Such as `line 12`.
        """
        table, row = self._place(line)
        return f"line {table.line_of(row)}"

    def _place(self, line: int) -> tuple[ForeignTable, int]:
        """The table that a line is in, and its row there."""
        number = int(np.searchsorted(self.starts, line, side="right")) - 1
        return self.tables[number], line - int(self.starts[number])

    def _roles(self) -> NDArray[np.int8] | None:
        column = self.column("role")
        if column.known:
            return self._checked_roles(column)
        if self.has("fold"):
            return None
        expected = ", ".join((*COLUMNS["role"], "fold"))
        raise WrongForeignTable(
            f"{self.tables[0].path}, line 1: no column tells the side of a clip; expected one of "
            f"{expected}"
        )

    def _checked_roles(self, column: NameColumn) -> NDArray[np.int8]:
        expected = "train, valid or test"
        what = f"{{0!r}} is no side; expected {expected}, or --side test={{0!r}} (or none={{0!r}})"
        sides = self.parsed(column, "role", side_of_cell, what)
        self.refuse_gaps(column, "role", f"{expected}; fill the cell, or take the line away")
        return np.asarray(sides, dtype=np.int8)[column.codes]


def pair(first: NameColumn, second: NameColumn, form: str) -> NameColumn:
    """Makes one column of two.

    Args:
        first: A column.
        second: Another of the same rows.
        form: The name of a row, with places for its two names.

    Returns:
        The column; a row that lacks one of the two has no name.
    """
    import pandas as pd

    width = max(1, len(second.values))
    both = np.where(
        (first.codes >= 0) & (second.codes >= 0),
        first.codes.astype(np.int64) * width + second.codes,
        -1,
    )
    codes, uniques = pd.factorize(np.where(both < 0, np.nan, both), use_na_sentinel=True)
    values = [
        form.format(first.values[int(one) // width], second.values[int(one) % width])
        for one in uniques
    ]
    return NameColumn(codes.astype(np.int32), np.asarray(values, dtype=object))


def _refuse_unfit(table: ForeignTable) -> None:
    if not table.size:
        raise WrongForeignTable(
            f"{table.path}: the table has no line below its header; expected one for each clip"
        )
    if not any(_has(table, unit) for unit in UNITS):
        expected = ", ".join(COLUMNS["name"])
        raise WrongForeignTable(
            f"{table.path}, line 1: no column names the clip; expected one of {expected}"
        )


def _as_names(column: pa.DictionaryArray | None, size: int) -> NameColumn:
    if column is None:
        return NameColumn(np.full(size, -1, np.int32), np.zeros(0, object))
    import pandas as pd

    codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    values = np.asarray(column.dictionary.to_pylist(), dtype=object)
    void = np.flatnonzero(pd.isna(values))  # a null may be a value of the dictionary
    return NameColumn(np.where(np.isin(codes, void), np.int32(-1), codes), values)


def _joined(columns: Sequence[NameColumn]) -> NameColumn:
    if len(columns) == 1:
        return columns[0]
    merged = NameColumn.of([value for column in columns for value in column.values])
    starts = np.cumsum([0, *(len(column.values) for column in columns)])
    parts = [
        np.append(merged.codes[start : start + len(column.values)], np.int32(-1))[column.codes]
        for start, column in zip(starts, columns, strict=False)
    ]
    return NameColumn(np.concatenate(parts).astype(np.int32), merged.values)


def _has(table: ForeignTable, unit: str) -> bool:
    is_pair = unit == "name" and {"dialogue", "utterance"} <= table.columns.keys()
    return unit in table.columns or is_pair


def _name_of(table: ForeignTable, unit: str) -> NameColumn:
    if unit in table.columns or unit != "name":
        return _as_names(table.columns.get(unit), table.size)
    dialogue, utterance = (
        _as_names(table.columns.get(half), table.size) for half in ("dialogue", "utterance")
    )
    return pair(dialogue, utterance, "dia{}_utt{}")
