"""Isolation of clips that crash: work goes on when a clip ends the process that decodes it.

A lack of memory that Python tells of is taken for such an end: it hits whatever is at work, be it
the fault of one clip or of none.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from extractors.base import Runtime
from extractors.media import Limits
from flows.building.pieces import join_shards, pieces_of
from flows.building.probing import probe_clips
from flows.building.shard_task import (
    CRASHED,
    Records,
    ShardTask,
    build_shards,
    can_be_split,
    decoding_part,
    encode_shards,
    measure_alone,
)
from flows.workers.executor import Pools, WorkerPool
from flows.workers.pool import WorkerDied
from manifests.clips import Clip
from manifests.corpora.catalog import Found
from manifests.quarantine import BadClip, Reason

T = TypeVar("T")

_DEATHS = (WorkerDied, MemoryError)
"""How a call ends that takes more than the machine has: by the kernel, or by Python."""


def probe_isolated(
    pool: WorkerPool,
    found: Sequence[Found],
    paths: Sequence[Path],
    known: Mapping[str, Clip],
    limits: Limits,
) -> list[Found]:
    """Hashes and probes some clips; one that ends the worker is refused, the others are not.

    Args:
        pool: Whose workers do it.
        found: The clips.
        paths: Their files, one each.
        known: Those of the clips that the store holds, by id.
        limits: What is refused.

    Returns:
        The clips, in their order, with what was learnt of them.
    """
    try:
        return pool.call(probe_clips, found, paths, known, limits)
    except _DEATHS:
        if len(found) == 1:
            bad = BadClip(found[0].clip.clip_id, Reason.CRASHED, CRASHED)
            return [replace(found[0], bad=bad)]
        return [
            probe_isolated(pool, [one], [path], known, limits)[0]
            for one, path in zip(found, paths, strict=True)
        ]


def build_isolated(pools: Pools, task: ShardTask, runtime: Runtime, workers: int = 1) -> Records:
    """Builds the shards of a task; where its worker dies, without the clips that end it.

    With a pool for the GPU, networks run there: it encodes a task while the main pool decodes the
    next ones. A task that cannot be split is done there as one.

    Args:
        pools: Whose workers do it.
        task: The task.
        runtime: How networks run.
        workers: How many workers of the main pool the task may occupy at once.

    Returns:
        The records of all its shards.

    Raises:
        WorkerDied: Workers are ended from outside, most often because memory ran out.
    """
    gpu = pools.gpu
    if gpu is None or not task.graph.encoders(task.features):
        return _build(pools.main, task, runtime, workers)
    if not can_be_split(task):
        return _without_crashing(
            task,
            lambda safe: gpu.call(build_shards, safe, runtime),
            lambda: _crashing(pools.main, task),
        )
    _build(pools.main, decoding_part(task), runtime, workers)
    return _without_crashing(task, lambda safe: gpu.call(encode_shards, safe, runtime), frozenset)


def _build(pool: WorkerPool, task: ShardTask, runtime: Runtime, workers: int) -> Records:
    def build(part: ShardTask) -> Records:
        return _without_crashing(
            part,
            lambda safe: pool.call(build_shards, safe, runtime),
            lambda: _crashing(pool, part),
        )

    pieces = pieces_of(task) if workers > 1 else []
    if not pieces:
        return build(task)
    with ThreadPoolExecutor(min(workers, len(pieces)), thread_name_prefix="pieces") as threads:
        list(threads.map(build, pieces))  # where one fails, no other is begun
    return pool.call(join_shards, task, pieces)


def _without_crashing(
    task: ShardTask, work: Callable[[ShardTask], T], crashing: Callable[[], frozenset[str]]
) -> T:
    """work(task), and once more where a worker died: without the clips that end it, if any do."""
    try:
        return work(task)
    except _DEATHS:
        safe = replace(task, crashed=crashing())
    try:
        return work(safe)
    except _DEATHS as died:
        raise WorkerDied(
            f"a worker process was ended from outside, twice, while it built {task.title}, most "
            "often because memory ran out; run the same command again with fewer workers, "
            f"finished shards are kept ({str(died) or type(died).__name__})"
        ) from died


def _crashing(pool: WorkerPool, task: ShardTask) -> frozenset[str]:
    """Those clips of a task that end the process which measures them."""
    ids = (clip.clip_id for clip in task.clips)
    return frozenset(id_ for number, id_ in enumerate(ids) if _crashes(pool, task, number))


def _crashes(pool: WorkerPool, task: ShardTask, number: int) -> bool:
    try:
        pool.call(measure_alone, task, number)
    except _DEATHS:
        return True
    return False
