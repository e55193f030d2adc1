"""What a store, a feature and a dataset are in Python: their names, their text, their tables."""

import re
from pathlib import Path

import pytest

from manifests.audits import AUDITS
from manifests.clips import CLIPS
from manifests.features import INDEX
from manifests.folds import FOLDS
from manifests.labels import LABELS
from manifests.quarantine import QUARANTINE
from manifests.table import Table
from stores import Clock, FeatureDataset, FeatureStore
from tests.support.stores_made import SPEC, make_store, spec_of


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    root = tmp_path_factory.mktemp("shown") / "store"
    make_store(root)
    return FeatureStore(root)


@pytest.mark.parametrize("table", [CLIPS, LABELS, FOLDS, INDEX, QUARANTINE, AUDITS])
def test_a_table_has_the_columns_that_its_docstring_names(
    table: Table[object], store: FeatureStore
) -> None:
    method = getattr(FeatureStore, table.name)
    named = re.findall(r"`(\w+)`", method.__doc__.partition("Returns:")[2])
    assert named == table.schema.names
    assert getattr(store, table.name)().columns.tolist() == named


def test_a_store_is_its_features_by_name(store: FeatureStore) -> None:
    assert [*store] == ["crops", "logmel", "mfcc"]
    assert len(store) == 3
    assert "mfcc" in store
    assert "mfccs" not in store
    assert {name: len(store[name]) for name in store} == {"mfcc": 7, "logmel": 7, "crops": 6}


def test_a_store_without_a_feature_is_true_all_the_same(tmp_path: Path) -> None:
    make_store(tmp_path, specs=())
    assert len(FeatureStore(tmp_path)) == 0
    assert FeatureStore(tmp_path)


def test_a_store_shows_what_it_holds(store: FeatureStore) -> None:
    for text in (repr(store), store._repr_html_()):
        assert f"FeatureStore {store.location}" in text
        for part in (
            "mfcc (time, 4) float32, hop 0.01 s, 7 clips",
            "crops (time, 16, 24, 3) uint8 jpeg, rows follow the clip",
            "thirds",
            "snapshot",
        ):
            assert part in text
    lines = dict(re.findall(r"^  (\w+) +(.*)$", repr(store), re.MULTILINE))
    assert (lines["snapshot"], lines["clips"], lines["folds"]) == ("1", "7", "thirds")


def test_of_many_features_some_are_shown(tmp_path: Path) -> None:
    make_store(tmp_path, count=1, specs=tuple(spec_of(f"f{number:02}") for number in range(20)))
    assert "and 8 more" in repr(FeatureStore(tmp_path))
    assert "f19" not in repr(FeatureStore(tmp_path))


def test_a_feature_shows_its_shape_hop_and_clips(store: FeatureStore) -> None:
    for text in (repr(store["mfcc"]), store["mfcc"]._repr_html_()):
        assert "tracks of mfcc" in text
        assert "(time, 4) float32, hop 0.01 s" in text
        assert SPEC.units in text
    assert re.search(r"^  clips +7$", repr(store["mfcc"]), re.MULTILINE)
    assert "made/01" in store["mfcc"]
    assert [*store["mfcc"]][:2] == ["made/00", "made/01"]


def test_a_dataset_shows_its_items_features_fold_and_labels(store: FeatureStore) -> None:
    dataset = FeatureDataset(
        store,
        features=["mfcc", "crops"],
        labels="made3",
        scheme="thirds",
        fold=0,
        role="train",
        missing="drop",
        align=Clock(0.02),
    )
    for text in (repr(dataset), dataset._repr_html_()):
        for part in (
            f"{store.location}, snapshot 1",
            "thirds, fold 0, train",
            "3; clips 3, groups 2",
            "clips 1, see dropped",
            "mfcc (time, 4) float32, hop 0.01 s",
            "made3: angry 0, calm 1, happy 2",
            "Clock(hop_s=0.02",
        ):
            assert part in text, part
    plain = FeatureDataset(store, features=["mfcc"], labels=None, missing="error")
    assert "all clips" in repr(plain)
    assert "labels" not in repr(plain)


def test_to_show_a_store_reads_neither_table_nor_shard(tmp_path: Path) -> None:
    make_store(tmp_path)
    store = FeatureStore(tmp_path)
    for folder in ("tables", "shards"):
        (tmp_path / folder).rename(tmp_path / f"gone-{folder}")
    assert "7 clips" in repr(store)
    assert "7 clips" in store._repr_html_()


def test_what_is_shown_of_a_name_is_escaped(tmp_path: Path) -> None:
    root = tmp_path / "<i>\x1b[31m"
    make_store(root, count=1, specs=(SPEC,))
    store = FeatureStore(root)
    assert "\x1b" not in repr(store) + store._repr_html_()
    assert "&lt;i&gt;" in store._repr_html_()
    assert "<i>" not in store._repr_html_()
