"""One fitted state: what is learned from the training clips of one fold, and of no other clip.

Runs in a worker process. A state's file is named by all that its fit reads, so that a state that is
there is never fitted again, also one of a fit that was killed.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from extractors.fitted.base import Cost, Examples, Fitter, Model, State, Statistic
from flows.workers.worker import report_progress
from manifests.features import FeatureSpec
from manifests.quarantine import BadClip, Reason
from manifests.tracks import Track
from stores.clip_tracks import ClipTracks, StoredTracks
from stores.fitted_state import StateFile, WrongState, read_state, recorded_arrays, write_state
from stores.location import Location
from stores.paths import sha256_of
from stores.reader import FeatureStore
from stores.records import FoldState, ShardRecord, StoredFitted, VariantTracks
from stores.shard import Shard, shard_key
from stores.shard_writer import ShardWriter
from stores.training_clips import Training
from stores.transforms import TRANSFORMS
from stores.uploads import finished_record


class FitError(ValueError):
    """Nothing can be fitted, or a fit has too little to learn from; the message says what to do."""


@dataclass(frozen=True)
class Encoding:
    """Clips whose tracks a network makes by one state.

    They are all clips of the store as they are, or the fold's training clips in one variant.
    """

    spec: FeatureSpec
    variant: int
    inputs: Mapping[str, str]
    """Role -> name of a feature of the store, or of a fitted one."""
    clips: tuple[tuple[str, str], ...]
    """(clip id, sha256)"""
    able_sha256: str
    """Of those that have every input."""


@dataclass(frozen=True)
class FitTask:
    """One state to be fitted: paths, ids and records; it reads its tracks itself."""

    location: Location
    """Where the store lies."""
    snapshot: int
    name: str
    """Of the feature."""
    fitter: Fitter
    scheme: str
    fold: int
    fitted: Mapping[str, StoredFitted]
    """What is fitted so far: the feature itself, and those that it needs with their states."""
    training: Training
    where: tuple[str, ...] | None
    """What chose among the training clips; None for all."""
    file: str
    """Of the state, below the root of the store."""
    encodings: tuple[Encoding, ...]
    """The clips as they are, then those of each variant, where a network makes their tracks; none
    where the reader does."""
    clips_per_shard: int
    weight: float
    """How many clips the task counts for in the progress."""

    @property
    def title(self) -> str:
        """The task as messages name it."""
        return f"{self.name}, fold {self.fold} of {self.scheme}"

    @property
    def spec(self) -> FeatureSpec:
        """What the fitted feature is."""
        return self.fitted[self.name].spec


def fit_fold(task: FitTask) -> FoldState:
    """Fits one state, and makes the tracks of a network with it; what is there is not made again.

    Args:
        task: The task.

    Returns:
        The record of the state and of its tracks.

    Raises:
        FitError: The training clips do not suffice.
        WrongState: The file of the state is not what its name says.
    """
    if not task.location.exists(task.file):
        _learn(task)
    state, learned = _state(task)
    if not task.location.upload(state):
        state, learned = _state(task)  # another machine's, which was faster
    if not isinstance(task.fitter, Model):
        report_progress(task.weight)
        return state
    report_progress(task.weight / 2)
    tracks = [_encode(task, task.fitter, learned, one, state.shape) for one in task.encodings]
    plain = tracks[0]
    return replace(
        state,
        shards=plain.shards,
        encoded_sha256=plain.encoded_sha256,
        lost=plain.lost,
        variants=tuple(tracks[1:]),
    )


def _state(task: FitTask) -> tuple[FoldState, State]:
    """The record of the task's file, and what was learned."""
    found, path = read_state(task.location, task.file), task.location.path(task.file)
    expected = (task.name, task.spec.fingerprint, task.training.sha256)
    if (found.name, found.fingerprint, found.training_sha256) != expected:
        raise WrongState(
            f"{task.location.display(task.file)} is not the state of {task.title} that its name "
            "says; remove it and fit again"
        )
    state = FoldState(
        scheme=task.scheme,
        fold=task.fold,
        training_sha256=found.training_sha256,
        clips=len(found.clips),
        file=task.file,
        bytes=path.stat().st_size,
        sha256=sha256_of(path),
        shape=_shape(task, found.state),
        arrays=recorded_arrays(found),
        where=task.where,
    )
    return state, found.state


def _shape(task: FitTask, state: State) -> tuple[int, ...]:
    """Sizes of a row after time: those of the first training clip's."""
    if not isinstance(task.fitter, Statistic):
        return task.spec.shape
    tracks = _open(task).tracks(task.fitter.needs["input"], task.scheme, task.fold)
    first = TRANSFORMS[task.fitter.transform](state, tracks[task.training.clip_ids[0]])
    shape: tuple[int, ...] = first.values.shape[1:]
    return shape


