"""The arithmetic audit: what counts the corpora can supply, and what the shipped papers' printed
numbers come to."""

import dataclasses
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.__main__ import app
from flows.auditing.printed_counts import load_paper
from flows.auditing.run import run_audit
from flows.shipped import papers as shipped
from flows.shipped import recipes
from manifests.audit import (
    RULES,
    Answer,
    Claim,
    NothingToAudit,
    Paper,
    WrongPaper,
    audit_paper,
)
from manifests.audit.papers import PrintedShare
from manifests.audit.populations import population, populations
from manifests.audit.printed_counts import VERDICT
from manifests.audits import Finding, Severity
from manifests.corpora.population import CorpusPart, Population, UnknownFilter
from manifests.corpora.sample import SAMPLE

_AV, _PICTURE, _SPEECH = ("full-AV",), ("full-AV", "video-only"), ("speech",)


def ravdess(
    modality: tuple[str, ...] = (), channel: tuple[str, ...] = (), singers_only: bool = False
) -> Population:
    return population("ravdess", CorpusPart(modality, channel, singers_only))


def findings(name: str) -> list[Finding]:
    return audit_paper(load_paper(shipped()[name]))


def faults(found: list[Finding], rule: str = "L15") -> list[str]:
    return [
        one.detail
        for one in found
        if one.rule == rule and one.severity in (Severity.ERROR, Severity.WARN)
    ]


def judged(claim: Claim) -> list[Finding]:
    return audit_paper(Paper("paper", "A paper", (claim,)))


@pytest.mark.parametrize(
    ("modality", "channel", "singers_only", "clips"),
    [
        (_AV, _SPEECH, False, 1440),
        (_AV, (), False, 2452),
        (("audio-only",), (), False, 2452),
        (_PICTURE, _SPEECH, False, 2880),
        (_PICTURE, (), False, 4904),
        (_PICTURE, (), True, 4784),
        ((), (), False, 7356),
    ],
)
def test_ravdess_by_filter(
    modality: tuple[str, ...], channel: tuple[str, ...], singers_only: bool, clips: int
) -> None:
    assert ravdess(modality, channel, singers_only).clips == clips


TOTALS = {
    "ravdess": (2452, 24),
    "cremad": (7442, 91),
    "iemocap": (10039, 10),
    "meld": (13708, 304),
    "savee": (480, 4),
    "enterface05": (1293, 44),
    "msp_improv": (8438, 12),
    "aesdd": (604, 6),
    "ased": (2474, 65),
    "cafe": (936, 12),
    "casia": (1200, 4),
    "emodb": (535, 10),
    "emovdb": (6887, 4),
    "emovo": (588, 6),
    "emozionalmente": (6902, 431),
    "esd": (35000, 20),
    "jlcorpus": (2400, 4),
    "mesd": (862, 11),
    "oreau": (434, 32),
    "pavoque": (7334, 1),
    "polish": (450, 5),
    "shemo": (3000, 87),
    "subesco": (7000, 20),
    "tess": (2800, 2),
    "turevdb": (1735, 6),
    "urdu": (400, 29),
}
"""Corpus -> clips and subjects."""


def test_the_other_corpora_by_their_published_totals() -> None:
    holds = {name: (one.clips, one.subjects) for name, one in populations().items()}
    assert holds == TOTALS
    assert (populations()["ravdess"].files, populations()["cremad"].files) == (7356, 22326)
    speech = ravdess(_AV, _SPEECH)
    assert dict(speech.classes) == {"neutral": 96} | dict.fromkeys(list(speech.classes)[1:], 192)


def test_a_class_that_is_often_counted_as_another_is_so_where_no_label_tells_it_apart() -> None:
    iemocap, takes = populations()["iemocap"], populations()["ravdess"]
    assert iemocap.files_of("hap") == 595
    assert iemocap.files_of("hap", ["ang", "hap", "neu", "sad"]) == 1636
    assert iemocap.files_of("happy", ["anger", "excited", "happy", "neutral", "sadness"]) == 595
    assert takes.files_of("neutral", ["neutral", "calm"]) == 3 * 188
    assert takes.files_of("neutral", ["neutral", "happy"]) == 3 * (188 + 376)


