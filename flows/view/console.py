"""The terminal: where views print, and the tables that they print.

Whatever a view prints may hold a name from outside, so no text is markup here, and every text is
made `visible`; style is given by words such as `bold`.
"""

import io
import shlex
import shutil
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import rich.console
from rich.table import Table
from rich.text import Text

from manifests.visible import visible

Words = str | Text
"""What `say` and the cells of a table take."""


class Console(rich.console.Console):
    """A console whose reader may leave before the end, as `head` does."""

    def on_broken_pipe(self) -> None:
        """Says no more, and lets the command end with the exit code that it has."""
        self.quiet = True
        _leave_output()


def _leave_output() -> None:
    """Closes standard output, whose reader is gone; what is still printed is for nobody."""
    with suppress(BrokenPipeError):
        sys.stdout.close()
    sys.stdout = io.StringIO()


_PLAIN = {"markup": False, "highlight": False, "emoji": False}
_CONSOLE = Console(**_PLAIN)  # type: ignore[arg-type]
_ID = 28
"""Characters of an id in a table: as many as the names of the known corpora have."""


def width() -> int:
    """How many columns a table may have.

    Returns:
        COLUMNS where it is set, else those of the terminal; 80 into a file or a pipe.
    """
    return shutil.get_terminal_size((80, 24)).columns


def short_id(text: str) -> str:
    """An id, or another name, for a cell of a table.

    The whole id stands in `--json`, in `--out` files and in the tables of a store.

    Args:
        text: Such as `folder/2024-03-11_interview_camera-1_take-07`.

    Returns:
        The text; a long one without its middle, such as `folder/2024-03…era-1_take-07`: ids of one
        corpus begin alike, and what tells them apart is mostly at the end.
    """
    text = visible(text)
    if len(text) <= _ID:
        return text
    return f"{text[: _ID // 2]}…{text[len(text) - (_ID - _ID // 2 - 1) :]}"


def called_as() -> str:
    """How the command can be called again from a plain shell in the same folder.

    Returns:
        Words for a shell: `affectstore` where the shell finds this very program by that name, else
        the path that it was called by; where it runs as a module, interpreter and module.
    """
    path = Path(sys.argv[0])
    if path.name == "__main__.py" and path.parent.name == "flows":
        return f"{shlex.quote(sys.executable)} -m flows"
    found = shutil.which("affectstore")
    if path.name != "affectstore" or (found and Path(found).resolve() == path.resolve()):
        return "affectstore"
    return shlex.quote(sys.argv[0])


def put(document: str) -> None:
    """Prints a document, JSON or Markdown, for a file, a clipboard or another program.

    Args:
        document: Its lines.
    """
    try:
        for line in document.rstrip("\n").split("\n"):
            print(visible(line))
        sys.stdout.flush()
    except BrokenPipeError:
        _leave_output()


def say(*parts: str | Text) -> None:
    """Prints a line, which is not broken: a path in it can be copied.

    Args:
        *parts: What stands in it, one after the other.
    """
    _CONSOLE.print(joined(*parts), soft_wrap=True)


def prose(*parts: str | Text) -> None:
    """Prints sentences, broken between words.

    Args:
        *parts: What stands in it, one after the other.
    """
    _CONSOLE.width = width()
    _CONSOLE.print(joined(*parts))


def joined(*parts: str | Text) -> Text:
    """Puts texts of several styles together.

    Args:
        *parts: The texts.

    Returns:
        One text.
    """
    return Text("").join(map(_shown, parts))


def lines(parts: Iterable[str]) -> Text:
    """Puts texts below each other, for a cell of a table.

    Args:
        parts: The texts.

    Returns:
        One text.
    """
    return Text("\n").join(map(_shown, parts))


def bold(text: str) -> Text:
    """A heading.

    Args:
        text: Its words.

    Returns:
        The words, for `say` or a cell.
    """
    return coloured("bold", text)


def coloured(style: str, text: str) -> Text:
    """Words in a colour.

    Args:
        style: As Rich names it, such as red.
        text: The words.

    Returns:
        The words, for `say` or a cell.
    """
    return Text(visible(text), style)


def _shown(part: str | Text) -> Text:
    return part if isinstance(part, Text) else Text(visible(part))


class Grid:
    """A table as wide as the terminal at most; no cell is cut short."""

    def __init__(self, first: str, *others: str) -> None:
        """Makes the table, without rows.

        Args:
            first: The head of its first column.
            *others: The heads of the other columns.
        """
        self._table = Table(show_edge=False, pad_edge=False, header_style="bold")
        for head in (first, *others):
            self._table.add_column(_shown(head), overflow="fold")

    def add_row(self, *cells: str | Text) -> None:
        """Adds a row.

        Args:
            *cells: Its cells.
        """
        self._table.add_row(*map(_shown, cells))

    def say(self) -> None:
        """Prints the table."""
        _CONSOLE.width = width()
        _CONSOLE.print(self._table)
