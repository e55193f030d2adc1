"""A pool of worker processes of this machine.

Each worker is an executor of one process, so that a call which ends its process takes no other
call with it.
"""

import atexit
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing.connection import wait
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

Advance = Callable[[float], None]
"""Takes how many units of work, such as clips, are done since the last call."""


class WorkerDied(RuntimeError):
    """A worker process ended during a call: killed, out of memory, or a crash in native code."""


class PoolClosed(RuntimeError):
    """A call was waiting for a worker when the pool was closed, most often because of an error."""


def cores() -> int:
    """The number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Worker:
    """One process, and two pipes from it: for its progress and for its stderr.

    Pipes rather than a shared queue, since a killed writer would keep the queue's lock.
    """

    def __init__(self, advance: Advance, hide_gpus: bool) -> None:
        context = multiprocessing.get_context("spawn")
        self._progress, self._progress_end = context.Pipe(duplex=False)
        self._stderr, self._stderr_end = context.Pipe(duplex=False)
        self._text = b""
        pipes = (self._progress_end, self._stderr_end)
        self.executor = ProcessPoolExecutor(1, context, _initialise, (*pipes, hide_gpus))
        self._listener = threading.Thread(target=self._listen, args=(advance,), daemon=True)
        self._listener.start()

    def _listen(self, advance: Advance) -> None:
        while True:
            # All of stderr comes before the end of the progress is acted on.
            if self._stderr in wait([self._progress, self._stderr]):
                self._text = (self._text + os.read(self._stderr.fileno(), 4096))[-4096:]
            elif (amount := self._progress.recv()) is None:
                return
            else:
                advance(amount)

    def last_line(self) -> str:
        """The last line of the process's stderr, native code's too; complete once it is closed."""
        lines = [line.strip() for line in self._text.decode(errors="replace").splitlines()]
        return next((line for line in reversed(lines) if line), "nothing")

    def close(self, wait_for_work: bool) -> None:
        self.executor.shutdown(wait=wait_for_work, cancel_futures=True)
        self._progress_end.send(None)
        self._listener.join()


class ProcessPool:
    """Some processes; a call runs in one that is free, and calls may come from several threads."""

    def __init__(self, workers: int, advance: Advance, hide_gpus: bool = False) -> None:
        """Opens a pool; a process is started when there is a call for it.

        Args:
            workers: How many processes at most.
            advance: Called with the progress that the workers report.
            hide_gpus: The processes find no CUDA device.
        """
        self._advance, self._hide_gpus, self._closed = advance, hide_gpus, False
        # Last in, first out, so that no more processes are started than are at work at once.
        self._free: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
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
        worker, is_alive = self._take(), True
        try:
            return worker.executor.submit(work, *args, **kwargs).result()
        except BrokenProcessPool as error:
            is_alive = False
            worker.close(wait_for_work=False)
            raise WorkerDied(
                "a worker process ended in the middle of its work; "
                f"the last it wrote was: {worker.last_line()}"
            ) from error
        finally:
            self._give_back(worker if is_alive else None)

    def _take(self) -> _Worker:
        worker = self._free.get()
        if self._closed:
            self._give_back(worker)
            raise PoolClosed("the build has ended before this part of it was begun")
        return worker or _Worker(self._advance, self._hide_gpus)

    def _give_back(self, worker: _Worker | None) -> None:
        self._free.put(worker)
        if self._closed:
            self.close(wait_for_work=False)


_progress: Any = None


def report_progress(amount: float) -> None:
    """Reports from a worker process to its pool; outside of one it does nothing.

    Args:
        amount: Units of work that are done since the last report.
    """
    if _progress is not None:
        _progress.send(amount)


def _initialise(progress: Any, stderr: Any, hide_gpus: bool) -> None:
    """Prepares a worker process.

    It ends with its parent, leaves interrupts to it, keeps what native code prints off the
    terminal, and uses one thread: the last bits of a network's output may depend on their number.
    """
    global _progress  # noqa: PLW0603  (one worker process has one parent to report to)
    _progress = progress
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.dup2(stderr.fileno(), 2)
    # Native libraries may take seconds to shut down, and nothing of theirs is needed any more.
    atexit.register(os._exit, 0)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = "1"
    if hide_gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    import cv2

    cv2.setNumThreads(1)


def _end_with_parent() -> None:
    """Ends this process when its parent has ended: a pool's process would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
