"""A build task in pieces, for the end of a build, when fewer tasks are left than there are workers.

    <store>/.pieces/shards/<feature>/<fingerprint>/<key>.h5      some clips of a task, until its pieces are joined

Any worker makes a piece, as it would make a task of so few clips, and one of them joins the pieces.
A shard holds its clips in the order of their ids, and no row depends on the clips beside it: so
what is joined has the bytes of a shard that was made in one go. What a killed build leaves is found
by the next one, whose end removes the folder.
"""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from flows.building.shard_task import PIECES, ShardTask, records, unfinished
from manifests.quarantine import BadClip, Reason
from stores.mirror import mirror_of
from stores.records import ShardRecord
from stores.shard import open_shard
from stores.shard_writer import ShardWriter

_CLIPS = 2
"""Of a piece: few, so that the last ones end at about the same time; more than one, since each
piece is a file for each feature."""


def pieces_of(task: ShardTask) -> list[ShardTask]:
    """What is left of a task, as tasks of a few clips; none where it cannot be cut: in a store
    behind a URL workers may share no folder."""
    if len(task.clips) <= _CLIPS or mirror_of(task.root):
        return []
    features = unfinished(task)
    held = {
        name: {clip.clip_id: task.file(name) for clip in task.clips}
        for name in task.features
        if name not in features
    }
    whole = replace(task, features=tuple(features), held={**task.held, **held}, aside=True)
    cuts = [slice(at, at + _CLIPS) for at in range(0, len(task.clips), _CLIPS)] if features else []
    return [replace(whole, clips=task.clips[cut], paths=task.paths[cut]) for cut in cuts]


def join_shards(task: ShardTask, pieces: Sequence[ShardTask]) -> dict[str, ShardRecord]:
    """What is left of a task from its pieces, once all of them are made; feature -> record of its
    shard, as `build_shards`."""
    for name in unfinished(task):
        with ShardWriter(task.root, task.file(name), task.graph.specs[name]) as shard:
            for piece in pieces:
                _copy(piece, name, shard)
    return records(task)


def _copy(piece: ShardTask, feature: str, shard: ShardWriter) -> None:
    part = open_shard(piece.root, piece.file(feature))
    for clip_id, reason, detail in part.refused:
        shard.refuse(BadClip(clip_id, Reason(reason), detail))
    for entry in part.entries:
        shard.add(entry.clip_id, part.track(entry.clip_id, decode=False))


def remove_pieces(root: Path) -> None:
    """At the end of a build, when all of them are joined."""
    shutil.rmtree(root / PIECES, ignore_errors=True)
