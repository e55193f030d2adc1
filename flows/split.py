"""The Prefect flow `split`: the clips of a store assigned to folds, as a new snapshot."""

from pathlib import Path
from typing import Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.prefect_runs import run_name, with_sentence
from flows.reporting.place import made_before
from flows.splitting.run import run_split
from flows.view.run_summary import artifact_key, report_block, split_page, split_sentence
from manifests.visible import visible
from stores.location import locate


@flow(name="split", flow_run_name=run_name("store", "scheme"), persist_result=False)
@with_sentence
def split(
    store: str | Path,
    scheme: str,
    folds: int | None = None,
    seed: int = 0,
    test: tuple[str, ...] = (),
    valid: tuple[str, ...] = (),
    where: tuple[str, ...] = (),
) -> State[Any]:
    """Assign the clips of a store to folds; see `flows.splitting.run.run_split`.

    Args:
        store: Folder or URL of the store.
        scheme: Name of a split scheme.
        folds: Number of folds, where the scheme leaves it open.
        seed: Another seed assigns the groups in another way.
        test: Subjects to test on, for the scheme holdout.
        valid: Subjects to validate on, for the scheme holdout.
        where: Conditions on the clips, such as channel=speech; no others are assigned.

    Returns:
        The completed state, with the new snapshot.
    """
    snapshot = run_split(store, scheme, folds, seed, test, valid, where)
    location = locate(store)
    create_markdown_artifact(
        split_page(location, snapshot, scheme) + report_block(made_before(location)),
        key=artifact_key("split", location),
        description=visible(f"Split of {location} by {scheme}")[:200],
    )
    return Completed(message=split_sentence(location, snapshot, scheme), data=snapshot)
