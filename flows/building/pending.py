"""What is left to build: a pure function of the clips, the wanted fingerprints and what the store
already holds.

Clips and features are rows and columns of arrays here, since a store of a million clips has ten
million rows in its index.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from flows.building.committed import Committed
from manifests.columns import Lookup, Positions, agree, codes, flags, positions, texts
from manifests.features import FeatureSpec, State
from manifests.quarantine import UNFORESEEN, BadClip, Reason


def unchanged_rows(
    committed: Committed, clips: pa.Table, specs: Mapping[str, FeatureSpec], same_media: bool
) -> Positions:
    """Finds what stays as it is: same bytes of the clip, same span, same fingerprint.

    Args:
        committed: What the store holds.
        clips: The table of all clips, in the order of ids.
        specs: Features to be stored, by name.
        same_media: Clips are decoded as before. Where another decoder or other limits may save a
            clip, a quarantined row does not stay.

    Returns:
        (clip, feature) the row of the committed index that stays, or -1; features in the order of
        their names.
    """
    same = _same_clips(committed.clip_table, clips)
    return _wanted_rows(committed, specs, same_media)[same]


def judge_again(
    unchanged: Positions,
    committed: Committed,
    clips: pa.Table,
    specs: Mapping[str, FeatureSpec],
    *,
    unforeseen: bool,
    damaged: bool,
) -> None:
    """Takes rows of refused clips out of those that stay.

    Args:
        unchanged: (clip, feature) the row that stays, or -1; it is written to.
        committed: What the store holds.
        clips: The table of all clips, in the order of ids.
        specs: Features to be stored, by name.
        unforeseen: Refusals for an error that nobody foresaw do not stay: another version reads
            the files.
        damaged: Of clips with a fault nothing stays, since it now costs them all features.
    """
    quarantine = committed.quarantine
    clip = positions(quarantine.column("clip_id"), clips.column("clip_id"))
    feature = positions(quarantine.column("feature"), pa.array(sorted(specs)))
    if unforeseen:
        details = quarantine.column("detail")
        begins = np.append(flags(pc.starts_with(texts(details), UNFORESEEN)), False)
        again = begins[codes(details)] & (clip >= 0) & (feature >= 0)
        unchanged[clip[again], feature[again]] = -1
    if damaged:
        faults = pa.array([str(reason) for reason in Reason if reason.is_fault])
        again = (positions(quarantine.column("reason"), faults) >= 0) & (clip >= 0)
        unchanged[clip[again]] = -1


def unchanged_refusals(
    committed: Committed,
    clips: pa.Table,
    specs: Mapping[str, FeatureSpec],
    bad: Mapping[str, BadClip],
) -> Positions:
    """Finds which clips, refused before any decoding, are in quarantine for the very same reason.

    Args:
        committed: What the store holds.
        clips: The table of all clips, in the order of ids.
        specs: Features to be stored, by name.
        bad: Clips that are refused, by id.

    Returns:
        (clip, feature) the row of the committed index that stays, or -1, as `unchanged_rows`.
    """
    rows = np.full((clips.num_rows, len(specs)), -1, np.int32)
    quarantine = committed.quarantine
    which_bad = positions(quarantine.column("clip_id"), pa.array(bad, pa.string()))
    known = np.flatnonzero(which_bad >= 0)
    if len(known) == 0:
        return rows
    quarantine = quarantine.take(pa.array(known))
    refusals = list(bad.values())
    now = [refusals[which] for which in which_bad[known]]
    reasons = pa.chunked_array([[str(one.reason) for one in now]])
    details = pa.chunked_array([[one.detail for one in now]])
    same = agree(quarantine.column("reason"), reasons) & agree(quarantine.column("detail"), details)
    ids = quarantine.column("clip_id")
    row_now = positions(ids, clips.column("clip_id"))
    row_before = positions(ids, committed.clip_table.column("clip_id"))
    feature = positions(quarantine.column("feature"), pa.array(sorted(specs)))
    good = same & (row_now >= 0) & (row_before >= 0) & (feature >= 0)
    wanted = _wanted_rows(committed, specs, same_media=True)
    rows[row_now[good], feature[good]] = wanted[row_before[good], feature[good]]
    return rows


def _wanted_rows(
    committed: Committed, specs: Mapping[str, FeatureSpec], same_media: bool
) -> Positions:
    """(committed clip, feature) the row of the index that is still wanted, or -1.

    A row of -1 follows at the end, for clips that were not there.
    """
    rows = np.full((committed.clip_table.num_rows + 1, len(specs)), -1, np.int32)
    states = committed.states
    clips = Lookup(states.column("clip_id"), committed.clip_table.column("clip_id"))
    features = Lookup(states.column("feature"), pa.array(sorted(specs)))
    for at in range(0, states.num_rows, _STEP):
        part = states.slice(at, _STEP)
        clip, feature = clips.of(part.column("clip_id")), features.of(part.column("feature"))
        is_wanted = _is_wanted(part, feature, specs, same_media) & (clip >= 0)
        stays = np.flatnonzero(is_wanted)
        rows[clip[stays], feature[stays]] = at + stays
    return rows


_STEP = 1 << 20
"""Rows of the index at a time, so that memory stays flat."""


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
    states: pa.Table, feature: Positions, specs: Mapping[str, FeatureSpec], same_media: bool
) -> NDArray[np.bool_]:
    """Whether a row is of a wanted feature, with its present fingerprint, and in a state to keep.

    `feature` is the number of each row's feature, -1 for one that is not wanted.
    """
    known = texts(states.column("fingerprint")).to_pylist()
    code_of = {fingerprint: code for code, fingerprint in enumerate(known)}
    codes_wanted = [code_of.get(specs[name].fingerprint, -2) for name in sorted(specs)]
    expected = np.array([*codes_wanted, -2], np.int32)  # the last one is for a feature of -1
    wanted: NDArray[np.bool_] = codes(states.column("fingerprint")) == expected[feature]
    if same_media:
        return wanted
    return wanted & flags(pc.equal(states.column("state"), State.STORED.value))


@dataclass(frozen=True)
class Chunks:
    """Which clips share a shard and what features they lack, cut one by one when asked for.

    Clips that lack the same features share shards, in the order of ids, whatever order the clips
    come in; so a killed build cuts the same chunks again.
    """

    groups: Sequence[tuple[frozenset[str], Positions]]
    """Features that are lacking, and the clips that lack just these, by row."""
    clips_per_shard: int

    def __len__(self) -> int:
        return sum(-(-len(rows) // self.clips_per_shard) for _, rows in self.groups)

    def __iter__(self) -> Iterator[tuple[Positions, frozenset[str]]]:
        """Gives the rows of some clips, and the features that they lack."""
        for features, rows in self.groups:
            for at in range(0, len(rows), self.clips_per_shard):
                yield rows[at : at + self.clips_per_shard], features

    @property
    def features(self) -> frozenset[str]:
        """All features that some clip lacks."""
        return frozenset(name for features, _ in self.groups for name in features)

    @property
    def clips(self) -> int:
        """How many clips lack something."""
        return sum(len(rows) for _, rows in self.groups)


def chunks(missing: NDArray[np.bool_], features: Sequence[str], clips_per_shard: int) -> Chunks:
    """Groups clips that lack the same features.

    Args:
        missing: (clip, feature) what is to be made; clips in the order of ids.
        features: Names of the features, in their order.
        clips_per_shard: How many clips share a shard at most.

    Returns:
        The groups, in the order of their features.
    """
    groups = []
    examples, kind_of = _kinds(missing)
    for kind, example in enumerate(examples):
        columns = np.flatnonzero(missing[example]).tolist()
        if columns:
            rows = np.flatnonzero(kind_of == kind).astype(np.int32)
            groups.append((frozenset(features[column] for column in columns), rows))
    return Chunks(sorted(groups, key=lambda group: sorted(group[0])), clips_per_shard)


_BITS = 32


def _kinds(missing: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first of each kind of equal rows; and the kind of each row."""
    kind_of = np.zeros(len(missing), np.int64)
    for at in range(0, missing.shape[1], _BITS):
        part = missing[:, at : at + _BITS]
        bits = part @ (np.int64(1) << np.arange(part.shape[1]))
        kind_of = np.unique(kind_of << _BITS | bits, return_inverse=True)[1]
    return np.unique(kind_of, return_index=True)[1], kind_of
