"""The flow `fit` and what surrounds it: any number of workers, recipes, what a build and a split
keep, and errors in one sentence."""

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flows.auditing.run import run_audit
from flows.building.run import run_build
from flows.fitting import run as fitting
from flows.fitting.plan import FitPlan, declared
from flows.fitting.run import run_fit
from flows.fitting.task import FitError, FitTask
from flows.recipe import RecipeError, load, parse
from flows.splitting.run import run_split
from flows.view.recipes import print_recipe
from manifests.audits import Severity
from manifests.features import INDEX, State
from manifests.folds import FOLDS, Role
from manifests.labels import LABELS
from manifests.quarantine import QUARANTINE, Quarantined
from stores import FeatureStore, NotInStore
from stores.fitted_state import read_state
from stores.location import locate
from stores.reader import NotFitted
from stores.snapshot import load_snapshot
from stores.training_clips import carry
from stores.transforms import TRANSFORMS
from stores.verify import verify
from tests.support.commands import Command, refusal
from tests.support.fitted_made import (
    IDS,
    NOWHERE,
    RECIPE,
    SILENT,
    fit,
    make,
    quarters,
    refold,
    states,
    training,
    with_fitted,
)
from tests.support.stores_made import same


@pytest.fixture
def store(tmp_path: Path) -> Path:
    make(tmp_path / "store")
    return tmp_path / "store"


def fails(root: Path, scheme: str = "quarters") -> str:
    with pytest.raises(FitError) as caught:
        fit(root, scheme)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_scheme_without_folds_is_one_sentence_with_the_next_step(store: Path) -> None:
    sentence = fails(store, "halves")
    assert "no folds of the scheme 'halves'" in sentence
    assert "it has folds of: quarters" in sentence
    assert "affectstore split" in sentence


def test_a_recipe_that_fits_nothing_is_one_sentence(tmp_path: Path) -> None:
    make(tmp_path, {**RECIPE, "fitted": {}})
    assert "small, has no [fitted.NAME] table" in fails(tmp_path)


def test_labels_that_are_not_there_are_one_sentence_before_anything_is_fitted(
    tmp_path: Path,
) -> None:
    choose = {
        "fitter": "iza",
        "input": "logmel",
        "keep": 2,
        "population": 2,
        "iterations": 1,
        "inner_folds": 2,
    }
    make(tmp_path / "other", with_fitted(best={**choose, "labels": "common4"}))
    assert "best is fitted to the labels 'common4', which no clip" in fails(tmp_path / "other")
    assert "it has made3" in fails(tmp_path / "other")
    make(tmp_path / "none", with_fitted(best={**choose, "labels": "made3"}), labelled=False)
    assert "it has no labels at all" in fails(tmp_path / "none")
    assert not (tmp_path / "none" / "fitted").exists()
    make(tmp_path / "there", with_fitted(best={**choose, "labels": "made3"}))
    fit(tmp_path / "there")
    assert FeatureStore(tmp_path / "there").fitted("best", "quarters", 0).spec.shape == (2,)


def test_an_input_that_no_training_clip_has_is_one_sentence_with_the_reasons(
    tmp_path: Path,
) -> None:
    make(tmp_path)
    index = [
        replace(row, **NOWHERE) if row.clip_id in training(1) else row
        for row in FeatureStore(tmp_path).rows(INDEX)
    ]
    quarantined = [
        Quarantined(row.clip_id, row.feature, "no_audio", "silent")
        for row in index
        if row.state == State.QUARANTINED
    ]
    refold(tmp_path, quarters(), index=INDEX.build(index), quarantine=QUARANTINE.build(quarantined))
    sentence = fails(tmp_path)
    assert (
        "z has nothing to learn from in fold 1 of quarters: none of its 6 training clips has "
        "logmel (6 no_audio)" in sentence
    )


