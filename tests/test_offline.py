"""Faces and speech stay on the machine, and a command by hand is one process and its workers: the
whole demo runs with every socket refused, loopback too, and none is tried."""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.commands import Command, Python, options
from tests.support.lanes import STARTED_BY_LIBRARIES
from tests.support.watched import refused, watched

NOT_RECORDED = (
    "no Prefect server is configured, so this run is not recorded "
    "(set PREFECT_API_URL to record runs)"
)
FITTED = """
[features.audio]
extractor = "audio"
[features.mfcc]
extractor = "mfcc"
[fitted.z]
fitter = "zscore"
input = "mfcc"
"""


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("import urllib.request as r; r.urlopen('http://affectstore.invalid/')", ".*invalid"),
        ("import socket; socket.create_connection(('127.0.0.1', 9))", ".*127.0.0.1"),
        ("import socket; socket.socket().bind(('127.0.0.1', 0))", "socket.bind 127.0.0.1"),
        ("import socket; socket.socket(socket.AF_INET6).connect(('::1', 9))", ".*::1"),
        ("import json.tool, prefect", "import prefect"),
        ("import subprocess; subprocess.run(['true'])", "subprocess.Popen true"),
        ("import os; os.fork()", "os.fork "),
        (
            "import multiprocessing\n"
            "if __name__ == '__main__':\n"
            "    multiprocessing.get_context('spawn').Pool(1).apply(__import__, ['prefect'])",
            "import prefect",
        ),
    ],
)
def test_what_a_watched_process_may_not_do_is_refused_and_written_down(
    code: str, line: str, python: Python, tmp_path: Path
) -> None:
    environment = watched(tmp_path / "watched", imports=["prefect"], processes=False)
    done = python("-c", code, environment=environment, check=False)
    assert done.returncode == 1
    assert "refused by the test" in done.stderr
    assert re.fullmatch(line, refused(tmp_path / "watched")[0])


def test_the_whole_demo_opens_no_socket_and_starts_nothing_but_workers(
    command: Command, tmp_path: Path
) -> None:
    strace, log = shutil.which("strace"), tmp_path / "strace.log"
    if strace is None and os.environ.get("AFFECTSTORE_CI"):
        pytest.fail("strace is not installed, without which native code is not watched")
    # What native libraries do raises no event of Python.
    calls = "trace=socket,connect,bind,sendto,sendmsg,execve"
    under = (strace, "-f", "-qq", "--seccomp-bpf", "-o", str(log), "-e", calls) if strace else ()
    environment = watched(tmp_path / "watched", imports=["prefect", "dask"], processes=False)
    home = {"HOME": str(tmp_path / "home")}
    arguments = ["demo", "--out", tmp_path / "demo"]
    done = command(*arguments, environment=environment | home, under=under, timeout_s=540)
    assert done.returncode == 0, done.stderr
    assert refused(tmp_path / "watched") == []
    if strace:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        assert [line for line in lines if "AF_INET" in line] == []
        found = [re.search(r'execve\("([^"]+)"', line) for line in lines]
        programs = {Path(one[1]).name for one in found if one} - {*STARTED_BY_LIBRARIES}
        assert {re.sub(r"[\d.]+$", "", program) for program in programs} == {"python"}
    assert done.stderr.splitlines().count(NOT_RECORDED) == 1
    printed = (
        "51 synthetic clips",
        "(time, 120)",
        "untrained",
        "no_face",
        "never had sound",
        "truncated",
        "fold 2",
        "0 errors",
        "a batch of 4",
    )
    assert [expected for expected in printed if expected not in done.stdout] == []
    report = tmp_path / "demo" / "store-report" / "report.html"
    assert f" {report}\n" in done.stdout
    assert done.stdout.splitlines()[-1] == f"  {sys.executable} -m flows build --help"
    assert report.stat().st_size > 100_000


def test_a_build_a_split_a_fit_and_an_audit_by_hand_say_in_a_line_how_to_record_runs(
    command: Command, sample: Path, tmp_path: Path
) -> None:
    (tmp_path / "fitted.toml").write_text(FITTED, encoding="utf-8")
    environment = watched(tmp_path / "watched", imports=["prefect", "dask"], processes=False)
    store, recipe = tmp_path / "store", tmp_path / "fitted.toml"
    build = ["build", store, "--corpus", f"sample={sample}", "--recipe", recipe]
    for arguments, words in (
        ([*build, *options("max_bad_fraction=0.2")], "snapshot 1 published"),
        (["split", store, "subject_kfold", "--folds", 3], "fold 2"),
        (["fit", store, "subject_kfold", "--workers", 1], "3 new states"),
        (["audit", store], "0 errors"),
    ):
        done = command(*arguments, environment=environment)
        assert done.returncode == 0, done.stderr
        assert words in done.stdout
        assert done.stderr.splitlines().count(NOT_RECORDED) == 1
    assert refused(tmp_path / "watched") == []
