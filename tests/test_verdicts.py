"""The verdict on a split: what it rests on, what it says where something is not known, and how the
command ends."""

import csv
import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from flows.__main__ import app
from flows.auditing.run import AuditReport, run_audit, write_findings
from flows.view.audit import to_json, verdict_lines
from flows.view.run_summary import audit_page
from manifests.audit import Answer, Listing, audit, verdicts_of
from manifests.audit.listing import TEST, TRAIN, VALID, FoldRows
from manifests.audit.name_columns import NameColumn
from manifests.audits import AUDITS, Finding, Severity
from tests.support.commands import Command

Cells = Sequence[object]

_SIDES = {"t": "train", "v": "valid", "e": "test"}


def table(path: Path, sides: str, **columns: Cells) -> Path:
    """A clip for each letter of `sides` (t, v, e: train, valid, test), with further columns."""
    columns = {"clip": [f"clip{n}" for n in range(len(sides))], **columns}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["split", *columns])
        for side, *cells in zip(sides, *columns.values(), strict=True):
            writer.writerow([_SIDES[side], *cells])
    return path


def audited(folder: Path, sides: str, corpus: str = "folder", **columns: Cells) -> AuditReport:
    return run_audit([table(folder / "split.csv", sides, **columns)], corpus)


def listed(sides: str, corpus: str = "dfew", **names: Sequence[str | None]) -> Listing:
    """A listing with these columns alone; no clip unless one is given."""
    role = np.asarray([{"t": TRAIN, "v": VALID, "e": TEST}[side] for side in sides], np.int8)
    columns = {unit: NameColumn.of(values) for unit, values in names.items()}
    fold = FoldRows("list", 0, np.arange(len(sides)), role)
    return Listing("list", (corpus,), columns, {}, (fold,))


def said(listing: Listing) -> str:
    (verdict,) = verdicts_of(audit(listing))
    return verdict.sentence


def one(findings: Sequence[Finding], rule: str) -> Finding:
    (found,) = [each for each in findings if each.rule == rule]
    return found


def exit_of(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["audit", *map(str, arguments)])
    return done.exit_code, done.stdout


def test_a_split_holds_where_subjects_and_clips_were_judged_and_are_apart(tmp_path: Path) -> None:
    report = audited(tmp_path, "ttve", speaker=list("aabc"))
    assert verdict_lines(report) == [
        "HOLDS: no subjects are on two sides (1 in train, 1 in valid, 1 in test); no clips are on "
        "two sides (2 in train, 1 in valid, 1 in test)"
    ]


def test_a_split_leaks_with_the_subjects_and_the_clips_counted(tmp_path: Path) -> None:
    report = audited(tmp_path, "ttee", speaker=list("abbc"))
    assert report.verdict.sentence == (
        "LEAKS: 1 of 2 test subjects are also in train (1 of 2 test clips)"
    )


def test_without_subjects_what_is_known_is_said_and_nothing_held(tmp_path: Path) -> None:
    report = audited(tmp_path, "ttee")
    assert report.verdict.answer == Answer.UNJUDGED
    assert report.verdict.why == (
        "no subject is known for folder: neither the table nor the naming rule tells it; what is "
        "known holds: no clips are on two sides (2 in train, 2 in test)"
    )


@pytest.mark.parametrize(
    ("speakers", "answer"),
    [
        (["", "", "a", "b"], Answer.UNJUDGED),
        (["a", "b", "", ""], Answer.UNJUDGED),
        (["a", "", "b", ""], Answer.PARTLY),
        (["a", "b", "c", ""], Answer.PARTLY),
        (["a", "", "a", ""], Answer.LEAKS),
    ],
)
def test_rows_without_a_subject_are_counted_and_never_held(
    speakers: Cells, answer: Answer, tmp_path: Path
) -> None:
    report = audited(tmp_path, "ttee", speaker=speakers)
    assert report.verdict.answer == answer
    found = one(report.findings, "L1")
    assert found.severity != Severity.HELD
    assert (found.judged_train, found.unjudged_train, found.judged_test, found.unjudged_test) == (
        sum(map(bool, speakers[:2])) * (answer != Answer.UNJUDGED),
        2 - sum(map(bool, speakers[:2])) * (answer != Answer.UNJUDGED),
        sum(map(bool, speakers[2:])) * (answer != Answer.UNJUDGED),
        2 - sum(map(bool, speakers[2:])) * (answer != Answer.UNJUDGED),
    )
    assert "nothing found" not in found.detail


