"""The workers of a Dask cluster as a pool of worker processes."""

from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from flows.workers.dask_executor import DaskExecutor

P = ParamSpec("P")
T = TypeVar("T")


class DaskPool:
    """The workers of a cluster as a pool: all of them, or those with a GPU."""

    def __init__(self, executor: "DaskExecutor", gpu: bool = False) -> None:
        """Prepares the pool.

        Args:
            executor: Whose cluster it is.
            gpu: Use only workers that declare a GPU.
        """
        self._executor, self._gpu = executor, gpu

    def call(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls a function on a worker and waits for it.

        Args:
            work: A function that can be pickled.
            *args: Its arguments.
            **kwargs: Its keyword arguments.

        Returns:
            What the function returns.

        Raises:
            WorkerDied: The process ended before it answered.
            ClusterError: The cluster was lost.
        """
        future = self._executor.submit_call((work, args, kwargs), self._gpu)
        result: T = self._executor.wait_for(future)
        return result

    def call_alone(
        self, memory_mb: float, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Calls a function on a worker, in a process of its own with memory to spare.

        Args:
            memory_mb: How much is to be free there, in units of 1e6 bytes.
            work: A function that can be pickled.
            *args: Its arguments.
            **kwargs: Its keyword arguments.

        Returns:
            What the function returns.

        Raises:
            WorkerDied: The process ended before it answered.
            ClusterError: The cluster was lost.
        """
        call = (work, args, kwargs)
        future = self._executor.submit_call(call, self._gpu, alone_mb=memory_mb)
        result: T = self._executor.wait_for(future)
        return result
