"""What all flows, and all of their tasks, have in common."""

import errno
import logging
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.runtime import deployment, flow_run
from prefect.states import Cancelled, Failed
from prefect.utilities.annotations import opaque

from flows.building.plan import StoreBusy
from flows.errors import sentence
from stores.mirror import shown

P = ParamSpec("P")
T = TypeVar("T")


def _may_pass(task: Any, run: Any, state: Any) -> bool:
    """Only trouble of a disk or network that waiting can mend is worth another try; a full disk is
    not."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, OSError) and error.errno in {
        errno.EIO,
        errno.ESTALE,
        errno.ETIMEDOUT,
        errno.EAGAIN,
        errno.EBUSY,
    }


OPTIONS: dict[str, Any] = {
    "cache_policy": NO_CACHE,
    "persist_result": False,
    "retries": 2,
    "retry_delay_seconds": 5,
    "retry_condition_fn": _may_pass,
}
"""The store is the cache: a task skips what is there. Arrays never pass through Prefect."""


def whole(value: T) -> T:
    """The value as it is: Prefect looks for futures inside every argument, and there are none in
    these."""
    return cast(T, opaque(value))


def run_name(*parameters: str) -> Callable[[], str]:
    """Names a run of a flow by some of its parameters and its time: what tells one run from another
    in a list."""

    def name() -> str:
        given, when = flow_run.get_parameters(), flow_run.get_scheduled_start_time()
        return ", ".join(
            [
                *(_short(given[parameter]) for parameter in parameters),
                f"{when.astimezone():%Y-%m-%d %H:%M}",
            ]
        )

    return name


def _short(value: Any) -> str:
    """A store by the name of its folder, a recipe by that of its file."""
    values = value if isinstance(value, list) else [value]
    return ", ".join(Path(shown(one)).name.removesuffix(".toml") for one in values)


def mendable(work: Callable[P, T]) -> Callable[P, T]:
    """What a flow does, with an error that its user can mend as the state of its run: a sentence
    and no traceback."""

    @wraps(work)
    def done(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return work(*args, **kwargs)
        except Exception as error:
            return cast(T, _refusal(error))

    return done


def _refusal(error: Exception) -> State[Any]:
    words = sentence(error)
    if words is None:
        raise error
    if deployment.get_id():
        _log_no_more_of(error)
    # Nothing has failed where another run has the store: the next one finds whatever this one would
    # have done.
    return (
        Cancelled(message=words, data=error)
        if isinstance(error, StoreBusy)
        else Failed(message=words, data=error)
    )


def _log_no_more_of(error: Exception) -> None:
    """Prefect would log the traceback of an error that the state of the run has told already, as
    the last words of its process."""
    for name in ("prefect.flow_runs", "prefect.engine"):
        logging.getLogger(name).addFilter(
            lambda record: not (record.exc_info and record.exc_info[1] is error)
        )
