"""The public split lists: each is read unaided, with the verdict and the counts that were computed
of it independently; and the page of the documents is what the command makes of them."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from flows.auditing.run import AuditReport, run_audit
from flows.auditing.survey import read_index, run_survey
from flows.view.survey import survey_page
from manifests.audit import Answer
from manifests.audits import Severity
from tests.support.commands import ROOT

SPLITS = ROOT.parent / "shared" / "metadata" / "splits"

pytestmark = pytest.mark.skipif(
    not SPLITS.is_dir(), reason="the folder of published lists is not beside this checkout"
)


@dataclass(frozen=True)
class Expected:
    """What is right of one set."""

    answer: Answer
    why: tuple[str, ...]
    """Parts of the sentence behind the verdict: the counts."""
    paths: tuple[str, ...] = (".",)
    """Files or folders below the folder of the set."""
    options: Mapping[str, object] = field(default_factory=dict)
    """Of `run_audit`; with none the set is read unaided."""
    findings: Mapping[str, str] = field(default_factory=dict)
    """Rule -> part of one of its findings."""


SETS = {
    "cremad_nkululeko": Expected(
        Answer.HOLDS,
        ("57 in train, 15 in valid, 19 in test", "4660 in train, 1224 in valid, 1558 in test"),
    ),
    "cremad_maedfer_5fold": Expected(Answer.HOLDS, ("in 2 of 2 folds", "18 in test")),
    "ravdess_hicmae_6fold": Expected(Answer.HOLDS, ("in 2 of 2 folds", "4 in test")),
    "ravdess_nkululeko_speaker": Expected(
        Answer.LEAKS,
        ("24 of 24 test subjects are also in train", "243 of 288 test clips are also in train"),
    ),
    "enterface_emobox": Expected(
        Answer.LEAKS, ("43 of 43 test subjects are also in train (312 of 312 test clips)",)
    ),
    "enterface_maedfer_5fold": Expected(Answer.HOLDS, ("in 2 of 2 folds", "9 in test")),
    "savee_emobox_4fold": Expected(Answer.HOLDS, ("in 4 of 4 folds", "3 in train, 1 in test")),
    "tess_nkululeko": Expected(Answer.LEAKS, ("2 of 2 test subjects are also in train",)),
    "shemo_emobox": Expected(Answer.LEAKS, ("83 of 83 test subjects are also in train",)),
    "grid_lipnet_overlap": Expected(Answer.LEAKS, ("33 of 33 valid subjects are also in train",)),
    "iemocap_e2esparse": Expected(
        Answer.LEAKS,
        (
            "10 of 10 test subjects are also in train",
            "151 of 151 test dialogues are also in train",
        ),
    ),
    "iemocap_s3prl_5fold": Expected(
        Answer.HOLDS,
        ("8 in train, 2 in test", "4446 in train, 1085 in test"),
        findings={"L17": "2,750 of 5,531 rows state another speaker than their names tell"},
    ),
    "mspimprov_hicmae_6fold": Expected(
        Answer.HOLDS,
        (
            "no subjects are both in train and in test",
            "the validation list is the test list: 916 of 916 test clips are also in valid",
        ),
    ),
    "emozionalmente_audeering": Expected(Answer.HOLDS, ("257 in train, 87 in valid, 87 in test",)),
    "m3ed_official": Expected(
        Answer.UNJUDGED,
        ("no subject is known for m3ed", "no series are on two sides (38 in train, 7 in valid, 11"),
    ),
    "sims_merbench": Expected(
        Answer.LEAKS, ("59 of 59 test source videos are also in train",), ("derived.csv",)
    ),
    "dfew_dferclip_5fold": Expected(
        Answer.UNJUDGED, ("no subject is known for dfew", "no clips are on two sides")
    ),
    "lrs3_avhubert_valid": Expected(Answer.UNJUDGED, ("there are 1200 valid rows alone",)),
}


def audited(name: str) -> AuditReport:
    expected = SETS[name]
    return run_audit([SPLITS / name / path for path in expected.paths], **expected.options)  # type: ignore[arg-type]


def test_every_set_is_here() -> None:
    assert sorted(SETS) == sorted(folder.name for folder in SPLITS.iterdir() if folder.is_dir())


@pytest.mark.parametrize("name", SETS)
def test_a_public_list_has_the_verdict_and_the_counts_that_are_known_of_it(name: str) -> None:
    began = time.monotonic()
    report, expected = audited(name), SETS[name]
    assert time.monotonic() - began < 3
    assert report.verdict.answer == expected.answer, report.verdict.sentence
    assert [part for part in expected.why if part not in report.verdict.why] == [], (
        report.verdict.why
    )
    for rule, part in expected.findings.items():
        found = [one for one in report.findings if one.rule == rule]
        assert [one.severity for one in found if part in one.detail] == [Severity.WARN], found


def test_the_page_of_the_documents_is_what_the_command_makes() -> None:
    page = (ROOT / "docs" / "public_splits.md").read_text(encoding="utf-8")
    assert page == survey_page(run_survey(ROOT / "docs" / "public_splits.toml", SPLITS))


def test_the_index_has_every_set() -> None:
    index = read_index(ROOT / "docs" / "public_splits.toml")
    listed = {Path(path).parts[0] for one in index.lists for path in one.paths}
    assert listed == {*SETS}
