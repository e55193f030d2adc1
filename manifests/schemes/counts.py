"""What groups of clips bring to the parts that they are assigned to, and how even the parts are.

Each column counts something that is to be even: clips, clips of each sex, weight of each class of
each label scheme. A part deviates in a column by (what it has) / (its share of the total) - 1. A
part that is a little large has a little too much of every class; so a second column for each class
has the deviation of the class less that of the clips: what the mixture of classes is off by. The
*imbalance* of an assignment is the root mean square of the deviations over parts and columns.
Clips, sexes and the classes of all label schemes weigh the same, however many columns they have,
and the mixtures more, the less the groups differ in them.
"""

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


@dataclass(frozen=True)
class GroupCounts:
    """What each group brings to a part."""

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
        """1 or, for a mixture, more the less the groups differ in it.

        Of a mixture it is 1 / (mean squared deviation of single groups), at least 1: where groups
        hardly differ, little is much.
        """
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
        """(group, column) the values, scaled for a part's deviation.

        The squares of what a part has over its share sum to its mean squared deviation.
        """
        return np.asarray(self.values / self.totals * np.sqrt(self.weights))

    @cached_property
    def present(self) -> Ints:
        """(group, column) 1 where the group has any.

        Columns that every group has come to one: a part without groups.
        """
        counted = [not kind.startswith(_MIXTURE) for kind in self.kinds]
        present = self.values[:, counted] > 0
        differing = present[:, ~present.all(axis=0)]
        return np.concatenate([np.ones((len(present), 1)), differing], axis=1).astype(np.int64)


def class_labels(labels: Iterable[Label]) -> list[Label]:
    """Chooses the labels that name classes.

    A scheme with a decimal fraction among its values is a measure on a scale, such as valence.

    Args:
        labels: Labels of any schemes.

    Returns:
        Those of schemes without such a value, in their order.
    """
    labels = list(labels)
    measures = {label.scheme for label in labels if _FRACTION.fullmatch(label.value)}
    return [label for label in labels if label.scheme not in measures]


def count_groups(members: Mapping[str, Sequence[Clip]], labels: Iterable[Label]) -> GroupCounts:
    """Counts what each group has of clips, sexes and classes.

    Args:
        members: Group -> its clips.
        labels: Labels of the clips, in any order; those of other clips are left out.

    Returns:
        The counts, the groups in their order.
    """
    # A sum of fractions depends on their order.
    ordered = sorted(
        labels, key=lambda label: (label.clip_id, label.scheme, label.annotator, label.value)
    )
    sums: dict[tuple[str, str], Floats] = defaultdict(lambda: np.zeros(len(members)))
    row_of: dict[str, int] = {}
    for row, clips in enumerate(members.values()):
        for clip in clips:
            row_of[clip.clip_id] = row
            sums["clips", ""][row] += 1
            if clip.sex:
                sums["sex", clip.sex][row] += 1
    for label in class_labels(ordered):
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
    return GroupCounts(np.stack(values, axis=1), np.array(totals), kinds)


def imbalance(counts: GroupCounts, part_of: Ints, parts: int) -> float:
    """How uneven parts of even shares are.

    Args:
        counts: What each group brings.
        part_of: (group,) part of each group, from 0.
        parts: Number of parts.

    Returns:
        The root mean square deviation; 0 is perfect, 0.1 is ten in a hundred too many or too few.
    """
    sums = np.zeros((parts, counts.scaled.shape[1]))
    np.add.at(sums, part_of, counts.scaled)
    return float(np.sqrt(((sums * parts - counts.scaled.sum(axis=0)) ** 2).sum() / parts))
