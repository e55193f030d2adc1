"""The probe: what a leak costs is measured where it is there, and is nothing where it is not."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

from flows.__main__ import app
from flows.auditing.intervals import Estimate, _influence, _interval, compare_shares
from flows.auditing.leak_probe import (
    NothingToProbe,
    ProbePlan,
    plan_probe,
    run_probe,
)
from flows.view.leak_probe import as_json, print_probe
from manifests.audits import AUDITS
from manifests.clips import CLIPS, Clip
from manifests.features import INDEX, IndexRow, State
from manifests.folds import FOLDS, Fold
from manifests.labels import LABELS, Label
from manifests.quarantine import QUARANTINE
from manifests.schemes.catalog import SCHEMES
from manifests.tracks import Track
from stores import FeatureStore, NotInStore
from stores.location import locate
from stores.records import StoredFeature
from stores.snapshot import load_snapshot
from tests.support.commands import refusal
from tests.support.stores_made import commit, index_of, spec_of, tables_in, write_shards

SUBJECTS, TAKES, WIDTH = 16, 8, 60
EMOTIONS = ("angry", "calm")
MFCC, CROPS, SOUND = (
    spec_of("mfcc", shape=(WIDTH,)),
    spec_of("crops", "uint8", (64, 64, 3)),
    spec_of("audio", shape=()),
)
SCHEMES_STORED = ("subject_kfold", "random_80_20_leaking", "holdout")

Floats = NDArray[np.float64]


def planted(root: Path, signature: float, signal: float, stored: tuple[str, ...] = ()) -> Path:
    """A store of 16 subjects, who speak each emotion eight times.

    signature: how far apart the subjects are, each showing the emotions in a way of its own;
        signal: how far apart the emotions are in a
    way that all subjects share. Rows scatter by 1, their first is not valid and far off.
    """
    rng = np.random.default_rng(7)
    shared = dict(zip(EMOTIONS, signal * rng.standard_normal((len(EMOTIONS), WIDTH)), strict=True))
    clips, labels, tracks = [], [], {}
    for subject in range(SUBJECTS):
        for emotion in EMOTIONS:
            own = signature * rng.standard_normal(WIDTH)
            for take in range(TAKES):
                clip_id, who = f"folder/{subject:02d}-{emotion}-{take}", f"folder/{subject:02d}"
                sex, sha256 = ("female", "male")[subject % 2], f"{len(clips):064d}"
                clips.append(
                    Clip(clip_id, "folder", who, who, clip_id, sex, f"{clip_id}.wav", sha256, 1)
                )
                labels.append(Label(clip_id, "folder", "corpus", emotion))
                tracks[clip_id] = _track(own + shared[emotion], rng)
    mfcc = StoredFeature(MFCC, tuple(write_shards(root, MFCC, tracks, 40)))
    index, quarantined = index_of(root, [mfcc])
    options = {"holdout": {"test": ("00", "01")}}
    folds = [
        fold for name in stored for fold in SCHEMES[name](clips, labels, **options.get(name, {}))
    ]
    tables = {
        "clips": CLIPS.build(clips),
        "labels": LABELS.build(labels),
        "folds": FOLDS.build(folds),
        "index": INDEX.build(index),
        "quarantine": QUARANTINE.build(quarantined),
        "audits": AUDITS.build([]),
    }
    commit(root, {"mfcc": mfcc}, tables)
    return root


def _track(centre: Floats, rng: np.random.Generator) -> Track:
    values = (centre + rng.standard_normal((9, WIDTH))).astype(np.float32)
    values[0] = 1e6
    return Track(values, np.arange(9) * 0.01, np.arange(9) > 0)


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Who speaks is plain in the sound, what is felt is not."""
    return planted(
        tmp_path_factory.mktemp("marked"), signature=1.0, signal=0.0, stored=SCHEMES_STORED
    )


