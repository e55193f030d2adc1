"""Faces and voices stay on the machine: the whole demo runs with every connection but loopback
refused, and none is tried."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Python imports this file at the start of every process, so that it holds for workers and the local
# engine as well.
GUARD = """
import os, socket

_log = os.environ["NETWORK_LOG"]
_local = {"localhost", "127.0.0.1", "::1", "", None, socket.gethostname()}

def _refuse(what, host):
    with open(_log, "a") as log:
        log.write(f"{what} {host}\\n")
    raise OSError(101, f"refused by the test: {what} {host}")

_getaddrinfo, _connect, _connect_ex, _sendto = socket.getaddrinfo, socket.socket.connect, socket.socket.connect_ex, socket.socket.sendto

def _text(host):
    return host.decode() if isinstance(host, bytes) else host

def getaddrinfo(host, *arguments, **options):
    if _text(host) not in _local:
        _refuse("look-up of", host)
    return _getaddrinfo(host, *arguments, **options)

def _guarded(real):
    def call(self, *arguments):
        address = arguments[-1]
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in _local:
            _refuse("connection to", address)
        return real(self, *arguments)
    return call

socket.getaddrinfo = getaddrinfo
socket.socket.connect, socket.socket.connect_ex, socket.socket.sendto = _guarded(_connect), _guarded(_connect_ex), _guarded(_sendto)
"""


@pytest.fixture
def guarded(tmp_path: Path) -> dict[str, str]:
    """An environment whose Python processes reach loopback alone."""
    (tmp_path / "guard").mkdir()
    (tmp_path / "guard" / "sitecustomize.py").write_text(GUARD, encoding="utf-8")
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PREFECT_") and "proxy" not in name.lower()
    }
    return {
        **inherited,
        "PYTHONPATH": str(tmp_path / "guard"),
        "NETWORK_LOG": str(tmp_path / "network.log"),
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "HOME": str(tmp_path / "home"),
    }


def test_the_guard_refuses_and_records(guarded: dict[str, str]) -> None:
    code = "import urllib.request; urllib.request.urlopen('http://affectstore.invalid/')"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], env=guarded, capture_output=True, check=False
        ).returncode
        == 1
    )
    assert "affectstore.invalid" in Path(guarded["NETWORK_LOG"]).read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_whole_demo_runs_without_a_network_and_asks_for_none(
    guarded: dict[str, str], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "flows", "demo", "--out", str(tmp_path / "demo")]
    done = subprocess.run(
        command, env=guarded, cwd=ROOT, capture_output=True, text=True, timeout=540, check=False
    )
    assert done.returncode == 0, done.stderr
    log = Path(guarded["NETWORK_LOG"])
    assert not log.exists(), log.read_text(encoding="utf-8")
    told = (
        "51 synthetic clips",
        "(time, 120)",
        "untrained",
        "no_face",
        "no_audio",
        "truncated",
        "fold 2",
        "0 errors",
        "a batch of 4",
    )
    assert [expected for expected in told if expected not in done.stdout] == []
