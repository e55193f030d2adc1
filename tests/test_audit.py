"""The audit: each rule on a table that must fail and on one that must pass, real published splits,
and a store."""

import csv
import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flows.auditing.run import AuditReport, run_audit, write_findings
from flows.splitting.run import run_split
from flows.view.audit import print_report, to_json
from flows.view.run_summary import audit_page
from manifests.audit import RULES, Answer, NothingToAudit
from manifests.audits import ALL_FOLDS, AUDITS, Finding, Severity
from manifests.clips import CLIPS, Clip
from manifests.features import INDEX, IndexRow, State
from manifests.folds import FOLDS, Fold, Role
from manifests.labels import LABELS, Label
from manifests.quarantine import QUARANTINE
from tests.support.commands import Command
from tests.support.store_files import linked
from tests.support.stores_made import commit

METADATA = Path(__file__).parents[1].parent / "shared" / "metadata"

Rows = Sequence[Mapping[str, object]]


@pytest.fixture
def metadata() -> Path:
    if not METADATA.is_dir():
        pytest.skip("the folder of published tables is not beside this checkout")
    return METADATA


def table(path: Path, rows: Rows) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def audited(tmp_path: Path, rows: Rows, corpus: str | None = "folder") -> AuditReport:
    return run_audit([table(tmp_path / "split.csv", rows)], corpus)


def of(report: AuditReport, rule: str) -> list[Finding]:
    return [one for one in report.findings if one.rule == rule]


def faults(report: AuditReport, rule: str) -> list[Finding]:
    return [
        one
        for one in of(report, rule)
        if one.severity in (Severity.ERROR, Severity.WARN, Severity.INFO)
    ]


def clips(sides: str, **columns: Sequence[object]) -> list[dict[str, object]]:
    """One clip for each letter of `sides` (t, v, e: train, valid, test), with further columns."""
    words = {"t": "train", "v": "valid", "e": "test"}
    return [
        {
            "clip": f"clip{number}",
            "split": words[side],
            **{name: values[number] for name, values in columns.items()},
        }
        for number, side in enumerate(sides)
    ]


def ravdess(*names: tuple[str, str]) -> list[dict[str, object]]:
    return [{"file": name, "split": split} for name, split in names]


_A, _B = "01-01-03-02-01-01-01", "01-01-04-02-01-01-02"
_HASHES = ["a" * 64, "b" * 64, "b" * 64, "c" * 64]
_TIMED = {"episode": [1, 1, 1, 2], "start": [0.0, 10.0, 10.5, 0.0], "end": [2.0, 12.0, 12.5, 2.0]}

_NAMED = ravdess((_A, "train"), (_A[:-5] + "02-01", "train"), (_B, "test"))

