"""Tasks whose networks wait for the same process: it encodes them in one call.

What a GPU does in a call is done within a second, so that beginning and ending calls would take as
long. The thread of a task that finds the process busy leaves its task; the next call takes all that
were left.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import ParamSpec, TypeVar, cast

from extractors.base import Encoder, Runtime
from flows.building.encoding import encode_shards, encode_together
from flows.building.shard_task import Records, ShardTask
from flows.workers.executor import Pools, WorkerPool
from flows.workers.pool import ProcessPool

P = ParamSpec("P")
T = TypeVar("T")

_MOST = 16
"""Tasks of a call: enough that its beginning and its end are nothing beside it."""


def on_this_machine(pools: Pools, encoders: Iterable[Encoder], runtime: Runtime) -> Pools:
    """Fits the pools of a build to its networks, where they are processes of this machine.

    Args:
        pools: The pools.
        encoders: The networks.
        runtime: How they run.

    Returns:
        The pools; that for the GPU has one process, and takes tasks together.

    Raises:
        ValueError: This machine cannot run one of the networks in this way.
    """
    if not isinstance(pools.main, ProcessPool):
        return pools
    for encoder in encoders:
        encoder.check_runtime(runtime)
    return replace(pools, gpu=pools.gpu and TogetherPool(pools.gpu))


@dataclass(eq=False)
class _WaitingTask:
    """A task that some thread waits for."""

    task: ShardTask
    made: Records | None = None
    is_alone: bool = False
    """The call that took it with others has failed."""


class TogetherPool:
    """A pool of one process, which encodes tasks together that come while it is at work."""

    def __init__(self, pool: WorkerPool) -> None:
        """Wraps a pool.

        Args:
            pool: A pool of one process.
        """
        self._pool = pool
        self._turn = threading.Lock()
        self._waiting: deque[_WaitingTask] = deque()

    def call(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls a function in the process; `encode_shards` of several tasks in one call.

        Args:
            work: A function that can be pickled.
            *args: Its arguments.
            **kwargs: Its keyword arguments.

        Returns:
            What the function returns.
        """
        called: object = work
        if called is encode_shards:
            task, runtime = cast("tuple[ShardTask, Runtime]", args)
            return cast("T", self._encode(task, runtime))
        return self._pool.call(work, *args, **kwargs)

    def call_alone(
        self, memory_mb: float, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Calls a function in a process of its own; see `WorkerPool`.

        Args:
            memory_mb: How much memory is to be free.
            work: A function that can be pickled.
            *args: Its arguments.
            **kwargs: Its keyword arguments.

        Returns:
            What the function returns.
        """
        return self._pool.call_alone(memory_mb, work, *args, **kwargs)

    def _encode(self, task: ShardTask, runtime: Runtime) -> Records:
        mine = _WaitingTask(task)
        self._waiting.append(mine)
        with self._turn:
            while mine.made is None and not mine.is_alone:
                self._encode_first(runtime)
        # Whatever was at fault is to cost, and to blame, no other task.
        return mine.made or self._pool.call(encode_shards, task, runtime)

    def _encode_first(self, runtime: Runtime) -> None:
        """Has those encoded that wait longest; the caller's task is among all that wait."""
        together = [self._waiting.popleft() for _ in range(min(_MOST, len(self._waiting)))]
        try:
            made = self._pool.call(encode_together, [one.task for one in together], runtime)
        except Exception:
            if len(together) == 1:
                raise
            for one in together:
                one.is_alone = True
        else:
            for one, its in zip(together, made, strict=True):
                one.made = its
