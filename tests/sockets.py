"""Processes that may not reach a network: what they try is refused, and written down."""

from pathlib import Path

# Python imports this file at the start of every process, so that it holds for workers and servers
# as well. An audit hook cannot be got round from within Python.
_REFUSE = """
import os, socket, sys

_NAMES = {"", None, "localhost", "127.0.0.1", "::1", socket.gethostname()}
_LOCAL = _NAMES if os.environ["NETWORK_ALLOWED"] == "loopback" else set()
_EVENTS = {"socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"}
_LOOK_UPS = {"socket.getaddrinfo", "socket.gethostbyname", "socket.getnameinfo"}

def _text(host):
    return host.decode() if isinstance(host, bytes) else host

def _watch(event, arguments):
    if event in _LOOK_UPS:
        host = arguments[0]
    elif event in _EVENTS and arguments[0].family in (socket.AF_INET, socket.AF_INET6):
        host = arguments[1][0]
    else:
        return
    if _text(host) not in _LOCAL:
        with open(os.environ["NETWORK_LOG"], "a") as log:
            log.write(f"{event} {host}\\n")
        raise OSError(101, f"refused by the test: {event} {host}")

sys.addaudithook(_watch)
"""


def without_network(folder: Path, loopback: bool) -> dict[str, str]:
    """An environment whose Python processes reach no network, and this machine only on demand.

    What they try beyond that stands in `network_log(folder)`.
    """
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(_REFUSE, encoding="utf-8")
    return {
        "PYTHONPATH": str(folder),
        "NETWORK_ALLOWED": "loopback" if loopback else "nothing",
        "NETWORK_LOG": str(network_log(folder)),
    }


def network_log(folder: Path) -> Path:
    """There where something was tried."""
    return folder / "network.log"
