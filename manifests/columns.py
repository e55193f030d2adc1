"""Columns of a table compared and looked up whole: what a plan over millions of clips is made
of."""

from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Positions = NDArray[np.int32]
"""Row numbers; -1 for none."""

Column = TypeVar("Column", pa.Array, pa.ChunkedArray)


def positions(column: pa.ChunkedArray, among: pa.Array | pa.ChunkedArray) -> Positions:
    """For each text of a column, plain or compact, the place of its first equal in `among`; -1
    where there is none, or no text."""
    return (
        Lookup(column, among).of(column)
        if pa.types.is_dictionary(column.type)
        else _numbers(pc.index_in(column, among))
    )


class Lookup:
    """The same for parts of one compact column: each of its texts is looked up once."""

    def __init__(self, column: pa.ChunkedArray, among: pa.Array | pa.ChunkedArray) -> None:
        self._place = np.append(
            _numbers(pc.index_in(texts(column), among)), np.int32(-1)
        )  # the last is that of no text

    def of(self, part: pa.ChunkedArray) -> Positions:
        return self._place[codes(part)]


def codes(column: pa.ChunkedArray) -> Positions:
    """For each row of a compact column, the place of its text in the dictionary, which all chunks
    share; -1 for no text."""
    indices = pa.chunked_array([chunk.indices for chunk in column.chunks], pa.int32())
    return _numbers(indices)


def texts(column: pa.ChunkedArray) -> pa.Array:
    """The dictionary of a compact column."""
    return column.chunk(0).dictionary if column.num_chunks else pa.array([], pa.string())


def pick(table: pa.Table, rows: Positions) -> pa.Table:
    """Some rows of a table, in their order; unlike `take`, without a look at all the others."""
    if len(rows) == 0:
        return table.slice(0, 0)
    runs = np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1)
    return pa.concat_tables([table.slice(int(run[0]), len(run)) for run in runs])


def agree(left: pa.ChunkedArray, right: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Where two columns of one length hold the same, be it nothing."""
    neither = pc.and_(pc.is_null(left), pc.is_null(right))
    return flags(pc.or_(neither, pc.fill_null(pc.equal(left, right), False)))


def flags(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (
        column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy()
    )
    return found.astype(np.bool_)


def _numbers(column: pa.ChunkedArray) -> Positions:
    numbers: Positions = pc.fill_null(column, -1).to_numpy().astype(np.int32)
    return numbers
