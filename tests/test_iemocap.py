"""IEMOCAP: the layout, the lines of EmoEvaluation, and a turn cut from its dialogue: the right
seconds, the right half."""

from collections import Counter
from pathlib import Path

import av
import numpy as np
import pytest

from extractors.media import Limits, decode, probe
from manifests.clips import CLIPS, Clip
from manifests.corpora.base import Found
from manifests.corpora.iemocap import IEMOCAP, MissingEvaluation
from manifests.corpora.iemocap_turns import WrongEvaluation, parse, read_turns
from manifests.labels import LABELS
from manifests.quarantine import Reason
from tests.support.media_made import number_of, write

COMMENT = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]"
TURN = "[140.2250 - 145.6000]\tSes01F_impro05_F019\tang\t[1.5000, 4.0000, 4.5000]"
RATINGS = (
    "C-E1:\tAnger; Frustration;\t(annoyed (very))",
    "C-E2:\tNeutral state; \t()",
    "C-F1:\tAnger;\t()",
    "A-E3:\tval 2; act 4; dom  5;\t()",
    "A-F1:\tval 1; act ; dom  4;\t()",
)


def turn(stem: str, start: float = 0.5, end: float = 1.5, emotion: str = "neu") -> str:
    return f"[{start:.4f} - {end:.4f}]\t{stem}\t{emotion}\t[2.5000, 2.5000, 2.3333]"


def evaluation(root: Path, dialogue: str, *lines: str) -> Path:
    path = root / f"Session{dialogue[4]}" / "dialog" / "EmoEvaluation" / f"{dialogue}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([COMMENT, "", *lines, ""]))
    return path


