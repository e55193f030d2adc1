"""Folds as a foreign table gives them, by a column for the side or by parts.

A column for the side may have another beside it for the number of the fold.
"""

import re
from collections.abc import Iterator

import numpy as np

from manifests.audit.errors import WrongForeignTable
from manifests.audit.fold_view import Ints
from manifests.audit.foreign_lines import ForeignLines
from manifests.audit.listing import TEST, TRAIN, FoldRows
from manifests.audit.name_columns import NameColumn

_FOLD = re.compile(r"[^0-9]*([0-9]{1,9})(?:\.0)?")


def folds_of(lines: ForeignLines, wanted: str | None) -> tuple[FoldRows, ...]:
    """Finds each fold of each scheme, or of the one that is wanted.

    Args:
        lines: All lines of the tables.
        wanted: Name of a scheme; None for all.

    Returns:
        The folds.

    Raises:
        WrongForeignTable: There is no such scheme, or a cell names no fold.
    """
    scheme = lines.column("scheme") if lines.has("scheme") else NameColumn.of([])
    titles, codes = [str(value) for value in scheme.values], scheme.codes
    if not scheme.known:
        titles = ["+".join(dict.fromkeys(table.path.stem for table in lines.tables))]
        codes = np.zeros(lines.size, np.int32)
    if wanted is not None and wanted not in titles:
        raise WrongForeignTable(
            f"{lines.title} has no scheme {wanted!r}; it has {', '.join(sorted(titles))}"
        )
    return tuple(
        fold
        for code, title in enumerate(titles)
        if wanted in (None, title)
        for fold in _of_scheme(lines, title, np.flatnonzero(codes == code))
    )


def _of_scheme(lines: ForeignLines, title: str, rows: Ints) -> Iterator[FoldRows]:
    if lines.role is None:
        yield from _of_parts(lines, title, rows)
        return
    has_numbers = lines.has("fold")
    numbers = _fold_numbers(lines)[rows] if has_numbers else np.zeros(len(rows), np.int64)
    order = np.argsort(numbers, kind="stable")
    found, starts = np.unique(numbers[order], return_index=True)
    for number, of_fold in zip(found, np.split(rows[order], starts[1:]), strict=True):
        yield FoldRows(title, int(number), of_fold, lines.role[of_fold])


def _of_parts(lines: ForeignLines, title: str, rows: Ints) -> Iterator[FoldRows]:
    """Fold i tests part i and trains on all others."""
    parts = _fold_numbers(lines)[rows]
    numbers = np.unique(parts)
    if len(numbers) < 2:
        is_column = any("fold" in table.header for table in lines.tables)
        what = (
            f"the {'column' if is_column else 'name of the file'} holds one part alone "
            f"({numbers[0]}); expected two or more, or a column for the side (--column side=COLUMN)"
        )
        raise lines.wrong(int(rows[0]), "fold", what)
    for number in numbers:
        role = np.where(parts == number, TEST, TRAIN).astype(np.int8)
        yield FoldRows(title, int(number), rows, role)


def _fold_numbers(lines: ForeignLines) -> Ints:
    column = lines.column("fold")

    def number(cell: str) -> int | None:
        match = _FOLD.fullmatch(cell)
        return int(match[1]) if match else None

    numbers = lines.parsed(column, "fold", number, "{!r} names no fold; expected a number")
    lines.refuse_gaps(column, "fold", "the number of a fold")
    return np.asarray(numbers, np.int64)[column.codes]