def test_speakers_on_one_side_alone_are_not_compared_with_nobody(tmp_path: Path) -> None:
    """Two files, of which one has a column of speakers and the other none."""
    train = tmp_path / "train.csv"
    train.write_text("clip\nx1\nx2\n", encoding="utf-8")
    test = tmp_path / "test.csv"
    test.write_text("clip,speaker,text\ny1,a,one\ny2,b,two\n", encoding="utf-8")
    report = run_audit([train, test], "folder")
    assert report.verdict.answer == Answer.UNJUDGED
    assert {one(report.findings, rule).severity for rule in ("L1", "L7")} == {Severity.NOT_JUDGED}
    assert "2 of 2 train rows lack a subject" in one(report.findings, "L1").detail


def test_half_of_the_rows_without_speakers_are_said_with_their_number(tmp_path: Path) -> None:
    report = audited(tmp_path, "tttee", speaker=["a", "", "b", "c", ""])
    assert report.verdict.sentence == (
        "PARTLY JUDGED: no subjects are on two sides (2 in train, 1 in test) as far as is known; "
        "in part not judged: 1 of 3 train and 1 of 2 test rows lack a subject; no clips are on two "
        "sides (3 in train, 2 in test)"
    )


def test_what_is_known_of_sex_alone_does_not_make_l16_hold(tmp_path: Path) -> None:
    found = one(audited(tmp_path, "ttee", sex=["m", "f", "m", "f"]).findings, "L16")
    assert found.severity == Severity.PARTLY_JUDGED
    assert "in part not judged: no label is known" in found.detail


def test_a_clip_on_two_sides_of_one_table_is_counted(tmp_path: Path) -> None:
    report = audited(tmp_path, "tttee", clip=list("abcad"), speaker=list("abcad"))
    found = one([each for each in report.findings if each.severity == Severity.ERROR][1:], "L12")
    assert (found.count, found.detail) == (1, "1 of 2 test clips are also in train")
    assert report.verdict.sentence == (
        "LEAKS: 1 of 2 test subjects are also in train (1 of 2 test clips); 1 of 2 test clips are "
        "also in train (L12: an evaluation set that holds training clips)"
    )


def test_clips_on_two_sides_are_a_leak_where_nobody_knows_the_subjects(tmp_path: Path) -> None:
    report = audited(tmp_path, "tttee", clip=list("abcad"))
    assert report.verdict.sentence == (
        "LEAKS: 1 of 2 test clips are also in train (L12: an evaluation set that holds training "
        "clips)"
    )


def test_a_validation_list_that_is_the_test_list_is_named_and_changes_nothing(
    tmp_path: Path,
) -> None:
    report = audited(tmp_path, "ttvvee", clip=list("abcdcd"), speaker=list("aabbbb"))
    assert report.verdict.answer == Answer.HOLDS
    found = one(report.findings, "L12")
    assert (found.severity, found.what) == (Severity.WARN, "valid and test")
    assert found.detail == (
        "the validation list is the test list: 2 of 2 test clips are also in valid"
    )
    assert report.verdict.why == (
        "no subjects are both in train and in test, but 1 of 1 test subjects are also in valid (2 "
        f"of 2 test clips); no clips are both in train and in test, but {found.detail}"
    )


