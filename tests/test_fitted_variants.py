"""Augmented variants of what a network makes for one fold: of its training clips alone."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import extractors.fitted.catalog
from flows.fitting.plan import declared
from flows.recipe import parse
from manifests.features import INDEX
from manifests.folds import Role
from manifests.quarantine import QUARANTINE, Quarantined
from stores import FeatureDataset, FeatureStore, LeakError, NotFitted, NotInStore
from stores.fitted_state import read_state
from stores.location import locate
from stores.parsing import WrongRecord
from stores.pointer import WrongSnapshot
from stores.publish import publish
from stores.records import FoldState, check_fitted
from stores.snapshot import load_snapshot
from stores.training_clips import carry
from stores.verify import verify
from tests.support.fitted_made import (
    IDS,
    NOWHERE,
    SILENT,
    Centre,
    fit,
    make,
    quarters,
    refold,
    states,
    training,
    with_fitted,
)
from tests.support.seeds import seeds
from tests.support.stores_made import same, shard_at, tables_in

SOUND = {"extractor": "augment_audio", "seed": 0, "pitch_semitones": 1.0}
CODES = {"code": {"fitter": "centre", "input": "z"}, "codes": {"fitter": "zscore", "input": "code"}}
RECIPE: dict[str, Any] = {**with_fitted(**CODES), "variants": {"1": {"audio": SOUND}}}
SHORT = ("made/00", "made/01")
"""Clips that `Centre` refuses."""


@dataclass(frozen=True, kw_only=True)
class CentreLeaking(Centre):
    """`Centre`, learned from the clips of every role."""

    name: ClassVar[str] = "centre_leaking"
    sees_all: ClassVar[bool] = True


@pytest.fixture(autouse=True)
def catalog(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (Centre, CentreLeaking):
        monkeypatch.setitem(extractors.fitted.catalog.FITTERS, kind.name, kind)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("variants") / "store"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(extractors.fitted.catalog.FITTERS, "centre", Centre)
        make(root, RECIPE)
        fit(root)
    return root


@pytest.fixture
def store(fitted: Path, tmp_path: Path) -> Path:
    """A copy that the test may change."""
    return Path(shutil.copytree(fitted, tmp_path / "store"))


def code(root: Path, fold: int = 0) -> FoldState:
    state = load_snapshot(locate(root)).fitted["code"].state("quarters", fold)
    assert state is not None
    return state


def in_shards(root: Path, state: FoldState) -> list[str]:
    """The clips that the shards of a state's variants name, those that they refuse among them."""
    shards = [shard_at(root, record.file) for one in state.variants for record in one.shards]
    return sorted(each.clip_id for shard in shards for each in (*shard.entries, *shard.refused))


def bytes_of(root: Path, name: str, fold: int) -> list[bytes]:
    state = load_snapshot(locate(root)).fitted[name].state("quarters", fold)
    assert state is not None
    return [(root / shard.file).read_bytes() for one in state.variants for shard in one.shards]


def test_a_model_makes_a_variant_of_the_training_clips_by_the_state_of_the_fold(
    fitted: Path,
) -> None:
    reader = FeatureStore(fitted)
    for fold in range(4):
        augmented, z = (
            reader.fitted("code~1", "quarters", fold),
            reader.fitted("z~1", "quarters", fold),
        )
        mean = read_state(locate(fitted), code(fitted, fold).file).state["mean"]
        assert list(augmented) == [c for c in training(fold) if c not in (*SHORT, SILENT)]
        for clip_id, found in augmented.items():
            np.testing.assert_allclose(
                found.values[0], np.nanmean(z[clip_id].values, axis=0) - mean, atol=1e-6
            )
            assert not same(found, reader.fitted("code", "quarters", fold)[clip_id])
        assert (augmented.spec.name, augmented.spec.variant) == ("code~1", 1)
        assert list(reader.fitted("codes~1", "quarters", fold)) == list(augmented)
    assert len(reader.fitted("code", "quarters", 0)) == 9  # as they are, the clips of every role
    report = verify(fitted)
    assert (report.problems, report.unreferenced) == ([], 0)


def test_a_variant_changes_no_byte_of_the_states_nor_of_the_clips_as_they_are(
    fitted: Path, tmp_path: Path
) -> None:
    make(tmp_path, with_fitted(**CODES))
    fit(tmp_path)
    assert states(tmp_path) == states(fitted)
    for fold in range(4):
        assert [shard.sha256 for shard in code(tmp_path, fold).shards] == [
            shard.sha256 for shard in code(fitted, fold).shards
        ]


