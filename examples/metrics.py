"""Accuracy, macro-F1, confusion, and what guessing gives."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Scores:
    """Of one tested set."""

    targets: NDArray[np.int64]
    """(clip,) number of the true class."""
    decided: NDArray[np.int64]
    """(clip,) number of the predicted class."""
    classes: int

    @cached_property
    def confusion(self) -> NDArray[np.int64]:
        """(true, predicted) clips."""
        counts = np.zeros((self.classes, self.classes), np.int64)
        np.add.at(counts, (self.targets, self.decided), 1)
        return counts

    @property
    def accuracy(self) -> float:
        return float(np.trace(self.confusion) / self.confusion.sum())

    @property
    def macro_f1(self) -> float:
        """Mean over the classes that are in the test of 2 TP / (2 TP + FP + FN)."""
        right = np.diag(self.confusion)
        tested, said = self.confusion.sum(axis=1), self.confusion.sum(axis=0)
        f1 = 2 * right / np.maximum(tested + said, 1)
        return float(f1[tested > 0].mean())

    @property
    def chance(self) -> float:
        """Accuracy of the better of two guessers: one says the most frequent class of the test, one
        says any class."""
        tested = self.confusion.sum(axis=1)
        return max(float(tested.max() / tested.sum()), 1 / self.classes)


def table(scores: Scores, names: tuple[str, ...]) -> str:
    """The confusion matrix with a line for each true class."""
    width = max(len(name) for name in names)
    head = " " * (width + 2) + " ".join(f"{name[:9]:>9}" for name in names) + "   <- predicted"
    lines = [
        f"  {name:<{width}}" + " ".join(f"{count:>9}" for count in row)
        for name, row in zip(names, scores.confusion, strict=True)
    ]
    return "\n".join([head, *lines])
