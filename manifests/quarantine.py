"""Quarantine: what could not be measured, and why.

A bad clip is a row here, never a crash and never a silent gap.
"""

from dataclasses import dataclass
from enum import StrEnum

from manifests.table import Table


class Reason(StrEnum):
    """Why a clip has no value for a feature. Append-only: stored tables hold these words."""

    about: str
    """What it says, and what to do about it where something can be done."""

    def __new__(cls, word: str, about: str = "") -> "Reason":
        """Makes a reason.

        Args:
            word: What tables hold.
            about: What it says; a word of a table is read without it.

        Returns:
            The reason.
        """
        reason = str.__new__(cls, word)
        reason._value_ = word
        reason.about = about
        return reason

    UNREADABLE = (
        "unreadable",
        "No allowed container or codec opens the file, or an error that nobody foresaw ended its "
        "reading, which the detail then says. Play the file; if it plays, please report it.",
    )
    EMPTY_FILE = "empty_file", "The file has no bytes. Copy or download it again."
    FORBIDDEN = (
        "forbidden",
        "A playlist, a concatenation script or another file that would make the decoder open other "
        "files or the network. Put the media file itself in its place.",
    )
    TRUNCATED = (
        "truncated",
        "The header declares more than the file holds. Copy or download it again.",
    )
    CORRUPT = (
        "corrupt",
        "The header is sound, but packets in the middle do not decode. Copy or download the file "
        "again; media.keep_damaged in a recipe keeps what can be decoded.",
    )
    TOO_LARGE = (
        "too_large",
        "More pixels a frame, samples of sound or memory than the limits of the recipe's [media].",
    )
    TOO_LONG = "too_long", "The clip is longer than max_duration_s of the recipe's [media]."
    TIMED_OUT = "timed_out", "Decoding took longer than timeout_s of the recipe's [media]."
    CRASHED = (
        "crashed",
        "Decoding it ends the process that does so, twice. affectstore build --retry crashed tries "
        "such clips again.",
    )
    NOT_FINITE = "not_finite", "A measured value is infinite or not a number."
    UNKNOWN_NAME = (
        "unknown_name",
        "The name of the file does not follow the naming rule of its corpus. Name it so, or take "
        "the clips as the corpus folder.",
    )
    DUPLICATE = (
        "duplicate",
        "A second file with the name of a clip; the clip itself is measured from the first.",
    )
    NO_AUDIO = "no_audio", "There is no stream of sound, or one without a sample."
    NO_VIDEO = "no_video", "There is no stream of pictures, or one without a frame."
    NO_FACE = (
        "no_face",
        "No face lasted long enough to count. The features of the sound are stored all the same; "
        "affectstore draw shows the pictures, where a recipe stores them.",
    )
    TOO_SHORT = "too_short", "The clip is shorter than one analysis window."
    KNOWN_BAD = (
        "known_bad",
        "The registry of known-bad files lists it; the detail names the source. "
        "ignore_known_issues in a recipe takes it all the same.",
    )
    CHANGED_WHILE_READ = (
        "changed_while_read",
        "The file became another one while the build read it, twice. Build again when it is "
        "written.",
    )

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
