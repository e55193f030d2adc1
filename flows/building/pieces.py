"""A build task in pieces, for the end of a build, when fewer tasks are left than workers.

    <store>/.pieces/shards/<feature>/<fingerprint>/<key>.h5      some clips of a task

Any worker makes a piece, as it would make a task of so few clips, and one of them joins the pieces.
A shard holds its clips in the order of their ids, and no row depends on the clips beside it: so a
shard that was joined has the bytes of one that was made at once. The pieces of a killed build are
found by the next one, whose end removes the folder.
"""

import shutil
from collections.abc import Sequence
from dataclasses import replace

from extractors.base import Runtime
from flows.building.shard_task import (
    PIECES,
    Records,
    ShardTask,
    build_shards,
    records,
    unfinished,
)
from manifests.quarantine import BadClip
from stores.location import Location
from stores.shard import open_shard

_CLIPS = 2
"""Of a piece: few, so that the last ones end at about the same time; more than one, since each
piece is a file for each feature."""


def pieces_of(task: ShardTask) -> list[ShardTask]:
    """Cuts what is left of a task.

    Args:
        task: The task.

    Returns:
        Tasks of a few clips; none where it cannot be cut: in a store behind a URL workers may share
        no folder.
    """
    if len(task.clips) <= _CLIPS or not task.location.is_local:
        return []
    features = unfinished(task)
    done = [name for name in task.features if name not in features]
    stored = {name: {clip.clip_id: task.file(name) for clip in task.clips} for name in done}
    left = replace(task, features=tuple(features), stored={**task.stored, **stored}, is_piece=True)
    cuts = [slice(at, at + _CLIPS) for at in range(0, len(task.clips), _CLIPS)] if features else []
    return [replace(left, clips=task.clips[cut], paths=task.paths[cut]) for cut in cuts]


def build_piece(piece: ShardTask, runtime: Runtime) -> Records:
    """Makes the shards of a piece that are not there yet.

    Args:
        piece: One that `pieces_of` cut.
        runtime: How networks run.

    Returns:
        The records of all its shards: by these, who joins them need not ask HDF5 what is in them.
    """
    build_shards(piece, runtime)
    return records(piece)


def join_shards(task: ShardTask, pieces: Sequence[ShardTask], made: Sequence[Records]) -> Records:
    """Makes what is left of a task from its pieces, all of which are made.

    Args:
        task: The task.
        pieces: As `pieces_of` cut them.
        made: The records of their shards.

    Returns:
        The records of all shards of the task.
    """
    for name in unfinished(task):
        spec = task.graph.specs[name]
        with task.writer(name) as shard:
            for piece, its in zip(pieces, made, strict=True):
                part = open_shard(piece.location, spec, its[name])
                for clip in piece.clips:
                    outcome = part.outcome(clip.clip_id)
                    if isinstance(outcome, BadClip):
                        shard.refuse(outcome)
                    else:
                        shard.add(clip.clip_id, outcome)
    return records(task)


def remove_pieces(location: Location) -> None:
    """Removes all pieces at the end of a build, when they are joined.

    Args:
        location: Where the store lies.
    """
    shutil.rmtree(location.folder / PIECES, ignore_errors=True)
