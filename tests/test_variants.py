"""Variants of a recipe's features: what is made again, under which name, stored where, and what is
refused."""

import copy
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from extractors.base import FromTracks
from extractors.catalog import EXTRACTORS
from extractors.plan import Media, measure
from flows.recipe import parse
from flows.variants import VariantError, expand, is_stored
from manifests.features import FeatureSpec
from manifests.tracks import Track
from manifests.variant_names import variant_name
from stores.location import locate
from stores.parsing import WrongRecord
from stores.records import check_spec
from stores.shard import Shard
from stores.shard_writer import ShardWriter
from tests.support.media_made import Writer, a_clip

FEATURES: dict[str, dict[str, Any]] = {
    "audio": {"extractor": "audio"},
    "speech": {"extractor": "denoise", "store": False},
    "mfcc": {"extractor": "mfcc", "audio": "speech", "n_mfcc": 20},
    "logmel64": {"extractor": "logmel"},
    "frames": {"extractor": "frames", "every": 5},
    "pictures": {"extractor": "frames", "every": 5, "size": 64, "pixels": "jpeg", "store": True},
    "summary": {"extractor": "summary", "input": "pictures"},
    "faces": {"extractor": "faces"},
    "crops": {"extractor": "crops", "size": 64},
    "resnet18": {
        "extractor": "resnet",
        "input": "crops",
        "depth": 18,
        "weights": "random",
        "seed": 0,
        "size": 64,
    },
    "mfcc18": {
        "extractor": "resnet",
        "input": "mfcc",
        "depth": 18,
        "weights": "random",
        "seed": 0,
        "segment_s": 0.5,
        "segment_hop_s": 0.5,
    },
}
SOUND = {"extractor": "augment_audio", "pitch_semitones": 1.0, "noise_snr_db": 5.0}
PICTURES = {"extractor": "augment_pictures", "flip": 0.5, "rotation_deg": 5.0}


def new(variants: dict[str, Any], features: dict[str, Any] = FEATURES) -> dict[str, Any]:
    """What the variants add."""
    expanded = expand(features, variants)
    assert list(expanded)[: len(features)] == list(features)
    assert {name: expanded[name] for name in features} == features
    return {name: table for name, table in expanded.items() if name not in features}


def refused(variants: dict[str, Any], features: dict[str, Any] = FEATURES) -> str:
    with pytest.raises(VariantError) as caught:
        expand(features, variants)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# What is made again


def test_all_that_is_made_from_the_augmented_feature_is_made_again_and_nothing_else() -> None:
    made = new({"1": {"audio": SOUND}})
    assert set(made) == {"audio~1", "speech~1", "mfcc~1", "logmel64~1", "mfcc18~1"}
    assert made["audio~1"] == {**SOUND, "input": "audio", "variant": 1, "store": False}
    assert made["speech~1"] == {**FEATURES["speech"], "input": "audio~1", "store": False}
    assert made["mfcc~1"] == {**FEATURES["mfcc"], "audio": "speech~1", "store": True}
    assert made["mfcc18~1"] == {**FEATURES["mfcc18"], "input": "mfcc~1", "store": True}


def test_several_features_and_several_variants_stand_side_by_side() -> None:
    made = new({"1": {"audio": SOUND, "crops": PICTURES}, "2": {"pictures": PICTURES}})
    assert {"crops~1", "resnet18~1", "mfcc~1", "pictures~2", "summary~2"} <= set(made)
    assert made["crops~1"]["store"] is made["pictures~2"]["store"] is True
    assert made["summary~2"]["input"] == "pictures~2"
    assert not {"crops~2", "mfcc~2", "pictures~1"} & set(made)


def test_a_feature_that_is_augmented_in_the_middle_leaves_what_it_is_made_from() -> None:
    assert set(new({"3": {"speech": SOUND}})) == {"speech~3", "mfcc~3", "mfcc18~3"}


def test_nothing_is_written_to_and_no_variant_is_no_change() -> None:
    features, variants = copy.deepcopy(FEATURES), {"1": {"audio": dict(SOUND)}}
    expand(features, variants)
    assert (features, variants) == (FEATURES, {"1": {"audio": SOUND}})
    assert expand(FEATURES, {}) == FEATURES


