"""Columns that say the side of each line: words, numbers, yes and no, or one for each fold."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from manifests.audit.errors import WrongForeignTable
from manifests.audit.foreign_columns import FLAGS, plain
from manifests.audit.listing import ROLES, TEST, TRAIN, VALID
from manifests.audit.reading.columns import Meanings, is_of_sides
from manifests.audit.reading.raw import RawTable, distinct
from manifests.audit.reading.sides import side_of_cell

_YES, _NO = {"1", "1.0", "true", "yes", "y", "t"}, {"0", "0.0", "false", "no", "n", "f"}
_MARKS = {"x", "\u2713", "\u2714", "\u00d7"}
"""What marks a line in a column whose other cells are empty."""
_OF_FOLD = re.compile(
    r"(?:fold|split|cv|set|session|fold_split|role)_?0*(\d{1,3})(?:_split|_role)?"
)
_SIDES = {"train": TRAIN, "valid": VALID, "test": TEST}


@dataclass(frozen=True)
class SideColumn:
    """The side of every line of a table, for one fold."""

    cells: pa.DictionaryArray
    words: str
    """How it was found, for people."""
    used: tuple[int, ...]
    """The columns that say so."""
    fold: int | None = None
    is_number: bool = False
    """The cells are numbers that nothing in the table explains."""


def side_columns(raw: RawTable, meanings: Meanings, named: Mapping[str, int]) -> list[SideColumn]:
    """Finds the columns for the side.

    Args:
        raw: The table.
        meanings: What its columns mean.
        named: What the user says that sides are written as.

    Returns:
        One, or one for each fold; none where no column says the side.
    """
    number = meanings.numbers.get("role")
    if number is not None:
        return [_of_cells(raw, number, named)]
    if raw.names is None:
        return []
    wide = [
        (int(found[1]), one)
        for one, name in enumerate(raw.names)
        if (found := _OF_FOLD.fullmatch(plain(name))) and is_of_sides(raw.columns[one])
    ]
    if wide:
        return [
            SideColumn(raw.columns[one], f"{raw.names[one]} the side in fold {fold}", (one,), fold)
            for fold, one in wide
        ]
    flags = _flags(raw)
    if flags:
        return [_of_flags(raw, flags)]
    free = [one for one in range(len(raw.columns)) if one not in meanings.used]
    guessed = [one for one in free if is_of_sides(raw.columns[one])]
    return [_of_cells(raw, one, named) for one in guessed[:1]]


def _of_cells(raw: RawTable, number: int, named: Mapping[str, int]) -> SideColumn:
    column = raw.columns[number]
    cells = distinct(column)
    if any(cell.casefold() in named for cell in cells):
        words = [_said(cell, named) for cell in column.dictionary.to_pylist()]
        mapped = pa.array(words, pa.string()).dictionary_encode()
        indices = pc.take(mapped.indices, column.indices).cast(pa.int32())
        column = pa.DictionaryArray.from_arrays(indices, mapped.dictionary)
        return SideColumn(column, f"{raw.called(number)} the side, as you say", (number,))
    is_number = bool(cells) and all(re.fullmatch(r"\d{1,3}(\.0)?", cell) for cell in cells)
    return SideColumn(column, f"{raw.called(number)} the side", (number,), is_number=is_number)


def _said(cell: str | None, named: Mapping[str, int]) -> str | None:
    side = named.get(cell.casefold()) if cell else None
    return cell if side is None else ROLES[side].value


def _flags(raw: RawTable) -> dict[str, int]:
    """Side -> the column that says of each line whether it is on it."""
    found: dict[str, int] = {}
    for one, name in enumerate(raw.names or ()):
        for side, names in FLAGS.items():
            cells = {cell.casefold() for cell in distinct(raw.columns[one])}
            is_marked = raw.columns[one].null_count and cells <= _MARKS
            if plain(name) in names.split() and cells and (cells <= _YES | _NO or is_marked):
                found.setdefault(side, one)
    return found


def _of_flags(raw: RawTable, flags: Mapping[str, int]) -> SideColumn:
    """A line is on the side that says yes; on the side that no column is for where all say no."""
    others = [side for side in ("train", "test", "valid") if side not in flags]
    rest = others[0] if others else None
    chosen = pa.nulls(raw.size, pa.string())
    for side, one in flags.items():
        mask = _says_yes(raw.columns[one])
        _refuse_two(raw, pc.and_(mask, pc.is_valid(chosen)), one)
        chosen = pc.if_else(mask, pa.scalar(side), chosen)
    if rest is not None:
        chosen = pc.fill_null(chosen, rest)
    said = ", ".join(f"{raw.called(one)} says {side}" for side, one in flags.items())
    words = f"{said}, all else is {rest}" if rest else said
    return SideColumn(chosen.dictionary_encode(), words, tuple(flags.values()))


def _says_yes(column: pa.DictionaryArray) -> pa.BooleanArray:
    yes = [
        bool(cell) and cell.casefold() in _YES | _MARKS for cell in column.dictionary.to_pylist()
    ]
    return pc.fill_null(pc.take(pa.array(yes, pa.bool_()), column.indices), False)


def _refuse_two(raw: RawTable, both: pa.BooleanArray, number: int) -> None:
    if pc.any(both).as_py():
        row = pc.index(both, True).as_py()
        line = raw.lines[row] if raw.locate is None else raw.locate(row)
        what = "it says yes, and so does a column before it; a line needs one side"
        raise WrongForeignTable.at(raw.path, line, what, f"column {raw.called(number)}")


def meaning_of_numbers(columns: Sequence[tuple[SideColumn, int | None]]) -> dict[str, int]:
    """Finds out what numbers for sides mean: the names of files may say it.

    Args:
        columns: Each column of numbers, and the side that the names around its table say.

    Returns:
        Number -> side; empty where nothing says it, or files of two sides have one number.
    """
    meant: dict[str, set[int]] = {}
    for column, side in columns:
        for cell in distinct(column.cells) if side is not None else ():
            meant.setdefault(cell, set()).add(int(side or 0))
    known = {cell: min(sides) for cell, sides in meant.items() if len(sides) == 1}
    return known if len(meant) == len(known) == len({*known.values()}) else {}


def ambiguous(raw: RawTable, column: SideColumn | None) -> WrongForeignTable:
    """The error for numbers that may be any sides.

    Args:
        raw: The table.
        column: The column with the numbers.

    Returns:
        The error, to be raised.
    """
    cells = sorted(distinct(column.cells) if column else [], key=float)
    called = raw.called(column.used[0] if column else 0)
    return WrongForeignTable(
        f"{raw.path}, column {called}: nothing says which of "
        f"{', '.join(cells[:6])}{' ...' if len(cells) > 6 else ''} is train and which test; say so "
        f"(--side train={cells[0]} --side test={cells[-1]}), or that the column holds parts of "
        f"which fold i tests part i (--column fold={called})"
    )


def side_of_all(column: SideColumn) -> int | None:
    """The one side of all lines.

    Args:
        column: A column of sides.

    Returns:
        TRAIN, VALID or TEST; None where lines are on different sides, or a cell is no side.
    """
    sides = {side_of_cell(cell) for cell in distinct(column.cells)}
    return sides.pop() if len(sides) == 1 else None
