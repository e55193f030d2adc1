"""What every dataset can do, whatever its clips come from: batches, targets, choices of items."""

import copy
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from operator import index
from typing import TYPE_CHECKING, Any, Self, TypeAlias, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from manifests.features import FeatureSpec
from manifests.shown import as_html, as_text
from manifests.suggestions import closest, did_you_mean
from stores.align import Alignment
from stores.batch import NO_TARGET, Batch, ClipItem, Example, Target, labels_in, pad
from stores.clip_tracks import NotInStore, unknown
from stores.shown import facts_of_classes, some_of
from stores.targets import Targets

if TYPE_CHECKING:  # so that a type checker takes it for what a DataLoader reads
    from torch.utils.data import Dataset

    _Base: TypeAlias = Dataset[ClipItem]
else:
    _Base = object

Row = Mapping[str, Any]
"""What is known of an item: the columns of `FeatureStore.clips()` for its clip, its `label` and its
`variant`."""


class ClipDataset(_Base):
    """Items in a fixed order: `len`, `in` by clip id, iteration, access by number or slice.

    `dataset[i]` is (clip_id, {feature: Track}, label); a slice is a dataset of fewer items.
    """

    features: tuple[str, ...]
    """The names, in the order of each item."""
    items: tuple[tuple[str, int], ...]
    """(clip id, variant) of each item: the variants of a clip follow one another."""
    clip_ids: tuple[str, ...]
    """The clip of each item."""
    dropped: dict[str, str]
    """Clips that were left out because of `missing="drop"`, if only in one variant, and what each
    lacks."""
    align: tuple[Alignment, ...]
    """What brings the features onto one clock, one after the other."""
    has_metadata: bool
    """Each item has `metadata`."""
    _targets: Targets

    @property
    def classes(self) -> tuple[str, ...]:
        """Label values, in an order that is the same for every fold and role: those of a label
        space in its own order, whether the store has them or not; those of a label scheme sorted,
        all that the snapshot has. Empty without labels, and for numbers."""
        return self._targets.classes

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[ClipItem]:
        return map(self._item, range(len(self)))

    def __contains__(self, clip_id: object) -> bool:
        return isinstance(clip_id, str) and clip_id in self._places

    @overload
    def __getitem__(self, i: int) -> ClipItem: ...
    @overload
    def __getitem__(self, i: slice) -> Self: ...
    def __getitem__(self, i: int | slice) -> ClipItem | Self:
        if isinstance(i, slice):
            return self.select(range(len(self))[i])
        try:
            i = index(i)
        except TypeError:
            raise TypeError(
                f"an item was asked for by {i!r}, expected its number or a slice; by ids of clips, "
                "or several numbers, use select, and by a mask filter"
            ) from None
        if not -len(self) <= i < len(self):
            raise IndexError(f"there is no item {i}, expected 0 to {len(self) - 1}")
        return self._item(i)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in _FOUND_AGAIN}

    def collate(self, batch: Sequence[Example]) -> Batch:
        """Makes a batch; pass it to a DataLoader as `collate_fn`.

        Args:
            batch: Items of this dataset.

        Returns:
            Padded arrays.
        """
        return pad(batch, self._targets.array(labels_in(batch)))

    def batches(self, size: int, seed: int | None = None) -> Iterator[Batch]:
        """Makes batches of all items.

        Args:
            size: Items in a batch; the last one has what is left.
            seed: Decides on their order; None: that of the dataset.

        Yields:
            Padded arrays; every item is in one batch.

        Raises:
            ValueError: The size is less than 1.
        """
        if size < 1:
            raise ValueError(f"a batch of {size} items was asked for, expected at least 1")
        order = (
            range(len(self))
            if seed is None
            else np.random.default_rng(seed).permutation(len(self)).tolist()
        )
        for at in range(0, len(order), size):
            yield self.collate([self[i] for i in order[at : at + size]])

    def select(self, chosen: Iterable[int] | Iterable[str]) -> Self:
        """Takes some items.

        Args:
            chosen: Numbers of items, or ids of clips, of which all variants are taken.

        Returns:
            A dataset of these, in the order in which they are named.

        Raises:
            IndexError: There is no item of this number.
            NotInStore: The dataset has no such clip; a KeyError.
            ValueError: Nothing is named.
        """
        order: list[int] = []
        for one in [chosen] if isinstance(chosen, str) else chosen:
            order += self._places_of(one) if isinstance(one, str) else [self._number(one)]
        return self._of(order, "no item is named")

    def filter(
        self, keep: Callable[[Row], bool] | ArrayLike | None = None, /, **columns: Any
    ) -> Self:
        """Takes the items of which all holds that is asked for.

        Args:
            keep: A function of what is known of an item, a dict of the columns of
                `FeatureStore.clips()`, `label` and `variant`; or a mask, one truth value an item.
            columns: A value of one of these columns, or a list of values of which one is enough:
                `sex="female"`, `label=["happy", "sad"]`.

        Returns:
            A dataset of these, in the same order.

        Raises:
            NotInStore: There is no such column; a KeyError.
            ValueError: No item is left, or the mask is of another length.
        """
        kept = np.ones(len(self), np.bool_)
        if keep is not None and not callable(keep):
            kept &= self._mask(keep)
        if columns or callable(keep):
            rows = [self._row(i) for i in range(len(self))]
            for column, wanted in columns.items():
                kept &= _matches(rows, column, wanted)
            if callable(keep):
                kept &= np.array([bool(keep(row)) for row in rows])
        return self._of(np.flatnonzero(kept).tolist(), "no item has what the filter asks for")

    @property
    def targets(self) -> NDArray[Any]:
        """(item,) index of each label in `classes`, NO_TARGET where there is none; of votes (item,
        class), of numbers (item,) or (item, value)."""
        return self._found_targets

    @cached_property
    def _found_targets(self) -> NDArray[Any]:
        return self._targets.array([self._label(i) for i in range(len(self))])

    def class_counts(self) -> NDArray[np.int64]:
        """Counts the items of each class: (class,)."""
        if self._targets.kind != "class":
            raise ValueError(
                f"the labels are {self._targets.in_words}, which are not counted by class; open "
                "the dataset with target='class'"
            )
        return np.bincount(self.targets[self.targets != NO_TARGET], minlength=len(self.classes))

    def class_weights(self) -> NDArray[np.float32]:
        """Computes weights with which every class counts the same in a loss.

        Returns:
            (class,) items / (classes * items of the class), where classes without an item are not
            counted; 0 for a class without an item. King, Zeng 2001, as scikit-learn's
            `class_weight="balanced"`.
        """
        counts = self.class_counts()
        weights = np.zeros(len(counts), np.float32)
        there = counts > 0
        weights[there] = counts.sum() / (there.sum() * counts[there])
        return weights

    @property
    @abstractmethod
    def groups(self) -> tuple[str, ...]:
        """(item,) what an inner split must keep on one side, such as a speaker.

        A clip of unknown group is one by itself.
        """

    @property
    @abstractmethod
    def subjects(self) -> tuple[str | None, ...]:
        """(item,) who speaks, as `subject_id` of the clip; None where nobody knows."""

    @abstractmethod
    def lengths(self, feature: str) -> NDArray[np.int64]:
        """Counts the stored rows of a feature, by the index: no track is read.

        Args:
            feature: One of the dataset's.

        Returns:
            (item,) rows before any alignment; of a fitted feature those of its input; 0 for a clip
            without the feature.

        Raises:
            NotInStore: The dataset has no such feature.
        """

    def __repr__(self) -> str:
        return as_text(type(self).__name__, self._facts)

    def _repr_html_(self) -> str:
        return as_html(type(self).__name__, self._facts)

    @property
    def _facts(self) -> dict[str, str | tuple[str, ...]]:
        clips, groups = len({*self.clip_ids}), len({*self.groups})
        numbered = self.targets if self._targets.kind == "class" else None
        return {
            "store": self._from,
            "items": f"{len(self):,}; clips {clips:,}, groups {groups:,}",
            "left out": f"clips {len(self.dropped):,}, see dropped" if self.dropped else "",
            "features": some_of(self._specs),
            "labels": facts_of_classes(
                self.classes, numbered, self._targets.in_words, self._targets.names
            ),
            "aligned": tuple(map(repr, self.align)),
        }

    @property
    @abstractmethod
    def _from(self) -> tuple[str, ...]:
        """Store, snapshot and fold, in words."""

    @property
    @abstractmethod
    def _specs(self) -> Mapping[str, FeatureSpec]:
        """Feature -> what it is, as stored."""

    @abstractmethod
    def _item(self, i: int) -> ClipItem: ...

    @abstractmethod
    def _label(self, i: int) -> Target: ...

    @abstractmethod
    def _row(self, i: int) -> dict[str, Any]:
        """What is known of an item; see `Row`."""

    @abstractmethod
    def _feature_keys(self) -> Mapping[str, tuple[object, ...]]:
        """Feature -> what it must share with that of another dataset to hold the same numbers."""

    def _kept(self, order: Sequence[int]) -> Self:
        """The same dataset with the items of some numbers."""
        other = copy.copy(self)
        other.items = tuple(self.items[i] for i in order)
        other.clip_ids = tuple(self.clip_ids[i] for i in order)
        return other

    def _of(self, order: Sequence[int], nothing: str) -> Self:
        if not len(order):
            raise ValueError(f"{nothing}, of {len(self)} that there are; ask for at least one")
        return self._kept(order)

    @cached_property
    def _places(self) -> dict[str, list[int]]:
        """Clip -> the numbers of its items."""
        places: dict[str, list[int]] = {}
        for i, clip_id in enumerate(self.clip_ids):
            places.setdefault(clip_id, []).append(i)
        return places

    def _places_of(self, clip_id: str) -> list[int]:
        if clip_id not in self._places:
            raise NotInStore(unknown("clip", clip_id, self._places, "dataset"))
        return self._places[clip_id]

    def _number(self, i: int) -> int:
        if isinstance(i, bool | np.bool_):
            raise ValueError("select was given truth values, expected numbers or ids; use filter")
        if not -len(self) <= i < len(self):
            raise IndexError(f"there is no item {i}, expected 0 to {len(self) - 1}")
        return int(range(len(self))[i])

    def _mask(self, keep: ArrayLike) -> NDArray[np.bool_]:
        mask = np.asarray(keep)
        if mask.dtype != np.bool_ or mask.shape != (len(self),):
            raise ValueError(
                f"the mask is {mask.dtype} of shape {mask.shape}, expected a truth value for each "
                f"of {len(self)} items; numbers and ids are for select"
            )
        return mask


