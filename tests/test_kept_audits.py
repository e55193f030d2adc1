"""What the audit found stands in the store, and is always of the folds, clips, labels and features
beside it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import pyarrow as pa
import pytest

from flows.building.run import run_build
from flows.splitting.run import run_split
from flows.view.store import print_folds, print_store, print_verification
from manifests.audits import AUDITS, Finding, Severity
from manifests.label_spaces import SPACES
from manifests.table import Table
from stores import FeatureStore
from stores.location import locate
from stores.paths import sha256_of
from stores.pointer import Pointer, read_pointer, snapshot_file
from stores.snapshot import TABLES, load_snapshot, read_rows
from stores.summary import summarise, summarise_scheme
from stores.verify import verify
from tests.support.commands import QUICK
from tests.support.stores_made import commit, tables_in

LEAKING = "random_80_20_leaking"


@pytest.fixture
def split(store: Path) -> Path:
    """A copy of the built store, with disjoint folds and with leaking ones."""
    run_split(store, "subject_kfold", 3, 0)
    run_split(store, LEAKING, None, 0)
    return store


def findings(root: Path) -> list[Finding]:
    return read_rows(locate(root), load_snapshot(locate(root)), AUDITS)


def errors(root: Path, scheme: str) -> set[str]:
    return {
        one.rule
        for one in findings(root)
        if one.scheme == scheme and one.severity == Severity.ERROR
    }


def test_a_split_publishes_what_the_audit_finds_in_it(split: Path) -> None:
    assert errors(split, "subject_kfold") == set()
    assert "L1" in errors(split, LEAKING)
    frame = FeatureStore(split).audits()
    assert list(frame.columns) == AUDITS.schema.names
    assert set(frame["scheme"]) == {"subject_kfold", LEAKING}
    assert verify(split).problems == []


def test_a_split_made_again_replaces_its_own_findings_alone(split: Path) -> None:
    before = findings(split)
    run_split(split, LEAKING, None, 5)
    after = findings(split)
    assert [one for one in after if one.scheme != LEAKING] == [
        one for one in before if one.scheme != LEAKING
    ]
    assert [one for one in after if one.scheme == LEAKING] != [
        one for one in before if one.scheme == LEAKING
    ]


def test_a_build_without_news_keeps_the_findings_and_writes_nothing(
    split: Path, sample: Path
) -> None:
    before = load_snapshot(locate(split))
    assert not run_build(split, {"sample": sample}, "demo", QUICK, workers=1).is_new
    assert load_snapshot(locate(split)) == before


def test_a_build_that_carries_the_folds_audits_them_again_where_a_feature_changed(
    split: Path, sample: Path
) -> None:
    before = findings(split)
    tables = tables_in(split, load_snapshot(locate(split)))
    _publish(split, {**tables, "audits": AUDITS.build([])})
    run_build(split, {"sample": sample}, "demo", QUICK, workers=1)
    assert findings(split) == []
    assert not run_build(
        split, {"sample": sample}, "demo", (*QUICK, "features.mfcc.n_mfcc=20"), workers=1
    ).folds_dropped
    assert findings(split) == before


@dataclass(frozen=True)
class OlderFinding:
    """A row of AUDITS as it was before rows were counted and verdicts given."""

    rule: str
    severity: str
    scheme: str
    fold: int
    what: str
    count: int
    example_ids: str
    detail: str


def test_findings_of_an_older_version_are_read_until_the_next_split_makes_them_anew(
    split: Path, sample: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = findings(split)
    older = Table("audits", OlderFinding, key=AUDITS.key)
    names = [field.name for field in fields(OlderFinding)]
    rows = [OlderFinding(*(getattr(one, name) for name in names)) for one in before]
    tables = tables_in(split, load_snapshot(locate(split)))
    with monkeypatch.context() as patch:
        patch.setitem(TABLES, "audits", older)
        _publish(split, {**tables, "audits": older.build(rows)})
    location = locate(split)
    assert [(one.detail, one.verdict, one.coverage) for one in findings(split)] == [
        (one.detail, None, None) for one in before
    ]
    assert list(FeatureStore(split).audits().columns) == AUDITS.schema.names
    assert verify(split).problems == []
    print_folds(summarise_scheme(location, load_snapshot(location), LEAKING))
    assert "audit by an older version, which gave no verdict: errors L1" in capsys.readouterr().out
    assert not run_build(split, {"sample": sample}, "demo", QUICK, workers=1).is_new
    run_split(split, "subject_kfold", 3, 5)
    assert {one.scheme: one.verdict for one in findings(split)} == {
        LEAKING: None,
        "subject_kfold": "HOLDS",
    }
    run_split(split, LEAKING, None, 0)
    assert [one for one in findings(split) if one.scheme == LEAKING] == [
        one for one in before if one.scheme == LEAKING
    ]


def _publish(root: Path, tables: Mapping[str, pa.Table]) -> None:
    old = load_snapshot(locate(root))
    commit(
        root,
        old.features,
        tables,
        recipe=old.recipe,
        fitted=old.fitted,
        versions=old.versions,
        schemes=old.schemes,
    )


def test_a_build_that_drops_the_folds_drops_the_findings(split: Path, folder: Path) -> None:
    next(folder.rglob("01-01-03-*.mp4")).unlink()
    assert run_build(split, {"sample": folder}, "demo", QUICK, workers=1).folds_dropped
    assert FeatureStore(split).audits().empty


def test_show_says_in_a_line_what_the_audit_found(
    split: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    location = locate(split)
    printed = {}
    for scheme in (LEAKING, "subject_kfold"):
        print_folds(summarise_scheme(location, load_snapshot(location), scheme))
        printed[scheme] = capsys.readouterr().out
    assert "audit: LEAKS: " in printed[LEAKING]
    assert "test subjects are also in train" in printed[LEAKING]
    assert "; errors L1;" in printed[LEAKING]
    assert "audit: HOLDS: no subjects are on two sides in 3 of 3 folds" in printed["subject_kfold"]
    assert "errors" not in printed["subject_kfold"]
    assert "rules held" in printed["subject_kfold"]
    print_store(summarise(location))
    assert capsys.readouterr().out.count("audit: ") == 2


def test_the_label_spaces_that_read_the_labels_are_recorded_by_hash(built: Path) -> None:
    spaces = load_snapshot(locate(built)).spaces
    assert spaces.keys() >= {"common4", "common7", "ravdess7", "ravdess8"}
    assert not spaces.keys() & {"cremad6", "iemocap4", "meld7"}
    assert all(digest == SPACES[name].sha256 for name, digest in spaces.items())


def test_verify_names_a_label_space_that_maps_otherwise_now(
    fragile: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = fragile
    assert verify(root).remarks == []
    number = load_snapshot(locate(root)).number
    path, pointer = root / snapshot_file(number), read_pointer(locate(root))
    value = json.loads(path.read_text())
    value["spaces"] |= {"common4": "0" * 64, "common5": "1" * 64}
    path.write_text(json.dumps(value))
    assert pointer is not None
    hashes = {**pointer.sha256, snapshot_file(number): sha256_of(path)}
    (root / "dataset.json").write_bytes(Pointer(number, hashes).to_bytes())
    found = verify(root)
    remarks = found.remarks
    assert [
        "common4 has sha256" in remarks[0],
        "common5, which the store was published with" in remarks[1],
    ] == [True, True]
    assert found.problems == []
    print_verification(found)
    assert "common4" in capsys.readouterr().out
