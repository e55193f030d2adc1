"""The steps of a fit, as plain functions: what is learned from the training clips of each fold, and
nothing of any other clip.

A state's file is named by all that its fit saw, so that one that is there is never fitted again, be
it of a fit that was killed.
"""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from graphlib import TopologicalSorter
from importlib.metadata import version
from pathlib import Path

from extractors.fitted.base import Examples, Fitter, Model, State, Statistic
from flows.auditing.run import audit_again
from flows.building.shard_task import shard_record
from flows.recipe import parse
from flows.variants import MARK, variant_name
from flows.workers.pool import advance
from manifests.features import FeatureSpec
from manifests.labels import LABELS
from manifests.quarantine import QUARANTINE, BadClip, Reason
from manifests.tracks import Track
from stores.fitted_state import FittedTracks, StateFile, WrongState, read_state, write_state
from stores.mirror import sent, there
from stores.reader import FeatureStore, StoredTracks
from stores.records import FoldState, ShardRecord, StoredFitted, VariantTracks, sha256_of
from stores.shard import open_shard, shard_key
from stores.shard_writer import ShardWriter
from stores.snapshot import TABLES, Snapshot, publish, read_table
from stores.training_clips import Training, Trainings, carry
from stores.transforms import TRANSFORMS

_LIBRARIES = ("affectstore", "numpy", "torch")


class FitError(ValueError):
    """Nothing can be fitted, or one of the fits has too little to learn from; the message says
    which and what to do."""


def declared(
    fitters: Mapping[str, Fitter], specs: Mapping[str, FeatureSpec]
) -> dict[str, StoredFitted]:
    """A recipe's fitted features as a store lists them, with no state yet. `specs`: of the stored
    features, their variants among them."""
    found = dict(specs)
    entries: dict[str, StoredFitted] = {}
    order = TopologicalSorter(
        {
            name: [need for need in fitter.needs.values() if need in fitters]
            for name, fitter in fitters.items()
        }
    )
    for name in order.static_order():
        fitter = fitters[name]
        found[name] = fitter.spec(name, {role: found[need] for role, need in fitter.needs.items()})
        variants = _variants(name, fitter, found)
        found |= {spec.name: spec for spec in variants}
        transform = fitter.transform if isinstance(fitter, Statistic) else None
        entries[name] = StoredFitted(
            found[name],
            transform,
            dict(fitter.needs),
            fitter.label_scheme,
            fitter.sees_all,
            variants=variants,
        )
    return entries


def _variants(
    name: str, fitter: Fitter, found: Mapping[str, FeatureSpec]
) -> tuple[FeatureSpec, ...]:
    """A fitted feature in each variant that one of its inputs has; in none where it is fitted on a
    variant, which its recipe names."""
    if found[name].variant:
        return ()
    numbers = {
        spec.variant
        for spec in found.values()
        if spec.name in {variant_name(need, spec.variant) for need in fitter.needs.values()}
    }
    return tuple(
        fitter.spec(
            variant_name(name, number),
            {role: found[in_variant(need, number, found)] for role, need in fitter.needs.items()},
        )
        for number in sorted(numbers)
    )


def in_variant(feature: str, variant: int, known: Container[str]) -> str:
    """The name of a feature in a variant: its own where the augmentation does not touch it, and in
    variant 0."""
    augmented = variant_name(feature, variant)
    return augmented if augmented in known else feature


@dataclass(frozen=True)
class Encoding:
    """Clips whose tracks a network makes by one state: all of the store as they are, or the fold's
    training clips in one variant."""

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

    root: Path
    snapshot: int
    name: str
    fitter: Fitter
    scheme: str
    fold: int
    fitted: Mapping[str, StoredFitted]
    """What is fitted so far: the feature itself, and those that it needs with their states."""
    training: Training
    file: str
    encodings: tuple[Encoding, ...]
    """The clips as they are, then those of each variant, where a network makes their tracks; none
    where the reader does."""
    clips_per_shard: int
    weight: float
    """How many clips the task counts for in what is told of the progress."""

    @property
    def title(self) -> str:
        return f"{self.name}, fold {self.fold} of {self.scheme}"

    @property
    def spec(self) -> FeatureSpec:
        return self.fitted[self.name].spec