def test_warnings_do_not_change_what_holds(tmp_path: Path) -> None:
    report = audited(tmp_path, "ttee", speaker=list("aabb"), text=["one"] * 4, label=list("abab"))
    assert one(report.findings, "L7").severity == Severity.WARN
    assert report.verdict.answer == Answer.HOLDS


def test_an_error_of_another_rule_is_a_leak_with_its_name(tmp_path: Path) -> None:
    hashes = ["a" * 64, "b" * 64, "b" * 64, "c" * 64]
    report = audited(tmp_path, "ttee", speaker=list("aabb"), sha256=hashes)
    assert report.verdict.sentence == (
        "LEAKS: 1 of 2 test clips are identical, file for file, to a clip that is in train (1 "
        "files) (L4: copies of a clip, by bytes, sound or pictures, on two sides)"
    )


def test_the_validation_is_judged_where_there_is_no_test(tmp_path: Path) -> None:
    assert audited(tmp_path, "ttvv", speaker=list("abbc")).verdict.sentence == (
        "LEAKS: 1 of 2 valid subjects are also in train (1 of 2 valid clips)"
    )


@pytest.mark.parametrize("sides", ["vvvv", "eeee", "tttt", "vvee"])
def test_one_side_alone_cannot_be_judged(sides: str, tmp_path: Path) -> None:
    report = audited(tmp_path, sides, speaker=list("abcd"))
    assert report.verdict.answer == Answer.UNJUDGED
    assert re.fullmatch(
        "there are ([0-9] (train|valid|test)( and )?)+ rows alone; a split has train, and test or "
        "valid",
        report.verdict.why,
    )


def test_a_test_side_of_nobody_cannot_be_judged_whatever_the_validation_says(
    tmp_path: Path,
) -> None:
    report = audited(tmp_path, "ttvvee", speaker=["a", "a", "b", "b", "", ""])
    assert report.verdict.answer == Answer.UNJUDGED
    assert "2 of 2 test rows lack a subject" in report.verdict.why


def test_series_that_are_shared_leak_and_that_are_apart_prove_nothing() -> None:
    assert said(listed("ttee", episode=["x/1", "x/2", "x/2", "x/3"])) == (
        "LEAKS: 1 of 2 test episodes are also in train (1 of 2 test rows) (L2: what was "
        "recorded together on two sides)"
    )
    sentence = said(listed("ttve", "m3ed", episode=["x/1", "x/2", "x/3", "x/4"]))
    assert sentence == (
        "CANNOT BE JUDGED: no subject is known for m3ed: neither the table nor the naming rule "
        "tells it; what is known holds: no episodes are on two sides (2 in train, 1 in valid, 1 in "
        "test)"
    )


def test_episodes_that_are_the_series_are_judged_once() -> None:
    series = ["x/1", "x/1", "x/2", "x/3"]
    found = audit(listed("ttee", episode=[f"{one}/1" for one in series], series=series))
    assert one(found, "L2").detail == "no series are on two sides (1 in train, 2 in test)"


def test_a_shared_source_video_is_a_leak_where_no_subject_is_known() -> None:
    clips = ["v1_1", "v2_1", "v2_2", "v3_1"]
    videos = ["v1", "v2", "v2", "v3"]
    assert said(listed("ttee", clip=clips, video=videos)).startswith(
        "LEAKS: 1 of 2 test source videos are also in train (1 of 2 test clips)"
    )
    with_speakers = listed("ttee", clip=clips, video=videos, subject=list("abcd"))
    assert said(with_speakers).startswith("HOLDS: ")


def test_a_group_that_nobody_shares_says_nothing_of_subjects() -> None:
    listing = listed("ttee", clip=list("abcd"), group=["g", "g", "h", "h"])
    assert said(listing).startswith("CANNOT BE JUDGED: no subject is known")
    listing = listed("ttee", clip=list("abcd"), group=["g", "h", "h", "h"])
    assert said(listing).startswith("LEAKS: 1 of 1 test groups are also in train")