CASES: dict[str, tuple[Rows, Rows, str | None]] = {
    # rule: (rows that must fail, rows that must pass, corpus)
    "L1": (
        clips("ttee", speaker=["a", "b", "b", "c"]),
        clips("ttee", speaker=["a", "b", "c", "c"]),
        "folder",
    ),
    "L2": (
        clips("ttee", dialogue=["d1", "d2", "d2", "d3"]),
        clips("ttee", dialogue=["d1", "d2", "d3", "d3"]),
        "folder",
    ),
    "L3": (
        ravdess((f"{_A}.mp4", "train"), (f"02{_A[2:]}.mp4", "test"), (f"{_B}.mp4", "train")),
        ravdess((f"{_A}.mp4", "train"), (f"02{_A[2:]}.mp4", "train"), (f"{_B}.mp4", "test")),
        None,
    ),
    "L4": (clips("ttee", sha256=_HASHES), clips("ttte", sha256=_HASHES), "folder"),
    "L6": (clips("ttee", **_TIMED), clips("ttte", **_TIMED), "folder"),
    "L7": (
        clips("ttee", text=["one", "two", "two", "six"]),
        clips("ttee", text=["one", "two", "Two", "six"]),
        "folder",
    ),
    "L8": (
        ravdess(
            (f"{_A}_frame5.jpg", "train"),
            (f"{_A}_frame10.jpg", "test"),
            (f"{_B}_frame5.jpg", "train"),
        ),
        ravdess(
            (f"{_A}_frame5.jpg", "train"),
            (f"{_A}_frame10.jpg", "train"),
            (f"{_B}_frame5.jpg", "test"),
        ),
        None,
    ),
    "L9": (
        ravdess((f"{_A}_noise.wav", "train"), (f"{_A}.wav", "test"), (f"{_B}.wav", "train")),
        ravdess((f"{_A}_noise.wav", "train"), (f"{_A}.wav", "train"), (f"{_B}.wav", "test")),
        None,
    ),
    "L10": (
        clips("ttee", fitted=["yes"] * 4),
        clips("ttee", fitted=["yes", "yes", "no", "no"]),
        "folder",
    ),
    "L11": (clips("ttee"), clips("ttve"), "folder"),
    "L12": (
        ravdess((f"Actor_01/{_A}.mp4", "train"), (f"{_A}", "test"), (f"{_B}.mp4", "train")),
        ravdess((f"Actor_01/{_A}.mp4", "train"), (f"{_A}", "train"), (f"{_B}.mp4", "test")),
        None,
    ),
    "L13": (
        clips("ttte", sha256=_HASHES, label=["a", "b", "a", "a"]),
        clips("ttte", sha256=_HASHES, label=["a", "b", "b", "a"]),
        "folder",
    ),
    "L14": (
        clips(
            "tttteee" * 6,
            label=["a", "a", "b", "c", "a", "b", "c"] * 6,
            channels=[1, 1, 2, 6, 1, 2, 6] * 6,
        ),
        clips(
            "tttteee" * 6,
            label=["a", "a", "b", "b", "a", "b", "a"] * 6,
            channels=[1, 2, 1, 2, 2, 1, 1] * 6,
        ),
        "folder",
    ),
    "L15": (
        [{"file": f"{_A}.mp4", "split": "train", "label": "disgust"}] * 577
        + [{"file": f"{_B}.mp4", "split": "test", "label": "sad"}],
        [{"file": f"{_A}.mp4", "split": "train", "label": "disgust"}] * 576
        + [{"file": f"{_B}.mp4", "split": "test", "label": "sad"}],
        None,
    ),
    "L17": (
        [{**row, "speaker": who} for row, who in zip(_NAMED, ("02", "02", "02"), strict=True)],
        [{**row, "speaker": who} for row, who in zip(_NAMED, ("x", "x", "y"), strict=True)],
        None,
    ),
    "L16": (
        clips("ttee", label=["a", "a", "a", "b"], sex=["female", "male", "female", "male"]),
        clips("ttee", label=["a", "b", "a", "b"], sex=["female", "male", "female", "male"]),
        "folder",
    ),
}


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES if rule != "L5"]
)  # L5 needs a store: tests/test_nearness.py
def test_each_rule_finds_its_fault_and_is_silent_without_it(rule: str, tmp_path: Path) -> None:
    wrong, right, corpus = CASES[rule]
    found = faults(audited(tmp_path, wrong, corpus), rule)
    assert found, f"{rule} found nothing"
    assert all(one.count > 0 and one.detail for one in found)
    assert [one.severity for one in of(audited(tmp_path, right, corpus), rule)] == [Severity.HELD]


@pytest.mark.parametrize("rule", ["L3", "L8", "L9", "L12"])
def test_what_ties_the_rows_of_one_clip_is_one_rules_finding(rule: str, tmp_path: Path) -> None:
    report = audited(tmp_path, CASES[rule][0], None)
    assert {one.rule for one in report.findings if one.severity == Severity.ERROR} == {"L1", rule}


@pytest.mark.parametrize(
    "rule", ["L1", "L2", "L4", "L5", "L6", "L7", "L10", "L13", "L14", "L15", "L16", "L17"]
)
def test_a_rule_that_cannot_be_judged_says_so(rule: str, tmp_path: Path) -> None:
    (one,) = of(audited(tmp_path, clips("tve")), rule)
    assert one.severity == Severity.NOT_JUDGED
    assert one.detail.startswith("not judged: ")


def test_a_finding_is_a_sentence_that_can_be_quoted(tmp_path: Path) -> None:
    (one,) = faults(audited(tmp_path, CASES["L1"][0]), "L1")
    assert one.detail == "1 of 2 test subjects are also in train (1 of 2 test clips)"
    assert (one.severity, one.count, one.examples) == (Severity.ERROR, 1, ["folder/b"])


def test_a_group_that_is_more_than_its_subject_is_judged_too(tmp_path: Path) -> None:
    report = audited(tmp_path, clips("ttee", speaker=list("abcd"), group=["g", "h", "h", "i"]))
    assert [(one.what, one.examples) for one in faults(report, "L1")] == [
        ("groups, train and test", ["folder/h"])
    ]
    assert (
        faults(audited(tmp_path, clips("ttee", speaker=list("abcd"), group=list("ghij"))), "L1")
        == []
    )


