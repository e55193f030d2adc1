"""Stores that were tampered with: what reads them names the file, or reads what was written."""

from pathlib import Path

from flows.auditing.run import run_audit
from manifests.audits import AUDITS
from stores import FeatureDataset, FeatureStore
from stores.location import locate
from stores.snapshot import TABLES
from stores.summary import summarise
from stores.verify import verify
from tests.support.tampered import Refused, TamperedStores


def all_tracks(store: FeatureStore) -> list[object]:
    """The tables and all tracks of a store, stored and fitted."""
    found: list[object] = [store.rows(table) for table in TABLES.values()]
    sources = {name: store[name] for name in store.features}
    for name, entry in store.snapshot.fitted.items():
        for state in entry.states:
            sources[f"{name} {state.fold}"] = store.fitted(name, state.scheme, state.fold)
    for name, tracks in sorted(sources.items()):
        for clip_id, track in tracks.items():
            values = track.values.tobytes(), track.seconds.tobytes(), track.valid.tobytes()
            found.append((name, clip_id, values, track.notes))
    return found


class TestVerify(TamperedStores):
    must_refuse = True

    def read(self, root: Path) -> object:
        report = verify(root)
        if report.problems:
            raise Refused("; ".join(report.problems))
        return report.summary


class TestFeatureStore(TamperedStores):
    sees_every_byte = False

    def read(self, root: Path) -> object:
        return all_tracks(FeatureStore(root))


class TestFeatureStoreThatHashes(TamperedStores):
    def read(self, root: Path) -> object:
        return all_tracks(FeatureStore(root, verify=True))


class TestFeatureDataset(TamperedStores):
    sees_every_byte = False

    def read(self, root: Path) -> object:
        is_fitted = root.name == "fitted" or (root / "fitted").exists()
        features = ["logmel", *(["even"] if is_fitted else ["crops"])]
        scheme = "quarters" if is_fitted else "thirds"
        how = {"labels": None, "scheme": scheme, "fold": 0, "role": "train", "missing": "mask"}
        dataset = FeatureDataset(root, features=features, **how)  # type: ignore[arg-type]
        return [
            (clip_id, [(name, track.values.tobytes()) for name, track in sorted(tracks.items())])
            for clip_id, tracks, _ in dataset
        ]


class TestSummary(TamperedStores):
    def read(self, root: Path) -> object:
        found = summarise(locate(root))
        return found.corpora, found.labels, found.schemes, found.quarantine, found.snapshot


class TestAudit(TamperedStores):
    def read(self, root: Path) -> object:
        return AUDITS.build(run_audit([str(root)], None, None).findings).to_pylist()
