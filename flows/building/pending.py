"""What is left to build: a pure function of the clips, the wanted fingerprints and what the store
already holds.

Clips and features are rows and columns of arrays here, since a store of a million clips has ten
million rows in its index.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from manifests.clips import CLIPS, Clip
from manifests.columns import Lookup, Positions, agree, codes, flags, pick, positions, texts
from manifests.features import INDEX, FeatureSpec, State
from manifests.quarantine import QUARANTINE, BadClip, Quarantined
from stores.records import ShardRecord
from stores.snapshot import Snapshot


@dataclass(frozen=True)
class Held:
    """What a committed snapshot holds."""

    snapshot: Snapshot | None
    clip_table: pa.Table
    marks: pa.Table
    """The columns MARKS of the index, compact."""
    quarantine: pa.Table
    """Compact."""
    read_index: Callable[[], pa.Table]
    """All columns of the index, compact: three times the size of `marks`, and seldom needed."""

    @cached_property
    def index(self) -> pa.Table:
        return self.read_index()

    def known(self, clip_ids: Iterable[str]) -> dict[str, Clip]:
        """Those of the clips that are held, by id."""
        ids = self.clip_table.column("clip_id")
        rows = [
            row
            for clip_id in clip_ids
            if (row := _first(ids, clip_id)) < len(ids) and ids[row].as_py() == clip_id
        ]
        return {
            clip.clip_id: clip
            for clip in CLIPS.rows(pick(self.clip_table, np.array(rows, np.int64)))
        }

    @cached_property
    def shards(self) -> Mapping[str, ShardRecord]:
        """By file."""
        features = self.snapshot.features.values() if self.snapshot else ()
        return {shard.file: shard for feature in features for shard in feature.shards}

    def lost(self, clip_id: str, feature: str) -> Quarantined:
        """Why a clip has no value for a feature. KeyError where quarantine does not say."""
        ids = self.quarantine.column("clip_id")
        first = _first(ids, clip_id)
        for row in QUARANTINE.rows(
            self.quarantine.slice(first, _first(ids, clip_id, after=True) - first)
        ):
            if row.feature == feature:
                return row
        raise KeyError((clip_id, feature))


MARKS = ["clip_id", "feature", "fingerprint", "state"]
_NO_INDEX, _NO_REASONS = INDEX.compact(INDEX.build([])), QUARANTINE.compact(QUARANTINE.build([]))
NOTHING_HELD = Held(None, CLIPS.build([]), _NO_INDEX.select(MARKS), _NO_REASONS, lambda: _NO_INDEX)


def _first(ids: pa.ChunkedArray, clip_id: str, after: bool = False) -> int:
    """The first row of sorted ids that is not less; or, with `after`, that is greater."""
    if after:
        return bisect_left(range(len(ids)), True, key=lambda at: ids[at].as_py() > clip_id)
    return bisect_left(range(len(ids)), clip_id, key=lambda at: ids[at].as_py())


def still_good(
    held: Held, clips: pa.Table, specs: Mapping[str, FeatureSpec], same_media: bool
) -> Positions:
    """(clip, feature) -> the row of the held index that stays, or -1: same bytes of the clip, same
    span, same fingerprint of the feature.

    Clips in the order of their table, features in that of their names. A quarantined row stays only
    while `same_media`: another decoder or other limits may save the clip.
    """
    return _held_rows(held, specs, same_media)[_same_clips(held.clip_table, clips)]


def still_refused(
    held: Held, clips: pa.Table, specs: Mapping[str, FeatureSpec], bad: Mapping[str, BadClip]
) -> Positions:
    """The same for clips that are refused before any decoding: the rows that say so, if quarantine
    has the very same reason."""
    rows = np.full((clips.num_rows, len(specs)), -1, np.int32)
    lost = held.quarantine
    number = positions(lost.column("clip_id"), pa.array(bad, pa.string()))
    known = np.flatnonzero(number >= 0)
    if len(known) == 0:
        return rows
    lost, now = lost.take(pa.array(known)), [list(bad.values())[which] for which in number[known]]
    same = agree(lost.column("reason"), pa.chunked_array([[str(one.reason) for one in now]]))
    same &= agree(lost.column("detail"), pa.chunked_array([[one.detail for one in now]]))
    places = [(clips, "clip_id"), (held.clip_table, "clip_id")]
    mine, whose = (positions(lost.column(name), table.column(name)) for table, name in places)
    which = positions(lost.column("feature"), pa.array(sorted(specs)))
    good = same & (mine >= 0) & (whose >= 0) & (which >= 0)
    rows[mine[good], which[good]] = _held_rows(held, specs, same_media=True)[
        whose[good], which[good]
    ]
    return rows


def _held_rows(held: Held, specs: Mapping[str, FeatureSpec], same_media: bool) -> Positions:
    """(held clip, feature) -> the row of the held index that is still wanted, or -1; and such a row
    of -1 at the end."""
    rows = np.full((held.clip_table.num_rows + 1, len(specs)), -1, np.int32)
    clips = Lookup(held.marks.column("clip_id"), held.clip_table.column("clip_id"))
    features = Lookup(held.marks.column("feature"), pa.array(sorted(specs)))
    for at in range(0, held.marks.num_rows, _STEP):
        part = held.marks.slice(at, _STEP)
        whose, which = clips.of(part.column("clip_id")), features.of(part.column("feature"))
        stays = np.flatnonzero(_is_wanted(part, which, specs, same_media) & (whose >= 0))
        rows[whose[stays], which[stays]] = at + stays
    return rows


_STEP = 1 << 20
"""Rows of the index at a time, so that what is found out of each is never there for all."""


def _same_clips(held: pa.Table, clips: pa.Table) -> Positions:
    """For each clip the row of the same clip with the same bytes and span; -1 for others."""
    row = positions(clips.column("clip_id"), held.column("clip_id"))
    there = np.flatnonzero(row >= 0)
    now, before = clips.select(_SAME).take(there), held.select(_SAME).take(row[there])
    for column in _SAME:
        row[there[~agree(now.column(column), before.column(column))]] = -1
    return row


_SAME = ["sha256", "start_s", "end_s", "region"]


def _is_wanted(
    index: pa.Table, which: Positions, specs: Mapping[str, FeatureSpec], same_media: bool
) -> NDArray[np.bool_]:
    """Whether a row is of a wanted feature (`which`, by number), its fingerprint still that of the
    feature, and its state to be kept."""
    known = texts(index.column("fingerprint")).to_pylist()
    place = {fingerprint: code for code, fingerprint in enumerate(known)}
    expected = np.array(
        [*(place.get(specs[name].fingerprint, -2) for name in sorted(specs)), -2], np.int32
    )
    wanted: NDArray[np.bool_] = codes(index.column("fingerprint")) == expected[which]
    return (
        wanted
        if same_media
        else wanted & flags(pc.equal(index.column("state"), State.STORED.value))
    )


@dataclass(frozen=True)
class Chunks:
    """Which clips share a shard, and what features they lack: the same whatever order the clips
    come in, and cut when asked for.

    Clips that lack the same features share shards, in the order of ids; so a killed build cuts the
    same chunks again.
    """

    groups: Sequence[tuple[frozenset[str], Positions]]
    """Features that are lacking, and the clips that lack just these, by row."""
    clips_per_shard: int

    def __len__(self) -> int:
        return sum(-(-len(rows) // self.clips_per_shard) for _, rows in self.groups)

    def __iter__(self) -> Iterator[tuple[Positions, frozenset[str]]]:
        """Rows of clips, features."""
        for features, rows in self.groups:
            for at in range(0, len(rows), self.clips_per_shard):
                yield rows[at : at + self.clips_per_shard], features


def chunks(missing: NDArray[np.bool_], features: Sequence[str], clips_per_shard: int) -> Chunks:
    """(clip, feature) -> what is missing, clips in the order of ids and `features` of names."""
    groups = []
    kinds, of_clip = _kinds(missing)
    for kind, row in enumerate(kinds):
        if lacking := frozenset(
            features[column] for column in np.flatnonzero(missing[row]).tolist()
        ):
            groups.append((lacking, np.flatnonzero(of_clip == kind).astype(np.int32)))
    return Chunks(sorted(groups, key=lambda group: sorted(group[0])), clips_per_shard)


_BITS = 32


def _kinds(missing: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows that differ, each by the first that is like it; and for each row, which of them it is
    like."""
    of_clip = np.zeros(len(missing), np.int64)
    for at in range(0, missing.shape[1], _BITS):
        part = missing[:, at : at + _BITS]
        bits = part @ (np.int64(1) << np.arange(part.shape[1]))
        of_clip = np.unique(of_clip << _BITS | bits, return_inverse=True)[1]
    return np.unique(of_clip, return_index=True)[1], of_clip
