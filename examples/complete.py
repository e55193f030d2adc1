"""Whether anything is empty in the tables and figures that `examples.tables` has written.

What is read is what was written: cells in `tables.md`, and panels in the SVGs. A table of a paper
is of one split, and ours stand under each scheme of the run: a cell is empty where no scheme has a
number for it, as some models are of one scheme alone. One of a class of which no clip is tested has
none.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

from examples.kept import KeptRun
from examples.plan import Paper
from examples.printed import Cell, PrintedTable, figures_of, is_ours
from examples.run_folder import slug

_SVG = "{http://www.w3.org/2000/svg}"
_AXES = re.compile(r"axes_\d+")
_DATA = re.compile(r"line2d_\d+|image\w+|\w+(Collection|Mesh)_\d+")
"""Names that matplotlib gives to what shows data, in an axis of an SVG."""
_MARKS = (f"{_SVG}use", f"{_SVG}image")
_FRAME = 5
"""The first patches of an axis: its background and its four edges. Further ones are bars."""


def whats_empty(paper: Paper[Any], run: KeptRun) -> list[str]:
    """A sentence for each cell, figure or time that has nothing."""
    return [
        *_empty_cells(paper, run),
        *_empty_figures(paper, run),
        *([] if (run.root / "timing.json").is_file() else ["no model was timed"]),
    ]


def _empty_cells(paper: Paper[Any], run: KeptRun) -> Iterator[str]:
    labels = str(run.facts["labels"])
    titles = [table.title for table in paper.printed.tables]
    paths = [run.root / "tables" / scheme / "tables.md" for scheme in run.schemes]
    written = [_tables_in(path, titles) for path in paths]
    for table in paper.printed.tables:
        for row, cells in table.rows.items():
            for column, cell in enumerate(cells):
                texts = [one.get((table.title, row), ())[column : column + 1] for one in written]
                if not is_ours(cell, labels) or _has_no_test(cell, run):
                    continue
                if not any(_is_full(text) for text in texts):
                    yield f"{_place(table, row, column)} is empty under {', '.join(run.schemes)}"


def _has_no_test(cell: Cell, run: KeptRun) -> bool:
    """Whether it is of a class of which no clip is tested: a split of few clips may leave one
    out."""
    if cell.model is None or cell.score[:1] != ("per_class",):
        return False
    models = [one[cell.model] for one in run.schemes.values() if cell.model in one]
    return bool(models) and not any(m.score(*cell.score[:2], "support") for m in models)


def _place(table: PrintedTable, row: str, column: int) -> str:
    return f"{table.title.partition('.')[0]}, {row}, {table.columns[column]}"


def _is_full(text: tuple[str, ...]) -> bool:
    """A cell that ends in a number of ours, `printed / ours`."""
    return any(re.search(r"/ -?\d+(\.\d+)?$", one) for one in text)


def _tables_in(path: Path, titles: Sequence[str]) -> dict[tuple[str, str], tuple[str, ...]]:
    """(title, row) -> its cells."""
    found, title = {}, ""
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        title = next((one for one in titles if line.startswith(one)), title)
        if line.startswith("|"):
            row, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            found[title, row] = tuple(cells)
    return found


def _empty_figures(paper: Paper[Any], run: KeptRun) -> Iterator[str]:
    figures = figures_of(paper.printed, str(run.facts["labels"]))
    for scheme in run.schemes:
        for figure in figures:
            path = run.root / "tables" / scheme / slug(figure.title)
            svg, png = path.with_suffix(".svg"), path.with_suffix(".png")
            if not svg.is_file() or not png.is_file() or not png.stat().st_size:
                yield f"{figure.title} is not there under {scheme}"
            elif empty := empty_panels(svg):
                yield f"{figure.title} shows nothing in {', '.join(empty)} under {scheme}"


def empty_panels(svg: Path) -> list[str]:
    """The axes of a figure in which nothing is drawn."""
    groups = list(Xml.parse(svg).iter(f"{_SVG}g"))  # noqa: S314 - written by this software
    axes = [group for group in groups if _AXES.fullmatch(group.get("id", ""))]
    return [str(axis.get("id")) for axis in axes if not _shows_data(axis)] if axes else ["it"]


def _shows_data(axis: Xml.Element) -> bool:
    # Ticks, their lines and a legend's samples are none.
    inside = [one for one in axis if not one.get("id", "").startswith(("matplotlib.", "legend"))]
    drawn = [one for child in inside for one in child.iter() if _is_drawn(one)]
    names = [one.get("id", "") for one in drawn]
    patches = sum(name.startswith("patch_") for name in names)
    return patches > _FRAME or any(_DATA.fullmatch(name) for name in names)


def _is_drawn(group: Xml.Element) -> bool:
    """Whether it has a line, a curve, a mark or an image: of NaN there is a path without any."""
    return any(
        not {"L", "C", "Q"}.isdisjoint(one.get("d", "")) or one.tag in _MARKS
        for one in group.iter()
    )
