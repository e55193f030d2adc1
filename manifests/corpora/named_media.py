"""Corpora whose files are scanned by nothing but the names of their paths."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import ClassVar

from manifests.clips import Clip
from manifests.corpora.base import INTENDED, Found, Identity, clip_of, refused
from manifests.corpora.media_files import AUDIO_SUFFIXES, MediaFile, list_media
from manifests.corpora.naming import NamedCorpus
from manifests.labels import Label
from manifests.quarantine import Reason


@dataclass(frozen=True, eq=False, kw_only=True)
class NamedMediaCorpus(NamedCorpus):
    """A corpus whose clips are files, named by its rule.

    - `clip_id` is the corpus and the name; of sound alone it ends in the suffix, whatever other
      files there are. `take_id` is without it: a video and its sound are renderings of one take.
    - A name that the corpus cannot contain is a refused clip (unknown_name), with its path as its
      id.
    - Where several files have one id, the clip is the one with a published suffix, then the one in
      the fewest folders, then the first by path. Each other is a refused clip (duplicate), with its
      path as its id.
    """

    reads_media: ClassVar[bool] = True
    example: str
    """Where a clip of the corpus lies, for messages."""
    suffixes: tuple[str, ...]
    """In which the clips are published."""

    def find(self, root: Path) -> Iterator[Found]:
        """Finds all clips below a folder, in any order; see `scan`.

        Args:
            root: The corpus's folder.

        Yields:
            The clips.
        """
        named: list[tuple[Identity, MediaFile]] = []
        for file in list_media(root, self.name):
            identity = None if file.fault else self.identify(file.path)
            if identity:
                named.append((identity, file))
                continue
            unknown = f"the path is {file.path!r}; expected one such as {self.example}"
            yield refused(self.name, file, *(file.fault or (Reason.UNKNOWN_NAME, unknown)))
        named.sort(key=lambda one: (one[0].clip_id, one[1].rank(*self.suffixes)))
        for clip_id, files in groupby(named, key=lambda one: one[0].clip_id):
            (identity, file), *copies = files
            clip = clip_of(identity, self.name, file.path)
            yield Found(clip, tuple(self.labels(clip, identity)))
            sentence = f"a second file of the clip {clip_id}, which is {file.path}"
            for _, copy in copies:
                yield refused(self.name, copy, Reason.DUPLICATE, sentence)

    def identify(self, name: str) -> Identity | None:
        identity = super().identify(name)
        suffix = "." + name.rpartition(".")[2].lower()
        if identity is None or suffix not in AUDIO_SUFFIXES:
            return identity
        return replace(identity, clip_id=identity.clip_id + suffix)

    def labels(self, clip: Clip, identity: Identity) -> Iterable[Label]:
        """The labels that the name holds.

        Args:
            clip: The clip.
            identity: What its name says.

        Returns:
            The emotion that was to be shown, where the name says it.
        """
        label = Label(clip.clip_id, self.label_schemes[0], INTENDED, identity.label or "")
        return (label,) if identity.label else ()
