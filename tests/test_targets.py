"""What a trainer learns of a clip: a class, the shares of its votes, or numbers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manifests.corpora.catalog import CORPORA
from manifests.dimensions import DIMENSIONS, RATED
from manifests.labels import LABELS, Label
from stores import FeatureDataset, FeatureStore, NotInStore, collate
from tests.support.stores_made import SPEC, clip_ids, commit, make_store, tables_in

IDS = clip_ids(5)
RATINGS = [
    Label("made/00", "iemocap_valence", "vote", "2.5"),
    Label("made/00", "iemocap_activation", "vote", "4"),
    Label("made/00", "iemocap_dominance", "vote", "1"),
    Label("made/01", "msp_improv_valence", "vote", "3.25"),
    Label("made/01", "msp_improv_activation", "vote", "5"),
    Label("made/02", "iemocap_valence", "vote", "1"),
    Label("made/02", "iemocap_self_valence", "F1", "2"),
    Label("made/02", "iemocap_self_valence", "M1", "5", 0.5),
    Label("made/03", "age", "corpus", "31"),
    Label("made/04", "age", "corpus", "old"),
]
VOTES = [
    *(Label("made/00", "iemocap", f"E{i}", v) for i, v in enumerate(("ang", "ang", "hap", "exc"))),
    *(Label("made/01", "iemocap", "vote", v, w) for v, w in (("sad", 0.25), ("xxx", 0.75))),
    Label("made/02", "iemocap", "vote", "xxx"),
    *(Label("made/03", "iemocap", f"E{i}", v) for i, v in enumerate(("neu", "sad"))),
]


def opened(root: Path, rows: list[Label], **how: Any) -> FeatureDataset:
    snapshot = make_store(root, count=5, specs=(SPEC,))
    commit(root, snapshot.features, {**tables_in(root, snapshot), "labels": LABELS.build(rows)})
    return FeatureDataset(root, features=["mfcc"], **{"missing": "mask", **how})


def test_a_dimension_is_a_number_read_of_every_corpus_that_rates_it(tmp_path: Path) -> None:
    dataset = opened(tmp_path, RATINGS, labels="valence")
    assert [item.label for item in dataset] == [2.5, 3.25, 1.0, None, None]
    assert dataset.targets.dtype == np.float32
    np.testing.assert_array_equal(dataset.targets, [2.5, 3.25, 1, np.nan, np.nan])
    assert dataset.classes == ()
    batch = next(dataset.batches(2))
    assert (batch["targets"].dtype, batch["targets"].tolist()) == (np.float32, [2.5, 3.25])
    arousal = FeatureDataset(tmp_path, features=["mfcc"], labels="arousal", missing="drop")
    assert arousal.targets.tolist() == [4, 5]
    assert arousal.dropped["made/02"] == "label"


def test_several_dimensions_are_one_target_of_clips_that_have_them_all(tmp_path: Path) -> None:
    names = ["valence", "arousal", "dominance"]
    dataset = opened(tmp_path, RATINGS, labels=names)
    np.testing.assert_array_equal(dataset[0].label, np.array([2.5, 4, 1], np.float32))
    assert dataset.targets.shape == (5, 3)
    assert np.isnan(dataset.targets[1:]).all()
    two = FeatureDataset(tmp_path, features=["mfcc"], labels=names[:2], missing="drop")
    assert two.targets.tolist() == [[2.5, 4], [3.25, 5]]
    assert two.collate([two[1], two[0]])["targets"].tolist() == [[3.25, 5], [2.5, 4]]


def test_a_number_is_the_weighted_mean_over_annotators(tmp_path: Path) -> None:
    dataset = opened(tmp_path, RATINGS, labels="iemocap_self_valence", missing="drop")
    assert dataset.targets.tolist() == [3.0]


def test_numbers_of_any_scheme_are_values_where_they_are_asked_for(tmp_path: Path) -> None:
    numbers = [label for label in RATINGS if label.value != "old"]
    dataset = opened(tmp_path, numbers, labels="age", target="value", missing="drop")
    assert dataset.targets.tolist() == [31]
    named = FeatureDataset(tmp_path, features=["mfcc"], labels="age", missing="drop")
    assert named.classes == ("31",)
    rated = FeatureDataset(
        tmp_path, features=["mfcc"], labels="iemocap_valence", target="class", missing="drop"
    )
    assert rated.classes == ("1", "2.5")


def test_a_value_that_is_no_number_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the label 'old' of made/04 in age is no number; leave"):
        opened(tmp_path, RATINGS, labels="age", target="value")
    for bad in ("nan", "inf"):
        with pytest.raises(ValueError, match=f"the label '{bad}' of made/00"):
            opened(
                tmp_path / bad, [Label("made/00", "age", "a", bad)], labels="age", target="value"
            )


def test_votes_are_shares_of_the_classes(tmp_path: Path) -> None:
    dataset = opened(tmp_path, VOTES, labels="iemocap", target="votes")
    assert dataset.classes == ("ang", "exc", "hap", "neu", "sad", "xxx")
    assert dataset.targets.shape == (5, 6)
    assert dataset.targets[0].tolist() == [0.5, 0.25, 0.25, 0, 0, 0]
    assert dataset.targets[1].tolist() == [0, 0, 0, 0, 0.25, 0.75]
    assert np.isnan(dataset.targets[4]).all()
    assert dataset[4].label is None
    assert dataset.targets.dtype == next(dataset.batches(5))["targets"].dtype == np.float32


def test_votes_in_a_label_space_leave_out_what_is_no_class_and_sum_to_one(tmp_path: Path) -> None:
    dataset = opened(tmp_path, VOTES, labels="iemocap4", target="votes", missing="drop")
    assert dataset.classes == ("ang", "hap", "neu", "sad")
    assert dataset.clip_ids == ("made/00", "made/01", "made/03")  # of xxx alone nothing is left
    assert dataset.targets.tolist() == [[0.5, 0.5, 0, 0], [0, 0, 0, 1], [0, 0, 0.5, 0.5]]


def test_a_tie_is_no_class_and_is_half_of_the_votes(tmp_path: Path) -> None:
    voted = opened(tmp_path, VOTES, labels="iemocap4", target="votes", missing="drop")
    classed = FeatureDataset(tmp_path, features=["mfcc"], labels="iemocap4", missing="drop")
    assert classed.clip_ids == ("made/01",)
    assert voted.clip_ids == ("made/00", "made/01", "made/03")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"labels": "iemocap", "target": "vote"}, "expected one of class, votes, value, or None"),
        ({"labels": None, "target": "votes"}, "target='votes' needs labels"),
        ({"labels": ["iemocap", "age"]}, "with target='value'; name one"),
        ({"labels": []}, "labels is an empty list, expected names"),
    ],
)
def test_labels_and_targets_that_do_not_go_together_are_refused(
    how: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        opened(tmp_path, VOTES, **how)


def test_a_dimension_that_the_store_lacks_says_what_it_reads(tmp_path: Path) -> None:
    with pytest.raises(NotInStore) as caught:
        opened(tmp_path, VOTES, labels="valence")
    assert str(caught.value) == (
        "the store has no labels 'valence', nor labels that the dimension valence reads "
        "(iemocap_valence, msp_improv_valence); there are iemocap"
    )


def test_numbers_are_not_counted_by_class(tmp_path: Path) -> None:
    dataset = opened(tmp_path, RATINGS, labels="valence")
    for count in (dataset.class_counts, dataset.class_weights):
        with pytest.raises(ValueError, match="the labels are numbers, which are not counted"):
            count()


def test_numbers_need_the_datasets_own_collate(tmp_path: Path) -> None:
    dataset = opened(tmp_path, RATINGS, labels=["valence", "arousal"])
    with pytest.raises(ValueError, match=r"is not one of the classes \(none\); use the dataset"):
        collate([dataset[0]])


def test_every_scheme_of_a_dimension_is_one_of_a_corpus() -> None:
    known = {scheme for corpus in CORPORA.values() for scheme in corpus.label_schemes}
    for schemes in DIMENSIONS.values():
        assert {*schemes} <= known & RATED
    assert not {scheme for scheme in RATED if scheme.startswith(("ravdess", "cremad", "meld"))}


def test_what_is_learned_is_shown(tmp_path: Path) -> None:
    dataset = opened(tmp_path, VOTES, labels="iemocap4", target="votes", missing="drop")
    assert "iemocap4: votes over ang, hap, neu, sad" in repr(dataset)
    assert FeatureStore(tmp_path).labels()["scheme"].unique().tolist() == ["iemocap"]