class Fits:
    """What a fit of one scheme has to do, and what it has done. The caller holds the store's
    lock."""

    def __init__(self, root: Path, scheme: str) -> None:
        """FitError, in one sentence, where the store has nothing that can be fitted for this
        scheme."""
        self.root, self.scheme = root, scheme
        self._store = FeatureStore(root)
        recipe = parse(self.snapshot.recipe, where=f"the recipe of {root}")
        self._fitters, self._clips_per_shard = recipe.fitted, recipe.clips_per_shard
        if not self._fitters:
            raise FitError(
                f"the recipe of {root}, {recipe.name}, has no [fitted.NAME] table; add one to it "
                "and build again, then fit"
            )
        entries = declared(self._fitters, self._store.features)
        self.fitted = carry(entries, self.snapshot.fitted, self._store.rows)
        self._trainings = Trainings(self._store.rows, self.fitted)
        self._check_scheme()
        self._check_labels()
        self.held = sum(
            state.scheme == scheme for entry in self.fitted.values() for state in entry.states
        )

    @property
    def snapshot(self) -> Snapshot:
        return self._store.snapshot

    @property
    def folds(self) -> list[int]:
        return self._trainings.folds(self.scheme)

    @property
    def pending(self) -> list[tuple[str, int]]:
        """(feature, fold) of each state that is missing."""
        return [
            (name, fold)
            for name in self.fitted
            for fold in self.folds
            if self.fitted[name].state(self.scheme, fold) is None
        ]

    def rounds(self) -> Iterator[list[FitTask]]:
        """The missing states, in rounds: those of one round do not need each other, and are to be
        added before the next is asked for."""
        needs = {
            name: sorted(set(entry.inputs.values()) & self.fitted.keys())
            for name, entry in sorted(self.fitted.items())
        }
        order = TopologicalSorter(needs)
        order.prepare()
        while order.is_active():
            names = sorted(order.get_ready())
            yield [self._task(name, fold) for name, fold in self.pending if name in names]
            order.done(*names)

    def add(self, name: str, state: FoldState) -> None:
        entry = self.fitted[name]
        states = sorted([*entry.states, state], key=lambda one: (one.scheme, one.fold))
        self.fitted[name] = replace(entry, states=tuple(states))

    def publish(self) -> Snapshot:
        """A snapshot with the new states; the old one where there are none."""
        old = self.snapshot
        tables = {name: read_table(self.root, old, table) for name, table in TABLES.items()}
        used = {f"{name} of the last fit": version(name) for name in _LIBRARIES}
        return publish(
            self.root,
            parent=old,
            recipe=old.recipe,
            tables={
                **tables,
                "audits": audit_again(self.root, tables, old.features, self.fitted, self.scheme),
            },
            features=old.features,
            fitted=self.fitted,
            versions={**old.versions, **used},
            schemes=old.schemes,
        )

    def _check_scheme(self) -> None:
        if self.scheme not in self._trainings.schemes:
            known = ", ".join(self._trainings.schemes) or "none"
            raise FitError(
                f"{self.root} has no folds of the scheme {self.scheme!r}, and a fit needs "
                f"training clips; it has folds of: {known}; "
                f"make some with: affectstore split {self.root} {self.scheme}"
            )

    def _check_labels(self) -> None:
        for name, entry in self.fitted.items():
            if entry.labels is not None and not self._trainings.labels(entry.labels):
                known = (
                    ", ".join(sorted({label.scheme for label in self._store.rows(LABELS)}))
                    or "no labels at all"
                )
                raise FitError(
                    f"{name} is fitted to the labels {entry.labels!r}, which no clip of "
                    f"{self.root} has; it has {known}; "
                    f"change fitted.{name}.labels in the recipe and build again"
                )

    def _task(self, name: str, fold: int) -> FitTask:
        training = self._trainings.of(name, self.scheme, fold)
        file = self._trainings.file(name, self.scheme, fold)
        if file is None or not training.clip_ids:
            raise FitError(self._too_little(name, fold))
        encodes = isinstance(self._fitters[name], Model)
        return FitTask(
            root=self.root,
            snapshot=self.snapshot.number,
            name=name,
            fitter=self._fitters[name],
            scheme=self.scheme,
            fold=fold,
            fitted=self._needed(name, fold),
            training=training,
            file=file,
            encodings=tuple(
                self._encoding(name, fold, variant) for variant in self.fitted[name].by_variant
            )
            if encodes
            else (),
            clips_per_shard=self._clips_per_shard,
            weight=len(self._trainings.clips),
        )

    def _encoding(self, name: str, fold: int, variant: int) -> Encoding:
        spec, clips = self.fitted[name].by_variant[variant], self._trainings.clips
        if spec.variant:
            trained = self._trainings.trained(self.scheme, fold)
            clips = tuple(clip for clip in clips if clip[0] in trained)
        known = {
            *self._store.features,
            *(spec.name for entry in self.fitted.values() for spec in entry.variants),
        }
        inputs = {
            role: in_variant(need, variant, known)
            for role, need in self.fitted[name].inputs.items()
        }
        return Encoding(
            spec,
            variant,
            inputs,
            clips,
            self._trainings.able_sha256(name, self.scheme, fold, variant),
        )

    def _needed(self, name: str, fold: int) -> dict[str, StoredFitted]:
        """The feature and all fitted ones that it needs, directly or not, each with its state of
        this fold alone."""
        entry = self.fitted[name]
        state = entry.state(self.scheme, fold)
        found = {name: replace(entry, states=(state,) if state else ())}
        for need in set(entry.inputs.values()) & self.fitted.keys():
            found |= self._needed(need, fold)
        return found

    def _too_little(self, name: str, fold: int) -> str:
        entry = self.fitted[name]
        inputs, training = (
            ", ".join(entry.inputs.values()),
            self._trainings.clip_ids(name, self.scheme, fold),
        )
        quarantined = (
            row
            for row in self._store.rows(QUARANTINE)
            if row.feature in entry.inputs.values() and row.clip_id in training
        )
        reasons = Counter(row.reason for row in quarantined).most_common(3)
        why = (
            ", ".join(f"{count} {reason}" for reason, count in reasons)
            or "none is in quarantine for it"
        )
        what = f"{inputs} and a label of {entry.labels}" if entry.labels else inputs
        return (
            f"{name} has nothing to learn from in fold {fold} of {self.scheme}: none of its "
            f"{len(training)} training clips has {what} "
            f"({why}); take fitted.{name} out of the recipe, or split in another way"
        )


