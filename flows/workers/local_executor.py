"""Steps on the processes of this machine."""

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future as ThreadFuture
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

from flows.workers import fork_server
from flows.workers.executor import Executor, Pools, Step
from flows.workers.pool import ProcessPool
from flows.workers.process import Advance
from flows.workers.retries import retrying

T = TypeVar("T")

_MOST_THREADS = 1024
"""Of steps that wait for workers; threads are started as they are needed."""


class StepThreads:
    """Runs steps in threads of this process."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix="step")

    def submit(self, step: Step[T]) -> "ThreadFuture[T]":
        """Begins a step.

        Args:
            step: The step.

        Returns:
            Its result to come.
        """
        return self._threads.submit(partial(retrying, step.run))

    def close(self, wait_for_work: bool) -> None:
        """Begins no more steps.

        Args:
            wait_for_work: Wait until those that are running have ended.
        """
        self._threads.shutdown(wait=wait_for_work, cancel_futures=True)


class LocalExecutor(StepThreads, Executor):
    """An executor with some processes, and one for the GPU where networks run on one.

    The processes are the same for all stages of a flow.
    """

    def __init__(
        self,
        workers: int,
        offline: bool = False,
        hide_gpus: bool = False,
        modules: Collection[str] = (),
    ) -> None:
        """Opens the pools; no process is started yet.

        Args:
            workers: How many processes work at once, that for the GPU aside.
            offline: They reach no network, where the system lets them give that up; that for the
                GPU reads no file of a corpus, and keeps it.
            hide_gpus: They find no CUDA device, that for the GPU aside.
            modules: What they have imported when they begin.
        """
        super().__init__()
        self._workers, self._modules, self._is_prepared = workers, modules, False
        self._advance: Advance = _ignore
        self._pools = [
            ProcessPool(workers, self._on_progress, hide_gpus, offline),
            ProcessPool(1, self._on_progress),
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for pool in self._pools:
            pool.close(wait_for_work=kind is None)
        self.close(wait_for_work=kind is None)
        if self._is_prepared:
            self._is_prepared = False
            fork_server.stop()

    @property
    def workers(self) -> int:
        return self._workers

    def has_gpu(self, check: Callable[[], bool]) -> bool:
        return check()

    @contextmanager
    def pools(self, advance: Advance, on_gpu: bool = False) -> Iterator[Pools]:
        if self._modules and not self._is_prepared:
            fork_server.start(self._modules)
            self._is_prepared = True
        self._advance = advance
        try:
            yield Pools(self._pools[0], self._pools[1] if on_gpu else None)
        finally:
            self._advance = _ignore

    def _on_progress(self, amount: float) -> None:
        self._advance(amount)


def _ignore(amount: float) -> None:
    """Between two stages nobody counts."""