def test_too_little_to_learn_from_names_feature_fold_and_reason(tmp_path: Path) -> None:
    make(
        tmp_path,
        {**RECIPE, "fitted": {"p": {"fitter": "pca", "input": "logmel", "n_components": 6}}},
    )
    refold(
        tmp_path,
        [
            row
            for row in quarters()
            if row.fold == 2 and (row.role != Role.TRAIN or row.clip_id == "made/00")
        ],
    )
    assert (
        "p, fold 2 of quarters cannot be fitted: 5 valid rows of training have no 6 directions"
        in fails(tmp_path)
    )


def test_a_variant_of_the_input_passes_through_the_state_of_the_clean_training_clips(
    tmp_path: Path,
) -> None:
    recipe = {
        **RECIPE,
        "variants": {
            "1": {"audio": {"extractor": "augment_audio", "seed": 0, "pitch_semitones": 1.0}}
        },
    }
    make(tmp_path, recipe)
    fit(tmp_path)
    reader = FeatureStore(tmp_path)
    even = reader.fitted("even~1", "quarters", 0)
    state = {
        name: read_state(
            locate(tmp_path), load_snapshot(locate(tmp_path)).fitted[name].states[0].file
        ).state
        for name in ("z", "parts", "even")
    }
    expected = reader["logmel~1"]["made/04"]
    for name, transform in (("z", "scale"), ("parts", "project"), ("even", "pad")):
        expected = TRANSFORMS[transform](state[name], expected)
    assert same(even["made/04"], expected)
    assert (even.spec.name, even.spec.variant) == ("even~1", 1)
    with pytest.raises(
        NotInStore,
        match="the store has no variant even~2 of even; the variants of its inputs give even~1",
    ):
        reader.fitted("even~2", "quarters", 0)


def test_a_fit_that_says_that_it_leaks_sees_all_clips_and_the_audit_names_it(
    tmp_path: Path,
) -> None:
    leaking = {
        "fitter": "iza_leaking",
        "input": "logmel",
        "labels": "made3",
        "keep": 2,
        "population": 2,
        "iterations": 1,
        "inner_folds": 2,
    }
    make(tmp_path, {**RECIPE, "fitted": {"z": RECIPE["fitted"]["z"], "best_leaking": leaking}})
    fit(tmp_path)
    state = load_snapshot(locate(tmp_path)).fitted["best_leaking"].states[0]
    assert [clip_id for clip_id, _ in read_state(locate(tmp_path), state.file).clips] == [
        c for c in IDS if c != SILENT
    ]
    assert len(FeatureStore(tmp_path).fitted("best_leaking", "quarters", 0)) == 11
    assert verify(tmp_path).problems == []
    errors = [
        one
        for one in run_audit([tmp_path]).findings
        if one.rule == "L10" and one.severity == Severity.ERROR
    ]
    assert {one.what for one in errors} == {"fitted best_leaking"}
    assert (
        "3 of them are test clips, 2 others are no training clips"
        in min(errors, key=lambda one: one.fold).detail
    )
    kept = FeatureStore(tmp_path).audits()
    assert len(kept[(kept["rule"] == "L10") & (kept["severity"] == "error")]) == len(errors)


def test_a_fit_gives_the_same_bytes_with_any_number_of_workers(
    processes: None, store: Path, tmp_path: Path
) -> None:
    shutil.copytree(store, tmp_path / "two")
    fit(store)
    result = run_fit(tmp_path / "two", "quarters", workers=2)
    assert (result.fitted, result.already_fitted, result.snapshot.number) == (12, 0, 2)
    assert states(tmp_path / "two") == states(store)
    again = run_fit(tmp_path / "two", "quarters", workers=1)
    assert (again.fitted, again.already_fitted, again.snapshot) == (0, 12, result.snapshot)
    assert verify(tmp_path / "two").problems == []


def test_the_command_fits_prints_what_it_made_and_says_what_is_wrong(
    command: Command, store: Path
) -> None:
    wide = {"COLUMNS": "120"}
    done = command("fit", store, "quarters", "--workers", "1", environment=wide)
    assert done.returncode == 0, done.stderr
    assert "12 new states of quarters" in done.stdout
    assert "quarters (4 folds)" in done.stdout
    assert "no folds of the scheme 'halves'" in refusal("fit", store, "halves")