def touch(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def avi(dialogue: str) -> str:
    return f"Session{dialogue[4]}/dialog/avi/DivX/{dialogue}.avi"


def wav(stem: str) -> str:
    return f"Session{stem[4]}/sentences/wav/{stem.rpartition('_')[0]}/{stem}.wav"


def reasons(found: list[Found]) -> dict[str, Reason | None]:
    return {one.clip.path: one.bad.reason if one.bad else None for one in found}


def labels(found: Found, scheme: str) -> list[tuple[str, str, float]]:
    return [
        (label.annotator, label.value, label.weight)
        for label in found.labels
        if label.scheme == scheme
    ]


def test_the_speaker_is_the_letter_of_the_last_token(tmp_path: Path) -> None:
    evaluation(tmp_path, "Ses01F_impro05", turn("Ses01F_impro05_F019"), turn("Ses01F_impro05_M000"))
    woman, man = IEMOCAP.scan(touch(tmp_path, avi("Ses01F_impro05")))
    assert (woman.clip.subject_id, woman.clip.sex, woman.clip.region) == (
        "iemocap/Ses01F",
        "female",
        "left",
    )
    assert (man.clip.subject_id, man.clip.sex, man.clip.region) == (
        "iemocap/Ses01M",
        "male",
        "right",
    )
    assert woman.clip.group_id == man.clip.group_id == woman.clip.session_id == "iemocap/Ses01"
    assert woman.clip.dialogue_id == man.clip.dialogue_id == "iemocap/Ses01F_impro05"
    assert woman.clip.take_id != man.clip.take_id


@pytest.mark.parametrize(
    ("stem", "half"),
    [
        ("Ses02F_impro01_F000", "left"),
        ("Ses02F_impro01_M000", "right"),
        ("Ses02M_impro01_F000", "right"),
        ("Ses02M_impro01_M000", "left"),
    ],
)
def test_the_actor_with_markers_is_on_the_left(stem: str, half: str) -> None:
    name = parse(stem)
    assert name
    assert (name.region, name.stem) == (half, stem)


def test_all_that_a_file_says_of_a_turn_is_a_label(tmp_path: Path) -> None:
    evaluation(tmp_path, "Ses01F_impro05", TURN, *RATINGS)
    (found,) = IEMOCAP.scan(touch(tmp_path, avi("Ses01F_impro05")))
    assert (found.clip.start_s, found.clip.end_s) == (140.225, 145.6)
    assert labels(found, "iemocap") == [("vote", "ang", 1.0)]
    assert [labels(found, f"iemocap_{dim}") for dim in ("valence", "activation", "dominance")] == [
        [("vote", "1.5", 1.0)],
        [("vote", "4", 1.0)],
        [("vote", "4.5", 1.0)],
    ]
    assert labels(found, "iemocap_evaluators") == [
        ("C-E1", "Anger", 0.5),
        ("C-E1", "Frustration", 0.5),
        ("C-E2", "Neutral state", 1.0),
    ]
    assert labels(found, "iemocap_self") == [("C-F1", "Anger", 1.0)]
    assert labels(found, "iemocap_evaluators_dominance") == [("A-E3", "5", 1.0)]
    assert labels(found, "iemocap_self_valence") == [("A-F1", "1", 1.0)]
    assert labels(found, "iemocap_self_activation") == []
    assert {label.scheme for label in found.labels} <= set(IEMOCAP.label_schemes)
    LABELS.build(found.labels)


def test_turns_without_agreement_are_kept(tmp_path: Path) -> None:
    emotions = ("xxx", "oth", "exc", "fru")
    evaluation(
        tmp_path,
        "Ses01F_impro01",
        *(turn(f"Ses01F_impro01_F00{n}", emotion=emotion) for n, emotion in enumerate(emotions)),
    )
    found = IEMOCAP.scan(touch(tmp_path, avi("Ses01F_impro01")))
    assert [
        label.value for one in found for label in one.labels if label.scheme == "iemocap"
    ] == list(emotions)


def test_ratings_belong_to_the_turn_above_them_and_count_once(tmp_path: Path) -> None:
    lines = (
        turn("Ses01F_impro01_F000"),
        "C-E1:\tAnger;\t()",
        "C-E1:\tAnger; Other;\t()",
        "",
        turn("Ses01F_impro01_F001"),
        "C-E1:\tSadness;\t()",
    )
    first, second = read_turns(evaluation(tmp_path, "Ses01F_impro01", *lines))
    rated = [
        [
            (label.value, label.weight)
            for label in one.labels
            if label.scheme == "iemocap_evaluators"
        ]
        for one in (first, second)
    ]
    assert rated == [[("Anger", 1.0), ("Other", 0.5)], [("Sadness", 1.0)]]
    LABELS.build(first.labels)


def test_script_parts_are_texts_that_sessions_share(tmp_path: Path) -> None:
    dialogues = ("Ses01F_script01_1", "Ses05M_script01_1", "Ses05M_script01_1b", "Ses05M_impro08")
    for dialogue in dialogues:
        evaluation(tmp_path, dialogue, turn(f"{dialogue}_M001"))
    found = IEMOCAP.scan(touch(tmp_path, *(avi(dialogue) for dialogue in dialogues)))
    assert {one.clip.dialogue_id: one.clip.text_id for one in found} == {
        "iemocap/Ses01F_script01_1": "iemocap/script01_1",
        "iemocap/Ses05M_script01_1": "iemocap/script01_1",
        "iemocap/Ses05M_script01_1b": "iemocap/script01_1b",
        "iemocap/Ses05M_impro08": None,
    }
    CLIPS.build(one.clip for one in found)


def test_the_video_of_the_dialogue_comes_before_the_sound_of_the_turn(tmp_path: Path) -> None:
    evaluation(tmp_path, "Ses01F_impro01", turn("Ses01F_impro01_F000"))
    sound = "Session1/dialog/wav/Ses01F_impro01.wav"
    full, span = (None, None, None), (0.5, 1.5, None)
    for path, cut in (
        (sound, span),
        (wav("Ses01F_impro01_F000"), full),
        (avi("Ses01F_impro01"), (0.5, 1.5, "left")),
    ):
        (found,) = IEMOCAP.scan(touch(tmp_path, path))
        assert (found.clip.path, found.clip.clip_id, found.bad) == (
            path,
            "iemocap/Ses01F_impro01_F000",
            None,
        )
        assert (found.clip.start_s, found.clip.end_s, found.clip.region) == cut


def test_a_turn_without_a_file_is_a_refused_clip_and_an_absent_session_is_none(
    tmp_path: Path,
) -> None:
    evaluation(tmp_path, "Ses01F_impro01", turn("Ses01F_impro01_F000"))
    evaluation(tmp_path, "Ses01M_impro02", turn("Ses01M_impro02_F000"))
    evaluation(tmp_path, "Ses02F_impro01", turn("Ses02F_impro01_F000"))
    found = IEMOCAP.scan(touch(tmp_path, avi("Ses01F_impro01")))
    assert reasons(found) == {avi("Ses01F_impro01"): None, avi("Ses01M_impro02"): Reason.UNREADABLE}


def test_a_file_that_no_turn_stands_for_is_refused_and_says_why(tmp_path: Path) -> None:
    evaluation(tmp_path, "Ses01F_impro01", turn("Ses01F_impro01_F000"))
    touch(
        tmp_path,
        avi("Ses01F_impro01"),
        avi("Ses01F_impro02"),
        wav("Ses01F_impro01_F009"),
        "cut/Ses01F_impro01_F000.mp4",
        "Session1/dialog/avi/DivX/._Ses01F_impro01.avi",
        "Ses06F_impro01_F000.wav",
    )
    found = {one.clip.path: one.bad for one in IEMOCAP.scan(tmp_path)}
    details = {
        path: bad.detail for path, bad in found.items() if bad and bad.reason == Reason.UNKNOWN_NAME
    }
    assert found.keys() - details.keys() == {avi("Ses01F_impro01")}
    assert "there is no EmoEvaluation/Ses01F_impro02.txt" in details[avi("Ses01F_impro02")]
    assert (
        "no EmoEvaluation file has the turn Ses01F_impro01_F009"
        in details[wav("Ses01F_impro01_F009")]
    )
    assert "expected a dialogue" in details["cut/Ses01F_impro01_F000.mp4"]
    assert "expected a dialogue" in details["Ses06F_impro01_F000.wav"]
    assert len(details) == 4


def test_of_two_files_of_a_name_the_avi_is_taken(tmp_path: Path) -> None:
    evaluation(tmp_path, "Ses01F_impro01", turn("Ses01F_impro01_F000"))
    found = IEMOCAP.scan(
        touch(
            tmp_path,
            avi("Ses01F_impro01"),
            "Ses01F_impro01.mp4",
            "copy/of/all/the/dialogues/Ses01F_impro01.avi",
        )
    )
    assert reasons(found) == {
        avi("Ses01F_impro01"): None,
        "Ses01F_impro01.mp4": Reason.DUPLICATE,
        "copy/of/all/the/dialogues/Ses01F_impro01.avi": Reason.DUPLICATE,
    }


def test_raters_own_files_and_hidden_ones_are_not_read(tmp_path: Path) -> None:
    path = evaluation(tmp_path, "Ses01F_impro01", turn("Ses01F_impro01_F000"))
    for other in (
        "Categorical/Ses01F_impro01_e2.txt",
        "Attribute/Ses01F_impro01_e2_atr.txt",
        "._Ses01F_impro01.txt",
    ):
        (path.parent / other).parent.mkdir(exist_ok=True)
        (path.parent / other).write_bytes(b"\x00\xff nothing of this kind")
    assert len(IEMOCAP.scan(touch(tmp_path, avi("Ses01F_impro01")))) == 1


def test_clips_without_any_evaluation_stop_the_scan(tmp_path: Path) -> None:
    with pytest.raises(
        MissingEvaluation,
        match="no EmoEvaluation folder; give the folder that holds Session1 to Session5",
    ):
        IEMOCAP.scan(touch(tmp_path, wav("Ses01F_impro01_F000")))


def test_two_files_of_a_dialogue_must_be_the_same(tmp_path: Path) -> None:
    for copy in ("a", "b"):
        evaluation(tmp_path / copy, "Ses01F_impro01", turn("Ses01F_impro01_F000"))
    touch(tmp_path, avi("Ses01F_impro01"))
    assert len(IEMOCAP.scan(tmp_path)) == 1
    evaluation(tmp_path / "b", "Ses01F_impro01", turn("Ses01F_impro01_F000", emotion="ang"))
    with pytest.raises(WrongEvaluation, match="are not the same file"):
        IEMOCAP.scan(tmp_path)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("[140.2250 - 145.6000]\tSes01F_impro05_F019\tang", r"line 3 is .*; expected four columns"),
        (
            "[140.2250 - 145.6000]\tSes01F_impro05_F019\tang\t[1.5000, 4.0000]",
            "expected four columns",
        ),
        ("[140.2250 - ]\tSes01F_impro05_F019\tang\t[1.5, 4.0, 4.5]", "expected four columns"),
        ("[140.2250 145.6000]\tSes01F_impro05_F019\tang\t[1.5, 4.0, 4.5]", "expected four columns"),
        ("[nan - inf]\tSes01F_impro05_F019\tang\t[1.5, 4.0, 4.5]", "expected four columns"),
        (TURN.replace("1.5000, 4", "1,5000, 4"), "expected four columns"),
        (TURN.replace("ang", "angry"), "line 3 has the emotion 'angry'; expected ang, dis"),
        (
            TURN.replace("impro05", "impro06"),
            "line 3 names 'Ses01F_impro06_F019'; expected a turn of this dialogue, such as "
            "Ses01F_impro05_F000",
        ),
        (TURN.replace("_F019", "_X019"), "line 3 names 'Ses01F_impro05_X019'"),
        (TURN.replace("145.6", "140.2"), "line 3 goes from 140.2250 s to 140.2000 s"),
        (TURN.replace("140.2250", "-1.0"), "line 3 goes from -1.0 s"),
        (f"{TURN}\n{TURN}", "line 4 names Ses01F_impro05_F019, as line 3 does"),
        ("C-E1:\tAnger;\t()", "line 3 comes before the first turn"),
        (
            f"{TURN}\nA-E3:\tval two; act 4; dom 5;\t()",
            "line 4 has 'val two' of A-E3; expected val, act or dom",
        ),
        (f"{TURN}\nA-E3:\tpower 2;\t()", "line 4 has 'power 2'"),
        (f"{TURN}\nB-E3:\tAnger;\t()", "line 4 is 'B-E3:.*; expected a turn, or a rater's line"),
        (f"{TURN}\nAnger", "line 4 is 'Anger'"),
        (f"{TURN}\nC-E1:\tcaf\udce9;\t()", r"line 4 is not UTF-8 \(byte 0xe9\)"),
    ],
)
def test_a_line_that_cannot_be_understood_is_named(tmp_path: Path, line: str, why: str) -> None:
    path = evaluation(tmp_path, "Ses01F_impro05")
    path.write_bytes(f"{COMMENT}\n\n{line}\n".encode(errors="surrogateescape"))
    with pytest.raises(WrongEvaluation, match=why) as caught:
        read_turns(path)
    assert isinstance(caught.value, ValueError)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_line_ends_marks_and_blanks_change_nothing(tmp_path: Path) -> None:
    path = evaluation(tmp_path, "Ses01F_impro05", TURN, *RATINGS)
    plain = read_turns(path)
    path.write_bytes(
        b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n").replace(b"\tang\t", b"  ang\t")
    )
    assert read_turns(path) == plain


