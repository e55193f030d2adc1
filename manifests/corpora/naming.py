"""Corpora that are known by the names of their clips: a pattern, and what its parts mean."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from string import Formatter
from typing import ClassVar

from manifests.audits import Severity
from manifests.corpora.base import Corpus, Found, Identity, file_name
from manifests.corpora.population import Population

ACTED = {
    "anger": "angry",
    "fear": "fearful",
    "happiness": "happy",
    "joy": "happy",
    "sadness": "sad",
    "surprise": "surprised",
    "disgusted": "disgust",
    "neutrality": "neutral",
}
"""Other words for the emotions that most corpora have."""

SEXES = {"f": "female", "m": "male", "w": "female"}
"""First letter of a code -> sex."""

_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,4}$")


class NoMediaParser(ValueError):
    """A corpus is known by its names alone, and a store of its clips is asked for."""


class _NameParts(dict[str, str]):
    """Parts of a name by group; a group that took no part is empty."""

    def __missing__(self, key: str) -> str:
        return ""


@dataclass(frozen=True)
class NamingRule:
    """What the parts of a name mean.

    The groups of a pattern are the parts. Some mean the same in every corpus: `speaker`, `sex`,
    `emotion`, `session`, `dialogue`, `episode` and `series`; `video` is the recording that a clip
    is cut from. Forms such as `{speaker}_{emotion}{number}` put parts together.
    """

    patterns: tuple[str, ...]
    """Each matches a path without suffix, from the start of a folder's or the file's name to the
    end; the first that matches counts."""
    clip: str
    """Form of the clip's name, one for all patterns: the same for one clip however it is written.
    """
    emotions: Mapping[str, str] = field(default_factory=dict)
    """Code, in lower case -> value in the corpus's main label scheme."""
    sexes: Mapping[str, str] = field(default_factory=dict)
    """`sex` or else `speaker`, or its first letter, in lower case -> sex."""
    subject: str = "{speaker}"
    """Form of the speaker's name."""
    only_speaker: str = ""
    """Who speaks in every clip, where the corpus is of one person."""
    text: str = ""
    """Form of what names the words that are spoken, where the name does."""
    session: str = "{session}"
    dialogue: str = "{dialogue}"
    episode: str = "{episode}"
    series: str = "{series}"
    take: str = ""
    """Form of the performance's name; without it, the clip's."""
    group: str = ""
    """Form of what a split must keep together, where that is more than the speaker."""
    site: str = ""
    """The site whose ids `video` holds, where other corpora cut its videos too."""

    @cached_property
    def _compiled(self) -> tuple[re.Pattern[str], ...]:
        return tuple(re.compile(f"(?:.*/)?(?:{pattern})") for pattern in self.patterns)

    def read(self, path: str) -> Mapping[str, str] | None:
        """Reads a name.

        Args:
            path: A path without suffix, with forward slashes.

        Returns:
            Its parts; None where no pattern matches.
        """
        for pattern in self._compiled:
            if match := pattern.fullmatch(path):
                return _NameParts((key, part) for key, part in match.groupdict().items() if part)
        return None

    def identity(self, corpus: str, parts: Mapping[str, str]) -> Identity:
        """What the parts of a name say.

        Args:
            corpus: Name of the corpus.
            parts: As `read` gives them.

        Returns:
            The clip.
        """

        def named(form: str) -> str | None:
            filled = form.format_map(parts).rstrip("/") if form else ""
            return f"{corpus}/{filled}" if filled else None

        clip_id = named(self.clip) or ""
        subject = named(self.subject if "speaker" in parts else self.only_speaker)
        units = {field: named(form) for field, form in self._units.items()}
        video = parts.get("video")
        return Identity(
            clip_id,
            subject,
            named(self.group) or subject,
            named(self.take) or clip_id,
            sex=self._sex(parts.get("sex") or parts.get("speaker", "")),
            text_id=named(self.text),
            video_id=f"{self.site or corpus}/{video}" if video else None,
            label=self.emotions.get(parts.get("emotion", "").casefold()),
            **units,
        )

    @cached_property
    def _units(self) -> Mapping[str, str]:
        """Field of an identity -> its form, of those that the patterns can fill."""
        groups = {group for pattern in self._compiled for group in pattern.groupindex}
        forms = {
            "session_id": self.session,
            "dialogue_id": self.dialogue,
            "episode_id": self.episode,
            "series_id": self.series,
        }
        return {
            field: form
            for field, form in forms.items()
            if groups & {name for _, name, _, _ in Formatter().parse(form)}
        }

    def _sex(self, code: str) -> str | None:
        plain = code.casefold()
        return self.sexes.get(plain) or self.sexes.get(plain[:1])


