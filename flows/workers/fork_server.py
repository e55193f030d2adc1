"""The process that workers are forked from: what all of them need is imported there, once.

A worker that is a new interpreter imports for one or two seconds before its first call, and each of
them anew. Forked from a process that has imported it all, it begins at once, and shares the memory.
Python's own fork server does this; it has one thread of Python, opens no file and no store, and
makes no network and no detector, so that there is nothing a fork could break.
"""

import multiprocessing
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, SpawnContext
from pathlib import Path
from typing import Any

_FIRST = "flows.workers.one_thread"
"""Imported before all else: libraries look at the number of threads when they are imported."""
_lock = threading.Lock()
_users = 0


def start(modules: Iterable[str]) -> None:
    """Starts the process, where there is none yet, and does not wait for it.

    On other systems than Linux nothing is done: libraries there may not survive a fork.

    Args:
        modules: What it imports, in this order; it goes on without one that is not installed.
    """
    global _users  # noqa: PLW0603  (Python has one fork server for a process)
    if sys.platform != "linux":
        return
    with _lock:
        if _users == 0:
            multiprocessing.set_forkserver_preload([_FIRST, *modules])
            try:
                forkserver.ensure_running()
            except OSError:
                # The name of its socket is too long where that of TMPDIR is: a worker is then a
                # new interpreter, as on other systems.
                return
        _users += 1


def stop() -> None:
    """Ends the process with its last user; to be called as often as `start`, after the workers."""
    global _users  # noqa: PLW0603
    with _lock:
        _users -= _users > 0
        if _users == 0:
            _end()


def leave() -> None:
    """Removes what it keeps on the disk, for a process that ends without ado: the folder of its
    socket. The server ends with this process."""
    server: Any = forkserver._forkserver
    if server._forkserver_address:
        shutil.rmtree(Path(server._forkserver_address).parent, ignore_errors=True)


def worker_context() -> ForkServerContext | SpawnContext:
    """How a worker is to be started now: by a fork, where there is a process for that.

    Returns:
        A context of multiprocessing.
    """
    if _users:
        return multiprocessing.get_context("forkserver")
    return multiprocessing.get_context("spawn")


def _end() -> None:
    """Waits for the end, unlike Python, so that the processor time of all workers is counted.

    It may still be importing, where a build was refused meanwhile.
    """
    server: Any = forkserver._forkserver
    if server._forkserver_pid is not None:
        with suppress(ProcessLookupError):
            os.kill(server._forkserver_pid, signal.SIGKILL)
        server._stop()
