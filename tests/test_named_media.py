"""SAVEE, eNTERFACE'05 and MSP-IMPROV by their media: layouts, ids, renderings, labels, tables."""

from pathlib import Path

import pytest

from extractors.media import Limits, probe
from manifests.clips import CLIPS
from manifests.corpora.base import Corpus, Found
from manifests.corpora.enterface05 import ENTERFACE05
from manifests.corpora.msp_improv import MSP_IMPROV, WrongMspEvaluation
from manifests.corpora.savee import SAVEE
from manifests.labels import LABELS
from manifests.quarantine import Reason
from manifests.schemes.catalog import SCHEMES
from tests.support.media_made import write


def touch(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def by_id(found: list[Found]) -> dict[str, Found]:
    CLIPS.build(one.clip for one in found)
    LABELS.build(label for one in found for label in one.labels)
    return {one.clip.clip_id: one for one in found}


def labels_of(found: Found) -> dict[str, str]:
    return {label.scheme: label.value for label in found.labels}


SAVEE_FILES = [
    f"{folder}/{who}/{name}{suffix}"
    for folder, suffix in (("AudioVisualClip", ".avi"), ("AudioData", ".wav"))
    for who in ("DC", "JE", "JK", "KL")
    for name in ("a01", "n30", "sa02")
]


def test_a_video_of_savee_and_its_sound_are_renderings_of_one_take(tmp_path: Path) -> None:
    found = by_id(SAVEE.scan(touch(tmp_path, *SAVEE_FILES)))
    assert len(found) == 24
    video, sound = found["savee/DC_sa02"], found["savee/DC_sa02.wav"]
    for one in (video, sound):
        clip = one.clip
        assert (clip.subject_id, clip.group_id, clip.sex) == ("savee/DC", "savee/DC", "male")
        assert (clip.take_id, clip.text_id) == ("savee/DC_sa02", "savee/sa02")
        assert labels_of(one) == {"savee7": "sad"}
    assert not any(one.bad for one in found.values())


def test_the_published_folds_of_savee_test_one_speaker_each(tmp_path: Path) -> None:
    found = SAVEE.scan(touch(tmp_path, *SAVEE_FILES))
    rows = SCHEMES["savee_4fold"]([one.clip for one in found], [])
    tested = {row.fold: row.group_id for row in rows if row.role == "test"}
    assert tested == {1: "savee/JE", 2: "savee/KL", 3: "savee/DC", 4: "savee/JK"}


def test_copies_and_other_names_are_refused(tmp_path: Path) -> None:
    found = by_id(
        SAVEE.scan(touch(tmp_path, "DC/a01.wav", "copy/DC/a01.wav", "DC/a16.wav", "DC/a02.mp3"))
    )
    assert {clip_id: one.bad.reason for clip_id, one in found.items() if one.bad} == {
        "savee/copy/DC/a01.wav": Reason.DUPLICATE,
        "savee/DC/a16.wav": Reason.UNKNOWN_NAME,
    }
    bad = found["savee/DC/a16.wav"].bad
    assert bad
    assert "expected one such as AudioVisualClip/DC/a01.avi" in bad.detail
    assert found.keys() >= {"savee/DC_a01.wav", "savee/DC_a02.mp3"}


def test_the_folder_says_who_it_is_in_enterface(tmp_path: Path) -> None:
    root = touch(
        tmp_path,
        "subject 11/anger/sentence 1/s12_an_1.avi",
        "subject 12/anger/sentence 1/s12_an_1.avi",
        "subject 3/fear/sentence 2/s_3_fe_2.avi",
        "subject 6/happiness/s6_ha.avi",
        "subject 6/Thumbs.db",
    )
    found = by_id(ENTERFACE05.scan(root))
    assert {clip_id: one.clip.subject_id for clip_id, one in found.items()} == {
        "enterface05/s11_an_1": "enterface05/11",
        "enterface05/s12_an_1": "enterface05/12",
        "enterface05/s3_fe_2": "enterface05/3",
        "enterface05/s6_ha": "enterface05/6",
    }
    assert {labels_of(one)["enterface6"] for one in found.values()} == {"angry", "fearful", "happy"}
    assert not any(one.bad for one in found.values())
    assert ENTERFACE05.left_out(root, found.values()) == {".db": 1}


MSP_FILES = [
    f"{kind}/session{session}/S01A/{scene}/{brand}-IMPROV-S01A-{who}0{session}-{scene}-{pair}01{end}"
    for kind, brand, end in (("Audio", "MSP", ".wav"), ("Video", "UTD", ".avi"))
    for session in range(1, 7)
    for who in "FM"
    for scene in "PRST"
    for pair in ("FM", "MF")
]
VOTES = """
UTD-IMPROV-S01A-F01-S-FM01.avi; N; A:3.000000; V:3.500000; D:2.750000;
R1; Neutral; A:3; V:4; D:3;
UTD-IMPROV-S01A-F01-T-FM01.avi; X; A:1.500000; V:2.000000; D:3.000000 ; N:4.0
"""


def test_a_session_of_msp_improv_is_a_group_of_two_speakers(tmp_path: Path) -> None:
    found = by_id(MSP_IMPROV.scan(touch(tmp_path, *MSP_FILES)))
    assert len(found) == len(MSP_FILES)
    clip = found["msp_improv/MSP-IMPROV-S01A-F01-S-MF01"].clip
    assert (clip.subject_id, clip.group_id) == ("msp_improv/M01", "msp_improv/session01")
    assert (clip.sex, clip.text_id) == ("male", None)
    assert {one.clip.text_id for one in found.values()} == {None, "msp_improv/S01"}
    sound = found["msp_improv/MSP-IMPROV-S01A-F01-S-MF01.wav"].clip
    assert sound.take_id == clip.take_id == clip.clip_id
    assert len({one.clip.subject_id for one in found.values()}) == 12
    rows = SCHEMES["msp_improv_session_6fold"]([one.clip for one in found.values()], [])
    assert {row.group_id for row in rows if row.role == "test" and row.fold == 4} == {
        "msp_improv/session04"
    }


def test_votes_of_msp_improv_are_labels_of_both_renderings(tmp_path: Path) -> None:
    (touch(tmp_path, *MSP_FILES) / "Evalution.txt").write_text(VOTES, encoding="utf-8")
    found = by_id(MSP_IMPROV.scan(tmp_path))
    for suffix in ("", ".wav"):
        assert labels_of(found[f"msp_improv/MSP-IMPROV-S01A-F01-S-FM01{suffix}"]) == {
            "msp_improv": "neutral",
            "msp_improv_activation": "3",
            "msp_improv_valence": "3.5",
            "msp_improv_dominance": "2.75",
            "msp_improv_target": "angry",
        }
    assert labels_of(found["msp_improv/MSP-IMPROV-S01A-F01-T-FM01"])["msp_improv"] == "other"
    unjudged = found["msp_improv/MSP-IMPROV-S01A-F02-S-FM01"]
    assert labels_of(unjudged) == {"msp_improv_target": "angry"}
    assert MSP_IMPROV.left_out(tmp_path, found.values()) == {}


@pytest.mark.parametrize(
    "line",
    [
        "UTD-IMPROV-S01A-F01-S-FM01.avi; Q; A:3; V:3; D:3;",
        "UTD-IMPROV-S21A-F01-S-FM01.avi; N; A:3; V:3; D:3;",
        "UTD-IMPROV-S01A-F01-S-FM01.avi; N; A:x; V:3; D:3;",
        "UTD-IMPROV-S01A-F01-S-FM01.avi; N; A:3..1; V:3; D:3;",
    ],
)
def test_a_broken_vote_is_refused_with_its_line(line: str, tmp_path: Path) -> None:
    (touch(tmp_path, MSP_FILES[0]) / "Evaluation.txt").write_text(f"\n{line}\n", encoding="utf-8")
    with pytest.raises(WrongMspEvaluation, match=r"Evaluation\.txt: line 2 is 'UTD-IMPROV"):
        MSP_IMPROV.scan(tmp_path)


@pytest.mark.parametrize(
    ("corpus", "path"),
    [
        (SAVEE, "AudioVisualClip/DC/a01.avi"),
        (ENTERFACE05, "subject 1/anger/sentence 1/s1_an_1.avi"),
        (MSP_IMPROV, "Video/session1/S01A/S/UTD-IMPROV-S01A-F01-S-FM01.avi"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_media_in_the_published_layout_are_found_and_opened(
    corpus: Corpus, path: str, tmp_path: Path
) -> None:
    (tmp_path / path).parent.mkdir(parents=True)
    write(tmp_path / path, frames=5, audio_s=0.2)
    (found,) = corpus.scan(tmp_path)
    assert found.bad is None
    clip = probe(found.clip, tmp_path / found.clip.path, Limits())
    assert (clip.has_audio, clip.has_video) == (True, True)
