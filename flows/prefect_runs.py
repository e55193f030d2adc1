"""What all runs of the Prefect flows have in common: their names, and how they end."""

import logging
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from threading import Thread
from typing import Any, ParamSpec
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.flows import Flow
from prefect.runtime import deployment, flow_run
from prefect.states import Cancelled, Failed

from flows.alerts import send
from flows.errors import sentence
from flows.view.run_summary import store_slug
from manifests.visible import visible
from stores.location import StoreBusy, locate

P = ParamSpec("P")

_TELLING_S = 3.0
_begun: set[UUID] = set()
"""Flow runs that this process has begun and not ended."""


def run_name(*parameters: str) -> Callable[[], str]:
    """Names the runs of a flow by some of its parameters and its time.

    Args:
        *parameters: Names of parameters that tell one run from another in a list.

    Returns:
        A function as Prefect takes it for the name of a flow run.
    """

    def name() -> str:
        given, when = flow_run.get_parameters(), flow_run.get_scheduled_start_time()
        parts = [_short(given[parameter]) for parameter in parameters]
        return ", ".join([*parts, f"{when.astimezone():%Y-%m-%d %H:%M}"])

    return name


def _short(value: Any) -> str:
    """A store by the name of its folder, a recipe by that of its file."""
    values = value if isinstance(value, list) else [value]
    return visible(", ".join(Path(str(one)).name.removesuffix(".toml") for one in values))


def with_sentence(flow: Callable[P, State[Any]]) -> Callable[P, State[Any]]:
    """Ends a run with the sentence of an error that its user can mend.

    Args:
        flow: What the run does.

    Returns:
        The same, with such an error as the state of the run; other errors pass through.
    """

    @wraps(flow)
    def run(*args: P.args, **kwargs: P.kwargs) -> State[Any]:
        run_id = UUID(flow_run.get_id())
        _begun.add(run_id)
        try:
            return flow(*args, **kwargs)
        except Exception as error:
            return _refusal(error)
        finally:
            _begun.discard(run_id)

    return run


def cancel_begun() -> None:
    """Tells the server that the runs of this process are cancelled: an interrupt ends it now."""
    telling = Thread(target=_set_cancelled, args=[tuple(_begun)], daemon=True)
    telling.start()
    telling.join(_TELLING_S)


def _set_cancelled(runs: Iterable[UUID]) -> None:
    state: State[Any] = Cancelled(
        message="interrupted; what was finished is kept, the next run goes on"
    )
    with get_client(sync_client=True) as client:
        for run_id in runs:
            client.set_flow_run_state(run_id, state, force=True)


def _refusal(error: Exception) -> State[Any]:
    words = sentence(error)
    if words is None:
        raise error
    words = visible(words)
    if deployment.get_id():
        _do_not_log_again(error)
    # Nothing has failed where another run has the store: the next one finds what it would build.
    if isinstance(error, StoreBusy):
        return Cancelled(message=words, data=error)
    return Failed(message=words, data=error)


def _do_not_log_again(error: Exception) -> None:
    """Prefect logs the traceback of an error that a flow has returned as its state.

    The process of a deployment's run raises the error of a state, whoever made it, and logs that:
    https://github.com/PrefectHQ/prefect/blob/main/src/prefect/flow_engine.py (run_flow).
    """
    for name in ("prefect.flow_runs", "prefect.engine"):
        logging.getLogger(name).addFilter(
            lambda record: not (record.exc_info and record.exc_info[1] is error)
        )


def tell_of_ending(flow: Flow[Any, Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Tells the address that a user has named of a build that has failed or crashed.

    A hook, which Prefect calls by these names.

    Args:
        flow: The flow.
        flow_run: Its run.
        state: How it ended.
    """
    given = flow_run.parameters
    name = store_slug(locate(str(given["store"])), Path(str(given.get("recipe", "default"))).stem)
    send(name, state.type.value.lower())
