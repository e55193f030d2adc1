"""A survey of published lists: one command, an index, a page that says what the lists share."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.__main__ import app
from flows.auditing.survey import WrongIndex, run_survey
from flows.view.survey import survey_page
from manifests.audit import Answer

_INDEX = """
title = "Lists"
about = "Of a test."

[[lists]]
name = "a list that leaks"
paths = ["leaking.csv"]
source = "https://example.org/lists"
commit = "0123abc"
licence = "MIT"
corpus = "folder"
note = "A note on it."

[[lists]]
name = "one that holds"
paths = ["train.txt", "test.txt"]
corpus = "folder"
subject = "(s[0-9]+)/"

[[lists]]
name = "one of folds"
paths = ["folds.csv"]
corpus = "folder"

[[lists]]
name = "one of nobody"
paths = ["nobody.csv"]
corpus = "folder"

[[lists]]
name = "one that is no list [x](y)"
paths = ["nothing.csv"]
"""


@pytest.fixture
def index(tmp_path: Path) -> Path:
    files = {
        "leaking.csv": "clip,split,speaker\na,train,x\nb,test,x\nc,test,y\n",
        "train.txt": "s1/a.wav\ns2/b.wav\n",
        "test.txt": "s3/c.wav\n",
        "folds.csv": "clip,fold,split,speaker\na,1,train,x\nb,1,test,x\na,2,train,x\n"
        "b,2,test,x\nc,2,test,x\n",
        "nobody.csv": "clip,split\na,train\nb,test\n",
        "index.toml": _INDEX,
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / "index.toml"


def test_each_list_is_audited_with_its_own_options(index: Path) -> None:
    survey = run_survey(index)
    answers = [one.report and one.report.verdict.answer for one in survey.lists]
    assert answers == [Answer.LEAKS, Answer.HOLDS, Answer.LEAKS, Answer.UNJUDGED, None]
    assert survey.lists[-1].refusal.startswith("nothing.csv")


def test_the_page_says_what_the_published_list_shares_and_nothing_of_intent(index: Path) -> None:
    page = survey_page(run_survey(index))
    assert page.startswith("# Lists\n\nOf a test.\n\n")
    assert (
        "| a list that leaks | 1 | LEAKS | 1 of 2 test subjects are also in train (1 of 2 test "
        "clips) |" in page
    )
    assert (
        "**LEAKS.** The published list shares 1 of 2 test subjects with its train side (1 of 2 "
        "test clips)." in page.replace("\n", " ")
    )
    assert "source: [example.org/lists](https://example.org/lists), commit 0123abc" in page
    assert "- A note on it." in page
    assert "**HOLDS.** The published list shares none: no subjects are on two sides" in page
    assert (
        "The published list shares, in fold 1, 1 of 1 test subjects with its train side (1 of 1 "
        "test clips); some are shared in 2 folds." in page.replace("\n", " ")
    )
    assert "**CANNOT BE JUDGED.** The published list cannot be judged in full: no subject" in page
    assert "The published list was not read: nothing.csv" in page
    assert "\\[x\\](y)" in page
    words = {*re.findall("[a-z]+", page.lower())}
    assert not {"misconduct", "fraud", "cheat", "cheated", "wrongly", "fault", "lie"} & words
    assert all(len(line) <= 100 for line in page.split("\n") if not line.startswith("|"))


def test_one_command_writes_the_page(index: Path, tmp_path: Path) -> None:
    out = tmp_path / "pages" / "page.md"
    done = CliRunner().invoke(app, ["survey", str(index), "--out", str(out)])
    assert (done.exit_code, done.stdout) == (0, "")
    printed = CliRunner().invoke(app, ["survey", str(index), "--folder", str(tmp_path)])
    assert printed.stdout == out.read_text(encoding="utf-8") == survey_page(run_survey(index))


WRONG = {
    "no file": (None, "the file cannot be read (No such file or directory)"),
    "no TOML": ("x", "this is no TOML that can be read"),
    "no lists": (
        "title = 'x'",
        "lists: Field required; expected [[lists]] tables with name, paths",
    ),
    "no paths": (
        "[[lists]]\nname = 'x'\npaths = []",
        "lists.0.paths: Tuple should have at least 1",
    ),
    "an unknown key": (
        "[[lists]]\nname = 'x'\npaths = ['y']\nurl = 'z'",
        "lists.0.url: Extra inputs are not permitted",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_index_is_one_sentence(what: str, tmp_path: Path) -> None:
    text, expected = WRONG[what]
    path = tmp_path / "index.toml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(WrongIndex) as caught:
        run_survey(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)
