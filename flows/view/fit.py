"""What a fit prints, and what `show` and `recipes` say of fitted features."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table as Grid

from stores.mirror import shown
from stores.records import StoredFitted
from stores.snapshot import Snapshot

if TYPE_CHECKING:
    from flows.fit import FitResult
    from flows.recipe import Recipe

_TERMINAL = Console()
_out = _TERMINAL if _TERMINAL.is_terminal else Console(width=160)


def print_fit(root: Path, scheme: str, result: "FitResult") -> None:
    """What a fit did."""
    if not result.fitted:
        _out.print(
            f"nothing new: all {result.held} states of {scheme} are fitted, snapshot "
            f"{result.snapshot.number} of {shown(root)}"
        )
    else:
        new = f"{result.fitted} new states of {scheme}, {result.held} were there"
        _out.print(
            f"[bold]{shown(root)}[/bold]  snapshot {result.snapshot.number} published, {new}"
        )
    print_fitted(result.snapshot)


def print_fitted(snapshot: Snapshot) -> None:
    """The fitted features of a store, and the folds that each is fitted for."""
    if not snapshot.fitted:
        return
    columns = (
        "fitted feature",
        "made from",
        "by",
        "rows of a clip",
        "variants",
        "fitted for",
        "MB",
    )
    grid = Grid(*columns, show_edge=False, pad_edge=False, header_style="bold")
    for name, entry in snapshot.fitted.items():
        sizes = [
            state.bytes + sum(shard.bytes for shard in state.all_shards) for state in entry.states
        ]
        grid.add_row(
            name,
            ", ".join(entry.inputs.values()),
            entry.spec.extractor
            + (" [yellow](sees test clips)[/yellow]" if entry.sees_all else ""),
            " or ".join(_shapes(entry)),
            ", ".join(str(spec.variant) for spec in entry.variants) or "none",
            ", ".join(f"{scheme} ({folds})" for scheme, folds in _folds(entry).items())
            or "nothing yet: affectstore fit STORE SCHEME",
            f"{sum(sizes) / 1e6:.1f}",
        )
    _out.print(grid)


def _shapes(entry: StoredFitted) -> list[str]:
    shapes = dict.fromkeys(state.shape for state in entry.states) or {entry.spec.shape: None}
    return ["(" + ", ".join([entry.spec.dims[0], *map(str, shape)]) + ")" for shape in shapes]


def _folds(entry: StoredFitted) -> Mapping[str, str]:
    """Scheme -> how many of its folds."""
    counts: dict[str, int] = {}
    for state in entry.states:
        counts[state.scheme] = counts.get(state.scheme, 0) + 1
    return {
        scheme: "1 fold" if count == 1 else f"{count} folds" for scheme, count in counts.items()
    }


def print_fitters(recipe: "Recipe") -> None:
    """The [fitted.NAME] tables of a recipe, every default written out."""
    specs = recipe.fitted_graph.specs
    for name in recipe.fitted_graph.order:
        if (fitter := recipe.fitted.get(name)) is None:
            continue
        spec = specs[name]
        made = f"{fitter.name} version {spec.version}, fitted for each fold" + (
            f" to {fitter.label_scheme}" if fitter.label_scheme else ""
        )
        rows = "(" + ", ".join([spec.dims[0], *map(str, spec.shape)]) + ")"
        _out.print(f"\n[bold]{name}[/bold]  {made}, {rows} {spec.dtype}, {spec.units}")
        for key, value in fitter.params().items():
            _out.print(f"  {key} = {value!r}", highlight=False)
        if spec.about:
            _out.print(f"  [yellow]{spec.about}[/yellow]")
