"""The dataset: what a trainer gets, with and without torch, and what incomplete clips do."""

import multiprocessing
import pickle
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manifests.clips import CLIPS
from manifests.label_spaces import SPACES
from manifests.labels import LABELS, Label
from manifests.tracks import Track
from stores import (
    NO_TARGET,
    Clock,
    FeatureDataset,
    FeatureStore,
    LeakError,
    Length,
    Like,
    NotFitted,
    NotInStore,
    Windows,
    collate,
)
from stores.fitted_state import StateFile, write_state
from stores.location import locate
from stores.paths import sha256_of
from stores.records import FoldState, StoredFitted
from tests.support.stores_made import (
    CROPS,
    LOGMEL,
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
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made") / "store"
    make_store(root)
    return root


def train(root: Path, **how: Any) -> FeatureDataset:
    plain = {
        "features": ["mfcc", "logmel"],
        "labels": "made3",
        "scheme": "thirds",
        "fold": 0,
        "role": "train",
        "missing": "drop",
    }
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
    with pytest.raises(
        ValueError, match=r"1 of 4 clips lack a feature or a label \(made/01 lacks crops\); choose"
    ):
        train(made, features=["mfcc", "crops"], missing="error")


def test_a_clip_that_lacks_a_feature_has_no_rows_under_the_mask(made: Path) -> None:
    dataset = train(made, features=["mfcc", "crops"], missing="mask")
    assert dataset.clip_ids[0] == "made/01"
    tracks = dataset[0][1]
    assert (tracks["crops"].values.shape, tracks["crops"].values.dtype) == (
        (0, 16, 24, 3),
        np.uint8,
    )
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
    *(
        Label("made/00", "voted", f"rater{i}", value)
        for i, value in enumerate(("sad", "sad", "fear"))
    ),  # a majority
    *(
        Label("made/01", "voted", f"rater{i}", value) for i, value in enumerate(("sad", "fear"))
    ),  # a tie
    *(
        Label("made/02", "voted", "vote", value, share)
        for value, share in (("calm", 0.4), ("fear", 0.6))
    ),  # shares
    *(
        Label("made/03", "voted", annotator, "sad", share)
        for annotator, share in (("a", 0.1), ("b", 0.2))
    ),  # 0.1 + 0.2 and 0.3 are a tie
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
        (
            {"labels": "made8"},
            "the store has no labels 'made8'; did you mean made3? there are made3",
        ),
        ({"scheme": "fifths"}, "the store has no split scheme 'fifths'; there are thirds"),
        ({"fold": 3}, "the store has no fold of thirds 3; there are 0, 1, 2"),
        (
            {"role": "valid"},
            "the store has no role in fold 0 of thirds 'valid'; there are test, train",
        ),
        ({"features": ["mfcc", "logmell"]}, "no feature named 'logmell'; did you mean logmel"),
    ],
)
def test_an_unknown_name_says_which_there_are(
    made: Path, how: dict[str, Any], message: str
) -> None:
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
    size = len(pickle.dumps(dataset))
    assert len(dataset[0][1]) == 2
    assert len(pickle.dumps(dataset)) == size  # what was opened stays behind
    commit(
        tmp_path,
        {"mfcc": snapshot.features["mfcc"]},
        {**tables_in(tmp_path, snapshot), "labels": LABELS.build(VOTES)},
    )
    for copy in (dataset, pickle.loads(pickle.dumps(dataset))):
        assert copy.clip_ids == ("made/01", "made/02", "made/04", "made/05")
        assert [label for _, _, label in copy] == ["calm", "happy", "calm", "happy"]
        assert copy.store.snapshot.number == 1


