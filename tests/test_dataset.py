"""The dataset: what a trainer gets, with and without torch, and what becomes of clips that lack something."""

import multiprocessing
import pickle
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manifests.labels import LABELS, Label
from manifests.tracks import Track
from stores import NO_TARGET, FeatureDataset, FeatureStore, NotInStore, collate
from tests.test_shards import same
from tests.test_snapshot import clip_ids, commit, make_store, tables_in

IDS = clip_ids(7)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made") / "store"
    make_store(root)
    return root


def train(root: Path, **how: Any) -> FeatureDataset:
    plain = {"features": ["mfcc", "logmel"], "labels": "made3", "scheme": "thirds", "fold": 0, "role": "train", "missing": "drop"}
    return FeatureDataset(root, **{**plain, **how})


def test_an_item_is_a_clip_its_tracks_and_its_label(made: Path) -> None:
    dataset, store = train(made), FeatureStore(made)
    assert dataset.clip_ids == ("made/01", "made/02", "made/04", "made/05")
    assert len(dataset) == 4
    clip_id, tracks, label = dataset[2]
    assert (clip_id, label) == ("made/04", "calm")
    assert list(tracks) == ["mfcc", "logmel"]
    assert all(same(tracks[name], store[name][clip_id]) for name in tracks)
    assert [item[0] for item in dataset] == list(dataset.clip_ids)
    assert dataset[-1][0] == "made/05"


def test_train_and_test_number_the_classes_alike(made: Path) -> None:
    assert train(made).classes == train(made, role="test").classes == ("angry", "calm", "happy")
    assert {label for _, _, label in train(made, role="test")} == {"angry"}


def test_without_a_scheme_all_clips_come_and_without_labels_none_is_given(made: Path) -> None:
    dataset = FeatureDataset(made, features=["mfcc"], labels=None, missing="error")
    assert dataset.clip_ids == tuple(IDS)
    assert dataset.classes == ()
    assert dataset[0][2] is None
    assert dataset.collate([dataset[0]])["targets"].tolist() == [NO_TARGET]


def test_missing_must_be_said(made: Path) -> None:
    with pytest.raises(TypeError, match="missing"):
        FeatureDataset(made, features=["mfcc"], labels=None)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="missing is 'ignore', expected one of drop, error, mask"):
        train(made, missing="ignore")


def test_a_clip_that_lacks_a_feature_is_dropped_and_named(made: Path) -> None:
    dataset = train(made, features=["mfcc", "crops"])
    assert "made/01" not in dataset.clip_ids
    assert dataset.dropped == {"made/01": "crops"}


def test_a_clip_that_lacks_a_feature_is_an_error_that_counts_and_names(made: Path) -> None:
    with pytest.raises(ValueError, match=r"1 of 4 clips lack a feature or a label \(made/01 lacks crops\); choose"):
        train(made, features=["mfcc", "crops"], missing="error")


def test_a_clip_that_lacks_a_feature_has_no_rows_under_the_mask(made: Path) -> None:
    dataset = train(made, features=["mfcc", "crops"], missing="mask")
    assert dataset.clip_ids[0] == "made/01"
    tracks = dataset[0][1]
    assert (tracks["crops"].values.shape, tracks["crops"].values.dtype) == ((0, 16, 24, 3), np.uint8)
    assert len(tracks["mfcc"]) == 4
    batch = dataset.collate([dataset[i] for i in range(4)])
    assert batch["lengths"]["crops"].tolist() == [0, 5, 7, 8]
    assert not batch["mask"]["crops"][0].any()
    assert batch["values"]["crops"].shape == (4, 8, 16, 24, 3)


def store_with(root: Path, labels: list[Label]) -> Path:
    snapshot = make_store(root)
    commit(root, snapshot.features, {**tables_in(root, snapshot), "labels": LABELS.build(labels)})
    return root


VOTES = [
    *(Label("made/00", "voted", f"rater{i}", value) for i, value in enumerate(("sad", "sad", "fear"))),  # a majority
    *(Label("made/01", "voted", f"rater{i}", value) for i, value in enumerate(("sad", "fear"))),  # a tie
    *(Label("made/02", "voted", "vote", value, share) for value, share in (("calm", 0.4), ("fear", 0.6))),  # shares
    *(Label("made/03", "voted", annotator, "sad", share) for annotator, share in (("a", 0.1), ("b", 0.2))),  # 0.1 + 0.2 and 0.3 are a tie
    Label("made/03", "voted", "c", "fear", 0.3),
    Label("made/04", "acted", "intended", "angry"),
]


