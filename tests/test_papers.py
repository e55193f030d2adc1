"""The five papers' recipes: every number as the docs say, every choice told, every variant within
reach."""

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from examples import tcs2026, tucker2025
from examples.plan import Fitting, Paper, Plateau
from examples.prepare import SMALL
from examples.settings import changed
from examples.train import RECIPES, paper_of
from flows.recipe import Recipe, load, shipped
from manifests.schemes.catalog import SCHEMES

ROOT = Path(__file__).parents[1]
DOCS = (ROOT / "docs" / "papers.md").read_text("utf-8")
SECTION = r"(?:\d(?:\.\d+)*|[A-D](?:\.\d)?|I[IV]+(?:\.[A-D])?|Table [A\d]+)"


@cache
def recipe_of(name: str) -> Recipe:
    return load(name)


def section(name: str) -> str:
    """What the docs say of one paper."""
    return DOCS.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def rows(name: str) -> list[list[str]]:
    lines = [line for line in section(name).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def values(name: str) -> list[tuple[str, Any]]:
    """Every `features.x.y = value` of the docs."""
    found = re.findall(r"`((?:features|fitted)\.[\w.]+) = ([^`]+)`", section(name))
    return [(key, tomllib.loads(f"value = {text}")["value"]) for key, text in found]


SAID = [(name, key, value) for name in RECIPES for key, value in values(name)]


@pytest.mark.parametrize(
    ("name", "key", "value"), SAID, ids=[f"{name}-{key}" for name, key, _ in SAID]
)
def test_the_recipe_has_the_value_that_the_docs_give(name: str, key: str, value: Any) -> None:
    at: Any = recipe_of(name).resolved()
    for part in key.split("."):
        at = at[part]
    assert at == value


@pytest.mark.parametrize("name", RECIPES)
def test_each_paper_has_a_recipe_a_trainer_and_a_table(name: str) -> None:
    assert name in shipped()
    assert paper_of(name).recipe == name
    assert len(rows(name)) >= 15
    assert all(len(row) == 4 for row in rows(name))
    assert {re.match(r"ours|stated", row[3]) is not None for row in rows(name)} == {True}


@pytest.mark.parametrize("name", RECIPES)
def test_each_stated_value_cites_its_section(name: str) -> None:
    uncited = [
        row[0]
        for row in rows(name)
        if row[3].startswith("stated")
        and not re.search(rf"\(({SECTION}|equation|table|algorithm)", row[1])
    ]
    assert [stage for stage in uncited if stage not in {"gates", "self-attention"}] == []


@pytest.mark.parametrize("name", RECIPES)
def test_each_open_point_is_a_sentence_that_begins_with_what_it_is_about(name: str) -> None:
    points = recipe_of(name).open_points
    assert len(points) >= 10
    for point in points:
        assert re.match(rf"{SECTION}[ ,:]", point), point
        assert point.endswith("."), point
        assert "\n" not in point


def changes() -> list[tuple[str, tuple[str, ...]]]:
    """Every variant by --set that the docs and the recipes name."""
    found = []
    for name in RECIPES:
        texts = [*recipe_of(name).open_points, *re.findall(r"`([^`]*--set[^`]*)`", section(name))]
        for text in texts:
            options = [option.rstrip(".,;)") for option in re.findall(r"--set (\S+)", text)]
            # One that has no table in its name is the trainer's.
            options = [option for option in options if "." in option.partition("=")[0]]
            options += re.findall(r"\((features\.[\w.]+=\S+?) ", text)
            if options:
                found.append((name, tuple(options)))
    return found


@pytest.mark.parametrize(
    ("name", "options"),
    changes(),
    ids=lambda value: value if isinstance(value, str) else "+".join(value)[:60],
)
def test_each_variant_that_is_named_is_a_recipe_with_other_numbers(
    name: str, options: tuple[str, ...]
) -> None:
    assert load(name, options).resolved() != recipe_of(name).resolved()


def test_there_are_variants_for_what_papers_contradict_themselves_in() -> None:
    assert {name for name, _ in changes()} == set(RECIPES)


@pytest.mark.parametrize("name", RECIPES)
def test_the_small_recipe_needs_no_download(name: str) -> None:
    small = load(name, SMALL[name]).resolved()
    weights = [
        table["weights"]
        for kind in ("features", "fitted")
        for table in small[kind].values()
        if "weights" in table
    ]  # type: ignore[union-attr, index, call-overload]
    assert set(weights) <= {"random"}


def specs(name: str) -> dict[str, tuple[int, ...]]:
    return {feature: spec.shape for feature, spec in recipe_of(name).fitted_graph.specs.items()}


def test_rows_have_the_widths_that_the_papers_state() -> None:
    assert [
        specs("donatus2026")[name] for name in ("audio_embedding", "face_embedding", "crops")
    ] == [(2048,), (2048,), (224, 224, 3)]
    assert [specs("tucker2025")[name] for name in ("logmel128_z", "frame_embedding", "frames")] == [
        (128,),
        (512,),
        (224, 224, 3),
    ]
    assert [specs("tcs2026")[name] for name in ("logmel64_z", "face_embedding", "crops")] == [
        (64,),
        (512,),
        (224, 224, 3),
    ]
    assert [specs("kirar2024")[name] for name in ("picture", "joint", "selected")] == [
        (2048,),
        (2176,),
        (256,),
    ]
    assert specs("satvik2025")["frames64"] == (64, 64, 3)


def test_what_a_trainer_reads_is_in_its_recipe() -> None:
    for name in RECIPES:
        there = set(recipe_of(name).stored) | set(recipe_of(name).fitted)
        assert {
            feature
            for trial in paper_of(name).trials(paper_of(name).settings)
            for feature in trial.features
        } <= there


def rate(fitting: Fitting) -> float:
    import torch

    optimizer = fitting.optimizer(torch.nn.Linear(2, 2))
    return float(optimizer.defaults["lr"])


PUBLISHED = {
    "donatus2026": [(200, 32, 1e-4)] * 8,
    "tucker2025": [(100, 128, 1e-4)] * 2,
    "tcs2026": [(60, 8, 1e-4)] * 4,
    "kirar2024": [(100, 32, 1e-3)] * 6,
    "satvik2025": [(25, 8, 1e-4), (50, 32, 1e-3)],
}


@pytest.mark.parametrize("name", RECIPES)
def test_training_is_that_of_the_paper(name: str) -> None:
    paper = paper_of(name)
    fittings = [trial.fitting for trial in paper.trials(paper.settings)]
    assert [(fitting.epochs, fitting.batch, rate(fitting)) for fitting in fittings] == PUBLISHED[
        name
    ]


def test_the_rates_of_tcs_are_those_of_its_section_3_4() -> None:
    settings = tcs2026.PAPER.settings
    (trial, *_) = tcs2026.trials(settings)
    assert (trial.fitting.plateau, trial.fitting.patience, trial.fitting.clip_norm) == (
        Plateau(0.5, 3, 1e-6),
        5,
        5.0,
    )
    model = tcs2026.GatedFusion(512, 7)
    groups = tcs2026.adam(settings, model).param_groups
    assert [(group["lr"], group["weight_decay"]) for group in groups] == [
        (5e-5, 1e-5),
        (1e-4, 1e-5),
        (1e-4, 0),
    ]
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))


def test_tuckers_sizes_are_those_of_its_appendix() -> None:
    assert tucker2025.TuckerSettings() == tucker2025.TuckerSettings(
        mel_frames=256,
        video_frames=90,
        channels=128,
        steps=60,
        latent=256,
        core=(30, 128, 128),
        fused=512,
    )


def test_settings_that_the_docs_name_are_the_trainers() -> None:
    for name in RECIPES:
        for option in re.findall(r"`--set ([a-z_]+=[^` ]+)` of the trainer", section(name)):
            paper = paper_of(name)
            assert changed(paper.settings, [option]) != paper.settings


@pytest.mark.parametrize("name", RECIPES)
def test_the_papers_own_schemes_are_known_and_leaks_are_named(name: str) -> None:
    paper: Paper = paper_of(name)
    assert set(paper.own) <= SCHEMES.keys()
    leaks = {
        "donatus2026": False,
        "tucker2025": True,
        "tcs2026": False,
        "kirar2024": True,
        "satvik2025": True,
    }
    assert SCHEMES[paper.own[0]].disjoint != leaks[name]
