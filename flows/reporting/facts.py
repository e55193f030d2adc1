"""What a report says, as values: read from a store by this room, drawn by a view."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from manifests.audit import SplitVerdict
from manifests.audits import Finding
from manifests.clips import Clip
from stores.snapshot import Snapshot
from stores.summary import QuarantineSummary

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CountRow:
    """One row of a table of clips by class."""

    heads: tuple[str, ...]
    """What the row is of: a subject, a sex, or a fold and a role."""
    counts: tuple[int, ...]
    """Clips of each class."""
    tested: tuple[str, ...] = ()
    """For a subject: in which folds of each split scheme it is tested, such as `0, 3`."""

    @property
    def total(self) -> int:
        """Clips of all classes."""
        return sum(self.counts)


@dataclass(frozen=True)
class CountTable:
    """Rows of one table, as many as the page has room for."""

    rows: tuple[CountRow, ...]
    left_out: int
    """Rows beyond these."""


@dataclass(frozen=True)
class ClassTables:
    """The clips of one label scheme by class and by subject, sex and fold."""

    scheme: str
    """The label scheme."""
    is_main: bool
    """It is the one that its corpus is known for."""
    classes: tuple[str, ...]
    unlabelled: int
    """Clips without a label of the scheme, or with a tie of several."""
    sexes: CountTable
    subjects: CountTable
    folds: Mapping[str, CountTable]
    """Split scheme -> a row for each fold and role."""


@dataclass(frozen=True)
class Distribution:
    """How a number is distributed over clips."""

    name: str
    what: str
    """What is measured of a clip, in a sentence."""
    unit: str
    parts: Mapping[str, Floats]
    """Corpus -> the number of each of its clips."""

    @property
    def values(self) -> Floats:
        """The numbers of all clips."""
        return np.concatenate([*self.parts.values(), np.zeros(0)])


@dataclass(frozen=True)
class FeatureLengths:
    """How many rows a feature has in each clip, and what became of it."""

    feature: str
    states: Mapping[str, int]
    """State of the index -> clips."""
    rows: Floats
    """Of each stored clip."""
    valid_share: float
    """Share of all rows that are valid; NaN where there is no row."""
    notes: Mapping[str, int]
    """Note -> clips."""


@dataclass(frozen=True)
class ClipSight:
    """What a reader is shown of a clip: its picture and its sound, where the store holds them."""

    clip_id: str
    subject: str
    duration_s: float | None
    jpeg: bytes | None
    """A small picture; None where the store holds no picture of the clip."""
    wave: tuple[float, ...]
    """Loudness over time, 0 to 1; empty where the store holds no sound of it."""


@dataclass(frozen=True)
class QuarantineReason:
    """The clips that lack features for one reason."""

    reason: str
    clips: int
    features: tuple[str, ...]
    """That miss some of these clips."""
    shown: tuple[tuple[QuarantineSummary, ClipSight], ...]
    """The first of them."""


@dataclass(frozen=True)
class LeakPair:
    """Two clips of one fold on two sides, which a finding is about."""

    finding: Finding
    title: str
    """Of the rule."""
    why: str
    """What the two have in common."""
    sides: tuple[tuple[str, ClipSight], tuple[str, ClipSight]]
    """Role and clip of each."""


@dataclass(frozen=True)
class SnapshotLine:
    """One snapshot of the store, and what was new in it."""

    number: int
    written: str
    """When its file was written, by this machine's clock; "" where that is not known."""
    recipe: str
    counts: Mapping[str, int]
    news: tuple[str, ...]
    """What differs from the snapshot before it, a phrase each."""


@dataclass(frozen=True)
class FittedLine:
    """One fitted state, and whose clips it saw."""

    feature: str
    scheme: str
    fold: int
    clips: int
    subjects: tuple[str, ...]
    tested: int
    """Clips that it saw and that its fold tests."""
    sees_all: bool
    """The fit says of itself that it sees the clips to be tested."""


@dataclass(frozen=True)
class CorpusLine:
    """The clips of one corpus."""

    corpus: str
    clips: int
    subjects: int
    hours: float
    with_sound: int
    with_picture: int


@dataclass(frozen=True)
class ReportFacts:
    """All that the report of a store says."""

    store: str
    """As the user gave it."""
    mark: str
    """Of the store and the snapshot."""
    made: str
    """When the report was made, by this machine's clock."""
    snapshot: Snapshot
    verdicts: tuple[SplitVerdict, ...]
    """On each split scheme, the gravest first."""
    findings: tuple[Finding, ...]
    rules: Mapping[str, str]
    """Number of a rule -> its title."""
    corpora: tuple[CorpusLine, ...]
    tables: tuple[ClassTables, ...]
    tables_left_out: tuple[str, ...]
    """Label schemes that have no table: too many values, or too many schemes."""
    distributions: tuple[Distribution, ...]
    not_shown: tuple[str, ...]
    """What the report would show and the store does not hold, a sentence each."""
    features: tuple[FeatureLengths, ...]
    has_pictures: bool
    """The recipe stores pictures of faces."""
    faces: tuple[ClipSight, ...]
    """One clip a subject."""
    quarantine: tuple[QuarantineReason, ...]
    pairs: tuple[LeakPair, ...]
    history: tuple[SnapshotLine, ...]
    """The newest first."""
    fitted: tuple[FittedLine, ...]


def subject_of(clip: Clip) -> str:
    """A clip's subject as a report names it.

    Args:
        clip: The clip.

    Returns:
        Its id, or `unknown`.
    """
    return clip.subject_id or "unknown"
