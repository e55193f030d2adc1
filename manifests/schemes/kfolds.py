"""Schemes that test every group once."""

from collections.abc import Sequence

from manifests.clips import Clip
from manifests.schemes.assignment import Assignment, SplitRequest, rotate
from manifests.schemes.balance import assign_evenly
from manifests.schemes.counts import count_groups
from manifests.schemes.groups import SplitError


def subject_kfold(request: SplitRequest) -> Assignment:
    """Assigns the groups to parts that are alike, each tested in one fold.

    Parts are alike in clips, sexes and the classes of every label scheme; fold i tests part i,
    validates on the next and trains on the rest.

    Args:
        request: The groups, and the number of parts (5 if None).

    Returns:
        The assignment.

    Raises:
        SplitError: There are fewer groups than parts.
    """
    parts = 5 if request.folds is None else request.folds
    if len(request.members) < parts:
        raise SplitError(
            f"{parts} folds were asked for and the clips are of {_groups(request)}; ask for fewer "
            "folds, or add subjects"
        )
    part_of = assign_evenly(count_groups(request.members, request.labels), parts, request.seed)
    return rotate(dict(zip(request.members, part_of.tolist(), strict=True)), parts)


def leave_one_subject_out(request: SplitRequest) -> Assignment:
    """Tests each subject in a fold of its own.

    Args:
        request: The groups, each of one subject.

    Returns:
        The assignment, a fold for each subject in the order of ids.

    Raises:
        SplitError: Fewer than 3 subjects, or subjects that share a group or a take.
    """
    for group, clips in request.members.items():
        subjects = _subjects(clips)
        if len(subjects) > 1:
            raise SplitError(
                f"the group {group} is of {len(subjects)} subjects who cannot be parted "
                f"({', '.join(subjects[:3])}); "
                "use leave_one_session_out, which leaves out such a group as a whole"
            )
    return _one_by_one(request)


def leave_one_session_out(request: SplitRequest) -> Assignment:
    """Tests each group, with all who speak in it, in a fold of its own.

    Args:
        request: The groups.

    Returns:
        The assignment, a fold for each group in the order of ids.

    Raises:
        SplitError: Fewer than 3 groups, or each group is just one subject.
    """
    if request.members and all(
        {clip.group_id for clip in clips} == {clip.subject_id for clip in clips}
        for clips in request.members.values()
    ):
        raise SplitError(
            "these clips have no sessions: each group is one subject; use leave_one_subject_out"
        )
    return _one_by_one(request)


def _one_by_one(request: SplitRequest) -> Assignment:
    groups = len(request.members)
    if groups < 3:
        raise SplitError(
            f"the clips are of {_groups(request)}; {request.scheme.name} needs at least 3, for "
            "training, validation and test"
        )
    return rotate({group: part for part, group in enumerate(request.members)}, groups)


def _subjects(clips: Sequence[Clip]) -> list[str]:
    return sorted({clip.subject_id for clip in clips if clip.subject_id})


def _groups(request: SplitRequest) -> str:
    groups = len(request.members)
    return (
        "1 independent subject or group"
        if groups == 1
        else f"{groups} independent subjects or groups"
    )
