"""Splits that others published as lists of subjects.

What they list is a fact about a paper, so it is never adapted to other subjects.

The tested part of each fold is the published one. Most publish no validation: here fold i validates
on the part that the next fold tests, so that no model need be chosen on the test. To train on all
that the publication trains on, take `train` and `valid` together.
"""

from collections.abc import Callable, Mapping

from manifests.folds import Role
from manifests.schemes.assignment import Assignment, SplitRequest
from manifests.schemes.groups import SplitError


def listed(
    *parts: str, first: int = 0, paired: bool = False
) -> Callable[[SplitRequest], Assignment]:
    """Makes the function of a scheme that tests a listed part of the subjects in each fold.

    Fold i validates on the next part; where parts are paired, on the other part of its pair.

    Args:
        *parts: The subjects of each part, without the corpus, separated by blanks.
        first: Number of the first fold.
        paired: Parts 0 and 1, 2 and 3 and so on belong together.

    Returns:
        The function: one fold for each part; SplitError for clips of other subjects.
    """

    def assign(request: SplitRequest) -> Assignment:
        name, corpus = request.scheme.name, request.scheme.corpus
        part_of = {
            f"{corpus}/{subject}": part
            for part, subjects in enumerate(parts)
            for subject in subjects.split()
        }
        subjects_of = {
            group: sorted({str(clip.subject_id) for clip in clips})
            for group, clips in request.members.items()
        }
        found = {subject for subjects in subjects_of.values() for subject in subjects}
        _refuse_others(name, part_of, found)
        part_of_group = {}
        for group, subjects in subjects_of.items():
            places = {part_of[subject] for subject in subjects}
            if len(places) > 1:
                raise SplitError(
                    f"{name} puts {' and '.join(subjects)}, who share a group or a take, on "
                    "two sides; check the clips"
                )
            part_of_group[group] = places.pop()
        return {
            first + tested: {
                group: _role(part, tested, len(parts), paired)
                for group, part in part_of_group.items()
            }
            for tested in range(len(parts))
        }

    return assign


def _role(part: int, tested: int, parts: int, paired: bool) -> Role:
    validated = tested ^ 1 if paired else (tested + 1) % parts
    return {tested: Role.TEST, validated: Role.VALID}.get(part, Role.TRAIN)


def _refuse_others(name: str, part_of: Mapping[str, int], found: set[str]) -> None:
    missing, extra = sorted(part_of.keys() - found), sorted(found - part_of.keys())
    if missing or extra:
        what = [
            f"{len(subjects)} {which}, such as {subjects[0]}"
            for which, subjects in (("are missing", missing), ("are others", extra))
            if subjects
        ]
        raise SplitError(
            f"{name} lists {len(part_of)} subjects, and of these clips' subjects "
            f"{' and '.join(what)}; "
            "with other subjects it is not the published split, so use subject_kfold"
        )
