"""Steps as Prefect tasks: an executor that wraps another one, for use inside a Prefect flow."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.futures import PrefectFuture
from prefect.tasks import Task

from flows.workers.executor import Executor, Pools, Step
from flows.workers.process import Advance
from flows.workers.retries import DELAY_S, RETRIES, may_pass

T = TypeVar("T")


class PrefectExecutor(Executor):
    """Runs each step as a task run of the flow that it is used in; the pools are the other's."""

    def __init__(self, executor: Executor) -> None:
        """Wraps an executor.

        Args:
            executor: Whose worker pools the steps call.
        """
        self._executor = executor

    @property
    def workers(self) -> int:
        return self._executor.workers

    def has_gpu(self, check: Callable[[], bool]) -> bool:
        return self._executor.has_gpu(check)

    def pools(self, advance: Advance, on_gpu: bool = False) -> AbstractContextManager[Pools]:
        return self._executor.pools(advance, on_gpu)

    def submit(self, step: Step[T]) -> PrefectFuture[T]:
        # A task without parameters: Prefect would look through all of them for futures. The store
        # is the cache: a step skips what is there.
        def run() -> T:
            return step.run()

        named = task(
            name=step.kind,
            task_run_name=lambda: step.name,
            cache_policy=NO_CACHE,
            persist_result=False,
            retries=RETRIES,
            retry_delay_seconds=DELAY_S,
            retry_condition_fn=_may_pass,
        )
        return named(run).submit()


def _may_pass(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    error = state.result(raise_on_failure=False)
    return isinstance(error, BaseException) and may_pass(error)
