"""CSV tables as corpora publish them, every broken line refused with file and line."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from manifests.corpora.text_files import csv_lines, read_text, utf8

_POINTER = "version https://git-lfs"
_AGAIN = "get the published file again"


class WrongPublishedTable(ValueError):
    """A published table cannot be taken as it is; the message names file and line."""


def read_lines(
    path: Path, columns: Sequence[str], decode: Callable[[bytes], str] = utf8
) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Reads the lines of a published table that are not empty.

    Args:
        path: The table's file.
        columns: Those that are needed; others are let be.
        decode: Bytes -> text, for tables that are not plain UTF-8.

    Yields:
        (line number, column -> cell without blanks around it)

    Raises:
        WrongPublishedTable: The file cannot be read, is a git-lfs pointer or no UTF-8, lacks a
            column, or has a line with another number of cells than the header.
    """

    def check_header(line: int, header: list[str]) -> None:
        missing = [column for column in columns if column not in header]
        if missing:
            raise WrongPublishedTable(
                f"{path}: the header has no column {', '.join(missing)}; {_AGAIN}"
            )

    error, not_utf8 = WrongPublishedTable, f"is not UTF-8; {_AGAIN}"
    text = read_text(path, error, "a published table", decode, not_utf8)
    if text.startswith(_POINTER):
        raise WrongPublishedTable(
            f"{path}: this is a git-lfs pointer that stands for the table; fetch the table with "
            "`git lfs pull`"
        )
    empty = f"expected the columns {', '.join(columns)}, so {_AGAIN}"
    yield from csv_lines(path, text, error, check_header, empty, _AGAIN)


def wrong(path: Path, line: int, what: str) -> WrongPublishedTable:
    """The error for one line of a published table.

    Args:
        path: The table's file.
        line: Number of the line, from 1.
        what: What is wrong there, and what was expected.

    Returns:
        The error, to be raised.
    """
    return WrongPublishedTable(f"{path}: line {line} {what}")
