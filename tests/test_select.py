"""Some items of a dataset, several datasets as one, and what an item brings on request."""

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manifests.clips import CLIPS
from manifests.labels import LABELS, Label
from stores import ClipDataset, ClipItem, Clock, FeatureDataset, FeatureStore, NotInStore, concat
from tests.support.stores_made import (
    SPEC,
    clip_ids,
    commit,
    make_store,
    same,
    spec_of,
    tables_in,
)

IDS = clip_ids(7)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    root = tmp_path_factory.mktemp("select") / "store"
    mfcc1 = replace(spec_of("mfcc~1"), variant=1)
    snapshot = make_store(root, specs=(SPEC, spec_of("logmel", shape=(6,)), mfcc1))
    clips = [
        replace(clip, sex="female" if number % 2 else "male", subject_id=clip.group_id)
        for number, clip in enumerate(FeatureStore(root).rows(CLIPS))
    ]
    commit(root, snapshot.features, {**tables_in(root, snapshot), "clips": CLIPS.build(clips)})
    return FeatureStore(root)


def all_clips(store: FeatureStore, **how: Any) -> FeatureDataset:
    return FeatureDataset(
        store, **{"features": ["mfcc"], "labels": "made3", "missing": "error", **how}
    )


def of_fold(store: FeatureStore, role: Any = "train", **how: Any) -> FeatureDataset:
    return all_clips(store, **{"scheme": "thirds", "fold": 0, "role": role, **how})


# An open store, and roles


def test_a_dataset_of_an_open_store_reads_from_it(store: FeatureStore) -> None:
    dataset = all_clips(store)
    assert dataset.store is store
    assert same(dataset[0].tracks["mfcc"], store["mfcc"]["made/00"])
    assert all_clips(store, snapshot=store.snapshot.number).store is store


def test_an_open_store_is_not_reopened_at_another_snapshot(store: FeatureStore) -> None:
    with pytest.raises(ValueError, match=r"open store is at snapshot 2 .* and snapshot=1 with"):
        all_clips(store, snapshot=1)
    with pytest.raises(ValueError, match=r"FeatureStore\(..., snapshot=None, verify=True\)"):
        all_clips(store, verify=True)
    assert all_clips(FeatureStore(store.location, verify=True), verify=True).store.verify


def test_val_validation_and_dev_are_valid(store: FeatureStore, tmp_path: Path) -> None:
    snapshot = make_store(tmp_path, specs=(SPEC,))
    tables = tables_in(tmp_path, snapshot)
    roles = ["valid" if role == "test" else role for role in tables["folds"]["role"].to_pylist()]
    at = tables["folds"].schema.get_field_index("role")
    folds = tables["folds"].set_column(at, tables["folds"].schema.field(at), [roles])
    commit(tmp_path, snapshot.features, {**tables, "folds": folds})
    asked = {
        role: of_fold(FeatureStore(tmp_path), role).clip_ids
        for role in ("valid", "val", "validation", "dev")
    }
    assert set(asked.values()) == {("made/00", "made/03", "made/06")}
    with pytest.raises(NotInStore, match="no role in fold 0 of thirds 'valid'; there are test, tr"):
        of_fold(store, "dev")
    with pytest.raises(NotInStore, match="no role in fold 0 of thirds 'training'"):
        of_fold(store, "training")


# Some items


def test_a_clip_is_in_a_dataset_by_its_id(store: FeatureStore) -> None:
    dataset = of_fold(store)
    assert "made/01" in dataset
    assert "made/00" not in dataset
    assert dataset[0] not in dataset