@pytest.mark.parametrize(
    "name",
    [
        "Ses01F_script01_1_M003",
        "iemocap/Ses01F_script01_1_M003",
        "Session1/sentences/wav/Ses01F_script01_1/Ses01F_script01_1_M003.wav",
        "Session1\\Ses01F_script01_1_M003.WAV.npy",
    ],
)
def test_a_strangers_name_is_understood(name: str) -> None:
    identity = IEMOCAP.identify(name)
    assert identity
    assert (identity.clip_id, identity.subject_id, identity.group_id) == (
        "iemocap/Ses01F_script01_1_M003",
        "iemocap/Ses01M",
        "iemocap/Ses01",
    )
    assert (identity.sex, identity.text_id, identity.session_id) == (
        "male",
        "iemocap/script01_1",
        "iemocap/Ses01",
    )
    assert (identity.dialogue_id, identity.label) == ("iemocap/Ses01F_script01_1", None)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Ses01F_impro01",
        "Ses06F_impro01_F000",
        "Ses01X_impro01_F000",
        "Ses01F_impro1_F000",
        "Ses01F_impro01_F00",
        "dia0_utt0",
        "xSes01F_impro01_F000",
    ],
)
def test_another_name_is_not_of_this_corpus(name: str) -> None:
    assert IEMOCAP.identify(name) is None


