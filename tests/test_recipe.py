"""Recipes are refused whole, in one sentence, or understood to the last key."""

from pathlib import Path

import pytest

from flows.recipe import RecipeError, load, parse
from flows.shipped import recipes as shipped

MINIMAL = {
    "name": "mine",
    "about": "",
    "features": {"audio": {"extractor": "audio"}, "mfcc": {"extractor": "mfcc"}},
}


def with_changes(*changes: str) -> str:
    with pytest.raises(RecipeError) as caught:
        load("demo", changes)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_shipped_recipe_is_understood_and_survives_its_resolved_form(name: str) -> None:
    recipe = load(name)
    again = parse(recipe.resolved(), where=name)
    assert again.resolved() == recipe.resolved()
    assert {n: s.fingerprint for n, s in again.graph.specs.items()} == {
        n: s.fingerprint for n, s in recipe.graph.specs.items()
    }


def test_demo_and_default_store_the_same_kinds_of_features() -> None:
    kinds = [
        sorted(load(name).features[f].extractor.name for f in load(name).stored)
        for name in ("demo", "default")
    ]
    assert kinds[0] == kinds[1]


def test_untrained_weights_say_so_and_official_ones_do_not() -> None:
    assert "untrained" in load("demo").graph.specs["resnet18"].about
    assert load("default").graph.specs["resnet50"].about == ""


def test_a_misspelt_key_of_an_extractor_is_named_with_the_nearest_key() -> None:
    sentence = with_changes("features.mfcc.n_mfc=20")
    assert "features.mfcc.n_mfc" in sentence
    assert "did you mean n_mfcc?" in sentence


def test_a_misspelt_feature_is_named_with_the_nearest_one() -> None:
    assert (
        "features.mfc is new: did you mean mfcc? a new table needs a key extractor"
        in with_changes("features.mfc.n_mfcc=20")
    )
    assert "did you mean logmel? there are" in with_changes("features.mfcc.extractor=logmell")
    assert "did you mean logmel64_z?" in with_changes(
        "fitted.logmel64_z.fitter=zscore",
        "fitted.logmel64_z.input=logmel64",
        "fitted.logmel64_s.input=mfcc",
    )


def test_a_misspelt_key_of_the_recipe_is_named_with_the_nearest_key() -> None:
    assert "did you mean clips_per_shard?" in with_changes("clip_per_shard=3")
    assert "did you mean max_pixels?" in with_changes("media.max_pixel=3")


def test_a_value_of_the_wrong_type_names_key_and_value() -> None:
    sentence = with_changes('features.mfcc.n_mfcc="many"')
    assert "features.mfcc" in sentence
    assert "'many'" in sentence


def test_an_impossible_value_is_refused() -> None:
    assert "max_bad_fraction" in with_changes("max_bad_fraction=1.5")
    assert "resnet" in with_changes("features.resnet18.depth=19")


def test_a_need_that_is_not_in_the_recipe_is_named() -> None:
    assert "'words'" in with_changes('features.mfcc.audio="words"')


def test_an_unknown_extractor_lists_the_known_ones() -> None:
    sentence = with_changes('features.x.extractor="mfccs"')
    assert "'mfccs'" in sentence
    assert "logmel" in sentence


def test_frames_without_one_size_are_not_stored() -> None:
    assert "size" in with_changes("features.frames.store=true")


def test_a_recipe_that_stores_nothing_is_refused() -> None:
    with pytest.raises(RecipeError, match="no feature is stored"):
        parse({**MINIMAL, "features": {"audio": {"extractor": "audio"}}}, where="mine")


def test_a_change_needs_an_equals_sign() -> None:
    assert "key.path=value" in with_changes("features.mfcc.n_mfcc")


def test_an_unknown_recipe_suggests_the_nearest_name() -> None:
    with pytest.raises(RecipeError, match="did you mean default"):
        load("defualt")


def test_a_file_that_is_no_toml_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("about = [")
    with pytest.raises(RecipeError, match="not valid TOML"):
        load(str(tmp_path / "broken.toml"))


def test_storing_is_no_part_of_the_fingerprint() -> None:
    kept, passing = load("demo"), load("demo", ("features.crops.store=false",))
    assert "crops" not in passing.stored
    assert passing.graph.specs["resnet18"].fingerprint == kept.graph.specs["resnet18"].fingerprint


def test_a_changed_parameter_changes_its_feature_and_what_needs_it_and_no_other() -> None:
    before, after = load("demo"), load("demo", ("features.mfcc.n_mfcc=20",))
    changed = {
        n
        for n in before.graph.specs
        if before.graph.specs[n].fingerprint != after.graph.specs[n].fingerprint
    }
    assert changed == {"mfcc", "mfcc_resnet18"}
