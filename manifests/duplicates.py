"""Clips with the same bytes, and those of them whose labels contradict each other."""

from collections import defaultdict
from collections.abc import Iterable, Mapping


def same_bytes(hashes: Iterable[tuple[str, str]]) -> list[tuple[str, ...]]:
    """(clip_id, sha256) of each clip -> the groups of two or more clips with one hash; ids and
    groups are sorted.

    A clip without a hash (its file was refused unread) has "" and meets no other. Any hash serves:
    of the file, of the decoded samples or of the frames.
    """
    members: defaultdict[str, set[str]] = defaultdict(set)
    for clip_id, digest in hashes:
        if digest:
            members[digest].add(clip_id)
    return sorted(tuple(sorted(ids)) for ids in members.values() if len(ids) > 1)


def contradicting(
    groups: Iterable[tuple[str, ...]], values: Mapping[str, str]
) -> list[tuple[str, ...]]:
    """The groups whose clips have more than one label; `values`: clip_id -> label, a clip without
    one contradicts nobody."""
    return [
        group
        for group in groups
        if len({values[clip_id] for clip_id in group if clip_id in values}) > 1
    ]