def test_what_touches_the_validation_alone_is_a_warning(tmp_path: Path) -> None:
    report = audited(tmp_path, clips("ttve", speaker=["a", "b", "b", "c"]))
    assert [(one.severity, one.what) for one in faults(report, "L1")] == [
        (Severity.WARN, "subjects, train and valid")
    ]
    assert not report.failed


def test_without_a_test_side_the_validation_is_judged(tmp_path: Path) -> None:
    assert audited(tmp_path, clips("ttvv", speaker=["a", "b", "b", "c"])).failed


def test_copies_within_the_training_are_no_fault_and_a_named_origin_is(tmp_path: Path) -> None:
    rows = clips("ttee", origin=["", "clip0", "", ""])
    assert faults(audited(tmp_path, rows), "L9") == []
    rows = clips("ttee", origin=["", "clip2", "", ""])
    (one,) = faults(audited(tmp_path, rows), "L9")
    assert one.examples == ["folder/clip2"]


def test_a_window_column_makes_lines_of_one_clip_windows(tmp_path: Path) -> None:
    rows = [
        {"clip": "a", "segment": number, "split": split}
        for number, split in enumerate(["train", "test"])
    ]
    assert [one.count for one in faults(audited(tmp_path, rows), "L8")] == [1]


def test_a_class_without_training_clips_and_a_side_of_one_sex_are_named(tmp_path: Path) -> None:
    report = audited(
        tmp_path,
        clips(
            "ttee",
            label=["a", "a", "a", "b"],
            sex=["male", "female", "male", "male"],
            speaker=list("abcd"),
        ),
    )
    found = {one.what: one.severity for one in faults(report, "L16")}
    assert found == {"classes in train": Severity.WARN, "sex in test": Severity.WARN}


def test_one_subject_is_of_one_sex_by_nature(tmp_path: Path) -> None:
    report = audited(tmp_path, clips("tte", sex=["male", "female", "male"], speaker=list("abc")))
    assert [one.severity for one in faults(report, "L16")] == [Severity.INFO]


def test_a_proxy_must_predict_labels_far_above_chance(tmp_path: Path) -> None:
    folders = [f"camera{number % 3}/clip{number}" for number in range(60)]
    rows = [
        {"clip": name, "label": "ab"[number % 3 > 0], "split": "test" if number > 40 else "train"}
        for number, name in enumerate(folders)
    ]
    (one,) = faults(audited(tmp_path, rows), "L14")
    assert (one.what, one.severity) == ("folder, level 1", Severity.WARN)
    assert "100 % of the way from chance to certainty" in one.detail
    by_class = [
        {
            **row,
            "clip": f"{row['label']}/{row['clip']}".replace("camera", "c")
            .replace("/c0/", "/")
            .replace("/c1/", "/"),
        }
        for row in rows
    ]
    assert [
        one.what
        for one in faults(audited(tmp_path, by_class), "L14")
        if one.what == "folder, level 1"
    ] == []


def test_numbered_parts_are_a_cross_validation(tmp_path: Path) -> None:
    rows = [
        {"clip": f"c{n}", "fold": n % 3, "speaker": "s" if n in (0, 1) else f"s{n}"}
        for n in range(9)
    ]
    found = faults(audited(tmp_path, rows), "L1")
    assert [(one.fold, one.count) for one in found] == [(0, 1), (1, 1)]
    assert found[0].scheme == "split"


def test_the_same_words_for_every_fold_are_said_once(tmp_path: Path) -> None:
    rows = [{"clip": f"c{n}", "fold": n % 3} for n in range(9)]
    (one,) = of(audited(tmp_path, rows), "L11")
    assert (one.fold, one.count) == (ALL_FOLDS, 3)


def test_emobox_cremad_fold_1_fails(metadata: Path) -> None:
    report = run_audit([metadata / "emobox" / "cremad_fold_1.csv"])
    (one,) = faults(report, "L1")
    assert report.failed
    assert report.corpora == ("cremad",)
    assert (one.count, one.severity) == (91, Severity.ERROR)
    assert one.detail == "91 of 91 test subjects are also in train (1856 of 1856 test clips)"
    assert [one.severity for one in faults(report, "L7")] == [Severity.INFO]


