"""Commands and other processes that tests start, and what is looked up about them."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
Environment = Mapping[str, str | None]
"""Variables of a process beside those of this one; None: it lacks them."""
QUICK = ("features.resnet18.size=64", "features.mfcc_resnet18.size=64", "clips_per_shard=4")
"""Changes to the demo recipe that make a test's build short."""


def options(*changes: str) -> list[str]:
    """Changes to a recipe as options of a command."""
    return [part for change in changes for part in ("--set", change)]


def build_arguments(store: Path, folder: Path, *changes: str, corpus: str = "folder") -> list[Any]:
    """A build by the demo recipe."""
    named = ["--corpus", f"{corpus}={folder}", "--recipe", "demo"]
    return ["build", store, *named, *options(*QUICK, *changes)]


def refusal(*arguments: object) -> str:
    """The one sentence of a command that must fail; in this process, which has imported all that it
    needs."""
    from flows.__main__ import run

    words = io.StringIO()
    with contextlib.redirect_stderr(words), pytest.raises(SystemExit) as ended:
        run([str(argument) for argument in arguments])
    assert ended.value.code == 2, words.getvalue()
    lines = [line for line in words.getvalue().splitlines() if line.startswith("affectstore: ")]
    assert len(lines) == 1, words.getvalue()
    return lines[0]


class Python:
    """Starts Python in the root of the repository, and ends what a test has left running.

    The processes know no Prefect server but one that is named to them.
    """

    def __init__(self, home: Path) -> None:
        self._started: list[subprocess.Popen[str]] = []
        self._environment = {"PREFECT_HOME": str(home), "PYTHONPATH": str(ROOT)}

    def environment(self, more: Environment | None = None) -> dict[str, str]:
        """What a process is given: what this one has, but for its Prefect settings."""
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")
        }
        given = {**inherited, **self._environment, **(more or {})}
        if more and more.get("PYTHONPATH"):
            given["PYTHONPATH"] = f"{more['PYTHONPATH']}{os.pathsep}{ROOT}"
        return {name: value for name, value in given.items() if value is not None}

    def __call__(
        self,
        *arguments: object,
        check: bool = True,
        timeout_s: float = 240,
        environment: Environment | None = None,
        under: tuple[str, ...] = (),
        cwd: Path = ROOT,
    ) -> "subprocess.CompletedProcess[str]":
        """Runs `python arguments...` to its end, which must be a good one if `check`."""
        done = subprocess.run(
            [*under, sys.executable, *map(str, arguments)],
            env=self.environment(environment),
            capture_output=True,
            text=True,
            cwd=cwd,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done

    def start(
        self,
        *arguments: object,
        environment: Environment | None = None,
        **how: Any,
    ) -> "subprocess.Popen[str]":
        """Starts `python arguments...` as the leader of a session of its own."""
        process = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            env=self.environment(environment),
            text=True,
            cwd=ROOT,
            start_new_session=True,
            **how,
        )
        self._started.append(process)
        return process

    def end(self) -> None:
        """Kills what is still there of the processes that were started."""
        for process in self._started:
            for living in living_in_session(process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(living, signal.SIGKILL)
            process.wait()
            for stream in (process.stdout, process.stderr, process.stdin):
                if stream:
                    with contextlib.suppress(BrokenPipeError):
                        stream.close()


class Command:
    """`affectstore` with some arguments, in a process."""

    def __init__(self, python: Python) -> None:
        self.python = python

    def __call__(self, *arguments: object, **how: Any) -> "subprocess.CompletedProcess[str]":
        """Runs the command to its end, good or bad."""
        return self.python("-m", "flows", *arguments, **{"check": False, **how})

    def start(self, *arguments: object, **how: Any) -> "subprocess.Popen[str]":
        """Starts the command."""
        return self.python.start("-m", "flows", *arguments, **how)


def living_in_session(session: int) -> list[int]:
    """Processes of a session that still run, whatever their group: the dead that nobody has waited
    for yet do not count."""
    return [pid for pid, state, _, its in _processes() if its == session and state != "Z"]


def living_in_group(group: int) -> list[int]:
    """Processes of a group that still run."""
    return [pid for pid, state, its, _ in _processes() if its == group and state != "Z"]


def is_alive(pid: int) -> bool:
    """Whether a process still runs."""
    return any(one == pid and state != "Z" for one, state, _, _ in _processes())


def _processes() -> Iterator[tuple[int, str, int, int]]:
    """(pid, state, group, session) of every process of this machine."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            text = stat.read_text(encoding="utf-8").rpartition(")")[2]
            state, _, group, session = text.split()[:4]
            yield int(stat.parent.name), state, int(group), int(session)


def wait_for(look: Callable[[], Any], seconds: float) -> Any:
    """What `look` finds, as soon as it finds something."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(0.1)
    return found
