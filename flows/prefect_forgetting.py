"""Runs on a Prefect server that name somebody who is to be forgotten, and their pages."""

import json
import re
from collections.abc import Iterator
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterKey,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import Artifact, FlowRun
from prefect.exceptions import ObjectNotFound

from flows.forgetting.target import ForgetTarget
from flows.view.run_summary import artifact_key
from stores.location import Location, locate
from stores.object_store import WrongUrl

_KINDS = ("build", "split", "fit", "audit")
_AT_ONCE = 200
_WORD = re.compile(r"[^=!,\s]+")


def forget_runs(location: Location, target: ForgetTarget, remove: bool) -> int:
    """Finds the runs of a store that name somebody, in parameters, state, log or page.

    Args:
        location: Where the store lies.
        target: Who is to be forgotten.
        remove: Remove these runs, with all pages and logs of theirs.

    Returns:
        How many runs and pages there are.
    """
    with get_client(sync_client=True) as client:
        every = [*_pages(client, location)]
        runs = {run.id for run in _runs(client, location) if _names(client, run, target)}
        runs |= {page.flow_run_id for page in every if page.flow_run_id and _says(page, target)}
        pages = [page.id for page in every if page.flow_run_id in runs or _says(page, target)]
        if remove:
            for page_id in pages:
                client.delete_artifact(page_id)
            for run_id in runs:
                try:
                    client.delete_flow_run(run_id)
                except ObjectNotFound:  # it is gone, and its page was left
                    continue
        return len(pages) + len(runs)


def _pages(client: SyncPrefectClient, location: Location) -> Iterator[Artifact]:
    """Every page of the store."""
    keys = [artifact_key(kind, location) for kind in _KINDS]
    wanted = ArtifactFilter(key=ArtifactFilterKey(any_=keys))
    at = 0
    while some := client.read_artifacts(artifact_filter=wanted, limit=_AT_ONCE, offset=at):
        at += len(some)
        yield from some


def _says(page: Artifact, target: ForgetTarget) -> bool:
    return target.is_in(f"{page.data} {page.description}")


def _runs(client: SyncPrefectClient, location: Location) -> Iterator[FlowRun]:
    at = 0
    while some := client.read_flow_runs(limit=_AT_ONCE, offset=at):
        at += len(some)
        yield from (run for run in some if _is_of(run, location))


def _is_of(run: FlowRun, location: Location) -> bool:
    given = run.parameters
    sources = given.get("sources")
    place = given.get("store") or (sources[0] if isinstance(sources, list) and sources else None)
    try:
        return place is not None and locate(str(place)) == location
    except WrongUrl:
        return False


def _names(client: SyncPrefectClient, run: FlowRun, target: ForgetTarget) -> bool:
    said = f"{run.name} {json.dumps(run.parameters, default=str)}"
    said += str(run.state.message if run.state else "")
    words = (word for text in _texts(run.parameters) for word in _WORD.findall(text))
    if target.is_in(said) or any(map(target.named, words)):
        return True
    wanted = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id]))
    at = 0
    while some := client.read_logs(log_filter=wanted, limit=_AT_ONCE, offset=at):
        at += len(some)
        if any(target.is_in(line.message) for line in some):
            return True
    return False


def _texts(value: Any) -> Iterator[str]:
    """Every text in the parameters of a run."""
    if isinstance(value, dict):
        value = [*value.values()]
    if isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, str):
        yield value
