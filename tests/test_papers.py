"""The five papers' recipes and trainers: every choice told, every variant within reach."""

import re
from functools import cache

import pytest

from examples import tcs2026, tucker2025
from examples.plan import Fitting, Paper, Plateau
from examples.prepare import SMALL
from examples.settings import changed
from examples.train import RECIPES, paper_of
from flows.recipe import Recipe, load
from flows.shipped import recipes as shipped
from manifests.schemes.catalog import SCHEMES

SECTION = r"(?:\d(?:\.\d+)*|[A-D](?:\.\d)?|I[IV]+(?:\.[A-D])?|Table [A\d]+)"


@cache
def recipe_of(name: str) -> Recipe:
    return load(name)


@pytest.mark.parametrize("name", RECIPES)
def test_each_paper_has_a_recipe_and_a_trainer(name: str) -> None:
    assert name in shipped()
    assert paper_of(name).recipe == name


@pytest.mark.parametrize("name", RECIPES)
def test_each_open_point_is_a_sentence_that_begins_with_what_it_is_about(name: str) -> None:
    points = recipe_of(name).open_points
    assert len(points) >= 10
    for point in points:
        assert re.match(rf"{SECTION}[ ,:]", point), point
        assert point.endswith("."), point
        assert "\n" not in point


def options_of(text: str) -> tuple[str, ...]:
    """What a text says to give by --set."""
    return tuple(option.rstrip(".,;)") for option in re.findall(r"--set (\S+)", text))


def is_of_the_trainer(option: str) -> bool:
    """One that has no table in its name."""
    return "." not in option.partition("=")[0]


def changes() -> list[tuple[str, tuple[str, ...]]]:
    """Every variant of a recipe that its open points name."""
    found = []
    for name in RECIPES:
        for text in recipe_of(name).open_points:
            options = [one for one in options_of(text) if not is_of_the_trainer(one)]
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

    # TCS trains a part of that name at another rate.
    parts = {name: torch.nn.Linear(2, 2) for name in ("face", "others")}
    optimizer = fitting.optimizer(torch.nn.ModuleDict(parts))
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


def test_settings_that_open_points_name_are_the_trainers() -> None:
    found = [
        (paper_of(name), option)
        for name in RECIPES
        for text in recipe_of(name).open_points
        for option in options_of(text)
        if is_of_the_trainer(option)
    ]
    assert found
    for paper, option in found:
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
