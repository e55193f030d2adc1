"""Folds: who is trained on and who is tested on, one row for each clip of each fold; and the schemes that make them.

A scheme keeps together what shares a subject, a group or a take, chained as far as it goes: such a set of clips is a *group* here.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from manifests.clips import Clip
from manifests.labels import Label
from manifests.table import Table


class Role(StrEnum):
    TRAIN = "train"
    VALID = "valid"
    TEST = "test"


@dataclass(frozen=True)
class Fold:
    scheme: str
    fold: int
    clip_id: str
    group_id: str
    """The group that the scheme kept together: the clip's own, or the first of those that a shared subject or take ties to it."""
    role: Role


FOLDS = Table("folds", Fold, key=("scheme", "fold", "clip_id"))


class SplitError(ValueError):
    """These clips cannot be split as asked; the message says why and what to do."""


class LeakingSplit(SplitError):
    """A split has one group on two sides, or does not put every clip on exactly one side of every fold."""


class Scheme(Protocol):
    """Clips and labels -> the rows of all folds, sorted by fold and clip. The order of what is given changes nothing."""

    def __call__(self, clips: Iterable[Clip], labels: Iterable[Label], folds: int | None = None, seed: int = 0) -> list[Fold]: ...


def subject_kfold(clips: Iterable[Clip], labels: Iterable[Label], folds: int | None = None, seed: int = 0) -> list[Fold]:
    """Groups dealt into `folds` (default 5) parts of like size; fold i tests part i, validates on part i + 1, trains on the rest.

    Parts are balanced, as far as whole groups allow, in clips, in sexes and in the classes of every label scheme, each of these counting
    alike. `seed` chooses among deals.

    SplitError where a clip has no group, for fewer than 3 folds, or for fewer groups than folds.
    """
    members = _groups(clips)
    parts = 5 if folds is None else folds
    if parts < 3:
        raise SplitError(f"{parts} folds were asked for; at least 3 are needed, so that training, validation and test share no subject")
    if len(members) < parts:
        raise SplitError(f"{parts} folds were asked for and the clips are of {_number(len(members))}; ask for fewer folds, or add subjects")
    part_of = _deal(members, _counts(members, labels), parts, seed)
    return _rows("subject_kfold", members, part_of, parts)


def leave_one_subject_out(clips: Iterable[Clip], labels: Iterable[Label], folds: int | None = None, seed: int = 0) -> list[Fold]:
    """As many folds as groups: fold i tests group i in the order of ids, validates on the next, trains on the rest.

    There is nothing to draw and nothing to balance: `labels` and `seed` change nothing.

    SplitError where a clip has no group, for fewer than 3 groups, or when `folds` is given.
    """
    members = _groups(clips)
    if folds is not None:
        raise SplitError(f"{folds} folds were asked for; leave_one_subject_out makes one fold a subject, so leave out the number of folds")
    if len(members) < 3:
        raise SplitError(
            f"the clips are of {_number(len(members))}; leave_one_subject_out needs at least 3, for training, validation and test"
        )
    return _rows("leave_one_subject_out", members, {group: part for part, group in enumerate(members)}, len(members))


SCHEMES: dict[str, Scheme] = {
    "subject_kfold": subject_kfold,
    "leave_one_subject_out": leave_one_subject_out,
}


def refuse_leaks(folds: Iterable[Fold], clips: Iterable[Clip]) -> None:
    """LeakingSplit unless every fold of every scheme puts each clip on exactly one side, and each subject, group and take on one side.

    Trusts no `group_id` of `folds`: what belongs together is read from `clips`.
    """
    group_of = {clip.clip_id: group for group, members in _groups(clips).items() for clip in members}
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
        raise LeakingSplit(f"{where} names the clip {twice[0]} {times[twice[0]]} times; each clip needs one role, so make the split again")
    unknown, missing = sorted(times.keys() - group_of.keys()), sorted(group_of.keys() - times.keys())
    if unknown:
        raise LeakingSplit(f"{where} names {len(unknown)} clips that are not among the clips, such as {unknown[0]}; make the split again")
    if missing:
        raise LeakingSplit(f"{where} leaves out {len(missing)} clips, such as {missing[0]}; each needs a role, so make the split again")


def _refuse_shared(where: str, rows: Sequence[Fold], group_of: Mapping[str, str]) -> None:
    first: dict[str, Fold] = {}
    for row in sorted(rows, key=lambda row: row.clip_id):
        other = first.setdefault(group_of[row.clip_id], row)
        if other.role != row.role:
            raise LeakingSplit(
                f"{where} has the group {group_of[row.clip_id]} on two sides: {other.clip_id} in {other.role}, "
                f"{row.clip_id} in {row.role}; put the whole group on one side"
            )


def _groups(clips: Iterable[Clip]) -> dict[str, list[Clip]]:
    """Group -> its clips, both in the order of ids. Clips that share subject, group or take, by any chain, are one group.

    A group bears the smallest `group_id` of its clips.
    """
    ordered = sorted(clips, key=lambda clip: clip.clip_id)
    homeless = [clip for clip in ordered if clip.group_id is None]
    if homeless:
        raise SplitError(
            f"{len(homeless)} of {len(ordered)} clips have no subject and no group, such as {homeless[0].clip_id}; "
            "say who speaks (for a folder: the column subject of labels.csv, or folders named subject/label)"
        )
    ties = _Ties()
    for clip in ordered:
        ties.tie(("clip", clip.clip_id), ("group", clip.group_id), ("subject", clip.subject_id), ("take", clip.take_id))
    gathered: dict[_Node, list[Clip]] = {}
    for clip in ordered:
        gathered.setdefault(ties.root(("clip", clip.clip_id)), []).append(clip)
    named = {min(clip.group_id for clip in members if clip.group_id): members for members in gathered.values()}
    return dict(sorted(named.items()))


