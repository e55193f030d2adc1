"""Lists of what there is, and what one name means, in the terminal."""

from collections.abc import Iterable, Sequence

from flows.view.console import Grid, bold, prose
from manifests.audit import Rule
from manifests.audits import Severity


def print_catalog(
    heads: Sequence[str], rows: Iterable[Sequence[str]], others: str, others_are: str
) -> None:
    """Prints all things of one kind.

    Args:
        heads: Of the table; the first is what one of them is.
        rows: A name, and a cell for each further head.
        others: Names that stand in one line; "" for none.
        others_are: What these are.
    """
    table = Grid(*heads)
    for row in rows:
        table.add_row(*row)
    table.say()
    if others:
        prose(f"{others_are}: {others}")


def print_entry(heads: Sequence[str], row: Sequence[str]) -> None:
    """Prints one thing by itself.

    Args:
        heads: What its cells are; the first is what it is.
        row: Its name, and its cells.
    """
    prose(bold(row[0]), f"  {heads[0]}")
    for head, cell in zip(heads[1:], row[1:], strict=True):
        if cell:
            prose(f"{head}: {cell}")


def print_rule(number: str, rule: Rule) -> None:
    """Prints what a rule of the audit is, an example, and what to do.

    Args:
        number: Such as L7.
        rule: The rule.
    """
    gravity = {Severity.ERROR: "an error", Severity.WARN: "a warning"}[rule.severity]
    prose(bold(number), f"  {rule.title} ({gravity})")
    prose(rule.about)
    prose(bold("For example: "), rule.example)
    prose(bold("What to do: "), rule.advice)
