"""Foreign tables: CSV, JSON Lines and Parquet files of others, read as text, column by column."""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from manifests.audit.errors import WrongForeignTable
from manifests.audit.foreign_columns import recognise
from manifests.features import Json
from manifests.given_files import WrongText, check_file, parse_json

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
_DELIMITERS = ",;\t"


@dataclass(frozen=True)
class ForeignTable:
    """The columns of one table that are understood, as text."""

    path: Path
    columns: Mapping[str, pa.DictionaryArray]
    """Meaning (a key of COLUMNS) -> cells, null where empty."""
    header: Mapping[str, str]
    """Meaning -> the column's name in the file."""
    lines: Sequence[int]
    """Line of each row in the file; rows of a Parquet table count from 1."""
    given: frozenset[str] = frozenset()
    """Meanings that the user has set: what they say goes before the naming rule of the corpus."""
    understood: str = ""
    """How the whole list that this table is a part of was read, in a line for people."""

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
        place = f"column {column}" if column else None
        return WrongForeignTable.at(self.path, self.line_of(row), what, place)

    def line_of(self, row: int) -> int:
        """The line on which a row begins.

        Cells of a CSV may hold line ends, so it is counted when an error asks for it.

        Args:
            row: Number of the row, from 0.

        Returns:
            Number of the line, from 1.
        """
        if self.path.suffix.lower() not in (".csv", ".tsv"):
            return self.lines[row]
        with self.path.open(encoding="utf-8-sig", errors="replace") as file:
            delimiter = max(_DELIMITERS, key=file.readline().count)
        rows = enumerate(_csv_rows(self.path, delimiter))
        return next((line for number, (line, _) in rows if number == row + 1), self.lines[row])