def test_a_batch_is_padded_and_masked_for_each_feature_by_itself() -> None:
    short = Track(
        np.array([[1.0, 2.0], [np.nan, np.nan]], np.float32),
        np.array([0.0, 0.1]),
        np.array([True, False]),
    )
    long = Track(np.full((3, 2), 7, np.float32), np.array([0.0, 0.1, 0.2]), np.ones(3, bool))
    pixels = Track(np.full((1, 2, 2, 3), 9, np.uint8), np.array([0.5]), np.array([False]))
    batch = collate(
        [("a", {"f": short, "p": pixels}, "sad"), ("b", {"f": long, "p": pixels}, None)],
        classes=("calm", "sad"),
    )
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
    assert all(
        array.flags.writeable
        for kind in ("values", "seconds", "mask", "lengths")
        for array in batch[kind].values()
    )  # type: ignore[literal-required]
    assert np.isnan(short.values[1]).all()


def test_a_label_that_is_no_class_is_refused() -> None:
    track = Track(np.zeros((1, 2), np.float32), np.zeros(1), np.ones(1, bool))
    with pytest.raises(ValueError, match="the label 'joy' is not one of the classes calm, sad"):
        collate([("a", {"f": track}, "joy")], classes=("calm", "sad"))


# In a process of its own, as a trainer's is: this one holds the threads of all tests before, and
# forking it would copy their locks.
@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize("method", [None, "fork", "spawn"], ids=["in one process", "fork", "spawn"])
def test_a_dataloader_gives_the_same_batches_as_a_plain_loop(
    made: Path, method: str | None
) -> None:
    pytest.importorskip(
        "torch", reason="torch is not installed in a trainer's environment without it"
    )
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        process.submit(load_batches, made, method).result()


def load_batches(root: Path, method: str | None) -> None:
    """Assert that a DataLoader gives what a plain loop gives; warnings are errors, in its workers
    too."""
    import torch

    warnings.simplefilter("error")
    dataset = train(root, features=["mfcc", "crops"], missing="mask")
    expected = [
        dataset.collate([dataset[i] for i in part]) for part in ((0, 1), (2, 3))
    ]  # and so files are mapped before the fork
    workers: dict[str, Any] = (
        {"num_workers": 2, "multiprocessing_context": method} if method else {}
    )
    loader = torch.utils.data.DataLoader(
        dataset, batch_size=2, collate_fn=dataset.collate, **workers
    )
    batches = [torch.utils.data.default_convert(batch) for batch in loader]
    assert [batch["clip_ids"] for batch in batches] == [batch["clip_ids"] for batch in expected]
    for batch, plain in zip(batches, expected, strict=True):
        assert batch["targets"].dtype == torch.int64
        for kind in ("values", "seconds", "mask", "lengths"):
            for name in ("mfcc", "crops"):
                np.testing.assert_array_equal(batch[kind][name].numpy(), plain[kind][name])  # type: ignore[literal-required]
    loss = torch.nn.functional.cross_entropy(
        batches[0]["values"]["mfcc"].mean(dim=(1, 2))[:, None].expand(2, 3), batches[0]["targets"]
    )
    assert torch.isfinite(loss)


# Labels of a space, groups and classes.


EIGHT = [
    Label(clip_id, "ravdess8", "intended", value)
    for clip_id, value in zip(
        IDS, ("calm", "neutral", "happy", "sad", "angry", "disgust", "happy"), strict=True
    )
]


def test_labels_may_be_those_of_a_label_space(tmp_path: Path) -> None:
    root = store_with(tmp_path, EIGHT)
    own = FeatureDataset(root, features=["mfcc"], labels="ravdess8", missing="error")
    assert own.classes == (
        "angry",
        "calm",
        "disgust",
        "happy",
        "neutral",
        "sad",
    )  # the store's own come first, as they always did
    space = FeatureDataset(root, features=["mfcc"], labels="common4", missing="mask")
    assert space.classes == ("neutral", "happy", "sad", "angry")
    assert [label for _, _, label in space] == [
        "neutral",
        "neutral",
        "happy",
        "sad",
        "angry",
        None,
        "happy",
    ]
    assert space.targets.tolist() == [0, 0, 1, 2, 3, NO_TARGET, 1]
    assert space.collate([space[i] for i in range(7)])["targets"].tolist() == space.targets.tolist()
    dropped = FeatureDataset(root, features=["mfcc"], labels="common4", missing="drop")
    assert dropped.dropped == {"made/05": "label"}
    with_surprise = FeatureDataset(root, features=["mfcc"], labels="ravdess7", missing="error")
    assert (
        with_surprise.classes[-1] == "surprised"
    )  # no clip has it, and the classes are numbered alike in every store
    assert with_surprise.class_counts().tolist() == [2, 2, 1, 1, 0, 1, 0]


