"""What every corpus is: its name, its terms, what is particular to it, and a scan of its files."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from manifests.audits import Severity
from manifests.clips import Clip, StreamKind
from manifests.corpora.media_files import AUDIO_SUFFIXES, MediaFile, left_out
from manifests.corpora.population import CorpusPart, Population
from manifests.label_maps import LabelSpace
from manifests.labels import Label
from manifests.quarantine import BadClip, Reason
from manifests.schemes.assignment import Scheme

INTENDED = "intended"
"""Annotator of what an actor was asked to show."""
VOTE = "vote"
"""Annotator of what the raters together chose."""
BY_CORPUS = "corpus"
"""Annotator of what the corpus states without saying who judged it."""

SOUND_ALONE = frozenset({StreamKind.PICTURES})
"""What a file of sound lacks."""
PICTURES_ALONE = frozenset({StreamKind.SOUND})
"""What a silent video lacks."""


@dataclass(frozen=True, slots=True)
class Found:
    """One clip as a scan finds it.

    `clip.sha256` is "" and `clip.bytes` 0 until the file is read.
    """

    clip: Clip
    labels: tuple[Label, ...]
    bad: BadClip | None = None
    """Why the clip is refused before its file is opened; None for a good name."""
    named: "Found | None" = None
    """The clip that a refused file would be by its name, with its labels; None where that is not
    known."""
    lacks: frozenset[StreamKind] = frozenset()
    """What the file never had, by the rule of its corpus."""


@dataclass(frozen=True)
class Identity:
    """What a corpus's naming rule, and its tables, say of one name without any file.

    Tables of others are read by it.
    """

    clip_id: str
    subject_id: str | None
    group_id: str | None
    take_id: str
    sex: str | None = None
    text_id: str | None = None
    """The sentence or script part that is spoken, `corpus/...`; equal for two clips with the same
    words."""
    session_id: str | None = None
    dialogue_id: str | None = None
    episode_id: str | None = None
    series_id: str | None = None
    """The television series, whose episodes share their actors."""
    video_id: str | None = None
    """The recording that the clip is cut from, where the name says it: whoever is in it is in its
    other clips too. Of corpora cut from one site's videos it is the site's id, `youtube/...`, so
    that it is one in all of them."""
    label: str | None = None
    """Value in the corpus's main label scheme, where the name holds it."""


