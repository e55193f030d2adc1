"""What a command tells a newcomer to type runs as it is printed, in the same folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from flows.sample.demo import next_commands
from flows.view.console import called_as
from tests.support.commands import ROOT, Python

_PROGRAM = f"""#!{sys.executable}
import sys
sys.path.insert(0, {str(ROOT)!r})
from flows.__main__ import main
main()
"""


def program(folder: Path) -> Path:
    """The command as pip writes it."""
    folder.mkdir(parents=True)
    path = folder / "affectstore"
    path.write_text(_PROGRAM)
    path.chmod(0o755)
    return path


def test_the_last_lines_of_the_demo_run_as_they_are(
    python: Python, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "a b" / "bin")
    store.rename(tmp_path / "my store")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["a b/bin/affectstore", "demo"])
    lines = next_commands(Path("my store"), Path("my pictures"))
    assert [line for line in lines if not line.startswith("'a b/bin/affectstore' ")] == []
    for line in lines:
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=tmp_path,
            env=python.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, line + done.stderr
    assert len([*tmp_path.rglob("my pictures/**/*.png")]) == 1


@pytest.mark.parametrize(
    ("argument", "called"),
    [
        ("bin/affectstore", "affectstore"),
        ("other/affectstore", "other/affectstore"),
        ("a b/flows/__main__.py", f"{sys.executable} -m flows"),
        ("/usr/bin/pytest", "affectstore"),
    ],
)
def test_the_command_is_called_as_the_shell_finds_it(
    argument: str, called: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("bin", "other"):
        program(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(sys, "argv", [argument])
    assert called_as() == called
