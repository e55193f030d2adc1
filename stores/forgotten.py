"""Whom a store has forgotten: salted hashes, by which a build knows them again and leaves them out.

Ids of a corpus can be guessed one by one, and the salt stands beside the hashes: they keep a name
from being read, not from being tried. So it is with what files hold: whoever has a file can see
whether it was forgotten.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from manifests.choice import Choice
from manifests.clips import Clip
from manifests.conditions import Condition
from manifests.features import Json
from stores.pointer import LEFT_OUT

Named = Callable[[str], bool]
"""Whether a text is the name of what was forgotten."""


@dataclass(frozen=True)
class Forgotten:
    """Those that were taken out of a store."""

    salt: str
    subjects: tuple[str, ...]
    """Salted sha256 of each `corpus/subject`, sorted."""
    clips: tuple[str, ...]
    """Salted sha256 of each clip id, sorted."""
    contents: tuple[str, ...] | None = field(default=None, metadata={LEFT_OUT: True})
    """Salted sha256 of each `content_of` a clip that no other clip of the store has, sorted: a copy
    is known by it, whatever its name. None: an older version has forgotten them by name alone."""

    def hash(self, text: str) -> str:
        """Hashes an id as it is kept here.

        Args:
            text: The id of a subject or a clip.

        Returns:
            64 hex digits.
        """
        return salted(self.salt, text)

    def has_subject(self, subject_id: str | None) -> bool:
        """Whether a subject was forgotten.

        Args:
            subject_id: `corpus/subject`; None where nobody knows.

        Returns:
            True where it was.
        """
        return subject_id is not None and self.hash(subject_id) in self.subjects

    def has_clip(self, clip_id: str) -> bool:
        """Whether a clip was forgotten, by itself or with its subject.

        Args:
            clip_id: Its id.

        Returns:
            True where it was.
        """
        return self.hash(clip_id) in self._clips

    @cached_property
    def _clips(self) -> frozenset[str]:
        return frozenset(self.clips)

    @cached_property
    def _contents(self) -> frozenset[str]:
        return frozenset(self.contents or ())

    def has_content(self, content: str) -> bool:
        """Whether what a clip holds was forgotten, by whatever name.

        Args:
            content: As of `content_of`, or the sha256 of a whole file; empty where nobody knows.

        Returns:
            True where it was.
        """
        return bool(content) and self.hash(content) in self._contents

    def has(self, clip: Clip) -> bool:
        """Whether a clip was forgotten: it, whoever speaks in it, or what it holds.

        Args:
            clip: The clip.

        Returns:
            True where one of these was.
        """
        is_named = self.has_clip(clip.clip_id) or self.has_subject(clip.subject_id)
        return is_named or self.has_content(content_of(clip))

    def names(self, text: str, corpora: Iterable[str]) -> bool:
        """Whether a text names what was forgotten, with its corpus or without.

        Args:
            text: Such as a value of a condition.
            corpora: The corpora that it may be of.

        Returns:
            True where it does.
        """
        ids = (text, *(f"{corpus}/{text}" for corpus in corpora))
        return any(self.has_subject(one) or self.has_clip(one) for one in ids)

    def also(
        self, subjects: Iterable[str], clips: Iterable[str], contents: Iterable[str] = ()
    ) -> "Forgotten":
        """Adds some that are forgotten.

        Args:
            subjects: Their ids.
            clips: Ids of clips.
            contents: What the clips hold, and nobody else's.

        Returns:
            Those of before and these.
        """
        return Forgotten(
            self.salt,
            tuple(sorted({*self.subjects, *map(self.hash, subjects)})),
            tuple(sorted({*self.clips, *map(self.hash, clips)})),
            tuple(sorted({*self._contents, *map(self.hash, contents)})),
        )


def content_of(clip: Clip) -> str:
    """Says what a clip holds: the bytes of its file, and which part of them it is.

    Args:
        clip: The clip.

    Returns:
        As `content_text`.
    """
    return content_text(clip.sha256, clip.start_s, clip.end_s, clip.region)


def content_text(
    sha256: str, start_s: float | None, end_s: float | None, region: str | None
) -> str:
    """Says what a clip holds.

    Args:
        sha256: Of its file; empty where that was not read.
        start_s: Where the clip begins in it; None: it is all of the file.
        end_s: Where it ends.
        region: The part of the frame.

    Returns:
        The sha256 alone of a whole file; with its part otherwise: two who speak in one file have
        two contents. Empty where the file was not read.
    """
    part = (start_s, end_s, region)
    if not sha256 or part == (None, None, None):
        return sha256
    return " ".join([sha256, *map(str, part)])


def ids_in_name(clip: Clip) -> tuple[str, ...]:
    """Finds what may be ids of clips in the name of a file that its corpus cannot read.

    Args:
        clip: The file.

    Returns:
        `corpus/word` for each word of the name, such as of `copy of 03-01-05-01-01-01-12 (1).mp4`.
    """
    words = _WORD.findall(clip.path.rpartition("/")[2])
    return tuple(f"{clip.corpus}/{word}" for word in words)


_WORD = re.compile(r"[\w-]+")


def salted(salt: str, text: str) -> str:
    """Hashes an id.

    Args:
        salt: Of the store.
        text: The id.

    Returns:
        64 hex digits.
    """
    return hashlib.sha256(f"{salt}\0{text}".encode(errors="surrogateescape")).hexdigest()


def without_names(conditions: Iterable[str], named: Named) -> tuple[str, ...]:
    """Takes names out of conditions that choose clips.

    Args:
        conditions: Each as text.
        named: Whether a value is to be taken out.

    Returns:
        The conditions that are left; one that has lost every value is not.

    Raises:
        WrongChoice: One is no condition.
    """
    left = []
    for one in map(Condition.parse, conditions):
        values = frozenset(value for value in one.values if not named(value))
        if values or not one.values:
            left.append(Condition(one.column, values, one.low, one.high, one.is_not).text)
    return Choice.of(left).texts


def recipe_without(recipe: Mapping[str, Json], named: Named) -> dict[str, Json]:
    """Takes names out of a recipe as a snapshot has it.

    Args:
        recipe: The recipe.
        named: Whether a text is to be taken out.

    Returns:
        The same recipe with other clips chosen, where that named some.
    """
    found = dict(recipe)
    if isinstance(clips := found.get("clips"), list):
        left = without_names(map(str, clips), named)
        if left:
            found["clips"] = list(left)
        else:
            del found["clips"]
    if isinstance(ignored := found.get("ignore_known_issues"), list):
        found["ignore_known_issues"] = [one for one in ignored if not named(str(one))]
    return found


_IDS = ("group_id", "take_id", "text_id", "session_id", "dialogue_id", "episode_id")
"""Columns of a clip in which a corpus may have put the id of somebody else."""


def clip_without(clip: Clip, named: Named) -> Clip:
    """Takes the id of somebody else out of a clip.

    Args:
        clip: A clip that stays.
        named: Whether an id is to be taken out.

    Returns:
        The clip, with its own subject and id where a group or a take bore that name.
    """
    gone = {name for name in _IDS if (text := getattr(clip, name)) and named(text)}
    own = {"group_id": clip.subject_id, "take_id": clip.clip_id}
    changes: dict[str, Any] = {name: own.get(name) for name in gone}
    return replace(clip, **changes) if gone else clip