AUDIO = """
about = "sound alone"
clips_per_shard = 4
max_bad_fraction = 1.0
[features.audio]
extractor = "audio"
[features.logmel]
extractor = "logmel"
n_mels = 8
[fitted.z]
fitter = "zscore"
input = "logmel"
[fitted.even]
fitter = "pad"
input = "z"
"""


def test_a_build_keeps_what_still_holds_and_a_split_drops_what_does_not(
    sample: Path, tmp_path: Path
) -> None:
    (tmp_path / "audio.toml").write_text(AUDIO)
    store, clips, recipe = (
        tmp_path / "store",
        Path(shutil.copytree(sample, tmp_path / "clips")),
        str(tmp_path / "audio.toml"),
    )
    run_build(store, {"sample": clips}, recipe, workers=1)
    assert {name: entry.states for name, entry in load_snapshot(locate(store)).fitted.items()} == {
        "even": (),
        "z": (),
    }
    run_split(store, "subject_kfold", 3)
    run_fit(store, "subject_kfold", workers=1)
    fitted = load_snapshot(locate(store)).fitted
    assert [len(entry.states) for entry in fitted.values()] == [3, 3]
    assert not run_build(store, {"sample": clips}, recipe, workers=1).is_new
    assert (
        run_split(store, "subject_kfold", 3).fitted
        == fitted
        == run_split(store, "leave_one_subject_out").fitted
    )

    changed = run_build(
        store, {"sample": clips}, recipe, ("fitted.even.percentile=50.0",), workers=1
    ).snapshot
    assert [len(changed.fitted[name].states) for name in ("even", "z")] == [0, 3]
    run_split(store, "holdout", test=("01",))
    assert len(run_fit(store, "holdout", workers=1).snapshot.fitted["z"].states) == 4
    left = run_split(store, "holdout", test=("02",)).fitted["z"].states
    assert [(state.scheme, state.fold) for state in left] == [
        ("subject_kfold", fold) for fold in range(3)
    ]
    with pytest.raises(NotFitted, match="z is not fitted for fold 0 of holdout"):
        FeatureStore(store).fitted("z", "holdout", 0)
    assert run_split(store, "holdout", test=("01",)).fitted["z"].states == left
    assert run_fit(store, "holdout", workers=1).fitted == 2
    assert verify(store).problems == []


AUGMENTED = """
[fitted.mean]
fitter = "pooled"
inputs = ["z"]
[variants.1]
audio = { extractor = "augment_audio", seed = 0, pitch_semitones = 1.0 }
"""


def test_a_build_keeps_what_was_made_of_a_variant_until_the_augmentation_changes(
    sample: Path, tmp_path: Path
) -> None:
    (tmp_path / "audio.toml").write_text(AUDIO + AUGMENTED)
    store, recipe = tmp_path / "store", str(tmp_path / "audio.toml")
    run_build(store, {"sample": sample}, recipe, workers=1)
    run_split(store, "subject_kfold", 3)
    fitted = run_fit(store, "subject_kfold", workers=2).snapshot.fitted
    assert [(spec.name, spec.variant) for spec in fitted["mean"].variants] == [("mean~1", 1)]
    assert not run_build(store, {"sample": sample}, recipe, workers=1).is_new
    reader = FeatureStore(store)
    train = {row.clip_id for row in reader.rows(FOLDS) if (row.fold, row.role) == (0, Role.TRAIN)}
    assert set(reader.fitted("mean~1", "subject_kfold", 0)) == train & set(reader["logmel~1"])
    assert set(reader.fitted("mean", "subject_kfold", 0)) == set(reader["logmel"])

    changed = run_build(
        store, {"sample": sample}, recipe, ("variants.1.audio.pitch_semitones=2.0",), workers=1
    ).snapshot
    assert [len(changed.fitted[name].states) for name in ("even", "mean", "z")] == [3, 0, 3]
    again = run_fit(store, "subject_kfold", workers=1)
    assert [state.shards for state in again.snapshot.fitted["mean"].states] == [
        state.shards for state in fitted["mean"].states
    ]
    assert again.snapshot.fitted["mean"].states != fitted["mean"].states
    assert verify(store).problems == []


