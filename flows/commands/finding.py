"""Commands that say what there is and what a name means."""

from importlib.metadata import version
from typing import Annotated

import typer

from flows.commands.arguments import argument
from flows.commands.catalogs import Kind, catalog, every_catalog
from flows.commands.completing import explained


def _print_version(is_asked: bool) -> None:
    from manifests.visible import visible

    if is_asked:
        print(visible(f"affectstore {version('affectstore')}"))
        raise typer.Exit


def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Audio-visual features of emotion corpora: decoded once, stored for any trainer, split by
    subject."""


def list_(kind: Annotated[Kind, argument("What to list.", "KIND")]) -> None:
    """List what there is: corpora, recipes, schemes, features, labels, rules of the audit, reasons
    of quarantine, notes of the index, papers, or formats of an export."""
    from flows.view.lists import print_catalog

    found = catalog(kind)
    names = ", ".join(row[0] for row in found.others)
    print_catalog(found.heads, found.rows, names, found.others_are)


def explain(
    name: Annotated[
        str,
        argument(
            "A rule of the audit, such as L7, a reason of quarantine, such as no_face, or any "
            "other name that `affectstore list` has.",
            "NAME",
            explained,
        ),
    ],
) -> None:
    """Say what a rule of the audit, a reason of quarantine or another name means, and what to do
    about it."""
    from flows.view.lists import print_entry, print_rule
    from manifests.audit import RULES
    from manifests.suggestions import did_you_mean

    if (number := name.upper()) in RULES:
        print_rule(number, RULES[number])
        return
    catalogs = every_catalog()
    found = [(of, row) for of in catalogs for row in of.rows + of.others if row[0] == name]
    if not found:
        known = [row[0] for of in catalogs for row in of.rows + of.others]
        raise typer.BadParameter(
            f"nothing is called {name!r}; {did_you_mean(name, known)}affectstore list rules, "
            "reasons or notes has the names that most often need it"
        )
    for of, row in found:
        print_entry(of.heads, row)
