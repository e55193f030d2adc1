"""JSON, and JSON Lines: one object a line."""

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from manifests.audit.errors import WrongForeignTable
from manifests.audit.reading.encodings import decode
from manifests.audit.reading.nested import tables_of
from manifests.audit.reading.raw import RawTable, encode, refuse_width
from manifests.audit.reading.sources import SourceFile
from manifests.features import Json
from manifests.given_files import WrongText, parse_json


def read_json(source: SourceFile) -> list[RawTable]:
    """Reads a JSON file, which may hold one object a line.

    Args:
        source: The file.

    Returns:
        Its tables.

    Raises:
        WrongForeignTable: It is no JSON, or holds no list.
    """
    text, notes = decode(source.path, source.read())
    try:
        value = parse_json(text)
    except WrongText as error:
        if isinstance(error.__cause__, json.JSONDecodeError) and "Extra data" in str(error):
            return _of_lines(source, text, notes)
        raise WrongForeignTable(
            f"{source.path}: this is no JSON that can be read ({error}); mend it, or save the list "
            "as CSV"
        ) from error
    return tables_of(source.path, source.places, value)


def read_json_lines(source: SourceFile) -> list[RawTable]:
    """Reads JSON Lines.

    Args:
        source: The file.

    Returns:
        One table.

    Raises:
        WrongForeignTable: A line is no JSON object.
    """
    return _of_lines(source, *decode(source.path, source.read()))


def _of_lines(source: SourceFile, text: str, notes: tuple[str, ...]) -> list[RawTable]:
    cells: dict[str, list[str | None]] = {}
    lines: list[int] = []
    for line, record in _records(source.path, text):
        for name in [name for name in record if name not in cells]:
            cells[name] = [None] * len(lines)
        refuse_width(source.path, len(cells), line)
        lines.append(line)
        for name, column in cells.items():
            value = record.get(name)
            column.append(value if value is None or isinstance(value, str) else json.dumps(value))
    if not lines:
        raise WrongForeignTable.at(source.path, 1, "it is empty; expected one object a line")
    columns = tuple(encode(pa.array(column, pa.string())) for column in cells.values())
    return [RawTable(source.path, source.places, tuple(cells), columns, lines, notes=notes)]


def _records(path: Path, text: str) -> Iterator[tuple[int, dict[str, Json]]]:
    for line, data in enumerate(text.split("\n"), 1):
        if not data.strip():
            continue
        try:
            record: Json = parse_json(data)
        except WrongText as error:
            raise _not_json(path, line, error) from error
        if not isinstance(record, dict):
            what = f"it is {type(record).__name__}; expected one JSON object a line"
            raise WrongForeignTable.at(path, line, what)
        yield line, record


def _not_json(path: Path, line: int, error: WrongText) -> WrongForeignTable:
    cause, place = error.__cause__, ""
    if isinstance(cause, json.JSONDecodeError):
        error, place = WrongText(cause.msg), f"character {cause.colno}"
    return WrongForeignTable.at(
        path, line, f"it is not JSON ({error}); expected one object a line", place
    )
