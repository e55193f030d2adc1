"""Parquet, Arrow and Feather files, read in batches: a small file may unfold to gigabytes.

Texts stay dictionaries, as they are stored, so that a text which stands in a billion rows is held
once.
"""

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from manifests.audit.errors import WrongForeignTable
from manifests.audit.foreign_columns import known_names
from manifests.audit.reading.raw import MOST_BYTES, RawTable, encode, refuse_width
from manifests.audit.reading.sources import SourceFile

_BATCH = 1 << 16
_MOST_ROWS = 50_000_000
_PATH = "path"
_FEW = 64
"""Columns that are all read; of a wider table those alone whose names are known."""


def read_parquet(source: SourceFile) -> list[RawTable]:
    """Reads a Parquet file.

    Args:
        source: The file.

    Returns:
        One table.

    Raises:
        WrongForeignTable: It cannot be read, or unfolds to too much.
    """
    import pyarrow.parquet as pq

    data = pa.py_buffer(source.read())
    try:
        schema = pq.read_schema(pa.BufferReader(data))
        names = _wanted(source, schema)
        texts = [name for name in names if _is_text(schema.field(name).type)]
        file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=texts)
        _refuse_rows(source, file.metadata.num_rows)
        paths = [_path_of(schema.field(name)) for name in names]
        _refuse_size(source, _stated(file.metadata, {*paths}))
        batches = file.iter_batches(batch_size=_BATCH, columns=paths)
        return [_made(source, names, batches)]
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _unreadable(source, "Parquet", error) from error


def read_arrow(source: SourceFile) -> list[RawTable]:
    """Reads an Arrow file (Feather, version 2, is one) or stream.

    Args:
        source: The file.

    Returns:
        One table.

    Raises:
        WrongForeignTable: It cannot be read, or unfolds to too much.
    """
    data = source.read()
    try:
        if data.startswith(b"FEA1"):
            from pyarrow import feather

            table = feather.read_table(pa.BufferReader(data))
            return [_made(source, _wanted(source, table.schema), table.to_batches())]
        if not data.startswith(b"ARROW1"):
            stream = pa.ipc.open_stream(pa.BufferReader(data))
            return [_made(source, _wanted(source, stream.schema), stream)]
        file = pa.ipc.open_file(pa.BufferReader(data))
        batches = map(file.get_batch, range(file.num_record_batches))
        return [_made(source, _wanted(source, file.schema), batches)]
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _unreadable(source, "Arrow", error) from error


def _unreadable(source: SourceFile, form: str, error: Exception) -> WrongForeignTable:
    first = str(error).partition("\n")[0]
    return WrongForeignTable(
        f"{source.path}: this is no {form} table that can be read ({first[:200]}); write it again"
    )


def _wanted(source: SourceFile, schema: pa.Schema) -> list[str]:
    """The columns that may say something, in the order of the file."""
    refuse_width(source.path, len(schema))
    plain = [field.name for field in schema if _is_plain(field.type)]
    wanted = plain if len(plain) <= _FEW else known_names(plain)
    if len({*wanted}) < len(wanted):
        twice = next(name for name in wanted if wanted.count(name) > 1)
        raise WrongForeignTable(f"{source.path} has two columns {twice!r}; rename one of them")
    return wanted


def _has_path(kind: pa.DataType) -> bool:
    """A recording inside the table, with the path that it had."""
    is_struct = pa.types.is_struct(kind) and kind.get_field_index(_PATH) >= 0
    return is_struct and _is_text(kind.field(_PATH).type)


def _path_of(field: pa.Field) -> str:
    return f"{field.name}.{_PATH}" if _has_path(field.type) else str(field.name)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_plain(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        _is_text(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_null(kind)
        or _has_path(kind)
    )


def _stated(metadata: "pa.parquet.FileMetaData", names: set[str]) -> int:
    """What the file says that the columns unfold to."""
    groups = map(metadata.row_group, range(metadata.num_row_groups))
    columns = (group.column(one) for group in groups for one in range(group.num_columns))
    return sum(one.total_uncompressed_size for one in columns if one.path_in_schema in names)


def _refuse_rows(source: SourceFile, rows: int) -> None:
    if rows > _MOST_ROWS:
        raise WrongForeignTable(
            f"{source.path} unfolds to {rows:,} rows, at most {_MOST_ROWS:,} are read; give a "
            "table with a row for each clip"
        )


def _refuse_size(source: SourceFile, size: int) -> None:
    if size > MOST_BYTES:
        raise WrongForeignTable(
            f"{source.path} unfolds to more than {MOST_BYTES:,} bytes; give a table of names, "
            "sides and labels alone"
        )


def _made(source: SourceFile, names: list[str], batches: Iterable[pa.RecordBatch]) -> RawTable:
    parts: dict[str, list[pa.Array]] = {name: [] for name in names}
    rows = 0
    for batch in _counted(source, batches, names):
        rows += batch.num_rows
        _refuse_rows(source, rows)
        for name in names:
            parts[name].append(_as_text(batch.column(name)))
    columns = tuple(
        encode(pa.chunked_array(some) if some else pa.array([], pa.string()))
        for some in parts.values()
    )
    return RawTable(source.path, source.places, tuple(names), columns, range(1, rows + 1))


def _counted(
    source: SourceFile, batches: Iterable[pa.RecordBatch], names: list[str]
) -> Iterator[pa.RecordBatch]:
    size = 0
    for batch in batches:
        one = batch.select(names)
        size += one.nbytes
        _refuse_size(source, size)
        yield one


def _as_text(column: pa.Array) -> pa.DictionaryArray:
    if pa.types.is_struct(column.type):
        column = column.field(_PATH)
    kind = column.type
    if pa.types.is_dictionary(kind):
        texts = column.dictionary.cast(pa.string())
        return pa.DictionaryArray.from_arrays(column.indices.cast(pa.int32()), texts)
    if pa.types.is_floating(kind):  # whole numbers that a gap has made floating
        whole = pc.cast(column, pa.int64(), safe=False)
        if pc.all(pc.equal(pc.cast(whole, kind, safe=False), column)).as_py() is not False:
            column = whole
    return column.cast(pa.string()).dictionary_encode()
