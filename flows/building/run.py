"""The flows as the command runs them: checked while the local engine, if there is to be one, comes
up; then run on it."""

import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from flows.local_server import engine

if TYPE_CHECKING:
    from flows.building.commit import Result
    from flows.fit import FitResult
    from stores.snapshot import Snapshot

T = TypeVar("T")


def run_build(
    store: Path,
    corpora: dict[str, Path],
    recipe: str,
    changes: tuple[str, ...],
    workers: int | None,
    dask: str | None = None,
    rehash: bool = False,
) -> "Result":
    with engine(meanwhile=lambda: check_build(store, corpora, recipe, changes, dask)):
        from flows.build import build

        return _aside(lambda: build(store, corpora, recipe, changes, workers, dask, rehash))


def check_build(
    store: Path, corpora: dict[str, Path], recipe: str, changes: tuple[str, ...], dask: str | None
) -> None:
    """One sentence for whatever is wrong with what a build is given, as far as that can be seen
    within seconds."""
    from flows.building.plan import list_clips
    from flows.recipe import load
    from stores.snapshot import reach as reach_store

    list_clips(corpora, load(recipe, changes).ignore_known_issues)
    reach_store(store)
    if dask:
        from flows.workers.dask_executor import reach

        reach(dask)


def run_split(
    store: Path,
    scheme: str,
    folds: int | None,
    seed: int,
    test: tuple[str, ...] = (),
    valid: tuple[str, ...] = (),
) -> "Snapshot":
    from stores.snapshot import load_snapshot

    with engine(meanwhile=lambda: load_snapshot(store)):
        from flows.split import split

        return _aside(lambda: split(store, scheme, folds, seed, test, valid))


def run_fit(store: Path, scheme: str, workers: int | None) -> "FitResult":
    from flows.fitting.plan import Fits

    with engine(meanwhile=lambda: Fits(store, scheme)):
        from flows.fit import fit

        return _aside(lambda: fit(store, scheme, workers))


def _aside(flow: Callable[[], T]) -> T:
    """The flow, in a thread of its own: in the main one Prefect takes over the signals, and an
    interrupt would wait for every task."""
    with ThreadPoolExecutor(1, thread_name_prefix="flow") as thread:
        return thread.submit(contextvars.copy_context().run, flow).result()
