"""`make demo` from nothing: whoever waits for the installation sees that it goes on."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.commands import ROOT

_PIP = """#!/bin/sh
echo "Collecting all that is needed"
sleep {seconds}
echo "  no package of this name" >&2
exit {code}
"""
_PYTHON = """#!/bin/sh
mkdir -p .venv/bin
cp pip.sh .venv/bin/python
"""


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize(("seconds", "code"), [(7, 0), (0, 3)])
def test_an_installation_says_that_it_goes_on_and_why_it_ended(
    tmp_path: Path, seconds: int, code: int
) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    for name, text in (("pip.sh", _PIP.format(seconds=seconds, code=code)), ("py.sh", _PYTHON)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        ["make", "PYTHON=./py.sh", ".venv/build.stamp"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode == 0) == (code == 0), done.stdout + done.stderr
    told = re.findall(r"^  (\d+) s, \d+ MB: Collecting all", done.stdout, re.MULTILINE)
    assert len(told) == (seconds > 5)
    assert all(5 <= int(second) <= 9 for second in told)
    assert ("no package of this name" in done.stderr) == (code != 0)
    assert (tmp_path / ".venv" / "build.stamp").exists() == (code == 0)
