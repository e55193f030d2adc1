"""Prefect's API for one command: the configured server, else one on loopback that ends with this
process.

Prefect can start such a server by itself, but that one outlives a parent that is killed, and says
nothing while it starts.
"""

import gc
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

_PATIENCE_S = 120.0
_ANSWER_S = 5.0
_SERVE, _LEAVE = b"!", b"."
"""What the engine's process is told through its stdin."""


class EngineError(RuntimeError):
    """The local Prefect engine did not come up."""


@contextmanager
def engine(
    schedules: bool = False, meanwhile: Callable[[], object] = lambda: None
) -> Iterator[str]:
    """Inside, flows run against PREFECT_API_URL (variable or profile) if it is set, else against a
    local engine; gives its address.

    The local engine starts scheduled runs only where `schedules` are asked for. `meanwhile` is
    called while it comes up, and whatever that raises ends the engine. EngineError when a server is
    set and does not answer.
    """
    # Errors are told by the command, in one sentence; Prefect's own log of them appears only where
    # it is asked for.
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    with ExitStack() as early:
        # Prefect takes seconds to be imported and asked whether a server is set; an engine that may
        # well be wanted begins meanwhile.
        is_likely = "prefect" not in sys.modules and not os.environ.get("PREFECT_API_URL")
        begun = early.enter_context(_process(schedules)) if is_likely else None
        from prefect.settings import (
            PREFECT_API_URL,
            PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
            PREFECT_LOGGING_TO_API_ENABLED,
            temporary_settings,
        )

        if configured := PREFECT_API_URL.value():
            early.close()
            meanwhile()
            _reach(configured)
            yield configured
            return
        os.environ.setdefault("PREFECT_UI_URL", "")  # it has no pages that a log could link to
        local = begun or early.enter_context(_process(schedules))
        _bring_up(local, meanwhile)
        # Nobody reads the log of an engine that ends with the command, or counts heartbeats there;
        # both would hold up the command's end.
        unread = {PREFECT_LOGGING_TO_API_ENABLED: False, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
        with temporary_settings({PREFECT_API_URL: local.url, **unread}):
            yield local.url


def _reach(url: str) -> None:
    """EngineError unless something answers there, whatever it says: a server may want to know who
    asks."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=_ANSWER_S):  # noqa: S310  (the address that the user has set)
            return
    except urllib.error.HTTPError:
        return
    except (OSError, ValueError) as error:
        raise EngineError(
            f"no Prefect server answers at PREFECT_API_URL={url} within {_ANSWER_S:.0f} s; "
            "start it with `prefect server start`, or unset PREFECT_API_URL to use a local engine"
        ) from error


@dataclass(frozen=True)
class _Local:
    """The process of a local engine, which serves when it is told to."""

    process: "subprocess.Popen[bytes]"
    url: str


@contextmanager
def _process(schedules: bool) -> Iterator[_Local]:
    """A process that makes ready to be an engine; it ends with this one, however that ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Marking runs of schedules that nobody serves any more as late, many at once, locks the
    # database for all that is wanted.
    services = (
        {"PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "0"}
        if schedules
        else {"PREFECT__SERVER_EPHEMERAL": "1"}
    )
    environment = {
        **os.environ,
        "PREFECT_UI_ENABLED": "0",
        "PREFECT__SERVER_FINAL": "1",
        **services,
    }
    # A group of its own: an interrupt from the terminal is for the command, which needs its engine
    # to the end.
    command = [sys.executable, "-m", "flows.local_server", str(port)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, process_group=0)
    try:
        yield _Local(process, f"http://127.0.0.1:{port}/api")
    finally:
        _end(process)


def _bring_up(local: _Local, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Tell an engine to serve, and wait until it answers."""
    with _alone():
        _tell(local.process, _SERVE)
        meanwhile()
        print(
            "starting the local Prefect engine, up to 25 s (set PREFECT_API_URL to use a running "
            "server)",
            file=sys.stderr,
        )
        # seconds, which whoever wants an engine would otherwise wait for afterwards
        import prefect.flow_engine
        import prefect.task_engine  # noqa: F401

        _wait_for(local)


def _tell(process: "subprocess.Popen[bytes]", word: bytes) -> None:
    """Whether it is still there to hear is found out where its answer is waited for."""
    with suppress(BrokenPipeError):
        if process.stdin:
            process.stdin.write(word)
            process.stdin.flush()


@contextmanager
def _alone() -> Iterator[None]:
    """One engine starts at a time: two on a database that is yet to be made would both make its
    tables."""
    from filelock import FileLock, Timeout
    from prefect.settings import PREFECT_HOME

    home = PREFECT_HOME.value()
    home.mkdir(parents=True, exist_ok=True)
    lock = FileLock(home / ".affectstore-engine.lock")
    try:
        lock.acquire(timeout=_PATIENCE_S)
    except Timeout as error:
        raise EngineError(
            f"another local Prefect engine has been starting for {_PATIENCE_S:.0f} s; end that "
            "command, or try again"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _end(process: "subprocess.Popen[bytes]") -> None:
    _tell(process, _LEAVE)
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdin:
        process.stdin.close()


def _wait_for(local: _Local) -> None:
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end and local.process.poll() is None:
        try:
            with urllib.request.urlopen(f"{local.url}/health", timeout=5):  # noqa: S310  (an address of our own making)
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    found = (
        "ended at once"
        if local.process.poll() is not None
        else f"gave no answer for {_PATIENCE_S:.0f} s"
    )
    raise EngineError(
        f"the local Prefect engine {found}; try again, or run `prefect server start` and set "
        "PREFECT_API_URL to its address"
    )


def _serve(port: int) -> None:
    """The engine's own process: serves and leaves as its parent says through the pipe, and leaves
    when that closes, however it ended."""
    wanted = threading.Event()
    threading.Thread(target=_listen_to_parent, args=(wanted,), daemon=True).start()
    # all that is imported stays, and to look it through again and again takes a quarter of the time
    gc.disable()
    import uvicorn
    from prefect.server.api.server import create_app

    gc.freeze()
    gc.enable()
    wanted.wait()
    uvicorn.run(create_app, factory=True, host="127.0.0.1", port=port, log_level="error")


def _listen_to_parent(wanted: threading.Event) -> None:
    if sys.stdin.buffer.read(1) == _SERVE:
        wanted.set()
        if sys.stdin.buffer.read(1) == _LEAVE:
            # what it was about to write down breaks off, with pages of errors that tell nobody
            # anything
            logging.disable()
            signal.raise_signal(signal.SIGTERM)
            return
    os._exit(0)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
