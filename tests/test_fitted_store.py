"""Fitted states in a store: learned from training clips alone, used for their own fold alone, found
again after a kill."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import extractors.fitted.catalog
from extractors.base import Layout
from extractors.fitted.base import Examples, Model, State
from extractors.fitted.zscore import ZScore
from flows.auditing.run import run_audit
from flows.building.plan import locked
from flows.fitting.plan import Fits, declared, fit_fold
from flows.recipe import parse
from manifests.audits import AUDITS, Severity
from manifests.clips import CLIPS, Clip
from manifests.features import INDEX, FeatureSpec
from manifests.folds import FOLDS, Fold, Role
from manifests.labels import LABELS, Label
from manifests.quarantine import QUARANTINE, BadClip, Reason
from manifests.tracks import Track
from stores import FeatureStore, NotInStore
from stores.fitted_state import WrongState, read_state
from stores.reader import NotFitted
from stores.records import StoredFeature
from stores.shard import shard_key
from stores.shard_writer import ShardWriter
from stores.snapshot import TABLES, Snapshot, load_snapshot, publish, read_table
from stores.transforms import TRANSFORMS
from stores.verify import verify
from tests.test_shards import ROOT, same

IDS = [f"made/{number:02d}" for number in range(12)]
LOST = "made/05"
"""A clip without sound; its subject is s1."""
RECIPE: dict[str, Any] = {
    "name": "small",
    "clips_per_shard": 5,
    "features": {
        "audio": {"extractor": "audio"},
        "logmel": {"extractor": "logmel", "n_mels": 6},
        "mfcc": {"extractor": "mfcc", "n_mfcc": 4, "deltas": 0},
    },
    "fitted": {
        "z": {"fitter": "zscore", "input": "logmel"},
        "parts": {"fitter": "pca", "input": "z", "variance": 0.8},
        "even": {"fitter": "pad", "input": "parts", "percentile": 75.0},
    },
}


def subject(clip_id: str) -> str:
    return f"made/s{int(clip_id[5:]) % 4}"


def dealt(shift: int = 0) -> list[Fold]:
    """Four folds: fold k tests subject k + shift, validates on the next and trains on the other
    two."""
    roles = [Role.TEST, Role.VALID, Role.TRAIN, Role.TRAIN]
    return [
        Fold("quarters", fold, c, subject(c), roles[(int(c[5:]) - fold - shift) % 4])
        for fold in range(4)
        for c in IDS
    ]


def training(fold: int) -> list[str]:
    return [row.clip_id for row in dealt() if row.fold == fold and row.role == Role.TRAIN]


def track(spec: FeatureSpec, number: int, planted: float = 0.0) -> Track:
    rng = np.random.default_rng([number, len(spec.name)])
    values = (
        rng.normal(size=(6 + number, *spec.shape)) * (1 + np.arange(spec.shape[0])) + planted
    ).astype(np.float32)
    valid = np.arange(len(values)) != 2
    values[~valid] = np.nan
    return Track(values, 0.01 * np.arange(len(values)) + 0.1, valid)


def with_fitted(**fitted: dict[str, Any]) -> dict[str, Any]:
    return {**RECIPE, "fitted": {**RECIPE["fitted"], **fitted}}


def make(
    root: Path,
    recipe: Mapping[str, Any] = RECIPE,
    planted: Mapping[str, float] | None = None,
    order: Sequence[str] = IDS,
    per_shard: int = 5,
    labelled: bool = True,
) -> Snapshot:
    """A store of the recipe's stored features. `planted`: a number added to every value of some
    clips."""
    parsed = parse(recipe, "made")
    features, index = {}, []
    for name in parsed.stored:
        features[name], rows = _write(
            root, parsed.graph.specs[name], planted or {}, order, per_shard
        )
        index += rows
    clips = [
        Clip(
            c,
            "made",
            subject(c),
            subject(c),
            c,
            None,
            f"{c}.wav",
            f"{number:064x}",
            1,
            has_audio=True,
        )
        for number, c in enumerate(IDS)
    ]
    labels = [
        Label(c, "made3", "intended", ("angry", "calm", "happy")[int(c[5:]) % 3])
        for c in IDS
        if labelled
    ]
    lost = [bad for rows in index for bad in rows[1]]
    return publish(
        root,
        parent=None,
        recipe=parsed.resolved(),
        tables={
            "clips": CLIPS.build(clips),
            "labels": LABELS.build(labels),
            "folds": FOLDS.build(dealt()),
            "index": INDEX.build(row for rows in index for row in rows[0]),
            "quarantine": QUARANTINE.build(lost),
            "audits": AUDITS.build([]),
        },
        features=features,
        fitted=declared(parsed.fitted, parsed.graph.specs),
        versions={},
        schemes={"quarters": {}},
    )


def _write(
    root: Path,
    spec: FeatureSpec,
    planted: Mapping[str, float],
    order: Sequence[str],
    per_shard: int,
) -> tuple[StoredFeature, list[Any]]:
    from tests.test_snapshot import index_of

    records = []
    for at in range(0, len(order), per_shard):
        some = order[at : at + per_shard]
        file = f"shards/{spec.name}/{spec.fingerprint}/{shard_key(spec.fingerprint, [(c, '0') for c in some])}.h5"
        with ShardWriter(root, file, spec) as shard:
            for clip_id in some:
                if clip_id == LOST:
                    shard.refuse(BadClip(LOST, Reason.NO_AUDIO, "the file has no audio stream"))
                else:
                    shard.add(clip_id, track(spec, int(clip_id[5:]), planted.get(clip_id, 0.0)))
        records.append(shard.record)
    feature = StoredFeature(spec, tuple(records))
    return feature, [index_of(root, [feature])]


def fit(root: Path, scheme: str = "quarters") -> Fits:
    """Every step of the flow, in this process."""
    with locked(root):
        fits = Fits(root, scheme)
        for tasks in fits.rounds():
            for task in tasks:
                fits.add(task.name, fit_fold(task))
        fits.publish()
    return fits


def states(root: Path) -> dict[tuple[str, int], bytes]:
    """The bytes of each state of the newest snapshot."""
    entries = load_snapshot(root).fitted.values()
    return {
        (entry.spec.name, state.fold): (root / state.file).read_bytes()
        for entry in entries
        for state in entry.states
    }


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
    entry = load_snapshot(fitted).fitted["z"]
    assert [state.fold for state in entry.states] == [0, 1, 2, 3]
    for state in entry.states:
        content = read_state(fitted, state.file)
        assert [clip_id for clip_id, _ in content.clips] == [
            c for c in training(state.fold) if c != LOST
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


@pytest.mark.parametrize("fold", range(4))
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
    assert sorted(z) == [clip_id for clip_id in IDS if clip_id != LOST] == sorted(reader["logmel"])
    state = read_state(fitted, load_snapshot(fitted).fitted["z"].states[1].file).state
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
        basis = read_state(fitted, load_snapshot(fitted).fitted["parts"].states[fold].file).state[
            "basis"
        ]
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
        lengths = sorted(6 + int(c[5:]) for c in training(fold) if c != LOST)
        assert {len(one) for one in even.values()} == {lengths[-(-3 * len(lengths) // 4) - 1]}


def test_what_a_clip_lacks_is_told_by_the_input(fitted: Path) -> None:
    even = FeatureStore(fitted).fitted("even", "quarters", 0)
    assert LOST not in even
    with pytest.raises(NotInStore, match="made/05 has no logmel, it is quarantined: no_audio"):
        even[LOST]


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
    first, second, *_ = load_snapshot(store).fitted["z"].states
    shutil.copy(store / first.file, store / second.file)
    with pytest.raises(
        WrongState, match="holds z for fold 0 of quarters, where the snapshot recorded z for fold 1"
    ):
        FeatureStore(store).fitted("z", "quarters", 1)
    problems = verify(store).problems
    assert any("sha256" in problem for problem in problems)
    assert any("holds z of fold 0" in problem for problem in problems)


def refold(root: Path, folds: list[Fold], **changed: Any) -> Snapshot:
    """Publish other folds beside states that no longer fit, as no command of ours does."""
    old = load_snapshot(root)
    tables = {name: read_table(root, old, table) for name, table in TABLES.items()}
    kept = {
        name: getattr(old, name) for name in ("recipe", "features", "fitted", "versions", "schemes")
    }
    return publish(
        root, parent=old, tables={**tables, "folds": FOLDS.build(folds), **changed}, **kept
    )


def test_a_state_of_clips_that_are_no_longer_the_training_clips_is_refused_by_reader_verify_and_audit(
    store: Path,
) -> None:
    refold(store, dealt(shift=1))
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
    refold(store, dealt(shift=2))
    (one,) = (
        one
        for one in run_audit([store]).findings
        if (one.rule, one.what, one.fold) == ("L10", "fitted z", 0)
    )
    assert "3 of them are test clips" in one.detail
    assert set(one.examples) <= {
        row.clip_id for row in dealt(2) if row.fold == 0 and row.role == Role.TEST
    } | set(IDS)
    assert run_audit([store]).failed


def test_a_clip_with_other_bytes_makes_the_states_that_saw_it_stale_and_no_other(
    store: Path,
) -> None:
    old = load_snapshot(store)
    clips = [
        replace(clip, sha256="f" * 64) if clip.clip_id == "made/02" else clip
        for clip in FeatureStore(store).rows(CLIPS)
    ]
    refold(store, dealt(), clips=CLIPS.build(clips))
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
    assert len(load_snapshot(store).fitted["z"].states) == 4
    assert verify(store).problems == []
    assert load_snapshot(store).fitted["z"].states != old.fitted["z"].states


def test_a_sound_fit_is_whole_held_by_the_audit_and_not_done_again(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = verify(store)
    assert (report.problems, report.unreferenced) == ([], 0)
    (one,) = (one for one in run_audit([store]).findings if one.rule == "L10")
    assert one.severity == Severity.HELD
    before = load_snapshot(store)

    def never(self: ZScore, examples: Examples) -> State:
        raise AssertionError("fitted again")

    monkeypatch.setattr(ZScore, "fit", never)
    fits = fit(store)
    assert (fits.held, fits.pending) == (12, [])
    assert load_snapshot(store) == before


KILLED_FIT = textwrap.dedent("""
    import os, signal, sys
    from pathlib import Path
    from flows.fitting.plan import Fits, fit_fold
    fits = Fits(Path(sys.argv[1]), "quarters")
    done = 0
    for tasks in fits.rounds():
        for task in tasks:
            if done == 6:
                os.kill(os.getpid(), signal.SIGKILL)
            fits.add(task.name, fit_fold(task))
            done += 1
