"""The networks of tasks whose decoding part is done, in the process that has the GPU.

The clips of all tasks go through a network as one stream: its batches are full across shards, and a
shard that is whole is published beside it. So the GPU waits neither for the rest of a batch nor for
a disk.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from types import TracebackType
from typing import Self

from extractors.base import Encoder, Runtime
from extractors.batching import encode_stream
from extractors.plan import Outcome
from extractors.unforeseen import refusal
from flows.building.shard_task import (
    Records,
    ShardTask,
    encoders_left,
    records,
    stored_outcomes,
    with_inputs,
    write_outcome,
)
from flows.workers.pool import cores
from flows.workers.worker import report_progress
from manifests.quarantine import BadClip
from manifests.tracks import Track
from stores.shard_writer import ShardWriter


def can_be_split(task: ShardTask) -> bool:
    """Whether `encode_shards` would find the inputs of its networks.

    Args:
        task: The task.

    Returns:
        False where the store lies behind a URL and does not keep them.
    """
    if task.location.is_local:
        return True
    return with_inputs(task, task.graph.encoders(task.features)).features == task.features


def encode_shards(task: ShardTask, runtime: Runtime) -> Records:
    """Runs the networks on what the decoding part of a task has left in shards.

    Args:
        task: The task, whose decoding part is done.
        runtime: How networks run.

    Returns:
        The records of all its shards.
    """
    [found] = encode_together([task], runtime)
    return found


def encode_together(tasks: Sequence[ShardTask], runtime: Runtime) -> list[Records]:
    """Runs the networks on what the decoding parts of some tasks have left in shards.

    Shards that the store does not keep are removed.

    Args:
        tasks: Tasks of one build, whose decoding parts are done.
        runtime: How networks run.

    Returns:
        The records of all shards of each.
    """
    lacking = [encoders_left(task) for task in tasks]
    encoders = {name: encoder for left, _ in lacking for name, encoder in left.items()}
    complete = [with_inputs(task, task.graph.encoders(task.features)) for task in tasks]
    # The process has no other work: the processors that decoders leave make its pictures.
    runtime = replace(runtime, preparing=cores())
    for name, encoder in encoders.items():
        left = [
            (whole, share)
            for whole, (its, share) in zip(complete, lacking, strict=True)
            if name in its
        ]
        _encode(name, encoder, left, runtime)
    for task, whole in zip(tasks, complete, strict=True):
        for name in set(whole.features) - set(task.features):
            task.location.remove(task.file(name))
    return [records(task) for task in tasks]


def _encode(
    name: str, encoder: Encoder, tasks: Sequence[tuple[ShardTask, float]], runtime: Runtime
) -> None:
    with _GrowingShards(name, [task for task, _ in tasks]) as shards:

        def usable() -> Iterator[tuple[str, Track]]:
            for task, share in tasks:
                for clip_id, outcome in stored_outcomes(task, encoder.needs["input"]):
                    report_progress(share)
                    if isinstance(outcome, BadClip):
                        shards.add(clip_id, outcome)
                    else:
                        yield clip_id, outcome

        def refuse(clip_id: str, error: Exception) -> None:
            shards.add(clip_id, refusal(shards.clips[clip_id], error))

        for clip_id, track in encode_stream(encoder, usable(), runtime, refuse):
            shards.add(clip_id, track)


class _GrowingShards:
    """Shards of one feature, a task each; a thread publishes each as soon as it is whole."""

    def __init__(self, feature: str, tasks: Sequence[ShardTask]) -> None:
        self._feature, self._tasks = feature, tasks
        self.clips = {clip.clip_id: clip for task in tasks for clip in task.clips}
        self._number = {
            clip.clip_id: number for number, task in enumerate(tasks) for clip in task.clips
        }
        self._missing = [len(task.clips) for task in tasks]
        self._open: dict[int, ShardWriter] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="publishing")
        self._published: list[Future[None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._thread.shutdown(cancel_futures=kind is not None)
        for writer in self._open.values():
            writer.__exit__(kind, error, trace)
        if kind is None:
            for one in self._published:
                one.result()

    def add(self, clip_id: str, outcome: Outcome) -> None:
        """Adds a clip to the shard of its task.

        Args:
            clip_id: The clip.
            outcome: Its track, or why there is none.
        """
        number = self._number[clip_id]
        if number not in self._open:
            self._open[number] = self._tasks[number].writer(self._feature).__enter__()
        write_outcome(self._open[number], self.clips[clip_id], outcome)
        self._missing[number] -= 1
        if not self._missing[number]:
            whole = self._open.pop(number)
            self._published.append(self._thread.submit(whole.__exit__, None))
