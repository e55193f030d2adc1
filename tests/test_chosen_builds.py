"""Builds of chosen clips: what is left out is not opened, and what is stored stays."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from flows.building.commit import BuildResult
from flows.building.run import check_build, run_build
from flows.errors import BuildError
from flows.splitting.run import run_split
from flows.view.store import not_chosen_text
from manifests.choice import WrongChoice
from stores import FeatureStore
from stores.verify import verify
from tests.support.store_files import contents, linked

pytestmark = pytest.mark.usefixtures("processes")

RECIPE = """
max_bad_fraction = 0.2
clips_per_shard = 4
[clips]
modality = "full-AV"
[features.audio]
extractor = "audio"
[features.mfcc]
extractor = "mfcc"
"""
OF_TWO = ("subject=01,02",)


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    (tmp_path / "one.toml").write_text(RECIPE)
    return str(tmp_path / "one.toml")


@pytest.fixture
def clips(sample: Path, tmp_path: Path) -> Path:
    """The sample corpus without the clip that is truncated."""
    folder = linked(sample, tmp_path / "clips")
    for broken in folder.rglob("01-01-05-02-*.mp4"):
        broken.unlink()
    return folder


def build(
    store: Path, clips: Path, recipe: str, where: Sequence[str] = (), *changes: str
) -> BuildResult:
    return run_build(store, {"sample": clips}, recipe, changes, workers=1, where=where)


def replace(path: Path, data: bytes) -> None:
    path.unlink()  # a link to a file that other tests share
    path.write_bytes(data)


def ids(root: Path, snapshot: int | None = None) -> set[str]:
    return set(FeatureStore(root, snapshot).clips()["clip_id"])


def shards(root: Path) -> dict[str, bytes]:
    return {file: data for file, data in contents(root).items() if file.startswith("shards/")}


def test_what_is_left_out_is_neither_opened_nor_hashed_nor_in_quarantine(
    tmp_path: Path, clips: Path, recipe: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "affectstore")
    others = sorted(clips.rglob("*-03.mp4"))
    for other in others:
        replace(other, b"no media")
    (clips / "nonsense.mp4").write_bytes(b"no media")
    result = build(tmp_path / "store", clips, recipe, OF_TWO)
    assert {name.rpartition("-")[2] for name in ids(tmp_path / "store")} == {"01", "02"}
    assert FeatureStore(tmp_path / "store").quarantine().empty
    assert others
    assert "5 clips listed, 5 of them to be read" in caplog.text
    listed = sum(1 for _ in clips.rglob("*.mp4"))
    left = listed - len(ids(tmp_path / "store"))
    assert not_chosen_text(result) == (
        f"left out by choice: {left} of {listed} clips (chosen: modality full-AV, subject 01 or "
        "02), 1 of them files whose name breaks the rule of its corpus"
    )
    assert result.snapshot.listed == {"sample": listed}
    assert result.snapshot.recipe["clips"] == ["modality=full-AV", "subject_id=01,02"]
    assert not build(tmp_path / "store", clips, recipe, OF_TWO).is_new
    with pytest.raises(BuildError, match=r"of \d+ clips are damaged"):
        build(tmp_path / "store", clips, recipe)


def test_a_narrower_choice_is_a_snapshot_of_fewer_clips_and_a_wider_one_of_more(
    tmp_path: Path, clips: Path, recipe: str
) -> None:
    root = tmp_path / "store"
    build(root, clips, recipe, OF_TWO)
    first, two = shards(root), ids(root)
    narrow = build(root, clips, recipe, ("subject=01",))
    assert (narrow.is_new, narrow.clips_computed, narrow.shards_written) == (True, 0, 0)
    assert shards(root) == first
    assert ids(root) < ids(root, 1) == two
    assert verify(root).problems == []
    assert not build(root, clips, recipe, ("subject=01",)).is_new
    gone = min(two - ids(root))
    old = FeatureStore(root, 1)["mfcc"][gone].values
    assert gone not in FeatureStore(root)["mfcc"]

    wide = build(root, clips, recipe)
    assert ids(root) > two
    assert wide.clips_computed == len(ids(root) - two)  # what an older snapshot holds is found
    assert {file: shards(root)[file] for file in first} == first
    assert np.array_equal(FeatureStore(root)["mfcc"][gone].values, old, equal_nan=True)
    assert verify(root).problems == []
    before = shards(root)
    build(root, clips, recipe, ("subject=01",))
    again = build(root, clips, recipe)
    assert (again.clips_computed, again.snapshot.counts) == (0, wide.snapshot.counts)
    assert again.snapshot.features == wide.snapshot.features
    assert shards(root) == before


def test_what_an_older_snapshot_has_lost_is_computed_again(
    tmp_path: Path, clips: Path, recipe: str
) -> None:
    root, alone = tmp_path / "store", "clips_per_shard=1"
    build(root, clips, recipe, OF_TWO, alone)
    build(root, clips, recipe, ("subject=01",), alone)
    lost = min(ids(root, 1) - ids(root))
    index = FeatureStore(root, 1).index()
    (file,) = index[index["clip_id"] == lost]["shard"]
    (root / file).unlink()
    assert build(root, clips, recipe, OF_TWO, alone).clips_computed == 1
    assert verify(root).problems == []
    build(root, clips, recipe, ("subject=01",), alone)
    (root / "snapshots" / "000003.json").unlink()
    assert build(root, clips, recipe, OF_TWO, alone).is_new
    assert ids(root) == ids(root, 1)


def test_a_recipe_that_chooses_all_there_is_and_one_that_does_not_choose_agree(
    tmp_path: Path, clips: Path, recipe: str
) -> None:
    for silent in clips.rglob("02-*.mp4"):
        silent.unlink()
    build(tmp_path / "chosen", clips, recipe)
    Path(recipe).write_text(RECIPE.replace('[clips]\nmodality = "full-AV"\n', ""))
    build(tmp_path / "all", clips, recipe)
    assert shards(tmp_path / "chosen") == shards(tmp_path / "all")
    assert not build(tmp_path / "all", clips, recipe).is_new
    assert FeatureStore(tmp_path / "all").snapshot.listed == {}


def test_a_chosen_clip_that_cannot_be_read_stays_as_a_row_in_quarantine(
    tmp_path: Path, clips: Path, recipe: str
) -> None:
    root, broken = tmp_path / "store", sorted(clips.rglob("01-*-01.mp4"))[0]
    build(root, clips, recipe, ("modality=full-AV",), "max_bad_fraction=1.0")
    seconds = FeatureStore(root).clips()["duration_s"]
    middle = float(np.median(seconds))
    replace(broken, b"no media")
    build(root, clips, recipe, (f"duration=..{middle}",), "max_bad_fraction=1.0")
    frame = FeatureStore(root).clips()
    assert 1 < len(frame) < len(seconds)
    assert (frame["duration_s"].dropna() <= middle).all()
    (row,) = FeatureStore(root).quarantine().itertuples()
    assert row.clip_id == f"sample/{broken.stem}"
    assert verify(root).problems == []
    with pytest.raises(WrongChoice, match=r"no clip has a duration of 100\.\.; there are "):
        build(root, clips, recipe, ("duration=100..",), "max_bad_fraction=1.0")


def test_folds_stay_where_their_chosen_clips_are_the_same_and_go_where_not(
    tmp_path: Path, clips: Path, recipe: str
) -> None:
    root = tmp_path / "store"
    build(root, clips, recipe)
    run_split(root, "subject_kfold", 3, where=("label=happy",))
    run_split(root, "leave_one_subject_out")
    result = build(root, clips, recipe, ("label=happy",))
    assert result.folds_dropped
    assert list(result.snapshot.schemes) == ["subject_kfold"]
    frame = FeatureStore(root).folds()
    assert set(frame["scheme"]) == {"subject_kfold"}
    assert set(frame["clip_id"]) == ids(root)
    assert set(FeatureStore(root).audits()["scheme"]) == {"subject_kfold"}
    assert not build(root, clips, recipe).folds_dropped
    narrow = build(root, clips, recipe, ("subject=01,02",))
    assert (narrow.folds_dropped, narrow.snapshot.schemes) == (True, {})


def test_a_build_still_names_every_corpus_that_the_store_holds(
    tmp_path: Path, clips: Path, recipe: str
) -> None:
    build(tmp_path / "store", clips, recipe)
    with pytest.raises(BuildError, match="holds clips of sample, which this build does not name"):
        run_build(tmp_path / "store", {"ravdess": clips}, recipe, where=("subject=01",))


def test_a_wrong_choice_is_said_before_any_work(tmp_path: Path, clips: Path, recipe: str) -> None:
    for where, message in (
        ("labl=happy", "there is no column 'labl' to choose clips by; did you mean label"),
        ("label=hapy", "no clip has the label 'hapy'; did you mean happy"),
        ("label", "'label' chooses no clips"),
    ):
        with pytest.raises(WrongChoice, match=message):
            build(tmp_path / "store", clips, recipe, (where,))
        with pytest.raises(WrongChoice, match=message):
            check_build(tmp_path / "store", {"sample": clips}, recipe, where=(where,))
    assert not (tmp_path / "store").exists()