def test_what_some_subjects_can_supply() -> None:
    singers = ravdess(_PICTURE, singers_only=True)
    merged = singers.merged(
        {"neutral/calm": ("neutral", "calm"), "happy": ("happy",), "surprised": ("surprised",)}
    )
    assert (
        singers.most(4),
        singers.most(5),
        merged.most(4, "neutral/calm"),
        merged.most(4, "happy"),
    ) == (832, 1040, 192, 128)
    assert merged.most(4, "surprised") == 64
    assert (
        populations()["cremad"].most(1),
        populations()["cremad"].most(1, "neutral"),
        populations()["cremad"].most(91),
    ) == (82, 12, 7442)


def test_labels_go_by_their_usual_names() -> None:
    assert [populations()["cremad"].label(word) for word in ("ANG", "Anger", "angry", "calm")] == [
        "angry",
        "angry",
        "angry",
        None,
    ]
    assert populations()["iemocap"].label("Excited") == "exc"
    assert SAMPLE.name not in populations()


def test_an_unknown_filter_lists_what_there_is() -> None:
    with pytest.raises(UnknownFilter, match="'video' is no modality of RAVDESS; there are full-AV"):
        ravdess(("video",))
    with pytest.raises(UnknownFilter, match="cremad is taken whole"):
        population("cremad", CorpusPart(("full-AV",)))
    with pytest.raises(UnknownFilter, match="those of ravdess, cremad"):
        population("enterface")


def test_a_share_is_what_was_printed() -> None:
    assert PrintedShare.parse("94.89 %").meets(909 / 958)
    assert not PrintedShare.parse("94.89 %").meets(910 / 958)
    assert PrintedShare.parse("0.89834").meets(3031 / 3374)
    assert [
        PrintedShare.parse("91.22 %").write(0.90625),
        PrintedShare.parse("0.88").write(0.97006),
    ] == [
        "90.63 %",
        "0.97",
    ]
    with pytest.raises(WrongPaper, match="expected it as printed"):
        PrintedShare.parse("about 3 %")


def test_donatus_2026() -> None:
    found = findings("donatus2026")
    text = " ".join(faults(found))
    assert "90.63 % plainly and 90.80 % weighed by class size; 91.22 % is printed" in text
    assert "87.32 % plainly and 87.21 % weighed by class size; 87.32 % is printed" in text
    assert "7440 clips are said to be used; cremad has 7442" in faults(found)
    (error,) = [one for one in found if one.severity == Severity.ERROR]
    assert "RAVDESS" in error.what
    assert {one.severity for one in found if one.rule == "L1"} == {Severity.NOT_JUDGED}


def test_tucker_2025() -> None:
    found = findings("tucker2025")
    assert len(faults(found, "L1")) == 3
    assert all(
        text.startswith('it says "Random 80:20 Split"') and "fewer than one in a billion" in text
        for text in faults(found, "L1")
    )
    assert any("302 clips are said to be used; iemocap has 10039" in text for text in faults(found))
    assert any(
        "2857 clips are said to be used" in text and "has 2880" in text for text in faults(found)
    )
    below = {one.what: one.detail for one in found if "no average of them is" in one.detail}
    assert {
        what.rpartition(", ")[2]: detail.partition(" (")[0] for what, detail in below.items()
    } == {
        f"{corpus}: unweighted accuracy": (
            f"the unweighted accuracy of {printed} is below the recall of every class"
        )
        for corpus, printed in (
            ("RAVDESS", "88.74 %"),
            ("CREMA-D", "84.27 %"),
            ("IEMOCAP", "79.63 %"),
        )
    }
    assert {one.severity for one in found if one.what in below} == {Severity.ERROR}
    text = " ".join(faults(found))
    assert "macro recall 92.46 %, by the classes 92.39 %" in text
    assert "macro recall 87.31 %, by the classes 87.15 %" in text
    assert "macro recall 83.22 %, by the classes 83.49 %" in text
    assert "take 915 test clips or more" in text
    assert sum(one.detail.startswith("the F1 of all") for one in found) == 3


