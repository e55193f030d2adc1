"""What a trainer learns of a clip: one class, the shares of its votes, or one or more numbers."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from manifests.dimensions import DIMENSIONS, RATED
from manifests.label_spaces import SPACES, LabelSpace, map_labels
from manifests.labels import LABELS, Label
from manifests.suggestions import did_you_mean
from stores.batch import Target, number
from stores.clip_tracks import NotInStore
from stores.reader import FeatureStore
from stores.training_clips import one_label_each

TargetKind = Literal["class", "votes", "value"]
"""What is made of the labels of a clip: see `FeatureDataset`."""

_WORDS: dict[TargetKind, str] = {"class": "classes", "votes": "votes", "value": "numbers"}


@dataclass(frozen=True)
class Targets:
    """The label of each clip, and the arrays that a batch makes of labels."""

    names: tuple[str, ...] = ()
    """Of the label schemes, label spaces or dimensions; empty without labels."""
    kind: TargetKind = "class"
    of: Mapping[str, str | float | NDArray[np.float32]] = field(default_factory=dict)
    """Clip -> its label."""
    classes: tuple[str, ...] = ()
    """The classes in their order; empty for numbers."""
    shape: tuple[int, ...] = ()
    """Of the target of one clip, where it is made of numbers."""

    def array(self, labels: Sequence[Target]) -> NDArray[Any]:
        """Makes the targets of some clips.

        Args:
            labels: One for each clip; None where it has none.

        Returns:
            (clip,) int64 numbers of classes, NO_TARGET for None; of votes (clip, class) float32;
            of values (clip,) float32, or (clip, value) where several were asked for. NaN for None.

        Raises:
            ValueError: A label is not among the classes.
        """
        if self.kind == "class":
            return number(labels, self.classes)
        rows = np.full((len(labels), *self.shape), np.nan, np.float32)
        for at, label in enumerate(labels):
            if label is not None:
                rows[at] = label
        return rows

    @property
    def in_words(self) -> str:
        """What they are: classes, votes or numbers."""
        return _WORDS[self.kind]

    @property
    def meaning(self) -> tuple[object, ...]:
        """What two datasets must share for their targets to mean the same."""
        return self.kind, self.classes, self.names if self.kind == "value" else ()


def open_targets(
    store: FeatureStore, labels: str | Sequence[str] | None, kind: TargetKind | None
) -> Targets:
    """Reads the labels of a store.

    Args:
        store: The store.
        labels: A label scheme, a label space, a dimension such as `valence`, or several schemes or
            dimensions of numbers; None: no labels.
        kind: What is made of them; None: numbers of dimensions and ratings, of all others classes.

    Returns:
        The label of each clip that has one.

    Raises:
        NotInStore: The store has no such labels.
        ValueError: They are not of this kind.
    """
    if kind not in (None, *get_args(TargetKind)):
        kinds = ", ".join(get_args(TargetKind))
        raise ValueError(f"target is {kind!r}, expected one of {kinds}, or None")
    if labels is None:
        if kind is not None:
            raise ValueError(f"target={kind!r} needs labels; name a label scheme of the store")
        return Targets()
    names = (labels,) if isinstance(labels, str) else tuple(labels)
    if not names:
        raise ValueError("labels is an empty list, expected names of label schemes, or None")
    rows = store.rows(LABELS)
    if kind == "value" or (kind is None and RATED.union(DIMENSIONS).issuperset(names)):
        return _values(rows, names, isinstance(labels, str))
    if not isinstance(labels, str):
        raise ValueError(
            f"labels is the list {list(labels)!r}; several label schemes are learned together as "
            "numbers alone, with target='value'; name one"
        )
    space = _space(store, rows, labels)
    return _votes(rows, labels, space) if kind == "votes" else _classes(rows, labels, space)


def _space(store: FeatureStore, rows: Iterable[Label], name: str) -> LabelSpace | None:
    """The label space of a name; None where it is a label scheme of the store."""
    schemes = {label.scheme for label in rows}
    if name in schemes:
        return None
    space = SPACES.get(name)
    if space is None or not schemes & space.sources.keys():
        raise _no_labels(name, schemes, "space", space.sources if space else None)
    if (recorded := store.snapshot.spaces.get(name)) != space.sha256:
        raise ValueError(
            f"the label space {name} has sha256 {space.sha256[:8]}, but snapshot "
            f"{store.snapshot.number} recorded {str(recorded)[:8]}: "
            "another affectstore wrote the store, whose classes mean something else; build again "
            "with this one"
        )
    return space


def _classes(rows: list[Label], name: str, space: LabelSpace | None) -> Targets:
    """One label each, without the clips whose best values tie."""
    chosen = one_label_each(rows, name)
    classes = tuple(sorted(set(chosen.values()))) if space is None else space.values
    return Targets((name,), "class", chosen, classes)


def _votes(rows: list[Label], name: str, space: LabelSpace | None) -> Targets:
    mine = map_labels(rows, space) if space else [row for row in rows if row.scheme == name]
    classes = space.values if space else tuple(sorted({row.value for row in mine}))
    place = {value: at for at, value in enumerate(classes)}
    shares: defaultdict[str, NDArray[np.float64]] = defaultdict(lambda: np.zeros(len(classes)))
    for row in mine:
        shares[row.clip_id][place[row.value]] += row.weight
    found = {
        clip_id: (weights / weights.sum()).astype(np.float32)
        for clip_id, weights in shares.items()
        if weights.sum() > 0
    }
    return Targets((name,), "votes", found, classes, (len(classes),))


def _values(rows: list[Label], names: tuple[str, ...], is_one: bool) -> Targets:
    """The mean over annotators, of clips that have all of the numbers."""
    schemes = {row.scheme for row in rows}
    means = []
    for name in names:
        known = (name,) if name in schemes else DIMENSIONS.get(name, ())
        if not schemes.intersection(known):
            raise _no_labels(name, schemes, "dimension", DIMENSIONS.get(name))
        means.append(_means(row for row in rows if row.scheme in known))
    if is_one:
        return Targets(names, "value", means[0])
    found = {
        clip_id: np.array([each[clip_id] for each in means], np.float32)
        for clip_id in means[0]
        if all(clip_id in each for each in means)
    }
    return Targets(names, "value", found, shape=(len(names),))


def _means(rows: Iterable[Label]) -> dict[str, float]:
    sums: defaultdict[str, NDArray[np.float64]] = defaultdict(lambda: np.zeros(2))
    for row in rows:
        sums[row.clip_id] += np.array([_number(row), 1.0]) * row.weight
    return {clip_id: float(total / weight) for clip_id, (total, weight) in sums.items() if weight}


def _number(row: Label) -> float:
    try:
        value = float(row.value)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(
            f"the label {row.value!r} of {row.clip_id} in {row.scheme} is no number; leave "
            "target='value' out, and it is a class"
        )
    return value


def _no_labels(
    name: str, schemes: Iterable[str], what: str, sources: Iterable[str] | None
) -> NotInStore:
    reads = "" if sources is None else f", nor labels that the {what} {name} reads"
    reads += "" if sources is None else f" ({', '.join(sources)})"
    names = sorted(schemes)
    hint, known = did_you_mean(name, names), ", ".join(names) or "none"
    return NotInStore(f"the store has no labels {name!r}{reads}; {hint}there are {known}")
