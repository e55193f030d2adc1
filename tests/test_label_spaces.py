"""Label spaces: every map, what it drops, and that nothing falls through."""

import dataclasses
from collections import Counter

import pytest

from manifests.corpora import iemocap_turns as iemocap
from manifests.corpora import meld_turns as meld
from manifests.corpora.cremad import EMOTIONS as CREMAD
from manifests.corpora.ravdess import EMOTIONS as RAVDESS
from manifests.label_spaces import SPACES, LabelSpace, UnmappedLabel, map_labels
from manifests.labels import LABELS, Label

VOCABULARY = {
    "ravdess8": RAVDESS,
    "cremad6": tuple(CREMAD.values()),
    "iemocap": iemocap.EMOTIONS,
    "meld7": meld.EMOTIONS,
    "savee7": (*CREMAD.values(), "surprised"),
    "enterface6": ("angry", "disgust", "fearful", "happy", "sad", "surprised"),
    "msp_improv": ("angry", "happy", "neutral", "sad", "other"),
    "meld3": meld.SENTIMENTS,
}

COMMON = {
    "common4": (
        "neutral>neutral calm>neutral happy>happy sad>sad angry>angry",
        "angry>angry happy>happy neutral>neutral sad>sad",
        "ang>angry exc>happy hap>happy neu>neutral sad>sad",
        "anger>angry joy>happy neutral>neutral sadness>sad",
        "angry>angry happy>happy neutral>neutral sad>sad",
        "angry>angry happy>happy sad>sad",
        "angry>angry happy>happy neutral>neutral sad>sad",
    ),
    "common6": (
        "neutral>neutral calm>neutral happy>happy sad>sad angry>angry fearful>fearful "
        "disgust>disgust",
        "angry>angry disgust>disgust fearful>fearful happy>happy neutral>neutral sad>sad",
        "ang>angry dis>disgust exc>happy fea>fearful hap>happy neu>neutral sad>sad",
        "anger>angry disgust>disgust fear>fearful joy>happy neutral>neutral sadness>sad",
        "angry>angry disgust>disgust fearful>fearful happy>happy neutral>neutral sad>sad",
        "angry>angry disgust>disgust fearful>fearful happy>happy sad>sad",
        "angry>angry happy>happy neutral>neutral sad>sad",
    ),
    "common7": (
        "neutral>neutral calm>neutral happy>happy sad>sad angry>angry fearful>fearful "
        "disgust>disgust surprised>surprised",
        "angry>angry disgust>disgust fearful>fearful happy>happy neutral>neutral sad>sad",
        "ang>angry dis>disgust exc>happy fea>fearful hap>happy neu>neutral sad>sad sur>surprised",
        "anger>angry disgust>disgust fear>fearful joy>happy neutral>neutral sadness>sad "
        "surprise>surprised",
        "angry>angry disgust>disgust fearful>fearful happy>happy neutral>neutral sad>sad "
        "surprised>surprised",
        "angry>angry disgust>disgust fearful>fearful happy>happy sad>sad surprised>surprised",
        "angry>angry happy>happy neutral>neutral sad>sad",
    ),
}
OWN = {
    "ravdess8": ("ravdess8", " ".join(f"{word}>{word}" for word in RAVDESS)),
    "ravdess7": (
        "ravdess8",
        "calm>neutral " + " ".join(f"{word}>{word}" for word in RAVDESS if word != "calm"),
    ),
    "cremad6": ("cremad6", " ".join(f"{word}>{word}" for word in CREMAD.values())),
    "iemocap4": ("iemocap", "ang>ang hap>hap exc>hap neu>neu sad>sad"),
    "iemocap6": ("iemocap", "ang>ang exc>exc fru>fru hap>hap neu>neu sad>sad"),
    "iemocap8": (
        "iemocap",
        "ang>ang exc>exc fea>fea fru>fru hap>hap neu>neu sad>sad sur>sur",
    ),
    "iemocap9": (
        "iemocap",
        "ang>ang dis>dis exc>exc fea>fea fru>fru hap>hap neu>neu sad>sad sur>sur",
    ),
    "meld7": ("meld7", " ".join(f"{word}>{word}" for word in meld.EMOTIONS)),
    "savee7": ("savee7", " ".join(f"{word}>{word}" for word in VOCABULARY["savee7"])),
    "enterface6": (
        "enterface6",
        " ".join(f"{word}>{word}" for word in VOCABULARY["enterface6"]),
    ),
    "msp_improv4": ("msp_improv", "angry>angry happy>happy neutral>neutral sad>sad"),
    "meld3": ("meld3", "negative>negative neutral>neutral positive>positive"),
}
EXPECTED = [
    (space, scheme, text)
    for space, maps in COMMON.items()
    for scheme, text in zip(VOCABULARY, maps, strict=False)
]
EXPECTED += [(space, scheme, text) for space, (scheme, text) in OWN.items()]
EXPECTED += [
    ("kirar3", "meld7", "joy>happy sadness>sad surprise>surprised"),
    ("kirar3", "ravdess8", "happy>happy sad>sad surprised>surprised"),
]


