"""Who is to be forgotten: a subject or a clip, and all that a store knows of it."""

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from manifests.clips import CLIPS, Clip
from manifests.corpora.base import Identity
from manifests.corpora.catalog import CORPORA
from manifests.quarantine import QUARANTINE
from manifests.suggestions import did_you_mean
from manifests.table import Table, WrongTable
from stores.forgotten import Forgotten, content_of, ids_in_name
from stores.location import Location
from stores.pointer import NotCommitted, WrongSnapshot, json_text
from stores.snapshot import Row, Snapshot, read_rows, read_snapshot

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
    contents: frozenset[str] = frozenset()
    """What the clips hold, in any snapshot, and no other clip does; whole files among them."""
    is_there: bool = False
    """Whether the newest snapshot has one of the clips."""
    unread: int = 0
    """Refused files that stay: their names say nothing, and nobody has read what they hold."""

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
        subjects = [self.id] if self.kind == SUBJECT else []
        return self.before.also(subjects, self.clip_ids, self.contents)

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

    def cut(self, text: str) -> str:
        """Takes out of a path whatever may name who goes: ids with their corpus or without it.

        Args:
            text: The path, or a sentence with it.

        Returns:
            The text with other words in their place; also where they stand there by chance.
        """
        return self._anywhere.sub("(forgotten)", text)

    @cached_property
    def _anywhere(self) -> re.Pattern[str]:
        short = {one.partition("/")[2] for one in self.texts} - {""}
        each = "|".join(
            map(re.escape, sorted(self.texts | short, key=lambda one: (-len(one), one)))
        )
        return re.compile(rf"(?<![A-Za-z0-9])(?:{each})(?![A-Za-z0-9])")

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
    every = _rows(location, snapshots, CLIPS)
    clips = {clip.clip_id: clip for clip in reversed(every)}
    naming: dict[str, str] = {}
    for row in _rows(location, snapshots, QUARANTINE):
        naming[row.clip_id] = f"{naming.get(row.clip_id, '')}\n{row.detail}"
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
    refused = [clips[clip_id] for clip_id in naming if clip_id in clips and clip_id not in its]
    its |= {one.clip_id: one for one in _copies(refused, kind, full, its, naming)}
    its |= {one.clip_id: one for one in _of_nobody_else([*clips.values()], every, its)}
    goes = [clip for clip in every if clip.clip_id in its]
    stays = [clip for clip in every if clip.clip_id not in its]
    contents = frozenset(_contents(goes) - _contents(stays))
    is_there = any(clip.clip_id in its for clip in read_rows(location, newest, CLIPS))
    in_order = tuple(its[clip_id] for clip_id in sorted(its))
    others = (clip for clip in refused if clip.clip_id not in its)
    unread = sum(not one.sha256 and _id_of(one, SUBJECT) == "" for one in others)
    return ForgetTarget(kind, full, in_order, before, contents, is_there, unread)


def _rows(location: Location, snapshots: Sequence[Snapshot], table: Table[Row]) -> list[Row]:
    """The rows of a table in all snapshots, the newest first; each file is read once."""
    found: list[Row] = []
    seen: set[str] = set()
    for one in reversed(snapshots):
        file = one.tables[table.name].file
        if file not in seen:
            seen.add(file)
            with suppress(WrongTable):  # it was removed by a run that was interrupted
                found += read_rows(location, one, table)
    return found


def _contents(clips: Iterable[Clip]) -> set[str]:
    """What clips hold, and the whole files that they lie in."""
    return {text for clip in clips for text in (clip.sha256, content_of(clip)) if text}


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
    identity = _by_name(clip)
    return identity.subject_id if identity else None


def _by_name(clip: Clip) -> Identity | None:
    corpus = CORPORA.get(clip.corpus)
    return corpus.identify(clip.path) if corpus else None


def _copies(
    refused: Iterable[Clip],
    kind: str,
    full: str,
    its: Mapping[str, Clip],
    naming: Mapping[str, str],
) -> Iterator[Clip]:
    """Refused files that are theirs all the same: the second copy of a clip; and of those whose
    name says nothing, one that holds what a clip of theirs holds, or whose name or fault has its
    id."""
    pattern = _pattern([full, *its])
    holds = {clip.sha256 for clip in its.values()} - {""}
    for clip in refused:
        identity = _by_name(clip)
        if identity is not None or clip.subject_id:
            is_copy = kind == CLIP and identity is not None and identity.clip_id == full
        elif clip.sha256 in holds or pattern.search(naming[clip.clip_id]):
            is_copy = True
        else:
            has_rule = clip.corpus in CORPORA and CORPORA[clip.corpus].has_own_names
            is_copy = has_rule and any(one in its for one in ids_in_name(clip))
        if is_copy:
            yield clip


def _of_nobody_else(
    clips: Iterable[Clip], every: Iterable[Clip], its: Mapping[str, Clip]
) -> Iterator[Clip]:
    """Clips that hold, byte for byte, what theirs do and nobody else's: such as a copy in a folder
    that names nobody."""
    owners = {_id_of(clip, SUBJECT) for clip in its.values()} | {""}
    others = {content_of(clip) for clip in every if _id_of(clip, SUBJECT) not in owners}
    holds = {content_of(clip) for clip in every if clip.clip_id in its} - others - {""}
    for clip in clips:
        if content_of(clip) in holds and _id_of(clip, SUBJECT) in owners:
            yield clip


def _pattern(texts: Iterable[str]) -> re.Pattern[str]:
    """Finds ids that stand by themselves in a text."""
    return re.compile(rf"(?<![\w-])(?:{_any(texts)})(?![\w-])")


def _any(texts: Iterable[str]) -> str:
    return "|".join(map(re.escape, sorted(texts, key=lambda one: (-len(one), one))))


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
