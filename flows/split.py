"""The flow `split`: deal the clips of a store to folds, and publish them as a new snapshot."""

from pathlib import Path

from prefect import flow

from flows.building.plan import locked, write_folds
from flows.workers.prefect_executor import mendable, run_name
from stores.mirror import home
from stores.snapshot import Snapshot


@flow(name="split", flow_run_name=run_name("store", "scheme"), persist_result=False)
@mendable
def split(
    store: str | Path,
    scheme: str,
    folds: int | None = None,
    seed: int = 0,
    test: tuple[str, ...] = (),
    valid: tuple[str, ...] = (),
) -> Snapshot:
    """Deal the clips of the store's current snapshot to folds by a named scheme; folds of the same
    scheme are replaced.

    A scheme that puts on two sides of a fold what it claims to keep on one is refused.
    """
    root = home(store)
    with locked(root):
        return write_folds(root, scheme, folds, seed, test, valid)