def fit_cost(task: FitTask) -> Cost | None:
    """Estimates what the fit of a state will take.

    Args:
        task: The task.

    Returns:
        The estimate; None where the state is there, or takes minutes, or cannot be fitted.
    """
    if task.location.exists(task.file):
        return None
    try:
        return task.fitter.cost(_examples(task))
    except ValueError:
        return None  # the fit itself says what is wrong


def _learn(task: FitTask) -> None:
    training = task.training
    try:
        state = task.fitter.fit(_examples(task))
    except ValueError as error:
        raise FitError(f"{task.title} cannot be fitted: {error}") from error
    clips = tuple(zip(training.clip_ids, training.sha256s, strict=True))
    content = StateFile(task.name, task.spec.fingerprint, task.scheme, task.fold, clips, state)
    write_state(task.location, task.file, content)


def _examples(task: FitTask) -> Examples:
    store, training = _open(task), task.training
    is_encoded = isinstance(task.fitter, Model)
    tracks = {
        role: _TrainingTracks(
            store.tracks(need, task.scheme, task.fold), training.clip_ids, is_encoded
        )
        for role, need in task.fitted[task.name].inputs.items()
    }
    return Examples(training.clip_ids, training.groups, training.labels, tracks)


@lru_cache(maxsize=1)
def _store(location: Location, snapshot: int) -> FeatureStore:
    return FeatureStore(location, snapshot)


def _open(task: FitTask) -> FeatureStore:
    return _store(task.location, task.snapshot).with_states(task.fitted)


@dataclass(frozen=True)
class _TrainingTracks:
    """The tracks of the training clips, by number."""

    tracks: ClipTracks
    clip_ids: tuple[str, ...]
    is_encoded: bool

    def __getitem__(self, number: int) -> Track:
        return _track(self.tracks, self.clip_ids[number], self.is_encoded)


def _track(tracks: ClipTracks, clip_id: str, is_encoded: bool) -> Track:
    """Images as they are stored where `is_encoded`, else as readers see them."""
    if is_encoded and isinstance(tracks, StoredTracks):
        return tracks.track(clip_id, decode=False)
    return tracks[clip_id]


def _encode(
    task: FitTask, model: Model, learned: State, work: Encoding, shape: tuple[int, ...]
) -> VariantTracks:
    """The shards of the clips as they are, or of one variant.

    A clip without an input is refused for the reason that the input has.
    """
    store, spec = _open(task), replace(work.spec, shape=shape)
    inputs = {
        role: store.tracks(need, task.scheme, task.fold) for role, need in work.inputs.items()
    }
    sources = inputs.values()
    able = {clip_id for clip_id, _ in work.clips if all(clip_id in tracks for tracks in sources)}
    total = sum(len(one.clips) for one in task.encodings)
    shards: list[ShardRecord] = []
    refused: list[str] = []
    for at in range(0, len(work.clips), task.clips_per_shard):
        some = work.clips[at : at + task.clips_per_shard]
        file = _shard_file(task, spec, some, able)
        if not task.location.exists(file):
            with ShardWriter(task.location, file, spec) as writer:
                for clip_id, _ in some:
                    _write(writer, clip_id, model, learned, inputs)
        shards.append(finished_record(task.location, file))
        shard = Shard(task.location, file)
        refused += [one.clip_id for one in shard.refused if one.clip_id in able]
        report_progress(task.weight / 2 * len(some) / total)
    return VariantTracks(
        work.variant, spec.fingerprint, work.able_sha256, tuple(shards), tuple(sorted(refused))
    )


def _shard_file(
    task: FitTask, spec: FeatureSpec, clips: Iterable[tuple[str, str]], able: Container[str]
) -> str:
    """Where the shard of some clips lies.

    Elsewhere where another clip has its inputs: an input may be found later, with the same
    fingerprint, by another decoder.
    """
    found = [(clip_id, sha256 if clip_id in able else "") for clip_id, sha256 in clips]
    return f"{task.file.removesuffix('.h5')}/{shard_key(spec.fingerprint, found)}.h5"


def _write(
    writer: ShardWriter,
    clip_id: str,
    model: Model,
    learned: State,
    inputs: Mapping[str, ClipTracks],
) -> None:
    if any(clip_id in tracks.absent for tracks in inputs.values()):
        return
    try:
        for tracks in inputs.values():
            if clip_id not in tracks:
                reason, detail = tracks.quarantined[clip_id]
                raise BadClip(clip_id, Reason(reason), detail)
        tracks_in = {role: _track(tracks, clip_id, True) for role, tracks in inputs.items()}
        writer.add(clip_id, model.encode(learned, tracks_in))
    except BadClip as bad:
        writer.refuse(bad)
