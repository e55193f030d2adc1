"""What an audit refuses to look at."""

from pathlib import Path


class NothingToAudit(ValueError):
    """What was given is no store, table or paper, or has no folds; the message says which."""


_UNITS = {
    **dict.fromkeys((".parquet", ".arrow", ".feather", ".ipc", ".npz", ".npy"), "row"),
    **dict.fromkeys((".xlsx", ".xlsm"), "row"),
    **dict.fromkeys((".json", ".py"), "entry"),
}
"""Suffix -> what a row of such a table is called, where it is no line."""


class WrongForeignTable(ValueError):
    """A table cannot be audited; the message names file, line and column."""

    @staticmethod
    def at(path: Path, line: int, what: str, place: str | None = None) -> "WrongForeignTable":
        """The error for one place of a table.

        Args:
            path: The table's file.
            line: Line of the file, or the row or entry, from 1.
            what: What is wrong there, and what was expected.
            place: The column or character in words; None for the line as such.

        Returns:
            The error, to be raised.
        """
        unit = _UNITS.get(path.suffix.lower(), "line")
        return WrongForeignTable(f"{path}, {unit} {line}{', ' + place if place else ''}: {what}")


class WrongPaper(ValueError):
    """A paper's numbers cannot be audited as they are written.

    The message says which, and what was expected.
    """
