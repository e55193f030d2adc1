"""What a store holds, counted for people."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from manifests.audits import AUDITS, Finding
from manifests.clips import CLIPS, Clip
from manifests.features import INDEX, State
from manifests.folds import FOLDS, Fold
from manifests.labels import LABELS
from manifests.quarantine import QUARANTINE, Quarantined
from stores.location import Location
from stores.snapshot import Snapshot, load_snapshot, read_compact, read_rows


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
    absent: Mapping[str, Mapping[str, int]]
    """What files never had, sound or pictures -> feature -> clips that are without it for that."""
    notes: Mapping[str, int]
    """Note of the index -> clips that have it, by name."""


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
    read = partial(read_rows, location, snapshot)
    clips, folds, findings = read(CLIPS), read(FOLDS), read(AUDITS)
    labels: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for label in read(LABELS):
        labels[label.scheme][label.value] += 1
    return StoreSummary(
        str(location),
        snapshot,
        tuple(_corpus(name, clips) for name in dict.fromkeys(clip.corpus for clip in clips)),
        labels,
        tuple(
            _scheme(name, folds, findings) for name in dict.fromkeys(row.scheme for row in folds)
        ),
        quarantine_lines(read(QUARANTINE), len(snapshot.features)),
        absent_counts(location, snapshot),
        _notes(_with_notes(location, snapshot, State.STORED)),
    )


def absent_counts(location: Location, snapshot: Snapshot) -> dict[str, dict[str, int]]:
    """Counts the clips that lack a feature since their files never had what it is measured on.

    Args:
        location: Where the store lies.
        snapshot: Of the store.

    Returns:
        What files never had -> feature -> clips, by name.
    """
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    rows = _with_notes(location, snapshot, State.ABSENT)
    pairs = zip(*(rows.column(name).to_pylist() for name in ("notes", "feature")), strict=True)
    for what, feature in pairs:
        found[what][feature] += 1
    return {what: dict(sorted(counts.items())) for what, counts in sorted(found.items())}


def features_of_no_clip(location: Location, snapshot: Snapshot) -> dict[str, str]:
    """Finds the features that not one clip has, though they were looked for.

    Args:
        location: Where the store lies.
        snapshot: Of the store.

    Returns:
        Feature -> the reason why most clips lack it.
    """
    found = snapshot.features.items()
    empty = {name for name, feature in found if not any(one.clips for one in feature.shards)}
    if not empty:
        return {}
    reasons: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in read_rows(location, snapshot, QUARANTINE):
        if row.feature in empty:
            reasons[row.feature][row.reason] += 1
    return {name: counts.most_common(1)[0][0] for name, counts in sorted(reasons.items())}


def _with_notes(location: Location, snapshot: Snapshot, state: State) -> pa.Table:
    """The rows of the index in one state that have notes."""
    columns = ["clip_id", "feature", "state", "notes"]
    index = read_compact(location, snapshot, INDEX, columns)
    has_notes = pc.not_equal(index.column("notes").cast(pa.string()), "")
    return index.filter(pc.and_(has_notes, pc.equal(index.column("state"), state.value)))


def _notes(noted: pa.Table) -> dict[str, int]:
    """Counts the clips that have each note, for whatever feature."""
    pairs = zip(*(noted.column(name).to_pylist() for name in ("clip_id", "notes")), strict=True)
    found = {(clip, note) for clip, notes in pairs for note in notes.split(",")}
    return dict(sorted(Counter(note for _, note in found).items()))


def summarise_scheme(location: Location, snapshot: Snapshot, scheme: str) -> SchemeSummary:
    """Counts the folds of one split scheme.

    Args:
        location: Where the store lies.
        snapshot: One that has folds of the scheme.
        scheme: Its name.

    Returns:
        The summary.
    """
    read = partial(read_rows, location, snapshot)
    return _scheme(scheme, read(FOLDS), read(AUDITS))


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


def _corpus(name: str, clips: Iterable[Clip]) -> CorpusSummary:
    its_clips = [clip for clip in clips if clip.corpus == name]
    return CorpusSummary(
        name,
        clips=len(its_clips),
        subjects=len({clip.subject_id for clip in its_clips if clip.subject_id}),
        seconds=sum(clip.duration_s or 0 for clip in its_clips),
        with_sound=sum(clip.has_audio is True for clip in its_clips),
        with_picture=sum(clip.has_video is True for clip in its_clips),
    )


def _scheme(name: str, folds: Iterable[Fold], findings: Iterable[Finding]) -> SchemeSummary:
    groups: defaultdict[tuple[int, str], list[str]] = defaultdict(list)
    for row in folds:
        if row.scheme == name:
            groups[row.fold, row.role].append(row.group_id)
    sides: defaultdict[int, dict[str, SideSummary]] = defaultdict(dict)
    for (fold, role), of_clips in sorted(groups.items()):
        sides[fold][role] = SideSummary(len(of_clips), tuple(sorted(set(of_clips))))
    return SchemeSummary(name, sides, tuple(one for one in findings if one.scheme == name))
