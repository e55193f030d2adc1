"""A bound under which the imbalance of no assignment can come."""

import math

import numpy as np

from manifests.schemes.counts import Floats, GroupCounts, Ints

_STATES = 4096
"""Numbers of groups of each sort that the bound distinguishes: twelve groups that are all unlike,
or 63 men and 63 women. More take long."""


def least_imbalance(counts: GroupCounts, parts: int) -> float:
    """A proven lower bound of the imbalance of every assignment to parts of even shares.

    No part is empty.

    A part of m1 groups of the first sort, m2 of the second and so on has of a column at least the
    m1 smallest and the m2 smallest, at most the m1 largest and the m2 largest, and a multiple of
    what all values of the column are multiples of. So its deviation is at least that of the nearest
    such number. The bound is the least sum over all ways to spread the numbers m over the parts, by
    dynamic programming.

    It is the true optimum for up to twelve groups, and for more where what groups have comes in few
    sorts (the 24 actors of RAVDESS). It is near 0 for many groups of unlike size, which can be
    assigned ever more evenly.

    Args:
        counts: What each group brings.
        parts: Number of parts.

    Returns:
        The bound, as a share like the imbalance.
    """
    sorts = _sorts(counts)
    if _states(sorts) > _STATES:
        return 0.0
    least = _least_of_one(counts, sorts, parts)
    spread = _spread(least, parts)
    return float(np.sqrt(max(spread.flat[-1], 0.0) / parts))


def _states(sorts: Ints) -> int:
    """How many numbers of groups of each sort a part can have.

    A Python int, as for many sorts it is beyond any float.
    """
    return math.prod((np.bincount(sorts) + 1).tolist())


def _least_of_one(counts: GroupCounts, sorts: Ints, parts: int) -> Floats:
    """(groups of sort 1 + 1, ...): least squared deviation of a part of so many of each."""
    shape = tuple(np.bincount(sorts) + 1)
    total = np.zeros(shape)
    for column, scale, weight in zip(counts.values.T, counts.totals, counts.weights, strict=True):
        low, high = np.zeros(shape), np.zeros(shape)
        for sort in range(len(shape)):
            rising = np.sort(column[sorts == sort])
            along = [-1 if axis == sort else 1 for axis in range(len(shape))]
            low = low + np.concatenate([[0.0], np.cumsum(rising)]).reshape(along)
            high = high + np.concatenate([[0.0], np.cumsum(rising[::-1])]).reshape(along)
        even = column.sum() / parts
        nearest = np.maximum(np.maximum(low - even, even - high), _off_lattice(column, even))
        total += weight * (nearest * parts / scale) ** 2
    total.flat[0] = np.inf
    return total


def _off_lattice(column: Floats, even: float) -> float:
    """Distance from `even` to the next multiple of the column's divisor; 0 for fractions."""
    if not np.all(column == np.round(column)) or not column.any():
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


def _sorts(counts: GroupCounts) -> Ints:
    """(group,) number of the group's sort.

    A sort is all that groups have; where that is too much for the bound, their sexes; else one for
    all.
    """
    sexes = counts.values[:, [kind == "sex" for kind in counts.kinds]] > 0
    for facts in (counts.values.round(9), sexes):
        sorts = np.unique(facts, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
        if _states(sorts) <= _STATES:
            return sorts
    return np.zeros(len(sexes), np.int64)
