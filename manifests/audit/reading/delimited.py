"""Text tables and lists: cells between commas, semicolons, tabs, bars or blanks, or names alone."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from manifests.audit.errors import WrongForeignTable
from manifests.audit.reading.dialects import (
    BLANKS,
    DELIMITERS,
    NAMES,
    Dialect,
    find_dialect,
    split_at_blanks,
)
from manifests.audit.reading.encodings import decode
from manifests.audit.reading.raw import RawTable, encode, encode_cells, of_rows, refuse_width
from manifests.audit.reading.sources import SourceFile

_TABLES = (".csv", ".tsv")
_BLOCK = 1 << 22


def read_delimited(source: SourceFile) -> list[RawTable]:
    """Reads a text table, or a list of names.

    Args:
        source: The file.

    Returns:
        One table.

    Raises:
        WrongForeignTable: It is no text, empty, or broken at a line.
    """
    text, notes = decode(source.path, source.read())
    if "\r" in text and "\n" not in text:  # the line ends of old Macintosh programs
        text = text.replace("\r", "\n")
    line_end = text.find("\n")
    first = text[: len(text) if line_end < 0 else line_end]
    refuse_width(source.path, max(map(first.count, DELIMITERS + BLANKS)) + 1)
    dialect = find_dialect(text, source.suffix in _TABLES)
    if dialect is None:
        what = "it is empty; expected a header that names the columns, or a clip on each line"
        raise WrongForeignTable.at(source.path, 1, what)
    if dialect.delimiter in (None, BLANKS):
        return [_of_lines(source, text, dialect, notes)]
    return [_of_cells(source, text, dialect, notes)]


def _of_lines(source: SourceFile, text: str, dialect: Dialect, notes: tuple[str, ...]) -> RawTable:
    """Lines that hold one cell, or cells with blanks between them."""
    skipped = dialect.skipped + (dialect.header is not None)
    numbered = [
        (number, line)
        for number, line in enumerate(text.split("\n"), 1)
        if number > skipped and line.strip()
    ]
    lines = [line.strip() for _, line in numbered]
    if dialect.delimiter is None:
        columns = (encode_cells([line.strip('"') for line in lines]),)
    else:
        rows, width = split_at_blanks(lines)
        if dialect.header is not None:
            width = len(dialect.header)
            _refuse_ragged(source, numbered, rows, width)
        columns = of_rows(rows, width)
        notes = ("blanks between the cells", *notes)
    return RawTable(
        source.path,
        source.places,
        dialect.header,
        columns,
        [number for number, _ in numbered],
        notes=notes,
        first_line=dialect.skipped + 1,
    )


def _refuse_ragged(
    source: SourceFile,
    numbered: Sequence[tuple[int, str]],
    rows: Sequence[Sequence[str]],
    width: int,
) -> None:
    for (line, _), row in zip(numbered, rows, strict=True):
        if len(row) != width:
            what = f"the line has {len(row)} cells, expected {width}; mend the line"
            raise WrongForeignTable.at(source.path, line, what)


def _of_cells(source: SourceFile, text: str, dialect: Dialect, notes: tuple[str, ...]) -> RawTable:
    delimiter = dialect.delimiter or ","
    table = _parsed(text, dialect, delimiter)
    if table is None:
        raise _fault(source, text, dialect) or WrongForeignTable(
            f"{source.path}: this is no table that can be read; expected {dialect.width} cells on "
            f"each line, with {NAMES[delimiter]} between them"
        )
    located = _locator(text, dialect)
    locate: Callable[[int], int] | None = located
    if _swallows(table, delimiter):
        bare = _parsed(text, dialect, delimiter, has_quotes=False)
        if bare is not None and bare.num_rows > table.num_rows:
            table, locate = bare, None
            notes = ("quotes are read as letters, since they do not pair", *notes)
        else:
            _refuse_swallowed(source, table, delimiter, located)
    width = table.num_columns
    is_named = dialect.header is not None
    begins = dialect.skipped + 1
    return RawTable(
        source.path,
        source.places,
        dialect.header,
        tuple(encode(table.column(number)) for number in range(width)),
        range(begins + is_named, begins + is_named + table.num_rows),
        locate=locate,
        notes=notes if delimiter == "," else (f"{NAMES[delimiter]} between the cells", *notes),
        first_line=begins,
    )


def _swallows(table: pa.Table, delimiter: str) -> bool:
    """A quoted cell holds line ends, and as many delimiters as whole rows have."""
    return any(map(partial(_swallowed, table, delimiter), range(table.num_columns)))


def _swallowed(table: pa.Table, delimiter: str, number: int) -> list[str]:
    """The cells of a column that may have swallowed rows."""
    between, column = table.num_columns - 1, table.column(number)
    cells: list[str] = column.filter(pc.match_substring(column, "\n")).to_pylist()
    return [cell for cell in cells if 0 < between * cell.count("\n") <= cell.count(delimiter)]


def _refuse_swallowed(
    source: SourceFile, table: pa.Table, delimiter: str, locate: Callable[[int], int]
) -> None:
    """Refuses a quoted cell that is the end of a row, whole rows, and the beginning of a row."""
    between = table.num_columns - 1
    for number, column in enumerate(table.columns):
        for cell in _swallowed(table, delimiter, number):
            first, *whole, last = [line.count(delimiter) for line in cell.split("\n")]
            is_cut = first == between - number and last in {number, 0}
            if is_cut and all(count in {between, 0} for count in whole):
                row = pc.index(column, cell).as_py()
                what = (
                    "a quoted cell has whole lines of the table in it; close its quotes, or write "
                    "a quote within a cell twice"
                )
                raise WrongForeignTable.at(source.path, locate(row), what)


def _parsed(
    text: str, dialect: Dialect, delimiter: str, *, has_quotes: bool = True
) -> pa.Table | None:
    """The cells; None where a line is broken."""
    names = [str(number) for number in range(dialect.width)]
    data = pa.py_buffer(text.encode())
    for block in (_BLOCK, max(data.size + 1, _BLOCK)):  # a row may be longer than a block
        try:
            return pacsv.read_csv(
                pa.BufferReader(data),
                read_options=pacsv.ReadOptions(
                    column_names=names,
                    skip_rows=dialect.skipped + (dialect.header is not None),
                    block_size=min(block, (1 << 31) - 1),
                ),
                parse_options=pacsv.ParseOptions(
                    delimiter=delimiter,
                    quote_char='"' if has_quotes else False,
                    newlines_in_values=has_quotes,
                ),
                convert_options=pacsv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
                ),
            )
        except pa.ArrowException as error:
            if "straddling" not in str(error):
                return pa.table({}) if "Empty CSV" in str(error) else None
    return None


def _fault(source: SourceFile, text: str, dialect: Dialect) -> WrongForeignTable | None:
    """Where a table that did not parse is broken: read once more, slowly."""
    for line, cells in _rows(source, text, dialect):
        if len(cells) != dialect.width:
            at = min(len(cells), dialect.width) - 1
            last = dialect.header[at] if dialect.header else str(at + 1)
            what = f"the line has {len(cells)} cells, expected {dialect.width}; mend the line"
            return WrongForeignTable.at(source.path, line, what, f"column {last}")
    return None


def _locator(text: str, dialect: Dialect) -> Callable[[int], int]:
    """Finds the line on which a row begins, when an error asks for it: cells may hold line ends."""

    is_named = dialect.header is not None

    def locate(row: int) -> int:
        rows = enumerate(_rows(None, text, dialect), -is_named)
        usual = dialect.skipped + is_named + row + 1  # where a cell is too long to be counted on
        return next((line for number, (line, _) in rows if number == row), usual)

    return locate


def _rows(
    source: SourceFile | None, text: str, dialect: Dialect
) -> Iterator[tuple[int, list[str]]]:
    """(line on which it begins, cells) of every row that is not empty, the header first."""
    file = io.StringIO(text, newline="")
    for _ in range(dialect.skipped):
        file.readline()
    begins = dialect.skipped + 1
    reader = csv.reader(file, delimiter=dialect.delimiter or ",", strict=source is not None)
    try:
        for cells in reader:
            if cells:
                yield begins, cells
            begins = reader.line_num + dialect.skipped + 1
    except csv.Error as error:
        if source is not None:
            what = f"a quoted cell is broken ({error}); mend the quotes of this line"
            raise WrongForeignTable.at(source.path, begins, what) from error
