"""The Prefect flow `build`: corpora in, one committed snapshot out."""

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from flows.building.run import run_build
from flows.prefect_runs import run_name, tell_of_ending, with_sentence
from flows.reporting.place import made_before
from flows.view.run_summary import artifact_key, build_page, build_sentence, report_block
from flows.workers.prefect_executor import PrefectExecutor
from manifests.audits import AUDITS
from manifests.corpora.catalog import with_media
from manifests.quarantine import QUARANTINE
from manifests.visible import visible
from stores.location import locate
from stores.snapshot import read_rows

# For runs that are started by hand: Prefect refuses another corpus before there is a run.
_CORPORA_BY_NAME: dict[str, Any] = {
    "propertyNames": {"enum": list(with_media())},
    "minProperties": 1,
}


@flow(
    name="build",
    flow_run_name=run_name("store", "recipe"),
    persist_result=False,
    on_failure=[tell_of_ending],
    on_crashed=[tell_of_ending],
)
@with_sentence
def build(
    store: str | Path,
    corpora: Annotated[dict[str, Path], Field(json_schema_extra=_CORPORA_BY_NAME)],
    recipe: str = "default",
    changes: tuple[str, ...] = (),
    workers: Annotated[int | None, Field(ge=1, le=4096)] = None,
    dask: str | None = None,
    rehash: bool = False,
    retry: tuple[str, ...] = (),
    where: tuple[str, ...] = (),
) -> State[Any]:
    """Bring a store up to date with its corpora; see `flows.building.run.run_build`.

    Publishes one snapshot, or nothing when nothing changed. The run's state says what came of it in
    a sentence, its artifact has the rest.

    Args:
        store: Folder of the store, made if it is missing; or a URL such as s3://bucket/store.
        corpora: Name of a corpus -> its folder.
        recipe: A shipped recipe by name, or a TOML file.
        changes: Changes to the recipe, each key.path=value.
        workers: Worker processes of this machine; one for each core if not given.
        dask: Address of a Dask scheduler, or local:N; its workers then do the work.
        rehash: Read every file of the corpora, also those whose size and times are unchanged.
        retry: Reasons of the quarantine; clips that are there for one of them are measured again.
        where: Conditions on the clips, such as modality=full-AV, beside those of the recipe.

    Returns:
        The completed state, with a BuildResult.
    """
    with _workers_end_with_the_run():
        result = run_build(
            store,
            corpora,
            recipe,
            changes,
            workers,
            dask,
            rehash,
            retry,
            where,
            wrap=PrefectExecutor,
        )
    location = locate(store)
    quarantine = read_rows(location, result.snapshot, QUARANTINE)
    findings = read_rows(location, result.snapshot, AUDITS)
    create_markdown_artifact(
        build_page(location, result, quarantine, findings) + report_block(made_before(location)),
        key=artifact_key("build", location),
        description=visible(f"Build of {location}, snapshot {result.snapshot.number}")[-200:],
    )
    return Completed(message=build_sentence(location, result), data=result)


@contextmanager
def _workers_end_with_the_run() -> Iterator[None]:
    """Ends the workers at once when the run is cancelled: their shards are begun again later."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, Exception):
            for process in multiprocessing.active_children():
                process.kill()
        raise
