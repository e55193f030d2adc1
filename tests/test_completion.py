"""What a shell completes, asked of a real bash with the script that the command prints."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.commands.completing import corpus_folders, explained
from tests.support.commands import ROOT

_COMMAND = f"""#!{sys.executable}
import sys
sys.path.insert(0, {str(ROOT)!r})
from flows.__main__ import main
main()
"""
_COMPLETE = """
source <(affectstore --show-completion)
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_affectstore_completion affectstore
printf '%s\\n' "${COMPREPLY[@]}"
"""
Complete = Callable[..., list[str]]


@pytest.fixture
def complete(processes: None, tmp_path: Path) -> Complete:
    """What bash offers behind some words; the last is the one that is being typed."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "affectstore").write_text(_COMMAND)
    (folder / "affectstore").chmod(0o755)

    def offered(*words: str) -> list[str]:
        done = subprocess.run(
            ["bash", "-c", _COMPLETE, "bash", "affectstore", *words],
            env={"PATH": f"{folder}:/usr/bin:/bin", "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.split()

    return offered


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["spl"], ["split"]),
        (["recipes", "de"], ["default", "demo"]),
        (["split", "STORE", "subject"], ["subject_kfold"]),
        (["build", "STORE", "--recipe", "tc"], ["tcs2026"]),
        (["build", "STORE", "--corpus", "rav"], ["ravdess=/", "ravdess=./"]),
        (["audit", "lists.csv", "--corpus", "mel"], ["meld"]),
        (["build", "STORE", "--retry", "cras"], ["crashed"]),
        (["list", "sch"], ["schemes"]),
        (["explain", "L1"], ["L1", *(f"L1{number}" for number in range(8))]),
    ],
    ids=" ".join,
)
def test_bash_offers_the_names_that_begin_so(
    complete: Complete, words: list[str], offered: list[str]
) -> None:
    assert complete(*words) == offered


@pytest.mark.usefixtures("processes")
def test_what_is_completed_needs_no_heavy_library() -> None:
    code = (
        "from flows.commands import completing as c; import sys; "
        "print([*map(len, (c.recipes(''), c.schemes(''), c.corpus_folders('')))]); "
        "print({'torch', 'cv2', 'av', 'librosa', 'pydantic', 'rich'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    lengths, heavy = done.stdout.splitlines()
    assert min(map(int, lengths.strip("[]").split(","))) > 5
    assert heavy == "set()"


def test_behind_the_name_of_a_corpus_its_folder_is_completed(tmp_path: Path) -> None:
    for name in ("clips", "clutter", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "cl.txt").touch()
    found = [f"ravdess={tmp_path}/{name}/" for name in ("clips", "clutter")]
    assert corpus_folders(f"ravdess={tmp_path}/cl") == found
    assert len(corpus_folders(f"ravdess={tmp_path}/")) == 3


def test_rules_and_reasons_can_be_explained() -> None:
    assert explained("no_f") == ["no_face"]