def test_what_a_scan_says_of_a_turn_is_what_its_name_says(tmp_path: Path) -> None:
    evaluation(tmp_path, "Ses03M_script02_2", turn("Ses03M_script02_2_F001"))
    (found,) = IEMOCAP.scan(touch(tmp_path, avi("Ses03M_script02_2")))
    identity = IEMOCAP.identify(
        found.clip.path.replace("Ses03M_script02_2.avi", "Ses03M_script02_2_F001")
    )
    assert identity
    for fact in (
        "clip_id",
        "subject_id",
        "group_id",
        "take_id",
        "sex",
        "text_id",
        "session_id",
        "dialogue_id",
    ):
        assert getattr(identity, fact) == getattr(found.clip, fact)


def frames_of(clip: Clip, root: Path) -> list[tuple[float, int, float]]:
    """(time stamp, low five bits of the frame's number, mean of red, which grows from left to
    right) of each frame."""
    frames: list[tuple[float, int, float]] = []

    def push(seconds: float, rgb: np.ndarray) -> None:
        assert rgb.shape == (120, 80, 3)
        blocks = np.zeros((120, 160, 3), np.uint8)
        blocks[:, :80] = rgb
        frames.append((round(seconds, 3), number_of(blocks), float(rgb[40:, :, 0].mean())))

    decoded = decode(clip, root / clip.path, audio=True, grids={10.0: push}, limits=Limits())
    assert decoded.pcm
    assert clip.start_s is not None
    assert clip.end_s is not None
    length = clip.end_s - clip.start_s
    assert abs(len(decoded.pcm.samples) - length * decoded.pcm.rate_hz) <= 1
    assert abs(decoded.pcm.start_s - clip.start_s) < 1 / decoded.pcm.rate_hz
    return frames


