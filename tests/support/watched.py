"""Processes that are watched: what they may not do is refused, and written down."""

from collections.abc import Sequence
from pathlib import Path

from tests.support.lanes import STARTED_BY_LIBRARIES

# Python imports this file at the start of every process, so that it holds for workers and servers
# as well. An audit hook cannot be got round from within Python. Workers that are new interpreters
# raise no event, and those that are forked do so in Python's fork server alone; every other process
# that is started is refused.
_WATCH = f"""
import os, socket, sys

_NAMES = {{"", None, "localhost", "127.0.0.1", "::1", socket.gethostname()}}
_REACHABLE = _NAMES if os.environ["WATCH_NETWORK"] == "loopback" else set()
_IMPORTS = set(os.environ["WATCH_IMPORTS"].split())
_PROGRAMS = {set(STARTED_BY_LIBRARIES)!r}
_SOCKETS = {{"socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"}}
_LOOK_UPS = {{"socket.getaddrinfo", "socket.gethostbyname", "socket.getnameinfo"}}
_PROCESSES = {{"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system"}}

def _refuse(what, error):
    with open(os.environ["WATCH_LOG"], "a") as log:
        log.write(what + "\\n")
    raise error

def _check_host(event, host):
    host = host.decode() if isinstance(host, bytes) else host
    if host not in _REACHABLE:
        _refuse(f"{{event}} {{host}}", OSError(101, f"refused by the test: {{event}} {{host}}"))

def _caller():
    return sys._getframe(2).f_globals.get("__name__")

def _watch(event, arguments):
    if event in _LOOK_UPS:
        _check_host(event, arguments[0])
    elif event in _SOCKETS and arguments[0].family in (socket.AF_INET, socket.AF_INET6):
        _check_host(event, arguments[1][0])
    elif event == "import" and arguments[0] in _IMPORTS:
        _refuse(f"import {{arguments[0]}}", ImportError(f"refused by the test: {{arguments[0]}}"))
    elif event in _PROCESSES and os.environ["WATCH_PROCESSES"]:
        if event == "os.fork" and _caller() == "multiprocessing.forkserver":
            return
        program = str(arguments[0] if arguments else "").rpartition("/")[2]
        if program not in _PROGRAMS:
            _refuse(f"{{event}} {{program}}", PermissionError(1, f"refused by the test: {{event}}"))

sys.addaudithook(_watch)
"""


def watched(
    folder: Path, *, loopback: bool = False, imports: Sequence[str] = (), processes: bool = True
) -> dict[str, str]:
    """An environment whose Python processes reach no network, nor this machine but on demand.

    They may not import `imports`, nor start processes that are no workers unless `processes`. What
    they try stands in `refused(folder)`.
    """
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(_WATCH, encoding="utf-8")
    return {
        "PYTHONPATH": str(folder),
        "WATCH_NETWORK": "loopback" if loopback else "nothing",
        "WATCH_IMPORTS": " ".join(imports),
        "WATCH_PROCESSES": "" if processes else "refused",
        "WATCH_LOG": str(folder / "log"),
    }


def refused(folder: Path) -> list[str]:
    """What was tried and refused, one line each."""
    log = folder / "log"
    return log.read_text(encoding="utf-8").splitlines() if log.exists() else []
