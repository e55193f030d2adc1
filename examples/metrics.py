"""Scores of tested clips, by scikit-learn: accuracy, balanced accuracy, precision, recall, F1, ROC,
confusion, and what guessing gives."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics


@dataclass(frozen=True, eq=False)
class Scores:
    """Of one tested set. A class that no tested clip has counts in no mean over classes."""

    targets: NDArray[np.int64]
    """(clip,) number of the true class."""
    decided: NDArray[np.int64]
    """(clip,) number of the predicted class."""
    classes: int

    @cached_property
    def confusion(self) -> NDArray[np.int64]:
        """(true, predicted) clips."""
        found: NDArray[np.int64] = metrics.confusion_matrix(
            self.targets, self.decided, labels=range(self.classes)
        )
        return found

    @property
    def confusion_normalised(self) -> NDArray[np.float64]:
        """(true, predicted) shares of each true class; 0 for one that is not in the test."""
        found: NDArray[np.float64] = metrics.confusion_matrix(
            self.targets, self.decided, labels=range(self.classes), normalize="true"
        )
        return found

    @cached_property
    def tested(self) -> NDArray[np.int64]:
        """Numbers of the classes that are in the test."""
        return np.unique(self.targets)

    @property
    def accuracy(self) -> float:
        return float(metrics.accuracy_score(self.targets, self.decided))

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall of the classes, which the field calls UAR."""
        return self._mean(metrics.recall_score, "macro")

    @property
    def macro_f1(self) -> float:
        return self._mean(metrics.f1_score, "macro")

    @property
    def weighted_f1(self) -> float:
        return self._mean(metrics.f1_score, "weighted")

    @property
    def chance(self) -> float:
        """Accuracy of the better of two guessers: one says the most frequent class of the test, one
        says any class."""
        tested = self.confusion.sum(axis=1)
        return max(float(tested.max() / tested.sum()), 1 / self.classes)

    def by_class(self, names: Sequence[str]) -> dict[str, dict[str, float]]:
        """Class -> precision, recall, f1 and support; of a class that is not in the test support 0
        alone."""
        each = metrics.precision_recall_fscore_support(
            self.targets, self.decided, labels=range(self.classes), zero_division=0.0
        )
        return {
            name: ({"precision": p, "recall": r, "f1": f, "support": n} if n else {"support": n})
            for name, p, r, f, n in zip(names, *(one.tolist() for one in each), strict=True)
        }

    def means(self) -> dict[str, float]:
        """Name -> the number for all classes together."""
        found = {
            "clips": float(len(self.targets)),
            "accuracy": self.accuracy,
            "balanced_accuracy": self.balanced_accuracy,
            "chance": self.chance,
        }
        scores = {
            "precision": metrics.precision_score,
            "recall": metrics.recall_score,
            "f1": metrics.f1_score,
        }
        for average in ("macro", "weighted"):
            for name, score in scores.items():
                found[f"{average}_{name}"] = self._mean(score, average)
        return found

    def _mean(self, score: Callable[..., float], average: str) -> float:
        return float(
            score(
                self.targets, self.decided, labels=self.tested, average=average, zero_division=0.0
            )
        )


def measured(
    targets: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    names: Sequence[str],
    groups: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """All that is said of the predictions for some clips, as plain values.

    targets: (clip,); probabilities: (clip, class); groups: such as `sex` -> (clip,) the group of
        each clip, of which each gets means and classes of its own.
    """
    decided = probabilities.argmax(axis=1)
    scores = Scores(targets, decided, len(names))
    found: dict[str, Any] = {
        **scores.means(),
        "per_class": scores.by_class(names),
        "roc_auc": _roc_auc(targets, probabilities, names),
        "confusion": scores.confusion.tolist(),
        "confusion_normalised": scores.confusion_normalised.tolist(),
        "classes": list(names),
    }
    for group, values in groups.items():
        of_clip = np.asarray(values, dtype=str)
        each = {
            str(value): Scores(targets[of_clip == value], decided[of_clip == value], len(names))
            for value in np.unique(of_clip)
        }
        found[f"by_{group}"] = {
            value: {**one.means(), "per_class": one.by_class(names)} for value, one in each.items()
        }
    return found


def _roc_auc(
    targets: NDArray[np.int64], probabilities: NDArray[np.float64], names: Sequence[str]
) -> dict[str, float]:
    """Class -> area under its curve of one against the rest, for the classes that are in the test
    and not alone there; and their mean under `macro`."""
    areas = {
        name: float(metrics.roc_auc_score(targets == number, probabilities[:, number]))
        for number, name in enumerate(names)
        if 0 < (targets == number).sum() < len(targets)
    }
    return {**areas, "macro": float(np.mean(list(areas.values())))} if areas else {}


def table(scores: Scores, names: tuple[str, ...]) -> str:
    """The confusion matrix with a line for each true class."""
    width = max(len(name) for name in names)
    head = " " * (width + 2) + " ".join(f"{name[:9]:>9}" for name in names) + "   <- predicted"
    lines = [
        f"  {name:<{width}}" + " ".join(f"{count:>9}" for count in row)
        for name, row in zip(names, scores.confusion, strict=True)
    ]
    return "\n".join([head, *lines])
