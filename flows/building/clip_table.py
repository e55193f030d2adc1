"""What the corpora hold now, as tables: a scan of millions of clips is never a list of objects."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flows.errors import BuildError
from manifests.clips import CLIPS, Clip, StreamKind
from manifests.columns import positions
from manifests.corpora.catalog import CORPORA, Found, with_media
from manifests.corpora.known_issues import apply_known_issues
from manifests.labels import LABELS
from manifests.quarantine import BadClip, Reason
from manifests.suggestions import did_you_mean

_STEP = 1 << 14


def list_clips(corpora: Mapping[str, Path], ignored_issues: Collection[str] = ()) -> list[Found]:
    """Lists every clip of every corpus by its file name alone.

    Args:
        corpora: Name of a corpus -> its folder.
        ignored_issues: Corpora or clips whose files are taken though they are known to be bad.

    Returns:
        The clips in the order of ids; files that are known to be bad are refused.

    Raises:
        BuildError: There is no such corpus, or no file of one follows its naming rule.
        NoMediaParser: Of a corpus the naming rule alone is known.
    """
    found: list[Found] = []
    for name, root in sorted(corpora.items()):
        if name not in CORPORA:
            known = with_media()
            hint = did_you_mean(name, known)
            raise BuildError(f"there is no corpus {name!r}; {hint}there are {', '.join(known)}")
        scanned = CORPORA[name].scan(root)
        _refuse_foreign_names(name, root, scanned)
        found += scanned
    return apply_known_issues(sorted(found, key=lambda one: one.clip.clip_id), ignored_issues)


def _refuse_foreign_names(name: str, root: Path, found: Sequence[Found]) -> None:
    """BuildError where no file follows the naming rule: most often it is another corpus."""
    reasons = {one.bad.reason if one.bad else None for one in found}
    if None in reasons or Reason.UNKNOWN_NAME not in reasons:
        return
    strange = [one for one in found if one.bad and one.bad.reason is Reason.UNKNOWN_NAME]
    paths = [one.clip.path for one in strange[:_MOST_LOOKED_AT]]
    claimed = Counter(
        other.name
        for other in CORPORA.values()
        for path in paths
        if other.name != name and other.claims(path, str(root))
    )
    [(likely, count)] = claimed.most_common(1) or [("", 0)]
    if 2 * count > len(paths):
        way = likely if CORPORA[likely].reads_media else "folder"
        hint = f"these look like {likely}, so give --corpus {way}={root}"
    else:
        hint = f"give the corpus that they are of, or --corpus folder={root} for clips of your own"
    first = strange[0].bad
    raise BuildError(
        f"none of the {len(found)} media files in {root} follows the naming rule of {name} "
        f"({first.detail if first else ''}); {hint}"
    )


_MOST_LOOKED_AT = 300


def left_out(corpora: Mapping[str, Path], listed: Collection[Found]) -> Counter[str]:
    """Counts the files of all corpora that are no clip of theirs and no table.

    Args:
        corpora: Name of a corpus -> its folder.
        listed: What `list_clips` found in them.

    Returns:
        Suffix in lower case with its dot, "" for none -> files.
    """
    others: Counter[str] = Counter()
    for name, root in corpora.items():
        own = (found for found in listed if found.clip.corpus == name)
        others += CORPORA[name].left_out(root, own)
    return others


@dataclass(frozen=True)
class ClipTable:
    """Every clip of the corpora, hashed and probed, and its labels."""

    roots: Mapping[str, Path]
    """Corpus -> its folder."""
    clips: pa.Table
    """CLIPS"""
    labels: pa.Table
    """LABELS"""
    bad: Mapping[str, BadClip]
    """Clips that are refused before any decoding, by id."""
    lacks: Mapping[StreamKind, pa.ChunkedArray]
    """StreamKind -> the ids of the clips whose files never had it, by the rule of their corpus."""

    def sharing(self, committed: pa.Table) -> "ClipTable":
        """Avoids holding the same table of clips twice.

        Args:
            committed: The clips of the newest snapshot.

        Returns:
            This table, with `committed` for its clips where they are the same.
        """
        return replace(self, clips=committed) if self.clips.equals(committed) else self

    def only(self, taken: NDArray[np.bool_]) -> "ClipTable":
        """Keeps some of the clips.

        Args:
            taken: (clip,) True for one that stays.

        Returns:
            The table of these, with their labels.
        """
        clips = self.clips.filter(pa.array(taken))
        ids = clips.column("clip_id")
        labels = self.labels.filter(pa.array(positions(self.labels.column("clip_id"), ids) >= 0))
        kept = set(ids.to_pylist())
        bad = {clip_id: one for clip_id, one in self.bad.items() if clip_id in kept}
        return replace(self, clips=clips, labels=labels, bad=bad)

    def with_changed(self, changed: Mapping[str, Found]) -> "ClipTable":
        """Puts clips in the place of those of the same ids.

        Args:
            changed: The clips by id, without their labels, which stay.

        Returns:
            The table with these clips.
        """
        if not changed:
            return self
        is_old = positions(self.clips.column("clip_id"), pa.array(changed, pa.string())) >= 0
        new = CLIPS.unsorted(found.clip for found in changed.values())
        clips = CLIPS.arrange(pa.concat_tables([self.clips.filter(pa.array(~is_old)), new]))
        bad = {clip_id: found.bad for clip_id, found in changed.items() if found.bad}
        return replace(self, clips=clips, bad={**self.bad, **bad})

    def path(self, clip: Clip) -> Path:
        """The file of a clip.

        Args:
            clip: One of the table.

        Returns:
            Its path below the folder of its corpus.
        """
        return self.roots[clip.corpus] / clip.path


class ClipTableBuilder:
    """Takes clips in any order and number, and makes a ClipTable of them."""

    def __init__(self) -> None:
        self._waiting: list[Found] = []
        self._clips: list[pa.Table] = [CLIPS.build([])]
        self._labels: list[pa.Table] = [LABELS.build([])]
        self._bad: dict[str, BadClip] = {}
        self._lacks: dict[StreamKind, list[pa.Array]] = {stream: [] for stream in StreamKind}

    def add(self, found: Iterable[Found]) -> None:
        """Adds clips.

        Args:
            found: Clips with their labels.
        """
        for one in found:
            self._waiting.append(one)
            if one.bad is not None:
                self._bad[one.clip.clip_id] = one.bad
            if len(self._waiting) == _STEP:
                self._flush()

    def build(self, roots: Mapping[str, Path]) -> ClipTable:
        """Makes the table of all clips that were added.

        Args:
            roots: Corpus -> its folder.

        Returns:
            The table, in the order of ids.

        Raises:
            WrongTable: Two clips have one id.
        """
        self._flush()
        clips = CLIPS.arrange(pa.concat_tables(self._clips))
        labels = LABELS.arrange(pa.concat_tables(self._labels))
        lacks = {
            stream: pa.chunked_array(parts, pa.string()) for stream, parts in self._lacks.items()
        }
        return ClipTable(dict(roots), clips, labels, self._bad, lacks)

    def _flush(self) -> None:
        self._clips.append(CLIPS.unsorted(one.clip for one in self._waiting))
        self._labels.append(LABELS.unsorted(label for one in self._waiting for label in one.labels))
        for stream, parts in self._lacks.items():
            ids = [one.clip.clip_id for one in self._waiting if stream in one.lacks]
            parts.append(pa.array(ids, pa.string()))
        self._waiting.clear()
