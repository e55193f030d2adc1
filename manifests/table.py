"""The table core: a row type, its Arrow schema, a unique key, a sort order and a content hash.

A `Table` is declared once, beside its row type, and is the only way a table of the store is made, written or read:

    CLIPS = Table("clips", Clip, key=("clip_id",))

The schema is derived from the dataclass, so that a column is named, typed and documented in one place.
"""

import dataclasses
import hashlib
import io
import types
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

_HASH_KEY = b"affectstore.content_sha256"
_TABLE_KEY = b"affectstore.table"


Row = TypeVar("Row")


class WrongTable(ValueError):
    """A table does not have the schema, key, order or content that it claims; the message says which and where."""


@dataclass(frozen=True)
class Table(Generic[Row]):
    """One kind of table. `key` columns are unique together and the rows are sorted by them."""

    name: str
    row: type[Row]
    key: tuple[str, ...]

    @cached_property
    def schema(self) -> pa.Schema:
        hints = typing.get_type_hints(self.row)
        return pa.schema([_field(f.name, hints[f.name]) for f in dataclasses.fields(self.row)])  # type: ignore[arg-type]

    def build(self, rows: Iterable[Row]) -> pa.Table:
        """Rows in any order -> a sorted, checked Arrow table."""
        columns: dict[str, list[Any]] = {name: [] for name in self.schema.names}
        for row in rows:
            for name, column in columns.items():
                column.append(getattr(row, name))
        table = pa.table(columns, schema=self.schema)
        return self.check(table.sort_by([(column, "ascending") for column in self.key]))

    def check(self, table: pa.Table) -> pa.Table:
        """The table itself, when schema, nulls, key and order are right; else WrongTable."""
        self._check_schema(table.schema)
        self._check_nulls(table)
        self._check_keys(table)
        return table

    def rows(self, table: pa.Table) -> list[Row]:
        hints = typing.get_type_hints(self.row)
        words = {name: hint for name, hint in hints.items() if isinstance(hint, type) and issubclass(hint, StrEnum)}
        return [self.row(**(record | {name: word(record[name]) for name, word in words.items()})) for record in table.to_pylist()]

    def digest(self, table: pa.Table) -> str:
        """sha256 of schema and rows. Taken over CSV text, so that neither chunking nor the writer's version changes it."""
        sink = io.BytesIO()
        pacsv.write_csv(table.replace_schema_metadata(None), sink)
        return hashlib.sha256(str(self.schema).encode() + b"\n" + sink.getbuffer()).hexdigest()

    def file_name(self, table: pa.Table) -> str:
        return f"{self.name}-{self.digest(table)[:16]}.parquet"

    def to_bytes(self, table: pa.Table) -> bytes:
        """The table as Parquet, its content hash in the metadata."""
        self.check(table)
        stamped = table.replace_schema_metadata({_TABLE_KEY: self.name.encode(), _HASH_KEY: self.digest(table).encode()})
        sink = io.BytesIO()
        pq.write_table(stamped, sink, compression="zstd")
        return sink.getvalue()

    def read(self, path: Path) -> pa.Table:
        """Read a table written by `to_bytes`; WrongTable when it is another table or its content has changed."""
        try:
            table = pq.read_table(path)
            metadata = table.schema.metadata or {}
            table = self.check(table.replace_schema_metadata(None))
        except FileNotFoundError:
            raise
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise WrongTable(f"{path} is not a readable Parquet file ({error}); build the store again") from error
        if metadata.get(_HASH_KEY, b"") != self.digest(table).encode():
            raise WrongTable(f"the rows of {path} do not match the hash in its metadata; it was changed after it was written")
        return table

    def _check_schema(self, found: pa.Schema) -> None:
        plain = found.remove_metadata()
        if plain.equals(self.schema):
            return
        missing = [n for n in self.schema.names if n not in plain.names]
        extra = [n for n in plain.names if n not in self.schema.names]
        wrong = [
            f"{n} is {plain.field(n).type}, expected {self.schema.field(n).type}"
            for n in self.schema.names
            if plain.names.count(n) == 1 and not plain.field(n).equals(self.schema.field(n))
        ]
        twice = sorted({n for n in plain.names if plain.names.count(n) > 1})
        parts = [
            f"twice {', '.join(twice)}" if twice else "",
            f"missing {', '.join(missing)}" if missing else "",
            f"unknown {', '.join(extra)}" if extra else "",
            "; ".join(wrong),
        ]
        what = "; ".join(p for p in parts if p) or f"columns in another order, expected {', '.join(self.schema.names)}"
        raise WrongTable(f"this is not a table of {self.name}: {what}")

    def _check_nulls(self, table: pa.Table) -> None:
        for field in self.schema:
            column = table.column(field.name)
            if not field.nullable and column.null_count:
                at = pc.index(pc.is_null(column), True).as_py()
                raise WrongTable(f"row {at} of {self.name} has no {field.name}, which every row needs")

    def _check_keys(self, table: pa.Table) -> None:
        if table.num_rows < 2:
            return
        before, after = ([table.column(c).combine_chunks().slice(s, table.num_rows - 1) for c in self.key] for s in (0, 1))
        # Lexicographic before < after, from the last key column to the first.
        rising = pc.less(before[-1], after[-1])
        equal = pc.equal(before[-1], after[-1])
        for left, right in zip(reversed(before[:-1]), reversed(after[:-1]), strict=True):
            same = pc.equal(left, right)
            rising = pc.or_(pc.less(left, right), pc.and_(same, rising))
            equal = pc.and_(same, equal)
        if pc.all(rising).as_py():
            return
        at = pc.index(rising, False).as_py()
        names = ", ".join(f"{c}={table.column(c)[at + 1].as_py()!r}" for c in self.key)
        if equal[at].as_py():
            raise WrongTable(f"two rows of {self.name} have the same key ({names}); the key must be unique")
        raise WrongTable(f"row {at + 1} of {self.name} ({names}) is out of order; rows are sorted by {', '.join(self.key)}")


_ARROW = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}


def _field(name: str, hint: Any) -> pa.Field:
    nullable = isinstance(hint, types.UnionType)
    if nullable:
        (hint,) = [a for a in typing.get_args(hint) if a is not type(None)]
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        hint = str
    return pa.field(name, _ARROW[hint], nullable=nullable)