@pytest.mark.parametrize("fold", seeds(2, 2))
def test_no_clip_but_those_of_training_is_in_any_shard_of_a_variant(
    fitted: Path, tmp_path: Path, fold: int
) -> None:
    assert in_shards(fitted, code(fitted, fold)) == training(fold)
    make(tmp_path, RECIPE, planted=dict.fromkeys(set(IDS) - set(training(fold)), 1e6))
    fit(tmp_path)
    assert bytes_of(tmp_path, "code", fold) == bytes_of(fitted, "code", fold) != []
    assert all(
        bytes_of(tmp_path, "code", other) != bytes_of(fitted, "code", other)
        for other in range(4)
        if other != fold
    )


def test_a_model_that_sees_the_clips_of_every_role_makes_variants_of_training_clips_alone(
    tmp_path: Path,
) -> None:
    make(tmp_path, {**RECIPE, "fitted": {"code": {"fitter": "centre_leaking", "input": "logmel"}}})
    fit(tmp_path)
    for fold in range(4):
        assert len(read_state(locate(tmp_path), code(tmp_path, fold).file).clips) == 11
        assert in_shards(tmp_path, code(tmp_path, fold)) == training(fold)
    assert verify(tmp_path).problems == []


def test_a_model_that_is_fitted_on_a_variant_by_name_is_of_training_clips_alone(
    tmp_path: Path,
) -> None:
    make(tmp_path, {**RECIPE, "fitted": {"code": {"fitter": "centre", "input": "logmel~1"}}})
    fit(tmp_path)
    tracks = FeatureStore(tmp_path).fitted("code", "quarters", 0)
    assert tracks.spec.variant == 1
    assert list(tracks) == [c for c in training(0) if c not in (*SHORT, SILENT)]
    shards = [shard_at(tmp_path, record.file) for record in code(tmp_path).shards]
    assert sorted(
        each.clip_id for shard in shards for each in (*shard.entries, *shard.refused)
    ) == training(0)
    assert load_snapshot(locate(tmp_path)).fitted["code"].variants == ()
    assert verify(tmp_path).problems == []


def test_a_join_of_an_augmented_input_with_one_that_is_not_touched_has_the_variant(
    tmp_path: Path,
) -> None:
    features = {
        **RECIPE["features"],
        "speech": {"extractor": "audio"},
        "mfcc": {**RECIPE["features"]["mfcc"], "audio": "speech"},
    }
    make(
        tmp_path,
        {
            **RECIPE,
            "features": features,
            "fitted": {"both": {"fitter": "pooled", "inputs": ("logmel", "mfcc")}},
        },
    )
    fit(tmp_path)
    reader = FeatureStore(tmp_path)
    assert sorted(reader.features) == ["logmel", "logmel~1", "mfcc"]
    augmented, plain = (
        reader.fitted(name, "quarters", 0)["made/02"].values[0] for name in ("both~1", "both")
    )
    np.testing.assert_allclose(
        augmented[:6], np.nanmean(reader["logmel~1"]["made/02"].values, axis=0), atol=1e-5
    )
    np.testing.assert_array_equal(augmented[6:], plain[6:])
    assert not np.allclose(augmented[:6], plain[:6])


# Reading


def dataset(root: Path, **how: Any) -> FeatureDataset:
    plain: dict[str, Any] = {
        "labels": "made3",
        "scheme": "quarters",
        "fold": 0,
        "role": "train",
        "missing": "drop",
        "variants": (0, 1),
    }
    return FeatureDataset(root, **{"features": ["code", "codes"], **plain, **how})


def test_a_dataset_serves_the_variant_that_was_made_and_never_the_clean_one(fitted: Path) -> None:
    reader, found = FeatureStore(fitted), dataset(fitted)
    assert found.items == tuple(
        (c, variant) for c in training(0) if c not in (*SHORT, SILENT) for variant in (0, 1)
    )
    for i, (clip_id, variant) in enumerate(found.items):
        for name, track in found[i][1].items():
            assert same(
                track, reader.fitted(f"{name}~1" if variant else name, "quarters", 0)[clip_id]
            )
    with pytest.raises(
        LeakError, match=r"codes?~1 holds augmented clips, which only training may see"
    ):
        dataset(fitted, role="test")
    assert len(dataset(fitted, role="test", variants=(0,))) == 2


def test_a_variant_that_is_not_in_the_store_names_those_that_are(fitted: Path) -> None:
    with pytest.raises(
        NotInStore,
        match="the store has no variant code~2 of code; the variants of its inputs give code~1",
    ):
        FeatureStore(fitted).fitted("code~2", "quarters", 0)
    with pytest.raises(NotFitted, match="code is not fitted for fold 0 of halves"):
        FeatureStore(fitted).fitted("code~1", "halves", 0)


