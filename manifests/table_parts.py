"""Parts of tables and of their files: row groups, hashed text, and the types of columns."""

import hashlib
import io
import types
import typing
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

STEP = 1 << 20
"""Rows at a time; also those of a row group in a file."""


def row_groups(file: pq.ParquetFile, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Reads a file part by part.

    Args:
        file: A Parquet file.
        columns: Those that are wanted.

    Yields:
        The parts, without metadata; at least one.
    """
    for number in range(file.num_row_groups):
        yield file.read_row_group(number, columns).replace_schema_metadata(None)
    if file.num_row_groups == 0:
        yield file.read(columns).replace_schema_metadata(None)


class HashedText(io.RawIOBase):
    """A file that keeps nothing but the sha256 of what is written to it."""

    def __init__(self, begun: bytes) -> None:
        """Begins the text.

        Args:
            begun: What comes before all that is written.
        """
        self._hash = hashlib.sha256(begun)

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        """Adds to the text.

        Args:
            data: Bytes.

        Returns:
            Their number.
        """
        self._hash.update(data)
        return len(data)

    def hexdigest(self) -> str:
        """The sha256 of all that was written, in hex digits."""
        return self._hash.hexdigest()


def slices(table: pa.Table, overlap: int = 0) -> Iterator[pa.Table]:
    """Cuts a table into parts of STEP rows.

    Args:
        table: The table.
        overlap: Rows of the next part that each part has at its end.

    Yields:
        The parts; at least one.
    """
    for at in range(0, max(1, table.num_rows - overlap), STEP):
        yield table.slice(at, STEP + overlap)


def with_empty(table: pa.Table, fields: Sequence[pa.Field]) -> pa.Table:
    """A table with further columns that have no value.

    Args:
        table: Any table.
        fields: The columns to add at its end.

    Returns:
        The table.
    """
    for field in fields:
        table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    return table


def neighbours(table: pa.Table, key: Sequence[str]) -> Iterator[tuple[pa.Table, Any, Any]]:
    """Compares each row of a table with the next.

    Args:
        table: A plain or compact table.
        key: The columns to compare by, the first counting most.

    Yields:
        The key columns of a part; and for each of its rows but the last, whether the next key is
        greater, and whether it is equal.
    """
    if table.num_rows < 2:
        return
    for part in slices(table.select(key), overlap=1):
        plain = [decoded(part.column(c)) for c in key]
        before, after = (
            [column.slice(start, part.num_rows - 1) for column in plain] for start in (0, 1)
        )
        # Lexicographic before < after, from the last key column to the first.
        rising = pc.less(before[-1], after[-1])
        equal = pc.equal(before[-1], after[-1])
        for left, right in zip(reversed(before[:-1]), reversed(after[:-1]), strict=True):
            same = pc.equal(left, right)
            rising = pc.or_(pc.less(left, right), pc.and_(same, rising))
            equal = pc.and_(same, equal)
        yield part, rising, equal


def decoded(column: pa.ChunkedArray) -> pa.Array:
    """The values of a column in one piece, each text by itself.

    Args:
        column: A plain or compact column.

    Returns:
        Its plain values.
    """
    return column.cast(plain_type(column.type)).combine_chunks()


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type of the values themselves, where a column has them as a dictionary.

    Args:
        kind: Type of a column.

    Returns:
        Type of its values.
    """
    return kind.value_type if pa.types.is_dictionary(kind) else kind


_ARROW = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}


def arrow_field(name: str, hint: Any) -> pa.Field:
    """The Arrow column of a field of a row type.

    Args:
        name: Name of the field.
        hint: Its type: text, a number, a truth value or a StrEnum; or one of them, or None.

    Returns:
        The column; it may have nulls where the field may be None.
    """
    nullable = isinstance(hint, types.UnionType)
    if nullable:
        (hint,) = [a for a in typing.get_args(hint) if a is not type(None)]
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        hint = str
    return pa.field(name, _ARROW[hint], nullable=nullable)
