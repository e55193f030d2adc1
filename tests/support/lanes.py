"""Which lane a test is in: a plugin for pytest.

    make check    tests without a server, a process of their own, a built store, a real clip, or a
                  network of real size that is trained or run
    make test     those and all others that hold a promise
    make long     the marks `long`: fuzzing, rounds of kills, dry runs of benchmarks

A test is marked by the fixtures that it uses, and by nothing else. One without such a mark that
starts a process fails.
"""

import _posixsubprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.workers import fork_server
from tests.support.media_made import CLIPS

MARK_OF_FIXTURE = {
    "prefect_server": "server",
    "server": "server",
    "url": "server",
    "dask_address": "server",
    "built": "built",
    "sample": "built",
    "processes": "process",
    "python": "process",
    "ffmpeg": "process",
    "real_clips": "real",
    "networks_of_real_size": "heavy",
}
STARTED_BY_LIBRARIES = (
    "uname", "file", "lscpu", "ldconfig", "gcc", "collect2", "ld", "objdump", "fc-list",
)  # fmt: skip
"""What is asked about the machine when a library is imported; fc-list by matplotlib's first."""


_WEIGHTS = {"server": 100, "built": 10, "process": 10, "real": 1, "heavy": 1}
_EVENTS = {
    "subprocess.Popen",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.exec",
    "os.system",
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks tests, and puts files first that take long: of several processes, none is left with a
    long one at the end."""
    weight: Counter[Path] = Counter()
    for item in items:
        for mark in {MARK_OF_FIXTURE[name] for name in _fixtures(item) & MARK_OF_FIXTURE.keys()}:
            item.add_marker(mark)
            weight[item.path] += _WEIGHTS[mark]
    items.sort(key=lambda item: -weight[item.path])


def _fixtures(item: pytest.Item) -> set[str]:
    """The fixtures of a test; also one that a parameter names, or whose file it is."""
    values = [*item.callspec.params.values()] if hasattr(item, "callspec") else []
    named = {value for value in values if isinstance(value, str)}
    is_real = any(isinstance(value, Path) and CLIPS in value.parents for value in values)
    return {*getattr(item, "fixturenames", []), *named, *({"real_clips"} if is_real else ())}


class _Watch:
    """Refuses processes while a test runs that may start none."""

    def __init__(self) -> None:
        self.is_on = False
        self.refused: list[str] = []

    def look(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.is_on or event not in _EVENTS:
            return
        program = str(arguments[0] if arguments else "").rpartition("/")[2]
        words = list(map(str, arguments[1])) if len(arguments) > 1 and arguments[1] else []
        # A store that another process wrote is opened in the process that is watched.
        is_watched = any("stores.hdf5_process" in word for word in words)
        if program not in STARTED_BY_LIBRARIES and not is_watched:
            self.refuse(f"{event} {program}")

    def refuse(self, what: str) -> None:
        self.refused.append(what)
        raise RuntimeError(
            f"a test of the quick lane starts a process ({what}); start it by one of the fixtures "
            f"{', '.join(MARK_OF_FIXTURE)}, which move the test to the other lane"
        )


def _start_nothing(modules: Iterable[str]) -> None:
    """Workers are not forked in the quick lane: it has none."""


_start = fork_server.start
_watch = _Watch()
_fork_exec = _posixsubprocess.fork_exec


def _watched_fork_exec(*arguments: Any) -> int:
    """multiprocessing starts its processes by this one, of which no audit hook hears."""
    if _watch.is_on:
        _watch.refuse("multiprocessing")
    pid: int = _fork_exec(*arguments)
    return pid


def pytest_configure(config: pytest.Config) -> None:
    sys.addaudithook(_watch.look)
    _posixsubprocess.fork_exec = _watched_fork_exec


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    marks = {*MARK_OF_FIXTURE.values(), "long"}
    _watch.refused.clear()
    _watch.is_on = not any(item.get_closest_marker(mark) for mark in marks)
    # A build has a process to fork from begun before it looks at what it was given.
    fork_server.start = _start_nothing if _watch.is_on else _start
    try:
        return (yield)
    finally:
        _watch.is_on = False
        fork_server.start = _start


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fails a test whose process was refused, though the refusal was swallowed."""
    result = yield
    if _watch.refused:
        pytest.fail(f"{item.name} started processes: {', '.join(_watch.refused)}")
    return result
