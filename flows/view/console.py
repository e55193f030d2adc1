"""The terminal: where views print, and the tables that they print."""

from rich.console import Console
from rich.table import Table

_TERMINAL = Console()
CONSOLE = _TERMINAL if _TERMINAL.is_terminal else Console(width=160)
"""Standard output; into a file or a pipe, lines have room for 160 characters."""


def grid(first: str, *others: str) -> Table:
    """A table for the terminal.

    Args:
        first: The head of its first column.
        *others: The heads of the other columns.

    Returns:
        The table, without rows.
    """
    return Table(first, *others, show_edge=False, pad_edge=False, header_style="bold")
