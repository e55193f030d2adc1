"""Which clips a fit sees, by the tables of a store: the training clips of one fold that have every
input, and a label where one is needed.

A fit that says of itself that it sees all clips of the fold gets those of all roles; the audit then
finds it. The same rule decides what is fitted, what is still good after a build or a split, what a
reader accepts and what `verify` checks.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from manifests.clips import CLIPS
from manifests.features import INDEX, Json, State, canonical_json
from manifests.folds import FOLDS, Role
from manifests.label_spaces import SPACES, map_labels
from manifests.labels import LABELS, Label
from manifests.table import Table
from manifests.variant_names import variant_name
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
        """See `clips_sha256`."""
        return clips_sha256(zip(self.clip_ids, self.sha256s, strict=True))


def clips_sha256(clips: Iterable[tuple[str, str]]) -> str:
    """sha256 over the lines `clip_id TAB sha256 of its file NEWLINE`, sorted."""
    lines = sorted(f"{clip_id}\t{sha256}\n" for clip_id, sha256 in clips)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


class TrainingClips:
    """The training clips of each fitted feature and fold. `fitted` may gain states while this is in
    use; tables are read once."""

    def __init__(self, rows: Rows, fitted: Mapping[str, StoredFitted]) -> None:
        self._rows, self._fitted = rows, fitted
        self._labels: dict[str, dict[str, str]] = {}

    def of(self, name: str, scheme: str, fold: int) -> Training:
        """Empty where the store has no such fold."""
        entry = self._fitted[name]
        group_of = self.clip_ids(name, scheme, fold)
        label_of = self.labels(entry.labels) if entry.labels is not None else None
        able = self.able(name, scheme, fold) & group_of.keys()
        ids = sorted(able if label_of is None else able & label_of.keys())
        return Training(
            tuple(ids),
            tuple(self._sha256[clip_id] for clip_id in ids),
            tuple(group_of[clip_id] for clip_id in ids),
            () if label_of is None else tuple(label_of[clip_id] for clip_id in ids),
        )

    def clip_ids(self, name: str, scheme: str, fold: int) -> dict[str, str]:
        """The training clips, or all of the fold for a fit that sees all, whether they have the
        inputs or not -> their groups."""
        sees_all = self._fitted[name].sees_all
        return {
            clip_id: group
            for clip_id, group, role in self._folds.get((scheme, fold), ())
            if role == Role.TRAIN or sees_all
        }

    def trained(self, scheme: str, fold: int) -> frozenset[str]:
        """The clips whose role is to be trained on: the only ones that an augmented variant is
        for."""
        return frozenset(
            clip_id
            for clip_id, _, role in self._folds.get((scheme, fold), ())
            if role == Role.TRAIN
        )

    def able(self, name: str, scheme: str, fold: int, variant: int = 0) -> frozenset[str]:
        """The clips that have every input of a fitted feature: of whatever side as they are, of
        training alone in a variant."""
        entry = self._fitted[name]
        found = frozenset[str].intersection(
            *(self.holding(each, scheme, fold, variant) for each in entry.inputs.values())
        )
        return found & self.trained(scheme, fold) if variant or entry.spec.variant else found

    def holding(self, name: str, scheme: str, fold: int, variant: int = 0) -> frozenset[str]:
        """The clips that have a feature, stored or fitted; in a variant that it does not have,
        those that have the feature as they are."""
        if name not in self._fitted:
            return frozenset(
                self._stored.get(variant_name(name, variant), self._stored.get(name, ()))
            )
        entry = self._fitted[name]
        state = entry.state(scheme, fold)
        if not variant or variant not in entry.by_variant:
            return self.able(name, scheme, fold) - set(state.lost if state else ())
        made = state.in_variant(variant) if state else None
        return self.able(name, scheme, fold, variant) - set(made.lost if made else ())

    def able_sha256(self, name: str, scheme: str, fold: int, variant: int = 0) -> str:
        return clips_sha256(
            (clip_id, self._sha256[clip_id]) for clip_id in self.able(name, scheme, fold, variant)
        )

    @property
    def clips(self) -> tuple[tuple[str, str], ...]:
        """(clip id, sha256 of its file) of every clip of the store, in the order of ids."""
        return tuple(sorted(self._sha256.items()))

    def file(self, name: str, scheme: str, fold: int) -> str | None:
        """Where the state of a feature belongs: a path that is a function of all that the fit sees;
        None while an input is not fitted."""
        entry, training = self._fitted[name], self.of(name, scheme, fold)
        inputs: dict[str, Json] = {}
        for role, each in entry.inputs.items():
            if each in self._fitted:
                state = self._fitted[each].state(scheme, fold)
                if state is None:
                    return None
                inputs[role] = state.file
        whole: Json = {
            "training": training.sha256,
            "groups": list(training.groups),
            "labels": list(training.labels),
            "inputs": inputs,
        }
        key = hashlib.sha256(canonical_json(whole).encode()).hexdigest()[:32]
        return f"fitted/{name}/{entry.spec.fingerprint}/{scheme}-{fold}-{key}.h5"

    def labels(self, scheme: str) -> dict[str, str]:
        """Clip -> its one label in a label scheme of the store, or in a label space."""
        if scheme not in self._labels:
            self._labels[scheme] = one_label_each(self._rows(LABELS), scheme)
        return self._labels[scheme]

    def folds(self, scheme: str) -> list[int]:
        return sorted(fold for each, fold in self._folds if each == scheme)

    @cached_property
    def schemes(self) -> Collection[str]:
        return sorted({scheme for scheme, _ in self._folds})

    @cached_property
    def _folds(self) -> dict[tuple[str, int], list[tuple[str, str, Role]]]:
        """Scheme and fold -> (clip, group, role)."""
        found: defaultdict[tuple[str, int], list[tuple[str, str, Role]]] = defaultdict(list)
        for row in self._rows(FOLDS):
            found[row.scheme, row.fold].append((row.clip_id, row.group_id, row.role))
        return dict(found)

    @cached_property
    def _stored(self) -> dict[str, set[str]]:
        found: defaultdict[str, set[str]] = defaultdict(set)
        for row in self._rows(INDEX):
            clips = found[
                row.feature
            ]  # there also where no clip has the feature, which is not the same as no such feature
            if row.state == State.STORED:
                clips.add(row.clip_id)
        return dict(found)

    @cached_property
    def _sha256(self) -> dict[str, str]:
        return {clip.clip_id: clip.sha256 for clip in self._rows(CLIPS)}


def one_label_each(labels: Iterable[Label], scheme: str) -> dict[str, str]:
    """Clip -> the value with the highest total weight over its annotators, in a label scheme, or in
    a label space where no label has the scheme; a clip whose best values tie has none."""
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
    """`declared` with those states of an older snapshot that a fit on these tables would find
    again, and no other."""
    kept = {name: replace(entry, states=()) for name, entry in declared.items()}
    trainings = TrainingClips(rows, kept)
    for name in in_order(declared):
        old = before.get(name)
        if old is not None and old.spec.fingerprint == declared[name].spec.fingerprint:
            good = tuple(
                state for state in old.states if _still_good(trainings, declared[name], state)
            )
            kept[name] = replace(kept[name], states=good)
    return kept


def _still_good(trainings: TrainingClips, entry: StoredFitted, state: FoldState) -> bool:
    name, scheme, fold = entry.spec.name, state.scheme, state.fold
    if trainings.file(name, scheme, fold) != state.file:
        return False
    if entry.transform is not None:
        return True
    found = {0: (entry.spec.fingerprint, state.encoded_sha256)}
    found |= {one.variant: (one.fingerprint, one.encoded_sha256) for one in state.variants}
    wanted = entry.by_variant.items()
    return found == {
        variant: (spec.fingerprint, trainings.able_sha256(name, scheme, fold, variant))
        for variant, spec in wanted
    }
