"""Pieces of Markdown, for the artifacts that Prefect shows."""

from collections.abc import Iterable


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
    """Makes a text fit into a cell or a heading.

    Args:
        text: Any text.

    Returns:
        The text in one line, without a sign that ends a cell.
    """
    return text.replace("|", "\\|").replace("\n", " ")


def link(text: str, target: str) -> str:
    """A link.

    Args:
        text: What is shown.
        target: A URL, or an absolute path of this machine.

    Returns:
        Markdown.
    """
    url = target if "://" in target else f"file://{target}"
    return f"[{escape(text)}]({url.replace(' ', '%20').replace('(', '%28').replace(')', '%29')})"
