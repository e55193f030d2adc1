"""Worker processes of one machine.

Each worker is a pool of one process, so that a clip which kills its process takes no other work with it.
"""

import multiprocessing
import os
import queue
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class WorkerDied(RuntimeError):
    """A worker process ended in the middle of a call: killed, out of memory, or a crash in native code."""


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Worker:
    """One process, and the pipe on which it tells its progress: a pipe each, since a killed writer would keep a shared queue's lock."""

    def __init__(self, advance: Callable[[float], None]) -> None:
        context = multiprocessing.get_context("spawn")
        self._reader, self._writer = context.Pipe(duplex=False)
        self._words = tempfile.NamedTemporaryFile(prefix="affectstore-worker-", suffix=".log")  # noqa: SIM115  (closed with the worker)
        self.pool = ProcessPoolExecutor(1, context, _begin, (self._writer, self._words.name))
        self._listener = threading.Thread(target=self._listen, args=(advance,), name="progress", daemon=True)
        self._listener.start()

    def _listen(self, advance: Callable[[float], None]) -> None:
        while (clips := self._reader.recv()) is not None:
            advance(clips)

    def last_words(self) -> str:
        """The last line that the process wrote, from Python or from native code."""
        lines = self._words.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "nothing")

    def close(self, patiently: bool) -> None:
        self.pool.shutdown(wait=patiently, cancel_futures=True)
        self._writer.send(None)
        self._listener.join()
        self._words.close()


class Crew:
    """`workers` processes; `call` runs a function in whichever is free, and may be called from several threads."""

    def __init__(self, workers: int, advance: Callable[[float], None]) -> None:
        self._advance = advance
        self._free: queue.Queue[_Worker | None] = queue.Queue()
        for _ in range(workers):
            self._free.put(None)  # a process is started when there is work for it

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        while not self._free.empty():
            if worker := self._free.get():
                worker.close(patiently=kind is None)

    def call(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """work(*args) in a worker process. WorkerDied when that process ends before it answers."""
        worker = self._free.get() or _Worker(self._advance)
        alive = True
        try:
            return worker.pool.submit(work, *args, **kwargs).result()
        except BrokenProcessPool as error:
            alive = False
            words = worker.last_words()
            worker.close(patiently=False)
            raise WorkerDied(f"a worker process ended in the middle of its work; the last it wrote was: {words}") from error
        finally:
            self._free.put(worker if alive else None)


_report: Any = None


def advance(clips: float) -> None:
    """Tell the parent of this worker that some clips, or a share of one, are done."""
    if _report is not None:
        _report.send(clips)


def _begin(done: Any, words: str) -> None:
    """First words of a worker: leave with the parent, keep native chatter off the terminal, and use one processor.

    One thread a worker, because the last bits of a network's output may depend on the number of threads.
    """
    global _report  # noqa: PLW0603  (one worker process has one parent to report to)
    _report = done
    threading.Thread(target=_leave_with_parent, name="leave-with-parent", daemon=True).start()
    log = os.open(words, os.O_WRONLY | os.O_APPEND)
    os.dup2(log, 2)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = "1"
    import cv2

    cv2.setNumThreads(1)


def _leave_with_parent() -> None:
    """A pool's process waits for ever on a parent that was killed; end it instead."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