def test_tcs_2026() -> None:
    found = findings("tcs2026")
    (impossible,) = [text for text in faults(found) if text.startswith(VERDICT)]
    assert "958 test clips are printed" in impossible
    assert "have at most 832; neutral/calm 221, at most 192; happy 147, at most 128" in impossible
    assert "surprised 74, at most 64" in impossible
    (draw,) = faults(found, "L1")
    assert (
        "a stratified random 20 % of all 4784 clips gives its counts within one clip of each "
        "class: neutral/calm 221 (220.8)" in draw
    )
    assert "held" in {one.severity for one in found if "909 of 958 is 94.89 %" in one.detail}
    assert [
        one.severity
        for one in found
        if one.detail == "the recalls stand for 909 correct of 958 clips"
    ] == [Severity.HELD]
    assert "the 6 printed means are those of the classes" in {one.detail for one in found}
    assert "the F1 of all 7 classes follow from precision and recall" in {
        one.detail for one in found
    }
    assert any(
        "4784 is what full-AV + video-only, speech + song, without the actor who did not sing "
        "comes to" in text
        for text in faults(found)
    )


def test_kirar_2024() -> None:
    found = findings("kirar2024")
    text = " ".join(faults(found))
    assert "3374 test clips are implied" in text
    assert "20 % of the 4946 clips" in text
    assert "is 989, and 3374 is 20 % of 16870" in text
    assert "963 correct test clips of sad, where there are 1002 in all and 200 in 20 %" in text
    assert "come to 3030" in text
    assert "983 correct test clips of sad, where there are 1002 in all and 200 in 20 %" in text
    assert "come to 2872, and no whole number of test clips makes that 0.85151" in text
    assert "3031 (0.89834), 2873 (0.85151), 2931 (0.8687)" in text
    assert "Following feature selection" in faults(found, "L10")[0]


def test_satvik_2025() -> None:
    found = findings("satvik2025")
    text = " ".join(faults(found))
    assert (
        "2267 test clips are printed; 15 % of the 1440 clips of ravdess (full-AV, speech) is 216 "
        "(432 of the 2880 that are stated)" in text
    )
    assert (
        "334 test clips of neutral, where there are 96 in all (192 with the silent renderings)"
        in text
    )
    assert "neutral 0.88, by the matrix 0.970" in text
    assert (
        "precision of disgust 0.99, by the matrix 0.96; F1 of neutral 0.93, by the matrix 0.98; F1 "
        "of disgust 0.99, by the matrix 0.97" in text
    )
    assert "2880 clips are said to be used; ravdess (full-AV, speech) has 1440" in text
    assert "of 2880 clips the printed accuracies are 2878 (99.93 %), 2788 (96.81 %)" in " ".join(
        one.detail for one in found
    )
    assert [one.severity for one in found if one.detail.startswith("2195 of 2267 is 96.82 %")] == [
        Severity.HELD
    ]
    assert faults(found, "L8")
    assert faults(found, "L12")


def test_the_audit_of_a_paper_and_its_recipe_bear_one_name() -> None:
    assert shipped().keys() == recipes().keys() - {"default", "demo"}


def test_an_unknown_paper_lists_all_and_names_the_nearest() -> None:
    with pytest.raises(NothingToAudit) as refused:
        run_audit([Path("satvik")])
    assert "did you mean satvik2025? " in str(refused.value)
    assert str(refused.value).endswith(f"one of the papers {', '.join(shipped())}")


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_paper_fails_in_plain_words(name: str) -> None:
    report = run_audit([Path(name)])
    assert report.verdict.answer == Answer.IMPOSSIBLE
    assert report.failed
    assert all(one.rule in RULES for one in report.findings)
    words = re.findall("[a-z]+", " ".join(one.detail for one in report.findings).lower())
    assert not {
        "misconduct",
        "fraud",
        "fabricated",
        "lie",
        "lies",
        "fake",
        "false",
        "cheated",
    } & set(words)


def test_possible_counts_are_not_faulted() -> None:
    """Four singing actors, tested on all that they have."""
    singers = ravdess(_PICTURE, singers_only=True)
    assert singers.cells is not None
    support = {
        label: int(count)
        for label, count in zip(singers.classes, singers.cells[:4].sum(axis=0), strict=True)
    }
    claim = Claim(
        "Table 1",
        "ravdess",
        modality=_PICTURE,
        singers_only=True,
        clips=4784,
        test_subjects=4,
        support=support,
        accuracies=("50.0 %",),
    )
    assert {one.severity for one in judged(claim)} == {Severity.HELD}
    assert {one.severity for one in judged(dataclasses.replace(claim, test_subjects=3))} >= {
        Severity.ERROR
    }