def test_items_are_chosen_by_number_or_id_in_the_order_that_is_asked_for(
    store: FeatureStore,
) -> None:
    dataset = all_clips(store)
    assert "made/01" in dataset
    assert len(dataset.targets) == len(dataset.groups) == len(dataset.subjects) == 7
    numbered = dataset.select([5, 0, -1])
    assert numbered.clip_ids == ("made/05", "made/00", "made/06")
    assert [item.clip_id for item in numbered] == [*numbered.clip_ids]
    assert numbered.targets.tolist() == dataset.targets[[5, 0, 6]].tolist()
    assert numbered.groups == tuple(dataset.groups[i] for i in (5, 0, 6))
    assert numbered.subjects == tuple(dataset.subjects[i] for i in (5, 0, 6))
    assert "made/01" not in numbered
    assert same(numbered[0].tracks["mfcc"], dataset[5].tracks["mfcc"])
    assert dataset.select(np.array([1, 2])).clip_ids == ("made/01", "made/02")
    named = dataset.select(["made/03", "made/01"])
    assert named.clip_ids == ("made/03", "made/01")
    assert dataset.select("made/03").clip_ids == ("made/03",)
    assert len(dataset) == 7


def test_a_slice_is_a_dataset(store: FeatureStore) -> None:
    dataset = all_clips(store)
    assert dataset[2:4].clip_ids == ("made/02", "made/03")
    assert dataset[::-3].clip_ids == ("made/06", "made/03", "made/00")
    assert next(dataset[-2:].batches(2))["clip_ids"] == ["made/05", "made/06"]
    with pytest.raises(ValueError, match="no item is named, of 7 that there are"):
        dataset[9:]


def test_all_variants_of_a_clip_are_chosen_by_its_id(store: FeatureStore) -> None:
    dataset = of_fold(store, variants=(0, 1))
    assert dataset.select(["made/02"]).items == (("made/02", 0), ("made/02", 1))
    assert dataset.filter(variant=1).items[0] == ("made/01", 1)


@pytest.mark.parametrize(
    ("chosen", "error", "message"),
    [
        ([7], IndexError, "there is no item 7, expected 0 to 6"),
        ([-8], IndexError, "there is no item -8, expected 0 to 6"),
        (["made/9"], NotInStore, "the dataset has no clip named 'made/9'; did you mean made/0"),
        ([], ValueError, "no item is named"),
        ([True, False], ValueError, "truth values, expected numbers or ids; use filter"),
        (np.array([True] * 7), ValueError, "truth values, expected numbers or ids; use filter"),
    ],
)
def test_what_cannot_be_chosen_is_said(
    store: FeatureStore, chosen: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        all_clips(store).select(chosen)


def test_items_are_filtered_by_columns_masks_and_functions(store: FeatureStore) -> None:
    dataset = all_clips(store)
    assert dataset.filter(sex="female").clip_ids == ("made/01", "made/03", "made/05")
    assert dataset.filter(label=["calm", "angry"], sex="male").clip_ids == (
        "made/00",
        "made/04",
        "made/06",
    )
    assert dataset.filter(dataset.targets == 2).clip_ids == ("made/02", "made/05")
    assert dataset.filter(lambda row: row["group_id"] == "made/s1").clip_ids == (
        "made/01",
        "made/04",
    )
    both = dataset.filter(lambda row: row["label"] == "calm", sex="female")
    assert both.clip_ids == ("made/01",)
    assert dataset.filter(sex="female").filter(label="happy").clip_ids == ("made/05",)


def test_what_a_filter_cannot_do_is_said(store: FeatureStore) -> None:
    dataset = all_clips(store)
    with pytest.raises(NotInStore, match="clips have no column 'sexx'; there is sex"):
        dataset.filter(sexx="female")
    with pytest.raises(ValueError, match="no item has the sex 'other'; there are"):
        dataset.filter(sex="other")
    with pytest.raises(ValueError, match=r"the mask is int64 of shape \(7,\), expected a truth"):
        dataset.filter([0, 1, 2, 3, 4, 5, 6])
    with pytest.raises(ValueError, match=r"the mask is bool of shape \(2,\)"):
        dataset.filter([True, False])
    with pytest.raises(ValueError, match="label of an item is several numbers, of which none is"):
        all_clips(store, target="votes").filter(label="happy")


def test_an_item_is_asked_for_by_number_alone(store: FeatureStore) -> None:
    dataset: Any = all_clips(store)
    for wrong in ("made/01", [0, 1], np.array([0, 1]), 1.0, None):
        with pytest.raises(TypeError, match="expected its number or a slice"):
            dataset[wrong]
    with pytest.raises(IndexError, match="there is no item -8, expected 0 to 6"):
        dataset[-8]
    assert dataset[np.int64(-1)].clip_id == dataset.clip_ids[-1]


def test_what_no_datasets_are_is_said(store: FeatureStore) -> None:
    dataset: Any = all_clips(store)
    with pytest.raises(TypeError, match="concat was given one dataset, expected a list"):
        concat(dataset)
    with pytest.raises(TypeError, match="concat was given a FeatureStore, expected a list"):
        concat([dataset, store])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="one has metadata, and the other has none"):
        concat([dataset, all_clips(store, metadata=True)])