@dataclass(frozen=True, eq=False, kw_only=True)
class NamedCorpus(Corpus):
    """A corpus by its naming rule alone, for the tables of others: no scan of its files."""

    reads_media: ClassVar[bool] = False
    licence: str = "Read by its names alone: the terms are those of its publisher."
    licence_source: str = ""
    withheld: str = "its publisher's terms are not known here"
    rule: NamingRule
    prefixes: tuple[str, ...] = ()
    """What tables of others put before the name, a hyphen between; the corpus's own name always."""
    label_schemes: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    """Words, in lower case, one of which the path of a clip or of its table holds where the name
    alone could be anything, such as a number of five digits."""

    def __post_init__(self) -> None:
        # Counts of others' lists: copies of the corpus may have some files more.
        if not self.reads_media:
            severities = {"L15": Severity.WARN, **self.severities}
            object.__setattr__(self, "severities", severities)

    def find(self, root: Path) -> Iterator[Found]:
        """Refuses: how the files lie is not known here.

        Args:
            root: The corpus's folder.

        Raises:
            NoMediaParser: Always.
        """
        raise NoMediaParser(
            f"of {self.name} the naming rule alone is known, for audits of tables; to build from "
            f"the media in {root}, name the folder as the corpus folder, with a labels.csv"
        )

    def identify(self, name: str) -> Identity | None:
        """What the naming rule says of a name.

        Args:
            name: A file name, a path or an id, with or without folders and suffix; also with the
                corpus's name and a hyphen before it, as the tables of EmoBox have it.

        Returns:
            What is known of the clip; None where the name breaks the rule.
        """
        parts = self.rule.read(plain_path(name, (self.name, *self.prefixes)))
        return None if parts is None else self.rule.identity(self.name, parts)

    def claims(self, name: str, where: str = "") -> bool:
        if self.marks and not self._marked.search(f"{where}/{name}".casefold()):
            return False
        return super().claims(name, where)

    @cached_property
    def _marked(self) -> re.Pattern[str]:
        """The marks, where they are words by themselves."""
        return re.compile(rf"(?<![a-z])(?:{'|'.join(map(re.escape, self.marks))})(?![a-z])")


def plain_path(name: str, prefixes: tuple[str, ...]) -> str:
    """A name as the patterns of naming rules have it.

    Args:
        name: A file name, a path or an id.
        prefixes: Words that may stand before the name with a hyphen.

    Returns:
        The path with forward slashes, without suffix and prefix.
    """
    folders, slash, _ = name.replace("\\", "/").rpartition("/")
    return folders + slash + _SUFFIX.sub("", file_name(name, *prefixes))


def counted(
    corpus: str,
    clips: Mapping[str, int],
    subjects: int,
    codes: Mapping[str, str],
    renderings: int = 1,
) -> Population:
    """The clips of a corpus, by label.

    Args:
        corpus: Name of the corpus.
        clips: Label -> clips.
        subjects: Who speaks or is shown.
        codes: Code in names -> label.
        renderings: Files that a clip is published in, at most.

    Returns:
        The population; cells of subjects are not counted.
    """
    others = {word: label for word, label in ACTED.items() if label in clips}
    aliases = {code: label for code, label in {**others, **codes}.items() if label in clips}
    return Population(corpus, clips, None, renderings, aliases, subjects=subjects)
