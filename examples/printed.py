"""Tables and figures as a paper prints them, each cell with the number of ours that stands beside
it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from examples.kept import KeptModel

Models = Mapping[str, KeptModel]


@dataclass(frozen=True)
class Cell:
    """One cell: what the paper prints, and which of our numbers is the same."""

    printed: str | float | None
    """None: the paper leaves the cell empty."""
    model: str | None = None
    """None: there is no number of ours, as beside other people's results."""
    score: tuple[str, ...] = ()
    """Path in `pooled` of RUN/metrics.json; see `KeptModel.score` for what else begins one."""
    corpus: str | None = None
    """The label schemes that ours must be of begin so; None: any."""
    less: str | None = None
    """The model whose same score is taken away from ours: what is left is a gain."""


@dataclass(frozen=True)
class PrintedTable:
    """A table of a paper."""

    title: str
    columns: tuple[str, ...]
    rows: Mapping[str, Sequence[Cell]]
    scale: float = 100.0
    """The paper prints a score of 1 as this."""


@dataclass(frozen=True)
class PrintedFigure:
    """A figure of a paper."""

    title: str
    draw: Callable[[Models, str], Any]
    """(models of a scheme, the model) -> a figure of matplotlib; KeyError names what is missing."""
    models: tuple[str, ...]
    """Names of the model; the first that the run has under a scheme."""
    corpus: str | None = None
    """The label schemes that the run must be of begin so; None: any."""


@dataclass(frozen=True)
class Printed:
    """What of a paper is printed again."""

    tables: tuple[PrintedTable, ...]
    figures: tuple[PrintedFigure, ...]
    said: Callable[[Mapping[str, Any]], str] = field(default=lambda recipe: "")
    """What every title says of the store's recipe, as it was resolved."""


def text_of(table: PrintedTable, models: Models, labels: str, said: str = "") -> str:
    """The table in the paper's layout, in Markdown; each cell `printed / ours`.

    said: What the title says of the run.
    """
    rows = [
        [name, *(_both(cell, table, models, labels) for cell in cells)]
        for name, cells in table.rows.items()
    ]
    head = ["", *table.columns]
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    lines = [
        "| "
        + " | ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        + " |"
        for row in (head, ["-" * width for width in widths], *rows)
    ]
    sides = "paper / here" if models_of(table, labels) else f"paper; this run is of {labels}"
    return "\n".join([f"{titled(table.title, said)} ({sides})", "", *lines])


def is_ours(cell: Cell, labels: str) -> bool:
    """Whether a run on these labels can have the number of a cell."""
    return cell.model is not None and labels.startswith(cell.corpus or "")


def models_of(table: PrintedTable, labels: str) -> set[str]:
    """Names of the models whose numbers stand in a table of a run on these labels."""
    cells = (cell for row in table.rows.values() for cell in row)
    return {str(cell.model) for cell in cells if is_ours(cell, labels)}


def figures_of(printed: Printed, labels: str) -> list[PrintedFigure]:
    """The figures of a run on these labels."""
    return [one for one in printed.figures if labels.startswith(one.corpus or "")]


def titled(title: str, said: str) -> str:
    """A title with what it says of the run."""
    return f"{title}; {said}" if said else title


def ours_of(cell: Cell, models: Models) -> float | None:
    """Our number of a cell; None where the run has none."""
    found = []
    for name in (cell.model, cell.less):
        if name is None:
            continue
        score = models[name].score(*cell.score) if name in models else None
        if score is None:
            return None
        found.append(score)
    return found[0] - sum(found[1:])


def _both(cell: Cell, table: PrintedTable, models: Models, labels: str) -> str:
    printed = "-" if cell.printed is None else _written(cell.printed)
    if not is_ours(cell, labels):
        return printed
    ours = ours_of(cell, models)
    if ours is None:
        return f"{printed} / -" if cell.model in models else f"{printed} / (not run)"
    if cell.score[-1] in ("support", "clips"):
        return f"{printed} / {ours:.0f}"
    return f"{printed} / {table.scale * ours:.{2 if table.scale > 1 else 4}f}"


def _written(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def by_class(
    model: str,
    scores: Sequence[str],
    printed: Mapping[str, Sequence[float | None]],
    names: Mapping[str, str],
    corpus: str,
) -> dict[str, tuple[Cell, ...]]:
    """A row for each class.

    scores: such as `f1`, a column each; printed: the paper's class -> its numbers; names: the
        paper's class -> ours.
    """
    return {
        name: tuple(
            Cell(value, model, ("per_class", names[name], score), corpus)
            for score, value in zip(scores, values, strict=True)
        )
        for name, values in printed.items()
    }


def turned(
    rows: Mapping[str, Sequence[Cell]], columns: Sequence[str]
) -> dict[str, tuple[Cell, ...]]:
    """Rows of classes as columns of classes: name of a score -> a cell for each class."""
    return dict(zip(columns, zip(*rows.values(), strict=True), strict=True))