def test_a_space_that_reads_nothing_of_the_store_says_what_it_reads(made: Path) -> None:
    with pytest.raises(NotInStore) as caught:
        train(made, labels="meld7")
    assert (
        str(caught.value)
        == "the store has no labels 'meld7', nor labels that the space meld7 reads (meld7); there "
        "are made3"
    )


def test_a_space_that_has_changed_since_the_store_was_built_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = store_with(tmp_path, EIGHT)
    space = SPACES["common4"]
    other = replace(space, sources={"ravdess8": {**space.sources["ravdess8"], "calm": None}})
    monkeypatch.setitem(SPACES, "common4", other)
    with pytest.raises(
        ValueError,
        match=r"the label space common4 has sha256 \w{8}, but snapshot 2 recorded \w{8}: .*"
        "build again",
    ):
        train(root, labels="common4")


def test_class_weights_make_every_class_weigh_the_same(tmp_path: Path) -> None:
    dataset = FeatureDataset(
        store_with(tmp_path, EIGHT), features=["mfcc"], labels="common4", missing="mask"
    )
    counts, weights = dataset.class_counts(), dataset.class_weights()
    assert counts.tolist() == [2, 2, 1, 1]
    np.testing.assert_allclose(weights * counts, 6 / 4)
    assert weights.dtype == np.float32
    empty = FeatureDataset(tmp_path, features=["mfcc"], labels="ravdess7", missing="mask")
    np.testing.assert_allclose(
        empty.class_weights(), np.array([7 / 10, 7 / 10, 7 / 5, 7 / 5, 0, 7 / 5, 0]), rtol=1e-6
    )
    assert (
        FeatureDataset(tmp_path, features=["mfcc"], labels=None, missing="mask")
        .class_counts()
        .tolist()
        == []
    )


def test_groups_are_those_that_the_split_kept_together(made: Path) -> None:
    assert train(made).groups == ("made/s1", "made/s2", "made/s1", "made/s2")
    assert FeatureDataset(made, features=["mfcc"], labels=None, missing="error").groups[:4] == (
        "made/s0",
        "made/s1",
        "made/s2",
        "made/s0",
    )


def test_a_clip_of_no_known_group_is_one_by_itself(tmp_path: Path) -> None:
    snapshot = make_store(tmp_path)
    clips = [replace(clip, group_id=None) for clip in FeatureStore(tmp_path).rows(CLIPS)]
    commit(
        tmp_path, snapshot.features, {**tables_in(tmp_path, snapshot), "clips": CLIPS.build(clips)}
    )
    assert FeatureDataset(
        tmp_path, features=["mfcc"], labels=None, missing="error"
    ).groups == tuple(IDS)


def test_batches_hold_every_item_once_in_an_order_that_the_seed_decides(made: Path) -> None:
    dataset = FeatureDataset(made, features=["mfcc"], labels="made3", missing="error")
    plain = list(dataset.batches(3))
    assert [batch["clip_ids"] for batch in plain] == [IDS[:3], IDS[3:6], IDS[6:]]
    orders = {
        tuple(clip_id for batch in dataset.batches(3, seed=seed) for clip_id in batch["clip_ids"])
        for seed in range(5)
    }
    assert len(orders) > 1
    assert all(sorted(order) == IDS for order in orders)
    once, again = list(dataset.batches(3, seed=1)), list(dataset.batches(3, seed=1))
    assert [batch["clip_ids"] for batch in once] == [batch["clip_ids"] for batch in again]
    np.testing.assert_array_equal(once[0]["values"]["mfcc"], again[0]["values"]["mfcc"])
    with pytest.raises(ValueError, match="a batch of 0 items was asked for, expected at least 1"):
        next(dataset.batches(0))


# Alignment.


