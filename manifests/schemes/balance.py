"""Groups dealt to parts of even shares: the problem, a search, and a bound under which no deal can
come.

Each column counts something that is to be even: clips, clips of each sex, weight of each class of
each label scheme. A part deviates in a column by (what it holds) / (its share of the total) - 1. A
part that is a little large has a little too much of every class; so a second column for each class
holds the deviation of the class less that of the clips: what the mixture of classes is off by. The
*imbalance* of a deal is the root mean square of the deviations over parts and columns. Clips, sexes
and the classes of all label schemes weigh the same, however many columns they have, and the
mixtures more, the less the groups differ in them.

Before all that, the search keeps the number of (part, column) cells that hold nothing as low as it
can: no empty class, no part of one sex.
"""

import math
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from manifests.clips import Clip
from manifests.labels import Label

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MIXTURE = "mixture "
_MOST = 64.0
"""Most that the mixture of classes weighs, where sizes and sexes weigh 1."""
_FRACTION = re.compile(r"-?[0-9]+\.[0-9]+")
_EMPTY_CELL = 1e6
"""Cost of a part without a column; more than any imbalance."""
_KICKS = 4
"""Random exchanges that lead out of a local optimum."""
_ROUNDS, _WORK = 60, 1_500_000
"""Descents from other starts: at most so many, and fewer for many groups, as each takes time with
the square of their number."""
_STATES = 4096
"""Numbers of groups of each sort that the bound tells apart: twelve groups that are all unlike, or
63 men and 63 women. More take long."""


