"""What a run says of itself in Prefect: a sentence, a page, and names that keep stores apart."""

from dataclasses import replace
from pathlib import Path

import pytest

from flows.auditing.run import AuditReport
from flows.building.commit import BuildResult
from flows.errors import BuildError, sentence
from flows.fitting.run import FitResult
from flows.view.run_summary import (
    artifact_key,
    audit_page,
    build_page,
    build_sentence,
    fit_page,
    fit_sentence,
    slug,
    split_page,
    split_sentence,
)
from manifests.audits import ALL_FOLDS, Finding, Severity
from manifests.quarantine import Quarantined
from stores.location import locate
from stores.snapshot import Snapshot, load_snapshot
from tests.support import fitted_made


def a_snapshot(number: int = 7) -> Snapshot:
    counts = {"clips": 9, "stored": 20, "quarantined": 7, "shards": 4, "shard_bytes": 2_500_000}
    return Snapshot(number, number - 1, {"name": "demo"}, {}, {}, {}, counts, {}, {}, {})


STORE = locate("/data/s")
BUILT = BuildResult(
    a_snapshot(),
    is_new=True,
    shards_written=3,
    folds_dropped=False,
    clips_computed=12,
    seconds=6.0,
    left_out={".sph": 14, ".txt": 3},
)
IDLE = replace(BUILT, is_new=False, shards_written=0, clips_computed=0, seconds=0.2)


def test_a_run_that_built_says_how_much_and_one_that_did_not_says_so() -> None:
    assert build_sentence(STORE, replace(BUILT, seconds=5.6)) == (
        "snapshot 7 of /data/s: 12 clips computed in 6 s, 3 new shards"
    )
    dropped = replace(BUILT, shards_written=1, folds_dropped=True, clips_computed=1, seconds=0.2)
    assert build_sentence(STORE, dropped) == (
        "snapshot 7 of /data/s: 1 clip computed in 0 s, 1 new shard; its folds no longer fit and "
        "were left out, split it again"
    )
    assert build_sentence(STORE, IDLE) == "nothing new: /data/s is up to date, snapshot 7"
    assert "Nothing new: /data/s is up to date" in build_page(STORE, IDLE, [], [])


def test_the_page_of_a_build_counts_clips_and_features_by_reason_and_names_the_clips() -> None:
    quarantine = [
        Quarantined("a/1", "mfcc", "no_audio", "silent | from the start"),
        Quarantined("a/1", "logmel", "no_audio", "silent | from the start"),
        Quarantined("a/2", "mfcc", "no_audio", "the file has no sound"),
        *(Quarantined(f"b/{n:02d}", "mfcc", "truncated", "cut") for n in range(49)),
    ]
    text = build_page(STORE, BUILT, quarantine, [])
    assert "| no_audio | 2 | logmel, mfcc |" in text
    assert "| b/48 | truncated | cut |" in text
    assert "| a/1 | no_audio | silent \\| from the start |" in text
    assert "a/2" not in text
    assert "... and 1 more; the table `quarantine` has them all." in text
    assert "| throughput | 2.0 clips/s |" in text
    assert "| files left out | 14 .sph, 3 .txt |" in text
    assert "| stored (clips x features) | 20 |" in text
    assert "[/data/s/snapshots/000007.json](file:///data/s/snapshots/000007.json)" in text
    assert "no folds to audit" in text
    assert "Nothing is in quarantine." in build_page(STORE, BUILT, [], [])


def test_the_page_of_a_build_names_the_findings_of_each_scheme_and_survives_pipes() -> None:
    findings = [
        replace(
            Finding("L1", Severity.ERROR, "mine", 0, "subject", 2, "a\nb", "2 | on two sides"),
            verdict="LEAKS",
        ),
        replace(
            Finding("L2", Severity.HELD, "mine", ALL_FOLDS, "take", 0, "", "no take on two sides"),
            verdict="LEAKS",
        ),
        *(
            Finding("L3", Severity.WARN, "other", fold, "clip", 1, "a", "one clip")
            for fold in range(40)
        ),
    ]
    text = build_page(STORE, BUILT, [], findings)
    assert "- mine: audit: LEAKS: 2 \\| on two sides; errors L1; 1 rules held" in text
    assert "- other: audit by an older version, which gave no verdict: warnings L3" in text
    assert "| L1 | error | mine | 0 | 2 | 2 \\| on two sides |" in text
    assert "and 11 more" in text
    report = AuditReport("/data/s", ("sample",), 2, (), tuple(findings[:2]))
    assert "| L1 | error | mine | 0 | 2 | 2 \\| on two sides | a, b |" in audit_page(report)


def test_a_split_says_what_it_made_and_its_page_what_it_claims() -> None:
    facts = {"folds": 3, "disjoint": True, "keeps": ["subject"], "imbalance": None}
    facts |= {"least_imbalance": None, "empty_classes": [], "seed": 0}
    snapshot = replace(a_snapshot(), schemes={"subject_kfold": facts})
    assert split_sentence(STORE, snapshot, "subject_kfold") == (
        "snapshot 7 of /data/s has folds of subject_kfold"
    )
    assert "# subject_kfold of /data/s" in split_page(STORE, snapshot, "subject_kfold")


def test_a_fit_says_how_many_states_are_new_and_its_page_lists_them(tmp_path: Path) -> None:
    fitted_made.make(tmp_path)
    fitted_made.fit(tmp_path)
    result = FitResult(load_snapshot(locate(tmp_path)), 8, 4)
    assert fit_sentence(STORE, result, "quarters") == (
        "snapshot 2 of /data/s: 8 new states of quarters, 4 were there"
    )
    page = fit_page(result, "quarters")
    assert "8 states are new, 4 were there." in page
    assert sum(line.startswith("| z |") for line in page.splitlines()) == 4


def test_a_store_behind_a_url_is_linked_by_its_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFFECTSTORE_CACHE", str(tmp_path))
    text = build_page(locate("s3://bucket/store"), BUILT, [], [])
    assert "](s3://bucket/store/snapshots/000007.json)" in text


def test_stores_of_one_folder_name_keep_their_artifacts_apart() -> None:
    keys = {artifact_key("build", locate(place)) for place in ("/a/My Störe_2", "/b/My Störe_2")}
    assert len(keys) == 2
    assert all(key.startswith("build-my-st-re-2-") for key in keys)
    assert artifact_key("audit", locate("/a/s")).startswith("audit-s-")
    assert artifact_key("build", locate("/a/s")) == artifact_key("build", locate("/a/s/"))


@pytest.mark.parametrize(("name", "key"), [("My Störe_2", "my-st-re-2"), ("---", "store")])
def test_any_name_gives_a_key_that_prefect_takes(name: str, key: str) -> None:
    assert slug(name) == key


def test_an_error_is_a_sentence_where_its_user_can_mend_it_and_a_traceback_elsewhere() -> None:
    assert sentence(BuildError("what to do")) == "what to do"
    assert sentence(ValueError("of ours")) is None
    full = sentence(OSError(28, "No space left on device", "/data/s/x"))
    assert full is not None
    assert full.startswith("No space left on device while writing /data/s/x; make room")
    assert sentence(OSError(5, "Input/output error")) is None
