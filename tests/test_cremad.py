"""CREMA-D names, its two tables, and the published 22,326 files."""

import csv
import gzip
import os
import shutil
from collections import Counter
from pathlib import Path

import pytest

from manifests.clips import CLIPS
from manifests.corpora.base import Found, Identity
from manifests.corpora.cremad import CREMAD, CremadName, NotACremadName, parse
from manifests.corpora.published_csv import WrongPublishedTable
from manifests.labels import LABELS
from manifests.quarantine import Reason

METADATA = Path(__file__).parents[1].parent / "shared" / "metadata" / "cremad"
needs_metadata = pytest.mark.skipif(
    not METADATA.is_dir(), reason="the published tables of CREMA-D are not beside the checkout"
)

STEM = "1001_IEO_ANG_HI"
DEMOGRAPHICS = (
    '"ActorID","Age","Sex","Race","Ethnicity"\n1001,51,"Male","Caucasian","Not '
    'Hispanic"\n1002,21,"Female","Unknown","Hispanic"\n'
)
SUMMARY = (
    '"","FileName","VoiceVote","VoiceLevel","FaceVote","FaceLevel","MultiModalVote","MultiModalLevel"\n'
    f'"1","{STEM}","A:D"," 37.2:58.6","A","45.5","F:H:N","1:2:3"\n'
)