def fit_fold(task: FitTask) -> FoldState:
    """One state, and the tracks that a network makes with it; runs in a worker process. What is
    there already is not made again."""
    if not there(task.root, task.file):
        _learn(task)
    state, learned = _state(task)
    if not sent(task.root, state):
        state, learned = _state(task)  # another machine's, which was faster
    if not isinstance(task.fitter, Model):
        advance(task.weight)
        return state
    advance(task.weight / 2)
    made = [_encode(task, task.fitter, learned, one, state.shape) for one in task.encodings]
    plain = made[0]
    return replace(
        state,
        shards=plain.shards,
        encoded_sha256=plain.encoded_sha256,
        lost=plain.lost,
        variants=tuple(made[1:]),
    )


def _state(task: FitTask) -> tuple[FoldState, State]:
    """What the task's file holds. WrongState where that is not what its name says."""
    found = read_state(task.root, task.file)
    if (found.name, found.fingerprint, found.training_sha256) != (
        task.name,
        task.spec.fingerprint,
        task.training.sha256,
    ):
        raise WrongState(
            f"{task.root / task.file} is not the state of {task.title} that its name says; remove "
            "it and fit again"
        )
    state = FoldState(
        scheme=task.scheme,
        fold=task.fold,
        training_sha256=found.training_sha256,
        clips=len(found.clips),
        file=task.file,
        bytes=(task.root / task.file).stat().st_size,
        sha256=sha256_of(task.root / task.file),
        shape=_shape(task, found.state),
    )
    return state, found.state


def _shape(task: FitTask, state: State) -> tuple[int, ...]:
    """Sizes of a row after time: those of the first training clip's."""
    if not isinstance(task.fitter, Statistic):
        return task.spec.shape
    source = _source(_open(task), task, task.fitter.needs["input"])
    shape: tuple[int, ...] = TRANSFORMS[task.fitter.transform](
        state, source[task.training.clip_ids[0]]
    ).values.shape[1:]
    return shape


