"""The mistakes of a first hour: each is told in one sentence that says what to do, before any work
is done."""

from contextlib import nullcontext
from pathlib import Path

import pytest

from flows.__main__ import run
from stores import FeatureDataset
from tests.support.commands import refusal
from tests.support.in_process import InProcess, build_here
from tests.support.media_made import write
from tests.support.stores_made import SPEC, make_store

NAMES = ("01-01-03-01-01-01-02.mp4", "03-01-03-01-01-01-02.wav")


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """A folder of files with RAVDESS names, which nobody reads."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in NAMES:
        (folder / name).touch()
    return folder


def build(store: Path, *more: object, corpus: str = "") -> str:
    """The one sentence with which a build is refused."""
    named = ["--corpus", corpus] if corpus else []
    return refusal("build", store, *named, "--recipe", "demo", *more)


def test_a_wrong_folder_is_named(tmp_path: Path) -> None:
    said = build(tmp_path / "s", corpus=f"ravdess={tmp_path / 'nowhere'}")
    assert (
        f"{tmp_path / 'nowhere'} does not exist; expected the folder that holds the clips" in said
    )
    assert not (tmp_path / "s").exists()


def test_an_unknown_corpus_is_named_with_the_nearest(tmp_path: Path, clips: Path) -> None:
    said = build(tmp_path / "s", corpus=f"ravdes={clips}")
    assert "there is no corpus 'ravdes'; did you mean ravdess? there are ravdess, cremad" in said


def test_the_clips_of_another_corpus_are_told_from_their_names(tmp_path: Path, clips: Path) -> None:
    said = build(tmp_path / "s", corpus=f"cremad={clips}")
    assert f"none of the 2 media files in {clips} follows the naming rule of cremad" in said
    assert f"these look like ravdess, so give --corpus ravdess={clips}" in said
    assert not (tmp_path / "s").exists()


def test_clips_that_are_of_no_known_corpus_are_a_folder_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "holiday.mp4").touch()
    said = build(tmp_path / "s", corpus=f"ravdess={tmp_path}")
    assert "the name is 'holiday'; expected seven numbers of two digits" in said
    assert f"--corpus folder={tmp_path} for clips of your own" in said


def test_clips_of_a_corpus_that_is_known_by_its_names_alone_are_taken_as_a_folder(
    tmp_path: Path,
) -> None:
    (tmp_path / "03a01Fa.wav").touch()
    said = build(tmp_path / "s", corpus=f"ravdess={tmp_path}")
    assert f"these look like emodb, so give --corpus folder={tmp_path}" in said


def test_one_good_name_is_enough_to_go_on(tmp_path: Path, clips: Path) -> None:
    (clips / "holiday.mp4").touch()
    from flows.building.clip_table import list_clips

    assert len(list_clips({"ravdess": clips})) == 3


def test_a_misspelt_key_of_a_recipe_is_named_with_the_nearest(tmp_path: Path, clips: Path) -> None:
    said = build(tmp_path / "s", "--set", "features.mfcc.n_mfc=3", corpus=f"ravdess={clips}")
    assert "did you mean n_mfcc?" in said


def test_a_forgotten_corpus_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(["build", str(tmp_path / "s")])
    assert ended.value.code == 2
    said = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert "the option --corpus is missing" in said
    assert "--corpus ravdess=/data/RAVDESS" in said


def test_a_folder_that_is_no_store_is_left_alone(tmp_path: Path, clips: Path) -> None:
    before = sorted(clips.iterdir())
    said = build(clips, corpus=f"ravdess={clips}")
    assert f"{clips} is no store and is not empty (it holds {NAMES[0]} and 1 more)" in said
    assert sorted(clips.iterdir()) == before


def test_a_file_is_no_place_for_a_store(tmp_path: Path, clips: Path) -> None:
    (tmp_path / "s").touch()
    assert "is a file; expected the folder of a store" in build(
        tmp_path / "s", corpus=f"ravdess={clips}"
    )


def test_what_a_killed_build_has_left_is_built_upon(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    write(clips / "a.mp4", frames=8, audio_s=0.5)
    build_here(tmp_path / "s", clips)
    (tmp_path / "s" / "dataset.json").unlink()
    assert build_here(tmp_path / "s", clips).is_new


@pytest.mark.parametrize("folds", ["1", "2", "0", "-3"])
def test_too_few_folds_are_told_before_any_server_is_asked(
    folds: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_store(tmp_path, 3, (SPEC,))
    # A server that nobody could reach: whoever asks it says so instead.
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    said = refusal("split", tmp_path, "subject_kfold", "--folds", folds)
    assert f"{folds} folds were asked for; at least 3 are needed" in said
    assert "no split scheme 'subject_kfolds'; did you mean subject_kfold?" in refusal(
        "split", tmp_path, "subject_kfolds"
    )
    assert "holds no committed store" in refusal("split", tmp_path / "s", "subject_kfold")


def test_a_split_of_clips_whose_subjects_nobody_knows_says_where_to_write_them(
    tmp_path: Path,
) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        write(clips / name, frames=8, audio_s=0.5)
    build_here(tmp_path / "s", clips)
    said = refusal("split", tmp_path / "s", "subject_kfold", "--folds", "3")
    assert "3 of 3 clips have no subject and no group" in said
    assert "the column subject of labels.csv" in said


def test_a_build_says_that_not_one_face_was_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clips, recipe = tmp_path / "clips", tmp_path / "faces.toml"
    clips.mkdir()
    write(clips / "a.mp4", frames=30, audio_s=0.5)
    kinds = ("audio", "mfcc", "frames", "faces", "crops")
    tables = [f'[features.{name}]\nextractor = "{name}"\n' for name in kinds]
    recipe.write_text("".join(tables), encoding="utf-8")
    monkeypatch.setattr(
        "flows.building.run.LocalExecutor", lambda *_, **__: nullcontext(InProcess())
    )
    with pytest.raises(SystemExit) as ended:
        run(["build", str(tmp_path / "s"), "--corpus", f"folder={clips}", "--recipe", str(recipe)])
    assert not ended.value.code
    said = " ".join(capsys.readouterr().out.split())
    assert "no clip has crops, faces: not one face was found in the corpus" in said


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with folds and labels."""
    make_store(tmp_path)
    return tmp_path


GIVEN = {"features": ["mfcc"], "labels": "made3", "scheme": "thirds", "fold": 0, "role": "train"}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"scheme": "third"}, "no split scheme 'third'; did you mean thirds? there are thirds"),
        ({"fold": 7}, "no fold of thirds 7; there are 0, 1, 2"),
        ({"role": "trian"}, "no role in fold 0 of thirds 'trian'; did you mean train?"),
        ({"labels": "made"}, "no labels 'made'; did you mean made3? there are made3"),
        ({"features": ["mfc"]}, "no feature named 'mfc'; did you mean mfcc"),
        ({"missing": None}, "missing was not given"),
        ({"missing": "skip"}, "missing is 'skip', expected one of drop, error, mask"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_dataset_says_what_is_wrong_with_what_it_was_given(
    wrong: dict[str, object], words: str, store: Path
) -> None:
    with pytest.raises((KeyError, ValueError)) as said:
        FeatureDataset(store, **{"missing": "drop", **GIVEN, **wrong})  # type: ignore[arg-type]
    assert words in str(said.value)


def test_a_forgotten_missing_is_a_wrong_call_and_a_wrong_value(store: Path) -> None:
    for kind in (TypeError, ValueError):
        with pytest.raises(kind, match="missing='drop' to leave it out"):
            FeatureDataset(store, **GIVEN)  # type: ignore[arg-type]
