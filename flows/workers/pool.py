"""A pool of worker processes of this machine, each of which takes one call at a time."""

import os
import queue
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import ParamSpec, TypeVar

from flows.workers.deaths import Cause, WorkerDied
from flows.workers.process import Advance, WorkerProcess, wait_for_memory

P = ParamSpec("P")
T = TypeVar("T")


class PoolClosed(RuntimeError):
    """A call was waiting for a worker when the pool was closed, most often because of an error."""


def cores() -> int:
    """The number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class ProcessPool:
    """Some processes; a call runs in one that is free, and calls may come from several threads.

    A call that ends its process takes no other call with it.
    """

    def __init__(
        self, workers: int, advance: Advance, hide_gpus: bool = False, offline: bool = False
    ) -> None:
        """Opens a pool; a process is started when there is a call for it.

        Args:
            workers: How many processes at most.
            advance: Called with the progress that the workers report.
            hide_gpus: The processes find no CUDA device.
            offline: They reach no network, where the system lets them give that up.
        """
        self._start = partial(WorkerProcess, advance, hide_gpus, offline)
        self._closed = False
        # Last in, first out, so that no more processes are started than are at work at once.
        self._free: queue.LifoQueue[WorkerProcess | None] = queue.LifoQueue()
        for _ in range(workers):
            self._free.put(None)

    def close(self, wait_for_work: bool = True) -> None:
        """Ends the processes that are free now, and the others as soon as they are.

        Args:
            wait_for_work: Wait until the free processes have ended.
        """
        self._closed = True
        free = []
        with suppress(queue.Empty):
            while True:
                free.append(self._free.get_nowait())
        for worker in free:
            if worker:
                worker.close(wait_for_work)
            self._free.put(None)

    def call(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls a function in a worker process and waits for it.

        Args:
            work: A function that can be pickled.
            *args: Its arguments.
            **kwargs: Its keyword arguments.

        Returns:
            What the function returns.

        Raises:
            WorkerDied: The process ended before it answered.
            PoolClosed: The pool was closed before there was a free process.
        """
        worker = self._take()
        try:
            if worker is None:
                worker = self._start()
            result: T = worker.call(work, *args, **kwargs)
            return result
        finally:
            if worker is not None and worker.is_busy:
                worker.close(wait_for_work=False)
                worker = None
            self._give_back(worker)

    def call_alone(
        self, memory_mb: float, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Calls a function in a process of its own, when there is memory to spare.

        Args:
            memory_mb: How much is to be free, in units of 1e6 bytes.
            work: A function that can be pickled.
            *args: Its arguments.
            **kwargs: Its keyword arguments.

        Returns:
            What the function returns.

        Raises:
            WorkerDied: The process ended before it answered. Where there was not so much memory,
                its end counts as one from outside, whatever it was.
            PoolClosed: The pool was closed before there was a free process.
        """
        other, fresh = self._take(), None
        try:
            if other is not None:
                other.close(wait_for_work=True)
            has_room = wait_for_memory(memory_mb)
            fresh = self._start()
            result: T = fresh.call(work, *args, **kwargs)
            return result
        except WorkerDied as died:
            if has_room or died.cause is Cause.TIME:
                raise
            message = f"{died}; there was less memory than {memory_mb:,.0f} MB to spare"
            raise WorkerDied(message, Cause.KILLED, died.how, died.item) from died
        finally:
            if fresh is not None:
                fresh.close(wait_for_work=False)
            self._give_back(None)

    def _take(self) -> WorkerProcess | None:
        worker = self._free.get()
        if self._closed:
            self._give_back(worker)
            raise PoolClosed("the build has ended before this part of it was begun")
        if worker is not None and not worker.is_alive:  # killed while it had nothing to do
            worker.close(wait_for_work=False)
            return None
        return worker

    def _give_back(self, worker: WorkerProcess | None) -> None:
        self._free.put(worker)
        if self._closed:
            self.close(wait_for_work=False)
