"""In what order a trainer meets the items of a dataset: balanced, by length, shared among ranks.

Each is an iterable that torch's DataLoader takes, `sampler=` or `batch_sampler=`, and any loop can;
nothing here imports torch.

    loader = DataLoader(train, batch_size=32, collate_fn=train.collate,
                        sampler=BalancedSampler(train, "label", seed=1))
    loader = DataLoader(train, collate_fn=train.collate,
                        batch_sampler=LengthBuckets(train, 32, rank=rank, ranks=ranks))
    for epoch in range(epochs):
        loader.batch_sampler.set_epoch(epoch)

An order depends on the seed and the epoch alone, so that it is the same in every process: as with
torch's DistributedSampler, call `set_epoch` before each epoch, or all have one order. All ranks
have the same number of steps; where that needs more items than there are, the first ones of the
order come once more at its end.
"""

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from stores.batch import NO_TARGET
from stores.clip_dataset import ClipDataset

Step = TypeVar("Step", int, list[int])
Order = NDArray[np.int64]

_POOL = 50
"""Batches that are sorted by length together: so many that batches differ little in length, so few
that an epoch of many clips mixes them anew."""


class RankedSampler(Generic[Step]):
    """What all samplers share: a seed, an epoch, and a rank that takes every so many steps."""

    def __init__(self, seed: int, rank: int, ranks: int) -> None:
        """Describes the order; nothing is drawn yet.

        Args:
            seed: Of all epochs.
            rank: Which of the processes this is, from 0.
            ranks: How many processes share the steps of an epoch.

        Raises:
            ValueError: There is no such rank.
        """
        if not 0 <= rank < ranks:
            raise ValueError(f"rank {rank} of {ranks} was asked for, expected 0 <= rank < ranks")
        self.seed, self.rank, self.ranks, self.epoch = seed, rank, ranks, 0

    def set_epoch(self, epoch: int) -> None:
        """Chooses the order of the next iteration.

        Args:
            epoch: Number of the epoch, the same on all ranks.
        """
        self.epoch = epoch

    def __len__(self) -> int:
        return math.ceil(self._steps / self.ranks)

    def __iter__(self) -> Iterator[Step]:
        steps = self._drawn(np.random.default_rng([self.seed, self.epoch]))
        total = len(self) * self.ranks
        for at in range(self.rank, total, self.ranks):
            yield steps[at % len(steps)]

    @property
    @abstractmethod
    def _steps(self) -> int:
        """Of an epoch, of all ranks together."""

    @abstractmethod
    def _drawn(self, random: np.random.Generator) -> Sequence[Step]:
        """The steps of an epoch, in their order."""


class ShuffledSampler(RankedSampler[int]):
    """Numbers of all items in a new order each epoch, shared among ranks."""

    def __init__(self, dataset: ClipDataset, *, seed: int = 0, rank: int = 0, ranks: int = 1):
        """Counts the items.

        Args:
            dataset: Whose items these are.
            seed: Decides on the order, with the epoch.
            rank: Which of the processes this is, from 0.
            ranks: How many processes share the items.

        Raises:
            ValueError: There is no such rank.
        """
        super().__init__(seed, rank, ranks)
        self._count = len(dataset)

    @property
    def _steps(self) -> int:
        return self._count

    def _drawn(self, random: np.random.Generator) -> list[int]:
        order: list[int] = random.permutation(self._count).tolist()
        return order


