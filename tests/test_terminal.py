"""What a newcomer meets in the terminal: lists, explanations, help, and tables that fit."""

import re
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import get_args

import pytest

from flows.__main__ import run
from flows.commands.catalogs import Kind, every_catalog
from flows.view.console import Grid, short_id
from manifests.audit import RULES
from manifests.notes import NOTES
from manifests.quarantine import Reason
from manifests.schemes.catalog import SCHEMES
from tests.support import fitted_made
from tests.support.commands import ROOT

Printed = Callable[..., str]
IDS = (
    "folder/2024-03-11_interview_camera-1_take-07",
    "folder/2024-03-11_interview_camera-2_take-07",
)


@pytest.fixture
def printed(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Printed:
    """What a command prints into a pipe, and its exit code."""
    monkeypatch.delenv("COLUMNS", raising=False)

    def call(*arguments: object, code: int = 0) -> str:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            run([str(argument) for argument in arguments])
        out = capfd.readouterr()
        assert (ended.value.code or 0) == code, out
        return out.out if code in (0, 1, 3) else out.err

    return call


# Names


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_kind_is_listed_within_80_columns(kind: str, printed: Printed) -> None:
    lines = printed("list", kind).splitlines()
    assert len(lines) > 5
    assert max(map(len, lines)) <= 80
    assert lines[0].count("┃") >= 1


def test_lists_have_every_name(printed: Printed) -> None:
    assert all(f"\n{number} " in printed("list", "rules") for number in RULES)
    assert all(f"\n{name} " in printed("list", "schemes") for name in SCHEMES)
    corpora = printed("list", "corpora")
    assert "\nravdess " in corpora
    assert "emodb" in corpora.rpartition("by the names")[2]
    assert "did you mean" not in printed("list", "rule", code=2)


@pytest.mark.parametrize("number", RULES)
def test_a_rule_is_explained_with_an_example_and_what_to_do(number: str, printed: Printed) -> None:
    words = " ".join(printed("explain", number.lower()).split())
    rule = RULES[number]
    assert words.startswith(f"{number} {rule.title} (")
    for text in (rule.about, f"For example: {rule.example}", f"What to do: {rule.advice}"):
        assert text in words
        assert text[-1] in '.?!"'
    assert len(words) < 1000


def test_whatever_is_listed_is_explained(printed: Printed) -> None:
    for catalog in every_catalog():
        for row in catalog.rows[:1] + catalog.others[:1]:
            assert row[0] in printed("explain", row[0])
    assert all(reason.about.endswith(".") for reason in Reason)
    assert "No face lasted long enough" in printed("explain", "no_face")
    assert "did you mean no_face?" in printed("explain", "noface", code=2)


def test_every_note_that_is_written_is_explained() -> None:
    modules = [path.read_text("utf-8") for path in (ROOT / "extractors").glob("*.py")]
    written = {
        value
        for text in modules
        for value, said in re.findall(r'^[A-Z_]+ = "(\w+)"\n"""(\w+:)', text, re.MULTILINE)
        if said == "Note:"
    }
    table = (ROOT / "docs" / "media.md").read_text("utf-8").partition("| note |")[2]
    documented = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", table, re.MULTILINE)
    names = {name for cell in documented for name in re.findall(r"\w+", cell)}
    assert len(written) > 10
    assert (written | names) == NOTES.keys()


def test_a_reason_is_its_word_wherever_it_came_from() -> None:
    assert Reason("no_face") is Reason.NO_FACE
    assert (str(Reason.NO_FACE), Reason.NO_FACE == "no_face") == ("no_face", True)


def test_the_version_is_that_of_the_distribution(printed: Printed) -> None:
    assert printed("--version") == f"affectstore {version('affectstore')}\n"


@pytest.mark.parametrize("arguments", [["fit", "--help"], ["--help"]])
def test_help_prints_brackets(arguments: list[str], printed: Printed) -> None:
    assert "[fitted.NAME]" in " ".join(printed(*arguments).split())


def test_no_message_names_a_package_that_no_index_has() -> None:
    rooms = ("manifests", "extractors", "stores", "flows", "examples")
    files = [path for room in rooms for path in (ROOT / room).rglob("*.py")]
    texts = {path: path.read_text("utf-8") for path in files}
    assert [str(path) for path, text in texts.items() if "affectstore[" in text] == []
    asking = [text for text in texts.values() if "pip install" in text and "'.[" in text]
    assert len(asking) == 4
    assert all("clone of" in text for text in asking)


# Tables


def test_a_long_id_is_shortened_in_the_middle_and_ids_stay_apart() -> None:
    assert short_id("ravdess/01-01-03-02-01-01-12") == "ravdess/01-01-03-02-01-01-12"
    assert short_id(IDS[0]) == "folder/2024-03…era-1_take-07"
    assert len({short_id(one) for one in IDS}) == len(IDS)
    assert max(map(len, map(short_id, IDS))) == 28
    assert short_id("a\x1b[2J") == r"a\x1b[2J"


@pytest.mark.parametrize(("columns", "most"), [(None, 80), ("60", 60), ("200", 200)])
def test_a_table_is_as_wide_as_columns_says_also_into_a_pipe(
    columns: str | None,
    most: int,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    rows = Grid("what", "sentence")
    rows.add_row("a", "word " * 60)
    rows.say()
    assert max(map(len, capfd.readouterr().out.rstrip().splitlines())) == most


def table_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if re.search("[│┃╇]", line)]


def test_the_tables_of_a_store_fit_80_columns(
    built: Path, tmp_path: Path, printed: Printed
) -> None:
    fitted = tmp_path / "fitted"
    fitted_made.make(fitted)
    fitted_made.fit(fitted)
    for store in (built, fitted):
        lines = table_lines(printed("show", store))
        assert len(lines) > 10
        assert max(map(len, lines)) <= 80
    assert "zscore of logmel" in printed("show", fitted)


# The audit


def test_an_audit_names_the_scheme_in_every_line_and_folds_what_held(
    store: Path, printed: Printed
) -> None:
    printed("split", store, "subject_kfold", "--folds", 3)
    printed("split", store, "random_80_20_leaking")
    lines = printed("audit", store, code=1).splitlines()
    assert lines[0].startswith("LEAKS: random_80_20_leaking: ")
    assert lines[1].split(": ")[1] == "subject_kfold"
    schemes = ("random_80_20_leaking", "subject_kfold")
    for words in ("held", "not judged"):
        told = [line for line in lines if re.match(rf"{words} +\w+: L", line)]
        assert sorted(line.split(":")[0].split()[-1] for line in told) == sorted(schemes)
    found = [line for line in table_lines("\n".join(lines)) if re.match(r"L\d", line)]
    assert found
    assert all(any(scheme in line for scheme in schemes) for line in found)
    whole = printed("audit", store, "--all", code=1).splitlines()
    held = [line for line in whole if line.startswith("held ")]
    assert len(held) > 10
    assert all(any(f" {scheme}: " in line for scheme in schemes) for line in held)
    alone = printed("audit", store, "--scheme", "subject_kfold").splitlines()
    assert alone[0].startswith("HOLDS: subject_kfold: ")
    assert "--all" in alone[-1]


def test_two_forms_of_a_report_are_refused(store: Path, printed: Printed) -> None:
    assert "give one" in printed("audit", store, "--json", "--markdown", code=2)
