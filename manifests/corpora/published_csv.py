"""CSV tables as corpora publish them: needed columns by name, every broken line refused with file
and line."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

_POINTER = b"version https://git-lfs"


class WrongPublishedTable(ValueError):
    """A published table cannot be taken as it is; the message names file and line."""


def _utf8(data: bytes) -> str:
    return data.decode("utf-8-sig")


def read_lines(
    path: Path, columns: Sequence[str], decode: Callable[[bytes], str] = _utf8
) -> Iterator[tuple[int, Mapping[str, str]]]:
    """(line number, column -> cell without blanks around it) of every line that is not empty;
    columns beyond `columns` are let be.

    `decode`: bytes -> text, for tables that are not plain UTF-8.

    WrongPublishedTable for a file that cannot be read, a git-lfs pointer, text that is not UTF-8, a
    missing column, or a line with another number of cells than the header.
    """
    reader = csv.reader(io.StringIO(_text(path, decode), newline=""), strict=True)
    header: list[str] | None = None
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if header is None:
                header = _header(path, cells, columns)
            elif len(cells) != len(header):
                raise wrong(
                    path,
                    reader.line_num,
                    f"has {len(cells)} cells; expected {len(header)}, one for each column",
                )
            else:
                yield reader.line_num, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise wrong(
            path, reader.line_num, f"is broken ({error}); get the published file again"
        ) from error
    if header is None:
        raise WrongPublishedTable(
            f"{path}: the file is empty; expected the columns {', '.join(columns)}, so get the "
            "published file again"
        )


def wrong(path: Path, line: int, what: str) -> WrongPublishedTable:
    return WrongPublishedTable(f"{path}: line {line} {what}")


def _text(path: Path, decode: Callable[[bytes], str]) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WrongPublishedTable(
            f"{path}: the file cannot be read ({error.strerror}); expected a published table"
        ) from error
    if data.startswith(_POINTER):
        raise WrongPublishedTable(
            f"{path}: this is a git-lfs pointer that stands for the table; fetch the table with "
            "`git lfs pull`"
        )
    try:
        return decode(data)
    except UnicodeDecodeError as error:
        raise wrong(
            path, data[: error.start].count(b"\n") + 1, "is not UTF-8; get the published file again"
        ) from error


def _header(path: Path, cells: list[str], columns: Sequence[str]) -> list[str]:
    missing = [column for column in columns if column not in cells]
    if missing:
        raise WrongPublishedTable(
            f"{path}: the header has no column {', '.join(missing)}; get the published file again"
        )
    return cells
