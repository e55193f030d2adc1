"""A table as it stands in a file: columns of text, before anything is known of their meaning."""

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from manifests.audit.errors import WrongForeignTable

MOST_COLUMNS = 10_000
MOST_BYTES = 1 << 30
"""Of all that a file, or a zip file, unfolds to."""
_LONGEST_CELL = 4096
_SHOWN = 60


class Place(NamedTuple):
    """A name that stands around a table, such as that of its file."""

    kind: str
    """folder, file, sheet, key or array."""
    name: str


@dataclass(frozen=True)
class RawTable:
    """One table of one file."""

    path: Path
    """The file, as it is shown to people."""
    places: tuple[Place, ...]
    """Folders, file, sheet and keys around it, the outermost first."""
    names: tuple[str, ...] | None
    """Of its columns; None where it has no header."""
    columns: tuple[pa.DictionaryArray, ...]
    """Cells without blanks around them; null where empty."""
    lines: Sequence[int]
    """Line, row or entry of each row in the file."""
    locate: Callable[[int], int] | None = None
    """Row -> the line on which it begins, where `lines` cannot say."""
    notes: tuple[str, ...] = ()
    """What a reader wants to know of how it was read."""
    first_line: int = 1
    """Where a header stands, for messages."""
    left_out: tuple[str, ...] = field(default=())
    """What stands beside it and is not read."""

    @property
    def size(self) -> int:
        """Number of rows."""
        return len(self.lines)

    def called(self, number: int) -> str:
        """What a column is called in messages.

        Args:
            number: Of the column, from 0.

        Returns:
            Its name, or such as `column 2`.
        """
        name = self.names[number] if self.names else ""
        return name if name.strip() else f"column {number + 1}"


def encode(column: pa.Array | pa.ChunkedArray) -> pa.DictionaryArray:
    """Makes a dictionary of the distinct cells of a column.

    Args:
        column: Of text, plain or as a dictionary.

    Returns:
        The cells without blanks around them, null where empty. A cell that is longer than a name
        can be is cut and ends with its hash, so that cells are equal as before.
    """
    if isinstance(column, pa.ChunkedArray):
        column = column.unify_dictionaries().combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks)
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    plain = pc.utf8_trim_whitespace(encoded.dictionary.cast(pa.string()))
    plain = pc.if_else(pc.equal(plain, ""), pa.scalar(None, pa.string()), plain)
    if pc.any(pc.greater(pc.binary_length(plain), _LONGEST_CELL)).as_py():
        plain = pa.array([_cut(cell) for cell in plain.to_pylist()], pa.string())
    again = plain.dictionary_encode()  # cells that differ in blanks alone are one
    indices = pc.take(again.indices, encoded.indices)
    return pa.DictionaryArray.from_arrays(indices.cast(pa.int32()), again.dictionary)


def encode_cells(cells: Sequence[str | None]) -> pa.DictionaryArray:
    """Makes a dictionary of the distinct cells of a column.

    Args:
        cells: Texts; None for an empty cell.

    Returns:
        As `encode`.
    """
    return encode(pa.array(cells, pa.string()))


def constant(value: str, size: int) -> pa.DictionaryArray:
    """Makes a column with the same text in every row.

    Args:
        value: The text.
        size: Number of rows.

    Returns:
        The column.
    """
    return pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), size), [value])


def distinct(column: pa.DictionaryArray) -> list[str]:
    """The distinct cells of a column.

    Args:
        column: As `encode` makes it.

    Returns:
        Those that are not empty.
    """
    return [value for value in column.dictionary.to_pylist() if value is not None]


def of_rows(rows: Iterable[Sequence[str | None]], width: int) -> tuple[pa.DictionaryArray, ...]:
    """Makes columns of rows.

    Args:
        rows: Cells of each row; a short row lacks its last cells.
        width: Number of columns.

    Returns:
        The columns.
    """
    cells: list[list[str | None]] = [[] for _ in range(width)]
    for row in rows:
        for number, column in enumerate(cells):
            column.append(row[number] if number < len(row) else None)
    return tuple(encode_cells(column) for column in cells)


def as_cell(value: object) -> str | None:
    """Writes a value as the text of a cell.

    Args:
        value: Text, a number, yes or no, or None.

    Returns:
        The text; None for nothing. A whole number has no point.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return str(int(value)) if value.is_integer() else str(value)
    return str(value)


def refuse_width(path: Path, width: int, line: int = 1) -> None:
    """Refuses a table that is no list of clips but a matrix.

    Args:
        path: Its file.
        width: Number of its columns.
        line: Where the header stands.

    Raises:
        WrongForeignTable: There are more than MOST_COLUMNS.
    """
    if width > MOST_COLUMNS:
        what = (
            f"the table has {width:,} columns, at most {MOST_COLUMNS:,} are read; give a table of "
            "names, sides and labels"
        )
        raise WrongForeignTable.at(path, line, what)


def _cut(cell: str | None) -> str | None:
    if cell is None or len(cell) <= _LONGEST_CELL:
        return cell
    digest = hashlib.sha256(cell.encode()).hexdigest()[:16]
    return f"{cell[:_SHOWN]}... ({len(cell):,} characters, {digest})"
