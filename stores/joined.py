"""Several datasets as one: training and validation clips together, or the clips of two stores."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from manifests.features import FeatureSpec
from stores.batch import ClipItem, Target
from stores.clip_dataset import ClipDataset


class JoinedDataset(ClipDataset):
    """The items of several datasets, one after the other; made by `concat`."""

    def __init__(self, parts: Sequence[ClipDataset]) -> None:
        """Joins datasets.

        Args:
            parts: One or more; see `concat`.

        Raises:
            ValueError: There is none, or what they hold means different things.
        """
        if wrong := [part for part in parts if not isinstance(part, ClipDataset)]:
            raise TypeError(
                f"concat was given a {type(wrong[0]).__name__}, expected a list of datasets, such "
                "as concat([train, valid])"
            )
        if not parts:
            raise ValueError("concat was given no dataset, expected at least one")
        for part in parts[1:]:
            _check_same(parts[0], part)
        self._parts = tuple(parts)
        self._at = tuple((part, i) for part, one in enumerate(parts) for i in range(len(one)))
        self.features, self.align = parts[0].features, parts[0].align
        self._targets = parts[0]._targets
        self.has_metadata = parts[0].has_metadata
        self.items = tuple(chain.from_iterable(part.items for part in parts))
        self.clip_ids = tuple(chain.from_iterable(part.clip_ids for part in parts))
        self.dropped = {clip_id: what for part in parts for clip_id, what in part.dropped.items()}

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """(item,) what an inner split must keep on one side; an unknown group is one by itself."""
        return tuple(self._parts[part].groups[i] for part, i in self._at)

    @cached_property
    def subjects(self) -> tuple[str | None, ...]:
        """(item,) who speaks, as `subject_id` of the clip; None where nobody knows."""
        return tuple(self._parts[part].subjects[i] for part, i in self._at)

    def lengths(self, feature: str) -> NDArray[np.int64]:
        found = [part.lengths(feature) for part in self._parts]
        return np.array([found[part][i] for part, i in self._at], np.int64)

    def _item(self, i: int) -> ClipItem:
        part, at = self._at[i]
        return self._parts[part][at]

    def _label(self, i: int) -> Target:
        part, at = self._at[i]
        return self._parts[part]._label(at)

    def _row(self, i: int) -> dict[str, Any]:
        part, at = self._at[i]
        return self._parts[part]._row(at)

    def _kept(self, order: Sequence[int]) -> Self:
        other = super()._kept(order)
        other._at = tuple(self._at[i] for i in order)
        return other

    def _feature_keys(self) -> Mapping[str, tuple[object, ...]]:
        return self._parts[0]._feature_keys()

    @property
    def _from(self) -> tuple[str, ...]:
        return tuple("; ".join(part._from) for part in self._parts)

    @property
    def _specs(self) -> Mapping[str, FeatureSpec]:
        return self._parts[0]._specs


def concat(datasets: Sequence[ClipDataset]) -> JoinedDataset:
    """Joins datasets, of one store or of several, end to end.

    Nothing is read or copied. A clip that two of them have is there twice; ids, groups and subjects
    are not compared, so clips of one person in two stores stay what each store calls them.

    Args:
        datasets: With the same features, made with the same parameters and fitted on the same
            clips, the same kind of target and classes, and the same alignment.

    Returns:
        A dataset of all their items, in their order.

    Raises:
        TypeError: Something else than datasets was given.
        ValueError: There is none, or what they hold means different things.
    """
    if isinstance(datasets, ClipDataset):
        raise TypeError(
            "concat was given one dataset, expected a list of them, such as concat([train, valid])"
        )
    return JoinedDataset(tuple(datasets))


def _check_same(first: ClipDataset, other: ClipDataset) -> None:
    if fault := _difference(first, other):
        raise ValueError(
            f"datasets of {first._from[0]}, and of {other._from[0]}, cannot be one: {fault}"
        )


def _difference(first: ClipDataset, other: ClipDataset) -> str:
    if first.features != other.features:
        return (
            f"the features are {', '.join(first.features)}, and {', '.join(other.features)}; "
            "open them with the same, in one order"
        )
    mine, theirs = first._feature_keys(), other._feature_keys()
    if others := [name for name in mine if mine[name] != theirs[name]]:
        return (
            f"{others[0]} was made with other parameters or learned from other clips; build both "
            "by one recipe, and open fitted features of one fold of one store"
        )
    if first._targets.meaning != other._targets.meaning:
        return (
            f"the targets are {_said(first)}, and {_said(other)}; open them with the same labels, "
            "such as a label space that both stores share"
        )
    if first.has_metadata != other.has_metadata:
        return "one has metadata, and the other has none; open them with the same metadata=..."
    if first.align != other.align:
        return f"the alignments are {first.align}, and {other.align}; open them with the same"
    return ""


def _said(dataset: ClipDataset) -> str:
    targets = dataset._targets
    if not targets.names:
        return "none"
    return f"{targets.in_words} of {', '.join(targets.classes or targets.names)}"
