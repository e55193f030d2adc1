"""Text files that come with a corpus, each fault named by file and line."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from manifests.given_files import read_file

_SAVE_AS_UTF8 = "is not UTF-8 (byte {byte:#04x}); save the file as UTF-8"


def utf8(data: bytes) -> str:
    """Decodes UTF-8 with or without a byte order mark.

    Args:
        data: The bytes.

    Returns:
        The text.

    Raises:
        UnicodeDecodeError: The bytes are no UTF-8.
    """
    return data.decode("utf-8-sig")


def read_text(
    path: Path,
    error: type[ValueError],
    expected: str,
    decode: Callable[[bytes], str] = utf8,
    not_utf8: str = _SAVE_AS_UTF8,
) -> str:
    """Reads a text file.

    Args:
        path: The file.
        error: What is raised for a fault.
        expected: What the file should hold, in words.
        decode: Bytes -> text.
        not_utf8: What is said of a line that cannot be decoded, with a place for the byte.

    Returns:
        Its text.

    Raises:
        ValueError: The file cannot be read or decoded; an error of the given type.
    """
    try:
        data = read_file(path)
    except OSError as fault:
        raise error(
            f"{path}: the file cannot be read ({fault.strerror}); expected {expected}"
        ) from fault
    try:
        return decode(data)
    except UnicodeDecodeError as fault:
        line = data[: fault.start].count(b"\n") + 1
        what = not_utf8.format(byte=data[fault.start])
        raise error(f"{path}: line {line} {what}") from fault


def csv_lines(
    path: Path,
    text: str,
    error: type[ValueError],
    check_header: Callable[[int, list[str]], None],
    empty: str,
    broken: str,
) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Reads the lines of a CSV table that are not empty.

    Args:
        path: The table's file, for messages.
        text: Its text.
        error: What is raised for a fault.
        check_header: Takes the line and the columns of the header; raises for a wrong one.
        empty: What is said of a file without a header.
        broken: What to do about broken quotes.

    Yields:
        (line number, column -> cell without blanks around it)

    Raises:
        ValueError: Quotes are broken, a line has another number of cells than the header, or there
            is no header; an error of the given type.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            line = reader.line_num
            if not any(cells):
                continue
            if not header:
                check_header(line, cells)
                header = cells
            elif len(cells) != len(header):
                raise error(
                    f"{path}: line {line} has {len(cells)} cells; expected {len(header)}, one for "
                    "each column"
                )
            else:
                yield line, dict(zip(header, cells, strict=True))
    except csv.Error as fault:
        raise error(f"{path}: line {reader.line_num} is broken ({fault}); {broken}") from fault
    if not header:
        raise error(f"{path}: the file is empty; {empty}")
