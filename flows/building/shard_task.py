"""One build task: some clips, the features that they lack, and the shards that are to hold them.

Runs in a worker process. Paths and ids come in, small records go out; arrays stay here. A task is
run at once, or in two parts, where the networks run in another process than the decoders: first
`decoding_part`, then `flows.building.encoding`, with the same bytes in the same files.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path

from extractors.base import Encoder, Runtime
from extractors.batching import encode_stream
from extractors.limits import PATIENCE, watched
from extractors.media_file import MediaFile
from extractors.plan import Graph, Media, Outcome, measure
from extractors.unforeseen import guarded, refusal
from flows.building.changed import ClipsChanged
from flows.building.file_copies import FileCopies
from flows.workers.worker import report_progress, working_on
from manifests.clips import Clip
from manifests.quarantine import BadClip
from manifests.tracks import Track
from stores.location import Location
from stores.reading import HASHED_COPY, READING
from stores.records import ShardRecord
from stores.shard import Shard, open_shard, shard_key
from stores.shard_writer import ShardWriter
from stores.uploads import finished_record

PIECES = ".pieces"
"""Folder of a store for shards that are to be joined; see `flows.building.pieces`."""


@cache
def readers() -> Mapping[str, str]:
    """What decides which bytes of which files are read, the same on all workers.

    Returns:
        Library -> version, and how files are read: no shard that an older version has left
        unfinished is taken for one of this.
    """
    return {READING: HASHED_COPY, **{name: version(name) for name in ("affectstore", "av")}}


@dataclass(frozen=True)
class ShardTask:
    """What is to be made of some clips, for a worker process."""

    location: Location
    """Where the store lies."""
    graph: Graph
    media: Media
    clips: tuple[Clip, ...]
    paths: tuple[Path, ...]
    """The clips' files, one each."""
    features: tuple[str, ...]
    """What these clips lack, every input before what needs it."""
    stored: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Inputs of encoders that the store already has: feature -> clip id -> shard."""
    records: Mapping[str, ShardRecord] = field(default_factory=dict)
    """Of the shards in `stored`, by file."""
    quarantined: Mapping[tuple[str, str], BadClip] = field(default_factory=dict)
    """Inputs of encoders that the store has in quarantine: (clip id, feature) -> why."""
    refused: Mapping[str, BadClip] = field(default_factory=dict)
    """Clips that ended the process which decoded them, by id: they are not decoded."""
    tried_before: int = 0
    """The snapshot whose refusals of these clips are tried again: its shards of the same clips hold
    the refusals, so those of this task have other names. 0: none is."""
    is_piece: bool = False
    """The shards are pieces of others."""
    share: float = 1.0
    """What a clip counts for in the progress: less than one where the networks of another process
    have yet to encode it."""

    @property
    def title(self) -> str:
        """The task as messages name it."""
        others = len(self.clips) - 1
        return f"{self.clips[0].clip_id} and {others} more: {', '.join(self.features)}"

    def file(self, feature: str) -> str:
        """Where the shard of a feature lies; its name is a function of what it is to hold.

        Args:
            feature: Name of the feature.

        Returns:
            Path below the root of the store.
        """
        spec = self.graph.specs[feature]
        made_by = f"{spec.fingerprint} after {self.tried_before}" * bool(self.tried_before)
        clips = [(clip.clip_id, clip.sha256) for clip in self.clips]
        reading = {**asdict(self.media), **readers()}
        key = shard_key(made_by or spec.fingerprint, clips, reading)
        file = f"shards/{feature}/{spec.fingerprint}/{key}.h5"
        return f"{PIECES}/{file}" if self.is_piece else file

    def writer(self, feature: str) -> ShardWriter:
        """A writer for the shard of a feature.

        Args:
            feature: Name of the feature.

        Returns:
            The writer, not yet open.
        """
        return ShardWriter(self.location, self.file(feature), self.graph.specs[feature])


Records = Mapping[str, ShardRecord]
"""Feature -> record of its shard."""


def build_shards(task: ShardTask, runtime: Runtime) -> Records:
    """Makes the shards of a task that are not there yet.

    Args:
        task: The task.
        runtime: How networks run.

    Returns:
        The records of all its shards; none for a piece.

    Raises:
        ClipsChanged: Files are no longer those that the task names; no shard was made of them.
    """
    encoders, share = encoders_left(task)
    left = [name for name in unfinished(task) if name not in encoders]

    def advance() -> None:
        report_progress(share * task.share)

    made: dict[str, ShardRecord] = {}
    kept = _measure_clips(task, left, encoders, advance, made)
    for name, encoder in encoders.items():
        made[name] = _encode_clips(task, name, encoder, kept, runtime, advance)
    return {} if task.is_piece else records(task, made)


def decoding_part(task: ShardTask) -> ShardTask:
    """The part of a task without networks.

    Args:
        task: The task.

    Returns:
        A task for what comes from media, and for the inputs of networks, even where the store does
        not keep them.
    """
    encoders, share = encoders_left(task)
    complete = with_inputs(task, encoders)
    networks = task.graph.encoders(complete.features)
    features = tuple(name for name in complete.features if name not in networks)
    return replace(complete, features=features, share=share)


def unfinished(task: ShardTask) -> list[str]:
    """The features of a task that have no shard yet.

    Args:
        task: The task.

    Returns:
        Their names, every input before what needs it.
    """
    return [name for name in task.features if not task.location.exists(task.file(name))]


def encoders_left(task: ShardTask) -> tuple[dict[str, Encoder], float]:
    """Finds the encoders without a shard.

    Args:
        task: The task.

    Returns:
        Name -> encoder, in order; and what decoding, or one of them, of a clip counts for in the
        progress.
    """
    encoders = task.graph.encoders(unfinished(task))
    return encoders, 1 / (1 + len(encoders))


def with_inputs(task: ShardTask, encoders: Mapping[str, Encoder]) -> ShardTask:
    """Adds the inputs of encoders to the features of a task, but for those that are stored.

    Args:
        task: The task.
        encoders: Some of its encoders.

    Returns:
        The task with them.
    """
    inputs = {encoder.needs["input"] for encoder in encoders.values()} - set(task.stored)
    wanted = inputs | set(task.features)
    return replace(task, features=tuple(name for name in task.graph.order if name in wanted))


def records(task: ShardTask, made: Records | None = None) -> Records:
    """The records of the shards of a task, all of them finished.

    Args:
        task: The task.
        made: Those of the shards that were written just now: what lies there of others is hashed.

    Returns:
        Feature -> record.
    """
    known, at = made or {}, task.location
    return {name: finished_record(at, task.file(name), known.get(name)) for name in task.features}


Kept = Mapping[str, list[tuple[str, Outcome]]]
"""Tracks that encoders need and no shard holds: feature -> (clip id, track or refusal)."""


def _measure_clips(
    task: ShardTask,
    features: list[str],
    encoders: Mapping[str, Encoder],
    advance: Callable[[], None],
    made: dict[str, ShardRecord],
) -> Kept:
    """Decodes each clip once and writes its features; `made` takes the records of their shards."""
    inputs = {encoder.needs["input"] for encoder in encoders.values()}
    kept: dict[str, list[tuple[str, Outcome]]] = {
        name: [] for name in sorted(inputs - set(task.features) - set(task.stored))
    }
    if not features and not kept:
        for _ in task.clips:
            advance()
        return kept
    with ExitStack() as stack:
        copies = stack.enter_context(FileCopies())
        shards = {name: stack.enter_context(task.writer(name)) for name in features}
        for number, clip in enumerate(task.clips):
            outcomes = _measure_clip(task, {*features, *kept}, number, copies)
            for name, shard in shards.items():
                write_outcome(shard, clip, outcomes[name])
            for name, tracks in kept.items():
                tracks.append((clip.clip_id, outcomes[name]))
            advance()
    made.update({name: shard.record for name, shard in shards.items()})
    return kept


def _measure_clip(
    task: ShardTask, wanted: set[str], number: int, copies: FileCopies
) -> Mapping[str, Outcome]:
    clip = task.clips[number]
    if bad := task.refused.get(clip.clip_id):
        return dict.fromkeys(wanted, bad)
    with _watched(task, clip):
        try:
            if file := _planned_file(task, number, copies):
                return measure(task.graph, wanted, clip, file, task.media)
        except BadClip as bad:
            return dict.fromkeys(wanted, bad)
    raise ClipsChanged((clip.clip_id, *_others_changed(task, number + 1)))


def _planned_file(task: ShardTask, number: int, copies: FileCopies) -> MediaFile | None:
    """A copy of a clip's file; None where the file is another one than the task was planned for."""
    clip, limits = task.clips[number], task.media.limits
    try:
        copy = copies.copy(clip.clip_id, task.paths[number], limits.timeout_s)
    except FileNotFoundError:
        return None
    return copy if copy.sha256 == clip.sha256 else None


