"""Work in worker processes that survives a clip which ends its process."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from extractors.base import Runtime
from extractors.media import Limits
from flows.building.pieces import join_shards, pieces_of
from flows.building.probing import inspect_clips
from flows.building.shard_task import (
    CRASHED,
    ShardTask,
    build_shards,
    can_be_split,
    decoding,
    encode_shards,
    measure_alone,
)
from flows.workers.pool import AnyCrew, WorkerDied
from manifests.clips import Clip
from manifests.corpora.catalog import Found
from manifests.quarantine import BadClip, Reason
from stores.records import ShardRecord

T = TypeVar("T")


def inspect_guarded(
    crew: AnyCrew,
    found: Sequence[Found],
    paths: Sequence[Path],
    known: Mapping[str, Clip],
    limits: Limits,
) -> list[Found]:
    """Hash and probe some clips; one that kills the worker is refused, the others are not."""
    try:
        return crew.call(inspect_clips, found, paths, known, limits)
    except WorkerDied:
        if len(found) == 1:
            return [replace(found[0], bad=BadClip(found[0].clip.clip_id, Reason.CRASHED, CRASHED))]
        return [
            inspect_guarded(crew, [f], [path], known, limits)[0]
            for f, path in zip(found, paths, strict=True)
        ]


def build_guarded(
    crew: AnyCrew, task: ShardTask, runtime: Runtime, gpu: AnyCrew | None = None, hands: int = 1
) -> dict[str, ShardRecord]:
    """Build the shards of a task; when its worker dies, find the clips that end it and build
    without them.

    With `gpu`, networks run there: it encodes a task while `crew` decodes the next ones. A task
    that cannot be split is all done there. `hands`: how many workers of `crew` the task may occupy
    at once.
    """
    if gpu is None or not task.graph.encoders(task.features):
        return _build(crew, task, runtime, hands)
    if not can_be_split(task):
        return _guarded(
            task, lambda safe: gpu.call(build_shards, safe, runtime), lambda: _fatal(crew, task)
        )
    _build(crew, decoding(task), runtime, hands)
    return _guarded(task, lambda safe: gpu.call(encode_shards, safe, runtime), frozenset)


def _build(crew: AnyCrew, task: ShardTask, runtime: Runtime, hands: int) -> dict[str, ShardRecord]:
    def build(part: ShardTask) -> dict[str, ShardRecord]:
        return _guarded(
            part, lambda safe: crew.call(build_shards, safe, runtime), lambda: _fatal(crew, part)
        )

    pieces = pieces_of(task) if hands > 1 else []
    if not pieces:
        return build(task)
    with ThreadPoolExecutor(min(hands, len(pieces)), thread_name_prefix="pieces") as threads:
        list(threads.map(build, pieces))  # where one fails, no other is begun
    return crew.call(join_shards, task, pieces)


def _guarded(
    task: ShardTask, work: Callable[[ShardTask], T], fatal: Callable[[], frozenset[str]]
) -> T:
    """work(task), and once more where a worker died: without the clips that end it, if there are
    such."""
    try:
        return work(task)
    except WorkerDied:
        safe = replace(task, crashed=fatal())
    try:
        return work(safe)
    except WorkerDied as died:
        raise WorkerDied(
            f"a worker process was ended from outside, twice, while it built {task.title}, most "
            "often because memory ran out; "
            f"run the same command again with fewer workers, finished shards are kept ({died})"
        ) from died


def _fatal(crew: AnyCrew, task: ShardTask) -> frozenset[str]:
    """Those clips of a task that end the process which measures them."""
    return frozenset(
        clip.clip_id for number, clip in enumerate(task.clips) if _dies(crew, task, number)
    )


def _dies(crew: AnyCrew, task: ShardTask, number: int) -> bool:
    try:
        crew.call(measure_alone, task, number)
    except WorkerDied:
        return True
    return False
