"""docs/papers.md: what each paper says beside the code, and the commands of each corpus."""

import argparse
import re
import shlex
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

from examples import papers, sample_scores
from examples.not_ready import NotReady
from examples.papers import PAGE
from examples.places import ROOT, Places
from examples.run_folder import write_json
from examples.stated_rows import STATED, Beside, Judged, Stated, fits
from examples.train import RECIPES, paper_of
from flows.__main__ import app
from flows.commands.arguments import corpora_of
from flows.recipe import load
from manifests.corpora.catalog import CORPORA
from manifests.schemes.assignment import LEAKING
from manifests.schemes.catalog import SCHEMES

TEXT = PAGE.read_text("utf-8")
SECTION = re.compile(
    r"(?:\d(?:\.\d+)*|[A-D](?:\.\d)?|I[IV]*(?:\.[A-D])?|abstract|"
    r"(?:table|equation|equations|figures|algorithm) [A\d]+)\b"
)


@cache
def beside(name: str) -> Beside:
    return Beside(name)


def rows(name: str) -> list[Judged[Any]]:
    return [*beside(name).stated, *beside(name).open]


def test_the_page_is_what_the_command_writes() -> None:
    assert papers.page(TEXT) == TEXT, "run python -m examples.papers"


def test_every_paper_has_its_rows_and_no_other_has() -> None:
    assert sorted(path.stem for path in STATED.glob("*.toml")) == sorted(RECIPES)
    assert all(len(beside(name).stated) >= 20 for name in RECIPES)


@pytest.mark.parametrize("name", RECIPES)
def test_what_differs_or_is_open_is_in_the_recipes_open_points_and_these_name_no_more(
    name: str,
) -> None:
    found = beside(name)
    assert found.unnamed == []
    assert {one.verdict for one in found.stated} == {"S", "D"}
    assert all((one.number is not None) == (one.verdict == "D") for one in found.stated)
    assert all(one.number is not None for one in found.open)


@pytest.mark.parametrize("name", RECIPES)
def test_every_row_cites_its_section(name: str) -> None:
    assert [one.row.stage for one in rows(name) if not SECTION.match(one.row.section)] == []


@pytest.mark.parametrize("name", RECIPES)
def test_every_row_says_what_is_here(name: str) -> None:
    silent = [one for one in rows(name) if one.place.value is None and not one.row.does]
    assert [one.row.stage for one in silent] == []


def line_of(one: Judged[Any]) -> str:
    return (ROOT / one.place.file).read_text("utf-8").splitlines()[one.place.line - 1]


def names_of(where: str) -> list[str]:
    """Of which one stands in the line that the place is in."""
    kind, _, rest = where.partition(":")
    of_kind = {
        "model": re.findall(r"[a-z_]+", rest.rpartition(":")[2]),
        "width": [rest],
        "trial": ["def trials"],
        "scheme": [rest.removesuffix(LEAKING)],
        "labels": [rest],
    }
    return of_kind.get(kind, [re.split(r"[.:]", rest)[-1]])


@pytest.mark.parametrize("name", RECIPES)
def test_the_line_that_is_given_is_that_of_the_value(name: str) -> None:
    elsewhere = [
        (one.row.where, line_of(one))
        for one in rows(name)
        if not any(part in line_of(one) for part in names_of(one.row.where))
    ]
    assert elsewhere == []


def test_values_are_compared_as_numbers_words_lists_and_ranges() -> None:
    assert fits(0.1, 0.1)
    assert fits(30.0, 30)
    assert fits([5, 5], [5, 5])
    assert fits({"least": 50, "most": 100}, 100)
    assert fits("haar", "haar")
    assert not fits(0.1, 0.11)
    assert not fits([5, 5], [5])
    assert not fits([5, 5], 5)
    assert not fits({"least": 9, "most": 10}, 5)
    assert not fits("haar", None)
    assert not fits(10.0, None)


RATE = Stated("rate", "16 kHz", "2.4", "recipe:features.audio.rate_hz", 16000)


def judged(**changes: Any) -> Judged[Stated]:
    """The row of the sampling rate of Donatus et al., changed."""
    return beside("donatus2026").judge(Stated(**{**asdict(RATE), **changes}))


def test_a_value_that_came_to_differ_wants_a_reason() -> None:
    assert judged().verdict == "S"
    with pytest.raises(
        NotReady, match=r"says 22050, the code has 16000 at flows.*\d; say why in open_points"
    ):
        judged(value=22050)


def test_a_reason_for_what_is_the_same_now_is_refused() -> None:
    with pytest.raises(NotReady, match="take the row's point away"):
        judged(point="2.4 gives no number of MFCC")


