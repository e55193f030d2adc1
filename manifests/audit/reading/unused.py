"""Rows and tables that a user says are on no side, such as clips without a label."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from manifests.audit.errors import WrongForeignTable
from manifests.audit.reading.options import ReadingOptions
from manifests.audit.reading.raw import RawTable, distinct, encode
from manifests.audit.reading.sides import side_of_cell


def without_unused(tables: Sequence[RawTable], options: ReadingOptions) -> list[RawTable]:
    """Sets aside what is on no side.

    Args:
        tables: All tables.
        options: What the user says.

    Returns:
        The tables without it; how many rows were set aside is among their notes.

    Raises:
        WrongForeignTable: There is nothing of the kind, or nothing else.
    """
    if not options.unused:
        return [*tables]
    kept = [_without_rows(raw, options) for raw in tables if not _is_unused(raw, options)]
    if sum(raw.size for raw in kept) == sum(raw.size for raw in tables):
        raise WrongForeignTable(
            f"{tables[0].path} has no side {', '.join(sorted(options.unused))} (--side none=...); "
            "expected a cell of the column for the side, or the name of a file, folder, sheet or "
            "key"
        )
    if not kept:
        raise WrongForeignTable(
            f"{tables[0].path}: --side none=... leaves nothing; name less of it"
        )
    return kept


def _is_unused(raw: RawTable, options: ReadingOptions) -> bool:
    names = {place.name.casefold() for place in raw.places} | {raw.path.name.casefold()}
    return bool(names & options.unused)


def _without_rows(raw: RawTable, options: ReadingOptions) -> RawTable:
    for column in raw.columns:
        cells = distinct(column)
        if not any(cell.casefold() in options.unused for cell in cells):
            continue
        if all(_is_side(cell, options) for cell in cells):
            is_out = [
                cell is not None and cell.casefold() in options.unused
                for cell in column.to_pylist()
            ]
            return _kept(raw, np.flatnonzero(~np.asarray(is_out, np.bool_)).tolist())
    return raw


def _is_side(cell: str, options: ReadingOptions) -> bool:
    known = options.unused | options.sides.keys()
    return cell.casefold() in known or side_of_cell(cell) is not None


def _kept(raw: RawTable, rows: list[int]) -> RawTable:
    located, taken = raw.locate, pa.array(rows, pa.int64())
    locate: Callable[[int], int] | None = None
    if located is not None:

        def locate(row: int) -> int:
            return located(rows[row])

    return replace(
        raw,
        columns=tuple(encode(column.take(taken).cast(pa.string())) for column in raw.columns),
        lines=[raw.lines[row] for row in rows],
        locate=locate,
        notes=(*raw.notes, f"{raw.size - len(rows)} rows set aside, as you say"),
    )
