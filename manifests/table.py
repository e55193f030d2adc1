"""The table core: a row type, its Arrow schema, a unique key, a sort order and a content hash.

A `Table` is declared once, beside its row type, and is the only way a table of the store is made,
written or read:

    CLIPS = Table("clips", Clip, key=("clip_id",))

The schema is derived from the dataclass, so that a column is named, typed and documented in one
place.

A table of millions of rows is held `compact`: its texts as dictionaries, each distinct one once. It
holds the same rows, has the same hash and gives the same file as the plain one, and nothing here
then makes a Python object of a row, or holds all of its text at once.
"""

import dataclasses
import hashlib
import io
import types
import typing
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Any, Generic, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

_HASH_KEY = b"affectstore.content_sha256"
_TABLE_KEY = b"affectstore.table"
_STEP = 1 << 20
"""Rows at a time; also those of a row group in a file."""


Row = TypeVar("Row")


class WrongTable(ValueError):
    """A table does not have the schema, key, order or content that it claims; the message says
    which and where."""


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
        return self.arrange(self.unsorted(rows))

    def unsorted(self, rows: Iterable[Row]) -> pa.Table:
        """Rows as an Arrow table in the order that they come in, unchecked: a part of one that
        `arrange` is to make."""
        known = list(rows)
        columns = [
            pa.array([*map(attrgetter(field.name), known)], field.type) for field in self.schema
        ]
        return pa.table(columns, schema=self.schema)

    def arrange(self, table: pa.Table) -> pa.Table:
        """Columns of the schema with rows in any order, plain or compact -> sorted and checked."""
        self._check_schema(table.schema)
        self._check_nulls(table)
        if not self._is_sorted(table):
            keys = pa.table({column: _decoded(table.column(column)) for column in self.key})
            table = table.take(
                pc.sort_indices(keys, [(column, "ascending") for column in self.key])
            )
        return self.check(table)

    def compact(self, table: pa.Table) -> pa.Table:
        """The same rows with their texts as dictionaries."""
        for at, field in enumerate(table.schema):
            if field.type == pa.string():
                texts = table.column(at).dictionary_encode()
                table = table.set_column(at, field.with_type(texts.type), texts)
        return table.unify_dictionaries()

    def check(self, table: pa.Table) -> pa.Table:
        """The table itself, when schema, nulls, key and order are right; else WrongTable."""
        self._check_schema(table.schema)
        self._check_nulls(table)
        self._check_keys(table)
        return table

    def rows(self, table: pa.Table) -> list[Row]:
        columns = [table.column(name).to_pylist() for name in self.schema.names]
        for name, word in self._words.items():
            at = self.schema.get_field_index(name)
            columns[at] = [*map(word, columns[at])]
        return [self.row(*values) for values in zip(*columns, strict=True)]

    @cached_property
    def _words(self) -> dict[str, type[StrEnum]]:
        """Columns that hold the words of a fixed set."""
        hints = typing.get_type_hints(self.row).items()
        return {
            name: hint
            for name, hint in hints
            if isinstance(hint, type) and issubclass(hint, StrEnum)
        }

    def _check_words(self, table: pa.Table) -> None:
        for name in self._words.keys() & set(table.column_names):
            word = self._words[name]
            if unknown := set(table.column(name).unique().to_pylist()) - {
                str(each) for each in word
            }:
                raise WrongTable(
                    f"{min(unknown)!r} is not a valid {word.__name__} in the column {name} of "
                    f"{self.name}"
                )

    def digest(self, table: pa.Table) -> str:
        """sha256 of schema and rows. Taken over CSV text, so that neither chunking nor the writer's
        version changes it."""
        sink = _HashedText(str(self.schema).encode() + b"\n")
        pacsv.write_csv(table.replace_schema_metadata(None), pa.PythonFile(sink, "w"))
        return sink.hexdigest()

    def file_name(self, digest: str) -> str:
        """Of the table with this content hash."""
        return f"{self.name}-{digest[:16]}.parquet"

    def to_bytes(self, table: pa.Table) -> bytes:
        """The table as Parquet, its content hash in the metadata."""
        self.check(table)
        stamped = self.schema.with_metadata(
            {_TABLE_KEY: self.name.encode(), _HASH_KEY: self.digest(table).encode()}
        )
        sink = io.BytesIO()
        with pq.ParquetWriter(sink, stamped, compression="zstd") as writer:
            for part in _parts(table):
                writer.write_table(part.cast(self.schema).replace_schema_metadata(stamped.metadata))
        return sink.getvalue()

    def read(self, path: Path) -> pa.Table:
        """Read a table written by `to_bytes`; WrongTable when it is another table or its content
        has changed."""
        with _sentences(path):
            table = pq.read_table(path)
            metadata = table.schema.metadata or {}
            table = self.check(table.replace_schema_metadata(None))
        self._check_hash(path, metadata, self.digest(table))
        return table

    def read_compact(self, path: Path, columns: Collection[str] | None = None) -> pa.Table:
        """The rows of a file that is known to have the bytes which `to_bytes` gave: compact, and
        with some columns alone.

        Whoever has hashed the file need not hash its rows, nor read all of its columns. All else is
        checked, part by part: WrongTable as `read`, and for a word that a column cannot hold.
        """
        kept = [name for name in self.schema.names if columns is None or name in columns]
        parts = [part.select(kept) for part in self._read_parts(path, {*kept, *self.key})]
        return pa.concat_tables(parts).unify_dictionaries()

    def digest_of(self, path: Path) -> str:
        """The content hash of a file, found anew; WrongTable as `read`."""
        text = _HashedText(str(self.schema).encode() + b"\n")
        for number, part in enumerate(self._read_parts(path, self.schema.names)):
            pacsv.write_csv(
                part, pa.PythonFile(text, "w"), pacsv.WriteOptions(include_header=number == 0)
            )
        self._check_hash(path, pq.read_schema(path).metadata or {}, text.hexdigest())
        return text.hexdigest()

    def _read_parts(self, path: Path, columns: Collection[str]) -> Iterator[pa.Table]:
        """Some columns of a file, the key's among them, by its row groups: compact, and checked
        across them."""
        last = None
        with _sentences(path):
            found = pq.read_schema(path)
            self._check_schema(found)
            texts = [field.name for field in self.schema if field.type == pa.string()]
            with pq.ParquetFile(path, read_dictionary=texts) as file:
                for part in _row_groups(
                    file, [name for name in self.schema.names if name in columns]
                ):
                    self._check_nulls(part)
                    self._check_words(part)
                    keys = part.select(self.key)
                    self._check_keys(keys if last is None else pa.concat_tables([last, keys]))
                    last = keys.slice(max(0, keys.num_rows - 1))
                    yield part

    def _check_hash(self, path: Path, metadata: Mapping[bytes, bytes], found: str) -> None:
        if metadata.get(_HASH_KEY, b"") != found.encode():
            raise WrongTable(
                f"the rows of {path} do not match the hash in its metadata; it was changed after "
                "it was written"
            )

    def _check_schema(self, found: pa.Schema) -> None:
        plain = pa.schema([field.with_type(_plain(field.type)) for field in found])
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
        what = (
            "; ".join(p for p in parts if p)
            or f"columns in another order, expected {', '.join(self.schema.names)}"
        )
        raise WrongTable(f"this is not a table of {self.name}: {what}")

    def _check_nulls(self, table: pa.Table) -> None:
        for name in table.column_names:
            column = table.column(name)
            if not self.schema.field(name).nullable and column.null_count:
                at = pc.index(pc.is_null(column), True).as_py()
                raise WrongTable(f"row {at} of {self.name} has no {name}, which every row needs")

    def _check_keys(self, table: pa.Table) -> None:
        for part, rising, equal in self._neighbours(table):
            if pc.all(rising).as_py():
                continue
            at = pc.index(rising, False).as_py()
            names = ", ".join(f"{c}={part.column(c)[at + 1].as_py()!r}" for c in self.key)
            if equal[at].as_py():
                raise WrongTable(
                    f"two rows of {self.name} have the same key ({names}); the key must be unique"
                )
            raise WrongTable(
                f"a row of {self.name} ({names}) is out of order; rows are sorted by "
                f"{', '.join(self.key)}"
            )

    def _is_sorted(self, table: pa.Table) -> bool:
        return all(
            pc.all(pc.or_(rising, equal)).as_py() for _, rising, equal in self._neighbours(table)
        )

    def _neighbours(self, table: pa.Table) -> Iterator[tuple[pa.Table, Any, Any]]:
        """Key columns of a part, and of each row but its last: whether the next one's key is
        greater, and whether it is equal."""
        if table.num_rows < 2:
            return
        for part in _parts(table.select(self.key), overlap=1):
            plain = [_decoded(part.column(c)) for c in self.key]
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


