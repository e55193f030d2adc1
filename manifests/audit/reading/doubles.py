"""Lists that a repository holds twice: `train.json` beside `train.jsonl`, or `all.csv` beside both.

A table whose every clip stands on the same side in others adds nothing but counts.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import pyarrow as pa

from manifests.audit.foreign_lines import UNITS
from manifests.audit.listing import ROLES
from manifests.audit.reading.raw import distinct
from manifests.audit.reading.settling import Piece
from manifests.audit.reading.sides import side_of_cell


def without_doubles(pieces: Sequence[Piece]) -> list[Piece]:
    """Leaves out tables that list what others list on the same side of the same fold.

    Args:
        pieces: Tables in their folds.

    Returns:
        The others; of tables that list the same the one with the most columns that are understood.
    """
    contents = [_ListedRows(piece) for piece in pieces]
    kept = [*contents]
    for one in sorted(contents, key=lambda content: len(content.piece.meanings.numbers)):
        others = [other for other in kept if other.may_hold(one)]
        if others and one.rows <= {row for other in others for row in other.rows}:
            kept.remove(one)
            others[0].doubles.append(one.piece.raw.path.name)
    return [replace(one.piece, doubles=tuple(one.doubles)) for one in kept]


class _ListedRows:
    """What one table lists."""

    def __init__(self, piece: Piece) -> None:
        self.piece = piece
        self.doubles: list[str] = []

    def may_hold(self, other: "_ListedRows") -> bool:
        """Another file of the same fold lists clips on one of the same sides."""
        here, there = self.piece, other.piece
        return (
            here.raw.path != there.raw.path
            and here.around.scheme == there.around.scheme
            and here.around.fold == there.around.fold
            and bool(self._sides & other._sides)
        )

    @cached_property
    def _sides(self) -> set[int | None]:
        if self.piece.column is None:
            return {self.piece.around.side}
        return {side_of_cell(cell) for cell in distinct(self.piece.column.cells)}

    @cached_property
    def rows(self) -> set[tuple[str, str]]:
        """(name, side) of each row; names without folders and suffix, where they are as many."""
        raw, numbers, column = self.piece.raw, self.piece.meanings.numbers, self.piece.column
        number = next((numbers[unit] for unit in UNITS if unit in numbers), None)
        if number is None or self.piece.meanings.is_pair:
            return {(str(id(self)), "")}  # known by no column alone
        names = _texts(raw.columns[number])
        short = [name.replace("\\", "/").rpartition("/")[2].partition(".")[0] for name in names]
        if len({*short}) == len({*names}):
            names = short
        if column is not None:
            return {*zip(names, map(_side, _texts(column.cells)), strict=True)}
        side = self.piece.around.side
        return {(name, "" if side is None else ROLES[side].value) for name in names}


def _side(cell: str) -> str:
    side = side_of_cell(cell)
    return cell if side is None else ROLES[side].value


def _texts(column: pa.DictionaryArray) -> list[str]:
    return [cell or "" for cell in column.cast(pa.string()).to_pylist()]
