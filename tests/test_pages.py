"""Pages of docs/ that are made of the code's own lists, and the schemas of what programs read."""

import json
import shutil
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from examples import pages
from examples.not_ready import NotReady
from examples.schemas import SCHEMAS
from flows.__main__ import app
from flows.splitting.run import run_split
from manifests.audit import COLUMNS
from stores.pointer import FORMAT_VERSION
from tests.support.commands import ROOT
from tests.support.fitted_made import fit, make

MADE = pages.pages()
DOCS = ROOT / "docs"


def checked(file: str) -> jsonschema.Draft202012Validator:
    """What checks a document by the file that readers are given."""
    schema = json.loads((DOCS / "schemas" / file).read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def printed(*arguments: object) -> Any:
    """What a command prints as JSON."""
    done = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert done.exit_code in {0, 1, 3}, done.output
    return json.loads(done.stdout)


# Pages


@pytest.mark.parametrize("path", MADE, ids=lambda path: path.name)
def test_a_page_is_what_the_command_writes(path: Path) -> None:
    assert path.read_text("utf-8") == MADE[path], "run python -m examples.pages"


def test_a_page_without_one_of_its_parts_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pages, "DOCS", Path(shutil.copytree(DOCS, tmp_path / "docs")))
    text = (tmp_path / "docs" / "columns.md").read_text("utf-8")
    (tmp_path / "docs" / "columns.md").write_text(text.replace("<!-- begin: sides -->", ""))
    with pytest.raises(NotReady, match="has the parts columns, flags, expected each of columns"):
        pages.pages()


def test_every_column_that_is_accepted_is_said_in_words() -> None:
    assert pages._MEANS.keys() == COLUMNS.keys()


def test_no_schema_lies_there_that_nothing_makes() -> None:
    assert {path.name for path in (DOCS / "schemas").iterdir()} == set(SCHEMAS)


# Schemas


def test_an_audit_of_a_table_is_as_its_schema_says(tmp_path: Path) -> None:
    table = tmp_path / "split.csv"
    table.write_text("clip,speaker,split\na1,anna,train\na2,anna,test\nb1,,test\n")
    document = printed("audit", table)
    assert document["verdict"] == "LEAKS"
    checked("audit.schema.json").validate(document)


@pytest.mark.parametrize("change", [{"verdict": "FINE"}, {"folds": -1}, {"more": 1}])
def test_another_document_is_not_as_the_schema_of_the_audit_says(
    change: dict[str, object], tmp_path: Path
) -> None:
    table = tmp_path / "split.csv"
    table.write_text("clip,speaker,split\na1,anna,train\na2,anna,test\n")
    with pytest.raises(jsonschema.ValidationError):
        checked("audit.schema.json").validate({**printed("audit", table), **change})


def test_an_audit_of_a_paper_is_as_its_schema_says() -> None:
    document = printed("audit", "tcs2026")
    assert document["verdict"] == "IMPOSSIBLE"
    checked("audit.schema.json").validate(document)


def test_an_audit_of_a_store_and_its_probe_are_as_the_schema_says(store: Path) -> None:
    run_split(store, "subject_kfold", 3)
    document = printed("audit", store, "--probe", "--feature", "mfcc")
    assert document["probe"]["features"] == ["mfcc"]
    checked("audit.schema.json").validate(document)


def test_the_files_of_a_store_are_as_their_schemas_say(store: Path) -> None:
    run_split(store, "subject_kfold", 3)
    pointer = json.loads((store / "dataset.json").read_text("utf-8"))
    assert (pointer["format_version"], pointer["snapshot"]) == (FORMAT_VERSION, 2)
    checked("dataset.schema.json").validate(pointer)
    snapshots = sorted((store / "snapshots").iterdir())
    assert len(snapshots) == 2
    for path in snapshots:
        checked("snapshot.schema.json").validate(json.loads(path.read_text("utf-8")))


def test_another_snapshot_is_not_as_the_schema_says(built: Path) -> None:
    snapshot = json.loads((built / "snapshots" / "000001.json").read_text("utf-8"))
    del snapshot["tables"]["clips"]["rows"]
    with pytest.raises(jsonschema.ValidationError, match="'rows' is a required property"):
        checked("snapshot.schema.json").validate(snapshot)


def test_a_snapshot_with_fitted_features_is_as_the_schema_says(tmp_path: Path) -> None:
    make(tmp_path)
    fit(tmp_path)
    snapshot = json.loads(max((tmp_path / "snapshots").iterdir()).read_text("utf-8"))
    assert snapshot["fitted"]
    checked("snapshot.schema.json").validate(snapshot)


# How to cite


def test_the_citation_has_what_its_format_asks_for_and_the_version_of_the_code() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= cited.keys()
    assert cited["cff-version"] == "1.2.0"
    assert (cited["title"], cited["version"]) == (project["name"], project["version"])
    assert cited["license"] == project["license"]