def _learn(task: FitTask) -> None:
    store = _open(task)
    inputs = task.fitted[task.name].inputs
    ids, encoded = task.training.clip_ids, isinstance(task.fitter, Model)
    tracks = {
        role: _Numbered(_source(store, task, need), ids, encoded) for role, need in inputs.items()
    }
    try:
        state = task.fitter.fit(Examples(ids, task.training.groups, task.training.labels, tracks))
    except ValueError as error:
        raise FitError(f"{task.title} cannot be fitted: {error}") from error
    clips = tuple(zip(ids, task.training.sha256s, strict=True))
    write_state(
        task.root,
        task.file,
        StateFile(task.name, task.spec.fingerprint, task.scheme, task.fold, clips, state),
    )


@lru_cache(maxsize=1)
def _store(root: Path, snapshot: int) -> FeatureStore:
    return FeatureStore(root, snapshot)


def _open(task: FitTask) -> FeatureStore:
    return _store(task.root, task.snapshot).holding(task.fitted)


Source = FittedTracks | StoredTracks


def _source(store: FeatureStore, task: FitTask, need: str) -> Source:
    return (
        store.fitted(need, task.scheme, task.fold)
        if need.partition(MARK)[0] in task.fitted
        else store[need]
    )


@dataclass(frozen=True)
class _Numbered:
    """`Tracks` of the clips with these ids."""

    source: Source
    clip_ids: tuple[str, ...]
    encoded: bool

    def __getitem__(self, number: int) -> Track:
        return _track(self.source, self.clip_ids[number], self.encoded)


def _track(source: Source, clip_id: str, encoded: bool) -> Track:
    """Images as they are stored where `encoded`, else as readers see them."""
    return (
        source.track(clip_id, decode=False)
        if encoded and isinstance(source, StoredTracks)
        else source[clip_id]
    )


def _encode(
    task: FitTask, model: Model, learned: State, work: Encoding, shape: tuple[int, ...]
) -> VariantTracks:
    """The shards of the clips as they are, or of one variant; a clip without an input is refused
    for the reason that the input has."""
    store, spec = _open(task), replace(work.spec, shape=shape)
    inputs = {role: _source(store, task, need) for role, need in work.inputs.items()}
    able = {
        clip_id for clip_id, _ in work.clips if all(clip_id in source for source in inputs.values())
    }
    total = sum(len(one.clips) for one in task.encodings)
    shards: list[ShardRecord] = []
    lost: list[str] = []
    for at in range(0, len(work.clips), task.clips_per_shard):
        some = work.clips[at : at + task.clips_per_shard]
        file = _shard_file(task, spec, some, able)
        if not there(task.root, file):
            with ShardWriter(task.root, file, spec) as writer:
                for clip_id, _ in some:
                    _write(writer, clip_id, model, learned, inputs)
        shards.append(shard_record(task.root, file))
        lost += [one.clip_id for one in open_shard(task.root, file).refused if one.clip_id in able]
        advance(task.weight / 2 * len(some) / total)
    return VariantTracks(
        work.variant, spec.fingerprint, work.able_sha256, tuple(shards), tuple(sorted(lost))
    )


def _shard_file(
    task: FitTask, spec: FeatureSpec, clips: Iterable[tuple[str, str]], able: Container[str]
) -> str:
    """Another one where another clip has its inputs: an input may be found later, with the same
    fingerprint, by another decoder."""
    found = [(clip_id, sha256 if clip_id in able else "") for clip_id, sha256 in clips]
    return f"{task.file.removesuffix('.h5')}/{shard_key(spec.fingerprint, found)}.h5"


def _write(
    writer: ShardWriter, clip_id: str, model: Model, learned: State, inputs: Mapping[str, Source]
) -> None:
    try:
        for source in inputs.values():
            _refuse_lost(source, clip_id)
        writer.add(
            clip_id,
            model.encode(
                learned, {role: _track(source, clip_id, True) for role, source in inputs.items()}
            ),
        )
    except BadClip as bad:
        writer.refuse(bad)


def _refuse_lost(source: Source, clip_id: str) -> None:
    if clip_id not in source:
        reason, detail = source.lost[clip_id]
        raise BadClip(clip_id, Reason(reason), detail)