class BalancedSampler(RankedSampler[int]):
    """Numbers of items, of every class or of every subject equally many.

    An epoch has as many as the dataset has items with a label. They come in rounds with one item of
    each class, in a new order, so that a batch is balanced too. The items of a class are all drawn
    before one is drawn again, so in an epoch those of a frequent class are left out in part, and
    those of a rare one come several times.
    """

    def __init__(
        self,
        dataset: ClipDataset,
        by: Literal["label", "subject"] = "label",
        *,
        seed: int = 0,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        """Groups the items.

        Args:
            dataset: Whose items these are; those without a label are left out.
            by: What comes equally often.
            seed: Decides on the draws, with the epoch.
            rank: Which of the processes this is, from 0.
            ranks: How many processes share an epoch.

        Raises:
            ValueError: There is no such rank, labels are no classes, no item has a label, or a
                clip's subject is unknown.
        """
        super().__init__(seed, rank, ranks)
        names = _classes(dataset) if by == "label" else _subjects(dataset, by)
        kept = np.flatnonzero(names >= 0)
        if not len(kept):
            raise ValueError(f"none of {len(dataset)} items has a {by}; choose other labels")
        self._groups = [kept[names[kept] == name] for name in np.unique(names[kept])]
        self._count = len(kept)

    @property
    def _steps(self) -> int:
        return self._count

    def _drawn(self, random: np.random.Generator) -> list[int]:
        total, groups = len(self) * self.ranks, len(self._groups)
        rounds = -(-total // groups)
        drawn = np.stack([_repeated(group, rounds, random) for group in self._groups], axis=1)
        shuffled: list[int] = random.permuted(drawn, axis=1).ravel()[:total].tolist()
        return shuffled


class LengthBuckets(RankedSampler[list[int]]):
    """Batches of items that are about equally long, so that little of them is padding.

    Each item is in one batch. Items are shuffled, sorted by length within pools of 50 batches, and
    cut into batches, which are shuffled. Lengths are stored rows by the index: no track is read.
    """

    def __init__(
        self,
        dataset: ClipDataset,
        size: int,
        *,
        feature: str | None = None,
        seed: int = 0,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        """Looks the lengths up.

        Args:
            dataset: Whose items these are.
            size: Items in a batch; one of an epoch may have fewer.
            feature: Whose rows are counted; None: the dataset's first.
            seed: Decides on the batches, with the epoch.
            rank: Which of the processes this is, from 0.
            ranks: How many processes share the batches.

        Raises:
            NotInStore: The dataset has no such feature.
            ValueError: The size is less than 1, or there is no such rank.
        """
        super().__init__(seed, rank, ranks)
        if size < 1:
            raise ValueError(f"a batch of {size} items was asked for, expected at least 1")
        self.size = size
        self._lengths = dataset.lengths(dataset.features[0] if feature is None else feature)

    @property
    def _steps(self) -> int:
        return -(-len(self._lengths) // self.size)

    def _drawn(self, random: np.random.Generator) -> list[list[int]]:
        order = random.permutation(len(self._lengths))
        pools = [order[at : at + _POOL * self.size] for at in _starts(order, _POOL * self.size)]
        # A stable sort gives the same batches on every machine.
        pools = [pool[np.argsort(self._lengths[pool], kind="stable")] for pool in pools]
        order = np.concatenate(pools)
        batches = [order[at : at + self.size].tolist() for at in _starts(order, self.size)]
        return [batches[number] for number in random.permutation(len(batches))]


def _starts(order: Order, size: int) -> range:
    return range(0, len(order), size)


def _classes(dataset: ClipDataset) -> Order:
    """(item,) number of its class; -1 where it has none."""
    dataset.class_counts()  # refuses labels that are no classes
    targets: Order = np.where(dataset.targets == NO_TARGET, -1, dataset.targets)
    return targets


def _subjects(dataset: ClipDataset, by: str) -> Order:
    """(item,) number of its subject."""
    if by != "subject":
        raise ValueError(f"by is {by!r}, expected label or subject")
    if unknown := sum(subject is None for subject in dataset.subjects):
        raise ValueError(
            f"of {unknown} of {len(dataset)} items nobody knows the subject; leave them out: "
            "dataset.filter(lambda row: row['subject_id'] is not None)"
        )
    return np.unique(np.array(dataset.subjects, np.str_), return_inverse=True)[1].astype(np.int64)


def _repeated(group: Order, count: int, random: np.random.Generator) -> Order:
    """So many of a group, each in a random order before one comes again."""
    rounds = -(-count // len(group))
    return random.permuted(np.tile(group, (rounds, 1)), axis=1).ravel()[:count]
