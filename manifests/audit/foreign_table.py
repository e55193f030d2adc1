"""Foreign tables: the lists of others, as columns of text whose meaning is known."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from manifests.audit.errors import WrongForeignTable


@dataclass(frozen=True)
class ForeignTable:
    """The columns of one table that are understood, as text."""

    path: Path
    columns: Mapping[str, pa.DictionaryArray]
    """Meaning (a key of COLUMNS) -> cells, null where empty. What the name of a file, folder, sheet
    or key says is the same in every row."""
    header: Mapping[str, str]
    """Meaning -> the column's name in the file; without those that are no column there."""
    lines: Sequence[int]
    """Line of each row in the file; rows of a Parquet table count from 1."""
    given: frozenset[str] = frozenset()
    """Meanings that the user has set: what they say goes before the naming rule of the corpus."""
    understood: str = ""
    """How the whole list that this table is a part of was read, in a line for people."""
    unread: tuple[str, ...] = ()
    """What was given with it and not read, though its name says a side."""
    source: str = ""
    """What was given and this table is of, for messages; "" for its path."""
    locate: Callable[[int], int] | None = None
    """Row -> the line on which it begins, where `lines` cannot say."""

    @property
    def size(self) -> int:
        """Number of rows."""
        return len(self.lines)

    def wrong(self, row: int, meaning: str, what: str) -> WrongForeignTable:
        """The error for one cell.

        Args:
            row: Number of the row, from 0.
            meaning: The cell's column, by what it means.
            what: What is wrong there, and what was expected.

        Returns:
            The error, to be raised.
        """
        column = self.header.get(meaning)
        place = f"column {column.removeprefix('column ')}" if column else None
        return WrongForeignTable.at(self.path, self.line_of(row), what, place)

    def line_of(self, row: int) -> int:
        """The line on which a row begins.

        Cells of a CSV may hold line ends, so it is counted when an error asks for it.

        Args:
            row: Number of the row, from 0.

        Returns:
            Number of the line, from 1.
        """
        return self.lines[row] if self.locate is None else self.locate(row)


_NUMBER = re.compile(r"[-+]?[0-9]+([.,][0-9]+)?")
_CLOCK = re.compile(r"(?:([0-9]{1,9}):)?([0-9]{1,2}):([0-9]{1,2})(?:[.,]([0-9]{1,3}))?")


def seconds(cell: str) -> float | None:
    """Reads a number, or a time of day such as 00:16:16,059.

    Args:
        cell: The text; what follows the comma of a time counts milliseconds.

    Returns:
        The number, a time in seconds; None for neither.
    """
    clock = _CLOCK.fullmatch(cell)
    if clock:
        hours, minutes, full, millis = (int(part or 0) for part in clock.groups())
        return (((hours * 60 + minutes) * 60 + full) * 1000 + millis) / 1000
    try:
        value = float(cell)
    except ValueError:
        return float(cell.replace(",", ".")) if _NUMBER.fullmatch(cell) else None
    return value if np.isfinite(value) else None
