"""Workbooks of Excel, by python-calamine: every sheet that holds something is a table."""

import datetime
import io
import re
import zipfile
import zlib
from collections.abc import Sequence

from manifests.audit.errors import WrongForeignTable
from manifests.audit.reading.dialects import looks_like_header
from manifests.audit.reading.raw import Place, RawTable, as_cell, of_rows, refuse_width
from manifests.audit.reading.sources import SourceFile

_MOST_BYTES = 1 << 28
_MOST_CELLS = 50_000_000
_PLACE = re.compile(rb"""\br\s*=\s*["']([A-Za-z]{1,3})([0-9]{1,7})["']""")
"""Of a cell, such as B12."""


def read_sheets(source: SourceFile) -> list[RawTable]:
    """Reads a workbook; formulas count as what they came to when it was saved.

    Args:
        source: The file.

    Returns:
        A table for each sheet with cells.

    Raises:
        WrongForeignTable: It is no workbook, or unfolds to too much.
    """
    from python_calamine import CalamineError, CalamineWorkbook

    data = source.read()
    _refuse_bomb(source, data)
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(data))
        sheets = [(name, book.get_sheet_by_name(name).to_python()) for name in book.sheet_names]
    except (CalamineError, ValueError, OSError) as error:
        raise WrongForeignTable(
            f"{source.path}: this is no workbook that can be read ({str(error)[:200]}); save it as "
            "CSV"
        ) from error
    filled = [(name, rows) for name, rows in sheets if any(map(any, rows))]
    if not filled:
        raise WrongForeignTable(f"{source.path}: no sheet has a cell with something in it")
    return [
        _of_sheet(source, name if len(filled) > 1 else None, rows)  # Sheet1 says nothing
        for name, rows in filled
    ]


def _refuse_bomb(source: SourceFile, data: bytes) -> None:
    """A workbook is a zip file, which is unfolded here to be counted, and thrown away.

    Two cells in opposite corners of a sheet would be read as seventeen billion.
    """
    size = 0
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in archive.infolist():
                with archive.open(entry) as file:
                    sheet = file.read(_MOST_BYTES - size + 1)
                size += len(sheet)
                if size > _MOST_BYTES or _area(sheet) > _MOST_CELLS:
                    raise WrongForeignTable(
                        f"{source.path} unfolds to more than {_MOST_BYTES:,} bytes or "
                        f"{_MOST_CELLS:,} cells; save the sheet with the list as CSV"
                    )
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError) as error:
        raise WrongForeignTable(
            f"{source.path}: this is no workbook that can be read ({error}); save it as CSV"
        ) from error


def _area(sheet: bytes) -> int:
    """The rows that the cells of a sheet reach, times the columns."""
    row = column = 0
    for letters, digits in _PLACE.findall(sheet):
        number = 0
        for letter in letters.upper():
            number = number * 26 + letter - ord("A") + 1
        row, column = max(row, int(digits)), max(column, number)
    return row * column


def _of_sheet(source: SourceFile, name: str | None, rows: Sequence[Sequence[object]]) -> RawTable:
    texts = [[_cell(cell) for cell in row] for row in rows]
    numbered = [(number, row) for number, row in enumerate(texts, 1) if any(row)]
    width = max(
        number + 1 for _, row in numbered for number, cell in enumerate(row) if cell is not None
    )
    refuse_width(source.path, width)
    first_line, first = numbered[0]
    is_named = looks_like_header(
        [[cell or "" for cell in row[:width]] for _, row in numbered[:200]]
    )
    below = numbered[1:] if is_named else numbered
    return RawTable(
        source.path,
        (*source.places, *([Place("sheet", name)] if name else [])),
        tuple(cell or "" for cell in first[:width]) if is_named else None,
        of_rows([row for _, row in below], width),
        [number for number, _ in below],
        first_line=first_line,
    )


def _cell(cell: object) -> str | None:
    if isinstance(cell, datetime.date | datetime.time | datetime.timedelta):
        return str(cell)
    text = as_cell(cell)
    return text if text and text.strip() else None