def test_items_and_batches_come_aligned(made: Path) -> None:
    """Rows of the made store lie every 10 ms from 3 ms on; clip i has 3 + i of them, and row 2 is
    never valid."""
    plain, clock = train(made, features=["mfcc", "crops"]), Clock(0.02, how={"mfcc": 2})
    dataset = train(made, features=["mfcc", "crops"], align=clock)
    expected = clock(plain[0][1])
    assert all(same(dataset[0][1][name], expected[name]) for name in expected)
    batch = dataset.collate([dataset[i] for i in range(len(dataset))])
    assert batch["values"]["mfcc"].shape == (3, 4, 2, 4)
    assert batch["values"]["crops"].shape == (3, 4, 16, 24, 3)
    assert batch["mask"]["mfcc"].shape == (3, 4)
    assert not batch["mask"]["mfcc"][:, 1].any()
    assert batch["mask"]["mfcc"][:, 0].all()
    np.testing.assert_array_equal(batch["seconds"]["mfcc"], batch["seconds"]["crops"])


def test_alignments_follow_one_another(made: Path) -> None:
    dataset = train(made, align=[Like("logmel"), Length(8), Windows(4, 4)])
    batch = next(dataset.batches(4))
    for name, width in (("mfcc", 4), ("logmel", 6)):
        assert batch["values"][name].shape == (4, 2, 4, width)
        assert batch["mask"][name].shape == (4, 2, 4)
        assert batch["lengths"][name].tolist() == [2, 2, 2, 2]
    assert batch["mask"]["mfcc"][0].tolist() == [
        [True, True, False, True],
        [False] * 4,
    ]  # 4 rows, one of them not valid


def test_a_clip_that_lacks_a_feature_is_aligned_under_the_mask(made: Path) -> None:
    dataset = train(
        made, features=["mfcc", "crops"], missing="mask", align=(Clock(0.01), Windows(2, 2))
    )
    batch = next(dataset.batches(4))
    assert batch["values"]["crops"].shape == (4, 4, 2, 16, 24, 3)
    assert not batch["mask"]["crops"][0].any()
    assert batch["mask"]["mfcc"][0].any()
    assert np.isnan(dataset[0][1]["crops"].seconds).sum() == 0


# Augmented variants.


def variant_of(name: str, number: int = 1) -> Any:
    spec = {"mfcc": SPEC, "logmel": LOGMEL}[name]
    return replace(spec_of(f"{name}~{number}", shape=spec.shape), variant=number)


