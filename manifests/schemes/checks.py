"""Checks of the folds that a scheme made: shared groups, uneven tests, classes without a test."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from manifests.clips import Clip
from manifests.folds import Fold, Role
from manifests.labels import Label
from manifests.schemes.bound import least_imbalance
from manifests.schemes.counts import class_labels, count_groups, imbalance
from manifests.schemes.groups import EVERYTHING, SplitError, group_clips, group_of_each


class LeakingSplit(SplitError):
    """A split has one group on two sides, or a clip not on exactly one side of every fold."""


def refuse_leaks(
    folds: Iterable[Fold], clips: Iterable[Clip], keeps: Sequence[str] = EVERYTHING
) -> None:
    """Refuses folds that put a clip on no side or on two, or that tear a group.

    Trusts no `group_id` of `folds`: what belongs together is read from the columns of `clips`.

    Args:
        folds: The rows of any schemes.
        clips: All clips that every fold should have.
        keeps: Columns of a clip of which no value may be on two sides.

    Raises:
        LeakingSplit: A fold is at fault; the first by scheme and number.
    """
    group_of = group_of_each(clips, keeps)
    by_fold: dict[tuple[str, int], list[Fold]] = {}
    for row in folds:
        by_fold.setdefault((row.scheme, row.fold), []).append(row)
    for (scheme, fold), rows in sorted(by_fold.items()):
        _refuse_uneven(f"fold {fold} of {scheme}", rows, group_of)
        _refuse_shared(f"fold {fold} of {scheme}", rows, group_of)


def _refuse_uneven(where: str, rows: Sequence[Fold], group_of: Mapping[str, str]) -> None:
    times = Counter(row.clip_id for row in rows)
    twice = sorted(clip_id for clip_id, count in times.items() if count > 1)
    if twice:
        raise LeakingSplit(
            f"{where} names the clip {twice[0]} {times[twice[0]]} times; each clip needs one "
            "role, so make the split again"
        )
    unknown = sorted(times.keys() - group_of.keys())
    if unknown:
        raise LeakingSplit(
            f"{where} names {len(unknown)} clips that are not among the clips, such as "
            f"{unknown[0]}; make the split again"
        )
    missing = sorted(group_of.keys() - times.keys())
    if missing:
        raise LeakingSplit(
            f"{where} leaves out {len(missing)} clips, such as {missing[0]}; each needs a role, "
            "so make the split again"
        )


def _refuse_shared(where: str, rows: Sequence[Fold], group_of: Mapping[str, str]) -> None:
    first: dict[str, Fold] = {}
    for row in sorted(rows, key=lambda row: row.clip_id):
        other = first.setdefault(group_of[row.clip_id], row)
        if other.role != row.role:
            raise LeakingSplit(
                f"{where} has the group {group_of[row.clip_id]} on two sides: {other.clip_id} in "
                f"{other.role}, {row.clip_id} in {row.role}; put the whole group on one side"
            )


@dataclass(frozen=True)
class Balance:
    """How even the tested parts of a k-fold are."""

    imbalance: float
    """Root mean square deviation from an even share, over parts and over clips, sexes and classes;
    0.1 is ten in a hundred."""
    bound: float
    """No assignment of these groups to as many parts has less; proven, and not always reached."""

    @property
    def gap(self) -> float:
        """How far above the bound, as a share of it.

        0 where the assignment is proven best, infinite where the bound is 0.
        """
        over = self.imbalance - self.bound
        if over < 1e-6:
            return 0.0
        return over / self.bound if self.bound else float("inf")


def weigh(folds: Iterable[Fold], clips: Iterable[Clip], labels: Iterable[Label]) -> Balance | None:
    """Measures how even the tested parts of one scheme are.

    Args:
        folds: The rows of the scheme.
        clips: The clips that it splits.
        labels: Their labels, of any schemes.

    Returns:
        The balance; None where the folds do not test each group once, so that there is nothing to
        be even.
    """
    folds, members = list(folds), group_clips(clips, EVERYTHING)
    numbers = sorted({row.fold for row in folds})
    tested = {(row.clip_id, numbers.index(row.fold)) for row in folds if row.role == Role.TEST}
    part_of = dict(tested)
    parts = [{part_of.get(clip.clip_id) for clip in group} for group in members.values()]
    if (
        len(numbers) < 2
        or len(tested) != len(part_of)
        or any(len(part) > 1 or None in part for part in parts)
    ):
        return None
    counts = count_groups(members, labels)
    places = np.array([part.pop() for part in parts], np.int64)
    return Balance(imbalance(counts, places, len(numbers)), least_imbalance(counts, len(numbers)))


def empty_classes(
    folds: Iterable[Fold], clips: Iterable[Clip], labels: Iterable[Label]
) -> list[str]:
    """Finds the classes and sexes that the tests of some folds of a scheme lack.

    Args:
        folds: The rows of the scheme.
        clips: The clips that it splits.
        labels: Their labels, of any schemes.

    Returns:
        One sentence for each class and each sex.
    """
    folds = list(folds)
    group_of = {row.clip_id: row.group_id for row in folds}
    marks = {
        (label.clip_id, f"the class {label.value} of {label.scheme}")
        for label in class_labels(labels)
        if label.weight > 0
    }
    marks |= {(clip.clip_id, f"the sex {clip.sex}") for clip in clips if clip.sex}
    marked: dict[str, set[str]] = {}
    for clip_id, mark in sorted(marks):
        if clip_id in group_of:
            marked.setdefault(mark, set()).add(clip_id)
    numbers = sorted({row.fold for row in folds})
    tests = {
        number: {row.clip_id for row in folds if row.fold == number and row.role == Role.TEST}
        for number in numbers
    }
    sentences = []
    for mark, clip_ids in marked.items():
        lacking = [number for number in numbers if not tests[number] & clip_ids]
        if lacking:
            groups = len({group_of[clip_id] for clip_id in clip_ids})
            where = ", ".join(map(str, lacking[:5])) + (" ..." if len(lacking) > 5 else "")
            sentences.append(
                f"{len(lacking)} of {len(numbers)} folds test nothing of {mark}, which {groups} "
                f"groups hold: fold {where}"
            )
    return sentences