def test_a_turn_is_the_right_seconds_and_the_right_half_of_its_dialogue(tmp_path: Path) -> None:
    stems = ("Ses01F_impro01_F000", "Ses01F_impro01_M000")
    evaluation(tmp_path, "Ses01F_impro01", turn(stems[0], 0.5, 1.0), turn(stems[1], 1.25, 2.0))
    touch(tmp_path, avi("Ses01F_impro01"))
    write(
        tmp_path / avi("Ses01F_impro01"),
        frames=60,
        fps=20,
        audio_s=3.0,
        video_options={"qscale": "2", "g": "12"},
    )
    left, right = (
        probe(one.clip, tmp_path / one.clip.path, Limits()) for one in IEMOCAP.scan(tmp_path)
    )
    assert (left.duration_s, right.duration_s) == (0.5, 0.75)
    decoded = frames_of(left, tmp_path)
    with av.open(str(tmp_path / avi("Ses01F_impro01"))) as file:
        shown = {
            round(frame.time, 3): number_of(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))
            for frame in file.decode(video=0)
        }
    assert [(seconds, number) for seconds, number, _ in decoded] == [
        (seconds, shown[seconds]) for seconds in (0.5, 0.6, 0.7, 0.8, 0.9)
    ]
    assert len({number for _, number, _ in decoded}) == 5
    others = frames_of(right, tmp_path)
    assert [seconds for seconds, _, _ in others] == [1.25, 1.35, 1.45, 1.55, 1.65, 1.75, 1.85, 1.95]
    assert max(red for _, _, red in decoded) < 100 < 150 < min(red for _, _, red in others)


def test_many_turns_of_one_dialogue_are_as_many_clips(tmp_path: Path) -> None:
    stems = [f"Ses04M_impro03_{letter}{n:03d}" for letter in "FM" for n in range(40)]
    evaluation(
        tmp_path, "Ses04M_impro03", *(turn(stem, n, n + 1.5) for n, stem in enumerate(stems))
    )
    found = IEMOCAP.scan(touch(tmp_path, avi("Ses04M_impro03")))
    assert [one.clip.clip_id for one in found] == [f"iemocap/{stem}" for stem in stems]
    assert Counter(one.clip.region for one in found) == {"left": 40, "right": 40}
    assert CLIPS.build(one.clip for one in found).num_rows == 80
