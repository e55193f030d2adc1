"""What is added by one function, or one file, and one line in a catalog is found everywhere."""

import csv
import importlib
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

import flows.recipe
import flows.shipped
import manifests.label_spaces
import manifests.schemes.catalog
from flows.__main__ import app
from flows.splitting.run import run_split
from manifests.audit import RULES, Listing, audit, match_foreign, read_foreign
from manifests.audit.fold_view import FoldView
from manifests.audit.observations import Judgement, Observation, Rule
from manifests.audit.populations import population
from manifests.audits import Finding, Severity
from manifests.corpora.base import INTENDED, Corpus, Found, Identity, clip_of, file_name, refused
from manifests.corpora.catalog import CORPORA
from manifests.corpora.media_files import list_media
from manifests.corpora.population import Population
from manifests.folds import Role
from manifests.label_maps import DROPPED, map_labels, own_space
from manifests.labels import Label
from manifests.quarantine import Reason
from manifests.schemes.assignment import Assignment, Scheme, SplitRequest
from manifests.schemes.catalog import SCHEMES
from manifests.schemes.listed import listed
from stores import FeatureStore
from tests.support.commands import ROOT

NAMES = [f"toy_{who}_{mood}_{n}" for who in "abc" for mood in ("glad", "blue", "meh") for n in "12"]


@dataclass(frozen=True, eq=False)
class Toy(Corpus):
    """Names such as toy_a_glad_1: who, the mood, and which of two takes."""

    def find(self, root: Path) -> Iterator[Found]:
        for file in list_media(root, self.name):
            identity = self.identify(file.name)
            if identity is None:
                yield refused(self.name, file, Reason.UNKNOWN_NAME, "the name is another")
            else:
                label = Label(identity.clip_id, "toy3", INTENDED, str(identity.label))
                yield Found(clip_of(identity, self.name, file.path), (label,))

    def identify(self, name: str) -> Identity | None:
        stem = file_name(name).partition(".")[0]
        match = re.fullmatch("toy_([abc])_(glad|blue|meh)_[12]", stem)
        if match is None:
            return None
        subject = f"toy/{match[1]}"
        return Identity(f"toy/{stem}", subject, subject, f"toy/{stem}", label=match[2])


TOY = Toy(
    name="toy",
    licence="Made for this test.",
    label_schemes=("toy3",),
    shared_words={"glad": "happy", "blue": "sad", "meh": DROPPED},
    label_spaces=(own_space("toy2", "toy3", "glad blue", "meh"),),
    population=Population("toy", {"glad": 6, "blue": 6, "meh": 6}, None, aliases={"sad": "blue"}),
    severities={"L1": Severity.INFO},
    schemes=(
        Scheme(
            "toy_3fold",
            listed("a", "b", "c"),
            "One subject tested in each fold.",
            corpus="toy",
            published=True,
        ),
    ),
)