""")


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
    assert load_snapshot(tmp_path).number == 1
    fit(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in left} == left
    assert states(tmp_path) == states(fitted)
    assert verify(tmp_path).problems == []


def test_another_process_with_another_hash_seed_writes_the_same_states(
    fitted: Path, tmp_path: Path
) -> None:
    script = (
        "import sys, pathlib; from tests.test_fitted_store import fit, make; p = "
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


@dataclass(frozen=True, kw_only=True)
class Centre(Model):
    """The difference of a clip's mean from the training mean: a model that is quick to fit. Refuses
    clips of fewer than 8 rows."""

    name: ClassVar[str] = "centre"
    version: ClassVar[int] = 1

    input: str

    @property
    def needs(self) -> Mapping[str, str]:
        return {"input": self.input}

    def layout(self, needs: Mapping[str, FeatureSpec]) -> Layout:
        return Layout("float32", ("time", "code"), (6,), "apart from the training mean", None)

    def fit(self, examples: Examples) -> State:
        means = [
            np.nanmean(examples.tracks["input"][number].values, axis=0)
            for number in range(len(examples))
        ]
        return {"mean": np.mean(means, axis=0)}

    def encode(self, state: State, tracks: Mapping[str, Track]) -> Track:
        one = tracks["input"]
        if len(one) < 8:
            raise BadClip(
                "made/00" if len(one) == 6 else "made/01",
                Reason.TOO_SHORT,
                f"{len(one)} rows, expected 8",
            )
        values = (np.nanmean(one.values, axis=0) - state["mean"]).astype(np.float32)[None]
        return Track(values, one.seconds[:1], np.ones(1, np.bool_))


@pytest.fixture
def modelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with the tracks of a model, and what is fitted on them."""
    monkeypatch.setitem(extractors.fitted.catalog.FITTERS, "centre", Centre)
    make(
        tmp_path / "store",
        with_fitted(
            code={"fitter": "centre", "input": "z"}, codes={"fitter": "zscore", "input": "code"}
        ),
    )
    fit(tmp_path / "store")
    return tmp_path / "store"