def read_foreign(path: Path) -> ForeignTable:
    """Reads the columns of a table that are understood.

    Args:
        path: A file with one of SUFFIXES.

    Returns:
        The table.

    Raises:
        WrongForeignTable: The file is no table that can be read; with line and column where there
            is one.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise WrongForeignTable(
            f"{path}: the suffix {suffix or '(none)'} is no table's; expected {', '.join(SUFFIXES)}"
        )
    try:
        check_file(path)
        if suffix == ".parquet":
            return _read_parquet(path)
        return _read_json_lines(path) if suffix in (".jsonl", ".ndjson") else _read_csv(path)
    except OSError as error:
        raise WrongForeignTable(
            f"{path}: the file cannot be read ({error.strerror or error}); check the path and its "
            "permissions"
        ) from error


def _read_parquet(path: Path) -> ForeignTable:
    try:
        file = pq.ParquetFile(path)
        header = recognise(path, file.schema_arrow.names)
        table = file.read(columns=list(header.values()))
        columns = {
            meaning: _encoded(_as_text(table.column(name))) for meaning, name in header.items()
        }
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise WrongForeignTable(
            f"{path}: this is no Parquet table that can be read ({_first_line(error)}); write it "
            "again"
        ) from error
    return ForeignTable(path, columns, header, range(1, table.num_rows + 1))


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column if pa.types.is_string(column.type) else column.cast(pa.string())


def _encoded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    """Dictionary of the distinct cells, blanks around them and empty cells taken away."""
    encoded = column.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.unify_dictionaries().combine_chunks()
    plain = pc.utf8_trim_whitespace(encoded.dictionary)
    plain = pc.if_else(pc.equal(plain, ""), pa.scalar(None, pa.string()), plain)
    again = plain.dictionary_encode()  # cells that differ in blanks alone are one
    indices = pc.take(again.indices, encoded.indices)
    return pa.DictionaryArray.from_arrays(indices.cast(pa.int32()), again.dictionary)


def _read_json_lines(path: Path) -> ForeignTable:
    cells: dict[str, list[str | None]] = {}
    lines: list[int] = []
    for line, record in _records(path):
        for name in record.keys() - cells.keys():
            cells[name] = [None] * len(lines)
        lines.append(line)
        for name, column in cells.items():
            value = record.get(name)
            column.append(value if value is None or isinstance(value, str) else json.dumps(value))
    header = recognise(path, list(cells))
    columns = {
        meaning: _encoded(pa.chunked_array([pa.array(cells[name], pa.string())]))
        for meaning, name in header.items()
    }
    return ForeignTable(path, columns, header, lines)


def _records(path: Path) -> Iterator[tuple[int, dict[str, Json]]]:
    with path.open("rb") as file:
        for line, data in enumerate(file, 1):
            if not data.strip():
                continue
            try:
                record: Json = parse_json(data)
            except WrongText as error:
                raise _not_json(path, line, data, error) from error
            if not isinstance(record, dict):
                what = f"it is {type(record).__name__}; expected one JSON object a line"
                raise WrongForeignTable.at(path, line, what)
            yield line, record


def _not_json(path: Path, line: int, data: bytes, error: WrongText) -> WrongForeignTable:
    cause, place = error.__cause__, ""
    if isinstance(cause, UnicodeDecodeError):
        return WrongForeignTable.at(path, line, _not_utf8(data, cause))
    if isinstance(cause, json.JSONDecodeError):
        error, place = WrongText(cause.msg), f"character {cause.colno}"
    return WrongForeignTable.at(
        path, line, f"it is not JSON ({error}); expected one object a line", place
    )


def _read_csv(path: Path) -> ForeignTable:
    with path.open("rb") as file:
        first = file.readline()
    try:
        text = first.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise WrongForeignTable.at(path, 1, _not_utf8(first, error)) from error
    delimiter = max(_DELIMITERS, key=text.count)
    try:
        names = next(csv.reader(io.StringIO(text), delimiter=delimiter), [])
    except csv.Error as error:
        raise WrongForeignTable.at(path, 1, f"the header is broken ({error}); mend it") from error
    if not names:
        what = "it is empty; expected a header that names the columns"
        raise WrongForeignTable.at(path, 1, what)
    header = recognise(path, names)
    try:
        table = pacsv.read_csv(
            path,
            parse_options=pacsv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(
                include_columns=list(header.values()),
                column_types={name: pa.string() for name in header.values()},
                strings_can_be_null=False,
            ),
        )
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise _csv_fault(path, delimiter, names) or WrongForeignTable(
            f"{path}: {_first_line(error)}"
        ) from error
    columns = {meaning: _encoded(table.column(name)) for meaning, name in header.items()}
    return ForeignTable(path, columns, header, range(2, table.num_rows + 2))


def _csv_fault(path: Path, delimiter: str, names: Sequence[str]) -> WrongForeignTable | None:
    """Where a CSV that did not parse is broken: read once more, slowly."""
    width = len(names)
    with path.open("rb") as file:
        for line, data in enumerate(file, 1):
            try:
                data.decode("utf-8")
            except UnicodeDecodeError as error:
                at = min(data[: error.start].count(delimiter.encode()), width - 1)
                what = _not_utf8(data, error)
                return WrongForeignTable.at(path, line, what, f"column {names[at]}")
    for line, cells in _csv_rows(path, delimiter):
        if len(cells) != width:
            last = names[min(len(cells), width) - 1]
            what = f"the line has {len(cells)} cells, expected {width}; mend the line"
            return WrongForeignTable.at(path, line, what, f"column {last}")
    return None


def _csv_rows(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(line on which it begins, cells) of every row that is not empty, the header first."""
    begins = 1
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        try:
            for cells in reader:
                if cells:
                    yield begins, cells
                begins = reader.line_num + 1
        except csv.Error as error:
            what = f"a quoted cell is broken ({error}); mend the quotes of this line"
            raise WrongForeignTable.at(path, begins, what) from error


def _not_utf8(data: bytes, error: UnicodeDecodeError) -> str:
    return f"it is not UTF-8 (byte 0x{data[error.start]:02x}); save the table as UTF-8"


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


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
