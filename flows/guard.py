"""Work in worker processes that survives a clip which ends its process."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from extractors.base import Runtime
from extractors.media import Limits
from flows.crew import Crew, WorkerDied
from flows.shards import CRASHED, ShardTask, measure_alone
from flows.steps import inspect_clips, run_task
from manifests.clips import Clip
from manifests.corpora.catalog import Found
from manifests.quarantine import BadClip, Reason
from stores.records import ShardRecord


def inspect_guarded(crew: Crew, found: Sequence[Found], paths: Sequence[Path], known: Mapping[str, Clip], limits: Limits) -> list[Found]:
    """Hash and probe some clips; one that kills the worker is refused, the others are not."""
    try:
        return crew.call(inspect_clips, found, paths, known, limits)
    except WorkerDied:
        if len(found) == 1:
            return [replace(found[0], bad=BadClip(found[0].clip.clip_id, Reason.CRASHED, CRASHED))]
        return [inspect_guarded(crew, [f], [path], known, limits)[0] for f, path in zip(found, paths, strict=True)]


def build_guarded(crew: Crew, task: ShardTask, runtime: Runtime) -> dict[str, ShardRecord]:
    """Build the shards of a task; when its worker dies, find the clips that end it and build without them."""
    try:
        return crew.call(run_task, task, runtime)
    except WorkerDied as died:
        crashed = frozenset(clip.clip_id for number, clip in enumerate(task.clips) if _dies(crew, task, number))
        if not crashed:
            raise WorkerDied(
                f"a worker process was ended from outside while it built {task.title}, most often because memory ran out; "
                "run the same command again with fewer workers, finished shards are kept"
            ) from died
        return crew.call(run_task, replace(task, crashed=crashed), runtime)


def _dies(crew: Crew, task: ShardTask, number: int) -> bool:
    try:
        crew.call(measure_alone, task, number)
    except WorkerDied:
        return True
    return False
