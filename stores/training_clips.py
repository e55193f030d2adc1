"""Which clips a fit sees, by the tables of a store.

They are the training clips of one fold that have every input, and a label where one is needed; of
these, the chosen ones, where the fit was told to choose.
A fit that says of itself that it sees all clips of the fold gets those of all roles; the audit then
finds it. The same rule decides what is fitted, what is still good after a build or a split, what a
reader accepts and what `verify` checks.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

from manifests.choice import EVERY_CLIP, Choice
from manifests.clips import CLIPS
from manifests.features import INDEX, Json, State
from manifests.folds import FOLDS, Fold, Role
from manifests.label_spaces import SPACES, map_labels
from manifests.labels import LABELS, Label
from manifests.table import Table
from manifests.variant_names import variant_name
from stores.choosing import chosen_ids
from stores.paths import key_of
from stores.records import FoldState, StoredFitted, in_order

Rows = Callable[[Table[Any]], list[Any]]
"""A table of the store -> its rows."""


@dataclass(frozen=True)
class Training:
    """What a fit sees beside the tracks; clips in the order of their ids."""

    clip_ids: tuple[str, ...]
    sha256s: tuple[str, ...]
    """Of the clips' files."""
    groups: tuple[str, ...]
    labels: tuple[str, ...]
    """Empty where the fit looks at none."""

    @property
    def sha256(self) -> str:
        """Of the clips; see `clips_sha256`."""
        return clips_sha256(zip(self.clip_ids, self.sha256s, strict=True))


def clips_sha256(clips: Iterable[tuple[str, str]]) -> str:
    """Hashes which clips there are, and what their files hold.

    Args:
        clips: (clip id, sha256 of its file) of each clip, in any order.

    Returns:
        sha256 over the lines `clip_id TAB sha256 of its file NEWLINE`, sorted: 64 hex digits.
    """
    lines = sorted(f"{clip_id}\t{sha256}\n" for clip_id, sha256 in clips)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


