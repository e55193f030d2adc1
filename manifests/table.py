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
import io
import typing
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import Generic, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from manifests.table_parts import (
    HashedText,
    arrow_field,
    decoded,
    neighbours,
    plain_type,
    row_groups,
    slices,
    with_empty,
)

_HASH_KEY = b"affectstore.content_sha256"
_TABLE_KEY = b"affectstore.table"


Row = TypeVar("Row")


class WrongTable(ValueError):
    """A table does not have the schema, key, order or content that it claims.

    The message says which and where.
    """


@dataclass(frozen=True)
class Table(Generic[Row]):
    """One kind of table."""

    name: str
    row: type[Row]
    key: tuple[str, ...]
    """Columns that are unique together; the rows are sorted by them."""
    later: tuple[str, ...] = ()
    """Columns that may have no value and that files of older versions lack: read as empty."""

    @cached_property
    def schema(self) -> pa.Schema:
        """The Arrow schema, derived from the row type."""
        hints = typing.get_type_hints(self.row)
        return pa.schema([arrow_field(f.name, hints[f.name]) for f in dataclasses.fields(self.row)])  # type: ignore[arg-type]

    def build(self, rows: Iterable[Row]) -> pa.Table:
        """Makes a table of rows.

        Args:
            rows: Rows in any order.

        Returns:
            The table, sorted and checked.

        Raises:
            WrongTable: A row lacks a value, or two rows have the same key.
        """
        return self.arrange(self.unsorted(rows))

    def unsorted(self, rows: Iterable[Row]) -> pa.Table:
        """Makes an unchecked table of rows: a part of one that `arrange` is to make.

        Args:
            rows: Rows in any order.

        Returns:
            The table, its rows in the order that they come in.
        """
        known = list(rows)
        columns = [
            pa.array([*map(attrgetter(field.name), known)], field.type) for field in self.schema
        ]
        return pa.table(columns, schema=self.schema)

    def arrange(self, table: pa.Table) -> pa.Table:
        """Sorts and checks a table.

        Args:
            table: Columns of the schema with rows in any order, plain or compact.

        Returns:
            The table, sorted and checked.

        Raises:
            WrongTable: The schema is another, a value is missing, or two rows have the same key.
        """
        self._check_schema(table.schema)
        self._check_nulls(table)
        if not self._is_sorted(table):
            keys = pa.table({column: decoded(table.column(column)) for column in self.key})
            order = [(column, "ascending") for column in self.key]
            table = table.take(pc.sort_indices(keys, order))
        return self.check(table)

    def compact(self, table: pa.Table) -> pa.Table:
        """Makes a table compact: its texts become dictionaries.

        Args:
            table: A plain table.

        Returns:
            The same rows.
        """
        for at, field in enumerate(table.schema):
            if field.type == pa.string():
                texts = table.column(at).dictionary_encode()
                table = table.set_column(at, field.with_type(texts.type), texts)
        return table.unify_dictionaries()

    def check(self, table: pa.Table) -> pa.Table:
        """Checks schema, nulls, key and order of a table.

        Args:
            table: Any table, plain or compact.

        Returns:
            The table itself.

        Raises:
            WrongTable: Something is wrong; the message says what and where.
        """
        self._check_schema(table.schema)
        self._check_nulls(table)
        self._check_keys(table)
        return table

    def rows(self, table: pa.Table) -> list[Row]:
        """The rows of a table as objects.

        Args:
            table: A table of this kind, plain or compact.

        Returns:
            The rows, in their order.

        Raises:
            WrongTable: A column has a word that is not of its fixed set.
        """
        self._check_words(table)
        columns = [table.column(name).to_pylist() for name in self.schema.names]
        for name, word in self._words.items():
            at = self.schema.get_field_index(name)
            columns[at] = [*map(word, columns[at])]
        return [self.row(*values) for values in zip(*columns, strict=True)]

    @cached_property
    def _words(self) -> dict[str, type[StrEnum]]:
        """Columns that hold the words of a fixed set."""
        hints = typing.get_type_hints(self.row).items()
        kinds = ((name, hint) for name, hint in hints if isinstance(hint, type))
        return {name: kind for name, kind in kinds if issubclass(kind, StrEnum)}

    def _check_words(self, table: pa.Table) -> None:
        for name in self._words.keys() & set(table.column_names):
            word = self._words[name]
            if unknown := set(table.column(name).unique().to_pylist()) - {*map(str, word)}:
                raise WrongTable(
                    f"the column {name} of {self.name} holds {min(unknown)}, expected one of "
                    f"{', '.join(word)}"
                )

    def digest(self, table: pa.Table) -> str:
        """Hashes schema and rows.

        Taken over CSV text, so that neither chunking nor the writer's version changes it.

        Args:
            table: A table of this kind, plain or compact.

        Returns:
            The sha256 in hex digits.
        """
        sink = self._text_of(table.schema.names)
        pacsv.write_csv(table.replace_schema_metadata(None), pa.PythonFile(sink, "w"))
        return sink.hexdigest()

    def file_name(self, digest: str) -> str:
        """The name that a table's file bears.

        Args:
            digest: Content hash of the table.

        Returns:
            Name of the file, without folders.
        """
        return f"{self.name}-{digest[:16]}.parquet"

    def to_bytes(self, table: pa.Table) -> bytes:
        """Writes a table as Parquet, its content hash in the metadata.

        Args:
            table: A table of this kind, plain or compact.

        Returns:
            The file's bytes; the same for the same rows.

        Raises:
            WrongTable: The table fails `check`.
        """
        self.check(table)
        stamped = self.schema.with_metadata(
            {_TABLE_KEY: self.name.encode(), _HASH_KEY: self.digest(table).encode()}
        )
        sink = io.BytesIO()
        with pq.ParquetWriter(sink, stamped, compression="zstd") as writer:
            for part in slices(table):
                writer.write_table(part.cast(self.schema).replace_schema_metadata(stamped.metadata))
        return sink.getvalue()

    def read(self, path: Path) -> pa.Table:
        """Reads a table that `to_bytes` wrote.

        Args:
            path: The file.

        Returns:
            The table.

        Raises:
            FileNotFoundError: There is no such file.
            WrongTable: It is another table, or its content has changed.
        """
        with _sentences(path):
            # `read_table` imports pyarrow.dataset, and that pandas: a third of what `show` takes.
            with pq.ParquetFile(path) as file:
                written = file.read()
            metadata = written.schema.metadata or {}
            written = written.replace_schema_metadata(None)
            table = self.check(with_empty(written, self._lacked(written.schema.names)))
        self._check_hash(path, metadata, self.digest(written))
        return table

    def read_compact(self, path: Path, columns: Collection[str] | None = None) -> pa.Table:
        """Reads a file whose bytes are known, by their hash, to be what `to_bytes` gave.

        Its rows are not hashed again, and not all columns need be read. All else is checked.

        Args:
            path: The file.
            columns: Those that are wanted; None for all.

        Returns:
            The rows, compact, with these columns alone.

        Raises:
            FileNotFoundError: There is no such file.
            WrongTable: As `read`, and for a word that a column cannot hold.
        """
        kept = [name for name in self.schema.names if columns is None or name in columns]
        parts = [*self._read_parts(path, {*kept, *self.key})]
        lacked = [field for field in self._lacked(pq.read_schema(path).names) if field.name in kept]
        parts = [with_empty(part, lacked).select(kept) for part in parts]
        return pa.concat_tables(parts).unify_dictionaries()

    def digest_of(self, path: Path) -> str:
        """Finds the content hash of a file anew.

        Args:
            path: The file.

        Returns:
            The sha256 in hex digits.

        Raises:
            FileNotFoundError: There is no such file.
            WrongTable: As `read`.
        """
        parts = self._read_parts(path, self.schema.names)
        first = next(parts)
        text = self._text_of(first.schema.names)
        for number, part in enumerate(chain([first], parts)):
            pacsv.write_csv(
                part, pa.PythonFile(text, "w"), pacsv.WriteOptions(include_header=number == 0)
            )
        self._check_hash(path, pq.read_schema(path).metadata or {}, text.hexdigest())
        return text.hexdigest()

    def _read_parts(self, path: Path, columns: Collection[str]) -> Iterator[pa.Table]:
        """Some columns of a file and its key's, by row groups: compact, checked across them."""
        last = None
        with _sentences(path):
            found = pq.read_schema(path)
            lacked = self._lacked(found.names)
            self._check_schema(pa.schema([*found, *lacked]))
            texts = [field.name for field in self.schema if field.type == pa.string()]
            with pq.ParquetFile(path, read_dictionary=texts) as file:
                there = [name for name in found.names if name in columns]
                for part in row_groups(file, there):
                    self._check_nulls(part)
                    self._check_words(part)
                    keys = part.select(self.key)
                    self._check_keys(keys if last is None else pa.concat_tables([last, keys]))
                    last = keys.slice(max(0, keys.num_rows - 1))
                    yield part

    def _lacked(self, names: Collection[str]) -> list[pa.Field]:
        """The later columns, of a file that was written before there were any."""
        is_older = not any(name in names for name in self.later)
        return [self.schema.field(name) for name in self.later if is_older]

    def _text_of(self, names: Collection[str]) -> HashedText:
        """The text that is hashed, begun by the schema that a file with these columns has."""
        lacked = self._lacked(names)
        schema = pa.schema([field for field in self.schema if field not in lacked])
        return HashedText(str(schema).encode() + b"\n")

    def _check_hash(self, path: Path, metadata: Mapping[bytes, bytes], found: str) -> None:
        if metadata.get(_HASH_KEY, b"") != found.encode():
            raise WrongTable(
                f"the rows of {path} do not match the hash in its metadata; it was changed after "
                "it was written"
            )

    def _check_schema(self, found: pa.Schema) -> None:
        plain = pa.schema([field.with_type(plain_type(field.type)) for field in found])
        if plain.equals(self.schema):
            return
        faults = {
            "twice": sorted({name for name in plain.names if plain.names.count(name) > 1}),
            "missing": [name for name in self.schema.names if name not in plain.names],
            "unknown": [name for name in plain.names if name not in self.schema.names],
        }
        what = [f"{fault} {', '.join(names)}" for fault, names in faults.items() if names]
        what += [
            f"{name} is {plain.field(name).type}, expected {self.schema.field(name).type}"
            for name in self.schema.names
            if plain.names.count(name) == 1
            and not plain.field(name).equals(self.schema.field(name))
        ]
        order = f"columns in another order, expected {', '.join(self.schema.names)}"
        raise WrongTable(f"this is not a table of {self.name}: {'; '.join(what) or order}")

    def _check_nulls(self, table: pa.Table) -> None:
        for name in table.column_names:
            column = table.column(name)
            if not self.schema.field(name).nullable and column.null_count:
                at = pc.index(pc.is_null(column), True).as_py()
                raise WrongTable(f"row {at} of {self.name} has no {name}, which every row needs")

    def _check_keys(self, table: pa.Table) -> None:
        for part, rising, equal in neighbours(table, self.key):
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
        parts = neighbours(table, self.key)
        return all(pc.all(pc.or_(rising, equal)).as_py() for _, rising, equal in parts)


@contextmanager
def _sentences(path: Path) -> Iterator[None]:
    """Turns what Parquet says of a file that it cannot read into a WrongTable."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise WrongTable(
            f"{path} is not a readable Parquet file ({error}); build the store again"
        ) from error
