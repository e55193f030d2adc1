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
from manifests.clips import StreamKind
from manifests.quarantine import BadClip
from stores.location import Location
from stores.shard import open_shard

_CLIPS = 2
"""Of a piece: few, so that the last ones end at about the same time; more than one, since each
piece is a file for each feature."""
_SOUND_S = 120.0
"""Seconds of the clips of a piece for which pictures are not decoded and no network runs, at least:
they are measured in less time than it takes to write and to join more files."""


def pieces_of(task: ShardTask) -> list[ShardTask]:
    """Cuts what is left of a task.

    Args:
        task: The task.

    Returns:
        Tasks of a few clips; none where it is not worth it, or cannot be done: in a store behind a
        URL workers may share no folder.
    """
    if len(task.clips) <= _CLIPS or not task.location.is_local:
        return []
    features = unfinished(task)
    cuts = _cuts(task, features) if features else []
    if len(cuts) < 2:
        return []
    done = [name for name in task.features if name not in features]
    stored = {name: {clip.clip_id: task.file(name) for clip in task.clips} for name in done}
    left = replace(task, features=tuple(features), stored={**task.stored, **stored}, is_piece=True)
    return [replace(left, clips=task.clips[cut], paths=task.paths[cut]) for cut in cuts]


def _cuts(task: ShardTask, features: Sequence[str]) -> list[slice]:
    """Which clips each piece holds."""
    graph = task.graph
    streams = frozenset[StreamKind]().union(*map(graph.streams, features))
    least_s = _SOUND_S if streams == {StreamKind.SOUND} and not graph.encoders(features) else 0.0
    cuts, start, seconds = list[slice](), 0, 0.0
    for end, clip in enumerate(task.clips, 1):
        seconds += clip.duration_s or 0.0
        if end == len(task.clips) or (end - start >= _CLIPS and seconds >= least_s):
            cuts.append(slice(start, end))
            start, seconds = end, 0.0
    return cuts


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