def test_a_list_of_subjects_is_judged_without_clips() -> None:
    assert said(listed("ttve", subject=list("abcd"))) == (
        "HOLDS: no subjects are on two sides (2 in train, 1 in valid, 1 in test)"
    )
    assert said(listed("ttve", subject=list("abcb"))).startswith("LEAKS: 1 of 1 test subjects")


def test_folds_are_judged_together_and_the_worst_is_named() -> None:
    listing = listed("ttee", clip=list("abcd"), subject=list("abbc"))
    (fold,) = listing.folds
    good = replace(fold, fold=1, role=np.asarray([TRAIN, TEST, TEST, TEST], np.int8))
    (verdict,) = verdicts_of(audit(replace(listing, folds=(fold, good))))
    assert verdict.sentence == (
        "LEAKS: fold 0: 1 of 2 test subjects are also in train (1 of 2 test clips); 1 fold has "
        "errors"
    )
    same = replace(fold, fold=1)
    (verdict,) = verdicts_of(audit(replace(listing, folds=(fold, same))))
    assert verdict.why == ("every fold: 1 of 2 test subjects are also in train (1 of 2 test clips)")
    half = replace(
        listing, names={**listing.names, "subject": NameColumn.of(["a", None, "b", "b"])}
    )
    (verdict,) = verdicts_of(audit(replace(half, folds=(good, replace(good, fold=2)))))
    assert verdict.answer == Answer.PARTLY
    assert "2 of 6 test rows lack a subject" in verdict.why


def test_schemes_have_a_line_each_and_the_gravest_decides(tmp_path: Path) -> None:
    sides, schemes = "tete", ["good", "good", "bad", "bad"]
    report = audited(tmp_path, sides, speaker=list("abaa"), scheme=schemes)
    assert [line.partition(": no")[0] for line in verdict_lines(report)] == [
        "LEAKS: bad: 1 of 1 test subjects are also in train (1 of 1 test clips)",
        "HOLDS: good",
    ]
    assert report.failed


_LEAKING = ("ttee", {"speaker": list("abbc")})
_ENDS: Mapping[str, tuple[str, Mapping[str, Cells], int]] = {
    "HOLDS": ("ttee", {"speaker": list("aabb")}, 0),
    "LEAKS": (*_LEAKING, 1),
    "CANNOT BE JUDGED": ("ttee", {}, 3),
    "PARTLY JUDGED": ("ttee", {"speaker": ["a", "", "b", "c"]}, 3),
}


@pytest.mark.parametrize("answer", _ENDS)
def test_the_first_line_is_the_verdict_and_so_is_the_exit_code(answer: str, tmp_path: Path) -> None:
    sides, columns, code = _ENDS[answer]
    path = table(tmp_path / "split.csv", sides, **columns)
    found, printed = exit_of(path, "--corpus", "folder")
    assert (found, printed.startswith(f"{answer}: ")) == (code, True), printed
    accepted, _ = exit_of(path, "--corpus", "folder", "--accept-unjudged")
    assert accepted == (0 if code == 3 else code)
    found, printed = exit_of(path, "--corpus", "folder", "--markdown")
    assert (found, f"- **{answer}: " in printed) == (code, True)


@pytest.mark.parametrize("answer", _ENDS)
def test_json_and_parquet_say_the_same(answer: str, tmp_path: Path) -> None:
    sides, columns, _ = _ENDS[answer]
    report = audited(tmp_path, sides, **columns)
    printed = json.loads(to_json(report))
    assert printed["verdict"] == answer
    assert f"{answer}: {printed['why']}" == verdict_lines(report)[0]
    assert [each["verdict"] for each in printed["verdicts"]] == [answer]
    write_findings(report, tmp_path / "found.parquet")
    rows = AUDITS.rows(AUDITS.read(tmp_path / "found.parquet"))
    assert {row.verdict for row in rows} == {answer}
    by_key = {(row.rule, row.what): row for row in rows}
    for each in printed["findings"]:
        row = by_key[each["rule"], each["what"]]
        assert row.coverage is not None
        for word in ("judged", "unjudged"):
            of_row = [getattr(row, f"{word}_{side}") for side in ("train", "valid", "test")]
            assert of_row == list(each[word].values())
        assert sum(each["judged"].values()) + sum(each["unjudged"].values()) == len(sides)


