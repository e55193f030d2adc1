"""The set of versions that the set-up installs can be had on any machine."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONSTRAINTS = ROOT / "constraints.txt"
PLAIN = re.compile(r"[A-Za-z0-9._-]+==[0-9]+(\.[0-9]+)*((a|b|rc)[0-9]+)?(\.post[0-9]+)?")


def pins() -> list[str]:
    lines = (line.strip() for line in CONSTRAINTS.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def test_every_pin_is_a_plain_version() -> None:
    """No local version (+cpu), no URL, no path, no option: an index has no such thing."""
    assert [pin for pin in pins() if not PLAIN.fullmatch(pin)] == []


@pytest.mark.parametrize(
    "pin", ["torch==2.13.0+cpu", "torch @ https://x/y.whl", "./torch.whl", "--find-links /x"]
)
def test_a_pin_of_another_form_is_found(pin: str) -> None:
    assert not PLAIN.fullmatch(pin)


def test_no_package_is_pinned_twice() -> None:
    names = [re.sub(r"[-_.]+", "-", pin.partition("==")[0]).lower() for pin in pins()]
    assert sorted(set(names)) == sorted(names)


def environment_of_the_default_index() -> dict[str, str]:
    """The process's own (proxies, certificates) without what names an index or find-links."""
    settings = ("UV_", "PIP_")
    return {key: value for key, value in os.environ.items() if not key.startswith(settings)}


@pytest.mark.network
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_the_default_index_has_the_whole_set(python: str) -> None:
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-config"]
    command += ["--python-version", python, "--python-platform", "x86_64-unknown-linux-gnu"]
    command += ["--extra", "build", "--extra", "dev", "--constraint", str(CONSTRAINTS)]
    done = subprocess.run(
        [*command, "--no-header", "--no-annotate", str(ROOT / "pyproject.toml")],
        capture_output=True,
        text=True,
        check=False,
        env=environment_of_the_default_index(),
    )
    assert done.returncode == 0, done.stderr
    resolved = {line for line in done.stdout.splitlines() if line.startswith("torch==")}
    assert resolved == {pin for pin in pins() if pin.startswith("torch==")}
