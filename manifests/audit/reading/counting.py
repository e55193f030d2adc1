"""Numbers that count the lines of each table anew, so that they name no clip."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from manifests.audit.errors import WrongForeignTable
from manifests.audit.reading.columns import is_running
from manifests.audit.reading.raw import distinct
from manifests.audit.reading.settling import Piece

_UNITS = ("subject", "episode", "video")
"""What a line may be where no clip is named."""


def without_counts(pieces: Sequence[Piece]) -> list[Piece]:
    """Takes numbers that begin anew in each table for what they are: no names of clips.

    Args:
        pieces: All tables with their sides.

    Returns:
        The tables, where each counts from 0 or 1 without the clip; otherwise as they were.

    Raises:
        WrongForeignTable: Nothing else tells the lines apart.
    """
    tables = {id(piece.raw): piece for piece in pieces}
    if len(tables) < 2 or not all(map(_counts, tables.values())):
        return [*pieces]
    if not all(any(unit in piece.meanings.numbers for unit in _UNITS) for piece in pieces):
        raw, number = pieces[0].raw, pieces[0].meanings.numbers["name"]
        called = raw.called(number)
        raise WrongForeignTable.at(
            raw.path,
            raw.first_line,
            "it counts the lines of each table anew and names no clip; name the column that does "
            f"(--column clip=COLUMN), or say that the numbers are the clips' (--column "
            f"clip={called.removeprefix('column ')})",
            f"column {called.removeprefix('column ')}",
        )
    return [_without(piece) for piece in pieces]


def _counts(piece: Piece) -> bool:
    number = piece.meanings.numbers.get("name")
    if number is None or "name" in piece.meanings.given or piece.raw.size < 2:
        return False
    column = piece.raw.columns[number]
    if not is_running(column):
        return False
    numbers = [int(cell) for cell in distinct(column)]
    return min(numbers) < 2 and max(numbers) - min(numbers) == len(numbers) - 1


def _without(piece: Piece) -> Piece:
    called = piece.raw.called(piece.meanings.numbers["name"])
    numbers: Mapping[str, int] = {
        meaning: one for meaning, one in piece.meanings.numbers.items() if meaning != "name"
    }
    note = f"{called} counts the lines of each table anew, and names no clip"
    meanings = replace(piece.meanings, numbers=numbers)
    return replace(piece, meanings=meanings, notes=(*piece.notes, note))
