"""What runs in a worker process: calls one by one, and what it tells its parent meanwhile.

The parent holds the process to limits that the work itself does not have to look at, since work may
hang or grow in native code; see `flows.workers.process`.
"""

import atexit
import gc
import multiprocessing
import os
import pickle
import shutil
import signal
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import Any, NamedTuple

from flows.workers.rights import give_up_network

SLACK_S = 5.0
"""How much longer than it may an item is let alone: work that looks at the clock itself ends better
than by a kill."""


class Item(NamedTuple):
    """Part of a call, such as one clip, that has limits of its own."""

    name: str
    memory_mb: float
    """Resident memory of the process, in units of 1e6 bytes, that the parent ends it beyond."""


class _ToParent:
    """The ends of a worker process's pipes, and the time that it shares with its parent."""

    def __init__(self, events: Any, until: Any) -> None:
        self.events = events
        self.until = until
        """Time of the monotonic clock at which the parent ends this process; 0: never."""


_parent: _ToParent | None = None


def report_progress(amount: float) -> None:
    """Reports from a worker process to its pool; outside of one it does nothing.

    Args:
        amount: Units of work that are done since the last report.
    """
    if _parent is not None:
        _parent.events.send(amount)


@contextmanager
def working_on(name: str, seconds: float, memory_mb: float) -> Iterator[Callable[[float], None]]:
    """Tells the parent what this process is on: it ends a process that takes too much over it.

    Outside of a worker process nobody watches.

    Args:
        name: The item, as `WorkerDied` is to name it.
        seconds: How long its first step may take.
        memory_mb: How much resident memory the process may have, in units of 1e6 bytes.

    Yields:
        A function that is called where another step of the item begins, with the seconds that it
        may take.
    """
    if _parent is None:
        yield lambda seconds: None
        return
    until, events = _parent.until, _parent.events

    def may_take(seconds: float) -> None:
        until.value = time.monotonic() + seconds + SLACK_S
        # Where the parent was killed, nobody else ends a process that hangs: SIGALRM, which nobody
        # catches, needs no interpreter.
        signal.setitimer(signal.ITIMER_REAL, seconds + 2 * SLACK_S)

    may_take(seconds)
    events.send(Item(name, memory_mb))
    try:
        yield may_take
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        until.value = 0.0
        # Streams and their container refer to each other, and with them stay decoders and frames:
        # without this the next item takes new memory of the system instead of theirs.
        gc.collect(0)
        events.send(None)


def serve(
    calls: Any,
    events: Any,
    stderr: Any,
    until: Any,
    temporary: str,
    hide_gpus: bool,
    offline: bool,
) -> None:
    """Runs calls until the parent closes their pipe.

    Args:
        calls: Pickled (function, arguments, keyword arguments) come in; pickled (whether it
            returned, what it returned or raised, traceback) go out.
        events: Takes progress as a number, an `Item` where one begins, None where it ends.
        stderr: Takes what is written to descriptor 2.
        until: Shared: when the parent ends this process.
        temporary: Folder for temporary files, which goes with this process.
        hide_gpus: CUDA devices are not to be found.
        offline: The network is given up, where that can be done.
    """
    global _parent  # noqa: PLW0603  (one worker process has one parent to report to)
    _parent = _ToParent(events, until)
    if offline:
        give_up_network()
    _initialise(stderr, temporary, hide_gpus)
    while True:
        try:
            call = calls.recv_bytes()
        except EOFError:
            return
        calls.send_bytes(_answer(call))


def _answer(call: bytes) -> bytes:
    try:
        # From the parent, which is this very program.
        work, args, kwargs = pickle.loads(call)  # noqa: S301
        return pickle.dumps((True, work(*args, **kwargs), ""))
    except BaseException as error:
        trace = "".join(traceback.format_exception(error))
        try:
            answer = pickle.dumps((False, error, trace))
            pickle.loads(answer)  # noqa: S301  (an error may be pickled and yet not be read again)
        except Exception:
            answer = pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}"), trace))
        return answer


def _initialise(stderr: Any, temporary: str, hide_gpus: bool) -> None:
    """Prepares a worker process.

    It ends with its parent, leaves interrupts to it, keeps what native code prints off the
    terminal, and uses one thread: the last bits of a network's output may depend on their number.
    """
    import flows.workers.one_thread  # noqa: F401  (it is what its import does)

    gc.freeze()  # what it was forked with is no garbage, and stays shared as long as nobody looks
    tempfile.tempdir = temporary
    threading.Thread(target=_end_with_parent, args=(temporary,), daemon=True).start()
    os.dup2(stderr.fileno(), 2)
    # Native libraries may take seconds to shut down, and nothing of theirs is needed any more.
    atexit.register(os._exit, 0)
    if hide_gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    import cv2

    cv2.setNumThreads(1)


def _end_with_parent(temporary: str) -> None:
    """Ends this process when its parent has ended: in the middle of its work it would not see."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        shutil.rmtree(temporary, ignore_errors=True)  # the parent cannot any more
        os._exit(1)
