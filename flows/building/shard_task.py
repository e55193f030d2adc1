"""One build task: some clips, the features that they lack, and the shards that hold them
afterwards.

Runs in a worker process. Paths and ids come in, small records go out; arrays stay here. A task is
done in one go, or in two, where the networks run in another process than the decoders: what is
`decoding` of it, then `encode_shards`, with the same bytes in the same files.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from extractors.base import Encoder, Runtime
from extractors.batching import encode_stream
from extractors.plan import Graph, Media, Outcome, measure
from flows.workers.pool import advance
from manifests.clips import Clip
from manifests.quarantine import BadClip, Reason
from manifests.tracks import Track
from stores.mirror import ensure, mirror_of, sent, there
from stores.records import ShardRecord
from stores.shard import Shard, open_shard, shard_key
from stores.shard_writer import ShardWriter

PIECES = ".pieces"
"""Folder of a store for what is to be joined; see `flows.building.pieces`."""
CRASHED = "reading this file ends the process that does so; it is damaged or hostile"


@dataclass(frozen=True)
class ShardTask:
    root: Path
    """The store."""
    graph: Graph
    media: Media
    clips: tuple[Clip, ...]
    paths: tuple[Path, ...]
    """The clips' files, one each."""
    features: tuple[str, ...]
    """What these clips lack, every input before what needs it."""
    held: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Inputs of encoders that the store already has: feature -> clip id -> shard."""
    records: Mapping[str, ShardRecord] = field(default_factory=dict)
    """Of these shards."""
    lost: Mapping[tuple[str, str], BadClip] = field(default_factory=dict)
    """Inputs of encoders that the store already has in quarantine: (clip id, feature) -> why."""
    crashed: frozenset[str] = frozenset()
    """Clips that ended the process which decoded them."""
    aside: bool = False
    """The shards are pieces of others; see `flows.building.pieces`."""
    share: float = 1.0
    """What a clip counts for in the progress: less than one where networks of another process have
    yet to see it."""

    @property
    def title(self) -> str:
        return f"{self.clips[0].clip_id} and {len(self.clips) - 1} more: {', '.join(self.features)}"

    def file(self, feature: str) -> str:
        """The shard of a feature, relative to the store; its name is a function of what it will
        hold."""
        spec = self.graph.specs[feature]
        key = shard_key(spec.fingerprint, [(clip.clip_id, clip.sha256) for clip in self.clips])
        file = f"shards/{feature}/{spec.fingerprint}/{key}.h5"
        return f"{PIECES}/{file}" if self.aside else file


def build_shards(task: ShardTask, runtime: Runtime) -> dict[str, ShardRecord]:
    """Make the shards that are not there yet; feature -> record of its shard, for all features of
    the task."""
    encoders, share = _encoders_left(task)
    share *= task.share
    kept = _measure_clips(task, _media_left(task), encoders, lambda: advance(share))
    for name, encoder in encoders.items():
        _encode_clips(task, name, encoder, kept, runtime, lambda: advance(share))
    return {} if task.aside else records(task)


def decoding(task: ShardTask) -> ShardTask:
    """The part of a task without networks: what comes from media, and what networks are to see,
    even where the store does not keep it."""
    encoders, share = _encoders_left(task)
    whole = _with_inputs(task, encoders)
    networks = task.graph.encoders(whole.features)
    return replace(
        whole, features=tuple(name for name in whole.features if name not in networks), share=share
    )


def can_be_split(task: ShardTask) -> bool:
    """Whether `encode_shards` finds all that it needs: in a store behind a URL, only what it
    keeps."""
    return (
        mirror_of(task.root) is None
        or _with_inputs(task, task.graph.encoders(task.features)).features == task.features
    )


def encode_shards(task: ShardTask, runtime: Runtime) -> dict[str, ShardRecord]:
    """The second part: the networks, on what the first left in shards; those that the store does
    not keep are removed."""
    encoders, share = _encoders_left(task)
    whole = _with_inputs(task, task.graph.encoders(task.features))
    for name, encoder in encoders.items():
        _encode_clips(whole, name, encoder, {}, runtime, lambda: advance(share))
    for name in set(whole.features) - set(task.features):
        (task.root / task.file(name)).unlink(missing_ok=True)
    return records(task)


def unfinished(task: ShardTask) -> list[str]:
    """The features of a task that have no shard yet."""
    return [name for name in task.features if not there(task.root, task.file(name))]


def _media_left(task: ShardTask) -> list[str]:
    """Features without a shard that come from media."""
    left = unfinished(task)
    return [name for name in left if name not in task.graph.encoders(left)]


def _encoders_left(task: ShardTask) -> tuple[dict[str, Encoder], float]:
    """Encoders without a shard; and what one stage of one clip counts for, where decoding is a
    stage and each encoder is one."""
    encoders = task.graph.encoders(unfinished(task))
    return encoders, 1 / (1 + len(encoders))


def _with_inputs(task: ShardTask, encoders: Mapping[str, Encoder]) -> ShardTask:
    """The task with the inputs of the encoders among its features, but for those that older shards
    hold."""
    inputs = {encoder.needs["input"] for encoder in encoders.values()} - set(task.held)
    return replace(
        task,
        features=tuple(
            name for name in task.graph.order if name in inputs or name in task.features
        ),
    )


def records(task: ShardTask) -> dict[str, ShardRecord]:
    """Of the shards of a task, all of them finished."""
    return {name: shard_record(task.root, task.file(name)) for name in task.features}


def shard_record(root: Path, file: str) -> ShardRecord:
    """Of a shard that the store holds afterwards, also where its root is a URL."""
    record = open_shard(root, file).record()
    return record if sent(root, record) else open_shard(root, file).record()


def _measure_clips(
    task: ShardTask, features: list[str], encoders: Mapping[str, Encoder], done: Callable[[], None]
) -> dict[str, list[tuple[str, Outcome]]]:
    """Decode each clip once and write its features; give back the tracks that encoders need but no
    shard holds."""
    inputs = sorted({encoder.needs["input"] for encoder in encoders.values()})
    kept: dict[str, list[tuple[str, Outcome]]] = {
        name: [] for name in inputs if name not in task.features and name not in task.held
    }
    if not features and not kept:
        for _ in task.clips:
            done()
        return kept
    with ExitStack() as stack:
        shards = {
            name: stack.enter_context(
                ShardWriter(task.root, task.file(name), task.graph.specs[name])
            )
            for name in features
        }
        for clip, path in zip(task.clips, task.paths, strict=True):
            outcomes = _measure_one(task, {*features, *kept}, clip, path)
            for name, shard in shards.items():
                _write(shard, clip.clip_id, outcomes[name])
            for name, tracks in kept.items():
                tracks.append((clip.clip_id, outcomes[name]))
            done()
    return kept


def _measure_one(task: ShardTask, wanted: set[str], clip: Clip, path: Path) -> dict[str, Outcome]:
    if clip.clip_id in task.crashed:
        return dict.fromkeys(wanted, BadClip(clip.clip_id, Reason.CRASHED, CRASHED))
    return measure(task.graph, wanted, clip, path, task.media)


def measure_alone(task: ShardTask, number: int) -> None:
    """Measure one clip of a task and keep nothing: tells whether it is this clip that ends the
    process."""
    media_features = [
        name for name in task.features if not isinstance(task.graph.extractors[name], Encoder)
    ]
    measure(task.graph, media_features, task.clips[number], task.paths[number], task.media)


def _encode_clips(
    task: ShardTask,
    name: str,
    encoder: Encoder,
    kept: Mapping[str, list[tuple[str, Outcome]]],
    runtime: Runtime,
    done: Callable[[], None],
) -> None:
    source = encoder.needs["input"]
    outcomes = iter(kept[source]) if source in kept else _stored(task, source)
    with ShardWriter(task.root, task.file(name), task.graph.specs[name]) as shard:
        for clip_id, track in encode_stream(encoder, _sound(outcomes, shard, done), runtime):
            shard.add(clip_id, track)


def _sound(
    outcomes: Iterator[tuple[str, Outcome]], shard: ShardWriter, done: Callable[[], None]
) -> Iterator[tuple[str, Track]]:
    """The tracks among the outcomes; the others are refused for the same reason as the input
    was."""
    for clip_id, outcome in outcomes:
        done()
        if isinstance(outcome, BadClip):
            shard.refuse(outcome)
        else:
            yield clip_id, outcome


def _stored(task: ShardTask, feature: str) -> Iterator[tuple[str, Outcome]]:
    """The clips' tracks of a feature that lies in shards: those of this task, or older ones."""
    opened: dict[str, Shard] = {}
    for clip in task.clips:
        if bad := task.lost.get((clip.clip_id, feature)):
            yield clip.clip_id, bad
            continue
        file = task.file(feature) if feature in task.features else task.held[feature][clip.clip_id]
        if file not in opened:
            if file in task.records:
                ensure(task.root, task.records[file])
            opened[file] = open_shard(task.root, file)
        shard = opened[file]
        refused = {clip_id: (reason, detail) for clip_id, reason, detail in shard.refused}
        if clip.clip_id in refused:
            reason, detail = refused[clip.clip_id]
            yield clip.clip_id, BadClip(clip.clip_id, Reason(reason), detail)
        else:
            yield clip.clip_id, shard.track(clip.clip_id, decode=False)


def _write(shard: ShardWriter, clip_id: str, outcome: Outcome) -> None:
    if isinstance(outcome, BadClip):
        shard.refuse(outcome)
    else:
        shard.add(clip_id, outcome)
