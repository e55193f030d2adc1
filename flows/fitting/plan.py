"""What a fit has to do: which states of a recipe's fitted features are missing for a scheme."""

from collections import Counter
from collections.abc import Container, Iterator, Mapping
from dataclasses import replace
from graphlib import TopologicalSorter

from extractors.fitted.base import Fitter, Model, Statistic
from flows.fitting.task import Encoding, FitError, FitTask
from flows.recipe import parse
from manifests.choice import EVERY_CLIP, Choice
from manifests.clips import CLIPS
from manifests.features import INDEX, FeatureSpec, State
from manifests.labels import LABELS
from manifests.quarantine import QUARANTINE
from manifests.variant_names import variant_name
from stores.choosing import chosen_ids
from stores.location import Location
from stores.reader import FeatureStore
from stores.records import FoldState, StoredFitted
from stores.snapshot import Snapshot, read_table
from stores.training_clips import TrainingClips, carry


def declared(
    fitters: Mapping[str, Fitter], specs: Mapping[str, FeatureSpec]
) -> dict[str, StoredFitted]:
    """Lists a recipe's fitted features as a store has them, with no state yet.

    Args:
        fitters: The [fitted.NAME] tables by name.
        specs: The stored features by name, their variants among them.

    Returns:
        The fitted features by name, every one after those that it needs.
    """
    found = dict(specs)
    entries: dict[str, StoredFitted] = {}
    needs = {
        name: [need for need in fitter.needs.values() if need in fitters]
        for name, fitter in fitters.items()
    }
    for name in TopologicalSorter(needs).static_order():
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
    """A fitted feature in each variant that one of its inputs has.

    None where it is fitted on a variant, which its recipe names.
    """
    if found[name].variant:
        return ()
    needs = fitter.needs
    numbers = {
        spec.variant
        for spec in found.values()
        if spec.name in {variant_name(need, spec.variant) for need in needs.values()}
    }
    specs = []
    for number in sorted(numbers):
        inputs = {role: found[in_variant(need, number, found)] for role, need in needs.items()}
        specs.append(fitter.spec(variant_name(name, number), inputs))
    return tuple(specs)


def in_variant(feature: str, variant: int, known: Container[str]) -> str:
    """The name of a feature in a variant.

    Args:
        feature: Its name.
        variant: Number of the variant; 0: the clips as they are.
        known: The names that there are.

    Returns:
        The feature's own name where the augmentation does not change it, and in variant 0.
    """
    augmented = variant_name(feature, variant)
    return augmented if augmented in known else feature


