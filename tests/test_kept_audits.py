"""What the audit found stands in the store, and is always of the folds, clips, labels and features
beside it."""

import json
import shutil
from pathlib import Path

import pytest

from flows.build import build
from flows.building.plan import write_folds
from flows.view.store import print_folds, print_store, print_verification
from manifests.audits import AUDITS, Finding, Severity
from manifests.label_spaces import SPACES
from stores import FeatureStore
from stores.snapshot import TABLES, load_snapshot, publish, read_rows, read_table
from stores.verify import verify
from tests.conftest import QUICK

LEAKING = "random_80_20_leaking"


@pytest.fixture
def split(engine: None, built: Path, tmp_path: Path) -> Path:
    """A copy of the built store, with disjoint folds and with leaking ones."""
    root = Path(shutil.copytree(built, tmp_path / "store"))
    write_folds(root, "subject_kfold", 3, 0)
    write_folds(root, LEAKING, None, 0)
    return root


def findings(root: Path) -> list[Finding]:
    return read_rows(root, load_snapshot(root), AUDITS)


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
    write_folds(split, LEAKING, None, 5)
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
    before = load_snapshot(split)
    assert not build(split, {"sample": sample}, "demo", QUICK, workers=1).is_new
    assert load_snapshot(split) == before


def test_a_build_that_carries_the_folds_audits_them_again_where_a_feature_changed(
    split: Path, sample: Path
) -> None:
    before = findings(split)
    _publish_without_findings(split)
    build(split, {"sample": sample}, "demo", QUICK, workers=1)
    assert findings(split) == []
    assert not build(
        split, {"sample": sample}, "demo", (*QUICK, "features.mfcc.n_mfcc=20"), workers=1
    ).folds_dropped
    assert findings(split) == before


def _publish_without_findings(root: Path) -> None:
    old = load_snapshot(root)
    tables = {name: read_table(root, old, table) for name, table in TABLES.items()} | {
        "audits": AUDITS.build([])
    }
    publish(
        root,
        parent=old,
        recipe=old.recipe,
        tables=tables,
        features=old.features,
        fitted=old.fitted,
        versions=old.versions,
        schemes=old.schemes,
    )


def test_a_build_that_drops_the_folds_drops_the_findings(
    split: Path, sample: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(sample, tmp_path / "clips"))
    next(folder.rglob("01-01-03-*.mp4")).unlink()
    assert build(split, {"sample": folder}, "demo", QUICK, workers=1).folds_dropped
    assert FeatureStore(split).audits().empty


def test_show_says_in_a_line_what_the_audit_found(
    split: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    print_folds(split, LEAKING)
    leaking = capsys.readouterr().out
    print_folds(split, "subject_kfold")
    sound = capsys.readouterr().out
    assert "audit: errors L1" in leaking
    assert "errors" not in sound
    assert "rules held" in sound
    print_store(split)
    assert capsys.readouterr().out.count("audit: ") == 2


def test_the_label_spaces_that_read_the_labels_are_recorded_by_hash(built: Path) -> None:
    spaces = load_snapshot(built).spaces
    assert spaces.keys() >= {"common4", "common7", "ravdess7", "ravdess8"}
    assert not spaces.keys() & {"cremad6", "iemocap4", "meld7"}
    assert all(digest == SPACES[name].sha256 for name, digest in spaces.items())


def test_verify_names_a_label_space_that_maps_otherwise_now(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(shutil.copytree(built, tmp_path / "store"))
    assert verify(root).remarks == []
    path = root / "snapshots" / f"{load_snapshot(root).number:06d}.json"
    value = json.loads(path.read_text())
    value["spaces"] |= {"common4": "0" * 64, "common5": "1" * 64}
    path.write_text(json.dumps(value))
    remarks = verify(root).remarks
    assert [
        "common4 has sha256" in remarks[0],
        "common5, which the store was published with" in remarks[1],
    ] == [True, True]
    assert print_verification(root)
    assert "common4" in capsys.readouterr().out
