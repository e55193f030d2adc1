"""The registry of files known to be bad: published facts, one line a clip and kind, with sources.

Its lines stand in the files `*_known_issues.csv` beside this one, each of one corpus.

A registered clip is a refused clip (`known_bad`) where its file cannot hold what its name says;
other lines are notes for whoever audits a corpus: a sound file whose label is in doubt stays in,
and so does a file whose only fault is measured in any case, such as no sound. A rendering has its
own lines: the WAV of a take may be sound where its video is not.
"""

import csv
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from manifests.corpora.base import Found
from manifests.quarantine import BadClip, Reason
from manifests.table import Table


class UnknownIssue(ValueError):
    """An exception from the registry names what is not in it."""


class Kind(StrEnum):
    """What is wrong with a registered file."""

    NEAR_EMPTY = "near_empty"
    NO_AUDIO = "no_audio"
    LENGTH_MISMATCH = "length_mismatch"
    WRONG_CONTENT = "wrong_content"
    SHARED_BYTES = "shared_bytes"
    """The bytes are those of clips of other takes, so they cannot be the recording of each."""
    LABEL_CONFLICT = "label_conflict"
    """The bytes are those of one other clip, of the same actor and sentence and another emotion."""
    AUDIO_ADDED_LATER = "audio_added_later"
    CORRUPT = "corrupt"
    MISSING = "missing"
    WRONG_CUT = "wrong_cut"
    EXTRA_FILE = "extra_file"
    """No clip of the corpus; a scan refuses it under its path, which is its id here."""
    SHORT_AUDIO = "short_audio"
    EMPTY_SPAN = "empty_span"


_MEANS = {
    Kind.NEAR_EMPTY: "the published file holds next to nothing",
    Kind.NO_AUDIO: "the published file holds no sound",
    Kind.LENGTH_MISMATCH: "the published file does not have the length of the take",
    Kind.WRONG_CONTENT: "the published file holds something else than its name says",
    Kind.SHARED_BYTES: "the published file has the bytes of other takes, so it cannot be the "
    "recording of each",
    Kind.LABEL_CONFLICT: "the published file has the bytes of a clip with another label",
    Kind.AUDIO_ADDED_LATER: "old copies of the published file have no sound",
    Kind.CORRUPT: "the published file is corrupt",
    Kind.MISSING: "the corpus lists the clip and publishes no file",
    Kind.WRONG_CUT: "the published file is cut at the wrong place",
    Kind.EXTRA_FILE: "the file is published and the corpus does not list it",
    Kind.SHORT_AUDIO: "the published file has less sound than a quarter of a second",
    Kind.EMPTY_SPAN: "the corpus lists the clip with next to no length",
}

_REFUSED = frozenset(
    {
        Kind.NEAR_EMPTY,
        Kind.NO_AUDIO,
        Kind.LENGTH_MISMATCH,
        Kind.WRONG_CONTENT,
        Kind.SHARED_BYTES,
        Kind.CORRUPT,
        Kind.WRONG_CUT,
        Kind.EXTRA_FILE,
    }
)


@dataclass(frozen=True)
class KnownIssue:
    """One line of the registry."""

    clip_id: str
    kind: Kind
    fact: str
    """What was found in the published file."""
    source: str

    @property
    def is_bad(self) -> bool:
        """The clip is refused; False for a note."""
        return self.kind in _REFUSED

    @property
    def sentence(self) -> str:
        """What is wrong, with the fact and its source."""
        return f"{_MEANS[self.kind]} ({self.fact}; source: {self.source})"


KNOWN_ISSUES = Table("known_issues", KnownIssue, key=("clip_id", "kind"))


def known_issues(clip_id: str) -> tuple[KnownIssue, ...]:
    """All that the registry says of one clip.

    Args:
        clip_id: One rendering of a take: `cremad/stem`, `cremad/stem.mp3` and `cremad/stem.wav` are
            three.

    Returns:
        Its lines, in the order of the table.
    """
    return registry().get(clip_id, ())


def apply_known_issues(found: Iterable[Found], ignore: Collection[str] = ()) -> list[Found]:
    """Refuses the clips that the registry lists as bad, with Reason.KNOWN_BAD and the source.

    A clip that is refused already keeps its reason, but for a name that the corpus does not know:
    of that the registry says more.

    Args:
        found: Clips of a scan.
        ignore: Ids of clips, or names of corpora, that are taken as they are, say because a lab has
            mended its copy.

    Returns:
        The same clips in the same order.

    Raises:
        UnknownIssue: `ignore` names what the registry does not refuse, so that a misspelt exception
            is noticed.
    """
    _check(ignore)
    return [_apply(one, ignore) for one in found]


def _check(ignore: Collection[str]) -> None:
    bad = {issue.clip_id for issues in registry().values() for issue in issues if issue.is_bad}
    unknown = sorted(set(ignore) - bad - {clip_id.partition("/")[0] for clip_id in bad})
    if unknown:
        raise UnknownIssue(
            f"the registry of known-bad files does not refuse {unknown[0]!r}; name a clip such as "
            f"{min(bad)}, or a corpus"
        )


def _apply(found: Found, ignore: Collection[str]) -> Found:
    clip = found.clip
    bad = [issue.sentence for issue in known_issues(clip.clip_id) if issue.is_bad]
    if not bad or _is_settled(found) or clip.clip_id in ignore or clip.corpus in ignore:
        return found
    return replace(found, bad=BadClip(clip.clip_id, Reason.KNOWN_BAD, "; ".join(bad)))


def _is_settled(found: Found) -> bool:
    return found.bad is not None and found.bad.reason != Reason.UNKNOWN_NAME


@cache
def registry() -> Mapping[str, tuple[KnownIssue, ...]]:
    """The registry: clip_id -> its lines, in the order of the table."""
    by_clip: dict[str, tuple[KnownIssue, ...]] = {}
    for file in sorted(files("manifests.corpora").iterdir(), key=lambda file: file.name):
        if file.name.endswith("_known_issues.csv"):
            for row in csv.DictReader(file.read_text(encoding="utf-8").splitlines()):
                issue = KnownIssue(row["clip_id"], Kind(row["kind"]), row["fact"], row["source"])
                by_clip[issue.clip_id] = (*by_clip.get(issue.clip_id, ()), issue)
    return MappingProxyType(by_clip)