def table(path: Path, rows: list[tuple[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("clip", "split"), *rows])
    return path


def listing(path: Path, rows: list[tuple[str, str]]) -> Listing:
    return match_foreign([read_foreign(table(path, rows))], CORPORA)


def of_rule(findings: list[Finding], rule: str) -> list[Finding]:
    return [one for one in findings if one.rule == rule]


def anew(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> ModuleType:
    """A module that collects from the catalog of corpora, collecting once more."""
    parent, _, name = module.__name__.rpartition(".")
    monkeypatch.setattr(sys.modules[parent], name, module)
    monkeypatch.delitem(sys.modules, module.__name__)
    return importlib.import_module(module.__name__)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Found]:
    """The toy corpus in the catalog, and what a scan of its files finds."""
    monkeypatch.setitem(CORPORA, "toy", TOY)
    for name in [*NAMES, "other"]:
        (tmp_path / f"{name}.wav").touch()
    return CORPORA["toy"].scan(tmp_path)


def test_a_corpus_of_one_file_and_one_line_is_scanned(toy: list[Found]) -> None:
    clips = sorted(f"toy/{name}" for name in NAMES)
    assert [one.clip.clip_id for one in toy] == sorted([*clips, "toy/other.wav"])
    assert [one.bad is None for one in toy] == [one.clip.clip_id in clips for one in toy]


def test_its_labels_are_mapped_by_its_own_space_and_by_those_that_corpora_share(
    toy: list[Found], monkeypatch: pytest.MonkeyPatch
) -> None:
    spaces = anew(monkeypatch, manifests.label_spaces).SPACES
    labels = [label for one in toy for label in one.labels]
    assert {label.value for label in map_labels(labels, spaces["toy2"])} == {"glad", "blue"}
    assert {label.value for label in map_labels(labels, spaces["common4"])} == {"happy", "sad"}
    assert manifests.label_spaces.SPACES.keys() | {"toy2"} == spaces.keys()


def test_its_published_split_is_among_the_schemes(
    toy: list[Found], monkeypatch: pytest.MonkeyPatch
) -> None:
    schemes = anew(monkeypatch, manifests.schemes.catalog).SCHEMES
    rows = schemes["toy_3fold"]([one.clip for one in toy if not one.bad], [])
    tested = {row.fold: set[str]() for row in rows}
    for row in rows:
        tested[row.fold] |= {row.group_id} if row.role == Role.TEST else set()
    assert tested == {0: {"toy/a"}, 1: {"toy/b"}, 2: {"toy/c"}}


def test_its_names_its_counts_and_its_severities_are_the_audits(
    toy: list[Found], tmp_path: Path
) -> None:
    rows = [(name, "test" if name.endswith("1") else "train") for name in NAMES]
    findings = audit(listing(tmp_path / "split.csv", rows))
    assert [one.severity for one in of_rule(findings, "L15")] == [Severity.HELD]
    (shared,) = of_rule(findings, "L1")
    assert (shared.severity, shared.count) == (Severity.INFO, 3)
    more = listing(tmp_path / "more.csv", [*rows, *rows[:1]])
    assert [one.detail for one in of_rule(audit(more), "L15")] == [
        "7 rows are labelled glad; toy has 6 such files, all renderings taken together: rows are "
        "repeated, or another class is counted as this one",
        "19 rows in this fold; toy has 18 files, all renderings taken together",
    ]
    assert population("toy").files_of("sad") == 6


def test_a_rule_of_one_function_and_one_line_is_judged_in_every_fold(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def odd_test(view: FoldView) -> Iterator[Judgement]:
        size = view.sizes[view.judged]
        yield Observation("clips", size % 2, f"the test has {size} clips, an odd number")

    words = ("A pair has no odd one.", "Three clips are tested.", "Leave one out.")
    monkeypatch.setitem(RULES, "L17", Rule("an odd test", odd_test, Severity.WARN, *words))
    names = [f"01-01-03-01-01-01-{actor:02d}" for actor in range(1, 6)]
    three = listing(tmp_path / "a.csv", [*zip(names, ["train"] * 2 + ["test"] * 3, strict=True)])
    four = listing(tmp_path / "b.csv", [*zip(names, ["train"] + ["test"] * 4, strict=True)])
    (found,), (silent,) = (of_rule(audit(one), "L17") for one in (three, four))
    assert (found.severity, found.detail) == ("warn", "the test has 3 clips, an odd number")
    assert (silent.severity, silent.detail) == ("held", "nothing found (an odd test)")


def test_a_scheme_of_one_function_and_one_line_splits_a_store(
    built: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def last_tested(request: SplitRequest) -> Assignment:
        *others, last = request.members
        return {0: {last: Role.TEST, **dict.fromkeys(others, Role.TRAIN)}}

    about = "The last subject is tested; no validation."
    monkeypatch.setitem(SCHEMES, "last_subject", Scheme("last_subject", last_tested, about))
    store = Path(shutil.copytree(built, tmp_path / "store"))
    snapshot = run_split(store, "last_subject")
    assert snapshot.schemes["last_subject"]["disjoint"] is True
    folds = FeatureStore(store).folds()
    tested = folds.loc[(folds["scheme"] == "last_subject") & (folds["role"] == "test"), "group_id"]
    assert set(tested) == {folds["group_id"].max()}


def test_a_recipe_of_one_file_is_listed_printed_and_resolved_without_an_about(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "flows" / "recipes", tmp_path / "recipes")
    (tmp_path / "recipes" / "sound_alone.toml").write_text(
        '[features.audio]\nextractor = "audio"\n[features.mfcc]\nextractor = "mfcc"\n'
    )
    monkeypatch.setattr(flows.shipped, "files", lambda package: tmp_path)
    listed_all = CliRunner().invoke(app, ["recipes"])
    assert (listed_all.exit_code, "sound_alone" in listed_all.output) == (0, True)
    printed = CliRunner().invoke(app, ["recipes", "sound_alone"])
    assert (printed.exit_code, "n_mfcc = 40" in printed.output) == (0, True)
    assert [*flows.recipe.load("sound_alone").graph.order] == ["audio", "mfcc"]