def test_what_is_fitted_on_a_changed_feature_is_fitted_again_and_nothing_else(store: Path) -> None:
    fit(store)
    snapshot, rows = load_snapshot(locate(store)), FeatureStore(store).rows
    assert carry(snapshot.fitted, snapshot.fitted, rows) == snapshot.fitted
    other = parse(
        with_fitted(
            z={"fitter": "zscore", "input": "mfcc"}, m={"fitter": "zscore", "input": "mfcc"}
        ),
        "other",
    )
    kept = carry(declared(other.fitted, other.graph.specs), snapshot.fitted, rows)
    assert {name: len(entry.states) for name, entry in kept.items()} == {
        "z": 0,
        "parts": 0,
        "even": 0,
        "m": 0,
    }
    other = parse(with_fitted(parts={"fitter": "pca", "input": "z", "n_components": 2}), "other")
    kept = carry(declared(other.fitted, other.graph.specs), snapshot.fitted, rows)
    assert {name: len(entry.states) for name, entry in kept.items()} == {
        "z": 4,
        "parts": 0,
        "even": 0,
    }


def test_other_labels_or_groups_of_the_same_clips_make_another_state(
    store: Path, tmp_path: Path
) -> None:
    best = {
        "fitter": "iza",
        "input": "logmel",
        "labels": "made3",
        "keep": 2,
        "population": 2,
        "iterations": 1,
        "inner_folds": 2,
    }
    make(tmp_path / "labels", with_fitted(best=best, scaled={"fitter": "zscore", "input": "best"}))
    fit(tmp_path / "labels")
    snapshot, reader = load_snapshot(locate(tmp_path / "labels")), FeatureStore(tmp_path / "labels")
    relabelled = [
        replace(label, value="calm") if label.clip_id == "made/02" else label
        for label in reader.rows(LABELS)
    ]
    refold(tmp_path / "labels", quarters(), labels=LABELS.build(relabelled))
    fit(tmp_path / "labels")
    files = {
        name: [state.file for state in entry.states]
        for name, entry in load_snapshot(locate(tmp_path / "labels")).fitted.items()
    }
    for name, entry in snapshot.fitted.items():
        same_file = [
            state.fold
            for state, file in zip(entry.states, files[name], strict=True)
            if state.file == file
        ]
        assert same_file == [
            fold
            for fold in range(4)
            if "made/02" not in training(fold) or name not in ("best", "scaled")
        ]


def refused(**fitted: dict[str, Any]) -> str:
    with pytest.raises(RecipeError) as caught:
        parse({**RECIPE, "fitted": fitted}, "mine")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"input": "logmel"}, "fitted.x needs a key fitter, one of zscore, pca, pad"),
        (
            {"fitter": "zscor", "input": "logmel"},
            "fitted.x: there is no fitter 'zscor'; there are zscore, pca",
        ),
        (
            {"fitter": "zscore", "inputs": "logmel"},
            "unknown key fitted.x.inputs; did you mean input? known here: fitter, input",
        ),
        ({"fitter": "zscore"}, "fitted.x.the key input is missing"),
        (
            {"fitter": "pca", "input": "logmel", "n_components": "many"},
            "fitted.x.n_components is 'many'",
        ),
        ({"fitter": "pca", "input": "logmel"}, "either n_components or variance"),
        (
            {"fitter": "pca", "input": "logmel", "n_components": 60},
            "fitted.x: n_components = 60, but the rows of logmel have 6 numbers",
        ),
        (
            {"fitter": "zscore", "input": "words"},
            "feature x needs 'words' as its input, which the recipe does not have",
        ),
        (
            {"fitter": "zscore", "input": "audio"},
            "fitted.x is fitted on audio, which is not stored; set store = true in "
            "[features.audio]",
        ),
    ],
)
def test_a_fitted_table_that_cannot_be_used_is_one_sentence(
    table: dict[str, Any], message: str
) -> None:
    assert message in refused(x=table)


