"""The Prefect server of a command: the configured one, or for `serve` one of its own."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.supervised import supervised, when_parent_ends
from manifests.visible import visible

_PATIENCE_S = 120.0
_ANSWER_S = 5.0
_PORT = 4200
"""Prefect's own."""


class ServerError(RuntimeError):
    """The Prefect server does not answer, or did not come up."""


def configured_url() -> str | None:
    """The address of the configured server.

    Returns:
        PREFECT_API_URL, as a variable, a profile or a settings file sets it; None where none does.
    """
    from prefect.settings import PREFECT_API_URL

    url: str | None = PREFECT_API_URL.value()
    return url


def reach(url: str) -> None:
    """Checks that a server answers, whatever it says: it may want to know who asks.

    Args:
        url: Its address.

    Raises:
        ServerError: Nothing answers there.
    """
    if not _answers(url):
        raise ServerError(
            f"no Prefect server answers at PREFECT_API_URL={url} within {_ANSWER_S:.0f} s; "
            "start it with `prefect server start`, or unset PREFECT_API_URL to do without one"
        )


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=_ANSWER_S):  # noqa: S310
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False


def use_own_home(name: str) -> None:
    """Gives the server of one schedule a home of its own, unless PREFECT_HOME names one; makes it.

    Another version of Prefect may have changed the database of ~/.prefect so that this one cannot
    read it, and two servers would lock each other out of one SQLite database. To be called before
    Prefect is imported.

    Args:
        name: Of the schedule.
    """
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    home = Path(base).expanduser().absolute() / "affectstore" / "prefect" / name
    os.environ["PREFECT_HOME"] = os.environ.get("PREFECT_HOME") or str(home)
    Path(os.environ["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)


@contextmanager
def local_server() -> Iterator[str]:
    """Runs a Prefect server on loopback, pages included, while a block runs.

    Yields:
        The address of its API.

    Raises:
        ServerError: It does not come up.
    """
    port = _free_port()
    address = f"http://127.0.0.1:{port}"
    url = f"{address}/api"
    environment = {
        **os.environ,
        "PREFECT_UI_API_URL": url,
        # Runs of schedules that nobody serves any more, many of them at once, are marked as late
        # by an update that locks an SQLite database for everybody else:
        # https://github.com/PrefectHQ/prefect/issues/18934
        "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
        "PREFECT_LOGGING_SERVER_LEVEL": "ERROR",
    }
    os.environ.pop("PREFECT_API_URL", None)
    with _starting_alone():
        print("starting a local Prefect server, up to 25 s", file=sys.stderr)
        with supervised(["-m", "flows.local_server", str(port)], environment) as process:
            _wait_for(url, process)
            print(visible(f"its pages are at {address}"), file=sys.stderr)
            yield url


def _free_port() -> int:
    """Prefect's own port, if it is free, else any other."""
    for port in (_PORT, 0):
        with socket.socket() as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                free.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(free.getsockname()[1])
    raise ServerError("no port of this machine is free; end some other program and try again")


@contextmanager
def _starting_alone() -> Iterator[None]:
    """One server for a home at a time."""
    from filelock import FileLock, Timeout

    home = Path(os.environ["PREFECT_HOME"])
    try:
        with FileLock(home / ".affectstore.lock", timeout=0):
            yield
    except Timeout as error:
        raise ServerError(
            f"another `affectstore serve` has its Prefect server in {home}; set PREFECT_API_URL "
            "to the address that it has printed, so that both use one server"
        ) from error


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end and process.poll() is None:
        if _answers(url):
            return
        time.sleep(0.1)
    found = "ended" if process.poll() is not None else f"gave no answer for {_PATIENCE_S:.0f} s"
    raise ServerError(
        f"the local Prefect server {found}; its last words are above, try again, "
        "or run `prefect server start` and set PREFECT_API_URL to its address"
    )


def _run(port: str) -> int:
    """The child process: `prefect server start`, which ends with the command."""
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1"]
    server = subprocess.Popen(
        [*command, "--port", port], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    when_parent_ends(server.terminate)
    return server.wait()


if __name__ == "__main__":
    sys.exit(_run(sys.argv[1]))