class TrainingClips:
    """The training clips of each fitted feature and fold."""

    def __init__(self, rows: Rows, fitted: Mapping[str, StoredFitted]) -> None:
        """Reads nothing yet; each table is read once.

        Args:
            rows: Reads a table of the store.
            fitted: The fitted features by name; they may gain states while this is in use.
        """
        self._rows, self._fitted = rows, fitted
        self._labels = cache(lambda scheme: one_label_each(self._rows(LABELS), scheme))
        self._chosen = cache(self._choose)

    def of(self, name: str, scheme: str, fold: int, choice: Choice | None = None) -> Training:
        """Finds what the fit of a feature sees.

        Args:
            name: The fitted feature.
            scheme: The split scheme.
            fold: Number of the fold.
            choice: Which of the clips; None: those of the state that the fold has, else all.

        Returns:
            Its clips with their groups and labels; none where the store has no such fold.
        """
        entry = self._fitted[name]
        group_of = self.clip_ids(name, scheme, fold, choice)
        label_of = self.labels(entry.labels) if entry.labels is not None else None
        complete = self.with_inputs(name, scheme, fold) & group_of.keys()
        ids = sorted(complete if label_of is None else complete & label_of.keys())
        return Training(
            tuple(ids),
            tuple(self._sha256[clip_id] for clip_id in ids),
            tuple(group_of[clip_id] for clip_id in ids),
            () if label_of is None else tuple(label_of[clip_id] for clip_id in ids),
        )

    def clip_ids(
        self, name: str, scheme: str, fold: int, choice: Choice | None = None
    ) -> dict[str, str]:
        """Finds the training clips, or all of the fold for a fit that sees all.

        Args:
            name: The fitted feature.
            scheme: The split scheme.
            fold: Number of the fold.
            choice: As for `of`.

        Returns:
            Clip -> its group, whether it has the inputs or not.
        """
        entry = self._fitted[name]
        state = entry.state(scheme, fold)
        if choice is None:
            choice = state.choice if state else EVERY_CLIP
        clips = self._in_fold(scheme, fold, entry.sees_all)
        if not choice:
            return clips
        chosen = self._chosen(choice)
        return {clip_id: group for clip_id, group in clips.items() if clip_id in chosen}

    def trained(self, scheme: str, fold: int) -> frozenset[str]:
        """Finds the clips whose role is to be trained on.

        Args:
            scheme: The split scheme.
            fold: Number of the fold.

        Returns:
            The only clips that an augmented variant is for.
        """
        return frozenset(self._in_fold(scheme, fold, False))

    def _in_fold(self, scheme: str, fold: int, every_role: bool) -> dict[str, str]:
        rows = self._folds.get((scheme, fold), ())
        return {row.clip_id: row.group_id for row in rows if every_role or row.role == Role.TRAIN}

    def with_inputs(self, name: str, scheme: str, fold: int, variant: int = 0) -> frozenset[str]:
        """Finds the clips that have every input of a fitted feature.

        Args:
            name: The fitted feature.
            scheme: The split scheme.
            fold: Number of the fold.
            variant: Number of the augmented variant; 0: the clips as they are.

        Returns:
            Clips of every role, and in a variant training clips alone.
        """
        entry = self._fitted[name]
        found = frozenset[str].intersection(
            *(self.with_feature(each, scheme, fold, variant) for each in entry.inputs.values())
        )
        return found & self.trained(scheme, fold) if variant or entry.spec.variant else found

    def with_feature(self, name: str, scheme: str, fold: int, variant: int = 0) -> frozenset[str]:
        """Finds the clips that have a feature.

        Args:
            name: The feature, stored or fitted.
            scheme: The split scheme.
            fold: Number of the fold.
            variant: Number of the augmented variant; 0: the clips as they are.

        Returns:
            The clips; those of the clips as they are, where the feature does not have the variant.
        """
        if name not in self._fitted:
            return frozenset(
                self._stored.get(variant_name(name, variant), self._stored.get(name, ()))
            )
        entry = self._fitted[name]
        state = entry.state(scheme, fold)
        if variant not in entry.by_variant:
            variant = 0
        made = state.in_variant(variant) if state and variant else state
        return self.with_inputs(name, scheme, fold, variant) - set(made.lost if made else ())

    def inputs_sha256(self, name: str, scheme: str, fold: int, variant: int = 0) -> str:
        """Hashes the clips that have every input of a fitted feature.

        Args:
            name: The fitted feature.
            scheme: The split scheme.
            fold: Number of the fold.
            variant: Number of the augmented variant; 0: the clips as they are.

        Returns:
            See `clips_sha256`.
        """
        return clips_sha256(
            (clip_id, self._sha256[clip_id])
            for clip_id in self.with_inputs(name, scheme, fold, variant)
        )

    @property
    def clips(self) -> tuple[tuple[str, str], ...]:
        """(clip id, sha256 of its file) of every clip of the store, in the order of ids."""
        return tuple(sorted(self._sha256.items()))

    def file(self, name: str, scheme: str, fold: int, choice: Choice | None = None) -> str | None:
        """Names the file of a state.

        Args:
            name: The fitted feature.
            scheme: The split scheme.
            fold: Number of the fold.
            choice: As for `of`.

        Returns:
            Path below the root, a function of all that the fit sees; None while an input is not
            fitted.
        """
        entry, training = self._fitted[name], self.of(name, scheme, fold, choice)
        inputs: dict[str, Json] = {}
        for role, each in entry.inputs.items():
            if each in self._fitted:
                state = self._fitted[each].state(scheme, fold)
                if state is None:
                    return None
                inputs[role] = state.file
        content: Json = {
            "training": training.sha256,
            "groups": list(training.groups),
            "labels": list(training.labels),
            "inputs": inputs,
        }
        return f"fitted/{name}/{entry.spec.fingerprint}/{scheme}-{fold}-{key_of(content)}.h5"

    def labels(self, scheme: str) -> dict[str, str]:
        """Finds the one label of each clip.

        Args:
            scheme: A label scheme of the store, or a label space.

        Returns:
            Clip -> value; clips whose best values tie are left out.
        """
        return self._labels(scheme)

    def folds(self, scheme: str) -> list[int]:
        """Lists the folds of a split scheme.

        Args:
            scheme: Its name.

        Returns:
            Their numbers, sorted.
        """
        return sorted(fold for each, fold in self._folds if each == scheme)

    @cached_property
    def schemes(self) -> Collection[str]:
        """The split schemes that the store has folds of, sorted."""
        return sorted({scheme for scheme, _ in self._folds})

    @cached_property
    def _folds(self) -> dict[tuple[str, int], list[Fold]]:
        found: defaultdict[tuple[str, int], list[Fold]] = defaultdict(list)
        for row in self._rows(FOLDS):
            found[row.scheme, row.fold].append(row)
        return dict(found)

    @cached_property
    def _stored(self) -> dict[str, set[str]]:
        found: defaultdict[str, set[str]] = defaultdict(set)
        for row in self._rows(INDEX):
            clips = found[row.feature]  # there for a feature that no clip has: it is no unknown one
            if row.state == State.STORED:
                clips.add(row.clip_id)
        return dict(found)

    def _choose(self, choice: Choice) -> set[str]:
        clips, labels = (table.unsorted(self._rows(table)) for table in (CLIPS, LABELS))
        return chosen_ids(clips, labels, choice, strict=False)

    @cached_property
    def _sha256(self) -> dict[str, str]:
        return {clip.clip_id: clip.sha256 for clip in self._rows(CLIPS)}


