"""A published split list as tables, whatever its form."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from manifests.audit.foreign_table import ForeignTable, read_foreign
from manifests.audit.reading.options import ReadingOptions


def read_published(
    paths: Sequence[Path], options: ReadingOptions | None = None
) -> Sequence[ForeignTable]:
    """Reads the lists of one split.

    Args:
        paths: A file, several files, a folder or a zip file.
        options: What the user says of the lists; None for nothing.

    Returns:
        The tables, whose columns are known by their meaning. Side, fold and scheme may be constants
        that the name of a file, folder, sheet or key says.

    Raises:
        WrongForeignTable: One sentence for what cannot be read or understood.
    """
    tables = [read_foreign(path) for path in paths]
    said = ", ".join(f"{name} is the {meaning}" for meaning, name in tables[0].header.items())
    return [replace(table, understood=said) for table in tables]