def touch(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def published(root: Path) -> Path:
    """The layout of the published repository, one take."""
    touch(
        root,
        f"VideoFlash/{STEM}.flv",
        f"AudioMP3/{STEM}.mp3",
        f"AudioWAV/{STEM}.wav",
        "processedResults/summaryTable.csv",
    )
    (root / "VideoDemographics.csv").write_text(DEMOGRAPHICS)
    (root / "processedResults" / "summaryTable.csv").write_text(SUMMARY)
    return root


def values(found: Found) -> dict[tuple[str, str], dict[str, float]]:
    """(scheme, annotator) -> value -> weight"""
    of: dict[tuple[str, str], dict[str, float]] = {}
    for label in found.labels:
        of.setdefault((label.scheme, label.annotator), {})[label.value] = label.weight
    return of


def test_all_four_fields_are_read() -> None:
    assert parse(STEM) == CremadName(1001, "IEO", "ANG", "HI")
    assert parse("1091_WSI_NEU_XX") == CremadName(1091, "WSI", "NEU", "XX")


@pytest.mark.parametrize(
    ("stem", "complaint"),
    [
        ("1000_DFA_ANG_XX", "expected 1001 to 1091"),
        ("1092_DFA_ANG_XX", "expected 1001 to 1091"),
        ("1001_ABC_ANG_XX", "the sentence in the name 1001_ABC_ANG_XX is ABC"),
        ("1001_DFA_SUR_XX", "the emotion in the name 1001_DFA_SUR_XX is SUR"),
        ("1001_IEO_ANG_ZZ", "the level in the name 1001_IEO_ANG_ZZ is ZZ"),
        ("1001_DFA_ANG_HI", "has the level HI"),
        ("1001_IEO_NEU_LO", "has the level LO"),
        ("1001_IEO_ANG_XX", "has the level XX"),
        ("1001_dfa_ang_xx", "expected actor, sentence, emotion and level"),
        ("1001_DFA_ANG_X", "expected actor, sentence, emotion and level"),
        ("1001_DFA_ANG_XX_1", "expected actor, sentence, emotion and level"),
        ("", "expected actor, sentence, emotion and level"),
    ],
)
def test_a_name_that_the_corpus_cannot_contain_is_refused(stem: str, complaint: str) -> None:
    with pytest.raises(NotACremadName, match=complaint):
        parse(stem)


def test_the_one_misprinted_name_of_older_copies_means_what_the_mended_one_does(
    tmp_path: Path,
) -> None:
    (found,) = CREMAD.scan(touch(tmp_path, "AudioWAV/1040_ITH_SAD_X.wav"))
    assert (found.bad, found.clip.clip_id) == (None, "cremad/1040_ITH_SAD_XX.wav")
    assert found.clip.path == "AudioWAV/1040_ITH_SAD_X.wav"


def test_three_renderings_of_a_take_are_three_clips_of_one_actor(tmp_path: Path) -> None:
    found = CREMAD.scan(published(tmp_path))
    assert [one.clip.clip_id for one in found] == [
        f"cremad/{STEM}",
        f"cremad/{STEM}.mp3",
        f"cremad/{STEM}.wav",
    ]
    assert {one.clip.take_id for one in found} == {f"cremad/{STEM}"}
    assert {(one.clip.subject_id, one.clip.group_id, one.clip.text_id) for one in found} == {
        ("cremad/1001", "cremad/1001", "cremad/IEO")
    }
    assert not any(one.bad for one in found)


@pytest.mark.parametrize("suffix", [".flv", ".mp4", ".MP4", ".wav", ".mp3", ".WAV", ".flac"])
def test_an_id_does_not_depend_on_which_other_files_are_there(tmp_path: Path, suffix: str) -> None:
    (alone,) = CREMAD.scan(touch(tmp_path / "alone", f"{STEM}{suffix}"))
    all_of_them = touch(
        tmp_path / "all",
        f"{STEM}{suffix}",
        *(f"{STEM}{other}" for other in (".wav", ".mp3") if other != suffix.lower()),
    )
    assert alone.clip.clip_id in {
        one.clip.clip_id for one in CREMAD.scan(all_of_them) if not one.bad
    }


def test_labels_are_intended_voted_and_stated_in_schemes_of_their_own(tmp_path: Path) -> None:
    modality = {"flv": "full-AV", "mp3": "audio-only", "wav": "audio-only"}
    for found in CREMAD.scan(published(tmp_path)):
        suffix = found.clip.path.rpartition(".")[2]
        assert values(found) == {
            ("cremad6", "intended"): {"angry": 1.0},
            ("cremad_level", "intended"): {"high": 1.0},
            ("cremad_sentence", "corpus"): {"IEO": 1.0},
            ("cremad_modality", "corpus"): {modality[suffix]: 1.0},
            ("cremad_rendering", "corpus"): {suffix: 1.0},
            ("cremad_age", "corpus"): {"51": 1.0},
            ("cremad_race", "corpus"): {"caucasian": 1.0},
            ("cremad_ethnicity", "corpus"): {"not hispanic": 1.0},
            ("cremad6_voice", "vote"): {"angry": 0.5, "disgust": 0.5},
            ("cremad6_face", "vote"): {"angry": 1.0},
            ("cremad6_multimodal", "vote"): {"fearful": 1 / 3, "happy": 1 / 3, "neutral": 1 / 3},
        }
        assert found.clip.sex == "male"


def test_what_the_tables_do_not_know_is_no_label(tmp_path: Path) -> None:
    root = touch(
        published(tmp_path), "VideoFlash/1002_DFA_SAD_XX.flv", "VideoFlash/1003_DFA_SAD_XX.flv"
    )
    by_id = {one.clip.clip_id: one for one in CREMAD.scan(root)}
    second, third = by_id["cremad/1002_DFA_SAD_XX"], by_id["cremad/1003_DFA_SAD_XX"]
    assert (second.clip.sex, third.clip.sex) == ("female", None)
    assert {label.scheme for label in second.labels} == {
        "cremad6",
        "cremad_level",
        "cremad_sentence",
        "cremad_modality",
        "cremad_rendering",
        "cremad_age",
        "cremad_ethnicity",
    }
    assert {label.scheme for label in third.labels} == {
        "cremad6",
        "cremad_level",
        "cremad_sentence",
        "cremad_modality",
        "cremad_rendering",
    }


def test_without_the_tables_names_alone_give_the_intended_labels(tmp_path: Path) -> None:
    (found,) = CREMAD.scan(touch(tmp_path, f"{STEM}.flv"))
    assert values(found) == {
        ("cremad6", "intended"): {"angry": 1.0},
        ("cremad_level", "intended"): {"high": 1.0},
        ("cremad_sentence", "corpus"): {"IEO": 1.0},
        ("cremad_modality", "corpus"): {"full-AV": 1.0},
        ("cremad_rendering", "corpus"): {"flv": 1.0},
    }
    assert found.clip.sex is None


@pytest.mark.parametrize("folder", ["VideoFlash", "AudioMP3", "AudioWAV"])
def test_the_tables_are_found_from_inside_a_published_folder(
    tmp_path: Path, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (inside,) = CREMAD.scan(published(tmp_path) / folder)
    assert inside.clip.sex == "male"
    assert ("cremad6_voice", "vote") in values(inside)
    monkeypatch.chdir(tmp_path / folder)
    assert CREMAD.scan(Path()) == [inside]


def test_the_tables_may_lie_beside_the_clips(tmp_path: Path) -> None:
    touch(tmp_path, f"{STEM}.flv")
    (tmp_path / "VideoDemographics.csv").write_text(DEMOGRAPHICS)
    (tmp_path / "summaryTable.csv").write_text(SUMMARY)
    (found,) = CREMAD.scan(tmp_path)
    assert found.clip.sex == "male"
    assert ("cremad6_face", "vote") in values(found)


def test_tables_above_a_folder_of_another_name_are_not_the_corpus_s(tmp_path: Path) -> None:
    (found,) = CREMAD.scan(touch(published(tmp_path), f"mine/{STEM}.flv") / "mine")
    assert found.clip.sex is None


@pytest.mark.parametrize(
    ("table", "content", "complaint"),
    [
        ("VideoDemographics.csv", "", "the file is empty"),
        (
            "VideoDemographics.csv",
            "ActorID,Age\n1001,51\n",
            "the header has no column Sex, Race, Ethnicity",
        ),
        ("VideoDemographics.csv", DEMOGRAPHICS + "1003,21\n", "line 4 has 2 cells; expected 5"),
        (
            "VideoDemographics.csv",
            DEMOGRAPHICS + "1001,21,Male,Asian,Hispanic\n",
            "line 4 has the ActorID '1001'",
        ),
        (
            "VideoDemographics.csv",
            DEMOGRAPHICS + "x,21,Male,Asian,Hispanic\n",
            "line 4 has the ActorID 'x'",
        ),
        (
            "VideoDemographics.csv",
            DEMOGRAPHICS + "1003,21,M,Asian,Hispanic\n",
            "line 4 has the Sex 'M'",
        ),
        (
            "VideoDemographics.csv",
            DEMOGRAPHICS + '1003,21,"Male,Asian,Hispanic\n',
            "line 4 is broken",
        ),
        (
            "VideoDemographics.csv",
            "version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
            "this is a git-lfs pointer",
        ),
        (
            "summaryTable.csv",
            SUMMARY.replace("A:D", "A:Q"),
            "line 2 has 'A:Q' in the column VoiceVote",
        ),
        (
            "summaryTable.csv",
            SUMMARY.replace("A:D", "A:A"),
            "line 2 has 'A:A' in the column VoiceVote",
        ),
        ("summaryTable.csv", SUMMARY.replace("A:D", ""), "line 2 has '' in the column VoiceVote"),
        ("summaryTable.csv", SUMMARY + SUMMARY.splitlines()[1], f"line 3 names {STEM} once more"),
    ],
)
def test_a_broken_table_is_refused_with_file_and_line(
    tmp_path: Path, table: str, content: str, complaint: str
) -> None:
    (touch(tmp_path, f"{STEM}.flv") / table).write_text(content)
    with pytest.raises(WrongPublishedTable, match=complaint) as caught:
        CREMAD.scan(tmp_path)
    assert table in str(caught.value)


def test_a_table_that_is_not_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    (touch(tmp_path, f"{STEM}.flv") / "VideoDemographics.csv").write_bytes(
        DEMOGRAPHICS.encode() + b"1003,21,\xe9\n"
    )
    with pytest.raises(WrongPublishedTable, match="line 4 is not UTF-8"):
        CREMAD.scan(tmp_path)


def test_a_table_that_is_a_link_out_of_the_corpus_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text(DEMOGRAPHICS)
    root = touch(tmp_path / "root", f"{STEM}.flv")
    (root / "VideoDemographics.csv").symlink_to(tmp_path / "secret.csv")
    with pytest.raises(WrongPublishedTable, match="outside the corpus"):
        CREMAD.scan(root)


def test_a_second_file_of_one_clip_is_refused_and_the_published_one_kept(tmp_path: Path) -> None:
    root = touch(
        tmp_path,
        f"a/{STEM}.mp4",
        f"b/c/{STEM}.flv",
        f"b/c/d/{STEM}.flv",
        f"{STEM}.wav",
        f"z/{STEM}.wav",
    )
    found = {one.clip.clip_id: one for one in CREMAD.scan(root)}
    assert found[f"cremad/{STEM}"].clip.path == f"b/c/{STEM}.flv"
    assert found[f"cremad/{STEM}.wav"].clip.path == f"{STEM}.wav"
    assert {
        clip_id for clip_id, one in found.items() if one.bad and one.bad.reason == Reason.DUPLICATE
    } == {
        f"cremad/a/{STEM}.mp4",
        f"cremad/b/c/d/{STEM}.flv",
        f"cremad/z/{STEM}.wav",
    }


@pytest.mark.parametrize(
    ("name", "clip_id"),
    [
        ("1001_DFA_ANG_XX", "cremad/1001_DFA_ANG_XX"),
        ("1001_DFA_ANG_XX.flv", "cremad/1001_DFA_ANG_XX"),
        ("VideoFlash/1001_DFA_ANG_XX.mp4", "cremad/1001_DFA_ANG_XX"),
        ("/data/CREMA-D.v2/AudioWAV/1001_DFA_ANG_XX.wav", "cremad/1001_DFA_ANG_XX.wav"),
        ("C:\\data\\AudioMP3\\1001_DFA_ANG_XX.MP3", "cremad/1001_DFA_ANG_XX.mp3"),
        ("cremad/1001_DFA_ANG_XX.wav", "cremad/1001_DFA_ANG_XX.wav"),
        ("features/1001_DFA_ANG_XX.npy", "cremad/1001_DFA_ANG_XX"),
        ("cremad-1001-DFA-ANG-XX", "cremad/1001_DFA_ANG_XX"),
    ],
)
def test_a_foreign_name_is_identified(name: str, clip_id: str) -> None:
    assert CREMAD.identify(name) == Identity(
        clip_id,
        "cremad/1001",
        "cremad/1001",
        "cremad/1001_DFA_ANG_XX",
        text_id="cremad/DFA",
        label="angry",
    )


@pytest.mark.parametrize(
    "name",
    [
        "",
        "1001",
        "01-01-03-01-01-01-01",
        "Ses01F_impro01_F000",
        "1001_DFA_ANG_HI.wav",
        "x1001_DFA_ANG_XX",
    ],
)
def test_what_is_no_name_of_the_corpus_is_not_identified(name: str) -> None:
    assert CREMAD.identify(name) is None


def rows(name: str) -> list[dict[str, str]]:
    with (
        gzip.open(METADATA / name, "rt")
        if name.endswith(".gz")
        else (METADATA / name).open(newline="") as text
    ):
        return list(csv.DictReader(text))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list[Found]:
    """Every published file name, empty, beside the published tables."""
    root = tmp_path_factory.mktemp("crema-d")
    for folder in ("VideoFlash", "AudioMP3", "AudioWAV", "processedResults"):
        (root / folder).mkdir()
    for row in rows("media_sha256_bytes.csv.gz"):
        os.close(os.open(root / row["path"], os.O_CREAT))
    shutil.copy(METADATA / "VideoDemographics.csv", root)
    shutil.copy(METADATA / "summaryTable.csv", root / "processedResults")
    return CREMAD.scan(root)


@needs_metadata
def test_the_published_corpus_is_three_renderings_of_7442_takes(corpus: list[Found]) -> None:
    assert len(corpus) == 22_326
    assert not any(one.bad for one in corpus)
    assert len({one.clip.take_id for one in corpus}) == 7_442
    assert Counter(Counter(one.clip.subject_id for one in corpus).values()) == {
        3 * 82: 86,
        3 * 81: 2,
        3 * 76: 3,
    }
    CLIPS.build(one.clip for one in corpus)
    LABELS.build(label for one in corpus for label in one.labels)


@needs_metadata
def test_the_published_corpus_has_its_classes_levels_and_demographics(corpus: list[Found]) -> None:
    videos = [one for one in corpus if one.clip.clip_id == one.clip.take_id]
    count = Counter(
        (label.scheme, label.value)
        for one in videos
        for label in one.labels
        if label.annotator == "intended"
    )
    assert {value: n for (scheme, value), n in count.items() if scheme == "cremad6"} == {
        "angry": 1_271,
        "disgust": 1_271,
        "fearful": 1_271,
        "happy": 1_271,
        "sad": 1_271,
        "neutral": 1_087,
    }
    assert {value: n for (scheme, value), n in count.items() if scheme == "cremad_level"} == {
        "unspecified": 6_077,
        "low": 455,
        "medium": 455,
        "high": 455,
    }
    people = {one.clip.subject_id: one for one in videos}
    assert Counter(one.clip.sex for one in people.values()) == {"male": 48, "female": 43}
    stated = Counter(
        (label.scheme, label.value)
        for one in people.values()
        for label in one.labels
        if label.annotator == "corpus"
    )
    assert [
        stated["cremad_race", race]
        for race in ("caucasian", "african american", "asian", "unknown")
    ] == [61, 22, 7, 0]
    assert stated["cremad_ethnicity", "hispanic"] == 10
    assert sum(n for (scheme, _), n in stated.items() if scheme == "cremad_age") == 91


@needs_metadata
@pytest.mark.parametrize(
    ("scheme", "share", "ties"),
    [("voice", 0.416, 644), ("face", 0.663, 470), ("multimodal", 0.722, 420)],
)
def test_votes_agree_with_what_was_intended_as_often_as_published(
    corpus: list[Found], scheme: str, share: float, ties: int
) -> None:
    videos = [values(one) for one in corpus if one.clip.clip_id == one.clip.take_id]
    votes = [(of["cremad6", "intended"], of[f"cremad6_{scheme}", "vote"]) for of in videos]
    assert len(votes) == 7_442
    assert round(sum(intended == vote for intended, vote in votes) / len(votes), 3) == share
    assert sum(len(vote) > 1 for _, vote in votes) == ties
    assert all(sum(vote.values()) == pytest.approx(1) for _, vote in votes)


@needs_metadata
def test_every_published_name_is_identified_as_its_clip(corpus: list[Found]) -> None:
    for one in corpus[::7]:
        for name in (one.clip.path, one.clip.clip_id):
            identity = CREMAD.identify(name)
            assert identity
            assert (identity.clip_id, identity.take_id, identity.text_id) == (
                one.clip.clip_id,
                one.clip.take_id,
                one.clip.text_id,
            )


@needs_metadata
def test_the_published_list_of_the_study_is_parsed_without_a_gap() -> None:
    stems = [row["Filename"] for row in rows("SentenceFilenames.csv")]
    assert len(set(stems)) == 7_442
    assert all(parse(stem).stem == stem for stem in stems)
