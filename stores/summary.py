"""What a store holds, counted for people."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from manifests.audits import AUDITS, Finding
from manifests.clips import CLIPS
from manifests.folds import FOLDS
from manifests.labels import LABELS
from manifests.quarantine import QUARANTINE, Quarantined
from stores.location import Location
from stores.snapshot import Snapshot, load_snapshot, read_table, read_tables


@dataclass(frozen=True)
class CorpusSummary:
    """The clips of one corpus."""

    corpus: str
    clips: int
    subjects: int
    seconds: float
    with_sound: int
    with_picture: int


@dataclass(frozen=True)
class SideSummary:
    """One side of one fold."""

    clips: int
    groups: tuple[str, ...]
    """Sorted."""


@dataclass(frozen=True)
class SchemeSummary:
    """The folds of one split scheme."""

    scheme: str
    folds: Mapping[int, Mapping[str, SideSummary]]
    """Number of the fold -> role -> its side."""
    findings: tuple[Finding, ...]
    """What the audit found in them."""


@dataclass(frozen=True)
class QuarantineSummary:
    """One clip that lacks features for one reason."""

    clip_id: str
    reason: str
    detail: str
    features: tuple[str, ...]
    is_all: bool
    """The clip lacks every stored feature."""


@dataclass(frozen=True)
class StoreSummary:
    """What a snapshot of a store holds."""

    name: str
    """Of the store, as the user gave it."""
    snapshot: Snapshot
    corpora: tuple[CorpusSummary, ...]
    labels: Mapping[str, Mapping[str, int]]
    """Label scheme -> value -> labels."""
    schemes: tuple[SchemeSummary, ...]
    quarantine: tuple[QuarantineSummary, ...]


def summarise(location: Location) -> StoreSummary:
    """Counts what the newest snapshot of a store holds.

    Args:
        location: Where the store lies.

    Returns:
        The summary.

    Raises:
        NotCommitted: There is no store.
    """
    snapshot = load_snapshot(location)
    tables = read_tables(location, snapshot)
    names = tables["folds"].column("scheme").unique().to_pylist()
    return StoreSummary(
        str(location),
        snapshot,
        _corpora(tables["clips"]),
        _label_counts(tables["labels"]),
        tuple(_scheme(name, tables["folds"], tables["audits"]) for name in names),
        quarantine_lines(QUARANTINE.rows(tables["quarantine"]), len(snapshot.features)),
    )


def summarise_scheme(location: Location, snapshot: Snapshot, scheme: str) -> SchemeSummary:
    """Counts the folds of one split scheme.

    Args:
        location: Where the store lies.
        snapshot: One that has folds of the scheme.
        scheme: Its name.

    Returns:
        The summary.
    """
    folds, audits = (read_table(location, snapshot, table) for table in (FOLDS, AUDITS))
    return _scheme(scheme, folds, audits)


def quarantine_lines(rows: Sequence[Quarantined], features: int) -> tuple[QuarantineSummary, ...]:
    """Gathers the rows of a quarantine.

    Args:
        rows: One for each clip and feature.
        features: How many features are stored.

    Returns:
        One for each reason and clip, sorted by these.
    """
    names: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        names.setdefault((row.reason, row.clip_id, row.detail), []).append(row.feature)
    return tuple(
        QuarantineSummary(clip_id, reason, detail, tuple(missing), len(missing) == features)
        for (reason, clip_id, detail), missing in sorted(names.items())
    )


def _corpora(clips: pa.Table) -> tuple[CorpusSummary, ...]:
    rows = CLIPS.rows(clips)
    found = []
    for corpus in clips.column("corpus").unique().to_pylist():
        its_clips = [clip for clip in rows if clip.corpus == corpus]
        found.append(
            CorpusSummary(
                corpus,
                clips=len(its_clips),
                subjects=len({clip.subject_id for clip in its_clips if clip.subject_id}),
                seconds=sum(clip.duration_s or 0 for clip in its_clips),
                with_sound=sum(clip.has_audio is True for clip in its_clips),
                with_picture=sum(clip.has_video is True for clip in its_clips),
            )
        )
    return tuple(found)


def _label_counts(labels: pa.Table) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = {}
    for label in LABELS.rows(labels):
        counts.setdefault(label.scheme, Counter())[label.value] += 1
    return counts


def _scheme(scheme: str, folds: pa.Table, audits: pa.Table) -> SchemeSummary:
    clips: dict[int, Counter[str]] = {}
    groups: dict[tuple[int, str], set[str]] = {}
    for row in FOLDS.rows(folds):
        if row.scheme == scheme:
            clips.setdefault(row.fold, Counter())[row.role] += 1
            groups.setdefault((row.fold, row.role), set()).add(row.group_id)
    sides = {
        fold: {
            role: SideSummary(count, tuple(sorted(groups[fold, role])))
            for role, count in roles.items()
        }
        for fold, roles in sorted(clips.items())
    }
    findings = [finding for finding in AUDITS.rows(audits) if finding.scheme == scheme]
    return SchemeSummary(scheme, sides, tuple(findings))
