"""Isolation of clips that crash or hang: work goes on when a clip ends the process that reads it.

A clip is judged alone, in a fresh process with memory to spare: it is refused where it ends that
process twice in the same way, or where the pool has to end it for its time or memory once more. A
process that is killed from outside, most often since memory ran out, says nothing of the clip: its
work is tried again, and the log says so.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from extractors.base import Runtime
from extractors.media import Limits
from flows.building.encoding import can_be_split, encode_shards
from flows.building.pieces import build_piece, join_shards, pieces_of
from flows.building.probing import Probed, probe_clips
from flows.building.shard_task import (
    Records,
    ShardTask,
    build_shards,
    decoding_part,
    measure_alone,
)
from flows.log import LOG
from flows.workers.deaths import Cause, WorkerDied
from flows.workers.executor import Pools, WorkerPool
from manifests.clips import Clip
from manifests.corpora.base import Found
from manifests.quarantine import BadClip, Reason

T = TypeVar("T")
Refused = Mapping[str, BadClip]
"""Clip id -> why it is not read."""
Alone = Callable[[str], object]
"""Reads one clip in a process of its own, by its id."""

_TRIES = 5
"""How often work is begun whose process ends for no reason that lies in a clip."""


def probe_isolated(
    pool: WorkerPool,
    found: Sequence[Found],
    paths: Sequence[Path],
    known: Mapping[str, Clip],
    limits: Limits,
) -> list[Probed]:
    """Hashes and probes some clips; one that ends the worker is refused, the others are not.

    Args:
        pool: Whose workers do it.
        found: The clips.
        paths: Their files, one each.
        known: Those of the clips that the store holds, by id.
        limits: What is refused.

    Returns:
        The clips, in their order, with what was learnt of them.

    Raises:
        WorkerDied: Workers are ended from outside again and again.
    """
    at = {one.clip.clip_id: number for number, one in enumerate(found)}

    def probe(refused: Refused) -> list[Probed]:
        marked = [replace(one, bad=refused.get(one.clip.clip_id, one.bad)) for one in found]
        return pool.call(probe_clips, marked, paths, known, limits)

    def alone(clip_id: str) -> object:
        one, path = found[at[clip_id]], paths[at[clip_id]]
        return pool.call_alone(limits.max_memory_mb, probe_clips, [one], [path], {}, limits)

    return _isolating(probe, alone, list(at), limits, f"read the headers of {len(at)} clips")


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
        WorkerDied: Workers are ended from outside again and again.
    """
    gpu = pools.gpu
    if gpu is None or not task.graph.encoders(task.features):
        return _build(pools.main, task, runtime, workers)
    if not can_be_split(task):
        return _build_without_crashing(gpu, build_shards, pools.main, task, runtime)
    _build(pools.main, decoding_part(task), runtime, workers)
    return _build_without_crashing(gpu, encode_shards, pools.main, task, runtime)


def _build(pool: WorkerPool, task: ShardTask, runtime: Runtime, workers: int) -> Records:
    def build(part: ShardTask) -> Records:
        work = build_piece if part.is_piece else build_shards
        return _build_without_crashing(pool, work, pool, part, runtime)

    pieces = pieces_of(task) if workers > 1 else []
    if not pieces:
        return build(task)
    with ThreadPoolExecutor(min(workers, len(pieces)), thread_name_prefix="pieces") as threads:
        made = list(threads.map(build, pieces))  # where one fails, no other is begun
    return pool.call(join_shards, task, pieces, made)


def _build_without_crashing(
    pool: WorkerPool,
    build: Callable[[ShardTask, Runtime], Records],
    main: WorkerPool,
    task: ShardTask,
    runtime: Runtime,
) -> Records:
    """build(task) in `pool`, without the clips that end a process of `main` which measures them."""
    at = {clip.clip_id: number for number, clip in enumerate(task.clips)}
    limits = task.media.limits

    def alone(clip_id: str) -> object:
        return main.call_alone(limits.max_memory_mb, measure_alone, task, at[clip_id])

    return _isolating(
        lambda refused: pool.call(build, replace(task, refused=refused), runtime),
        alone,
        list(at),
        limits,
        f"built {task.title}",
    )


def _isolating(
    work: Callable[[Refused], T], alone: Alone, clip_ids: Sequence[str], limits: Limits, title: str
) -> T:
    """work(no clip refused), again without the clips that end its process, if any do."""
    refused: dict[str, BadClip] = {}
    unexplained = 0
    while True:
        try:
            return work(refused)
        except WorkerDied as died:
            suspects = [one for one in _suspects(died, unexplained, clip_ids) if one not in refused]
            judged = {one: _judged(alone, one, limits) for one in suspects}
            found = {one: bad for one, bad in judged.items() if bad}
            refused.update(found)
            if found:
                continue
            unexplained += 1
            if unexplained == _TRIES:
                raise WorkerDied(
                    f"worker processes ended {_TRIES} times while they {title}, and no clip does "
                    "so alone: most often memory ran out; run the same command again with fewer "
                    f"workers, what was finished is kept (the last time, {died})"
                ) from died
            LOG.warning("%s; this part is begun again, finished shards are kept", died)


def _suspects(died: WorkerDied, unexplained: int, clip_ids: Sequence[str]) -> Sequence[str]:
    """The clips that may have ended a process: the one it was on; where that is not it, all."""
    if died.cause is Cause.KILLED:
        return ()
    if unexplained == 0:
        return [died.item] if died.item and died.item in clip_ids else ()
    return clip_ids


def _judged(alone: Alone, clip_id: str, limits: Limits) -> BadClip | None:
    """Whether a clip ends the process that reads it alone: twice in the same way."""
    ways: set[str] = set()
    for _ in range(_TRIES):
        try:
            alone(clip_id)
            return None
        except WorkerDied as died:
            if died.cause is not Cause.KILLED:
                if died.cause is not Cause.CRASHED or died.how in ways:
                    return _refusal(clip_id, died, limits)
                ways.add(died.how)
            LOG.warning("%s; the clip is tried alone once more", died)
    raise WorkerDied(
        f"a process that did nothing but read the clip {clip_id} was ended from outside "
        f"{_TRIES} times, most often because memory ran out; run the same command again with "
        "fewer workers or more memory, what was finished is kept"
    )


def _refusal(clip_id: str, died: WorkerDied, limits: Limits) -> BadClip:
    if died.cause is Cause.TIME:
        return BadClip(
            clip_id,
            Reason.TIMED_OUT,
            f"reading it did not end within the limit of {limits.timeout_s:g} s, and its process "
            "had to be ended; raise timeout_s if the machine is slow",
        )
    if died.cause is Cause.MEMORY:
        return BadClip(
            clip_id,
            Reason.TOO_LARGE,
            f"reading it takes more than the limit of {limits.max_memory_mb:,} MB of memory, even "
            "in a process of its own; raise max_memory_mb or cut it into spans",
        )
    return BadClip(
        clip_id,
        Reason.CRASHED,
        "reading this file ends the process that does so, twice in the same way "
        f"({died.how}), and nothing more is known; copy or download it again, and report the file "
        "if it is sound",
    )
