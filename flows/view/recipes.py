"""Recipes as the terminal shows them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from flows.view.console import Grid, bold, coloured, say
from flows.view.store import shape

if TYPE_CHECKING:
    from flows.recipe import Recipe


def print_recipes(recipes: Mapping[str, str]) -> None:
    """Prints a list of recipes.

    Args:
        recipes: Name -> what it makes; an empty text where its file does not say.
    """
    rows = Grid("recipe", "what it makes")
    for name, about in recipes.items():
        rows.add_row(name, about)
    rows.say()


def print_recipe(recipe: "Recipe") -> None:
    """Prints a recipe with every default, after its source and what it leaves open.

    Args:
        recipe: As resolved.
    """
    say(bold(recipe.name), f": {recipe.about}")
    say(f"source: {recipe.source}")
    for point in recipe.open_points:
        say(f"open: {point}")
    for name in recipe.graph.order:
        entry, spec = recipe.features[name], recipe.graph.specs[name]
        stored = "stored" if entry.store else "not stored"
        made = f"{entry.extractor.name} version {spec.version}, {stored}"
        say()
        say(bold(name), f"  {made}, {shape(spec)} {spec.dtype}, {spec.units}")
        _print_params(entry.extractor.params(), spec.about)
    for name in recipe.fitted_graph.order:
        if (fitter := recipe.fitted.get(name)) is not None:
            spec = recipe.fitted_graph.specs[name]
            to = f" to {fitter.label_scheme}" if fitter.label_scheme else ""
            made = f"{fitter.name} version {spec.version}, fitted for each fold{to}"
            rows = f"{shape(spec)} {spec.dtype}, {spec.units}"
            say()
            say(bold(name), f"  {made}, {rows}")
            _print_params(fitter.params(), spec.about)


def _print_params(params: Mapping[str, object], about: str) -> None:
    for key, value in params.items():
        say(f"  {key} = {value!r}")
    if about:
        say(coloured("yellow", f"  {about}"))
