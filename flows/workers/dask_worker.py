"""What runs inside a Dask worker: it hands every call on to a process of its own pool.

    Dask worker (one thread: one call at a time)
        ├── its process: Dask alone; bytes in, bytes out; it loads no codec and no network, and
        │   answers the scheduler at any time
        └── a process of its pool: does the work, with one thread, its stderr kept off the terminal

So a call that ends its process does not end the worker, and is found as on one machine; a worker
that is killed takes its pool along, and the scheduler gives its call to another. A GPU has a
process of its own, so that two never share one.
"""

import multiprocessing
import pickle
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

from distributed import Worker, get_worker

from flows.workers.pool import ProcessPool

TOPIC = "affectstore-progress"
"""Events of this topic are pairs: the id of a build, and how many units of work more are done."""

_SECONDS_BETWEEN_EVENTS = 0.5
_IDLE_S = 30.0
"""A pool is closed when its build has had no call for so long: it ended, or its client did."""


class Workspace(Protocol):
    """Where the results of the work lie."""

    folder: Path
    """On the machine that asks."""
    is_local: bool
    """Every worker must see the same folder."""


@dataclass(frozen=True)
class Requirements:
    """What must hold wherever a part of a build is done."""

    build: str
    """A new id for each build."""
    versions: Mapping[str, str]
    """Libraries whose version may change the numbers."""
    store: Workspace
    probe: Path
    """A file that the client has just written into the folder; it holds the id of the build."""
    clips: tuple[Path, ...]
    """Files that are to be read, one of each place that they lie in."""


class UnfitWorker(RuntimeError):
    """A worker cannot take part in a build; the message says which, why, and what to do."""


def check_worker(required: Requirements, dask_worker: Worker) -> None:
    """Checks the worker that it runs on, as `Client.run` calls it.

    Args:
        required: What must hold there.
        dask_worker: Put in by Dask.

    Raises:
        UnfitWorker: It has other libraries than the client, or does not see the same files.
    """
    _check(required, dask_worker.address)


def _check(required: Requirements, here: str) -> None:
    installed = {name: _installed(name) for name in required.versions}
    if other := {name for name, wanted in required.versions.items() if installed[name] != wanted}:
        differences = [
            f"{name} {installed[name]}, not {required.versions[name]}"
            for name in required.versions
            if name in other
        ]
        raise UnfitWorker(
            f"the worker {here} has {', '.join(differences)} as here; other versions may give "
            "other bytes: install the same ones on every worker"
        )
    if required.store.is_local and not _contains(required.probe, required.build):
        raise UnfitWorker(
            f"the worker {here} does not see the store at {required.store}; "
            "every worker needs the same folder, at the same path"
        )
    folder = required.store.folder
    try:
        if not required.store.is_local:
            folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise UnfitWorker(
            f"the worker {here} may not write to {folder}: {error.strerror}; "
            "give its user the permission"
        ) from error
    for clip in required.clips:
        if not clip.is_file():
            raise UnfitWorker(
                f"the worker {here} does not see the clip {clip}; "
                "every worker needs the corpora at the same path"
            )


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _contains(probe: Path, text: str) -> bool:
    try:
        return probe.read_text(encoding="utf-8") == text
    except OSError:
        return False


def run_call(
    required: Requirements, gpu: bool, call: bytes, alone_mb: float | None = None
) -> bytes:
    """Runs a call in a process of this worker.

    Args:
        required: What must hold on the worker.
        gpu: Whether the process may use a GPU.
        call: Function, arguments and keyword arguments, pickled.
        alone_mb: The process is one of its own, with so much memory to spare.

    Returns:
        The result, pickled.
    """
    pool = _take(required, gpu)
    try:
        if alone_mb is not None:
            return pool.processes.call_alone(alone_mb, _run, call)
        return pool.processes.call(_run, call)
    finally:
        pool.send_progress()
        _give_back(pool)


def _run(call: bytes) -> bytes:
    # From the client, which may run any code here: that is what Dask is.
    work, args, keywords = pickle.loads(call)  # noqa: S301
    return pickle.dumps(work(*args, **keywords))


class _BuildPool:
    """The process pool of one build on one worker, and the progress that it has to report."""

    def __init__(self, required: Requirements, gpu: bool, worker: Worker) -> None:
        self.key = (required.build, gpu, worker.address)
        self._worker, self._build = worker, required.build
        offline = required.store.is_local and not gpu
        threads = worker.state.nthreads
        self.processes = ProcessPool(threads, self._advance, hide_gpus=not gpu, offline=offline)
        self.users = 0
        self.used_at = time.monotonic()
        self._done, self._sent_at = 0.0, time.monotonic()
        self._lock = threading.Lock()

    def _advance(self, amount: float) -> None:
        with self._lock:
            self._done += amount
        if time.monotonic() - self._sent_at > _SECONDS_BETWEEN_EVENTS:
            self.send_progress()

    def send_progress(self) -> None:
        """Sends the client what was done since the last time."""
        with self._lock:
            done, self._done, self._sent_at = self._done, 0.0, time.monotonic()
        if done:
            self._worker.log_event(TOPIC, [self._build, done])


_pools: dict[tuple[str, bool, str], _BuildPool] = {}
_pools_lock = threading.Lock()


def _take(required: Requirements, gpu: bool) -> _BuildPool:
    worker = get_worker()
    with _pools_lock:
        pool = _pools.get((required.build, gpu, worker.address))
        if pool is None:
            _check(required, worker.address)
            # Dask's workers are daemons, which may have no children lest these outlive them. Ours
            # end with their parent.
            multiprocessing.current_process().daemon = False
            pool = _BuildPool(required, gpu, worker)
            _pools[pool.key] = pool
        pool.users += 1
        return pool


def _give_back(pool: _BuildPool) -> None:
    with _pools_lock:
        pool.users, pool.used_at = pool.users - 1, time.monotonic()
    _later(_IDLE_S, lambda: _close_if_idle(pool))


def _close_if_idle(pool: _BuildPool) -> None:
    with _pools_lock:
        if pool.users or time.monotonic() - pool.used_at < _IDLE_S or pool.key not in _pools:
            return
        del _pools[pool.key]
    pool.processes.close()


def _later(seconds: float, act: Callable[[], Any]) -> None:
    timer = threading.Timer(seconds, act)
    timer.daemon = True
    timer.start()
