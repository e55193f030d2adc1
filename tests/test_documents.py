"""What the documents name is there."""

import re
from pathlib import Path

import pytest

import affectstore
from stores.shard_layout import TEXTS, shard_arrays
from tests.support.commands import ROOT
from tests.support.stores_made import CROPS, SPEC

DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
IN_CODE = re.compile(r"`([^`\n]+)`")
ROOMS = ("manifests", "extractors", "stores", "flows", "tests", "benchmarks", "examples", "docs")
PLACEHOLDER = re.compile(r"NAME|\*")


def of_the_project(name: str) -> bool:
    return name.partition("/")[0] in ROOMS and "/" in name


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_that_a_document_names_are_there(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    named = [name for name in IN_CODE.findall(text) if of_the_project(name)]
    plain = [name for name in named if not PLACEHOLDER.search(name) and " " not in name]
    # A line of a file is `FILE:12`.
    files = [re.sub(r":\d+$", "", name) for name in plain]
    assert [file for file in files if not (ROOT / file).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_of_a_document_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)\)", document.read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_modules_that_a_document_runs_are_there(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    modules = re.findall(r"python -m ((?:benchmarks|examples|tests)[.\w]*)", text)
    files = [ROOT / module.replace(".", "/") for module in modules]
    assert [f for f in files if not (f.with_suffix(".py").exists() or f.is_dir())] == []


def test_the_design_names_every_room_and_every_dataset_of_a_shard() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = [
        f"{folder.name}/"
        for room in ("manifests", "extractors", "flows")
        for folder in sorted((ROOT / room).iterdir())
        if (folder / "__init__.py").exists()
    ]
    assert [room for room in rooms if room not in text] == []
    widths = dict.fromkeys(TEXTS, 1)
    datasets = {name for spec in (SPEC, CROPS) for name in shard_arrays(spec, 1, 1, 0, 1, widths)}
    assert [name for name in sorted(datasets) if f"`{name}`" not in text] == []


def test_the_reference_has_every_public_name() -> None:
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^::: affectstore\.(\w+)$", text, re.MULTILINE)) == sorted(
        affectstore.__all__
    )
