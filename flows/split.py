"""The flow `split`: deal the clips of a store to folds, and publish them as a new snapshot."""

from pathlib import Path

from prefect import flow

from flows.steps import locked, write_folds
from stores.snapshot import Snapshot


@flow(name="split", persist_result=False)
def split(store: Path, scheme: str, folds: int | None = None, seed: int = 0) -> Snapshot:
    """Deal all clips of the store's current snapshot to folds by a named scheme; folds of the same scheme are replaced.

    A scheme that puts one group on two sides of a fold is refused.
    """
    with locked(store):
        return write_folds(store, scheme, folds, seed)