def test_luna_jimenez_on_ravdess_passes(metadata: Path, tmp_path: Path) -> None:
    with (metadata / "ravdess" / "luna_jimenez_5fold_actors.json").open() as file:
        actors = json.load(file)["validation_actors_per_fold"]
    with (metadata / "ravdess" / "all_7356_generated.csv").open(newline="") as file:
        speech = [
            row
            for row in csv.DictReader(file)
            if row["vocal_channel"] == "speech" and row["modality"] != "audio-only"
        ]
    rows = [
        {
            "filename": row["filename"],
            "fold": fold,
            "split": "test" if int(row["actor"]) in tested else "train",
        }
        for fold, tested in actors.items()
        for row in speech
    ]
    report = run_audit([table(tmp_path / "luna.csv", rows)])
    assert not report.failed
    assert report.folds == 5
    without_fault = {one.rule for one in report.findings if one.severity == Severity.HELD}
    assert {"L1", "L3", "L8", "L9", "L12", "L15", "L16"} <= without_fault
    assert {
        one.rule for one in report.findings if one.severity in (Severity.WARN, Severity.INFO)
    } == {"L7", "L11"}


def test_the_official_split_of_meld_is_counted(metadata: Path) -> None:
    report = run_audit(
        [metadata / "meld" / f"{split}_sent_emo.csv" for split in ("train", "dev", "test")]
    )
    found = {(one.rule, one.what): one for one in report.findings}
    # 69 of 100 names, of which All and Both are nobody; pairs, and a person in a part that is
    # played (Joey/Drake), are two who are there by themselves.
    assert found["L1", "subjects, train and test"].count == 69
    assert found["L1", "subjects, train and test"].detail == (
        "69 of 96 test subjects are also in train (2497 of 2610 test clips)"
    )
    assert "142 of 143 test episodes" in found["L2", "episodes, train and test"].detail
    assert found["L6", "pairs"].count == 44
    assert "29 of them with different labels" in found["L6", "pairs"].detail
    assert found["L6", "wrong times"].examples == ["meld/test/dia38_utt4", "meld/test/dia220_utt0"]
    assert found["L7", "train and test"].count == 331
    assert report.failed


def test_published_hashes_of_cremad_show_conflicts_and_twins(
    metadata: Path, tmp_path: Path
) -> None:
    with gzip.open(metadata / "cremad" / "media_sha256_bytes.csv.gz", "rt", newline="") as file:
        media = list(csv.DictReader(file))
    (torn,) = faults(_of_one_suffix(media, ".wav", tmp_path), "L13")
    assert (torn.count, torn.severity) == (3, Severity.WARN)
    assert {name[7:15] for name in torn.examples} == {"1006_TIE", "1013_WSI", "1017_IWW"}
    (silent,) = faults(_of_one_suffix(media, ".mp3", tmp_path), "L13")
    assert "(27 rows)" in silent.detail


def _of_one_suffix(media: Rows, suffix: str, tmp_path: Path) -> AuditReport:
    rows = [
        {**row, "split": "test" if "/1091_" in str(row["path"]) else "train"}
        for row in media
        if str(row["path"]).endswith(suffix)
    ]
    assert len(rows) == 7442
    return run_audit([table(tmp_path / "hashes.csv", rows)])


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return publish(tmp_path / "store", _folds("c"))


def _folds(tested: str) -> list[Fold]:
    """Two folds of four takes by four subjects; fold 0 tests the subject `tested`, and d is the
    validation."""
    role = {"d": Role.VALID, tested: Role.TEST}
    first = [
        Fold("mine", 0, f"folder/{name}{n}", f"folder/{name}", role.get(name, Role.TRAIN))
        for name in "abcd"
        for n in range(2)
    ]
    swap = {Role.TEST: Role.VALID, Role.VALID: Role.TEST, Role.TRAIN: Role.TRAIN}
    return [*first, *(Fold("mine", 1, one.clip_id, one.group_id, swap[one.role]) for one in first)]


def publish(root: Path, folds: Iterable[Fold], stored: str = "abcd", **changed: str) -> Path:
    names = [f"{name}{n}" for name in "abcd" for n in range(2)]
    rows = [
        Clip(
            f"folder/{n}",
            "folder",
            f"folder/{n[0]}",
            f"folder/{n[0]}",
            f"folder/{n}",
            None,
            f"{n}.wav",
            changed.get(n, f"{n}{'0' * 62}"),
            1,
        )
        for n in names
    ]
    labels = [
        Label(f"folder/{n}", "folder", "corpus", "happy" if n.endswith("0") else "sad")
        for n in names
    ]
    index = [
        IndexRow(f"folder/{n}", "mfcc", "0" * 32, State.QUARANTINED, None, None, None, None, "")
        for n in names
        if n[0] not in stored
    ]
    tables = {
        "clips": CLIPS.build(rows),
        "labels": LABELS.build(labels),
        "folds": FOLDS.build(folds),
        "index": INDEX.build(index),
        "quarantine": QUARANTINE.build([]),
        "audits": AUDITS.build([]),
    }
    commit(root, {}, tables, schemes={"mine": {}})
    return root