def test_a_reason_that_the_recipe_does_not_give_is_refused() -> None:
    assert judged(value=22050, point="2.4 gives no number of MFCC").number == 1
    with pytest.raises(NotReady, match="0 open points of the recipe begin with 'Nothing'"):
        judged(value=22050, point="Nothing")
    with pytest.raises(NotReady, match=r"open points of the recipe begin with '2\.4'"):
        judged(value=22050, point="2.4")


@pytest.mark.parametrize(
    "where",
    [
        "recipe:features.audio.speed",
        "width:nothing",
        "settings:nothing",
        "model:attention fusion:streams.smell",
        "model:nothing:streams",
        "trial:attention fusion:speed",
        "trial:nothing:variants",
        "code:examples.donatus2026:nothing",
        "code:examples.nothing:nothing",
        "labels:nothing",
        "scheme:nothing",
        "elsewhere:nothing",
    ],
)
def test_a_place_that_is_gone_is_one_sentence(where: str) -> None:
    with pytest.raises(NotReady, match=f"^{re.escape(where)} is nowhere in the code of donatus"):
        Places(paper_of("donatus2026")).find(where)


def test_a_default_is_found_in_the_extractor_that_has_it() -> None:
    place = Places(paper_of("donatus2026")).find("recipe:features.crops.margin")
    assert (place.file, place.value) == ("extractors/crops.py", 0.25)


def test_a_page_without_one_of_its_parts_is_refused() -> None:
    with pytest.raises(NotReady, match="expected each of sample scores, verdicts, donatus2026"):
        papers.page(TEXT.replace("<!-- begin: tucker2025 -->", ""))


def made_run(root: Path, recipe: str) -> None:
    """What a run leaves of its scores."""
    spread = {name: {"mean": 0.5, "deviation": 0.1} for name in ("accuracy", "macro_f1", "chance")}
    model = {"runs": [], "over_runs": spread, "pooled": {}}
    facts = {"recipe": recipe, "device": "cpu", "versions": {"torch": "2"}}
    write_json(root / "run.json", facts)
    write_json(root / "metrics.json", {"own": {"a": model}, "subject_kfold": {"b": model}})


def test_scores_of_runs_are_kept_and_those_of_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_scores, "KEPT", tmp_path / "kept.json")
    made_run(tmp_path / "runs" / "tcs2026" / "run", "tcs2026")
    assert sample_scores.keep(tmp_path / "runs") == ["tcs2026"]
    made_run(tmp_path / "more" / "donatus2026" / "run", "donatus2026")
    assert sample_scores.keep(tmp_path / "more") == ["donatus2026"]
    assert sample_scores.table().splitlines()[2:] == [
        "| `donatus2026` | a | 0.50 | - | 0.50 | - |",
        "|  | b | - | 0.50 | 0.50 | - |",
        "| `tcs2026` | a | 0.50 | - | 0.50 | - |",
        "|  | b | - | 0.50 | 0.50 | - |",
    ]


def test_a_folder_without_runs_or_with_anothers_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_scores, "KEPT", tmp_path / "kept.json")
    with pytest.raises(NotReady, match=r"no finished run of a paper; .* makes one, for NAME any"):
        sample_scores.keep(tmp_path)
    made_run(tmp_path / "tcs2026" / "run", "kirar2024")
    with pytest.raises(NotReady, match="is a run of kirar2024, expected one of tcs2026"):
        sample_scores.keep(tmp_path)
    assert not (tmp_path / "kept.json").exists()


def test_the_page_has_the_scores_of_every_paper() -> None:
    assert list(sample_scores.read()) == list(RECIPES)


def commands(section: str) -> list[list[str]]:
    """The commands below a heading, in their order."""
    text = TEXT.partition(f"\n### {section}\n")[2]
    text = re.split(r"\n##+ ", text)[0].replace("\\\n", " ")
    blocks = re.findall(r"```\n(.*?)```", text, re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines()]


class Parsed(Exception):
    """What a module of the examples was told; it has not begun."""

    def __init__(self, given: argparse.Namespace) -> None:
        super().__init__()
        self.given = given


@pytest.fixture
def only_parsing(monkeypatch: pytest.MonkeyPatch) -> None:
    parse = argparse.ArgumentParser.parse_args

    def stop(self: argparse.ArgumentParser, arguments: Any = None) -> None:
        raise Parsed(parse(self, arguments))

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop)


def parsed(words: list[str]) -> tuple[str, dict[str, Any]]:
    """A command of the page: its name and what it is told."""
    if words[0] == "affectstore":
        group: Any = typer.main.get_command(app)
        context = group.make_context("affectstore", list(words[1:]))
        name, command, rest = group.resolve_command(context, words[1:])
        return name, command.make_context(name, rest, parent=context).params
    assert words[:2] == ["python", "-m"]
    with pytest.raises(Parsed) as found:
        import_module(words[2]).main(words[3:])
    return words[2], vars(found.value.given)


