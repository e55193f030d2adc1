"""What the name in a foreign table says: RAVDESS and the sample by their rule, a folder never, and
no name belongs to two corpora of films."""

import csv
from pathlib import Path

import pytest

from manifests.corpora.base import Identity
from manifests.corpora.catalog import CORPORA
from manifests.corpora.ravdess import RAVDESS
from manifests.corpora.sample import SAMPLE

METADATA = Path(__file__).parents[1].parent / "shared" / "metadata"
STEM = "03-02-06-01-02-01-12"


@pytest.mark.parametrize(
    "form",
    [
        "{}",
        "{}.wav",
        "Actor_12/{}.wav",
        "/data/v1.0/Audio_Song/{}.WAV",
        "D:\\Actor_12\\{}.npy",
        "ravdess/{}",
    ],
)
def test_a_foreign_name_of_ravdess_is_identified(form: str) -> None:
    assert RAVDESS.identify(form.format(STEM)) == Identity(
        clip_id=f"ravdess/{STEM}",
        subject_id="ravdess/12",
        group_id="ravdess/12",
        take_id="ravdess/02-06-01-02-01-12",
        sex="female",
        text_id="ravdess/dogs",
        label="fearful",
    )


def test_the_sample_identifies_its_names_as_its_own() -> None:
    identity = SAMPLE.identify(f"Actor_12/{STEM}.mp4")
    assert identity
    assert (identity.clip_id, identity.subject_id) == (f"sample/{STEM}", "sample/12")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Actor_12",
        "03-02-06-01-02-01",
        f"{STEM}-01",
        f"x{STEM}",
        "03-02-07-01-02-01-12",
        "1001_DFA_ANG_XX",
    ],
)
def test_what_ravdess_cannot_contain_is_not_identified(name: str) -> None:
    assert RAVDESS.identify(name) is None


@pytest.mark.parametrize("name", ["clip", "happy/clip.mp4", STEM, "folder/a/b"])
def test_a_folder_identifies_nothing(name: str) -> None:
    assert CORPORA["folder"].identify(name) is None


@pytest.mark.parametrize(
    ("name", "corpus"),
    [
        ("1001_DFA_ANG_XX", "cremad"),
        ("Ses01F_impro01_F000", "iemocap"),
        ("train/dia0_utt0", "meld"),
        (STEM, "ravdess"),
    ],
)
def test_a_name_belongs_to_one_corpus(name: str, corpus: str) -> None:
    assert [other for other in CORPORA if other != "sample" and CORPORA[other].identify(name)] == [
        corpus
    ]


@pytest.mark.parametrize("form", ["{}.mp4", "{}.wav"])
def test_a_scan_and_a_name_say_the_same(tmp_path: Path, form: str) -> None:
    (tmp_path / form.format(STEM)).touch()
    (found,) = RAVDESS.scan(tmp_path)
    identity = RAVDESS.identify(found.clip.path)
    assert identity
    for column in ("clip_id", "subject_id", "group_id", "take_id", "sex", "text_id"):
        assert getattr(identity, column) == getattr(found.clip, column)


@pytest.mark.skipif(
    not METADATA.is_dir(), reason="the published tables are not beside the checkout"
)
def test_every_key_of_a_published_split_of_crema_d_is_identified() -> None:
    with (METADATA / "emobox" / "cremad_fold_1.csv").open(newline="") as text:
        rows = list(csv.DictReader(text))
    assert len(rows) == 7_442
    subjects: dict[str, set[str | None]] = {"train": set(), "test": set()}
    for row in rows:
        identity = CORPORA["cremad"].identify(row["key"])
        assert identity
        assert identity == CORPORA["cremad"].identify(row["clip"])
        subjects[row["split"]].add(identity.subject_id)
    assert len(subjects["train"] & subjects["test"]) == 91