_Node = tuple[str, str | None]


class _Ties:
    """Disjoint sets with path halving (Tarjan and van Leeuwen 1984)."""

    def __init__(self) -> None:
        self._parent: dict[_Node, _Node] = {}

    def root(self, node: _Node) -> _Node:
        parent = self._parent
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    def tie(self, *nodes: _Node) -> None:
        """All nodes into one set; a node without a name ties nothing."""
        first = self.root(nodes[0])
        for node in nodes[1:]:
            if node[1] is not None:
                self._parent[self.root(node)] = first


def _number(count: int) -> str:
    return "1 independent subject or group" if count == 1 else f"{count} independent subjects or groups"


def _counts(members: Mapping[str, Sequence[Clip]], labels: Iterable[Label]) -> NDArray[np.float64]:
    """(group, column) what each group brings: clips, clips of each sex, weight of each class of each label scheme.

    Columns are scaled so that a squared deviation from the even share counts relative to that share, and so that clips, sexes and each
    scheme together weigh the same.
    """
    sums: dict[tuple[str, str], NDArray[np.float64]] = defaultdict(lambda: np.zeros(len(members)))
    row_of: dict[str, int] = {}
    for row, clips in enumerate(members.values()):
        for clip in clips:
            row_of[clip.clip_id] = row
            sums["clips", ""][row] += 1
            if clip.sex:
                sums["sex", clip.sex][row] += 1
    # Sorted, because a sum of fractions depends on their order.
    for label in sorted(labels, key=lambda label: (label.clip_id, label.scheme, label.annotator, label.value)):
        if label.clip_id in row_of:
            sums[f"label {label.scheme}", label.value][row_of[label.clip_id]] += label.weight
    kinds = Counter(kind for kind, _ in sums)
    columns = [column / np.sqrt(column.sum() * kinds[kind]) for (kind, _), column in sorted(sums.items()) if column.sum() > 0]
    return np.stack(columns, axis=1)


def _deal(members: Mapping[str, Sequence[Clip]], counts: NDArray[np.float64], parts: int, seed: int) -> dict[str, int]:
    """Group -> part, none empty: the largest first, each where it disturbs least; then groups change places while that helps.

    An empty part always costs least, since what another holds only adds to the cost; so no part stays empty.
    """
    order = list(range(len(members)))
    random.Random(seed).shuffle(order)  # noqa: S311 - a deal, not a secret
    sizes = [len(clips) for clips in members.values()]
    order.sort(key=lambda row: -sizes[row])
    # One group of nothing in each part: to change places with it is to move.
    counts = np.concatenate([counts, np.zeros((parts, counts.shape[1]))])
    part_of = np.concatenate([np.zeros(len(members), np.int64), np.arange(parts)])
    held = np.zeros((parts, counts.shape[1]))
    for row in order:
        part_of[row] = np.argmin(np.round(held @ counts[row], 9))
        held[part_of[row]] += counts[row]
    while _improve(part_of, held, counts, order):
        pass
    return {name: int(part) for name, part in zip(members, part_of, strict=False)}


def _improve(part_of: NDArray[np.int64], held: NDArray[np.float64], counts: NDArray[np.float64], order: Sequence[int]) -> bool:
    """One round of exchanges, each of which lowers the sum of squares of what the parts hold; False when none does.

    The totals are fixed, so the sum of squares is least where all parts hold the same. Exchanging rows i and j adds
    d = counts[j] - counts[i] to i's part and takes it from j's: half the change is d.(held_i - held_j) + d.d.
    """
    moved = False
    everyone = np.arange(len(counts))
    squares = (counts**2).sum(axis=1)
    for row in order:
        part = part_of[row]
        meets = counts @ held.T
        change = meets[:, part] - meets[everyone, part_of] - meets[row, part] + meets[row, part_of]
        change = np.round(change + squares + squares[row] - 2 * counts @ counts[row], 9)
        change[part_of == part] = 0.0
        best = int(np.argmin(change))
        if change[best] < 0:
            difference = counts[best] - counts[row]
            held[part] += difference
            held[part_of[best]] -= difference
            part_of[row], part_of[best] = part_of[best], part
            moved = True
    return moved


def _rows(scheme: str, members: Mapping[str, Sequence[Clip]], part_of: Mapping[str, int], parts: int) -> list[Fold]:
    """Fold i: part i is the test, part i + 1 (the first after the last) the validation, the rest the training."""
    placed = sorted((clip.clip_id, group) for group, clips in members.items() for clip in clips)
    return [
        Fold(scheme, fold, clip_id, group, _role((part_of[group] - fold) % parts)) for fold in range(parts) for clip_id, group in placed
    ]


def _role(distance: int) -> Role:
    return {0: Role.TEST, 1: Role.VALID}.get(distance, Role.TRAIN)