HEADINGS = {"RAVDESS": "ravdess", "CREMA-D": "cremad", "IEMOCAP": "iemocap", "MELD": "meld"}


class CorpusCommands:
    """The commands of one corpus, each held against those before it."""

    def __init__(self, corpus: str) -> None:
        self.corpus = corpus
        self.recipe_of: dict[str, str] = {}
        self.split: set[tuple[str, str]] = set()
        self.fitted: set[tuple[str, str]] = set()
        self.audited: set[str] = set()
        self.runs: dict[str, str] = {}
        self.trained: set[tuple[str, str]] = set()
        self.timed: set[str] = set()
        self.played: set[tuple[str, str]] = set()
        self.tabled: set[str] = set()

    def take(self, name: str, given: dict[str, Any]) -> None:
        getattr(self, f"_{name.rpartition('.')[2]}")(given)

    def _check(self, given: dict[str, Any]) -> None:
        assert str(given["folder"]).startswith("/data/")

    def _build(self, given: dict[str, Any]) -> None:
        assert list(corpora_of(given["corpus"])) == [self.corpus]
        assert self.corpus in CORPORA
        recipe = load(given["recipe"], tuple(given["set_"] or ()))
        labels = {one.label_scheme for one in recipe.fitted.values()} - {None}
        own = [space for space in paper_of(recipe.name).labels if self._has(space)]
        assert labels <= set(own[:1])
        self.recipe_of[given["store"]] = recipe.name

    def _has(self, labels: str) -> bool:
        spaces = {space.name for space in CORPORA[self.corpus].label_spaces}
        return labels in {*CORPORA[self.corpus].label_schemes, *spaces, "kirar3"}

    def _split(self, given: dict[str, Any]) -> None:
        scheme = SCHEMES[given["scheme"]]
        assert scheme.corpus in (None, "", self.corpus)
        assert given["folds"] is None or "folds" in scheme.options
        assert given["store"] in self.recipe_of
        self.split.add((given["store"], scheme.name))

    def _audit(self, given: dict[str, Any]) -> None:
        (store,) = given["sources"]
        assert given["scheme"] is None or (store, given["scheme"]) in self.split
        self.audited.add(store)

    def _fit(self, given: dict[str, Any]) -> None:
        assert (given["store"], given["scheme"]) in self.split
        self.fitted.add((given["store"], given["scheme"]))

    def _train(self, given: dict[str, Any]) -> None:
        store, paper = str(given["store"]), paper_of(given["recipe"])
        assert paper.recipe == self.recipe_of[store]
        schemes = given["scheme"] or [paper.own[0], "subject_kfold"]
        assert {(store, scheme) for scheme in schemes} <= self.fitted
        self.runs[str(given["out"])] = given["recipe"]
        self.trained |= {(str(given["out"]), scheme) for scheme in schemes}

    def _timing(self, given: dict[str, Any]) -> None:
        assert (
            self.runs[str(given["run"])] == given["recipe"] == self.recipe_of[str(given["store"])]
        )
        self.timed.add(str(given["run"]))

    def _stream(self, given: dict[str, Any]) -> None:
        assert self.recipe_of[str(given["store"])] == "tcs2026"
        assert (str(given["run"]), given["scheme"]) in self.trained
        self.played.add((str(given["run"]), given["scheme"]))

    def _tables(self, given: dict[str, Any]) -> None:
        run, recipe = str(given["run"]), given["recipe"]
        assert self.runs[run] == recipe
        assert run in self.timed, "the tables have its times"
        live = {one for one in self.trained if one[0] == run} if recipe == "tcs2026" else set()
        assert live <= self.played, "a figure has a clip that was decided live under each scheme"
        self.tabled.add(str(given["run"]))


@pytest.mark.usefixtures("only_parsing")
@pytest.mark.parametrize("heading", HEADINGS)
def test_the_commands_of_a_corpus_go_from_the_download_to_the_tables(heading: str) -> None:
    sequence = CorpusCommands(HEADINGS[heading])
    for words in commands(heading):
        sequence.take(*parsed(words))
    assert sequence.runs
    assert sequence.tabled == set(sequence.runs)
    assert sequence.fitted == sequence.split
    assert sequence.audited == set(sequence.recipe_of)


def test_every_paper_is_in_the_sequence_of_a_corpus() -> None:
    def recipes() -> Iterator[str]:
        for heading in HEADINGS:
            for words in commands(heading):
                if "examples.train" in words:
                    yield words[3]

    assert set(recipes()) == set(RECIPES)
