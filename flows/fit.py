"""The Prefect flow `fit`: what is learned from the training clips of each fold of a scheme."""

from pathlib import Path
from typing import Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.fitting.run import run_fit
from flows.prefect_runs import run_name, with_sentence
from flows.view.run_summary import artifact_key, fit_page, fit_sentence
from flows.workers.prefect_executor import PrefectExecutor
from manifests.visible import visible
from stores.location import locate


@flow(name="fit", flow_run_name=run_name("store", "scheme"), persist_result=False)
@with_sentence
def fit(
    store: str | Path,
    scheme: str,
    workers: int | None = None,
    device: str | None = None,
    where: tuple[str, ...] = (),
) -> State[Any]:
    """Fit what the store's recipe has under [fitted.NAME]; see `flows.fitting.run.run_fit`.

    Args:
        store: Folder or URL of the store.
        scheme: A split scheme that the store has folds of.
        workers: Worker processes of this machine; one for each core if not given.
        device: `cuda` or `cpu`, where networks are tuned; CUDA where torch finds it if not given.
        where: Conditions on the training clips, such as channel=speech.

    Returns:
        The completed state, with a FitResult.
    """
    result = run_fit(store, scheme, workers, wrap=PrefectExecutor, device=device, where=where)
    location = locate(store)
    create_markdown_artifact(
        fit_page(result, scheme),
        key=artifact_key("fit", location),
        description=visible(f"Fit of {location} for {scheme}")[:200],
    )
    return Completed(message=fit_sentence(location, result, scheme), data=result)
