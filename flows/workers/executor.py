"""What runs the steps of a flow: one interface for this machine, a Dask cluster and Prefect.

A step is a function without arguments that runs in a thread of the command; it calls worker
processes through a pool, and waits for them. Nothing here knows what the steps are about.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

from flows.workers.process import Advance

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_SECONDS_BETWEEN_COUNTS = 5.0
"""Workers may join a cluster at any time."""


class WorkerPool(Protocol):
    """Worker processes, wherever they are."""

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
        """
        ...

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
            WorkerDied: The process ended before it answered.
        """
        ...


@dataclass(frozen=True)
class Pools:
    """The worker pools of one stage of a flow."""

    main: WorkerPool
    gpu: WorkerPool | None
    """Processes that may use a GPU, for networks alone; None where there is none to use."""


@dataclass(frozen=True)
class Step(Generic[T]):
    """One part of a flow, such as the shards of some clips."""

    kind: str
    """What steps like it are called, such as build-shards."""
    name: str
    """Tells it from the others of its kind."""
    run: Callable[[], T]


class Future(Protocol[T_co]):
    """The result of a step, once it is there."""

    def result(self) -> T_co:
        """Waits for the step; gives what it returned, or raises what it raised."""
        ...

    def add_done_callback(self, fn: Callable[[Any], None]) -> None:
        """Has a function called when the step has ended.

        Args:
            fn: Takes the future.
        """
        ...


class Executor(Protocol):
    """Runs steps, and has the worker pools that they call."""

    @property
    def workers(self) -> int:
        """How many calls its main pool works on at once."""
        ...

    def has_gpu(self, check: Callable[[], bool]) -> bool:
        """Whether a worker has a GPU.

        Args:
            check: Called where a GPU is declared; says whether it can be used there.

        Returns:
            False where no worker has one.
        """
        ...

    def pools(self, advance: Advance, on_gpu: bool = False) -> AbstractContextManager[Pools]:
        """The pools for one stage of a flow.

        Args:
            advance: Called with the progress that workers report during the stage.
            on_gpu: Networks run on a GPU, in a pool of their own.

        Returns:
            A context manager.
        """
        ...

    def submit(self, step: Step[T]) -> Future[T]:
        """Begins a step. Trouble that waiting can mend is retried, see `retries`.

        Args:
            step: The step.

        Returns:
            Its result to come.
        """
        ...


Wrap = Callable[[Executor], Executor]
"""Makes an executor of another one, such as one that records each step with Prefect."""


def unwrapped(executor: Executor) -> Executor:
    """The executor itself: steps are recorded nowhere.

    Args:
        executor: Any executor.

    Returns:
        The same.
    """
    return executor


def run_in_order(executor: Executor, steps: Iterable[Step[T]]) -> Iterator[T]:
    """Runs steps, so many at once that no worker waits, and no more: there may be very many.

    Args:
        executor: Runs them.
        steps: Made one by one as they are begun.

    Yields:
        What each step returns, in their order; an error of a step is raised in its place.
    """
    begun: deque[Future[T]] = deque()
    ended: set[int] = set()
    running = first = 0
    changed = threading.Condition()

    def end(number: int, _: Any) -> None:
        nonlocal running
        with changed:
            running -= 1
            ended.add(number)
            changed.notify()

    for number, step in enumerate(steps):
        with changed:
            while running > 2 * executor.workers:
                changed.wait(_SECONDS_BETWEEN_COUNTS)
            running += 1
        while first in ended:
            ended.remove(first)
            first += 1
            yield begun.popleft().result()
        future = executor.submit(step)
        begun.append(future)
        future.add_done_callback(partial(end, number))
    while begun:
        yield begun.popleft().result()