def test_names_and_needs_of_fitted_features_are_checked(tmp_path: Path) -> None:
    z = {"fitter": "zscore", "input": "logmel"}
    assert "needs a name of its own" in refused(mfcc=z)
    assert "needs a name of its own" in refused(**{"z~1": z})
    assert "letters, digits" in refused(**{"z z": z})
    assert "in a circle" in refused(
        a={"fitter": "zscore", "input": "b"}, b={"fitter": "zscore", "input": "a"}
    )
    with pytest.raises(
        RecipeError, match=r"fitted\.x: pca needs rows of one dimension.*those of crops are"
    ):
        load("demo", ('fitted.x.fitter="pca"', 'fitted.x.input="crops"', "fitted.x.n_components=3"))


def test_a_recipe_with_fitted_features_survives_its_resolved_form() -> None:
    recipe = parse(RECIPE, "mine")
    again = parse(recipe.resolved(), "mine")
    assert again.resolved() == recipe.resolved()
    assert again.fitted == recipe.fitted
    assert again.fitted_graph.specs["even"] == recipe.fitted_graph.specs["even"]
    assert recipe.resolved()["fitted"]["parts"] == {
        "fitter": "pca",
        "input": "z",
        "n_components": None,
        "variance": 0.8,
    }
    other = parse(
        {**RECIPE, "fitted": {**RECIPE["fitted"], "z": {"fitter": "zscore", "input": "mfcc"}}},
        "mine",
    )
    assert all(
        other.fitted_graph.specs[name].fingerprint != recipe.fitted_graph.specs[name].fingerprint
        for name in recipe.fitted
    )


def test_recipes_print_what_is_fitted(capsys: pytest.CaptureFixture[str]) -> None:
    print_recipe(parse(RECIPE, "mine"))
    printed = capsys.readouterr().out
    assert "parts  pca version 1, fitted for each fold, (time, 6) float32" in printed
    assert "percentile = 75.0" in printed


# Tuned networks

TUNED = {
    "fitter": "finetuned", "input": "stack", "labels": "made3", "depth": 18, "weights": "random",
    "size": 32, "segment_s": 0.05, "segment_hop_s": 0.05, "epochs": 1, "rows": 1,
}  # fmt: skip


def tuned(place: Path) -> Path:
    features = {"audio": RECIPE["features"]["audio"], "stack": STACK}
    make(place, {**RECIPE, "features": features, "fitted": {"tuned": TUNED}})
    return place


STACK = {"extractor": "mfcc", "n_mfcc": 4, "deltas": 2}


@pytest.mark.usefixtures("networks_of_real_size")
def test_a_fit_tunes_networks_on_the_device_that_is_named(processes: None, tmp_path: Path) -> None:
    result = run_fit(tuned(tmp_path / "store"), "quarters", workers=2, device="cpu")
    assert result.fitted == 4
    track = FeatureStore(tmp_path / "store").tracks("tuned", "quarters", 0)[IDS[0]]
    assert track.values.shape[1:] == (512,)


def test_cuda_is_refused_where_there_is_none_and_before_anything_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(fitting, "resolve", lambda engine: "openvino")
    said = refusal("fit", tmp_path / "nowhere", "quarters", "--device", "cuda")
    assert "torch finds no CUDA device here" in said
    assert "leave the device out" in said


def test_what_a_long_fit_will_take_is_said_before_it_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = next(iter(FitPlan(locate(tuned(tmp_path / "store")), "quarters").rounds()))

    class Pool:
        """Answers for a worker process."""

        def call(self, work: Any, task: FitTask) -> Any:
            return work(task)

    fitting._say_cost(tasks, Pool())  # type: ignore[arg-type]
    assert capsys.readouterr().err == ""
    longer = [replace(t, fitter=replace(t.fitter, epochs=10**6)) for t in tasks]  # type: ignore[type-var, call-arg]
    fitting._say_cost(longer, Pool())  # type: ignore[arg-type]
    said = capsys.readouterr().err
    assert re.fullmatch(
        r"tuned: 6 images an epoch in steps of 32, at most 1000000 epochs; 4 times that is about "
        r"[\d,.]+ core-hours at most; a GPU takes less of it: --device cuda\n",
        said,
    ), said