# Several datasets as one


def test_datasets_are_one_end_to_end(store: FeatureStore) -> None:
    parts = of_fold(store), of_fold(store, "test")
    both = concat(parts)
    assert isinstance(both, ClipDataset)
    assert both.clip_ids == parts[0].clip_ids + parts[1].clip_ids
    assert both.classes == parts[0].classes
    assert both.targets.tolist() == [*parts[0].targets, *parts[1].targets]
    assert both.groups == parts[0].groups + parts[1].groups
    assert both.subjects == parts[0].subjects + parts[1].subjects
    assert both.lengths("mfcc").tolist() == [*parts[0].lengths("mfcc"), *parts[1].lengths("mfcc")]
    assert [item.clip_id for item in both] == [*both.clip_ids]
    assert sorted(
        clip_id for batch in both.batches(2, seed=1) for clip_id in batch["clip_ids"]
    ) == sorted(IDS)
    assert both.class_counts().sum() == 7
    some = both.filter(sex="female")[1:]
    assert some.clip_ids == ("made/05", "made/03")
    assert same(some[0].tracks["mfcc"], store["mfcc"]["made/05"])
    again = concat([some, parts[1]])
    assert again.clip_ids == ("made/05", "made/03", *parts[1].clip_ids)
    copy = pickle.loads(pickle.dumps(again))
    assert same(copy[1].tracks["mfcc"], store["mfcc"]["made/03"])
    assert f"{store.location}" in repr(both)


def test_datasets_of_two_stores_are_one(store: FeatureStore, tmp_path: Path) -> None:
    make_store(tmp_path, count=3, specs=(SPEC,))
    other = all_clips(FeatureStore(tmp_path))
    both = concat([all_clips(store), other])
    assert len(both) == 10
    assert same(both[-1].tracks["mfcc"], other[2].tracks["mfcc"])
    assert both._repr_html_().count(str(tmp_path)) == 1


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"features": ["mfcc", "logmel"]}, "the features are mfcc, and mfcc, logmel; open them"),
        ({"labels": None}, "the targets are classes of angry, calm, happy, and none; open them"),
        ({"target": "votes"}, "and votes of angry, calm, happy; open them with the same labels"),
        ({"align": Clock(0.1)}, r"the alignments are \(\), and \(Clock"),
    ],
)
def test_datasets_that_mean_different_things_are_not_one(
    store: FeatureStore, how: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=f"cannot be one: .*{message}"):
        concat([all_clips(store), all_clips(store, **how)])


def test_features_of_other_parameters_are_not_one(store: FeatureStore, tmp_path: Path) -> None:
    make_store(tmp_path, specs=(replace(SPEC, fingerprint="ab" * 16),))
    with pytest.raises(ValueError, match="mfcc was made with other parameters or learned from oth"):
        concat([all_clips(store), all_clips(FeatureStore(tmp_path))])
    with pytest.raises(ValueError, match="concat was given no dataset"):
        concat([])


# On request