@dataclass(frozen=True)
class Counts:
    """What each group brings."""

    values: Floats
    """(group, column)"""
    totals: Floats
    """(column,) What a deviation is a share of: the total of the class, the sex or the clips."""
    kinds: tuple[str, ...]
    """Of each column: `clips`, `sex`, and `label` or `mixture` with the name of a label scheme."""

    @cached_property
    def weights(self) -> Floats:
        """(column,) of squared deviations; they sum to 1."""
        families = Counter(kind.partition(" ")[0] for kind in self.kinds)
        weights = np.array(
            [self._importance(kind) / families[kind.partition(" ")[0]] for kind in self.kinds]
        )
        return np.asarray(weights / weights.sum())

    def _importance(self, kind: str) -> float:
        """1; of a mixture 1 / (mean squared deviation of single groups), at least 1: where groups
        hardly differ, little is much."""
        if not kind.startswith(_MIXTURE):
            return 1.0
        of_kind = [name == kind for name in self.kinds]
        shares = self.values[:, self.kinds.index("clips")] / self.totals[self.kinds.index("clips")]
        spread = float(
            np.mean((self.values[:, of_kind] / self.totals[of_kind] / shares[:, None]) ** 2)
        )
        return max(1.0, min(_MOST, 1 / spread)) if spread else 1.0

    @cached_property
    def scaled(self) -> Floats:
        """(group, column) such that the squares of what a part holds over its share sum to its mean
        squared deviation."""
        return np.asarray(self.values / self.totals * np.sqrt(self.weights))

    @cached_property
    def present(self) -> Ints:
        """(group, column) 1 where the group holds any; columns that every group holds come to one:
        a part without groups."""
        held = self.values[:, [not kind.startswith(_MIXTURE) for kind in self.kinds]] > 0
        everyone = held.all(axis=0)
        return np.concatenate([np.ones((len(held), 1)), held[:, ~everyone]], axis=1).astype(
            np.int64
        )

    def sorts(self) -> Ints:
        """(group,) number of the group's sort: all that it holds; where that is too much for the
        bound, its sexes; else one for all."""
        sexes = self.values[:, [kind == "sex" for kind in self.kinds]] > 0
        for told_by in (self.values.round(9), sexes):
            sorts = np.unique(told_by, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
            if _states(sorts) <= _STATES:
                return sorts
        return np.zeros(len(sexes), np.int64)


def of_classes(labels: Iterable[Label]) -> list[Label]:
    """Those of schemes that name classes: a scheme with a decimal fraction among its values is a
    measure on a scale, such as valence."""
    labels = list(labels)
    measures = {label.scheme for label in labels if _FRACTION.fullmatch(label.value)}
    return [label for label in labels if label.scheme not in measures]


def count(members: Mapping[str, Sequence[Clip]], labels: Iterable[Label]) -> Counts:
    """The counts of groups, in their order; `labels` in the order of their keys, because a sum of
    fractions depends on it."""
    sums: dict[tuple[str, str], Floats] = defaultdict(lambda: np.zeros(len(members)))
    row_of: dict[str, int] = {}
    for row, clips in enumerate(members.values()):
        for clip in clips:
            row_of[clip.clip_id] = row
            sums["clips", ""][row] += 1
            if clip.sex:
                sums["sex", clip.sex][row] += 1
    for label in of_classes(labels):
        if label.clip_id in row_of:
            sums[f"label {label.scheme}", label.value][row_of[label.clip_id]] += label.weight
    columns = [
        (kind, column, column.sum())
        for (kind, _), column in sorted(sums.items())
        if column.sum() > 0
    ]
    clips_of = sums["clips", ""]
    mixed = [
        (kind.replace("label ", _MIXTURE, 1), column - clips_of * (total / clips_of.sum()), total)
        for kind, column, total in columns
        if kind.startswith("label ")
    ]
    kinds, values, totals = zip(*columns, *mixed, strict=True)
    return Counts(np.stack(values, axis=1), np.array(totals), kinds)


def imbalance(counts: Counts, part_of: Ints, parts: int) -> float:
    """Root mean square deviation of parts of even shares; 0 is perfect, 0.1 is ten in a hundred too
    many or too few."""
    held = np.zeros((parts, counts.scaled.shape[1]))
    np.add.at(held, part_of, counts.scaled)
    return float(np.sqrt(((held * parts - counts.scaled.sum(axis=0)) ** 2).sum() / parts))


def deal(counts: Counts, parts: int, seed: int) -> Ints:
    """(group,) part of each group: `parts` parts of even shares, none empty. Needs as many groups
    as parts."""
    return _search(
        _Deal(counts, np.full(parts, 1 / parts), np.full(parts, len(counts.values))),
        seed,
        least_imbalance(counts, parts),
    )


def deal_sizes(counts: Counts, sizes: Sequence[int], seed: int) -> Ints:
    """(group,) part of each group: part i has exactly `sizes[i]` groups, and of all else a share as
    near to theirs as can be found."""
    wanted = np.array(sizes)
    return _search(_Deal(counts, wanted / wanted.sum(), wanted), seed, 0.0)


def _search(dealt: "_Deal", seed: int, bound: float) -> Ints:
    """Iterated local search (Lourenco, Martin and Stuetzle 2003): descend, leave the optimum by a
    few random exchanges, descend again."""
    chance = random.Random(seed)  # noqa: S311 - a deal, not a secret
    order = list(range(dealt.groups))
    chance.shuffle(order)
    dealt.start(order)
    dealt.descend(order)
    best, least = dealt.part_of.copy(), dealt.cost()
    for _ in range(min(_ROUNDS, _WORK // len(dealt.part_of) ** 2)):
        if least <= bound**2 + 1e-12:
            break
        for _ in range(_KICKS):
            dealt.exchange(*(chance.randrange(len(dealt.part_of)) for _ in range(2)))
        dealt.descend(order)
        cost = dealt.cost()
        if cost < least - 1e-12:
            best, least = dealt.part_of.copy(), cost
        else:
            dealt.put(best)
    return best[: dealt.groups]


class _Deal:
    """A deal in the making. Where sizes are free, each part also holds a group of nothing: to
    change places with it is to move."""

    def __init__(self, counts: Counts, shares: Floats, room: Ints) -> None:
        self.groups, parts = counts.present.shape[0], len(shares)
        self._room, self._shares = room, shares
        free = 0 if room.sum() == self.groups else parts
        self._values = np.concatenate([counts.scaled, np.zeros((free, counts.scaled.shape[1]))])
        self._present = np.concatenate(
            [counts.present, np.zeros((free, counts.present.shape[1]), np.int64)]
        )
        self._squares = (self._values**2).sum(axis=1)
        self._wanted = shares[:, None] * counts.scaled.sum(axis=0)
        self._weights = 1 / (shares**2 * parts)
        self.put(np.concatenate([np.zeros(self.groups, np.int64), np.arange(free)]))

    def put(self, part_of: Ints) -> None:
        self.part_of = part_of.copy()
        self._over = -self._wanted
        self._holders = np.zeros((len(self._shares), self._present.shape[1]), np.int64)
        np.add.at(self._over, self.part_of, self._values)
        np.add.at(self._holders, self.part_of, self._present)

    def cost(self) -> float:
        """Squared imbalance, and the cells that hold nothing."""
        uneven = float((self._weights * (self._over**2).sum(axis=1)).sum())
        return float(np.round(uneven, 12)) + _EMPTY_CELL * int((self._holders == 0).sum())

    def start(self, order: Sequence[int]) -> None:
        """The largest group first, each where it costs least. An empty part costs least of all, so
        none stays empty."""
        over, taken = -self._wanted, np.zeros(len(self._shares), np.int64)
        part_of = self.part_of.copy()
        for row in sorted(order, key=lambda row: -self._squares[row].round(12)):
            added = np.round(
                self._weights * (2 * over @ self._values[row] + self._squares[row]), 12
            )
            part = int(np.argmin(np.where(taken < self._room, added, np.inf)))
            over[part] += self._values[row]
            taken[part] += 1
            part_of[row] = part
        self.put(part_of)

    def descend(self, order: Sequence[int]) -> None:
        """Each group in turn changes places with the one that lowers the cost most, until no
        exchange lowers it."""
        moved = True
        while moved:
            moved = False
            for row in order:
                change = self._changes(row)
                best = int(np.argmin(change))
                if change[best] < 0:
                    self.exchange(row, best)
                    moved = True

    def _changes(self, row: int) -> Floats:
        """(group,) by how much the cost changes when `row` changes places with each.

        With x the counts, o what a part holds over its share, w its weight and d = x[other] -
        x[row]: part p of `row` goes from w o.o to w (o + d).(o + d), part q of the other to w (o -
        d).(o - d).
        """
        part, others = self.part_of[row], self.part_of
        meets = self._values @ self._over.T
        at_row = meets[:, part] - meets[row, part]
        at_other = meets[np.arange(len(others)), others] - meets[row, others]
        squared = self._squares + self._squares[row] - 2 * self._values @ self._values[row]
        weight, weights = self._weights[part], self._weights[others]
        change = weight * (2 * at_row + squared) + weights * (squared - 2 * at_other)
        change = np.round(change, 12) + _EMPTY_CELL * self._emptied(row)
        change[others == part] = 0.0
        return np.asarray(change)

    def _emptied(self, row: int) -> Ints:
        """(group,) how many more cells hold nothing when `row` changes places with each."""
        part, others = self.part_of[row], self.part_of
        brought = self._present - self._present[row]
        before = (self._holders == 0).sum(axis=1)
        after = (self._holders[part] + brought == 0).sum(axis=1) + (
            self._holders[others] - brought == 0
        ).sum(axis=1)
        return np.asarray(after - before[part] - before[others])

    def exchange(self, row: int, other: int) -> None:
        part, place = self.part_of[row], self.part_of[other]
        if part != place:
            brought, present = (
                self._values[other] - self._values[row],
                self._present[other] - self._present[row],
            )
            self._over[part] += brought
            self._over[place] -= brought
            self._holders[part] += present
            self._holders[place] -= present
            self.part_of[row], self.part_of[other] = place, part


def least_imbalance(counts: Counts, parts: int) -> float:
    """A proven lower bound of the imbalance of every deal to `parts` parts of even shares, none
    empty.

    A part of m1 groups of the first sort, m2 of the second and so on holds of a column at least the
    m1 smallest and the m2 smallest, at most the m1 largest and the m2 largest, and a multiple of
    what all values of the column are multiples of. So its deviation is at least that of the nearest
    such number. The bound is the least sum over all ways to spread the numbers m over the parts, by
    dynamic programming.

    It is the true optimum for up to twelve groups, and for more where few sorts of groups are told
    apart by what they hold (the 24 actors of RAVDESS). It is near 0 for many groups of unlike size,
    which can be dealt ever more evenly.
    """
    sorts = counts.sorts()
    if _states(sorts) > _STATES:
        return 0.0
    least = _least_of_one(counts, sorts, parts)
    spread = _spread(least, parts)
    return float(np.sqrt(max(spread.flat[-1], 0.0) / parts))


def _states(sorts: Ints) -> int:
    """How many numbers of groups of each sort a part can have; a Python int, as for many sorts it
    is beyond any float."""
    return math.prod((np.bincount(sorts) + 1).tolist())


def _least_of_one(counts: Counts, sorts: Ints, parts: int) -> Floats:
    """(groups of sort 1 + 1, groups of sort 2 + 1, ...): the least squared deviation of a part of
    so many groups of each sort."""
    shape = tuple(np.bincount(sorts) + 1)
    total = np.zeros(shape)
    for column, whole, weight in zip(counts.values.T, counts.totals, counts.weights, strict=True):
        low, high = np.zeros(shape), np.zeros(shape)
        for sort in range(len(shape)):
            rising = np.sort(column[sorts == sort])
            along = [-1 if axis == sort else 1 for axis in range(len(shape))]
            low = low + np.concatenate([[0.0], np.cumsum(rising)]).reshape(along)
            high = high + np.concatenate([[0.0], np.cumsum(rising[::-1])]).reshape(along)
        even = column.sum() / parts
        nearest = np.maximum(np.maximum(low - even, even - high), _off_lattice(column, even))
        total += weight * (nearest * parts / whole) ** 2
    total.flat[0] = np.inf
    return total


def _off_lattice(column: Floats, even: float) -> float:
    """Distance from `even` to the nearest multiple of what all whole numbers of the column are
    multiples of; 0 for fractions."""
    if not np.all(column == np.round(column)):
        return 0.0
    if not column.any():
        return 0.0
    step = float(np.gcd.reduce(column.astype(np.int64)))
    return min(even % step, step - even % step)


def _spread(least: Floats, parts: int) -> Floats:
    """Least sum over `parts` parts for every number of groups of each sort, by doubling."""
    if parts == 1:
        return least
    half = _spread(least, parts // 2)
    both = _added(half, half)
    return _added(both, least) if parts % 2 else both


def _added(first: Floats, second: Floats) -> Floats:
    """Min-plus convolution: the least of first[s] + second[t - s] for every t."""
    least = np.full(first.shape, np.inf)
    for start in np.ndindex(first.shape):
        if np.isfinite(first[start]):
            behind = tuple(slice(at, None) for at in start)
            ahead = tuple(
                slice(None, size - at) for at, size in zip(start, first.shape, strict=True)
            )
            np.minimum(least[behind], first[start] + second[ahead], out=least[behind])
    return least