def _others_changed(task: ShardTask, start: int) -> Iterator[str]:
    """The clips from a number on whose files have changed: where one has, others often have."""
    with FileCopies() as copies:
        for number in range(start, len(task.clips)):
            clip = task.clips[number]
            if clip.clip_id in task.refused:
                continue
            with _watched(task, clip), suppress(BadClip):
                if _planned_file(task, number, copies) is None:
                    yield clip.clip_id


@contextmanager
def _watched(task: ShardTask, clip: Clip) -> Iterator[None]:
    limits = task.media.limits
    patience = PATIENCE * limits.timeout_s
    with working_on(clip.clip_id, patience, limits.max_memory_mb) as may_take, watched(may_take):
        yield


def measure_alone(task: ShardTask, number: int) -> None:
    """Measures one clip of a task and keeps nothing: shows whether it is what ends the process.

    Args:
        task: The task.
        number: Which of its clips.
    """
    encoders = task.graph.encoders(task.features)
    inputs = {encoder.needs["input"] for encoder in encoders.values()} - set(task.stored)
    wanted = (set(task.features) | inputs) - set(encoders)
    with FileCopies() as copies:
        _measure_clip(task, wanted, number, copies)


def _encode_clips(
    task: ShardTask,
    name: str,
    encoder: Encoder,
    kept: Kept,
    runtime: Runtime,
    advance: Callable[[], None],
) -> ShardRecord:
    source = encoder.needs["input"]
    outcomes = iter(kept[source]) if source in kept else stored_outcomes(task, source)
    clips = {clip.clip_id: clip for clip in task.clips}
    with task.writer(name) as shard:

        def refuse(clip_id: str, error: Exception) -> None:
            shard.refuse(refusal(clips[clip_id], error))

        tracks = _usable(outcomes, shard, advance)
        for clip_id, track in encode_stream(encoder, tracks, runtime, refuse):
            write_outcome(shard, clips[clip_id], track)
    return shard.record