@contextmanager
def _sentences(path: Path) -> Iterator[None]:
    """What Parquet says of a file that it cannot read, as a WrongTable."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise WrongTable(
            f"{path} is not a readable Parquet file ({error}); build the store again"
        ) from error


def _row_groups(file: pq.ParquetFile, columns: Sequence[str]) -> Iterator[pa.Table]:
    """The parts of a file, without metadata; at least one."""
    for number in range(file.num_row_groups):
        yield file.read_row_group(number, columns).replace_schema_metadata(None)
    if file.num_row_groups == 0:
        yield file.read(columns).replace_schema_metadata(None)


class _HashedText(io.RawIOBase):
    """A file that keeps nothing but the sha256 of what is written to it."""

    def __init__(self, begun: bytes) -> None:
        self._hash = hashlib.sha256(begun)

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._hash.update(data)
        return len(data)

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


def _parts(table: pa.Table, overlap: int = 0) -> Iterator[pa.Table]:
    """The table in parts of _STEP rows, each with the first `overlap` rows of the next; at least
    one part."""
    for at in range(0, max(1, table.num_rows - overlap), _STEP):
        yield table.slice(at, _STEP + overlap)


def _decoded(column: pa.ChunkedArray) -> pa.Array:
    return column.cast(_plain(column.type)).combine_chunks()


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type of the values themselves, where a column holds them as a dictionary."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


_ARROW = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}


def _field(name: str, hint: Any) -> pa.Field:
    nullable = isinstance(hint, types.UnionType)
    if nullable:
        (hint,) = [a for a in typing.get_args(hint) if a is not type(None)]
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        hint = str
    return pa.field(name, _ARROW[hint], nullable=nullable)
