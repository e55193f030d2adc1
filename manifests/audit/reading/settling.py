"""Side and fold of every table of a list: what its columns say, else the names around it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from manifests.audit.errors import WrongForeignTable
from manifests.audit.foreign_columns import COLUMNS
from manifests.audit.listing import ROLES
from manifests.audit.reading.columns import Meanings, is_listing, understand_all
from manifests.audit.reading.options import ReadingOptions
from manifests.audit.reading.places import Around, are_clips
from manifests.audit.reading.raw import RawTable, distinct
from manifests.audit.reading.side_columns import (
    SideColumn,
    ambiguous,
    meaning_of_numbers,
    side_columns,
    side_of_all,
)
from manifests.audit.reading.sides import side_of_cell


@dataclass(frozen=True)
class Piece:
    """A table in one fold: where a column for each fold says the side, it is a piece of each."""

    raw: RawTable
    around: Around
    meanings: Meanings
    column: SideColumn | None
    """The column that says the side; None where the names around the table do."""
    notes: tuple[str, ...] = ()
    doubles: tuple[str, ...] = ()
    """Files that list the same."""

    @property
    def has_side(self) -> bool:
        """Whether anything says the side of its lines, or that it is a part of its own."""
        return self.column is not None or self.around.side is not None


def pieces_of(
    tables: Sequence[RawTable], arounds: Sequence[Around], options: ReadingOptions
) -> list[Piece]:
    """Finds out what the columns of all tables mean, and which of them say the side.

    Args:
        tables: All tables.
        arounds: What the names around each say.
        options: What the user says.

    Returns:
        One piece for each, or one for each fold that has a column.
    """
    both = [*zip(tables, arounds, strict=True)]
    units = _units(tables, arounds)
    pieces = []
    for (raw, around), meanings in zip(both, understand_all(tables, options, units), strict=True):
        columns = side_columns(raw, meanings, options.sides)
        pieces += [Piece(raw, _in_fold(around, one), meanings, one) for one in columns]
        pieces += [] if columns else [Piece(raw, around, meanings, None)]
    return pieces


def _units(tables: Sequence[RawTable], arounds: Sequence[Around]) -> list[str | None]:
    """What the names around each table say that it lists, unless their cells look like clips."""
    units = [
        around.unit if is_listing(raw) else None
        for raw, around in zip(tables, arounds, strict=True)
    ]
    lists = [raw for raw, unit in zip(tables, units, strict=True) if unit is not None]
    cells = {cell: None for raw in lists for cell in distinct(raw.columns[0])}
    return [None] * len(tables) if are_clips([*cells]) else units


def _in_fold(around: Around, column: SideColumn) -> Around:
    return around if column.fold is None else replace(around, fold=column.fold, fold_from="column")


def settle_sides(pieces: Sequence[Piece]) -> tuple[list[Piece], list[Piece]]:
    """Decides what says the side of each table.

    Args:
        pieces: All tables.

    Returns:
        Those with a side, and those that are no part of the split. Where no name and no column says
        a side, numbers of folds do: each is a part.

    Raises:
        WrongForeignTable: Nothing says a side, or numbers may be any.
    """
    pieces = _with_numbers([_weighed(piece) for piece in pieces])
    kept = [piece for piece in pieces if piece.has_side]
    if not kept:
        kept = [piece for piece in pieces if _is_part(piece)]
    if not kept:
        raise _no_side(pieces[0])
    return kept, [piece for piece in pieces if not any(piece is one for one in kept)]


def _is_part(piece: Piece) -> bool:
    return "fold" in piece.meanings.numbers or piece.around.fold is not None


def _no_side(piece: Piece) -> WrongForeignTable:
    expected = ", ".join((*COLUMNS["role"][:8], "fold"))
    called = ""
    if piece.raw.names:
        names = [piece.raw.called(number)[:40] for number in range(len(piece.raw.names))]
        called = f" (it has {', '.join(names[:12])})"
    what = (
        f"no column tells the side of a clip{called}, and neither does the file's name; expected "
        f"one of {expected}, a name such as train.csv, or --side train="
        f"{piece.raw.path.name} --side test=OTHER"
    )
    return WrongForeignTable.at(piece.raw.path, piece.raw.first_line, what)


def _weighed(piece: Piece) -> Piece:
    """The column where it says a side; the names around the table where it says something else."""
    column, side = piece.column, piece.around.side
    if column is None or side is None or column.is_number or column.fold is not None:
        return piece
    called = piece.raw.called(column.used[0])
    if not any(side_of_cell(cell) is not None for cell in distinct(column.cells)):
        return replace(piece, column=None)
    if (said := side_of_all(column)) is not None and said != side:
        note = (
            f"column {called} says {ROLES[said]} though the {piece.around.side_from} is named "
            f"{ROLES[side]}, and counts"
        )
        return replace(piece, notes=(*piece.notes, note))
    return piece


def _with_numbers(pieces: Sequence[Piece]) -> list[Piece]:
    """Numbers for sides become sides, where the names of the files say which are which."""
    numbered = [piece for piece in pieces if piece.column is not None and piece.column.is_number]
    if not numbered:
        return [*pieces]
    known = meaning_of_numbers(
        [(one.column, one.around.side) for one in numbered if one.column is not None]
    )
    others = [one for one in pieces if one.around.side is not None or one not in numbered]
    if not known and not any(one.has_side for one in others):
        raise ambiguous(numbered[0].raw, numbered[0].column)
    said = ", ".join(f"{cell} is {ROLES[side]}" for cell, side in sorted(known.items()))
    return [_renamed(piece, known, said) for piece in pieces]


def _without_numbers(piece: Piece, column: SideColumn) -> Piece:
    note = f"the numbers in column {piece.raw.called(column.used[0])} are not read as sides"
    return replace(piece, column=None, notes=(*piece.notes, note))


def _renamed(piece: Piece, known: dict[str, int], said: str) -> Piece:
    column = piece.column
    if column is None or not column.is_number:
        return piece
    if not {*distinct(column.cells)} <= known.keys():
        return _without_numbers(piece, column)
    words = [None if one is None else ROLES[known[one]].value for one in _values(column.cells)]
    coded = pa.array(words, pa.string()).dictionary_encode()
    indices = pc.take(coded.indices, column.cells.indices).cast(pa.int32())
    cells = pa.DictionaryArray.from_arrays(indices, coded.dictionary)
    note = f"{said}, as the names of the files say"
    return replace(
        piece, column=replace(column, cells=cells, is_number=False), notes=(*piece.notes, note)
    )


def _values(cells: pa.DictionaryArray) -> list[str | None]:
    values: list[str | None] = cells.dictionary.to_pylist()
    return values


def settle_folds(pieces: Sequence[Piece]) -> tuple[list[Piece], list[Piece]]:
    """Puts tables without a fold in every fold that lacks their side.

    Args:
        pieces: Tables with a side.

    Returns:
        The tables of every fold, and those that no fold lacks.
    """
    pieces = _of_one_split(pieces)
    folds = {piece.around.fold for piece in pieces if piece.around.fold is not None}
    if not folds:
        return [*pieces], []
    found, spare = [], []
    for piece in pieces:
        if piece.around.fold is not None or "fold" in piece.meanings.numbers:
            found.append(piece)
            continue
        lacking = [fold for fold in sorted(folds) if not _has(pieces, fold, piece)]
        note = f"the same in folds {', '.join(map(str, lacking))}"
        found += [
            replace(
                piece,
                around=replace(piece.around, fold=fold, fold_from=""),
                notes=(*piece.notes, note),
            )
            for fold in lacking
        ]
        spare += [] if lacking else [piece]
    return found, spare


def _of_one_split(pieces: Sequence[Piece]) -> Sequence[Piece]:
    """Folds by their names that share no clip are pieces of one list: `test_0`, `test_1`.

    What is tested in one fold is trained on in the others, or it is no fold.
    """
    names: dict[int, set[str]] = {}
    for piece in pieces:
        number = next((piece.meanings.numbers.get(unit) for unit in ("name", "subject")), None)
        if piece.around.fold_from in {"", "column"} or number is None or not piece.has_side:
            continue
        names.setdefault(piece.around.fold or 0, set()).update(distinct(piece.raw.columns[number]))
    if len(names) < 2 or sum(map(len, names.values())) > len(set().union(*names.values())):
        return pieces
    note = "numbered lists that share no clip are read as one split"
    return [_without_fold(piece, note) for piece in pieces]


def _without_fold(piece: Piece, note: str) -> Piece:
    if piece.around.fold_from in {"", "column"}:
        return piece
    around = replace(piece.around, fold=None, fold_from="")
    return replace(piece, around=around, notes=(*piece.notes, note))


def _has(pieces: Sequence[Piece], fold: int, piece: Piece) -> bool:
    """Another table is this one's side in a fold."""
    sides = {
        one.around.side
        for one in pieces
        if one.around.fold == fold and one.around.scheme == piece.around.scheme
    }
    return piece.around.side in sides
