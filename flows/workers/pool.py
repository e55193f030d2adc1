"""Worker processes of one machine.

Each worker is a pool of one process, so that a clip which kills its process takes no other work
with it.
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
from types import TracebackType
from typing import Any, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class WorkerDied(RuntimeError):
    """A worker process ended in the middle of a call: killed, out of memory, or a crash in native
    code."""


class Dismissed(RuntimeError):
    """The work that a call belongs to has ended, most often because another part of it failed."""


class AnyCrew(Protocol):
    """Worker processes, wherever they are."""

    def call(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """work(*args) in a worker process. WorkerDied when that process ends before it answers."""
        ...


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Worker:
    """One process and two pipes from it, its progress and its stderr: pipes, since a killed writer
    would keep a shared queue's lock."""

    def __init__(self, advance: Callable[[float], None], hide_gpus: bool) -> None:
        context = multiprocessing.get_context("spawn")
        self._progress, self._tell = context.Pipe(duplex=False)
        self._stderr, self._say = context.Pipe(duplex=False)
        self._words = b""
        self.pool = ProcessPoolExecutor(1, context, _begin, (self._tell, self._say, hide_gpus))
        self._listener = threading.Thread(
            target=self._listen, args=(advance,), name="progress", daemon=True
        )
        self._listener.start()

    def _listen(self, advance: Callable[[float], None]) -> None:
        while True:
            if self._stderr in wait(
                [self._progress, self._stderr]
            ):  # all of it, before the end of the progress is heard
                self._words = (self._words + os.read(self._stderr.fileno(), 4096))[-4096:]
            elif (clips := self._progress.recv()) is None:
                return
            else:
                advance(clips)

    def last_words(self) -> str:
        """The last line that the process wrote to stderr, from Python or from native code; complete
        once the worker is closed."""
        lines = [
            line.strip()
            for line in self._words.decode(errors="replace").splitlines()
            if line.strip()
        ]
        return lines[-1] if lines else "nothing"

    def close(self, patiently: bool) -> None:
        self.pool.shutdown(wait=patiently, cancel_futures=True)
        self._tell.send(None)
        self._listener.join()


class Crew:
    """`workers` processes; `call` runs a function in whichever is free, and may be called from
    several threads."""

    def __init__(
        self, workers: int, advance: Callable[[float], None], hide_gpus: bool = False
    ) -> None:
        """`advance` hears of the clips that are done. With `hide_gpus`, the processes find no CUDA
        device."""
        self._advance, self._hide_gpus, self._closed = advance, hide_gpus, False
        # The last to come back is the first to go out, so that no more processes are started than
        # are at work at once.
        self._free: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        for _ in range(workers):
            self._free.put(None)  # a process is started when there is work for it

    def __enter__(self) -> "Crew":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(patiently=kind is None)

    def close(self, patiently: bool = True) -> None:
        """End the processes that are free now, and the others as soon as they are; a call that
        waits for one is Dismissed."""
        self._closed = True
        free = []
        with suppress(queue.Empty):
            while True:
                free.append(self._free.get_nowait())
        for worker in free:
            if worker:
                worker.close(patiently)
            self._free.put(None)

    def call(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """work(*args) in a worker process. WorkerDied when that process ends before it answers."""
        worker, alive = self._take(), True
        try:
            return worker.pool.submit(work, *args, **kwargs).result()
        except BrokenProcessPool as error:
            alive = False
            worker.close(patiently=False)
            words = worker.last_words()
            raise WorkerDied(
                f"a worker process ended in the middle of its work; the last it wrote was: {words}"
            ) from error
        finally:
            self._give_back(worker if alive else None)

    def _take(self) -> _Worker:
        worker = self._free.get()
        if self._closed:
            self._give_back(worker)
            raise Dismissed("the build has ended before this part of it was begun")
        return worker or _Worker(self._advance, self._hide_gpus)

    def _give_back(self, worker: _Worker | None) -> None:
        self._free.put(worker)
        if self._closed:
            self.close(patiently=False)


_report: Any = None


def advance(clips: float) -> None:
    """Tell the parent of this worker that some clips, or a share of one, are done."""
    if _report is not None:
        _report.send(clips)


def _begin(tell: Any, say: Any, hide_gpus: bool) -> None:
    """First words of a worker: leave with the parent, leave interrupts to it, keep native chatter
    off the terminal, use one processor.

    One thread a worker, because the last bits of a network's output may depend on the number of
    threads.
    """
    global _report  # noqa: PLW0603  (one worker process has one parent to report to)
    _report = tell
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, name="leave-with-parent", daemon=True).start()
    os.dup2(say.fileno(), 2)
    atexit.register(
        os._exit,
        0,
        # native libraries may take seconds to take themselves down, and nothing of theirs is wanted any
        # more
    )
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = "1"
    if hide_gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    import cv2

    cv2.setNumThreads(1)


def _leave_with_parent() -> None:
    """A pool's process waits for ever on a parent that was killed; end it instead."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