def test_a_sound_share_and_matrix_hold() -> None:
    rows = {
        "neutral": 14,
        "calm": 29,
        "happy": 29,
        "sad": 29,
        "angry": 29,
        "fearful": 29,
        "disgust": 29,
        "surprised": 28,
    }
    matrix = {
        label: tuple(count if other == label else 0 for other in rows)
        for label, count in rows.items()
    }
    claim = Claim(
        "Fig. 1",
        "ravdess",
        _AV,
        _SPEECH,
        test_share="15 %",
        matrix=matrix,
        accuracies=("100 %",),
        recalls={"sad": "1.00"},
    )
    assert {one.severity for one in judged(claim)} == {Severity.HELD}
    assert any(
        one.severity == Severity.ERROR
        for one in judged(dataclasses.replace(claim, accuracies=("96.82 %",)))
    )
    assert any(
        one.severity == Severity.ERROR
        for one in judged(dataclasses.replace(claim, test_share="30 %"))
    )


def of(found: list[Finding], what: str) -> Finding:
    (one,) = [one for one in found if one.what == f"Table 1: {what}"]
    return one


_CLASSES = {"sad": ("sadness",), "happy": ("joy",)}
_TABLE = Claim(
    "Table 1",
    "meld",
    classes=_CLASSES,
    precisions={"sad": "50.0 %", "happy": "80.0 %"},
    recalls={"sad": "50.0 %", "happy": "80.0 %"},
    f1={"sad": "50.0 %", "happy": "80.0 %"},
)


def test_an_f1_is_of_its_precision_and_recall() -> None:
    assert of(judged(_TABLE), "F1").severity == Severity.HELD
    wrong = of(judged(dataclasses.replace(_TABLE, f1={"sad": "50.2 %", "happy": "80.0 %"})), "F1")
    assert (wrong.severity, wrong.count) == (Severity.WARN, 1)
    assert wrong.detail.endswith("sad 50.2 %, where 50.0 % and 50.0 % make 50.0 %")


@pytest.mark.parametrize(
    ("printed", "side"),
    [("49.8 %", "below"), ("49.9 %", ""), ("65 %", ""), ("80.1 %", ""), ("80.2 %", "above")],
)
def test_an_accuracy_lies_between_the_recalls_of_all_classes(printed: str, side: str) -> None:
    one = of(judged(dataclasses.replace(_TABLE, averages={"accuracy": printed})), "accuracy")
    assert one.severity == (Severity.ERROR if side else Severity.HELD)
    assert f"is {side or 'between'} the recall" in one.detail
    some = dataclasses.replace(_TABLE, averages={"accuracy": printed}, recalls={"sad": "50 %"})
    assert not any(one.what == "Table 1: accuracy" for one in judged(some))


def test_means_are_those_of_the_classes() -> None:
    claim = dataclasses.replace(
        _TABLE,
        macro={"recall": "65.0 %", "f1": "65.1 %"},
        weighted={"precision": "70.0 %"},
        support={"sad": 10, "happy": 20},
    )
    assert of(judged(claim), "means").detail == "the 3 printed means are those of the classes"
    claim = dataclasses.replace(claim, macro={"recall": "64.0 %"}, weighted={"f1": "65 %"})
    one = of(judged(claim), "means")
    assert (one.severity, one.count) == (Severity.WARN, 2)
    assert one.detail.endswith(
        "macro recall 64.0 %, by the classes 65.0 %; weighted f1 65 %, by the classes 70 %"
    )


def test_an_accuracy_is_a_whole_number_of_the_clips_that_are_tested() -> None:
    claim = Claim("Table 1", "meld", test_clips=40, accuracies=("97.5 %", "90 %"))
    assert of(judged(claim), "accuracies").severity == Severity.HELD
    one = of(judged(dataclasses.replace(claim, accuracies=("97.4 %",))), "accuracies")
    assert (one.severity, one.detail) == (
        Severity.ERROR,
        "no whole number of 40 clips makes 97.4 %",
    )


