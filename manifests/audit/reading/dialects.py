"""How the cells of a text table are told apart, and whether its first line is a header."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from manifests.audit.foreign_columns import known_names

DELIMITERS = "\t;,|"
BLANKS = " "
NAMES = {"\t": "tabs", ";": "semicolons", ",": "commas", "|": "bars", BLANKS: "blanks"}
_SAMPLE = 200
_LONGEST = 1 << 20
_LONGEST_NAME = 1000
_LOOKS_LIKE_DATA = re.compile(
    r"[-+]?\d+([.,]\d+)?|.*[/\\].+|.+\.(wav|mp4|avi|flac|mp3|npy|png|jpe?g|mov|mkv|m4a|flv|ogg|pt)",
    re.IGNORECASE,
)


def _is_data(cell: str) -> bool:
    """A number, a path or a file, which names no column; nor does what is longer than a line."""
    return len(cell) > _LONGEST_NAME or _LOOKS_LIKE_DATA.fullmatch(cell) is not None


@dataclass(frozen=True)
class Dialect:
    """How a text table is written."""

    delimiter: str | None
    """None where a line is one cell."""
    header: tuple[str, ...] | None
    width: int
    skipped: int
    """Lines before the header, or before the first row."""


def find_dialect(text: str, is_table: bool) -> Dialect | None:
    """Finds out how a text table is written.

    Args:
        text: All of it.
        is_table: Its suffix says that it is a table, so that a first line of words alone is a
            header.

    Returns:
        The dialect; None where there is no line but comments.
    """
    lines, skipped = _first_lines(text)
    if not lines:
        return None
    known = {one: len(known_names(_cells(lines[0], one))) for one in DELIMITERS + BLANKS}
    widths = {one: len(_cells(lines[0], one)) for one in known}
    # `Clip ID` between tabs is one name, though its two words are known too.
    marked = {one for one in DELIMITERS if known[one] and widths[one] > 1}
    best = max(known, key=lambda one: (one in marked, known[one], widths[one], one != BLANKS))
    if best == BLANKS and known_names(lines[:1]) and not _have_width(lines[1:], widths[BLANKS]):
        best = DELIMITERS[0]  # `Clip ID` alone, above names of one word
    if known[best] and not any(map(_is_data, _cells(lines[0], best))):
        header = _cells(lines[0].lstrip("# "), best)
        delimiter: str | None = best
        if len(header) == 1:  # names below it may have blanks
            delimiter = _likeliest(lines[1:]) if lines[1:] else None
            delimiter = None if delimiter == BLANKS else delimiter
        return Dialect(delimiter, tuple(header), len(header), skipped)
    if _begins_with_root(lines):
        lines, skipped = lines[1:], skipped + 1
    delimiter = _likeliest(lines)
    rows = [_cells(line, delimiter) for line in lines]
    width = max(len(row) for row in rows)
    if is_table and looks_like_header(rows):
        return Dialect(delimiter, tuple(rows[0]), len(rows[0]), skipped)
    return Dialect(delimiter, None, width, skipped)


def _begins_with_root(lines: Sequence[str]) -> bool:
    """The folder of all clips stands alone above lines of several cells, as fairseq writes it."""
    first, *below = lines
    is_path = first.startswith(("/", "./", "../")) and "\t" not in first
    return is_path and bool(below) and all("\t" in line for line in below)


def _have_width(lines: Sequence[str], width: int) -> bool:
    return all(len(line.split()) == width for line in lines)


def _first_lines(text: str) -> tuple[list[str], int]:
    """The first lines that are not empty, and how many lines come before them."""
    lines: list[str] = []
    skipped = begin = 0
    while begin < len(text) and len(lines) < _SAMPLE and begin < _LONGEST:
        end = text.find("\n", begin)
        end = len(text) if end < 0 else end
        line = text[begin : min(end, begin + _LONGEST)].rstrip("\r")
        begin = end + 1
        if not lines and (not line.strip() or _is_remark(line)):
            skipped += 1
        elif line.strip():
            lines.append(line)
    return lines, skipped


def _is_remark(line: str) -> bool:
    """A comment, or Excel's line for the delimiter."""
    is_header = line.startswith("#") and known_names(re.split(r"[\s,;|]+", line.lstrip("# ")))
    return (line.startswith("#") and not is_header) or bool(re.fullmatch(r"sep=.", line.strip()))


def _cells(line: str, delimiter: str | None) -> list[str]:
    if delimiter is None:
        return [line.strip()]
    if delimiter == BLANKS:
        return line.split()
    try:
        return [cell.strip() for cell in next(csv.reader(io.StringIO(line), delimiter=delimiter))]
    except (csv.Error, StopIteration):
        return [cell.strip(' "') for cell in line.split(delimiter)]


def _likeliest(lines: Sequence[str]) -> str | None:
    """The delimiter that gives nearly all lines the same number of cells, two or more."""
    before = DELIMITERS
    if all("|" in line for line in lines) and all(map(_has_bar_first, lines)):
        before = "|" + DELIMITERS  # what stands behind the bars is text
    for delimiter in before + BLANKS:
        widths = Counter(len(_cells(line, delimiter)) for line in lines)
        [(usual, count)] = widths.most_common(1)
        if usual > 1 and count >= 0.9 * len(lines):
            return delimiter
    return BLANKS if _trailing(lines) else None


def _has_bar_first(line: str) -> bool:
    return not any(one in line.partition("|")[0] for one in DELIMITERS)


def _trailing(lines: Sequence[str]) -> int:
    """How many cells stand after a name that has blanks in it."""
    rows = [line.split() for line in lines]
    count = 0
    while rows and all(len(row) > count + 1 and row[-1 - count].isdigit() for row in rows):
        count += 1
    return count


def split_at_blanks(lines: Sequence[str]) -> tuple[list[list[str]], int]:
    """Rows of cells with blanks between them, where a name may have blanks too.

    Args:
        lines: All lines of a table without a header.

    Returns:
        The rows, and the number of their cells. Where lines have different numbers of words, the
        first cell is what stands before the whole numbers at the end.
    """
    rows = [line.split() for line in lines]
    width = max((len(row) for row in rows), default=0)
    is_one = any(len(row) != width for row in rows) or _is_cut_path(rows)
    if is_one and (after := _trailing(lines)):
        return [line.rsplit(maxsplit=after) for line in lines], after + 1
    return rows, width


def _is_cut_path(rows: Sequence[Sequence[str]]) -> bool:
    """The first two words of every line are one path: `subject 1/x.avi`, `/my data/x.avi`."""
    if any(len(row) < 2 or "/" not in row[1] or row[1][0] in "/.~" for row in rows):
        return False
    return len({row[0] for row in rows}) == 1 < len(rows) or all(row[0][0] == "/" for row in rows)


def looks_like_header(rows: Sequence[Sequence[str]]) -> bool:
    """Says whether a first row names the columns.

    Args:
        rows: The first rows of a table.

    Returns:
        True where it has a known name, or looks otherwise than the rows below it.
    """
    first, below = rows[0], rows[1:]
    if known_names(first) and not any(map(_is_data, first)):
        return True
    if not below or any(map(_is_data, first)) or len({*first}) < len(first):
        return False
    columns = [[row[at] for row in below if at < len(row)] for at in range(len(first))]
    if any(cells and all(map(_is_data, cells)) for cells in columns):
        return True
    if len(first) < 2 or any(char.isdigit() for name in first for char in name):
        return False  # a clip, whose name is no other's
    pairs = zip(first, columns, strict=True)
    return not any(name in cells for name, cells in pairs)
