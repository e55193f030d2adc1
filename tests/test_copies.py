"""L4 and L5 on built stores: copies under other names, on two sides of a fold."""

import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.clips import remux
from benchmarks.near import pictures_of_whole, write_pictures, write_sound
from flows.auditing.run import AuditReport, run_audit
from flows.building.run import run_build
from flows.sample.pictures import write_sample
from flows.splitting.run import run_split
from manifests.audits import Finding, Severity
from stores import FeatureStore

NAMES = ("audio", "soundprint", "sound_digest", "frames", "faces", "faceprint", "frames_digest")


def recipe(folder: Path, names: tuple[str, ...] = NAMES) -> str:
    path = folder / "copies.toml"
    path.write_text(
        "".join(f'[features.{name}]\nextractor = "{name}"\n' for name in names), "utf-8"
    )
    return str(path)


@pytest.fixture(scope="module")
def planted(processes: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of four subjects; of clips of `ann` there are copies under the names of `bob`, who is
    tested: the sound of the first as mp3, quieter and cut; the pictures of the second in half the
    size, encoded anew; and all of the second in a file of other bytes."""
    work = tmp_path_factory.mktemp("near")
    write_sample(work / "drawn", actors=3, emotions=2, takes=1)
    calm, happy, *others = sorted((work / "drawn").rglob("01-01-0[13]-01-*.mp4"))
    clips = work / "clips"
    for subject, path in zip(
        ("ann", "ann", "bob", "cat", "dan"), (calm, happy, *others), strict=False
    ):
        (clips / subject / "calm").mkdir(parents=True, exist_ok=True)
        shutil.copy(path, clips / subject / "calm" / f"{subject}_{path.stem[6:8]}.mp4")
    hers = clips / "bob" / "calm"
    write_sound(
        hers / "heard.mp3",
        sound_of(calm),
        "libmp3lame",
        kbits=64,
        rate_hz=44100,
        gain_db=-8,
        trim_s=(0.1, 0.05),
    )
    write_pictures(hers / "seen.mp4", pictures_of_whole(happy), crf=28, scale=0.5, trim_s=0.09)
    remux(happy, hers / "packed.mp4", "packed again")
    run_build(work / "store", {"folder": clips}, recipe(work), (), workers=1)
    run_split(work / "store", "holdout", None, 0, ("bob",), ("cat",))
    return work / "store"


def sound_of(path: Path) -> NDArray[np.float32]:
    with av.open(str(path)) as file:
        return np.concatenate([frame.to_ndarray() for frame in file.decode(audio=0)], axis=1).mean(
            axis=0
        )


def found(report: AuditReport, rule: str) -> list[Finding]:
    return [one for one in report.findings if one.rule == rule]


def test_copies_that_were_encoded_again_are_found_across_a_fold(planted: Path) -> None:
    errors = {one.what: one for one in found(run_audit([planted]), "L5")}
    assert set(errors) == {"sound, train and test", "face, train and test"}
    sound, face = errors["sound, train and test"], errors["face, train and test"]
    assert (sound.severity, sound.count, sound.examples) == (
        Severity.ERROR,
        1,
        ["folder/ann/calm/ann_01 and folder/bob/calm/heard"],
    )
    assert (face.severity, face.count, face.examples) == (
        Severity.ERROR,
        1,
        ["folder/ann/calm/ann_03 and folder/bob/calm/seen"],
    )
    assert sound.detail.startswith(
        "1 of 4 test clips sound nearly as a clip in train does (1 pair, alike to 9"
    )


def test_copies_in_another_container_are_exact_duplicates_and_no_near_ones(planted: Path) -> None:
    errors = {one.what: one for one in found(run_audit([planted]), "L4")}
    assert set(errors) == {"sounds, train and test", "pictures, train and test"}
    assert {tuple(one.examples) for one in errors.values()} == {("folder/bob/calm/packed",)}


def test_the_split_publishes_these_findings(planted: Path) -> None:
    kept = FeatureStore(planted).audits()
    assert {"L4", "L5"} <= set(kept.loc[kept["severity"] == "error", "rule"])


def test_copies_on_one_side_are_no_fault(planted: Path, tmp_path: Path) -> None:
    store = Path(shutil.copytree(planted, tmp_path / "store"))
    run_split(store, "holdout", None, 0, ("cat",), ("dan",))
    assert [one.severity for rule in ("L4", "L5") for one in found(run_audit([store]), rule)] == [
        Severity.HELD
    ] * 2


def test_subject_disjoint_folds_of_the_sample_hold(store: Path) -> None:
    run_split(store, "subject_kfold", 3, 0)
    for rule in ("L4", "L5"):
        (one,) = found(run_audit([store]), rule)
        assert one.severity == Severity.HELD
        assert "not judged" not in one.detail


def test_a_store_without_fingerprints_says_what_to_add(planted: Path, tmp_path: Path) -> None:
    clips = planted.parent / "clips"
    run_build(
        tmp_path / "store",
        {"folder": clips},
        recipe(tmp_path, ("audio", "soundprint")),
        (),
        workers=1,
    )
    run_split(tmp_path / "store", "holdout", None, 0, ("bob",), ("cat",))
    report = run_audit([tmp_path / "store"])
    assert [one.severity for one in found(report, "L5")] == [Severity.ERROR]
    (exact,) = found(report, "L4")
    assert exact.severity == Severity.PARTLY_JUDGED
    assert "the recipe has no sound_digest feature; add [features.sound_digest]" in exact.detail
    run_build(
        tmp_path / "bare", {"folder": clips}, recipe(tmp_path, ("audio", "logmel")), (), workers=1
    )
    run_split(tmp_path / "bare", "holdout", None, 0, ("bob",), ("cat",))
    (near,) = found(run_audit([tmp_path / "bare"]), "L5")
    assert near.severity == Severity.NOT_JUDGED
    assert "no soundprint feature" in near.detail
    assert "no faceprint feature" in near.detail