def changed(root: Path, change: Callable[[FoldState], FoldState]) -> None:
    """Publish the states of `code` changed, as no command of ours does."""
    old = load_snapshot(locate(root))
    entry = old.fitted["code"]
    made = {**old.fitted, "code": replace(entry, states=tuple(map(change, entry.states)))}
    publish(
        locate(root),
        parent=old,
        recipe=old.recipe,
        tables=tables_in(root, old),
        features=old.features,
        fitted=made,
        versions=old.versions,
        schemes=old.schemes,
    )


def test_the_variant_of_another_fold_is_refused_by_reader_and_verify(store: Path) -> None:
    other = code(store, 2).variants
    changed(store, lambda state: replace(state, variants=other) if state.fold == 0 else state)
    with pytest.raises(
        NotFitted,
        match="code~1 was made of clips that are no longer the training clips of fold 0 of "
        "quarters",
    ):
        FeatureStore(store).fitted("code~1", "quarters", 0)
    problems = verify(store).problems
    assert any(
        "code~1 of fold 0 of quarters has tracks of other clips than the training clips that have "
        "its inputs" in p
        for p in problems
    )
    (one,) = (problem for problem in problems if "not to be trained on" in problem)
    assert (
        "code~1 of fold 0 of quarters holds augmented tracks of 3 clips that are not to be "
        "trained on in that fold, such as made/04" in one
    )


def test_one_clip_too_many_in_the_shards_of_a_variant_is_found_though_all_hashes_are_right(
    store: Path,
) -> None:
    more = code(store, 2).variants[0].shards
    changed(
        store,
        lambda s: (
            replace(s, variants=(replace(s.variants[0], shards=s.variants[0].shards + more),))
            if s.fold == 0
            else s
        ),
    )
    (one, two) = verify(store).problems
    assert "not to be trained on" in one
    assert "lacks the tracks of 0 clips, and has those of 3 that it should not have" in two


def test_a_snapshot_that_lacks_a_variant_of_a_state_is_not_read(store: Path) -> None:
    fitted, features = load_snapshot(locate(store)).fitted, load_snapshot(locate(store)).features
    entry = fitted["code"]
    bare = replace(entry, states=tuple(replace(state, variants=()) for state in entry.states))
    misnamed = replace(entry, variants=(replace(entry.variants[0], name="codes~1"),))
    for wrong, message in (
        (bare, r"fold 0 of quarters .* has tracks of variants \[\], expected \[\(1, "),
        (misnamed, "code~1 and so on"),
    ):
        with pytest.raises(WrongRecord, match=message):
            check_fitted({**fitted, "code": wrong}, features)


def test_a_shard_of_a_variant_that_is_gone_is_named_by_verify_and_stops_a_commit(
    store: Path,
) -> None:
    path = store / code(store).variants[0].shards[0].file
    path.unlink()
    assert any(str(path) in problem for problem in verify(store).problems)
    with pytest.raises(WrongSnapshot, match=f"{path.name} is missing"):
        refold(store, quarters()[1:])


# What is kept, dropped and gone on with


def times(root: Path) -> dict[str, int]:
    return {
        path.relative_to(root).as_posix(): path.stat().st_mtime_ns
        for path in sorted((root / "fitted").rglob("*.h5"))
    }


@pytest.mark.usefixtures("processes")
def test_a_killed_fit_makes_only_the_shards_that_are_missing_and_the_same_bytes(
    fitted: Path, tmp_path: Path
) -> None:
    make(tmp_path, RECIPE)
    shutil.copytree(fitted / "fitted", tmp_path / "fitted")
    for one in (code(fitted, 1).variants[0].shards[0], code(fitted, 3).shards[0]):
        (tmp_path / one.file).unlink()
    left = times(tmp_path)
    fit(tmp_path)
    after = times(tmp_path)
    assert {file: after[file] for file in left} == left
    assert len(after) == len(left) + 2
    assert load_snapshot(locate(tmp_path)).fitted == load_snapshot(locate(fitted)).fitted


