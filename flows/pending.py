"""What is left to build: a pure function of the clips, the wanted fingerprints and what the store already holds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from manifests.clips import Clip
from manifests.features import FeatureSpec, IndexRow, State
from manifests.quarantine import Quarantined
from stores.snapshot import Snapshot

Key = tuple[str, str]
"""(clip_id, feature)"""


@dataclass(frozen=True)
class Held:
    """What a committed snapshot holds, as rows."""

    snapshot: Snapshot | None
    clips: Mapping[str, Clip]
    index: Mapping[Key, IndexRow]
    quarantine: Mapping[Key, Quarantined]


NOTHING_HELD = Held(None, {}, {}, {})


def still_good(held: Held, clips: Iterable[Clip], specs: Mapping[str, FeatureSpec], same_media: bool) -> dict[Key, IndexRow]:
    """The rows of the held index that stay: same bytes of the clip, same fingerprint of the feature.

    A quarantined row stays only while `same_media`: another decoder or other limits may save the clip.
    """
    good: dict[Key, IndexRow] = {}
    for clip in clips:
        before = held.clips.get(clip.clip_id)
        if before is None or before.sha256 != clip.sha256 or span(before) != span(clip):
            continue
        for name, spec in specs.items():
            row = held.index.get((clip.clip_id, name))
            if row and row.fingerprint == spec.fingerprint and (row.state == State.STORED or same_media):
                good[clip.clip_id, name] = row
    return good


def chunks(pending: Mapping[str, frozenset[str]], clips_per_shard: int) -> list[tuple[tuple[str, ...], frozenset[str]]]:
    """Pending features by clip -> (clips, features) a shard, whatever order the clips come in.

    Clips that lack the same features share shards, sorted by id; so a killed build cuts the same chunks again.
    """
    groups: dict[frozenset[str], list[str]] = {}
    for clip_id in sorted(pending):
        if pending[clip_id]:
            groups.setdefault(pending[clip_id], []).append(clip_id)
    return [
        (tuple(ids[at : at + clips_per_shard]), features)
        for features, ids in sorted(groups.items(), key=lambda item: sorted(item[0]))
        for at in range(0, len(ids), clips_per_shard)
    ]


def span(clip: Clip) -> tuple[float | None, float | None, str | None]:
    """Which part of its file a clip is."""
    return clip.start_s, clip.end_s, clip.region
