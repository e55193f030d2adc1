"""Prefect's API for one command: the configured server, else one on loopback that ends with this process.

Prefect can start such a server by itself, but that one outlives a parent that is killed, and says nothing while it starts.
"""

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

_PATIENCE_S = 120.0
_ANSWER_S = 5.0


class EngineError(RuntimeError):
    """The local Prefect engine did not come up."""


@contextmanager
def engine(schedules: bool = False, meanwhile: Callable[[], object] = lambda: None) -> Iterator[str]:
    """Inside, flows run against PREFECT_API_URL (variable or profile) if it is set, else against a local engine; gives its address.

    The local engine starts scheduled runs only where `schedules` are asked for. `meanwhile` is called while it comes up, and whatever
    that raises ends the engine. EngineError when a server is set and does not answer.
    """
    # Errors are told by the command, in one sentence; Prefect's own log of them appears only where it is asked for.
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings

    if configured := PREFECT_API_URL.value():
        meanwhile()
        _reach(configured)
        yield configured
        return
    os.environ.setdefault("PREFECT_UI_URL", "")  # it has no pages that a log could link to
    # Nobody reads the log of an engine that ends with the command, and sending it would hold the command up after its end.
    with _server(schedules, meanwhile) as url, temporary_settings({PREFECT_API_URL: url, PREFECT_LOGGING_TO_API_ENABLED: False}):
        yield url


def _reach(url: str) -> None:
    """EngineError unless something answers there, whatever it says: a server may want to know who asks."""
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


@contextmanager
def _server(schedules: bool, meanwhile: Callable[[], object] = lambda: None) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Marking runs of schedules that nobody serves any more as late, many at once, locks the database for all that is wanted.
    services = {"PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "0"} if schedules else {"PREFECT__SERVER_EPHEMERAL": "1"}
    environment = {**os.environ, "PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_FINAL": "1", **services}
    # A group of its own: an interrupt from the terminal is for the command, which needs its engine to the end.
    command = [sys.executable, "-m", "flows.engine", str(port)]
    url = f"http://127.0.0.1:{port}/api"
    with ExitStack() as stack:
        with _alone():
            process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, process_group=0)
            stack.callback(_end, process)
            meanwhile()
            print("starting the local Prefect engine, up to 25 s (set PREFECT_API_URL to use a running server)", file=sys.stderr)
            import prefect.flows  # noqa: F401  (seconds, which whoever wants an engine would otherwise wait for afterwards)

            _wait_for(url, process)
        yield url


@contextmanager
def _alone() -> Iterator[None]:
    """One engine starts at a time: two on a database that is yet to be made would both make its tables."""
    from filelock import FileLock, Timeout
    from prefect.settings import PREFECT_HOME

    home = PREFECT_HOME.value()
    home.mkdir(parents=True, exist_ok=True)
    lock = FileLock(home / ".affectstore-engine.lock")
    try:
        lock.acquire(timeout=_PATIENCE_S)
    except Timeout as error:
        raise EngineError(
            f"another local Prefect engine has been starting for {_PATIENCE_S:.0f} s; end that command, or try again"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdin:
        process.stdin.close()


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):  # noqa: S310  (an address of our own making)
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    found = "ended at once" if process.poll() is not None else f"gave no answer for {_PATIENCE_S:.0f} s"
    raise EngineError(f"the local Prefect engine {found}; try again, or run `prefect server start` and set PREFECT_API_URL to its address")


def _serve(port: int) -> None:
    """The engine's own process: leaves when the pipe from its parent closes, however the parent ended."""
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    import uvicorn

    uvicorn.run("prefect.server.api.server:create_app", factory=True, host="127.0.0.1", port=port, log_level="error")


def _leave_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
