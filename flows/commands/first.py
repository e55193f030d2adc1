"""Commands of the first minutes: the demo, the sample corpus, the recipes."""

from pathlib import Path
from typing import Annotated

from flows.commands import completing
from flows.commands.arguments import (
    DemoFolder,
    Workers,
    argument,
)


def demo(out: DemoFolder = Path("demo"), workers: Workers = None) -> None:
    """Make a sample corpus, build a store from it, split it, audit the split, and read a batch
    back. Needs no network."""
    from flows.workers.progress import ProgressBar
    from manifests.visible import visible

    print(visible(f"making a sample corpus and a store in {out}; a minute or two"), flush=True)
    with ProgressBar("loading libraries", 1, "steps"):  # from a cold disk it takes many seconds
        from flows.sample.demo import run_demo
    run_demo(out, workers)


def sample(
    folder: Annotated[Path, argument("Folder for the clips.")],
) -> None:
    """Write the sample corpus: 51 short synthetic clips with RAVDESS names, two of them bad on
    purpose, and one without sound."""
    from flows.sample.demo import make_sample

    make_sample(folder)


def recipes(
    name: Annotated[str | None, argument("A recipe to print.", complete=completing.recipes)] = None,
) -> None:
    """List the recipes, or print one with its source and its open points."""
    from flows.recipe import descriptions, load
    from flows.view.recipes import print_recipe, print_recipes

    if name is None:
        print_recipes(descriptions())
    else:
        print_recipe(load(name))