def test_recalls_take_as_many_test_clips_as_their_digits_say() -> None:
    claim = Claim(
        "Table 1",
        "meld",
        classes=_CLASSES,
        clips=3310,
        test_share="20 %",
        recalls={"sad": "50 %", "happy": "93.91 %"},
    )
    one = of(judged(claim), "digits")
    assert one.severity == Severity.HELD
    assert "take 117 test clips or more (sad 2, happy 115); 20 % of 3310 clips is 662" in one.detail
    one = of(judged(dataclasses.replace(claim, test_share="2 %")), "digits")
    assert (one.severity, one.count) == (Severity.WARN, 51)


def test_precisions_and_f1_are_the_matrix_s() -> None:
    claim = Claim(
        "Table 1",
        "meld",
        classes=_CLASSES,
        matrix={"sad": (8, 2), "happy": (1, 9)},
        precisions={"sad": "0.89"},
        f1={"sad": "0.84"},
    )
    assert of(judged(claim), "precisions and F1").severity == Severity.HELD
    one = of(judged(dataclasses.replace(claim, f1={"happy": "0.84"})), "precisions and F1")
    assert one.detail.endswith("F1 of happy 0.84, by the matrix 0.86")


_PAPER = """
[[claims]]
where = "Table 1"
corpus = "cremad"
clips = {}
"""


@pytest.mark.parametrize(
    ("clips", "more", "code", "first"),
    [
        (7442, "", 0, "POSSIBLE: nothing printed speaks against the described split (1 check held"),
        (
            9000,
            "",
            1,
            "IMPOSSIBLE: Table 1: clips: 9000 clips are said to be used; cremad has 7442",
        ),
        (
            7442,
            'steps = ["random over clips"]\nquote = "at random"',
            1,
            'LEAKS: as it is described; Table 1: random over clips: it says "at random": a random '
            "split over clips puts each subject on both sides",
        ),
    ],
)
def test_a_paper_is_possible_or_impossible(
    clips: int, more: str, code: int, first: str, tmp_path: Path
) -> None:
    path = tmp_path / "paper.toml"
    path.write_text(_PAPER.format(clips) + more, encoding="utf-8")
    done = CliRunner().invoke(app, ["audit", str(path)])
    assert (done.exit_code, done.stdout.startswith(first)) == (code, True), done.stdout


WRONG = {
    "no TOML": ("x", "no TOML"),
    "no claims": ("title = 'x'", "there is no [[claims]] table"),
    "an unknown key": (
        "[[claims]]\nwhere = 'x'\ncorpus = 'meld'\nclip = 3",
        "claim 1 has the unknown key 'clip'",
    ),
    "a wrong type": (
        "[[claims]]\nwhere = 'x'\ncorpus = 'meld'\nclips = 'many'",
        "claims.0.clips is 'many'",
    ),
    "no where": ("[[claims]]\ncorpus = 'meld'", "claims.0.where"),
    "an unknown class": (
        "[[claims]]\nwhere = 'x'\ncorpus = 'meld'\nsupport = {calm = 3}",
        "'calm' is no class of this claim",
    ),
    "an unknown label": (
        "[[claims]]\nwhere = 'x'\ncorpus = 'meld'\nclips = 1\nclasses = {calm = ['calm']}",
        "meld has no label 'calm'",
    ),
    "an unknown step": (
        "[[claims]]\nwhere = 'x'\ncorpus = 'meld'\nsteps = ['guessed']",
        "there is no step 'guessed'",
    ),
    "a crooked matrix": (
        "[[claims]]\nwhere = 'x'\ncorpus = 'meld'\nmatrix = {joy = [1, 2]}",
        "expected a square",
    ),
    "no share": (
        "[[claims]]\nwhere = 'x'\ncorpus = 'meld'\nsupport = {joy = 3}\naccuracies = ['most']",
        "'most' is no share",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_paper_is_one_sentence(what: str, tmp_path: Path) -> None:
    text, expected = WRONG[what]
    path = tmp_path / "paper.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises((WrongPaper, UnknownFilter)) as caught:
        run_audit([path])
    assert expected in str(caught.value)
