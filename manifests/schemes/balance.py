"""Groups assigned to parts of even shares: a search for the least imbalance.

Before all else, the search keeps the number of (part, column) cells that have nothing as low as it
can: no empty class, no part of one sex.
"""

import random
from collections.abc import Sequence

import numpy as np

from manifests.schemes.bound import least_imbalance
from manifests.schemes.counts import Floats, GroupCounts, Ints

_EMPTY_CELL = 1e6
"""Cost of a part without a column; more than any imbalance."""
_KICKS = 4
"""Random exchanges that lead out of a local optimum."""
_ROUNDS, _WORK = 60, 1_500_000
"""Descents from other starts: at most so many, and fewer for many groups, as each takes time with
the square of their number."""


def assign_evenly(counts: GroupCounts, parts: int, seed: int) -> Ints:
    """Assigns groups to parts of even shares, none empty.

    Args:
        counts: What each group brings; at least as many groups as parts.
        parts: Number of parts.
        seed: Chooses among assignments.

    Returns:
        (group,) part of each group, from 0.
    """
    shares, room = np.full(parts, 1 / parts), np.full(parts, len(counts.values))
    return _search(_Parts(counts, shares, room), seed, least_imbalance(counts, parts))


def assign_sizes(counts: GroupCounts, sizes: Sequence[int], seed: int) -> Ints:
    """Assigns groups to parts of given numbers of groups.

    Of all else each part has a share as near to its share of the groups as can be found.

    Args:
        counts: What each group brings.
        sizes: Groups in each part; they sum to the number of groups.
        seed: Chooses among assignments.

    Returns:
        (group,) part of each group, from 0.
    """
    wanted = np.array(sizes)
    return _search(_Parts(counts, wanted / wanted.sum(), wanted), seed, 0.0)


def _search(parts: "_Parts", seed: int, bound: float) -> Ints:
    """Iterated local search (Lourenco, Martin and Stuetzle 2003).

    Descend, leave the optimum by a few random exchanges, descend again.
    """
    chance = random.Random(seed)  # noqa: S311 - a split, not a secret
    order = list(range(parts.groups))
    chance.shuffle(order)
    parts.start(order)
    parts.descend(order)
    best, least = parts.part_of.copy(), parts.cost()
    for _ in range(min(_ROUNDS, _WORK // len(parts.part_of) ** 2)):
        if least <= bound**2 + 1e-12:
            break
        for _ in range(_KICKS):
            parts.exchange(*(chance.randrange(len(parts.part_of)) for _ in range(2)))
        parts.descend(order)
        cost = parts.cost()
        if cost < least - 1e-12:
            best, least = parts.part_of.copy(), cost
        else:
            parts.put(best)
    return best[: parts.groups]


class _Parts:
    """Parts that are being filled.

    Where sizes are free, each part also has a group of nothing: to change places with it is to
    move.
    """

    def __init__(self, counts: GroupCounts, shares: Floats, room: Ints) -> None:
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
        """Squared imbalance, and the cells that have nothing."""
        uneven = float((self._weights * (self._over**2).sum(axis=1)).sum())
        return float(np.round(uneven, 12)) + _EMPTY_CELL * int((self._holders == 0).sum())

    def start(self, order: Sequence[int]) -> None:
        """Places the largest group first, each where it costs least.

        An empty part costs least of all, so none stays empty.
        """
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
        """Exchanges each group in turn with the best other, until that lowers no cost."""
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

        With x the counts, o what a part has over its share, w its weight and d = x[other] -
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
        """(group,) how many more cells have nothing when `row` changes places with each."""
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