@pytest.mark.parametrize("how", ["", "--json", "--markdown"])
def test_a_reader_who_leaves_early_changes_no_exit_code(
    how: str, tmp_path: Path, command: Command
) -> None:
    sides, columns, _ = _ENDS["HOLDS"]
    path = table(tmp_path / "split.csv", sides, **columns)
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        done = command.start(
            "audit", path, "--corpus", "folder", *how.split(), stdout=closed, stderr=subprocess.PIPE
        )
        words = done.communicate(timeout=60)[1]
    assert (done.returncode, "Error" in words) == (0, False), words


def test_a_side_without_labels_is_not_said_to_lack_each_class(tmp_path: Path) -> None:
    report = audited(tmp_path, "ttee", label=["a", "b", "", ""])
    found = one(report.findings, "L16")
    assert found.severity == Severity.NOT_JUDGED
    assert "2 of 2 test rows lack a label" in found.detail


def test_every_rule_counts_the_rows_of_each_side(tmp_path: Path) -> None:
    report = audited(tmp_path, "ttvee", speaker=["a", "a", "b", "c", ""])
    for found in report.findings:
        assert found.coverage is not None
        assert tuple(
            map(sum, zip(found.coverage.judged, found.coverage.unjudged, strict=True))
        ) == (
            2,
            1,
            2,
        ), found.rule
        if found.severity == Severity.HELD:
            assert found.coverage.is_whole
        if found.severity == Severity.NOT_JUDGED:
            assert found.coverage.judged == (0, 0, 0)


_HOSTILE = ["1[red]x[/red]", "=cmd|'/C calc'!A1", "\x1b[31mred\x1b[0m", "<b>|`_*", "a" * 10_000_000]


def test_hostile_cells_are_shown_harmlessly_and_briefly(tmp_path: Path) -> None:
    path = tmp_path / "hostile.parquet"
    cells = [*_HOSTILE, *_HOSTILE]
    columns = {
        "clip": [f"{number}{cell}" for number, cell in enumerate(cells)],
        "speaker": cells,
        "label": cells,
        "scheme": ["s" * 5_000_000] * 10,
        "split": ["train"] * 5 + ["test"] * 5,
    }
    pq.write_table(pa.table(columns), path)
    report = run_audit([path], "folder")
    assert report.verdict.answer == Answer.LEAKS
    for how in ((), ("--json",), ("--markdown",)):
        code, printed = exit_of(path, "--corpus", "folder", *how)
        assert code == 1
        assert "\x1b" not in printed
        assert len(printed) < 100_000
        assert not how or "sha256" in printed
    assert "1[red]x[/red]" in exit_of(path, "--corpus", "folder")[1]
    page = audit_page(report)
    assert "folder/1\\[red\\]x\\[/red\\]" in page
    assert "\\<b\\>\\|\\`" in page
    write_findings(report, tmp_path / "found.parquet")
    assert (tmp_path / "found.parquet").stat().st_size < 100_000


def test_what_was_read_as_what_is_in_every_form_of_the_report(tmp_path: Path) -> None:
    report = audited(tmp_path, "te", speaker=["anna", "tom"])
    words = "clip is the clip, speaker the speaker, split the side"
    assert json.loads(to_json(report))["read_as"] == report.read_as == words
    assert f"Read as: {words}." in audit_page(report)
