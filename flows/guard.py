"""Work in worker processes that survives a clip which ends its process."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from extractors.base import Runtime
from extractors.media import Limits
from flows.crew import AnyCrew, WorkerDied
from flows.headers import inspect_clips
from flows.shards import CRASHED, ShardTask, build_shards, can_be_split, decode_shards, encode_shards, measure_alone
from manifests.clips import Clip
from manifests.corpora.catalog import Found
from manifests.quarantine import BadClip, Reason
from stores.records import ShardRecord

T = TypeVar("T")


def inspect_guarded(crew: AnyCrew, found: Sequence[Found], paths: Sequence[Path], known: Mapping[str, Clip], limits: Limits) -> list[Found]:
    """Hash and probe some clips; one that kills the worker is refused, the others are not."""
    try:
        return crew.call(inspect_clips, found, paths, known, limits)
    except WorkerDied:
        if len(found) == 1:
            return [replace(found[0], bad=BadClip(found[0].clip.clip_id, Reason.CRASHED, CRASHED))]
        return [inspect_guarded(crew, [f], [path], known, limits)[0] for f, path in zip(found, paths, strict=True)]


def build_guarded(crew: AnyCrew, task: ShardTask, runtime: Runtime, gpu: AnyCrew | None = None) -> dict[str, ShardRecord]:
    """Build the shards of a task; when its worker dies, find the clips that end it and build without them.

    With `gpu`, networks run there: it encodes a task while `crew` decodes the next ones. A task that cannot be split is all done there.
    """

    def fatal() -> frozenset[str]:
        return frozenset(clip.clip_id for number, clip in enumerate(task.clips) if _dies(crew, task, number))

    if gpu is None or not task.graph.encoders(task.features):
        return _guarded(task, lambda safe: crew.call(build_shards, safe, runtime), fatal)
    if not can_be_split(task):
        return _guarded(task, lambda safe: gpu.call(build_shards, safe, runtime), fatal)
    _guarded(task, lambda safe: crew.call(decode_shards, safe), fatal)
    return _guarded(task, lambda safe: gpu.call(encode_shards, safe, runtime), frozenset)


def _guarded(task: ShardTask, work: Callable[[ShardTask], T], fatal: Callable[[], frozenset[str]]) -> T:
    """work(task), and once more where a worker died: without the clips that end it, if there are such."""
    try:
        return work(task)
    except WorkerDied:
        safe = replace(task, crashed=fatal())
    try:
        return work(safe)
    except WorkerDied as died:
        raise WorkerDied(
            f"a worker process was ended from outside, twice, while it built {task.title}, most often because memory ran out; "
            f"run the same command again with fewer workers, finished shards are kept ({died})"
        ) from died


def _dies(crew: AnyCrew, task: ShardTask, number: int) -> bool:
    try:
        crew.call(measure_alone, task, number)
    except WorkerDied:
        return True
    return False
