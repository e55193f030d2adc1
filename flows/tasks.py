"""What all tasks of the flows have in common."""

import errno
from typing import Any, TypeVar, cast

from prefect.cache_policies import NO_CACHE
from prefect.utilities.annotations import opaque

T = TypeVar("T")


def _may_pass(task: Any, run: Any, state: Any) -> bool:
    """Only trouble of a disk or network that waiting can mend is worth another try; a full disk is not."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, OSError) and error.errno in {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.EBUSY}


OPTIONS: dict[str, Any] = {
    "cache_policy": NO_CACHE,
    "persist_result": False,
    "retries": 2,
    "retry_delay_seconds": 5,
    "retry_condition_fn": _may_pass,
}
"""The store is the cache: a task skips what is there. Arrays never pass through Prefect."""


def whole(value: T) -> T:
    """The value as it is: Prefect looks for futures inside every argument, and there are none in these."""
    return cast(T, opaque(value))
