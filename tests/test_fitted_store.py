"""Fitted states in a store: of training clips and their own fold alone; found after a kill."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import extractors.fitted.catalog
from extractors.fitted.base import Examples, State
from extractors.fitted.zscore import ZScore
from flows.auditing.run import run_audit
from manifests.audits import Severity
from manifests.clips import CLIPS
from manifests.folds import Role
from stores import FeatureStore, NotFitted, NotInStore
from stores.fitted_state import WrongState, read_state
from stores.location import locate
from stores.snapshot import load_snapshot
from stores.transforms import TRANSFORMS
from stores.verify import verify
from tests.support.fitted_made import (
    IDS,
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
from tests.support.stores_made import ROOT, same


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fitted") / "store"
    make(root)
    fit(root)
    return root


@pytest.fixture
def store(fitted: Path, tmp_path: Path) -> Path:
    """A copy that the test may change."""
    return Path(shutil.copytree(fitted, tmp_path / "store"))


def test_a_fold_is_fitted_on_its_own_training_clips_that_have_the_input(fitted: Path) -> None:
    entry = load_snapshot(locate(fitted)).fitted["z"]
    assert [state.fold for state in entry.states] == [0, 1, 2, 3]
    for state in entry.states:
        content = read_state(locate(fitted), state.file)
        assert [clip_id for clip_id, _ in content.clips] == [
            c for c in training(state.fold) if c != SILENT
        ]
        rows = np.concatenate(
            [
                one.values[one.valid]
                for c, _ in content.clips
                for one in [FeatureStore(fitted)["logmel"][c]]
            ]
        )
        np.testing.assert_allclose(
            content.state["mean"], rows.mean(axis=0, dtype=np.float64), rtol=1e-6
        )
        assert (content.training_sha256, len(content.clips)) == (state.training_sha256, state.clips)


@pytest.mark.parametrize("fold", seeds(2, 2))
def test_a_marker_in_the_clips_that_a_fold_does_not_train_on_changes_no_byte_of_its_states(
    fitted: Path, tmp_path: Path, fold: int
) -> None:
    planted = dict.fromkeys(set(IDS) - set(training(fold)), 1e6)
    make(tmp_path, planted=planted)
    fit(tmp_path)
    clean, marked = states(fitted), states(tmp_path)
    assert {name for name, number in marked if number == fold} == {"z", "parts", "even"}
    assert all(marked[key] == clean[key] for key in clean if key[1] == fold)
    assert all(marked["z", other] != clean["z", other] for other in range(4) if other != fold)


def test_the_order_of_clips_and_the_cut_of_shards_change_no_byte_of_a_state(
    fitted: Path, tmp_path: Path
) -> None:
    make(tmp_path, order=IDS[::-1], per_shard=3)
    fit(tmp_path)
    assert states(tmp_path) == states(fitted)


def test_the_reader_passes_every_clip_through_the_state_of_the_fold(fitted: Path) -> None:
    reader = FeatureStore(fitted)
    z = reader.fitted("z", "quarters", 1)
    assert (
        sorted(z) == [clip_id for clip_id in IDS if clip_id != SILENT] == sorted(reader["logmel"])
    )
    state = read_state(
        locate(fitted), load_snapshot(locate(fitted)).fitted["z"].states[1].file
    ).state
    for clip_id, found in z.items():
        assert same(found, TRANSFORMS["scale"](state, reader["logmel"][clip_id]))
    assert not same(z["made/00"], reader.fitted("z", "quarters", 2)["made/00"])


def test_a_fitted_feature_of_a_fitted_feature_stays_within_the_fold(fitted: Path) -> None:
    reader = FeatureStore(fitted)
    for fold in range(4):
        parts, even = (
            reader.fitted("parts", "quarters", fold),
            reader.fitted("even", "quarters", fold),
        )
        basis = read_state(
            locate(fitted), load_snapshot(locate(fitted)).fitted["parts"].states[fold].file
        ).state["basis"]
        z = reader.fitted("z", "quarters", fold)["made/07"]
        np.testing.assert_allclose(
            parts["made/07"].values[z.valid], z.values[z.valid] @ basis.T, atol=1e-4
        )
        assert (
            parts.spec.shape
            == even.spec.shape
            == (len(basis),)
            == parts["made/07"].values.shape[1:]
        )
        lengths = sorted(6 + int(c[5:]) for c in training(fold) if c != SILENT)
        assert {len(one) for one in even.values()} == {lengths[-(-3 * len(lengths) // 4) - 1]}


def test_what_a_clip_lacks_is_what_the_input_says(fitted: Path) -> None:
    even = FeatureStore(fitted).fitted("even", "quarters", 0)
    assert SILENT not in even
    with pytest.raises(NotInStore, match="made/05 has no logmel, it is quarantined: no_audio"):
        even[SILENT]


def test_the_state_of_another_fold_is_refused_by_name(fitted: Path) -> None:
    reader = FeatureStore(fitted)
    with pytest.raises(
        NotFitted, match=r"z is not fitted for fold 4 of quarters.*quarters 0, .*, quarters 3"
    ) as caught:
        reader.fitted("z", "quarters", 4)
    assert isinstance(caught.value, KeyError)
    with pytest.raises(NotFitted, match=r"z is not fitted for fold 0 of halves.*affectstore fit"):
        reader.fitted("z", "halves", 0)
    with pytest.raises(NotInStore, match="no fitted feature named 'y'; there are even, parts, z"):
        reader.fitted("y", "quarters", 0)
    with pytest.raises(
        NotInStore, match=r"z is fitted for each fold; name a split scheme and a fold"
    ):
        reader["z"]


def test_a_state_file_of_another_fold_is_refused_and_named_by_verify(store: Path) -> None:
    first, second, *_ = load_snapshot(locate(store)).fitted["z"].states
    shutil.copy(store / first.file, store / second.file)
    with pytest.raises(WrongState, match="it was changed afterwards"):
        FeatureStore(store).fitted("z", "quarters", 1)
    (problem,) = verify(store).problems
    assert second.file in problem


def test_a_state_of_other_clips_than_the_training_clips_is_refused_by_reader_verify_and_audit(
    store: Path,
) -> None:
    refold(store, quarters(shift=1))
    with pytest.raises(
        NotFitted,
        match="z was fitted on clips that are no longer the training clips of fold 2 of quarters",
    ):
        FeatureStore(store).fitted("z", "quarters", 2)
    assert (
        sum(
            "was fitted on other clips than the training clips" in problem
            for problem in verify(store).problems
        )
        == 12
    )
    found = [
        one
        for one in run_audit([store]).findings
        if one.rule == "L10" and one.severity == Severity.ERROR
    ]
    assert {(one.what, one.fold) for one in found} == {
        (f"fitted {name}", fold) for name in ("z", "parts", "even") for fold in range(4)
    }
    (one,) = (one for one in found if (one.what, one.fold) == ("fitted z", 0))
    assert (
        "z was fitted on 6 clips: 0 of them are test clips, 3 others are no training clips"
        in one.detail
    )
    assert "and 3 training clips are missing" in one.detail


def test_a_state_that_saw_test_clips_is_an_error_of_the_audit_that_counts_them(store: Path) -> None:
    refold(store, quarters(shift=2))
    (one,) = (
        one
        for one in run_audit([store]).findings
        if (one.rule, one.what, one.fold) == ("L10", "fitted z", 0)
    )
    assert "3 of them are test clips" in one.detail
    assert set(one.examples) <= {
        row.clip_id for row in quarters(2) if row.fold == 0 and row.role == Role.TEST
    } | set(IDS)
    assert run_audit([store]).failed


def test_a_clip_with_other_bytes_makes_the_states_that_saw_it_stale_and_no_other(
    store: Path,
) -> None:
    old = load_snapshot(locate(store))
    clips = [
        replace(clip, sha256="f" * 64) if clip.clip_id == "made/02" else clip
        for clip in FeatureStore(store).rows(CLIPS)
    ]
    refold(store, quarters(), clips=CLIPS.build(clips))
    reader = FeatureStore(store)
    for fold in range(4):
        if "made/02" in training(fold):
            with pytest.raises(NotFitted, match="no longer"):
                reader.fitted("z", "quarters", fold)
        else:
            assert len(reader.fitted("z", "quarters", fold)) == 11
    (one, *_) = (
        one for one in run_audit([store]).findings if one.rule == "L10" and one.what == "fitted z"
    )
    assert "1 have changed since" in one.detail
    fit(store)
    assert len(load_snapshot(locate(store)).fitted["z"].states) == 4
    assert verify(store).problems == []
    assert load_snapshot(locate(store)).fitted["z"].states != old.fitted["z"].states


def test_a_sound_fit_has_no_problem_passes_the_audit_and_is_not_done_again(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = verify(store)
    assert (report.problems, report.unreferenced) == ([], 0)
    (one,) = (one for one in run_audit([store]).findings if one.rule == "L10")
    assert one.severity == Severity.HELD
    before = load_snapshot(locate(store))

    def never(self: ZScore, examples: Examples) -> State:
        raise AssertionError("fitted again")

    monkeypatch.setattr(ZScore, "fit", never)
    plan = fit(store)
    assert (plan.already_fitted, plan.pending) == (12, [])
    assert load_snapshot(locate(store)) == before


KILLED_FIT = textwrap.dedent("""
    import os, signal, sys
    from flows.fitting.plan import FitPlan
    from flows.fitting.task import fit_fold
    from stores.location import locate
    fits = FitPlan(locate(sys.argv[1]), "quarters")
    done = 0
    for tasks in fits.rounds():
        for task in tasks:
            if done == 6:
                os.kill(os.getpid(), signal.SIGKILL)
            fits.add(task.name, fit_fold(task))
            done += 1