def test_the_expanded_features_are_a_recipe_whose_variants_are_named_by_their_specs() -> None:
    recipe = parse(
        {
            "name": "mine",
            "features": expand(
                FEATURES, {"1": {"audio": SOUND, "crops": PICTURES}, "12": {"audio": SOUND}}
            ),
        },
        "mine",
    )
    specs = recipe.graph.specs
    for name, spec in specs.items():
        assert spec.variant == int(name.partition("~")[2] or 0)
    assert {"mfcc~1", "mfcc~12", "crops~1", "resnet18~1"} <= set(recipe.stored)
    assert not {"audio~1", "speech~1", "audio~12"} & set(recipe.stored)
    assert len({specs[name].fingerprint for name in ("mfcc", "mfcc~1", "mfcc~12")}) == 3


@pytest.mark.parametrize("kind", EXTRACTORS.values(), ids=list(EXTRACTORS))
def test_every_extractor_names_its_inputs_in_fields_called_as_their_roles(kind: type[Any]) -> None:
    """A variant replaces an input by replacing the field that names it."""
    extractor = kind(
        **{"augment_audio": {"shift_s": 0.1}, "augment_pictures": {"flip": 0.5}}.get(kind.name, {})
    )
    for role, need in extractor.needs.items():
        assert dataclasses.replace(extractor, **{role: "other"}).needs[role] == "other" != need


def test_what_is_stored_follows_the_rule_of_recipes() -> None:
    assert [
        is_stored({"extractor": name}) for name in ("audio", "frames", "mfcc", "augment_audio")
    ] == [False, False, True, True]
    recipe = parse({"name": "mine", "features": FEATURES}, "mine")
    assert {name for name in FEATURES if is_stored(FEATURES[name])} == set(recipe.stored)


# Sentences


def test_an_unknown_feature_is_named_with_the_nearest() -> None:
    assert "variants.1.audoi: the recipe has no feature audoi; did you mean audio?" in refused(
        {"1": {"audoi": SOUND}}
    )


@pytest.mark.parametrize("number", ["0", "-1", "1.5", "one", "01", "", "²"])
def test_the_number_of_a_variant_is_a_whole_one_from_one_on(number: str) -> None:
    assert f"variants.{number} is not the number of a variant" in refused(
        {number: {"audio": SOUND}}
    )


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"extractor": "mfcc"},
        {"extractor": "nothing"},
        {"extractor": ["augment_audio"]},
        "augment_audio",
        3,
    ],
)
def test_a_feature_is_replaced_by_an_augmentation_and_nothing_else(change: Any) -> None:
    assert (
        "expected a table with an extractor that augments, one of augment_audio, augment_pictures"
        in refused({"1": {"audio": change}})
    )


@pytest.mark.parametrize("table", [{}, "audio", 5])
def test_an_empty_variant_is_refused(table: Any) -> None:
    assert "variants.1 augments nothing" in refused({"1": table})


@pytest.mark.parametrize("key", ["input", "variant", "store"])
def test_what_follows_from_the_place_is_not_said_again(key: str) -> None:
    assert f"variants.1.audio.{key} follows from the feature audio" in refused(
        {"1": {"audio": {**SOUND, key: 1}}}
    )


def test_an_unknown_key_is_named_with_the_nearest() -> None:
    sentence = refused({"1": {"audio": {**SOUND, "shift": 0.05}}})
    assert sentence.startswith(
        "unknown key variants.1.audio.shift; did you mean shift_s? known here: noise, "
    )


def test_a_feature_and_what_it_is_made_from_are_not_both_augmented() -> None:
    assert "augments speech and also what speech is made from" in refused(
        {"1": {"audio": SOUND, "speech": SOUND}}
    )


def test_faces_cannot_be_found_on_augmented_frames() -> None:
    sentence = refused({"1": {"frames": PICTURES}})
    assert "variants.1: faces is made from frames as they are decoded" in sentence
    assert "give the pictures that are augmented a feature of their own" in sentence