def doubled(item: ClipItem) -> ClipItem:
    tracks = {name: replace(track, values=track.values * 2) for name, track in item.tracks.items()}
    return item._replace(tracks=tracks)


def test_a_transform_changes_each_item_after_the_alignment(store: FeatureStore) -> None:
    clock = Clock(0.02)
    dataset = of_fold(store, transform=doubled, align=clock)
    expected = clock({"mfcc": store["mfcc"]["made/01"]})["mfcc"]
    np.testing.assert_array_equal(dataset[0].tracks["mfcc"].values, expected.values * 2)
    batch = next(dataset.batches(2))
    assert np.nansum(batch["values"]["mfcc"][0]) == pytest.approx(2 * np.nansum(expected.values))
    copy = pickle.loads(pickle.dumps(dataset))
    assert same(copy[1].tracks["mfcc"], dataset[1].tracks["mfcc"])
    assert same(dataset[1:][0].tracks["mfcc"], dataset[1].tracks["mfcc"])


def test_a_transform_may_make_anything_of_an_item_but_no_batch_of_ours(
    store: FeatureStore,
) -> None:
    dataset = all_clips(store, transform=lambda item: item.tracks["mfcc"].values)
    assert dataset[0].shape == (3, 4)
    with pytest.raises(TypeError, match=r"an item is of type ndarray, expected \(clip id, tracks"):
        next(dataset.batches(2))


def test_an_item_brings_the_columns_of_its_clip_where_it_is_asked_to(store: FeatureStore) -> None:
    dataset = of_fold(store, metadata=True)
    item = dataset[1]
    clip_id, tracks, label = item
    assert tracks is item.tracks
    assert (clip_id, label) == (item.clip_id, item.label) == ("made/02", "happy")
    assert [*item.metadata] == CLIPS.schema.names
    assert (item.metadata["clip_id"], item.metadata["sex"]) == ("made/02", "male")
    batch = next(dataset.batches(3))
    assert [row["clip_id"] for row in batch["metadata"]] == batch["clip_ids"]
    copy = pickle.loads(pickle.dumps(dataset))
    assert copy[1].metadata == pickle.loads(pickle.dumps(item)).metadata == item.metadata
    plain = of_fold(store)
    assert not hasattr(plain[0], "metadata")
    assert "metadata" not in next(plain.batches(2))


def test_metadata_survives_a_transform(store: FeatureStore) -> None:
    dataset = of_fold(store, metadata=True, transform=doubled)
    assert dataset[0].metadata["clip_id"] == "made/01"
    plain = of_fold(store, metadata=True, transform=tuple)
    batch = next(plain.batches(2))
    assert [row["clip_id"] for row in batch["metadata"]] == batch["clip_ids"]


def test_subjects_are_those_of_the_clips(store: FeatureStore) -> None:
    assert all_clips(store).subjects[:4] == ("made/s0", "made/s1", "made/s2", "made/s0")


def test_lengths_are_stored_rows_and_no_shard_is_read(tmp_path: Path) -> None:
    make_store(tmp_path, specs=(SPEC,))
    dataset = all_clips(FeatureStore(tmp_path))
    (tmp_path / "shards").rename(tmp_path / "gone")
    assert dataset.lengths("mfcc").tolist() == [3, 4, 5, 6, 7, 8, 9]
    with pytest.raises(NotInStore, match="the dataset has no feature named 'mfc'; did you mean"):
        dataset.lengths("mfc")


def test_a_clip_without_the_feature_has_no_rows(tmp_path: Path) -> None:
    snapshot = make_store(tmp_path)
    labels = LABELS.build([Label("made/01", "made3", "intended", "calm")])
    commit(tmp_path, snapshot.features, {**tables_in(tmp_path, snapshot), "labels": labels})
    dataset = all_clips(FeatureStore(tmp_path), features=["crops"], missing="mask")
    assert dataset.lengths("crops").tolist() == [3, 0, 5, 6, 7, 8, 9]