def one_label_each(labels: Iterable[Label], scheme: str) -> dict[str, str]:
    """Chooses for each clip the value with the highest total weight over its annotators.

    Args:
        labels: Labels of any schemes.
        scheme: A label scheme, or a label space where no label has such a scheme.

    Returns:
        Clip -> value; a clip whose best values tie has none.
    """
    labels = list(labels)
    if scheme in SPACES and not any(label.scheme == scheme for label in labels):
        labels = map_labels(labels, SPACES[scheme])
    weights: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    for label in labels:
        if label.scheme == scheme:
            weights[label.clip_id][label.value] += label.weight
    best = {
        clip_id: [value for value, weight in each.items() if weight > max(each.values()) - 1e-9]
        for clip_id, each in weights.items()
    }
    return {clip_id: values[0] for clip_id, values in best.items() if len(values) == 1}


def carry(
    declared: Mapping[str, StoredFitted], before: Mapping[str, StoredFitted], rows: Rows
) -> dict[str, StoredFitted]:
    """Keeps those states of an older snapshot that a fit on new tables would find again.

    Args:
        declared: The fitted features of the recipe by name; their states are not looked at.
        before: Those of the older snapshot.
        rows: Reads a table of the new one.

    Returns:
        The declared features with these states, and no other.
    """
    kept = {name: replace(entry, states=()) for name, entry in declared.items()}
    clips = TrainingClips(rows, kept)
    for name in in_order(declared):
        old = before.get(name)
        if old is not None and old.spec.fingerprint == declared[name].spec.fingerprint:
            good = tuple(state for state in old.states if _still_good(clips, declared[name], state))
            kept[name] = replace(kept[name], states=good)
    return kept


def _still_good(clips: TrainingClips, entry: StoredFitted, state: FoldState) -> bool:
    name, scheme, fold = entry.spec.name, state.scheme, state.fold
    if clips.file(name, scheme, fold, state.choice) != state.file:
        return False
    if entry.transform is not None:
        return True
    found = {0: (entry.spec.fingerprint, state.encoded_sha256)}
    found |= {one.variant: (one.fingerprint, one.encoded_sha256) for one in state.variants}
    wanted = entry.by_variant.items()
    return found == {
        variant: (spec.fingerprint, clips.inputs_sha256(name, scheme, fold, variant))
        for variant, spec in wanted
    }
