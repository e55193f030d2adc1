"""Pieces of Markdown, for the artifacts that Prefect shows."""

import re
from collections.abc import Iterable
from urllib.parse import quote

from manifests.visible import visible

_SIGNS = re.compile(r"[\\`*\[\]<>|~&]|(?<![^\W_])_|_(?![^\W_])")
"""What Markdown takes for its own; an underscore within a word it does not."""
_OF_URLS = ":/?#@!$&'*+,;=%~"


def table(heads: Iterable[object], rows: Iterable[Iterable[object]]) -> list[str]:
    """A table.

    Args:
        heads: The heads of its columns.
        rows: Their cells.

    Returns:
        Its lines.
    """
    cells = [str(head) for head in heads]
    return [_row(cells), _row("---" for _ in cells), *map(_row, rows)]


def _row(cells: Iterable[object]) -> str:
    return "| " + " | ".join(escape(str(cell)) for cell in cells) + " |"


def escape(text: str) -> str:
    """Makes a text fit into a cell, a heading or a sentence.

    Args:
        text: Any text.

    Returns:
        Markdown of one line that shows the text as it is, and `visible`: nothing in it ends a cell,
        is a link, an emphasis or HTML.
    """
    return _SIGNS.sub(r"\\\g<0>", visible(text))


def link(text: str, target: str) -> str:
    """A link.

    Args:
        text: What is shown.
        target: A URL, or an absolute path of this machine.

    Returns:
        Markdown.
    """
    url = target if "://" in target else f"file://{target}"
    return f"[{escape(text)}]({quote(url, safe=_OF_URLS, errors='surrogateescape')})"