def test_every_space_is_tested_here() -> None:
    assert {(space, scheme) for space, scheme, _ in EXPECTED} == {
        (name, scheme) for name, space in SPACES.items() for scheme in space.sources
    }


@pytest.mark.parametrize(("space", "scheme", "text"), EXPECTED)
def test_a_space_maps_each_value_as_it_says_and_drops_the_rest(
    space: str, scheme: str, text: str
) -> None:
    wanted = dict(pair.split(">") for pair in text.split())
    mapped = map_labels(
        [Label(f"c/{value}", scheme, "vote", value) for value in VOCABULARY[scheme]], SPACES[space]
    )
    assert {label.clip_id.removeprefix("c/"): label.value for label in mapped} == wanted
    assert {(label.scheme, label.annotator, label.weight) for label in mapped} == {
        (space, "vote", 1.0)
    }


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_every_space_knows_every_value_of_its_schemes_and_uses_every_class(
    space: LabelSpace,
) -> None:
    for scheme, mapping in space.sources.items():
        assert set(mapping) == set(VOCABULARY[scheme])
    assert {value for mapping in space.sources.values() for value in mapping.values()} - {
        None
    } == set(space.values)
    assert len(set(space.values)) == len(space.values)


def test_the_names_say_how_many_classes_there_are() -> None:
    assert {name: len(space.values) for name, space in SPACES.items()} == {
        name: int(name[-1]) for name in SPACES
    }


def test_the_sizes_of_the_four_class_space_of_iemocap_are_the_published_ones() -> None:
    """5,531 turns: 1,103 angry, 595 happy and 1,041 excited, 1,708 neutral, 1,084 sad."""
    counts = {
        "ang": 1103,
        "hap": 595,
        "exc": 1041,
        "neu": 1708,
        "sad": 1084,
        "fru": 1849,
        "xxx": 2507,
    }
    labels = [
        Label(f"iemocap/{value}{n}", "iemocap", "vote", value)
        for value, count in counts.items()
        for n in range(count)
    ]
    assert len(map_labels(labels, SPACES["iemocap4"])) == 5_531
    assert len(map_labels(labels, SPACES["iemocap6"])) == 7_380
    assert Counter(label.value for label in map_labels(labels, SPACES["common4"]))["happy"] == 1_636


def test_votes_that_fall_together_add_up_and_dropped_votes_are_not_made_up_for() -> None:
    votes = [
        Label("c", "iemocap", "e1", "hap", 0.25),
        Label("c", "iemocap", "e1", "exc", 0.25),
        Label("c", "iemocap", "e1", "fru", 0.5),
        Label("c", "iemocap", "e2", "sad"),
    ]
    mapped = map_labels(votes, SPACES["iemocap4"])
    assert mapped == [
        Label("c", "iemocap4", "e1", "hap", 0.5),
        Label("c", "iemocap4", "e2", "sad", 1.0),
    ]
    LABELS.build(mapped)


def test_labels_of_other_schemes_are_let_be_and_unknown_values_are_an_error() -> None:
    assert (
        map_labels([Label("c", "ravdess_intensity", "intended", "strong")], SPACES["common4"]) == []
    )
    with pytest.raises(
        UnmappedLabel, match="'bored' of c is not among those that common4 reads of cremad6"
    ):
        map_labels([Label("c", "cremad6", "intended", "bored")], SPACES["common4"])


def test_a_space_that_maps_to_a_class_it_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="has no class 'glad'"):
        LabelSpace("mine", ("happy",), {"ravdess8": {"happy": "glad"}})


def test_the_hash_names_the_content_and_not_the_order_in_which_it_is_written() -> None:
    space = LabelSpace("s", ("a", "b"), {"x": {"1": "a", "2": "b"}, "y": {"1": None}})
    other_order = LabelSpace("s", ("a", "b"), {"y": {"1": None}, "x": {"2": "b", "1": "a"}})
    assert space.sha256 == other_order.sha256
    for change in (
        {"name": "t"},
        {"values": ("b", "a")},
        {"sources": {"x": {"1": "a", "2": "b"}, "y": {"1": "a"}}},
    ):
        assert dataclasses.replace(space, **change).sha256 != space.sha256
    assert len({one.sha256 for one in SPACES.values()}) == len(SPACES)
