"""Which files of what was given are lists, read as they stand."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from manifests.audit.errors import WrongForeignTable
from manifests.audit.reading.catalog import FORMS, read_file_of
from manifests.audit.reading.kaldi import KALDI
from manifests.audit.reading.options import ReadingOptions
from manifests.audit.reading.raw import RawTable
from manifests.audit.reading.sides import sides_of_name
from manifests.audit.reading.sources import SourceFile, list_sources
from manifests.audit.reading.trees import is_clip, read_tree
from manifests.audit.reading.wide import by_side

_NO_LISTS = {"readme", "license", "licence", "requirements", "changelog", "notice", "citation"}


def read_lists(paths: Sequence[Path], options: ReadingOptions) -> tuple[list[RawTable], list[str]]:
    """Reads every list of what was given.

    Args:
        paths: Files, folders or zip files.
        options: What the user says.

    Returns:
        The tables, and the names of files that are no lists.

    Raises:
        WrongForeignTable: A list is broken, or there is none.
    """
    sources = list_sources(paths)
    given = [source for source in sources if source.is_given]
    found = [table for source in given for table in read_file_of(source)]
    others = [source for source in sources if not source.is_given]
    if found and not others:
        return by_side(found), []
    lists = [source for source in others if _may_be_list(source)]
    more, first = _read_all([source for source in lists if source.suffix != ".py"])
    if not more and first is None:
        more = _constants([source for source in lists if source.suffix == ".py"])
    if not more:
        more = read_tree(filter(is_clip, others), options)
        lists = [source for source in others if more and is_clip(source)]
    if not found and not more:
        raise first or WrongForeignTable(
            f"{paths[0]} holds no list of a split; expected files (CSV, text, JSON, Parquet, XLSX, "
            "arrays or constants) whose names or columns say train and test, or folders of clips "
            "named so"
        )
    read = {table.path for table in more} | {source.path for source in lists if is_clip(source)}
    return by_side([*found, *more]), _left_out(others, read)


def _left_out(sources: Sequence[SourceFile], read: Collection[Path]) -> list[str]:
    """Names of files that are no lists, with the folder where that is a side and none is read."""
    folders = {source.folders for source in sources if source.path in read}
    return [
        f"{source.folders[-1]}/{source.path.name}"
        if _is_unread_side(source.folders, folders)
        else source.path.name
        for source in sources
        if source.path not in read
    ]


def _is_unread_side(folder: tuple[str, ...], read: Collection[tuple[str, ...]]) -> bool:
    if not folder or not sides_of_name(folder[-1]):
        return False
    return not any(one[: len(folder)] == folder for one in read)


def _constants(programs: Sequence[SourceFile]) -> list[RawTable]:
    """Of the programs of a folder, the constants that are named after a side."""
    found: list[RawTable] = []
    for source in programs:
        with suppress(WrongForeignTable):
            tables = read_file_of(source)
            keys = {place.name for table in tables for place in table.places if place.kind == "key"}
            found += tables if any(map(sides_of_name, keys)) else []
    return found


def _may_be_list(source: SourceFile) -> bool:
    if source.path.name == KALDI[0]:  # the other one says the same
        return True
    return source.suffix in FORMS and source.path.stem.casefold() not in _NO_LISTS


def _read_all(sources: Sequence[SourceFile]) -> tuple[list[RawTable], WrongForeignTable | None]:
    """Tables of a folder's files; and why the first one that is no list could not be read.

    A file that bears the name of a side is a list for certain, and is never left out.
    """
    found: list[RawTable] = []
    first = None
    for source in sources:
        try:
            found += read_file_of(source)
        except WrongForeignTable as error:
            if sides_of_name(source.path.stem):
                raise
            first = first or error
    return found, first