def test_the_heaviest_value_is_the_label_and_a_tie_is_none(tmp_path: Path) -> None:
    root = store_with(tmp_path, VOTES)
    dataset = FeatureDataset(root, features=["mfcc"], labels="voted", missing="mask")
    assert [label for _, _, label in dataset] == ["sad", None, "fear", None, None, None, None]
    assert dataset.classes == ("fear", "sad")
    assert dataset.collate([dataset[i] for i in range(3)])["targets"].tolist() == [1, NO_TARGET, 0]
    dropped = FeatureDataset(root, features=["mfcc"], labels="voted", missing="drop")
    assert dropped.clip_ids == ("made/00", "made/02")
    assert dropped.dropped["made/01"] == "label"


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"labels": "made8"}, "the store has no labels 'made8'; there are made3"),
        ({"scheme": "fifths"}, "the store has no split scheme 'fifths'; there are thirds"),
        ({"fold": 3}, "the store has no fold of thirds 3; there are 0, 1, 2"),
        ({"role": "valid"}, "the store has no role in fold 0 of thirds 'valid'; there are test, train"),
        ({"features": ["mfcc", "logmell"]}, "no feature named 'logmell'; did you mean logmel"),
    ],
)
def test_an_unknown_name_says_which_there_are(made: Path, how: dict[str, Any], message: str) -> None:
    with pytest.raises(NotInStore) as caught:
        train(made, **how)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"role": None}, "needs a fold and a role"),
        ({"fold": None}, "needs a fold and a role"),
        ({"scheme": None}, "need a scheme"),
        ({"features": "mfcc"}, r"such as \['mfcc'\]"),
    ],
)
def test_half_a_choice_is_refused(made: Path, how: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        train(made, **how)


def test_dropping_every_clip_is_an_error(tmp_path: Path) -> None:
    root = store_with(tmp_path, [Label("made/00", "voted", "a", "sad")])
    with pytest.raises(ValueError, match="4 of 4 clips lack a feature or a label"):
        train(root, labels="voted")


def test_a_dataset_stays_at_its_snapshot_also_after_pickling(tmp_path: Path) -> None:
    snapshot = make_store(tmp_path)
    dataset = train(tmp_path)
    commit(tmp_path, {"mfcc": snapshot.features["mfcc"]}, {**tables_in(tmp_path, snapshot), "labels": LABELS.build(VOTES)})
    for copy in (dataset, pickle.loads(pickle.dumps(dataset))):
        assert copy.clip_ids == ("made/01", "made/02", "made/04", "made/05")
        assert [label for _, _, label in copy] == ["calm", "happy", "calm", "happy"]
        assert copy.store.snapshot.number == 1


def test_a_batch_is_padded_and_masked_for_each_feature_by_itself() -> None:
    short = Track(np.array([[1.0, 2.0], [np.nan, np.nan]], np.float32), np.array([0.0, 0.1]), np.array([True, False]))
    long = Track(np.full((3, 2), 7, np.float32), np.array([0.0, 0.1, 0.2]), np.ones(3, bool))
    pixels = Track(np.full((1, 2, 2, 3), 9, np.uint8), np.array([0.5]), np.array([False]))
    batch = collate([("a", {"f": short, "p": pixels}, "sad"), ("b", {"f": long, "p": pixels}, None)], classes=("calm", "sad"))
    assert batch["clip_ids"] == ["a", "b"]
    assert batch["targets"].tolist() == [1, NO_TARGET]
    assert batch["values"]["f"].tolist() == [[[1, 2], [0, 0], [0, 0]], [[7, 7]] * 3]
    assert batch["values"]["f"].dtype == np.float32
    assert batch["mask"]["f"].tolist() == [[True, False, False], [True] * 3]
    assert batch["lengths"]["f"].tolist() == [2, 3]
    np.testing.assert_array_equal(batch["seconds"]["f"], [[0.0, 0.1, np.nan], [0.0, 0.1, 0.2]])
    assert batch["values"]["p"].shape == (2, 1, 2, 2, 3)
    assert batch["values"]["p"].dtype == np.uint8
    assert batch["values"]["p"].max() == 0
    assert all(array.flags.writeable for kind in ("values", "seconds", "mask", "lengths") for array in batch[kind].values())  # type: ignore[literal-required]
    assert np.isnan(short.values[1]).all()


def test_a_label_that_is_no_class_is_refused() -> None:
    track = Track(np.zeros((1, 2), np.float32), np.zeros(1), np.ones(1, bool))
    with pytest.raises(ValueError, match="the label 'joy' is not one of the classes calm, sad"):
        collate([("a", {"f": track}, "joy")], classes=("calm", "sad"))


# In a process of its own, as a trainer's is: this one holds the threads of all tests before, and forking it would copy their locks.
@pytest.mark.parametrize("method", [None, "fork", "spawn"], ids=["in one process", "fork", "spawn"])
def test_a_dataloader_gives_the_same_batches_as_a_plain_loop(made: Path, method: str | None) -> None:
    pytest.importorskip("torch", reason="torch is not installed in a trainer's environment without it")
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        process.submit(load_batches, made, method).result()


def load_batches(root: Path, method: str | None) -> None:
    """Assert that a DataLoader gives what a plain loop gives; warnings are errors, in its workers too."""
    import torch

    warnings.simplefilter("error")
    dataset = train(root, features=["mfcc", "crops"], missing="mask")
    expected = [dataset.collate([dataset[i] for i in part]) for part in ((0, 1), (2, 3))]  # and so files are mapped before the fork
    workers: dict[str, Any] = {"num_workers": 2, "multiprocessing_context": method} if method else {}
    loader = torch.utils.data.DataLoader(dataset, batch_size=2, collate_fn=dataset.collate, **workers)
    batches = [torch.utils.data.default_convert(batch) for batch in loader]
    assert [batch["clip_ids"] for batch in batches] == [batch["clip_ids"] for batch in expected]
    for batch, plain in zip(batches, expected, strict=True):
        assert batch["targets"].dtype == torch.int64
        for kind in ("values", "seconds", "mask", "lengths"):
            for name in ("mfcc", "crops"):
                np.testing.assert_array_equal(batch[kind][name].numpy(), plain[kind][name])  # type: ignore[literal-required]
    loss = torch.nn.functional.cross_entropy(batches[0]["values"]["mfcc"].mean(dim=(1, 2))[:, None].expand(2, 3), batches[0]["targets"])
    assert torch.isfinite(loss)