class FitPlan:
    """What a fit of one scheme has to do, and what it has done."""

    def __init__(self, location: Location, scheme: str, choice: Choice = EVERY_CLIP) -> None:
        """Reads the store; the caller holds its lock.

        Args:
            location: Where the store lies.
            scheme: The split scheme.
            choice: Which of the training clips to learn from.

        Raises:
            FitError: The store has nothing that can be fitted for this scheme.
            WrongChoice: A condition names what there is not, or leaves no clip.
        """
        self.location, self.scheme, self._choice = location, scheme, choice
        self._store = FeatureStore(location)
        recipe = parse(self.snapshot.recipe, where=f"the recipe of {location}")
        self._fitters, self._clips_per_shard = recipe.fitted, recipe.clips_per_shard
        if not self._fitters:
            raise FitError(
                f"the recipe of {location}, {recipe.name}, has no [fitted.NAME] table; "
                "add one to it and build again, then fit"
            )
        entries = declared(self._fitters, self._store.features)
        kept = carry(entries, self.snapshot.fitted, self._store.rows)
        self.fitted = {name: self._without_others(entry) for name, entry in kept.items()}
        self._clips = TrainingClips(self._store.rows, self.fitted)
        self._check_scheme()
        self._check_labels()
        self._check_choice()
        states = [state for entry in self.fitted.values() for state in entry.states]
        self.already_fitted = sum(state.scheme == scheme for state in states)

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot that the fit starts from."""
        return self._store.snapshot

    @property
    def pending(self) -> list[tuple[str, int]]:
        """(feature, fold) of each state that is missing."""
        return [
            (name, fold)
            for name, entry in self.fitted.items()
            for fold in self._clips.folds(self.scheme)
            if entry.state(self.scheme, fold) is None
        ]

    def rounds(self) -> Iterator[list[FitTask]]:
        """The missing states, in rounds.

        Yields:
            Tasks that do not need each other; their states are to be added before the next round.
        """
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
        """Adds a state that was fitted.

        Args:
            name: Of the feature.
            state: Its state for one fold.
        """
        entry = self.fitted[name]
        states = sorted([*entry.states, state], key=lambda one: (one.scheme, one.fold))
        self.fitted[name] = replace(entry, states=tuple(states))

    def _without_others(self, entry: StoredFitted) -> StoredFitted:
        """A fitted feature without states of the scheme that learned from another choice."""
        states = tuple(
            state
            for state in entry.states
            if state.scheme != self.scheme or state.choice == self._choice
        )
        return replace(entry, states=states)

    def _check_choice(self) -> None:
        if self._choice:
            clips, labels = (
                read_table(self.location, self.snapshot, table) for table in (CLIPS, LABELS)
            )
            chosen_ids(clips, labels, self._choice)

    def _check_scheme(self) -> None:
        if self.scheme not in self._clips.schemes:
            raise FitError(
                f"{self.location} has no folds of the scheme {self.scheme!r}, and a fit needs "
                f"training clips; it has folds of: {', '.join(self._clips.schemes) or 'none'}; "
                f"make some with: affectstore split {self.location} {self.scheme}"
            )

    def _check_labels(self) -> None:
        for name, entry in self.fitted.items():
            if entry.labels is None or self._clips.labels(entry.labels):
                continue
            known = sorted({label.scheme for label in self._store.rows(LABELS)})
            raise FitError(
                f"{name} is fitted to the labels {entry.labels!r}, which no clip of "
                f"{self.location} has; it has {', '.join(known) or 'no labels at all'}; "
                f"change fitted.{name}.labels in the recipe and build again"
            )

    def _task(self, name: str, fold: int) -> FitTask:
        training = self._clips.of(name, self.scheme, fold, self._choice)
        file = self._clips.file(name, self.scheme, fold, self._choice)
        if file is None or not training.clip_ids:
            raise FitError(self._too_little(name, fold))
        variants = self.fitted[name].by_variant if isinstance(self._fitters[name], Model) else ()
        return FitTask(
            location=self.location,
            snapshot=self.snapshot.number,
            name=name,
            fitter=self._fitters[name],
            scheme=self.scheme,
            fold=fold,
            fitted=self._needed(name, fold),
            training=training,
            where=self._choice.texts or None,
            file=file,
            encodings=tuple(self._encoding(name, fold, variant) for variant in variants),
            clips_per_shard=self._clips_per_shard,
            weight=len(self._clips.clips),
        )

    def _encoding(self, name: str, fold: int, variant: int) -> Encoding:
        spec, clips = self.fitted[name].by_variant[variant], self._clips.clips
        if spec.variant:
            trained = self._clips.trained(self.scheme, fold)
            clips = tuple(clip for clip in clips if clip[0] in trained)
        fitted_variants = [spec.name for entry in self.fitted.values() for spec in entry.variants]
        known = {*self._store.features, *fitted_variants}
        needs = self.fitted[name].inputs.items()
        inputs = {role: in_variant(need, variant, known) for role, need in needs}
        able_sha256 = self._clips.inputs_sha256(name, self.scheme, fold, variant)
        return Encoding(spec, variant, inputs, clips, able_sha256)

    def _needed(self, name: str, fold: int) -> dict[str, StoredFitted]:
        """The feature and all fitted ones that it needs, each with its state of this fold alone."""
        entry = self.fitted[name]
        state = entry.state(self.scheme, fold)
        found = {name: replace(entry, states=(state,) if state else ())}
        for need in set(entry.inputs.values()) & self.fitted.keys():
            found |= self._needed(need, fold)
        return found

    def _too_little(self, name: str, fold: int) -> str:
        entry = self.fitted[name]
        needs = entry.inputs.values()
        training = self._clips.clip_ids(name, self.scheme, fold, self._choice)
        quarantined = Counter(
            row.reason
            for row in self._store.rows(QUARANTINE)
            if row.feature in needs and row.clip_id in training
        )
        reasons = [f"{count} {reason}" for reason, count in quarantined.most_common(3)]
        absent = {
            row.clip_id
            for row in self._store.rows(INDEX)
            if row.state == State.ABSENT and row.feature in needs and row.clip_id in training
        }
        reasons += [f"{len(absent)} never had it"] * bool(absent)
        if self._choice and not training:
            return (
                f"{name} has nothing to learn from in fold {fold} of {self.scheme}: it has no "
                f"training clip with {self._choice.words}; change --where, or leave it out"
            )
        label = f" and a label of {entry.labels}" if entry.labels else ""
        chosen = f" with {self._choice.words}" if self._choice else ""
        return (
            f"{name} has nothing to learn from in fold {fold} of {self.scheme}: none of its "
            f"{len(training)} training clips{chosen} has {', '.join(needs)}{label} "
            f"({', '.join(reasons) or 'none is in quarantine for it'}); "
            f"take fitted.{name} out of the recipe, or split in another way"
        )
