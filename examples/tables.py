"""The tables and figures of a paper, its printed numbers beside those of a run.

    python -m examples.tables tucker2025 RUN

Prints every table for each scheme of the run, and writes them and the figures (PNG and SVG) to
RUN/tables/<scheme>. Ends with 1 where a part could not be made, with 2 where it cannot begin.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from examples.command import ending
from examples.kept import KeptRun, open_run
from examples.not_ready import NotReady
from examples.plan import Paper
from examples.printed import Models, PrintedTable, figures_of, models_of, text_of
from examples.run_folder import slug
from examples.train import RECIPES, paper_of
from stores.atomic import publishing, write_bytes


def write_all(paper: Paper[Any], run: KeptRun) -> list[str]:
    """Prints and writes all of a run; returns what is missing, a sentence each."""
    if run.facts.get("recipe") != paper.recipe:
        raise NotReady(
            f"{run.root} is a run of {run.facts.get('recipe')}; give that recipe, or another folder"
        )
    missing = []
    said = paper.printed.said(run.recipe_of_the_store)
    for scheme, models in run.schemes.items():
        folder = run.root / "tables" / scheme
        way = ", end to end" if "joint" in run.facts.get("settings", {}) else ""
        heads = [f"# {paper.recipe}, {scheme}{way}", *map(_warning, run.facts[_DIFFERENCES])]
        labels = run.facts["labels"]
        tables = [
            text_of(table, models, labels, said)
            for table in paper.printed.tables
            if _is_of(table, models, labels)
        ]
        text = "\n\n".join([*heads, *tables])
        print(f"\n{text}")
        write_bytes(folder / "tables.md", f"{text}\n".encode())
        for figure in figures_of(paper.printed, labels):
            name = next((one for one in figure.models if one in models), figure.models[0])
            try:
                drawn = figure.draw(models, name)
                lines = (figure.title, f"{paper.recipe}, {scheme}: {name}", said)
                drawn.suptitle("\n".join(filter(None, lines)), fontsize="medium")
                _write(folder / slug(figure.title), drawn)
            except KeyError as error:
                missing.append(f"{figure.title} of {scheme}: the run has no {error.args[0]}")
        print(f"\n{len(list(folder.glob('*.png')))} figures in {folder}")
    return missing


def _is_of(table: PrintedTable, models: Models, labels: str) -> bool:
    """Whether a scheme has a number for the table, or the table is another corpus's and has the
    paper's alone."""
    wanted = models_of(table, labels)
    return not wanted or not wanted.isdisjoint(models)


_DIFFERENCES = "differs_from_the_shipped_recipe"


def _warning(difference: str) -> str:
    return f"NOT AS SHIPPED: {difference}"


def _write(path: Path, figure: Figure) -> None:
    for suffix, metadata in (("png", {}), ("svg", {"Date": None})):
        with publishing(path.with_suffix(f".{suffix}")) as hidden:
            figure.savefig(hidden, format=suffix, metadata=metadata)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m examples.tables",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("run", type=Path, help="the folder that examples.train --out has filled")
    given = parser.parse_args(arguments)
    with ending("examples.tables"):
        missing = write_all(paper_of(given.recipe), open_run(given.run))
    for sentence in missing:
        print(f"left out: {sentence}", file=sys.stderr)
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