_FOUND_AGAIN = frozenset({"_sources", "_places", "_found_targets", "groups", "subjects"})
"""What is opened or counted when it is asked for: neither pickled nor copied."""


_MOST_NAMED = 20
"""Values of a column that an error names."""


def _matches(rows: Sequence[Row], column: str, wanted: Any) -> NDArray[np.bool_]:
    if rows and column not in rows[0]:
        near = " or ".join(closest(column, rows[0])) or ", ".join(rows[0])
        raise NotInStore(f"clips have no column {column!r}; there is {near}")
    is_one = isinstance(wanted, str) or not isinstance(wanted, Iterable)
    values = [wanted] if is_one else [*wanted]
    if any(isinstance(row[column], np.ndarray) for row in rows):
        raise ValueError(
            f"the {column} of an item is several numbers, of which none is {wanted!r}; filter by "
            "a function: dataset.filter(lambda row: ...)"
        )
    found = np.array([row[column] in values for row in rows], np.bool_)
    if not found.any():
        there = sorted({str(row[column]) for row in rows})
        hint = did_you_mean(str(values[0]), there) if values else ""
        known = ", ".join(there[:_MOST_NAMED]) + ", ..." * (len(there) > _MOST_NAMED)
        raise ValueError(f"no item has the {column} {wanted!r}; {hint}there are {known}")
    return found
