"""Columns of an Arrow table, compared and looked up at once.

Plans over millions of clips are made of them.

A *compact* column has its texts as a dictionary, each distinct one once.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Positions = NDArray[np.int32]
"""Row numbers; -1 for none."""


def positions(column: pa.ChunkedArray, among: pa.Array | pa.ChunkedArray) -> Positions:
    """Looks up each text of a column in another.

    Args:
        column: Texts, plain or compact; may have nulls.
        among: The texts to look them up in.

    Returns:
        (row,) the place of the first equal text in `among`; -1 where there is none, or no text.
    """
    return (
        Lookup(column, among).of(column)
        if pa.types.is_dictionary(column.type)
        else _numbers(pc.index_in(column, among))
    )


class Lookup:
    """The places of one compact column's texts in another column, for parts of it.

    Each distinct text is looked up once.
    """

    def __init__(self, column: pa.ChunkedArray, among: pa.Array | pa.ChunkedArray) -> None:
        """Looks up the distinct texts.

        Args:
            column: A compact column.
            among: The texts to look them up in.
        """
        self._place = np.append(
            _numbers(pc.index_in(texts(column), among)), np.int32(-1)
        )  # the last is that of no text

    def of(self, part: pa.ChunkedArray) -> Positions:
        """Looks up the texts of a part of the column.

        Args:
            part: Some of its rows, with the same dictionary.

        Returns:
            (row,) the place of each text, as `positions` gives it.
        """
        return self._place[codes(part)]


def codes(column: pa.ChunkedArray) -> Positions:
    """The numbers that stand for the texts of a compact column.

    Args:
        column: The column; all chunks share one dictionary.

    Returns:
        (row,) the place of each text in the dictionary; -1 for no text.
    """
    indices = pa.chunked_array([chunk.indices for chunk in column.chunks], pa.int32())
    return _numbers(indices)


def texts(column: pa.ChunkedArray) -> pa.Array:
    """The dictionary of a compact column.

    Args:
        column: The column; all chunks share one dictionary.

    Returns:
        Its distinct texts; none for a column without chunks.
    """
    return column.chunk(0).dictionary if column.num_chunks else pa.array([], pa.string())


def pick(table: pa.Table, rows: Positions) -> pa.Table:
    """Chooses some rows of a table; unlike `take`, without a look at all the others.

    Args:
        table: The table.
        rows: Row numbers, ascending.

    Returns:
        These rows, in their order.
    """
    if len(rows) == 0:
        return table.slice(0, 0)
    runs = np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1)
    return pa.concat_tables([table.slice(int(run[0]), len(run)) for run in runs])


def agree(left: pa.ChunkedArray, right: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Compares two columns row by row.

    Args:
        left: A column.
        right: Another of the same length.

    Returns:
        (row,) True where both have the same value, or neither has one.
    """
    neither = pc.and_(pc.is_null(left), pc.is_null(right))
    return flags(pc.or_(neither, pc.fill_null(pc.equal(left, right), False)))


def flags(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """A column of truth values as NumPy has it.

    Args:
        column: The column, without nulls.

    Returns:
        (row,)
    """
    found: NDArray[np.bool_] = (
        column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy()
    )
    return found.astype(np.bool_)


def _numbers(column: pa.ChunkedArray) -> Positions:
    numbers: Positions = pc.fill_null(column, -1).to_numpy().astype(np.int32)
    return numbers
