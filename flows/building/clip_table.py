"""What the corpora hold now, as tables: a scan of millions of clips is never a list of as many
objects."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from manifests.clips import CLIPS, Clip
from manifests.corpora.base import Found
from manifests.labels import LABELS
from manifests.quarantine import BadClip

_STEP = 1 << 14


@dataclass(frozen=True)
class Scan:
    """Every clip of the corpora, hashed and probed, and its labels."""

    roots: Mapping[str, Path]
    """Corpus -> its folder."""
    clips: pa.Table
    """CLIPS"""
    labels: pa.Table
    """LABELS"""
    bad: Mapping[str, BadClip]
    """Clips that are refused before any decoding."""

    @classmethod
    def of(cls, roots: Mapping[str, Path], found: Iterable[Found]) -> "Scan":
        gathering = Gathering()
        gathering.add(found)
        return gathering.end(roots)

    def sharing(self, held: pa.Table) -> "Scan":
        """The same; where a table of clips holds the same ones, with that table, so that they are
        there once."""
        return replace(self, clips=held) if self.clips.equals(held) else self

    def path(self, clip: Clip) -> Path:
        return self.roots[clip.corpus] / clip.path


class Gathering:
    """Clips as they are found, in any order and number, on their way into a Scan."""

    def __init__(self) -> None:
        self._waiting: list[Found] = []
        self._clips: list[pa.Table] = [CLIPS.build([])]
        self._labels: list[pa.Table] = [LABELS.build([])]
        self._bad: dict[str, BadClip] = {}

    def add(self, found: Iterable[Found]) -> None:
        for one in found:
            self._waiting.append(one)
            if one.bad is not None:
                self._bad[one.clip.clip_id] = one.bad
            if len(self._waiting) == _STEP:
                self._put_away()

    def end(self, roots: Mapping[str, Path]) -> Scan:
        """WrongTable when two clips have one id."""
        self._put_away()
        clips, labels = (
            CLIPS.arrange(pa.concat_tables(self._clips)),
            LABELS.arrange(pa.concat_tables(self._labels)),
        )
        return Scan(dict(roots), clips, labels, self._bad)

    def _put_away(self) -> None:
        self._clips.append(CLIPS.unsorted(one.clip for one in self._waiting))
        self._labels.append(LABELS.unsorted(label for one in self._waiting for label in one.labels))
        self._waiting.clear()