def test_the_tracks_of_a_model_are_stored_for_each_fold_and_who_lacks_one_has_the_reason(
    modelled: Path,
) -> None:
    reader = FeatureStore(modelled)
    code = reader.fitted("code", "quarters", 3)
    assert sorted(code) == [c for c in IDS if c not in ("made/00", "made/01", LOST)]
    z = reader.fitted("z", "quarters", 3)
    mean = read_state(modelled, load_snapshot(modelled).fitted["code"].states[3].file).state["mean"]
    np.testing.assert_allclose(
        code["made/08"].values[0], np.nanmean(z["made/08"].values, axis=0) - mean, atol=1e-6
    )
    with pytest.raises(
        NotInStore,
        match="made/05 has no code, it is quarantined: no_audio: the file has no audio stream",
    ):
        code[LOST]
    with pytest.raises(
        NotInStore, match="made/01 has no code, it is quarantined: too_short: 7 rows, expected 8"
    ):
        code["made/01"]
    state = load_snapshot(modelled).fitted["code"].states[3]
    assert (state.lost, len(state.shards), sum(shard.clips for shard in state.shards)) == (
        ("made/00", "made/01"),
        3,
        9,
    )
    assert verify(modelled).problems == []


def test_what_is_fitted_on_a_model_sees_only_training_clips_that_have_a_track(
    modelled: Path,
) -> None:
    for state in load_snapshot(modelled).fitted["codes"].states:
        saw = [clip_id for clip_id, _ in read_state(modelled, state.file).clips]
        assert saw == [c for c in training(state.fold) if c not in ("made/00", "made/01", LOST)]
    assert len(FeatureStore(modelled).fitted("codes", "quarters", 0)) == 9


def test_a_damaged_shard_of_a_model_is_named(modelled: Path) -> None:
    shard = modelled / load_snapshot(modelled).fitted["code"].states[0].shards[0].file
    shard.write_bytes(shard.read_bytes()[:-8])
    assert any(str(shard) in problem for problem in verify(modelled).problems)
