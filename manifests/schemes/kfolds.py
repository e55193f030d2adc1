"""Schemes that test every group once."""

from manifests.schemes.balance import count, deal
from manifests.schemes.dealing import Dealt, Deck, Scheme, rotate
from manifests.schemes.groups import SplitError, sharing


def _subject_kfold(deck: Deck) -> Dealt:
    parts = 5 if deck.folds is None else deck.folds
    if parts < 3:
        raise SplitError(
            f"{parts} folds were asked for; at least 3 are needed, so that training, validation "
            "and test share no subject"
        )
    if len(deck.members) < parts:
        found = _number(len(deck.members))
        raise SplitError(
            f"{parts} folds were asked for and the clips are of {found}; ask for fewer folds, or "
            "add subjects"
        )
    part_of = deal(count(deck.members, deck.labels), parts, deck.seed)
    return rotate(dict(zip(deck.members, part_of.tolist(), strict=True)), parts)


def _leave_one_subject_out(deck: Deck) -> Dealt:
    shared = sharing(deck.members)
    if shared:
        group, subjects = shared
        raise SplitError(
            f"the group {group} is of {len(subjects)} subjects who cannot be parted "
            f"({', '.join(subjects[:3])}); "
            "use leave_one_session_out, which leaves out such a group as a whole"
        )
    return _one_by_one(deck, "leave_one_subject_out")


def _leave_one_session_out(deck: Deck) -> Dealt:
    if deck.members and all(
        {clip.group_id for clip in clips} == {clip.subject_id for clip in clips}
        for clips in deck.members.values()
    ):
        raise SplitError(
            "these clips have no sessions: each group is one subject; use leave_one_subject_out"
        )
    return _one_by_one(deck, "leave_one_session_out")


def _one_by_one(deck: Deck, scheme: str) -> Dealt:
    if len(deck.members) < 3:
        found = _number(len(deck.members))
        raise SplitError(
            f"the clips are of {found}; {scheme} needs at least 3, for training, validation and "
            "test"
        )
    return rotate({group: part for part, group in enumerate(deck.members)}, len(deck.members))


def _number(groups: int) -> str:
    return (
        "1 independent subject or group"
        if groups == 1
        else f"{groups} independent subjects or groups"
    )


subject_kfold = Scheme(
    "subject_kfold",
    _subject_kfold,
    "Groups dealt into --folds parts (5 if not given), alike in clips, sexes and the classes of "
    "every label scheme; "
    "fold i tests part i, validates on part i + 1, trains on the rest. The seed chooses among "
    "deals.",
    options=frozenset({"folds"}),
)
"""SplitError where a clip has no group, for fewer than 3 folds, or for fewer groups than folds."""

leave_one_subject_out = Scheme(
    "leave_one_subject_out",
    _leave_one_subject_out,
    "Fold i tests subject i in the order of ids, validates on the next, trains on the rest. There "
    "is nothing to draw.",
)
"""SplitError where a clip has no group, for fewer than 3 subjects, or where subjects share a group
or a take."""

leave_one_session_out = Scheme(
    "leave_one_session_out",
    _leave_one_session_out,
    "Fold i tests group i (a session, with all who speak in it) in the order of ids, validates on "
    "the next, trains on the rest.",
)
"""SplitError where a clip has no group, for fewer than 3 groups, or where each group is just one
subject."""