""")


@pytest.mark.usefixtures("processes")
def test_a_killed_fit_goes_on_where_it_was_and_ends_with_the_same_bytes(
    fitted: Path, tmp_path: Path
) -> None:
    make(tmp_path)
    process = subprocess.run(
        [sys.executable, "-c", KILLED_FIT, str(tmp_path)], cwd=ROOT, timeout=60, check=False
    )
    assert process.returncode == -signal.SIGKILL
    left = {path: path.stat().st_mtime_ns for path in (tmp_path / "fitted").rglob("*.h5")}
    assert len(left) == 6
    assert load_snapshot(locate(tmp_path)).number == 1
    fit(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in left} == left
    assert states(tmp_path) == states(fitted)
    assert verify(tmp_path).problems == []


@pytest.mark.usefixtures("processes")
def test_another_process_with_another_hash_seed_writes_the_same_states(
    fitted: Path, tmp_path: Path
) -> None:
    script = (
        "import sys, pathlib; from tests.support.fitted_made import fit, make; p = "
        "pathlib.Path(sys.argv[1]); make(p); fit(p)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "77", "TZ": "Asia/Tokyo", "OMP_NUM_THREADS": "2"}
    subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=ROOT,
        env=environment,
        check=True,
        timeout=60,
    )
    assert states(tmp_path) == states(fitted)


@pytest.fixture
def modelled(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy that the test may change."""
    monkeypatch.setitem(extractors.fitted.catalog.FITTERS, "centre", Centre)
    return Path(shutil.copytree(model, tmp_path / "store"))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the tracks of a model, and what is fitted on them."""
    tmp_path = tmp_path_factory.mktemp("model")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(extractors.fitted.catalog.FITTERS, "centre", Centre)
        make(
            tmp_path / "store",
            with_fitted(
                code={"fitter": "centre", "input": "z"}, codes={"fitter": "zscore", "input": "code"}
            ),
        )
        fit(tmp_path / "store")
    return tmp_path / "store"


@pytest.mark.usefixtures("processes")
def test_the_tracks_of_a_model_are_stored_for_each_fold_and_who_lacks_one_has_the_reason(
    modelled: Path,
) -> None:
    reader = FeatureStore(modelled)
    code = reader.fitted("code", "quarters", 3)
    assert sorted(code) == [c for c in IDS if c not in ("made/00", "made/01", SILENT)]
    z = reader.fitted("z", "quarters", 3)
    mean = read_state(
        locate(modelled), load_snapshot(locate(modelled)).fitted["code"].states[3].file
    ).state["mean"]
    np.testing.assert_allclose(
        code["made/08"].values[0], np.nanmean(z["made/08"].values, axis=0) - mean, atol=1e-6
    )
    with pytest.raises(
        NotInStore,
        match="made/05 has no code, it is quarantined: no_audio: the file has no audio stream",
    ):
        code[SILENT]
    with pytest.raises(
        NotInStore, match="made/01 has no code, it is quarantined: too_short: 7 rows, expected 8"
    ):
        code["made/01"]
    state = load_snapshot(locate(modelled)).fitted["code"].states[3]
    assert (state.lost, len(state.shards), sum(shard.clips for shard in state.shards)) == (
        ("made/00", "made/01"),
        3,
        9,
    )
    assert verify(modelled).problems == []


@pytest.mark.usefixtures("processes")
def test_what_is_fitted_on_a_model_sees_only_training_clips_that_have_a_track(
    modelled: Path,
) -> None:
    for state in load_snapshot(locate(modelled)).fitted["codes"].states:
        saw = [clip_id for clip_id, _ in read_state(locate(modelled), state.file).clips]
        assert saw == [c for c in training(state.fold) if c not in ("made/00", "made/01", SILENT)]
    assert len(FeatureStore(modelled).fitted("codes", "quarters", 0)) == 9


def test_a_damaged_shard_of_a_model_is_named(modelled: Path) -> None:
    shard = modelled / load_snapshot(locate(modelled)).fitted["code"].states[0].shards[0].file
    shard.write_bytes(shard.read_bytes()[:-8])
    assert any(str(shard) in problem for problem in verify(modelled).problems)
