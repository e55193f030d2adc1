"""Schemes of one fold: subjects named or drawn in the numbers of a paper, or clips drawn at random.

Clips are drawn regardless of their speakers.

The last kind leaks. It is here because papers report it, so that what the leak is worth can be
measured; its name says so.
"""

import random
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from manifests.clips import Clip
from manifests.folds import Role
from manifests.schemes.assignment import Assignment, SplitRequest
from manifests.schemes.balance import assign_sizes
from manifests.schemes.counts import count_groups
from manifests.schemes.groups import SplitError


def holdout(request: SplitRequest) -> Assignment:
    """Tests the subjects that the caller names and validates on others that are named or drawn.

    Args:
        request: The groups, and the subjects to test and to validate on; without the latter, as
            many groups as are tested are drawn.

    Returns:
        One fold.

    Raises:
        SplitError: A name means no subject or several, a group is named twice or in part, or no
            group is left to train on.
    """
    roles = dict.fromkeys(_named(request, request.test), Role.TEST)
    for group in _named(request, request.valid):
        if group in roles:
            raise SplitError(
                f"the group {group} is named for the test and for the validation; name it once"
            )
        roles[group] = Role.VALID
    rest = {group: clips for group, clips in request.members.items() if group not in roles}
    drawn = 0 if request.valid else min(len(roles), len(rest) // 2)
    if len(rest) <= drawn or not (drawn or request.valid):
        raise SplitError(
            f"the clips are of {len(request.members)} groups and {len(roles)} are held out; leave "
            "some for training and validation"
        )
    if not drawn:
        return {0: {**roles, **dict.fromkeys(rest, Role.TRAIN)}}
    sizes = {Role.TRAIN: len(rest) - drawn, Role.VALID: drawn}
    return {0: {**roles, **_drawn(request, rest, sizes)}}


def _named(request: SplitRequest, names: Sequence[str]) -> list[str]:
    """The groups of the named subjects.

    A name is an id or, where that is one subject's alone, its last part.
    """
    groups: dict[str, str] = {
        clip.subject_id: group
        for group, clips in request.members.items()
        for clip in clips
        if clip.subject_id
    }
    found: dict[str, str] = {}
    for name in names:
        meant = [subject for subject in groups if subject.endswith(f"/{name}")]
        if name in groups:
            meant = [name]
        if len(meant) != 1:
            what = (
                f"is one of several subjects ({', '.join(meant)})"
                if meant
                else f"is none of the {len(groups)} subjects of the clips"
            )
            raise SplitError(
                f"{name} {what}; name subjects by their ids, such as {', '.join(list(groups)[:3])}"
            )
        found[meant[0]] = groups[meant[0]]
    first_of = {group: subject for subject, group in reversed(found.items())}
    for subject, group in groups.items():
        if group in first_of and subject not in found:
            raise SplitError(
                f"{subject} cannot be parted from {first_of[group]}: they share a session, a "
                "group or a take; name both"
            )
    return sorted(first_of)


def _drawn(
    request: SplitRequest, members: Mapping[str, Sequence[Clip]], sizes: Mapping[Role, int]
) -> dict[str, Role]:
    """A side for each group, each side of its number of groups, balanced, drawn by seed."""
    part_of = assign_sizes(count_groups(members, request.labels), [*sizes.values()], request.seed)
    roles = list(sizes)
    return {group: roles[part] for group, part in zip(members, part_of.tolist(), strict=True)}


def of_shape(train: int, valid: int, test: int) -> Callable[[SplitRequest], Assignment]:
    """Makes the function of a scheme that draws so many subjects for each side, balanced, by seed.

    Args:
        train: Subjects to train on.
        valid: Subjects to validate on.
        test: Subjects to test.

    Returns:
        The function: one fold; SplitError for clips of another number of groups.
    """
    sizes = {Role.TRAIN: train, Role.VALID: valid, Role.TEST: test}

    def assign(request: SplitRequest) -> Assignment:
        scheme, groups = request.scheme, len(request.members)
        if groups != sum(sizes.values()):
            raise SplitError(
                f"{scheme.name} deals {sum(sizes.values())} subjects of {scheme.corpus} and the "
                f"clips are of {groups}; use subject_kfold or holdout, which fit any number"
            )
        return {0: _drawn(request, request.members, sizes)}

    return assign


def at_random(test: float) -> Callable[[SplitRequest], Assignment]:
    """Makes the function of a scheme that draws clips for the test, regardless of their speakers.

    It leaves no validation.

    Args:
        test: Share of the clips.

    Returns:
        The function: one fold; SplitError for too few clips.
    """

    def assign(request: SplitRequest) -> Assignment:
        clips = list(request.members)
        random.Random(request.seed).shuffle(clips)  # noqa: S311 - a split, not a secret
        tested = set(clips[: round(len(clips) * test)])
        if not 0 < len(tested) < len(clips):
            raise SplitError(
                f"{request.scheme.name} cannot split {len(clips)} clips into training and test; "
                "add clips"
            )
        return {0: {clip: Role.TEST if clip in tested else Role.TRAIN for clip in clips}}

    return assign


def frames_at_random(
    frames: Mapping[str, int], labels: Mapping[str, str], test: float, seed: int
) -> dict[str, NDArray[np.bool_]]:
    """Draws frames for the test, class by class, from the frames of all clips together: it leaks.

    Frames of one clip land on both sides, so no table of clips can hold it: it is for measuring
    what such a split is worth.

    Args:
        frames: Clip -> number of its frames.
        labels: Clip -> class.
        test: Share of the frames.
        seed: Chooses among draws.

    Returns:
        Clip -> (frame,) True where the frame is tested.

    Raises:
        SplitError: A clip has no class.
    """
    unlabelled = sorted(frames.keys() - labels.keys())
    if unlabelled:
        raise SplitError(
            f"{len(unlabelled)} clips have no class, such as {unlabelled[0]}; give one for each, "
            "or leave these clips out"
        )
    generator = np.random.Generator(np.random.PCG64(seed))
    drawn: dict[str, NDArray[np.bool_]] = {}
    for label in sorted({labels[clip] for clip in frames}):
        clips = sorted(clip for clip in frames if labels[clip] == label)
        lengths = [frames[clip] for clip in clips]
        tested = generator.permutation(np.arange(sum(lengths)) < round(sum(lengths) * test))
        drawn.update(zip(clips, np.split(tested, np.cumsum(lengths)[:-1]), strict=True))
    return drawn
