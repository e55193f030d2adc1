"""The flows as the command runs them: checked first, so that a typing error costs no time, then on an engine."""

from pathlib import Path
from typing import TYPE_CHECKING

from flows.engine import engine

if TYPE_CHECKING:
    from flows.commit import Result
    from stores.snapshot import Snapshot


def run_build(store: Path, corpora: dict[str, Path], recipe: str, changes: tuple[str, ...], workers: int | None) -> "Result":
    from flows.recipe import load
    from flows.steps import list_clips

    load(recipe, changes)
    list_clips(corpora)
    with engine():
        from flows.build import build

        return build(store, corpora, recipe, changes, workers)


def run_split(store: Path, scheme: str, folds: int | None, seed: int) -> "Snapshot":
    from stores.snapshot import load_snapshot

    load_snapshot(store)
    with engine():
        from flows.split import split

        return split(store, scheme, folds, seed)
