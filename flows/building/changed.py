"""Clips whose files become others while a build runs.

A task names the bytes of its clips by their hashes. Where a file has other bytes when it is
decoded, nothing of the task is kept that is not finished: the clip is hashed and probed again, and
the task is made with what it is now. A clip that has changed once more by then is left to the next
build.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from flows.building.probing import as_listed
from flows.log import LOG
from manifests.clips import Clip
from manifests.corpora.base import Found
from manifests.quarantine import BadClip, Reason

if TYPE_CHECKING:
    from flows.building.shard_task import Records, ShardTask


class ClipsChanged(Exception):
    """Files of some clips are no longer those that a task was planned for."""

    def __init__(self, clip_ids: tuple[str, ...]) -> None:
        """Names the clips.

        Args:
            clip_ids: At least one.
        """
        first, others = clip_ids[0], len(clip_ids) - 1
        more = f", and those of {others} more clips of its shard" * bool(others)
        super().__init__(f"the file of {first} changed while it was read{more}")
        self.clip_ids = clip_ids

    def __reduce__(self) -> tuple[type["ClipsChanged"], tuple[tuple[str, ...]]]:
        return type(self), (self.clip_ids,)


@dataclass
class TaskResult:
    """What a task has become."""

    records: list["Records"] = field(default_factory=list)
    """Of its shards, and of those of clips that had to be made apart."""
    changed: dict[str, Found] = field(default_factory=dict)
    """Clips whose files changed, as they are now, by id."""


def build_unchanged(
    task: "ShardTask",
    features: Sequence[str],
    build: Callable[["ShardTask"], "Records"],
    probe: Callable[[Clip, Path], Found],
) -> TaskResult:
    """Builds the shards of a task, of the bytes that its clips are known by.

    Args:
        task: The task.
        features: All that the store is to hold of a clip: one that has changed lacks them all.
        build: Makes the shards of a task.
        probe: Hashes and probes the file of a clip as its corpus lists it.

    Returns:
        The records of the shards, and the clips that have changed.
    """
    result, left = TaskResult(), [task]
    while left:
        part = left.pop()
        try:
            result.records.append(build(part))
        except ClipsChanged as found:
            LOG.warning("%s; what was made of it is thrown away, and it is read once more", found)
            for clip, path in zip(part.clips, part.paths, strict=True):
                if clip.clip_id in found.clip_ids:
                    is_second = clip.clip_id in result.changed
                    now = given_up(clip) if is_second else probe(as_listed(clip), path)
                    result.changed[clip.clip_id] = now
            left += _parts(part, features, result.changed)
    return result


def given_up(clip: Clip) -> Found:
    """Refuses a clip whose file does not stay as it is.

    Args:
        clip: The clip.

    Returns:
        The clip without what is known of its file, and why: CHANGED_WHILE_READ.
    """
    detail = (
        "the file changed while it was read, and again when it was read once more; build again "
        "when it is written to no more"
    )
    bad = BadClip(clip.clip_id, Reason.CHANGED_WHILE_READ, detail)
    return Found(as_listed(clip), (), bad)


def _parts(
    task: "ShardTask", features: Sequence[str], changed: Mapping[str, Found]
) -> Iterator["ShardTask"]:
    """The task with its clips as they are now.

    Those that have changed are made apart where the task was for a part of the features.
    """
    is_whole = set(task.features) == set(features)
    pairs = list(zip(task.clips, task.paths, strict=True))
    kept = [
        (changed[clip.clip_id].clip if clip.clip_id in changed else clip, path)
        for clip, path in pairs
        if clip.clip_id not in changed or (is_whole and not changed[clip.clip_id].bad)
    ]
    if kept:
        yield _with_clips(task, kept)
    apart = [
        (changed[clip.clip_id].clip, path)
        for clip, path in pairs
        if not is_whole and clip.clip_id in changed and not changed[clip.clip_id].bad
    ]
    if apart:
        whole = replace(task, features=tuple(features), stored={}, records={}, quarantined={})
        yield _with_clips(replace(whole, tried_before=0), apart)


def _with_clips(task: "ShardTask", pairs: Sequence[tuple[Clip, Path]]) -> "ShardTask":
    clips, paths = zip(*pairs, strict=True)
    return replace(task, clips=clips, paths=paths)