def test_a_sound_store_passes(store: Path) -> None:
    report = run_audit([store])
    assert report.verdict.answer == Answer.HOLDS
    held = {one.rule for one in report.findings if one.severity == Severity.HELD}
    assert held >= {"L1", "L3", "L10", "L11", "L12", "L13"}
    in_part = {one.rule: one for one in report.findings if one.severity == Severity.PARTLY_JUDGED}
    assert set(in_part) == {"L4", "L16"}
    assert "in part not judged: the recipe has no sound_digest feature" in in_part["L4"].detail
    assert "in part not judged: the subjects' sex is not known" in in_part["L16"].detail


def test_planted_leaks_in_a_store_are_named(tmp_path: Path) -> None:
    folds = [
        Fold(
            f.scheme,
            f.fold,
            f.clip_id,
            f.group_id,
            Role.TEST if f.clip_id == "folder/a0" else f.role,
        )
        for f in _folds("c")
    ]
    report = run_audit([publish(tmp_path / "store", folds, a0="e" * 64, b1="e" * 64, c1="e" * 64)])
    assert [
        (one.fold, one.examples) for one in faults(report, "L1") if one.severity == Severity.ERROR
    ] == [(ALL_FOLDS, ["folder/a"])]
    assert {one.examples[0] for one in faults(report, "L4") if one.severity == Severity.ERROR} == {
        "folder/a0"
    }
    (conflict,) = faults(report, "L13")
    assert conflict.examples == ["folder/a0", "folder/b1", "folder/c1"]


def test_an_unknown_scheme_and_a_store_without_folds_say_what_to_do(
    store: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="it has mine"):
        run_audit([store], scheme="yours")
    with pytest.raises(ValueError, match="affectstore split"):
        run_audit([publish(tmp_path / "empty", [])])


def test_what_is_neither_store_nor_table_nor_paper_says_what_is(tmp_path: Path) -> None:
    with pytest.raises(NothingToAudit, match="expected the folder of a store, a table or list"):
        run_audit([tmp_path / "nowhere"])


def test_the_report_prints_and_is_json_markdown_and_parquet(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = audited(tmp_path, clips("ttee", speaker=["a", "p|q", "p|q", "c"]))
    print_report(report)
    printed = json.loads(to_json(report))
    assert printed["failed"] is True
    assert {one["rule"] for one in printed["findings"]} == set(RULES)
    assert next(one for one in printed["findings"] if one["rule"] == "L1")["example_ids"] == [
        "folder/p|q"
    ]
    assert "| L1 | error | split | 0 | 1 |" in audit_page(report)
    assert "folder/p\\|q" in audit_page(report)
    write_findings(report, tmp_path / "audits.parquet")
    assert AUDITS.rows(AUDITS.read(tmp_path / "audits.parquet")) == sorted(
        report.findings, key=lambda f: (f.rule, f.scheme, f.fold, f.what)
    )
    assert (
        pq.read_table(tmp_path / "audits.parquet").column("severity").to_pylist().count("error")
        == 1
    )


def test_exit_codes_and_sentences_of_the_command(
    tmp_path: Path, store: Path, command: Command
) -> None:
    leaking = table(tmp_path / "leaking.csv", clips("ttee", speaker=["a", "b", "b", "c"]))
    done = command(
        "audit", leaking, "--corpus", "folder", "--json", "--out", tmp_path / "found.parquet"
    )
    assert done.returncode == 1
    assert json.loads(done.stdout)["failed"]
    assert AUDITS.read(tmp_path / "found.parquet").num_rows
    done = command("audit", store, "--scheme", "mine")
    assert (done.returncode, "not judged" in done.stdout) == (0, True), done.stderr
    done = command("audit", leaking, "--corpus", "ravdess")
    assert done.returncode == 2
    assert "line 2, column clip" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_built_store_that_was_split_passes(built: Path, tmp_path: Path) -> None:
    root = linked(built, tmp_path / "split")
    run_split(root, "subject_kfold", 3, 0)
    report = run_audit([root])
    assert not report.failed
    assert (report.corpora, report.folds) == (("sample",), 3)
    assert report.verdict.answer == Answer.HOLDS
    held = {one.rule for one in report.findings if one.severity == Severity.HELD}
    assert held >= {"L1", "L3", "L8", "L12"}