def test_other_strengths_make_the_variants_again_and_nothing_else(store: Path) -> None:
    snapshot, rows = load_snapshot(locate(store)), FeatureStore(store).rows
    assert carry(snapshot.fitted, snapshot.fitted, rows) == snapshot.fitted
    other = parse(
        {**RECIPE, "variants": {"1": {"audio": {**SOUND, "pitch_semitones": 2.0}}}}, "other"
    )
    kept = carry(declared(other.fitted, other.graph.specs), snapshot.fitted, rows)
    assert {name: len(entry.states) for name, entry in kept.items()} == {
        "z": 4,
        "parts": 4,
        "even": 4,
        "code": 0,
        "codes": 0,
    }
    bare = parse(with_fitted(**CODES), "bare")
    kept = carry(declared(bare.fitted, bare.graph.specs), snapshot.fitted, rows)
    assert {name: len(entry.states) for name, entry in kept.items()} == {
        "z": 4,
        "parts": 4,
        "even": 4,
        "code": 0,
        "codes": 0,
    }


def lose(root: Path, clip_id: str, feature: str) -> tuple[Any, Any]:
    """Tables whose index has a clip's feature in quarantine."""
    reader = FeatureStore(root)
    index = [
        replace(row, **NOWHERE) if (row.clip_id, row.feature) == (clip_id, feature) else row
        for row in reader.rows(INDEX)
    ]
    quarantine = [*reader.rows(QUARANTINE), Quarantined(clip_id, feature, "no_audio", "silent")]
    return INDEX.build(index), QUARANTINE.build(quarantine)


@pytest.mark.usefixtures("processes")
def test_a_training_clip_that_loses_its_variant_is_left_out_and_the_clips_as_they_are_stay(
    store: Path,
) -> None:
    before, old = times(store), load_snapshot(locate(store))
    index, quarantine = lose(store, "made/02", "logmel~1")
    refold(store, quarters(), index=index, quarantine=quarantine)
    with_it = [fold for fold in range(4) if "made/02" in training(fold)]
    for fold in range(4):
        if fold in with_it:
            with pytest.raises(NotFitted, match="code~1 was made of clips that are no longer"):
                FeatureStore(store).fitted("code~1", "quarters", fold)
        else:
            assert len(FeatureStore(store).fitted("code~1", "quarters", fold)) > 0
    fit(store)
    assert load_snapshot(locate(store)).fitted["z"].states == old.fitted["z"].states
    for fold in with_it:
        assert code(store, fold).shards == old.fitted["code"].states[fold].shards
        variant = FeatureStore(store).fitted("code~1", "quarters", fold)
        assert "made/02" in FeatureStore(store).fitted("code", "quarters", fold)
        with pytest.raises(
            NotInStore, match="made/02 has no code~1, it is quarantined: no_audio: silent"
        ):
            variant["made/02"]
    assert {file: time for file, time in times(store).items() if file in before} == before
    assert verify(store).problems == []
    assert dataset(store, fold=with_it[0]).dropped.items() >= {("made/02", "code~1, codes~1")}


def test_a_clip_whose_input_is_found_later_gets_its_track(store: Path, tmp_path: Path) -> None:
    """A test clip of fold 0: nothing that the fit saw has changed, and so the state has the same
    name."""
    make(tmp_path / "other", RECIPE)
    tables = tables_in(tmp_path / "other", load_snapshot(locate(tmp_path / "other")))
    complete = {name: tables[name] for name in ("index", "quarantine")}
    assert [row.role for row in quarters() if (row.fold, row.clip_id) == (0, "made/08")] == [
        Role.TEST
    ]
    index, quarantine = lose(tmp_path / "other", "made/08", "logmel")
    refold(tmp_path / "other", quarters(), index=index, quarantine=quarantine)
    fit(tmp_path / "other")
    assert "made/08" not in FeatureStore(tmp_path / "other").fitted("code", "quarters", 0)
    refold(tmp_path / "other", quarters(), **complete)
    fit(tmp_path / "other")
    assert load_snapshot(locate(tmp_path / "other")).fitted == load_snapshot(locate(store)).fitted
    assert "made/08" in FeatureStore(tmp_path / "other").fitted("code", "quarters", 0)


def test_a_split_in_which_a_clip_is_no_longer_for_training_takes_its_variant_out(
    store: Path,
) -> None:
    moved = [
        replace(row, role=Role.VALID) if (row.fold, row.clip_id) == (0, "made/02") else row
        for row in quarters()
    ]
    refold(store, moved)
    for name in ("code", "code~1"):
        with pytest.raises(NotFitted, match="no longer the training clips of fold 0"):
            FeatureStore(store).fitted(name, "quarters", 0)
    fit(store)
    assert "made/02" in FeatureStore(store).fitted("code", "quarters", 0)
    assert "made/02" not in FeatureStore(store).fitted("code~1", "quarters", 0)
    assert in_shards(store, code(store)) == [c for c in training(0) if c != "made/02"]
    assert verify(store).problems == []