def test_a_name_that_a_variant_needs_must_be_free() -> None:
    assert "features.mfcc~1 has the name" in refused(
        {"1": {"audio": SOUND}}, {**FEATURES, "mfcc~1": {"extractor": "mfcc"}}
    )


def test_an_augmentation_of_the_wrong_kind_is_refused_when_the_recipe_is_parsed() -> None:
    for variants, sentence in (
        ({"1": {"crops": SOUND}}, "augment_audio works on sound"),
        ({"1": {"audio": PICTURES}}, "augment_pictures works on pictures"),
    ):
        with pytest.raises(ValueError, match=sentence):
            parse({"name": "mine", "features": expand(FEATURES, variants)}, "mine")


@pytest.mark.parametrize(
    "broken",
    [
        {"mfcc": 3},
        {"mfcc": {}},
        {"mfcc": {"extractor": "none"}},
        {"mfcc": {"extractor": "mfcc", "n_mfcc": "x"}},
    ],
)
def test_a_broken_feature_is_left_to_the_parser(broken: dict[str, Any]) -> None:
    expanded = expand({**FEATURES, **broken}, {"1": {"audio": SOUND}})
    assert expanded["mfcc"] == broken["mfcc"]
    with pytest.raises(ValueError, match="mfcc"):
        parse({"name": "mine", "features": expanded}, "mine")


# From a clip to a shard


def test_a_variant_is_measured_from_the_same_decode_and_stored_under_its_name(
    write_media: Writer, tmp_path: Path
) -> None:
    features = {
        name: FEATURES[name]
        for name in ("audio", "speech", "mfcc", "logmel64", "pictures", "summary")
    }
    graph = parse(
        {
            "name": "mine",
            "features": expand(features, {"1": {"audio": SOUND, "pictures": PICTURES}}),
        },
        "mine",
    ).graph
    path = write_media(frames=30, fps=30, audio_s=1.0)
    names = ["mfcc", "mfcc~1", "logmel64~1", "pictures~1", "summary~1"]
    tracks = measure(graph, names, a_clip(path), path, Media())
    assert all(isinstance(track, Track) for track in tracks.values())
    for name in names:
        track = tracks[name]
        assert isinstance(track, Track)
        file = f"shards/{name}/{graph.specs[name].fingerprint}/a.h5"
        with ShardWriter(locate(tmp_path), file, graph.specs[name]) as shard:
            shard.add("made/clip", track)
        assert Shard(locate(tmp_path), file).spec == graph.specs[name]
    plain, variant = tracks["mfcc"], tracks["mfcc~1"]
    assert isinstance(plain, Track)
    assert isinstance(variant, Track)
    assert np.array_equal(plain.seconds, variant.seconds)
    assert np.abs(plain.values - variant.values).max() > 1


def spec(name: str, variant: int) -> FeatureSpec:
    return FeatureSpec(
        name,
        "float32",
        ("time", "mfcc"),
        (4,),
        "",
        0.01,
        "0a" * 16,
        "mfcc",
        1,
        "{}",
        variant=variant,
    )


def test_a_name_with_a_variants_number_belongs_to_that_variant() -> None:
    assert variant_name("mfcc", 12) == "mfcc~12"
    for name, variant in (("mfcc~12", 12), ("mfcc", 0), ("noisy", 3)):
        assert check_spec(spec(name, variant)).name == name
    for name, variant in (("mfcc~1", 0), ("mfcc~1", 2), ("mfcc", -1)):
        with pytest.raises(WrongRecord, match="the variant of feature"):
            check_spec(spec(name, variant))
    for name in ("~1", "mfcc~", "mfcc~0", "mfcc~01", "mfcc~a", "mfcc~1~1", "a~1/b"):
        with pytest.raises(WrongRecord, match="the name of feature"):
            check_spec(spec(name, 1))


def test_augmentations_are_made_from_tracks() -> None:
    """So that a variant is a track of the clip it comes from, and has no id, and so no group, of
    its own."""
    assert all(
        issubclass(EXTRACTORS[name], FromTracks) for name in ("augment_audio", "augment_pictures")
    )