@pytest.fixture(scope="module")
def alike(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All speak alike; the emotions differ a little."""
    return planted(tmp_path_factory.mktemp("alike"), signature=0.0, signal=0.12)


def test_where_identity_dominates_the_inflation_is_large_and_sure(marked: Path) -> None:
    probe = run_probe(plan_probe(marked))
    assert probe.accuracy.leaking.value > 0.9
    assert probe.accuracy.disjoint.low < 0.5 < probe.accuracy.disjoint.high
    assert probe.accuracy.inflation.low > 0.2
    assert probe.accuracy.inflation.value == pytest.approx(
        probe.accuracy.leaking.value - probe.accuracy.disjoint.value
    )
    assert (probe.plan.scheme, probe.plan.is_stored, probe.plan.folds, probe.plan.clips) == (
        "subject_kfold",
        True,
        5,
        256,
    )
    assert (probe.plan.features, probe.plan.labels, probe.plan.classes) == (
        ("mfcc",),
        "folder",
        EMOTIONS,
    )


def test_without_a_signature_there_is_nothing_to_inflate(alike: Path) -> None:
    probe = run_probe(plan_probe(alike))
    assert 0.6 < probe.accuracy.disjoint.value < 0.95
    assert probe.accuracy.inflation.low < 0 < probe.accuracy.inflation.high
    assert abs(probe.accuracy.inflation.value) < 0.1
    assert not probe.plan.is_stored


def test_the_same_seed_gives_the_same_numbers_and_another_shuffles_otherwise(marked: Path) -> None:
    first, again, other = (run_probe(plan_probe(marked, seed=seed)) for seed in (3, 3, 4))
    assert as_json(first) == as_json(again)
    assert first.accuracy.disjoint == other.accuracy.disjoint
    assert first.accuracy.leaking != other.accuracy.leaking


def test_both_schemes_have_as_many_clips_of_each_class_on_each_side(marked: Path) -> None:
    from flows.auditing.leak_probe import _shuffle_within

    plan = plan_probe(marked)
    leaking = plan.sides[:, _shuffle_within(plan.truth, 0)]
    for value in range(len(plan.classes)):
        here = plan.truth == value
        assert [np.bincount(side[here]).tolist() for side in leaking] == [
            np.bincount(side[here]).tolist() for side in plan.sides
        ]
    assert ((leaking == 2).sum(axis=0) == 1).all()
    shared = [set(plan.clusters[side == 1]) & set(plan.clusters[side == 2]) for side in plan.sides]
    assert shared == [set()] * plan.folds
    assert all(set(plan.clusters[side == 1]) & set(plan.clusters[side == 2]) for side in leaking)


def test_scaling_and_classifier_see_the_training_clips_alone(marked: Path) -> None:
    """Test clips that are moved far away leave the coefficients as they are: so no other clip's
    class changes."""
    from flows.auditing.leak_probe import _test

    plan = plan_probe(marked)
    moved = plan.values.copy()
    victims = (plan.sides == 2)[0]
    moved[victims] = 1e9
    one = plan.sides[:1]
    given = _test(plan.values, plan.truth, one, lambda clips: None)
    half = one.copy()
    half[0, np.flatnonzero(victims)[::2]] = 0
    values = np.where((half[0] == 0)[:, None], moved, plan.values)
    kept = half[0] == 2
    assert (_test(values, plan.truth, half, lambda clips: None)[kept] == given[kept]).all()
    assert (_test(moved, plan.truth, one, lambda clips: None)[victims] != given[victims]).any()


def test_rows_that_are_not_valid_count_for_nothing(marked: Path) -> None:
    assert np.abs(plan_probe(marked).values).max() < 10


def test_every_clip_is_reported_as_it_is_tested(alike: Path) -> None:
    counted: list[int] = []
    run_probe(plan_probe(alike), counted.append)
    assert sum(counted) == 2 * SUBJECTS * len(EMOTIONS) * TAKES


def test_the_interval_of_a_single_measure_per_subject_is_student_s() -> None:
    """One clip a subject: the cluster-robust interval is that of a mean, whose coverage is
    textbook."""
    from scipy.stats import t

    right = np.array([True, True, False, True, False, True, True, True, False, True])
    found = _interval(*_influence(right, np.zeros(10, np.int64), np.arange(10)))
    reach = t.ppf(0.975, 9) * right.std(ddof=1) / np.sqrt(10)
    assert (found.value, found.low, found.high) == pytest.approx((0.7, 0.7 - reach, 0.7 + reach))


def test_clips_that_copy_each_other_within_a_subject_narrow_no_interval() -> None:
    right, clusters = np.arange(10) % 3 > 0, np.arange(10)
    once = _interval(*_influence(right, np.zeros(10, np.int64), clusters))
    five = _interval(
        *_influence(np.repeat(right, 5), np.zeros(50, np.int64), np.repeat(clusters, 5))
    )
    assert (five.low, five.high) == pytest.approx((once.low, once.high))


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(400):
        sizes, skill = rng.integers(20, 40, 8), rng.beta(4, 2, 8)
        clusters = np.repeat(np.arange(8), sizes)
        right = rng.random(len(clusters)) < skill[clusters]
        found = _interval(*_influence(right, np.zeros(len(clusters), np.int64), clusters))
        inside += found.low <= 4 / 6 <= found.high
    assert 0.92 < inside / 400 < 0.98


def test_balanced_accuracy_weighs_classes_alike() -> None:
    truth, right = np.array([0] * 9 + [1]), np.array([True] * 9 + [False])
    found = compare_shares((right, right), truth, np.arange(10))
    assert found.leaking.value == 0.5
    assert found.inflation == Estimate(0.0, 0.0, 0.0)


def test_features_and_labels_of_no_common_clip_are_one_sentence(
    marked: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(marked, tmp_path / "store"))
    first = load_snapshot(locate(root))
    elsewhere = Label(FeatureStore(root).rows(CLIPS)[0].clip_id, "other", "corpus", "angry")
    labels = {"labels": LABELS.build([elsewhere])}
    commit(root, {"mfcc": first.features["mfcc"]}, tables_in(root, first) | labels)
    with pytest.raises(NothingToProbe, match=r"cannot be dealt|fewer than two classes"):
        plan_probe(root, labels="other")
    gone = (
        replace(row, state=State.QUARANTINED, shard=None, start=None, rows=None, valid_rows=None)
        for row in _index(root)
    )
    index = INDEX.build(gone)
    commit(
        root,
        {"mfcc": replace(first.features["mfcc"], shards=())},
        tables_in(root, load_snapshot(locate(root))) | {"index": index},
    )
    with pytest.raises(
        NothingToProbe, match=r"mfcc with other: .* clips lack a feature or a label"
    ):
        plan_probe(root, labels="other")


def _index(root: Path) -> list[IndexRow]:
    return FeatureStore(root).rows(INDEX)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"scheme": "random_80_20_leaking"},
            "does not test each of its clips once; a probe compares",
        ),
        ({"scheme": "holdout"}, "does not test each of its clips once"),
        (
            {"scheme": "nothing"},
            "no folds of 'nothing'; it has holdout, random_80_20_leaking, subject_kfold",
        ),
        ({"features": ["nothing"]}, "no feature named 'nothing'"),
        ({"labels": "nothing"}, "nothing"),
    ],
)
def test_what_does_not_go_together_is_one_sentence(
    marked: Path, asked: dict[str, object], message: str
) -> None:
    with pytest.raises((NothingToProbe, NotInStore), match=message):
        plan_probe(marked, **asked)  # type: ignore[arg-type]


def test_folds_that_share_subjects_are_no_baseline(marked: Path) -> None:
    from flows.auditing.leak_probe import _not_a_baseline

    clips = {clip.clip_id: clip for clip in FeatureStore(marked).rows(CLIPS)}
    rows = [
        Fold("mine", fold, clip_id, "folder/00", "test" if number % 2 == fold else "train")  # type: ignore[arg-type]
        for fold in range(2)
        for number, clip_id in enumerate(clips)
    ]
    assert _not_a_baseline(rows, clips) == "has subjects or groups on both sides"
    assert _not_a_baseline(SCHEMES["subject_kfold"](clips.values(), [], folds=3), clips) is None


def test_pictures_waveforms_and_variants_are_not_read_by_default() -> None:
    from flows.auditing.leak_probe import _default_feature

    names = {
        "crops": CROPS,
        "audio": SOUND,
        "x": spec_of("x", shape=(3,)),
        "logmel": replace(MFCC, extractor="logmel", name="logmel"),
    }
    assert _default_feature(names) == "logmel"
    assert _default_feature({**names, "mfcc~1": replace(MFCC, variant=1), "zz": MFCC}) == "zz"
    with pytest.raises(NothingToProbe, match="no feature of numbers"):
        _default_feature({"crops": CROPS, "audio": SOUND})


def test_a_plan_of_the_built_sample_measures(
    built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = plan_probe(built)
    assert isinstance(plan, ProbePlan)
    assert (plan.features, plan.labels, plan.is_stored) == (("mfcc",), "ravdess8", False)
    probe = run_probe(plan)
    print_probe(probe)
    said = capsys.readouterr().out
    assert "points (" in said
    assert "made for the probe" in said
    several = plan_probe(built, features=["mfcc", "resnet18"])
    assert several.values.shape[1] == 2 * (120 + 512)
    assert several.clips < plan.clips
    assert set(plan_probe(built, labels="common4").classes) <= {"neutral", "happy", "sad", "angry"}


def test_the_command_prints_the_probe_and_leaves_the_exit_code_to_the_audit(marked: Path) -> None:
    done = invoke("audit", marked, "--scheme", "subject_kfold", "--probe")
    assert done.exit_code == 0, done.output
    assert "random by clip" in done.stdout
    done = invoke("audit", marked, "--probe", "--json", "--feature", "mfcc", "--labels", "folder")
    assert done.exit_code == 1, done.output
    report = json.loads(done.stdout)
    assert report["failed"] is True
    assert report["probe"]["accuracy"]["inflation_points"]["low"] > 20
    assert report["probe"]["scheme"] == "subject_kfold"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_probe_of_a_table_and_its_options_alone_are_bad_usage(
    marked: Path, tmp_path: Path
) -> None:
    table = tmp_path / "split.csv"
    table.write_text("clip,split\na,train\nb,test\n")
    assert "is no store" in refusal("audit", table, "--corpus", "folder", "--probe")
    done = invoke("audit", marked, "--feature", "mfcc")
    assert (done.exit_code, "add --probe" in done.stderr) == (2, True)


def test_a_probe_trains_on_the_chosen_clips_alone(marked: Path) -> None:
    chosen = plan_probe(marked, where=("sex=female",))
    assert (chosen.scheme, chosen.clips) == ("subject_kfold", 128)