def _usable(
    outcomes: Iterator[tuple[str, Outcome]], shard: ShardWriter, advance: Callable[[], None]
) -> Iterator[tuple[str, Track]]:
    """The tracks; clips without one are refused for the same reason as the input was."""
    for clip_id, outcome in outcomes:
        advance()
        if isinstance(outcome, BadClip):
            shard.refuse(outcome)
        else:
            yield clip_id, outcome


def stored_outcomes(task: ShardTask, feature: str) -> Iterator[tuple[str, Outcome]]:
    """Reads a feature that lies in shards: those of this task, or older ones.

    Args:
        task: The task.
        feature: Name of the feature.

    Yields:
        (clip id, track or why there is none) of each clip.
    """
    opened: dict[str, Shard] = {}
    for clip in task.clips:
        clip_id = clip.clip_id
        if bad := task.quarantined.get((clip_id, feature)):
            yield clip_id, bad
            continue
        is_own = feature in task.features
        file = task.file(feature) if is_own else task.stored[feature][clip_id]
        if file not in opened:
            opened[file] = _open(task, feature, file)
        yield clip_id, opened[file].outcome(clip_id)


def _open(task: ShardTask, feature: str, file: str) -> Shard:
    record = task.records.get(file)
    if record is None:  # a shard of this build
        return Shard(task.location, file)
    task.location.fetch(record)
    return open_shard(task.location, task.graph.specs[feature], record)


def write_outcome(shard: ShardWriter, clip: Clip, outcome: Outcome) -> None:
    """Adds a clip to a shard; one whose track is not what the feature declares is refused.

    Args:
        shard: The shard.
        clip: The clip.
        outcome: Its track, or why there is none.
    """
    if isinstance(outcome, BadClip):
        shard.refuse(outcome)
        return
    try:
        with guarded(clip):
            shard.add(clip.clip_id, outcome)
    except BadClip as bad:
        shard.refuse(bad)