@pytest.fixture(scope="module")
def augmented(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("augmented") / "store"
    make_store(
        root,
        specs=(
            SPEC,
            LOGMEL,
            CROPS,
            variant_of("mfcc"),
            variant_of("mfcc", 2),
            variant_of("logmel", 2),
        ),
    )
    return root


def test_a_variant_is_an_item_of_its_own_beside_the_clip(augmented: Path) -> None:
    store = FeatureStore(augmented)
    dataset = train(augmented, features=["mfcc", "logmel"], variants=(0, 1, 2))
    assert dataset.items[:4] == (("made/01", 0), ("made/01", 1), ("made/01", 2), ("made/02", 0))
    assert dataset.clip_ids[:4] == ("made/01", "made/01", "made/01", "made/02")
    assert len(dataset) == 12
    names = (
        ("mfcc", "logmel"),
        ("mfcc~1", "logmel"),
        ("mfcc~2", "logmel~2"),
    )  # variant 1 has no log-mel of its own
    for i, stored in enumerate(names):
        clip_id, tracks, label = dataset[3 + i]
        assert (clip_id, label, list(tracks)) == ("made/02", "happy", ["mfcc", "logmel"])
        assert all(
            same(track, store[name][clip_id])
            for track, name in zip(tracks.values(), stored, strict=True)
        )
    assert dataset.groups[3:6] == ("made/s2",) * 3
    assert dataset.targets.tolist() == [1] * 3 + [2] * 3 + [1] * 3 + [2] * 3
    assert train(augmented, features=["mfcc"], variants=[2]).items[0] == ("made/01", 2)
    assert sorted(id for batch in dataset.batches(5, seed=0) for id in batch["clip_ids"]) == sorted(
        dataset.clip_ids
    )


@pytest.mark.parametrize("role", ["test", None])
def test_only_training_sees_a_variant(augmented: Path, role: str | None) -> None:
    how: dict[str, Any] = {"role": role} if role else {"scheme": None, "fold": None, "role": None}
    said = "role 'test'" if role else "the whole store"
    for asked in ({"variants": (0, 1)}, {"features": ["logmel", "mfcc~1"]}):
        with pytest.raises(
            LeakError,
            match=f"mfcc~1 holds augmented clips, which only training may see, and {said} was "
            "asked for",
        ):
            train(augmented, **how, **asked)
    assert issubclass(LeakError, ValueError)
    assert len(train(augmented, features=["mfcc~1"])) == 4
    assert len(train(augmented, **how)) > 0


def test_a_variant_that_changes_none_of_the_features_is_not_in_the_store(
    augmented: Path, made: Path
) -> None:
    with pytest.raises(NotInStore) as caught:
        train(augmented, features=["logmel", "crops"], variants=(0, 1))
    assert (
        str(caught.value)
        == "the store has no variant 1 of logmel, crops; the variants of its features are 1, 2"
    )
    with pytest.raises(
        NotInStore, match="no variant 3 of mfcc, logmel; the variants of its features are none"
    ):
        train(made, variants=(3,))
    for wrong in (1, ()):
        with pytest.raises(
            ValueError, match=r"expected a list of numbers such as \(0, 1\); 0 is the clip as it is"
        ):
            train(augmented, variants=wrong)


def test_a_stored_feature_without_the_variant_that_its_input_has_is_an_error(
    tmp_path: Path,
) -> None:
    """mfcc -> logmel -> sums, of which mfcc alone has a variant; crops are made from none of
    them."""
    logmel = replace(LOGMEL, needs=(SPEC.fingerprint,))
    sums = spec_of("sums", needs=(LOGMEL.fingerprint,))
    make_store(
        tmp_path,
        specs=(SPEC, logmel, sums, CROPS, replace(variant_of("mfcc"), needs=(SPEC.fingerprint,))),
    )
    for name in ("logmel", "sums"):
        with pytest.raises(
            NotInStore,
            match=f"the store has no {name}~1, though mfcc, which {name} is made from, has the "
            "variant 1; build",
        ):
            train(tmp_path, features=["mfcc", name], variants=(0, 1))
    assert {
        variant for _, variant in train(tmp_path, features=["mfcc", "crops"], variants=(0, 1)).items
    } == {0, 1}
    assert (
        len(train(tmp_path, features=["mfcc~1", "mfcc"], variants=(0, 1))) == 8
    )  # named itself, a variant is what it is in both


def test_a_clip_that_lacks_a_variant_keeps_its_other_items(tmp_path: Path) -> None:
    snapshot = make_store(
        tmp_path,
        specs=(
            SPEC,
            LOGMEL,
            CROPS,
            replace(CROPS, name="crops~1", fingerprint="cd" * 16, variant=1),
        ),
    )
    index = tables_in(tmp_path, snapshot)["index"].to_pandas()
    assert set(index[index.state == "quarantined"].feature) == {"crops", "crops~1"}
    dataset = train(tmp_path, features=["mfcc", "crops"], variants=(0, 1))
    assert dataset.dropped == {"made/01": "crops~1"}
    assert len(dataset) == 6
    mask = train(tmp_path, features=["mfcc", "crops"], variants=(0, 1), missing="mask")
    assert [len(mask[i][1]["crops"]) for i in range(4)] == [0, 0, 5, 5]


# Fitted features.


MEAN = np.arange(4.0)


def fit(root: Path, variants: tuple[int, ...] = ()) -> Path:
    """Give the store `zmfcc`, mfcc - MEAN, and `twice`, zmfcc / 2, as if fitted for fold 0 of
    thirds, and their variants."""
    snapshot, store = FeatureStore(root).snapshot, FeatureStore(root)
    trained = tuple(
        (clip_id, "0" * 64) for clip_id in train(root, features=["mfcc"], labels=None).clip_ids
    )
    fitted = {}
    for name, source, state in (
        ("zmfcc", "mfcc", (MEAN, np.ones(4))),
        ("twice", "zmfcc", (np.zeros(4), np.full(4, 2.0))),
    ):
        spec = spec_of(name)
        file = f"fitted/{name}/{spec.fingerprint}/thirds-0-{'a' * 32}.h5"
        content = StateFile(
            name,
            spec.fingerprint,
            "thirds",
            0,
            trained,
            dict(zip(("mean", "scale"), state, strict=True)),
        )
        write_state(locate(root), file, content)
        size, sha256 = (root / file).stat().st_size, sha256_of(root / file)
        states = (
            FoldState("thirds", 0, content.training_sha256, len(trained), file, size, sha256, (4,)),
        )
        augmented = tuple(
            replace(spec_of(f"{name}~{number}"), variant=number) for number in variants
        )
        fitted[name] = StoredFitted(
            spec, "scale", {"input": source}, None, False, states, augmented
        )
    commit(
        root,
        snapshot.features,
        {name: tables_in(root, snapshot)[name] for name in snapshot.tables},
        fitted=fitted,
    )
    assert store.snapshot.number == 1
    return root


@pytest.fixture(scope="module")
def with_fits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fits") / "store"
    make_store(root, specs=(SPEC, LOGMEL, CROPS, variant_of("mfcc")))
    return fit(root, variants=(1,))


def test_a_fitted_feature_is_read_like_a_stored_one_in_its_fold(with_fits: Path) -> None:
    mfcc = FeatureStore(with_fits)["mfcc"]
    for role in ("train", "test"):
        dataset = train(with_fits, features=["mfcc", "zmfcc", "twice"], role=role)
        for clip_id, tracks, _ in dataset:
            np.testing.assert_allclose(
                tracks["zmfcc"].values, mfcc[clip_id].values - MEAN, rtol=1e-6
            )
            np.testing.assert_allclose(
                tracks["twice"].values, tracks["zmfcc"].values / 2, rtol=1e-6
            )
    copy = pickle.loads(pickle.dumps(dataset))
    assert same(copy[0][1]["zmfcc"], dataset[0][1]["zmfcc"])


def test_a_fitted_feature_follows_its_input_into_a_variant(with_fits: Path) -> None:
    store = FeatureStore(with_fits)
    dataset = train(with_fits, features=["twice", "logmel"], variants=(0, 1))
    for i, name in ((0, "mfcc"), (1, "mfcc~1")):
        clip_id, tracks, _ = dataset[i]
        np.testing.assert_allclose(
            tracks["twice"].values, (store[name][clip_id].values - MEAN) / 2, rtol=1e-6
        )
    with pytest.raises(LeakError, match="twice~1 holds augmented clips"):
        train(with_fits, features=["twice"], variants=(0, 1), role="test")


def test_a_fitted_feature_without_the_variant_that_its_input_has_is_an_error(
    tmp_path: Path,
) -> None:
    make_store(tmp_path, specs=(SPEC, LOGMEL, variant_of("mfcc")))
    fit(tmp_path)
    for name in ("zmfcc", "twice"):
        with pytest.raises(NotInStore) as caught:
            train(tmp_path, features=[name, "mfcc"], variants=(0, 1))
        assert str(caught.value) == (
            f"the store has no {name}~1, though mfcc, which {name} is made from, has the variant "
            "1; "
            f"build with variants.1 in the recipe and fit again, or leave out {name} or the variant"
        )
        assert len(train(tmp_path, features=[name, "mfcc"])) == 4


def test_a_fitted_feature_needs_its_fold(with_fits: Path) -> None:
    with pytest.raises(
        ValueError,
        match="zmfcc is fitted for each fold of a split; name a scheme, a fold and a role",
    ):
        FeatureDataset(with_fits, features=["zmfcc"], labels=None, missing="drop")
    with pytest.raises(NotFitted, match="zmfcc is not fitted for fold 1 of thirds"):
        train(with_fits, features=["zmfcc"], fold=1)
