"""Who is to be forgotten: a subject or a clip, and all that a store knows of it."""

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from manifests.clips import CLIPS, Clip
from manifests.corpora.catalog import CORPORA
from manifests.quarantine import QUARANTINE
from manifests.suggestions import did_you_mean
from manifests.table import WrongTable
from stores.forgotten import Forgotten
from stores.location import Location
from stores.pointer import NotCommitted, WrongSnapshot, json_text
from stores.snapshot import Snapshot, read_rows, read_snapshot

SUBJECT, CLIP = "subject", "clip"
_MOST_NAMED = 40


class ForgetError(ValueError):
    """Nothing can be forgotten; the message says why and what to do."""


@dataclass(frozen=True)
class ForgetTarget:
    """A subject or a clip that is to be forgotten."""

    kind: str
    """SUBJECT or CLIP."""
    id: str
    """In full: `corpus/subject` or `corpus/stem`."""
    clips: tuple[Clip, ...]
    """All that any snapshot still has, by id: files that were refused are among them."""
    before: Forgotten
    """Those that were forgotten before, with the salt of the store."""

    @property
    def clip_ids(self) -> frozenset[str]:
        """The ids of the clips."""
        return frozenset(clip.clip_id for clip in self.clips)

    @property
    def texts(self) -> frozenset[str]:
        """All ids."""
        return self.clip_ids | {self.id}

    @property
    def sha256(self) -> str:
        """The salted hash of the id."""
        return self.before.hash(self.id)

    @property
    def is_known(self) -> bool:
        """Whether the newest snapshot has forgotten it."""
        return self.sha256 in (self.before.subjects if self.kind == SUBJECT else self.before.clips)

    @property
    def forgotten(self) -> Forgotten:
        """Those that are forgotten with it."""
        return self.before.also([self.id] if self.kind == SUBJECT else [], self.clip_ids)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return _pattern(self.texts)

    def is_in(self, text: str) -> bool:
        """Whether a text has one of the ids in it.

        Args:
            text: Any text.

        Returns:
            True where it has; `corpus/01` is not in `corpus/01-02`.
        """
        return self._pattern.search(text) is not None

    def scrub(self, text: str) -> str:
        """Takes the ids out of a text.

        Args:
            text: Such as what is wrong with another file.

        Returns:
            The text with other words in their place.
        """
        return self._pattern.sub("(forgotten)", text)

    def named(self, text: str) -> bool:
        """Whether a text is one of the ids, with its corpus or without, or a path.

        Args:
            text: Such as a value of a condition.

        Returns:
            True where it is.
        """
        corpus = self.id.partition("/")[0]
        paths = {clip.path for clip in self.clips}
        return bool({text, f"{corpus}/{text}"} & self.texts) or text in paths


def all_snapshots(location: Location, files: Collection[str]) -> list[Snapshot]:
    """Reads every snapshot that lies in a store, published or not, as far as it can be read.

    Args:
        location: Where the store lies.
        files: Every file of it.

    Returns:
        The snapshots, oldest first.
    """
    found = []
    for file in sorted(files):
        number = file.removeprefix("snapshots/").removesuffix(".json")
        if file.startswith("snapshots/") and number.isdecimal():
            try:
                found.append(read_snapshot(location, int(number)))
            except (NotCommitted, WrongSnapshot):
                continue  # it is removed like the others
    return found


def find_target(
    location: Location, newest: Snapshot, snapshots: Sequence[Snapshot], kind: str, name: str
) -> ForgetTarget:
    """Finds whom a name means.

    Args:
        location: Where the store lies.
        newest: Its newest snapshot.
        snapshots: All that lie there.
        kind: SUBJECT or CLIP.
        name: The id, in full or without its corpus.

    Returns:
        The subject or clip; without clips, where the store has forgotten it before.

    Raises:
        ForgetError: The store knows nobody of this name, or several.
    """
    before = newest.forgotten or Forgotten(_salt(newest), (), ())
    clips: dict[str, Clip] = {}
    naming: dict[str, str] = {}
    for one in snapshots:
        try:
            clips |= {clip.clip_id: clip for clip in read_rows(location, one, CLIPS)}
            naming |= {row.clip_id: row.detail for row in read_rows(location, one, QUARANTINE)}
        except WrongTable:
            continue  # it was removed by a run that was interrupted
    known = {_id_of(clip, kind) for clip in clips.values()} - {""}
    corpora = {*CORPORA, *(clip.corpus for clip in clips.values())}
    full = _full(name, known, corpora, before, kind)
    if full is None:
        shown = sorted(known)
        more = f" and {len(shown) - _MOST_NAMED} more" if len(shown) > _MOST_NAMED else ""
        raise ForgetError(
            f"{location} has no {kind} {name!r}; {did_you_mean(name, shown)}"
            f"there are {', '.join(shown[:_MOST_NAMED])}{more}"
        )
    its = {one.clip_id: one for one in clips.values() if _id_of(one, kind) == full}
    if kind == SUBJECT:
        pattern = _pattern([full, *its])
        its |= {one.clip_id: one for one in clips.values() if _is_meant(one, pattern, naming)}
    return ForgetTarget(kind, full, tuple(its[clip_id] for clip_id in sorted(its)), before)


def _salt(snapshot: Snapshot) -> str:
    """Of a store that has none yet: a function of what it holds, so that a run that was killed and
    the next one agree."""
    return hashlib.sha256(b"salt\0" + json_text(snapshot)).hexdigest()[:32]


def _id_of(clip: Clip, kind: str) -> str:
    """The subject that a clip is of, or its own id; a refused file is of whom its name says."""
    return clip.clip_id if kind == CLIP else clip.subject_id or subject_by_name(clip) or ""


def subject_by_name(clip: Clip) -> str | None:
    """Finds who would speak in a file that was refused, by its name.

    Args:
        clip: The file.

    Returns:
        The subject; None where the name does not say.
    """
    corpus = CORPORA.get(clip.corpus)
    identity = corpus.identify(clip.path) if corpus else None
    return identity.subject_id if identity else None


def _is_meant(clip: Clip, pattern: re.Pattern[str], naming: Mapping[str, str]) -> bool:
    """A refused file of nobody whose fault names a clip of the subject, such as its second copy."""
    detail = naming.get(clip.clip_id, "")
    return _id_of(clip, SUBJECT) == "" and pattern.search(detail) is not None


def _pattern(texts: Iterable[str]) -> re.Pattern[str]:
    """Finds ids that stand by themselves in a text."""
    each = "|".join(map(re.escape, sorted(texts, key=lambda one: (-len(one), one))))
    return re.compile(rf"(?<![\w-])(?:{each})(?![\w-])")


def _full(
    name: str, known: Iterable[str], corpora: Iterable[str], before: Forgotten, kind: str
) -> str | None:
    """The one id that a name means; None where there is none."""
    ids = {one for one in known if one == name or one.partition("/")[2] == name}
    if name in ids:
        return name
    has = before.has_subject if kind == SUBJECT else before.has_clip
    # Those who were forgotten by this name count: the same command must never mean somebody else.
    ids |= {one for one in (name, *(f"{each}/{name}" for each in corpora)) if has(one)}
    if len(ids) > 1:
        raise ForgetError(f"{name!r} may be {' or '.join(sorted(ids))}; give one of these in full")
    return ids.pop() if ids else None
