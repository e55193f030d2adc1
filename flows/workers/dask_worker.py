"""What runs inside a Dask worker: it hands every call on to a process of its own, a `Crew` as on
one machine.

    Dask worker (one thread: one call at a time)
        ├── its process: Dask alone; bytes in, bytes out; it loads no codec and no network, and
        answers the scheduler at any time
        └── a process of its crew: does the work, with one thread, its stderr kept off the terminal

So a clip that ends its process does not end the worker, and is found as on one machine; a worker
that is killed takes its crew along, and the scheduler gives its call to another. A GPU has a
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
from typing import Any

from distributed import Worker, get_worker

from flows.workers.pool import Crew

TOPIC = "affectstore-progress"
"""Events of this topic are pairs: the id of a build, and how many clips more are done."""

_SECONDS_BETWEEN_EVENTS = 0.5
_IDLE_S = 30.0
"""A crew leaves when its build has had no call for so long: it ended, or its client was killed."""


@dataclass(frozen=True)
class Terms:
    """What must hold wherever a part of a build is done."""

    build: str
    """A new id for each build."""
    versions: Mapping[str, str]
    """Libraries whose version may change the numbers."""
    store: Path
    """Its folder; where the store lies behind a URL, its mirror, which each machine has for itself.
    """
    url: str | None
    probe: Path
    """A file that the client has just written into the folder; it holds the id of the build."""
    clips: tuple[Path, ...]
    """One clip of each corpus."""


class Unfit(RuntimeError):
    """A worker cannot take part in a build; the message says which, why, and what to do."""


def greet(terms: Terms, dask_worker: Worker) -> None:
    """Let `Client.run` look whether a worker is fit; Dask puts the worker in."""
    _check(terms, dask_worker.address)


def _check(terms: Terms, here: str) -> None:
    """Unfit where the worker has other libraries than the client, or does not see the same
    files."""
    if other := {
        name: found
        for name, wanted in terms.versions.items()
        if (found := _installed(name)) != wanted
    }:
        found = ", ".join(
            f"{name} {found}, not {terms.versions[name]}" for name, found in other.items()
        )
        raise Unfit(
            f"the worker {here} has {found} as here; other versions may give other bytes: install "
            "the same ones on every worker"
        )
    if terms.url is None and not _holds(terms.probe, terms.build):
        raise Unfit(
            f"the worker {here} does not see the store at {terms.store}; every worker needs the "
            "same folder, at the same path"
        )
    try:
        if terms.url is not None:
            _check_mirror(terms.url, terms.store, here)
        tempfile.TemporaryFile(dir=terms.store).close()
    except OSError as error:
        raise Unfit(
            f"the worker {here} may not write to {terms.store}: {error.strerror}; give its user "
            "the permission"
        ) from error
    for clip in terms.clips:
        if not clip.is_file():
            raise Unfit(
                f"the worker {here} does not see the clip {clip}; every worker needs the corpora "
                "at the same path"
            )


def _check_mirror(url: str, expected: Path, here: str) -> None:
    from stores.mirror import home

    if (
        folder := home(url)
    ) != expected:  # which is made, so that the processes of the worker know it
        raise Unfit(
            f"the worker {here} caches {url} in {folder}, not in {expected} as here; set "
            "AFFECTSTORE_CACHE to the same on both"
        )


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _holds(probe: Path, text: str) -> bool:
    try:
        return probe.read_text(encoding="utf-8") == text
    except OSError:
        return False


def perform(terms: Terms, gpu: bool, call: bytes) -> bytes:
    """A pickled (function, arguments, keywords) -> its pickled result, from a process of this
    worker that may use a GPU or not."""
    hand = _take(terms, gpu)
    try:
        return hand.crew.call(_run, call)
    finally:
        hand.tell()
        _let_go(hand)


def _run(call: bytes) -> bytes:
    work, args, keywords = pickle.loads(call)  # noqa: S301  (from the client, which may run any code here: that is what Dask is)
    return pickle.dumps(work(*args, **keywords))


class _Hand:
    """A crew for one build on one worker, and what it has to tell."""

    def __init__(self, terms: Terms, gpu: bool, worker: Worker) -> None:
        self.key, self._worker, self._build = (
            (terms.build, gpu, worker.address),
            worker,
            terms.build,
        )
        self.crew = Crew(worker.state.nthreads, self._advance, hide_gpus=not gpu)
        self.users = 0
        self.since = time.monotonic()
        self._done, self._told = 0.0, time.monotonic()
        self._lock = threading.Lock()

    def _advance(self, clips: float) -> None:
        with self._lock:
            self._done += clips
        if time.monotonic() - self._told > _SECONDS_BETWEEN_EVENTS:
            self.tell()

    def tell(self) -> None:
        """Send the client what was done since the last time."""
        with self._lock:
            done, self._done, self._told = self._done, 0.0, time.monotonic()
        if done:
            self._worker.log_event(TOPIC, [self._build, done])


_hands: dict[tuple[str, bool, str], _Hand] = {}
_guard = threading.Lock()


def _take(terms: Terms, gpu: bool) -> _Hand:
    worker = get_worker()
    with _guard:
        hand = _hands.get((terms.build, gpu, worker.address))
        if hand is None:
            _check(terms, worker.address)
            # Dask's workers are daemons, which may have no children lest these outlive them. Ours
            # leave with their parent.
            multiprocessing.current_process().daemon = False
            hand = _Hand(terms, gpu, worker)
            _hands[hand.key] = hand
        hand.users += 1
        return hand


def _let_go(hand: _Hand) -> None:
    with _guard:
        hand.users, hand.since = hand.users - 1, time.monotonic()
    _later(_IDLE_S, lambda: _dismiss(hand))


def _dismiss(hand: _Hand) -> None:
    with _guard:
        if hand.users or time.monotonic() - hand.since < _IDLE_S or hand.key not in _hands:
            return
        del _hands[hand.key]
    hand.crew.close()


def _later(seconds: float, act: Callable[[], Any]) -> None:
    timer = threading.Timer(seconds, act)
    timer.daemon = True
    timer.start()
