"""Choice of columns by the Improved Zebra Algorithm.

Kirar, Gill, Jangra and Sharma, "Multimodal emotion recognition: integrating audio and visual
features using enhanced deep learning techniques" (IJISAE, 2024), section 3.4: a population of
feature subsets, a fitness that is classification accuracy, exploration and exploitation in turn.
They print no formula, name no improvement, no classifier, no size of population and none of the
subset. What is settled here:

    search         the zebra optimization algorithm of Trojovska, Dehghani and Trojovsky (IEEE
                   Access 10, 2022, section III)
    improvement    mutations of the best zebra by Cauchy's distribution under a cosine that falls
                   to 0, the remedy against early convergence of the improved algorithm of that
                   name in the Journal of Intelligent & Fuzzy Systems (2024,
                   doi:10.3233/JIFS-242010); on problems with planted features it reached a higher
                   accuracy than as many evaluations of the plain algorithm, while beginning with
                   opposite positions, another published improvement, gained nothing
    subset         a zebra is a position in [0, 1]^width, and means the `keep` columns with the
                   greatest coordinates (random keys: Bean, ORSA Journal on Computing 6(2), 1994),
                   so that a feature has the same width in every fold
    fitness        accuracy of the nearest class mean, in units of the standard deviation within
                   classes (diagonal linear discriminant analysis: Dudoit, Fridlyand and Speed,
                   JASA 97(457), 2002), over inner folds, each judged by what the others taught
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from extractors.base import Layout, form_of
from extractors.fitted.base import Examples, State, Statistic
from extractors.fitted.inner import class_numbers, clip_means, group_folds, random_folds
from manifests.features import FeatureSpec

Columns = NDArray[np.int64]
"""Numbers of columns."""
Fitness = Callable[[Columns], float]
"""fitness(columns) -> how good they are; greater is better."""

_ESCAPE = 0.01
"""R of equation 5: how far a zebra flees from a lion, as a share of its position."""
_MUTATION = 0.03
"""Scale of the first mutations."""


@dataclass(frozen=True)
class _Selection(Statistic):
    """A choice of columns, fitted on the mean of each clip's valid rows.

    values: (time, keep) of the input's type: `keep` of its columns, in their order.
    """

    roles: ClassVar[tuple[str, ...]] = ("input",)
    transform: ClassVar[str] = "select"

    input: str
    """Name of a feature whose rows are vectors."""
    labels: str
    """Name of the labels that the accuracy counts."""
    keep: int
    """Columns that are chosen."""
    population: int = 20
    """Zebras: subsets that are searched from."""
    iterations: int = 50
    """Rounds of the search."""
    inner_folds: int = 5
    """Parts of the training clips, each of which is judged by the others."""
    seed: int = 0
    """Seed of the search, and of inner folds that are drawn."""

    def __post_init__(self) -> None:
        self.check_least(keep=1, population=2, iterations=1, inner_folds=2, seed=0)

    def layout(self, needs: Mapping[str, FeatureSpec]) -> Layout:
        source = needs["input"]
        if len(source.shape) != 1 or not source.dtype.startswith("float"):
            raise ValueError(f"{form_of(source)}, but columns are chosen of float vectors")
        if self.keep > source.shape[0]:
            raise ValueError(
                f"keep = {self.keep}, but {source.name} has {source.shape[0]} columns; keep fewer"
            )
        units = f"{self.keep} chosen columns of {source.name}, whose units are: {source.units}"
        return Layout(source.dtype, source.dims, (self.keep,), units, source.hop_s)

    def fit(self, examples: Examples) -> State:
        """Searches for the columns.

        Args:
            examples: The clips of one fold.

        Returns:
            `columns` (keep,) int64, ascending.

        Raises:
            ValueError: There are fewer than two labels, or nothing can be held out.
        """
        clips = clip_means(examples, "input")
        classes = class_numbers([examples.labels[number] for number in clips.numbers])
        folds = self.folds([examples.groups[number] for number in clips.numbers])
        fitness = inner_accuracy(clips.values, classes, folds)
        width = clips.values.shape[1]
        columns = search(fitness, width, self.keep, self.population, self.iterations, self.seed)
        return {"columns": columns}

    @abstractmethod
    def folds(self, groups: list[str]) -> NDArray[np.int64]:
        """Assigns the clips to inner folds.

        Args:
            groups: Group of each clip.

        Returns:
            (clips,) number of each clip's inner fold.
        """


class Iza(_Selection):
    """Columns chosen by the Improved Zebra Algorithm, which only training clips judge.

    Inner folds keep each group on one side. See the module for the algorithm, and `_Selection` for
    the values.
    """

    name: ClassVar[str] = "iza"
    version: ClassVar[int] = 1

    def folds(self, groups: list[str]) -> NDArray[np.int64]:
        return group_folds(groups, self.inner_folds)


class IzaLeaking(_Selection):
    """The choice as Kirar et al. describe it, which LEAKS: test clips choose too.

    Section 3.5 splits "following feature selection". Fitted on all clips of the fold, whatever
    their role, with inner folds at random, so that a speaker is on both sides of them as well. Only
    to reproduce the paper's protocol: accuracy on the test clips of such a choice is too high by an
    unknown amount.
    """

    name: ClassVar[str] = "iza_leaking"
    version: ClassVar[int] = 1
    sees_all: ClassVar[bool] = True

    def folds(self, groups: list[str]) -> NDArray[np.int64]:
        return random_folds(len(groups), self.inner_folds, self.seed)


def search(
    fitness: Fitness, width: int, keep: int, population: int, iterations: int, seed: int
) -> Columns:
    """Searches for the best columns; the same seed finds the same ones.

    Args:
        fitness: How good columns are.
        width: Number of columns to choose from.
        keep: Number of columns to choose.
        population: Number of zebras.
        iterations: Rounds of the search.
        seed: Seed of the search.

    Returns:
        The best columns that were found, ascending.

    Raises:
        ValueError: `keep` is more than `width`.
    """
    if keep > width:
        raise ValueError(f"keep = {keep}, but there are {width} columns; keep fewer")
    herd = _Herd(fitness, width, keep, population, np.random.default_rng(seed))
    for iteration in range(1, iterations + 1):
        done = iteration / iterations
        herd.forage()
        herd.defend(1 - done)
        herd.mutate(_MUTATION * np.cos(np.pi / 2 * done))
    return np.sort(chosen(herd.positions[herd.best], keep))


def chosen(position: NDArray[np.float64], keep: int) -> Columns:
    """Reads the columns that a position means.

    Args:
        position: (width,) coordinates.
        keep: Number of columns.

    Returns:
        The columns with the greatest coordinates; of equal ones, the first.
    """
    columns: Columns = np.argsort(-position, kind="stable")[:keep]
    return columns


class _Herd:
    """Positions (population, width) and their fitness.

    A zebra moves where that is no worse: accuracy has plateaus, which it must cross.
    """

    def __init__(
        self, fitness: Fitness, width: int, keep: int, population: int, rng: np.random.Generator
    ) -> None:
        self._fitness, self._keep, self._rng = fitness, keep, rng
        self.positions = rng.random((population, width))
        self.fitness = np.array([fitness(chosen(position, keep)) for position in self.positions])

    @property
    def best(self) -> int:
        """Number of the pioneer, the fittest zebra."""
        return int(self.fitness.argmax())

    def forage(self) -> None:
        """Phase 1, equation 3: x + r (pioneer - I x).

        r is uniform in [0, 1) in each coordinate and I is either 1 or 2.
        """
        pioneer = self.positions[self.best].copy()
        for zebra in range(len(self.positions)):
            self._try(zebra, self._towards(zebra, pioneer))

    def defend(self, left: float) -> None:
        """Phase 2, equation 5: half of the zebras flee from a lion, the others gather.

        Fleeing, x + R (2 r - 1) (1 - t / T) x, exploits; gathering round an attacked zebra, x + r
        (attacked - I x), explores.

        Args:
            left: 1 - t / T.
        """
        attacked = self.positions[self._rng.integers(len(self.positions))].copy()
        for zebra, position in enumerate(self.positions):
            if self._rng.random() <= 0.5:
                direction = 2 * self._rng.random(position.shape) - 1
                self._try(zebra, position + _ESCAPE * direction * left * position)
            else:
                self._try(zebra, self._towards(zebra, attacked))

    def mutate(self, scale: float) -> None:
        """The improvement: as many mutations of the pioneer as there are zebras.

        Cauchy's heavy tails move a few coordinates far.

        Args:
            scale: Scale of Cauchy's distribution.
        """
        for _ in range(len(self.positions)):
            pioneer = self.best
            step = scale * self._rng.standard_cauchy(self.positions.shape[1])
            self._try(pioneer, self.positions[pioneer] + step)

    def _towards(self, zebra: int, other: NDArray[np.float64]) -> NDArray[np.float64]:
        position = self.positions[zebra]
        factor = self._rng.integers(1, 3)
        step = other - factor * position
        return np.asarray(position + self._rng.random(position.shape) * step)

    def _try(self, zebra: int, position: NDArray[np.float64]) -> None:
        """Equations 4 and 6, but an equal fitness is taken too."""
        inside = position.clip(0, 1)
        found = self._fitness(chosen(inside, self._keep))
        if found >= self.fitness[zebra]:
            self.positions[zebra], self.fitness[zebra] = inside, found


def inner_accuracy(
    values: NDArray[np.float64], classes: NDArray[np.int64], folds: NDArray[np.int64]
) -> Fitness:
    """Makes the fitness of columns: accuracy of the class means of the other folds.

    Means and deviations are computed once, since a column's do not depend on the other columns.

    Args:
        values: (clips, width).
        classes: (clips,) from 0.
        folds: (clips,) number of each clip's inner fold.

    Returns:
        Columns -> share of all clips that are given their class. A class that the other folds do
        not hold is never given.
    """
    parts = [_InnerFold.of(values, classes, folds == fold) for fold in np.unique(folds)]

    def accuracy(columns: Columns) -> float:
        return sum(part.right(columns) for part in parts) / len(values)

    return accuracy


@dataclass(frozen=True, eq=False)
class _InnerFold:
    """One inner fold: clips to be classified, and what the other folds taught."""

    values: NDArray[np.float64]
    """(clips, width)"""
    classes: NDArray[np.int64]
    """(clips,) places among the classes that were taught; -1 for a class that was not."""
    slopes: NDArray[np.float64]
    """(width, classes taught): mean / variance."""
    offsets: NDArray[np.float64]
    """(width, classes taught): mean^2 / (2 variance)."""

    @classmethod
    def of(
        cls, values: NDArray[np.float64], classes: NDArray[np.int64], judged: NDArray[np.bool_]
    ) -> "_InnerFold":
        """Learns from all folds but one.

        Args:
            values: (clips, width).
            classes: (clips,) from 0.
            judged: (clips,) True for the clips of the fold.

        Returns:
            The fold with what the others taught.
        """
        known, of_class = values[~judged], classes[~judged]
        taught, place = np.unique(of_class, return_inverse=True)
        means = np.stack([known[place == number].mean(axis=0) for number in range(len(taught))])
        variance = ((known - means[place]) ** 2).mean(axis=0)
        usable = variance > 0
        # A column that is constant within classes has no scale to be judged in, and is left out of
        # the distance.
        weights = np.where(usable, 1 / np.where(usable, variance, 1), 0)
        places = np.where(
            np.isin(classes[judged], taught), np.searchsorted(taught, classes[judged]), -1
        )
        return cls(
            values[judged], places, (means * weights).T.copy(), (means**2 * weights / 2).T.copy()
        )

    def right(self, columns: Columns) -> int:
        """Counts the clips that are given their class.

        The mean at the least distance is that of the greatest x . slope - offset.

        Args:
            columns: The columns that the distance is measured in.

        Returns:
            How many there are.
        """
        scores = self.values[:, columns] @ self.slopes[columns] - self.offsets[columns].sum(axis=0)
        return int((scores.argmax(axis=1) == self.classes).sum())
