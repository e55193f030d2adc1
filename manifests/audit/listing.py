"""What an audit looks at: clips with what is known of them, and the side of each in each fold.

A listing holds one row for each line of a table, or for each clip of a store.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from manifests.audit.name_columns import NameColumn
from manifests.audit.overlaps import RowOverlaps, overlapping_rows
from manifests.folds import Role

ROLES = (Role.TRAIN, Role.VALID, Role.TEST)
TRAIN, VALID, TEST = range(3)
"""How a role is written in `FoldRows.role`."""

CLIP_FIELDS = {
    "clip": "clip_id",
    "subject": "subject_id",
    "group": "group_id",
    "take": "take_id",
    "sex": "sex",
    "text": "text_id",
    "session": "session_id",
    "dialogue": "dialogue_id",
    "episode": "episode_id",
}
"""What a column names -> the field of a clip, and of an identity, that has it."""

IDENTITY_FIELDS = {**CLIP_FIELDS, "series": "series_id", "video": "video_id"}
"""What a column names -> the field of an identity that has it; a store has no column for the last
two."""

NUMBERS = (
    "start_s",
    "end_s",
    "duration_s",
    "channels",
    "rate_hz",
    "fps",
    "width_px",
    "height_px",
    "bytes",
)
"""Columns that measure; not a number where unknown."""


@dataclass(frozen=True)
class FoldRows:
    """One fold: which rows take part, and on which side."""

    scheme: str
    fold: int
    rows: NDArray[np.int64]
    role: NDArray[np.int8]
    """TRAIN, VALID or TEST, for each of `rows`."""


@dataclass(frozen=True)
class NearPairs:
    """Pairs of rows that hold the same recording, as their fingerprints say."""

    pairs: NDArray[np.int64]
    """(pair, 2)"""
    similarity: NDArray[np.float64]
    """(pair,) at most 1."""
    known: NDArray[np.bool_]
    """(row,) True for a clip that has a fingerprint."""


@dataclass(frozen=True)
class Fit:
    """One fitted state, and the clips that it was fitted on."""

    feature: str
    used: frozenset[str]
    """Clip ids, as the state itself lists them."""
    expected: frozenset[str]
    """Training clips of the fold that have what the fit needs."""
    changed: frozenset[str] = frozenset()
    """Clips that it used and whose files have other bytes now."""


@dataclass(frozen=True)
class Listing:
    """A table, or a store, in the one form that every rule reads."""

    source: str
    """Where it was read from, for messages."""
    corpora: tuple[str, ...]
    names: Mapping[str, NameColumn]
    """Columns that name things, those that are known of: clip, subject, group, take, session,
    dialogue, episode, series, video, text, label, sex, folder; sha256, pcm, frames (hashes);
    window, copy (which part of its clip, or which change of it, a row is); stated subject (who
    speaks as the table says it, where the naming rule says it too). A list of subjects or of series
    has no clip."""
    numbers: Mapping[str, NDArray[np.float64]]
    """Columns of NUMBERS, those that the source has."""
    folds: tuple[FoldRows, ...]
    flags: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    """`fitted`: something was fitted on this row; `selected`: a model was chosen by it; `stored
    NAME`: the feature NAME is stored."""
    fits: Mapping[tuple[str, int], tuple[Fit, ...]] | None = None
    """Scheme and fold -> what a store has fitted for it; None where the source does not say."""
    text_shared: str = "say a sentence"
    """What clips do that have one text, in words."""
    notes: tuple[str, ...] = ()
    """What was taken for what, and what could not be taken, each in a sentence."""
    near: Mapping[str, NearPairs] = field(default_factory=dict)
    """`sound`, `face`: near-duplicates by it, where the source has fingerprints of it."""
    unmeasured: Mapping[str, str] = field(default_factory=dict)
    """Of `sound`, `face`, `pcm` and `frames`, those that a store could hold and does not -> what to
    do about it."""

    @cached_property
    def overlaps(self) -> RowOverlaps | None:
        """Clips that show the same stretch of a recording, found once for all folds.

        None where nothing says the recording, the start or the end of a clip.
        """
        units = [unit for unit in ("episode", "dialogue") if unit in self.names]
        start_s, end_s = self.numbers.get("start_s"), self.numbers.get("end_s")
        if not units or "clip" not in self.names or start_s is None or end_s is None:
            return None
        recording = self.names[units[0]].or_else(self.names.get(units[-1]))
        return overlapping_rows(" or ".join(units), recording, self.names["clip"], start_s, end_s)
