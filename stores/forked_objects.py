"""The objects of a store, for a process that was forked from one that had asked for some.

obstore works in threads, which a fork does not take along: a request of the child would wait for
them for ever. The child has its requests made by a process of its own, a fresh one that ends with
it. So the workers of torch's DataLoader, which are forked on Linux, read a store behind a URL.
"""

import os
import subprocess
import sys
from functools import lru_cache, partial
from multiprocessing.connection import Connection, Pipe
from threading import Lock
from typing import Any

from stores.object_store import Objects, Unreachable

_CODE = "import sys; from stores.forked_objects import serve; serve(int(sys.argv[1]))"


class ForkedObjects:
    """Has every method of `Objects`, with the same values and errors."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __getattr__(self, method: str) -> Any:
        return partial(self._ask, method)

    def _ask(self, method: str, *args: object) -> Any:
        process, connection, lock = _start(os.getpid())
        try:
            with lock:
                connection.send((self.url, method, args))
                outcome = connection.recv()
        except (EOFError, OSError) as error:
            process.kill()
            process.wait()
            _start.cache_clear()
            raise Unreachable(
                f"{self.url} does not answer: the process that asks it for a forked one was ended, "
                "most often because memory ran out; read with fewer workers"
            ) from error
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@lru_cache(maxsize=1)
def _start(owner: int) -> "tuple[subprocess.Popen[bytes], Connection[Any, Any], Lock]":
    """Starts the process that makes the requests of one forked process, and connects to it."""
    ours, its = Pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", _CODE, str(its.fileno())],
        pass_fds=[its.fileno()],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        start_new_session=True,  # an interrupt is for the processes that wait for it
    )
    its.close()
    return process, ours, Lock()


def serve(descriptor: int) -> None:
    """Makes requests until the other end of a connection is closed.

    Args:
        descriptor: Of the connection's file.
    """
    connection: Connection[Any, Any] = Connection(descriptor)
    while True:
        try:
            url, method, args = connection.recv()
        except EOFError:
            return
        try:
            connection.send(getattr(Objects(url), method)(*args))
        except Exception as error:  # for the other end to raise
            connection.send(error)
