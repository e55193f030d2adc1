"""Quarantine: what could not be measured, and why.

A bad clip is a row here, never a crash and never a silent gap.
"""

from dataclasses import dataclass
from enum import StrEnum

from manifests.table import Table


class Reason(StrEnum):
    """Why a clip has no value for a feature. Append-only: stored tables hold these words."""

    UNREADABLE = "unreadable"
    """No allowed container or codec opens the file, or an error that nobody foresaw ended its
    reading; the detail then begins with UNFORESEEN."""
    EMPTY_FILE = "empty_file"
    """Zero bytes."""
    FORBIDDEN = "forbidden"
    """A playlist, a concatenation script or another file that would make the decoder open other
    files or the network."""
    TRUNCATED = "truncated"
    """The header declares more than the file holds."""
    CORRUPT = "corrupt"
    """The header is sound, but packets in the middle do not decode."""
    TOO_LARGE = "too_large"
    """More pixels a frame, or samples of sound, than the recipe's limits."""
    TOO_LONG = "too_long"
    """Longer than the recipe's limit."""
    TIMED_OUT = "timed_out"
    """Decoding took longer than the recipe's limit."""
    CRASHED = "crashed"
    """Decoding it ends the process that does so."""
    NOT_FINITE = "not_finite"
    """A measured value is infinite or not a number."""
    UNKNOWN_NAME = "unknown_name"
    """The file's name does not follow the corpus's naming rule."""
    DUPLICATE = "duplicate"
    """A second file with the name of a clip; the clip itself is measured from the first."""
    NO_AUDIO = "no_audio"
    """No audio stream, or one without a sample."""
    NO_VIDEO = "no_video"
    """No video stream, or one without a frame."""
    NO_FACE = "no_face"
    """No face lasted long enough to count."""
    TOO_SHORT = "too_short"
    """Shorter than one analysis window."""
    KNOWN_BAD = "known_bad"
    """The registry of known-bad files lists it; the detail names the source."""
    CHANGED_WHILE_READ = "changed_while_read"
    """Its file became another one while the build read it, twice."""

    @property
    def is_fault(self) -> bool:
        """The file is damaged or refused; counts against the budget.

        False for a file that is sound with nothing in it to measure, or that is listed as bad.
        """
        return self not in _EXPECTED


UNFORESEEN = "affectstore did not foresee what is in"
"""Beginning of the detail of a clip whose reading ended in an error that no code expected. A new
version may read it, which the same version does not."""

_EXPECTED = {
    Reason.DUPLICATE,
    Reason.NO_AUDIO,
    Reason.NO_VIDEO,
    Reason.NO_FACE,
    Reason.TOO_SHORT,
    Reason.KNOWN_BAD,
}


class BadClip(Exception):
    """The clip is at fault: work goes on without it and the reason becomes a row."""

    def __init__(self, clip_id: str, reason: Reason, detail: str) -> None:
        """Says what is wrong with a clip.

        Args:
            clip_id: The clip.
            reason: Why it has no value.
            detail: One sentence: what was found and what was expected.
        """
        super().__init__(f"{clip_id}: {reason}: {detail}")
        self.clip_id, self.reason, self.detail = clip_id, reason, detail

    def __reduce__(self) -> tuple[type["BadClip"], tuple[str, Reason, str]]:
        return type(self), (self.clip_id, self.reason, self.detail)


@dataclass(frozen=True)
class Quarantined:
    """One clip that has no value for one feature."""

    clip_id: str
    feature: str
    reason: str
    detail: str


QUARANTINE = Table("quarantine", Quarantined, key=("clip_id", "feature"))
