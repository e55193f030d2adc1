"""What the how-tos of docs/ show is run: each block of code, and the files that it names."""

import importlib.util
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import typer

from extractors.catalog import EXTRACTORS
from extractors.plan import Media, measure
from flows.__main__ import app
from flows.recipe import load
from flows.splitting.run import run_split
from manifests.corpora.catalog import CORPORA
from manifests.quarantine import Reason
from tests.support.commands import ROOT
from tests.support.media_made import Writer, a_clip

DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def block(page: str, first: str) -> str:
    """The block of code of a page that begins with such a line."""
    text = (DOCS / page).read_text(encoding="utf-8")
    (found,) = [code for _, code in BLOCK.findall(text) if code.startswith(f"{first}\n")]
    return str(found)


def module(name: str, path: Path, code: str) -> ModuleType:
    """A module of some code, as a file that somebody has written."""
    path.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made
    spec.loader.exec_module(made)
    return made


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    code = block("own_corpus.md", "# manifests/corpora/mylab.py")
    made = module("mylab", tmp_path / "mylab.py", code).MYLAB
    monkeypatch.setitem(CORPORA, "mylab", made)
    yield made
    del sys.modules["mylab"]


def test_a_corpus_of_ones_own_is_the_file_that_the_page_shows(corpus: Any, tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in ("anna_happy_03.mp4", "ben_sad_01.mp4", "ben_angry_01.mp4"):
        (folder / name).touch()
    anna, ben, other = corpus.scan(folder)[0], corpus.scan(folder)[1], corpus.scan(folder)[2]
    assert (anna.clip.clip_id, anna.clip.subject_id) == ("mylab/anna_happy_03", "mylab/anna")
    assert [(label.scheme, label.value) for label in anna.labels] == [("mylab3", "happy")]
    assert ben.bad.reason == Reason.UNKNOWN_NAME
    assert other.clip.group_id == "mylab/ben"


def test_a_table_of_labels_is_taken_as_the_page_shows_it(tmp_path: Path) -> None:
    table = block("own_corpus.md", "clip,subject,label,sex")
    (tmp_path / "labels.csv").write_text(table, encoding="utf-8")
    for line in table.splitlines()[1:]:
        path = tmp_path / line.partition(",")[0]
        path.parent.mkdir(exist_ok=True)
        path.touch()
    found = CORPORA["folder"].scan(tmp_path)
    assert [one.clip.subject_id for one in found] == [
        f"folder/{who}" for who in ("anna", "anna", "ben", "carla")
    ]
    assert found[2].clip.sex == "male"


@pytest.fixture
def crossings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    code = block("own_extractor.md", "# extractors/crossings.py")
    made = module("crossings", tmp_path / "crossings.py", code).Crossings
    monkeypatch.setitem(EXTRACTORS, made.name, made)
    yield
    del sys.modules["crossings"]


@pytest.mark.usefixtures("crossings")
def test_a_feature_of_ones_own_is_the_file_and_the_recipe_that_the_page_shows(
    write_media: Writer, tmp_path: Path
) -> None:
    (tmp_path / "mine.toml").write_text(block("own_extractor.md", "# mine.toml"), encoding="utf-8")
    recipe = load(str(tmp_path / "mine.toml"))
    assert recipe.stored == ("crossings",)
    path = write_media("a.wav", frames=0, audio_s=1.0, rate_hz=16000)
    track = measure(recipe.graph, recipe.stored, a_clip(path), path, Media())["crossings"]
    assert (track.values.shape, track.values.dtype) == ((4,), np.float32)
    assert track.seconds.tolist() == [0.0, 0.25, 0.5, 0.75]
    assert (track.values > 0).all()


@pytest.mark.parametrize("first", ["# torch", "# scikit-learn"])
def test_a_trainer_of_ones_own_runs_as_the_page_shows_it(
    first: str,
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    run_split(store, "subject_kfold", 3)
    shutil.move(store, tmp_path / "my-store")
    monkeypatch.chdir(tmp_path)
    # The store of the tests is of the corpus `sample`, that of the page of the corpus `folder`.
    code = block("own_trainer.md", first).replace('labels="folder"', 'labels="ravdess8"')
    exec(compile(code, first, "exec"), {"__name__": "page"})
    said = capsys.readouterr().out
    assert re.fullmatch(r"[01]\.\d\d of the (validation|test) clips are right\n", said)


def commands(path: Path) -> list[str]:
    """The commands of a page that are affectstore's own."""
    blocks = [code for kind, code in BLOCK.findall(path.read_text(encoding="utf-8")) if not kind]
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [
        re.sub(r"\s{2,}#.*", "", line).removeprefix("$ ").removeprefix(".venv/bin/")
        for line in lines
        if re.match(r"(\$ )?(\.venv/bin/)?affectstore ", line)
    ]


PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_command_of_a_page_is_one_that_there_is(path: Path) -> None:
    """Its name, and every option."""
    group: Any = typer.main.get_command(app)
    for line in commands(path):
        if "..." in line:
            continue
        words = shlex.split(line.partition(" | ")[0].partition(" > ")[0])[1:]
        if words in (["--help"], ["--version"]):
            continue
        context = group.make_context("affectstore", list(words))
        name, command, rest = group.resolve_command(context, words)
        command.make_context(name, rest, parent=context)


INLINE = re.compile(r"`affectstore ([a-z]+)([^`]*)`")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_option_that_a_sentence_names_is_one_of_its_command(path: Path) -> None:
    group: Any = typer.main.get_command(app)
    for name, rest in INLINE.findall(path.read_text(encoding="utf-8")):
        known = {
            word for one in getattr(group.commands.get(name), "params", ()) for word in one.opts
        }
        assert set(re.findall(r"--[a-z-]+", rest)) <= {*known, "--help"}, (name, rest)
