"""Shares of clips that are right, under two schemes, with intervals over subjects.

Clips of one subject are alike, so the intervals count subjects (groups, where subjects share them)
and not clips: an accuracy is a ratio of two totals over clusters, its variance the linearised one,
its quantile Student's with one less degree of freedom than there are clusters (Cochran, Sampling
Techniques, 1977; Cameron and Miller, "A Practitioner's Guide to Cluster-Robust Inference", Journal
of Human Resources 50, 2015). For fewer than about twenty clusters these cover better than
percentiles of a bootstrap over subjects. The inflation is a paired difference: the same clips,
tested twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A share of the clips, or a difference of two, with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """One measure under both schemes."""

    leaking: Estimate
    disjoint: Estimate
    inflation: Estimate
    """Leaking less disjoint: how much better the classifier looks than it is."""


def compare_shares(right: Sequence[Bools], strata: Ints, clusters: Ints) -> Comparison:
    """Compares accuracies: the mean over strata of the share of clips that are right.

    Args:
        right: (clip,) under the leaking scheme, and under the disjoint one.
        strata: (clip,) the stratum of each clip, by number: one for all, or one for each class.
        clusters: (clip,) the subject, or group of subjects, by number.

    Returns:
        Both accuracies and their difference.
    """
    (leaking, a), (disjoint, b) = (_influence(each, strata, clusters) for each in right)
    difference = _interval(leaking - disjoint, a - b)
    return Comparison(_interval(leaking, a), _interval(disjoint, b), difference)


def _influence(right: Bools, strata: Ints, clusters: Ints) -> tuple[float, Floats]:
    """The mean over strata of the share that is right; (cluster,) how far each cluster moves it."""
    sizes = np.bincount(strata)
    shares = np.bincount(strata, weights=right) / sizes
    moves = (right - shares[strata]) / (sizes[strata] * len(sizes))
    return float(shares.mean()), np.bincount(clusters, weights=moves).astype(np.float64)


def _interval(value: float, influence: Floats) -> Estimate:
    from scipy.stats import t

    count = len(influence)
    deviation = float(np.sqrt(count / (count - 1) * (influence**2).sum()))
    reach = float(t.ppf((1 + _CONFIDENCE) / 2, count - 1)) * deviation
    return Estimate(value, value - reach, value + reach)