@dataclass(frozen=True, eq=False)
class Corpus(ABC):
    """One corpus: its names, its labels, and all that is particular to it."""

    reads_media: ClassVar[bool] = True
    """It scans the files of its folder, so that a store can be built of them."""
    name: str
    """First part of every clip_id."""
    licence: str
    """The corpus's terms in a sentence."""
    label_schemes: tuple[str, ...]
    """Every scheme that its labels can bear, the main one first."""
    licence_source: str = ""
    """Where these terms are published."""
    withheld: str = "nobody has said under which terms its clips may be passed on"
    """The term by which pictures, sound and words are not passed on, in a sentence; empty where its
    licence lets anyone do so who keeps to it."""
    has_own_names: bool = True
    """The naming rule is its own, so that a name alone says that a clip is of this corpus."""
    shared_words: Mapping[str, str | None] = field(default_factory=dict)
    """Every value of the main label scheme -> the word that corpora share, or DROPPED; empty: it
    takes no part in the label spaces that corpora share."""
    label_spaces: tuple[LabelSpace, ...] = ()
    """The label spaces of this corpus alone."""
    text_shared: str = "say a sentence"
    """What clips do that share a text_id, in words."""
    world: str = ""
    """What it shows that other corpora show too, such as a series: people and episodes of one world
    are the same in all of them."""
    population: Population | None = None
    """How many clips of each class there are; None where nobody has counted."""
    severities: Mapping[str, Severity] = field(default_factory=dict)
    """Audit rule -> how grave a finding is, where that differs from the rule's own."""
    schemes: tuple[Scheme, ...] = ()
    """Splits of this corpus that others published."""
    own_files: tuple[str, ...] = ()
    """The files that it reads besides the clips, as patterns of paths below its folder; `*` stands
    for any characters, slashes too."""

    def scan(self, root: Path) -> list[Found]:
        """Lists all clips below a folder by their names; opens no media file.

        Args:
            root: The corpus's folder.

        Returns:
            The clips, sorted by clip_id, which is unique.

        Raises:
            CorpusNotFound: There is no such folder.
            EmptyCorpus: No media file is below it.
            CorpusUnreadable: A folder cannot be listed.
        """
        found = (
            one if one.bad else replace(one, lacks=self.lacks(one.clip.path))
            for one in self.find(root)
        )
        return sorted(found, key=lambda one: one.clip.clip_id)

    def lacks(self, path: str) -> frozenset[StreamKind]:
        """Says what a file of the corpus never had: none of it is missed where it is not there.

        Args:
            path: Of the file, below the corpus root.

        Returns:
            The streams; by its type alone, a file of sound never had pictures.
        """
        suffix = "." + path.rpartition(".")[2].lower()
        return SOUND_ALONE if suffix in AUDIO_SUFFIXES else frozenset()

    @abstractmethod
    def find(self, root: Path) -> Iterable[Found]:
        """Finds all clips below a folder, in any order; see `scan`.

        Args:
            root: The corpus's folder.

        Returns:
            The clips.
        """

    def left_out(self, root: Path, listed: Iterable[Found]) -> Counter[str]:
        """Counts the files below a folder that are neither listed nor read, but for hidden ones.

        Args:
            root: The corpus's folder.
            listed: What `scan` found in it.

        Returns:
            Suffix in lower case with its dot, "" for none -> files.
        """
        return left_out(root, {found.clip.path for found in listed}, self.own_files)

    @abstractmethod
    def identify(self, name: str) -> Identity | None:
        """What the naming rule says of a name.

        Args:
            name: A file name, a path or an id, with or without folders and suffix.

        Returns:
            What is known of the clip; None where the name breaks the rule.
        """

    def claims(self, name: str, where: str = "") -> bool:
        """Says whether a name alone says that the clip is of this corpus.

        Args:
            name: A file name, a path or an id.
            where: The path of the table that has the name.

        Returns:
            True where the name follows a naming rule that is the corpus's own.
        """
        return self.has_own_names and self.identify(name) is not None

    def about_list(self, clip_ids: Collection[str]) -> str | None:
        """Says which of the lists that papers use some clips are.

        Args:
            clip_ids: Their ids, each once.

        Returns:
            A sentence; None where there is nothing to say.
        """
        return None

    def part(self, part: CorpusPart) -> Population | None:
        """Counts the clips of a part of the corpus.

        Args:
            part: The part.

        Returns:
            The clips, as files; None for a corpus without filters.

        Raises:
            UnknownFilter: A filter is not among the corpus's own.
        """
        return None

    def named_parts(self) -> Mapping[str, CorpusPart]:
        """Parts of the corpus that papers use, in words -> the part."""
        return {}

    def with_silent(self, part: CorpusPart) -> CorpusPart | None:
        """Adds the renderings without sound to a part.

        Args:
            part: A part of the corpus.

        Returns:
            The larger part; None where there are no such renderings, or they are in it already.
        """
        return None


def clip_of(identity: Identity, corpus: str, path: str) -> Clip:
    """The clip that a file is, as a scan gives it: not yet read, and so without hash and size.

    Args:
        identity: What its name says.
        corpus: Name of the corpus.
        path: Of the file, below the corpus root.

    Returns:
        The clip.
    """
    no_column = ("series_id", "video_id", "label")
    facts = {name: value for name, value in vars(identity).items() if name not in no_column}
    return Clip(**facts, corpus=corpus, path=path, sha256="", bytes=0)


def file_name(name: str, *prefixes: str) -> str:
    """The last part of a path.

    Args:
        name: A path with slashes of either kind.
        *prefixes: Names of the corpus, which some tables put before the file's with a hyphen.

    Returns:
        The file's name, with its suffix and without these.
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    for prefix in prefixes:
        last = last.removeprefix(f"{prefix}-")
    return last


def refused(
    corpus: str, file: MediaFile, reason: Reason, detail: str, named: Found | None = None
) -> Found:
    """A file that is no clip of the corpus.

    Args:
        corpus: Name of the corpus.
        file: The file.
        reason: Why it is refused.
        detail: The same in a sentence.
        named: The clip that it would be by its name, which says whether it is a chosen one.

    Returns:
        A refused clip. Its id is the full path, suffix included, so that it meets no clip's id.
    """
    clip_id = f"{corpus}/{file.path}"
    clip = clip_of(Identity(clip_id, None, None, clip_id), corpus, file.path)
    return Found(clip, (), BadClip(clip_id, reason, detail), named)
