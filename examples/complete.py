"""Whether anything is empty in the tables and figures that `examples.tables` has written.

What is read is what was written: cells in `tables.md`, and panels in the SVGs. A table of a paper
is of one split, and ours stand under each scheme of the run: a cell is empty where no scheme has a
number for it, as some models are of one scheme alone.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

from examples.kept import KeptRun
from examples.plan import Paper
from examples.printed import PrintedTable, figures_of, is_ours, titled
from examples.run_folder import slug

_SVG = "{http://www.w3.org/2000/svg}"
_AXES = re.compile(r"axes_\d+")
_DATA = re.compile(r"line2d_\d+|image\d+|\w+(Collection|Mesh)_\d+")
"""Names that matplotlib gives to what shows data, in an axis of an SVG."""
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
    written = [_tables_in(run.root / "tables" / scheme / "tables.md") for scheme in run.schemes]
    said = paper.printed.said(run.recipe_of_the_store)
    for table in paper.printed.tables:
        title = titled(table.title, said)
        for row, cells in table.rows.items():
            for column, cell in enumerate(cells):
                texts = [one.get((title, row), ())[column : column + 1] for one in written]
                if is_ours(cell, run.facts["labels"]) and not any(_is_full(text) for text in texts):
                    yield f"{_place(table, row, column)} is empty under {', '.join(run.schemes)}"


def _place(table: PrintedTable, row: str, column: int) -> str:
    return f"{table.title.partition('.')[0]}, {row}, {table.columns[column]}"


def _is_full(text: tuple[str, ...]) -> bool:
    """A cell that ends in a number of ours, `printed / ours`."""
    return any(re.search(r"/ -?\d+(\.\d+)?$", one) for one in text)


def _tables_in(path: Path) -> dict[tuple[str, str], tuple[str, ...]]:
    """(title, row) -> its cells."""
    found, title = {}, ""
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        if line.endswith(" (paper / here)"):
            title = line.removesuffix(" (paper / here)")
        elif line.startswith("|"):
            row, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            found[title, row] = tuple(cells)
    return found


def _empty_figures(paper: Paper[Any], run: KeptRun) -> Iterator[str]:
    for scheme in run.schemes:
        for figure in figures_of(paper.printed, run.facts["labels"]):
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
    patches = 0
    for group in axis.iter():
        name = group.get("id", "")
        patches += name.startswith("patch_") and _is_drawn(group)
        if _DATA.fullmatch(name) and group in _below(axis) and _is_drawn(group):
            return True
    return patches > _FRAME


def _below(axis: Xml.Element) -> list[Xml.Element]:
    """What lies in an axis itself, and not in its ticks or its legend."""
    found = []
    for child in axis:
        if not child.get("id", "").startswith(("matplotlib.axis", "legend")):
            found += [child, *child.iter()]
    return found


def _is_drawn(group: Xml.Element) -> bool:
    """A path of NaN has no points."""
    paths = list(group.iter(f"{_SVG}path"))
    return not paths or any(path.get("d", "").strip() for path in paths)
