"""`csv`: the tables of the store as CSV files, for a spreadsheet or any language; no features."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv

from stores.exports.card import Export, readme
from stores.exports.source import Source
from stores.exports.target import ExportFile

_READING = """import pandas as pd

clips = pd.read_csv("OUT/clips.csv")"""


def files(export: Export) -> Iterator[ExportFile]:
    """Lists the files of the export.

    Args:
        export: What is exported, and its terms.

    Yields:
        clips.csv, labels.csv, folds.csv, index.csv, quarantine.csv; UTF-8, a header, commas, and
        nothing where a value is missing.
    """
    source = export.source
    yield from table_files(source)
    yield readme(export, _READING)


def table_files(source: Source) -> Iterator[ExportFile]:
    """Lists the tables of an export.

    Args:
        source: What is exported.

    Yields:
        A CSV file for each.
    """
    for name, table in source.tables():
        yield ExportFile(f"{name}.csv", partial(_write, table))


def _write(table: pa.Table, path: Path) -> None:
    plain = pa.table(
        {
            name: column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
            for name, column in zip(table.schema.names, table.columns, strict=True)
        }
    )
    pacsv.write_csv(plain, path)
