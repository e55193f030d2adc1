"""Files that HDF5 opens in a process of its own, which is watched: a damaged one may never end.

HDF5 follows lengths and addresses in a file as they are; two wrong bytes are a loop without an end
inside its library, where no signal is heard, or memory without a limit. What this process has not
written itself, and no snapshot says enough of to do without HDF5 (see `FileLayout.is_of`), is
therefore opened by a second process, which ends itself when it takes too long, and gives back
nothing but JSON. It is started when it is first needed, and ends with the process that needs it.
"""

import atexit
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import lru_cache
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from threading import Lock
from typing import Any

from manifests.features import Json
from stores.hdf5_file import WrongFile

LIMIT_S = 20.0
"""For one file; a shard takes some milliseconds."""
_GRACE_S = 5.0
"""After which the second process is ended from outside."""
_MEMORY = 2 << 30
"""Bytes of address space that it may take."""
_MOST = 1 << 26
"""Bytes of an answer."""
_CODE = "import sys; from stores.hdf5_process import serve; serve(int(sys.argv[1]), {})"

Look = Callable[[Path, str], Json]
"""(path, name) -> what HDF5 finds in a file."""


def ask(look: str, path: Path, name: str, wrong: type[WrongFile]) -> Any:
    """Has a file opened by HDF5 in another process.

    Args:
        look: What to find in it: a name of `_looks`.
        path: The file.
        name: The file, as messages name it.
        wrong: The error to raise.

    Returns:
        What was found, as JSON.

    Raises:
        WrongFile: It is not what it should be, or HDF5 does not come to an end with it; of the type
            `wrong`.
        OSError: The disk fails: no such file, no permission.
    """
    process, connection, lock = _start(os.getpid())
    with lock:
        try:
            connection.send_bytes(json.dumps([look, str(path), name]).encode())
            answer = connection.recv_bytes(_MOST) if connection.poll(LIMIT_S + _GRACE_S) else b""
        except (EOFError, OSError):
            answer = b""
        except BaseException:  # an interrupt: nobody else may get this answer
            _stop(process, connection)
            raise
    if not answer:
        _stop(process, connection)
        raise wrong(
            f"{name} is damaged: HDF5 did not come to an end with it in {LIMIT_S:.0f} s, or was "
            "ended by it; restore it from a copy, or build into an empty folder"
        )
    match json.loads(answer):
        case {"found": found}:
            return found
        case {"wrong": str(message)}:
            raise wrong(message)
        case {"errno": int(number), "what": str(what)}:
            raise OSError(number, what, str(path))
    raise wrong(f"{name} is damaged: the process that opened it gave no answer")


def _stop(process: "subprocess.Popen[bytes]", connection: "Connection[Any, Any]") -> None:
    connection.close()
    process.kill()
    process.wait()
    _start.cache_clear()


@lru_cache(maxsize=1)
def _start(owner: int) -> "tuple[subprocess.Popen[bytes], Connection[Any, Any], Lock]":
    """Starts the process that opens files for one process, and connects to it."""
    ours, its = Pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", _CODE.format(LIMIT_S), str(its.fileno())],
        pass_fds=[its.fileno()],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        start_new_session=True,  # an interrupt is for the processes that wait for it
    )
    its.close()
    atexit.register(_end, owner, process, ours)
    return process, ours, Lock()


def _end(
    owner: int, process: "subprocess.Popen[bytes]", connection: "Connection[Any, Any]"
) -> None:
    if owner == os.getpid():
        _stop(process, connection)


def serve(descriptor: int, limit_s: float) -> None:
    """Opens files until the other end of a connection is closed.

    Args:
        descriptor: Of the connection's file.
        limit_s: Seconds for each file, after which the system ends this process.
    """
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    connection: Connection[Any, Any] = Connection(descriptor)
    looks = _looks()
    while True:
        try:
            look, path, name = json.loads(connection.recv_bytes())
        except EOFError:
            return
        # Nothing handles the alarm: the system ends a process that is lost in a library too.
        signal.setitimer(signal.ITIMER_REAL, limit_s)
        try:
            answer = {"found": looks[look](Path(path), name)}
        except OSError as error:
            answer = {"errno": error.errno or 0, "what": error.strerror or str(error)}
        except (ValueError, MemoryError) as error:
            answer = {"wrong": str(error) or "there is not enough memory for it"}
        signal.setitimer(signal.ITIMER_REAL, 0)
        connection.send_bytes(json.dumps(answer).encode())


def _looks() -> dict[str, Look]:
    from stores.fitted_state import look_at_state
    from stores.shard_layout import look_at_shard

    return {"shard": look_at_shard, "state": look_at_state}
