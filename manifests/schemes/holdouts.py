"""Schemes of one fold: named subjects held out, subjects drawn in the numbers that a paper gives,
clips drawn whoever speaks in them.

The last kind leaks. It is here because papers report it, so that what the leak is worth can be
measured; its name says so.
"""

import random
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from manifests.clips import Clip
from manifests.schemes.balance import count, deal_sizes
from manifests.schemes.dealing import LEAKING, Dealt, Deck, Role, Scheme
from manifests.schemes.groups import SplitError


def _holdout(deck: Deck) -> Dealt:
    if not deck.test:
        raise SplitError(
            "holdout tests the subjects that you name and none is named; add --test with their "
            "ids, such as --test 23,24"
        )
    roles = dict.fromkeys(_named(deck, deck.test), Role.TEST)
    for group in _named(deck, deck.valid):
        if group in roles:
            raise SplitError(
                f"the group {group} is named for the test and for the validation; name it once"
            )
        roles[group] = Role.VALID
    rest = {group: clips for group, clips in deck.members.items() if group not in roles}
    wanted = 0 if deck.valid else min(len(roles), len(rest) // 2)
    if len(rest) <= wanted or not (wanted or deck.valid):
        raise SplitError(
            f"the clips are of {len(deck.members)} groups and {len(roles)} are held out; leave "
            "some for training and validation"
        )
    drawn = (
        _drawn(rest, deck, (len(rest) - wanted, wanted), (Role.TRAIN, Role.VALID))
        if wanted
        else dict.fromkeys(rest, Role.TRAIN)
    )
    return {0: {**roles, **drawn}}


def _named(deck: Deck, names: Sequence[str]) -> list[str]:
    """The groups of the named subjects: whole ids, or their last part where that is one subject's
    alone."""
    groups: dict[str, str] = {
        clip.subject_id: group
        for group, clips in deck.members.items()
        for clip in clips
        if clip.subject_id
    }
    found: dict[str, str] = {}
    for name in names:
        meant = (
            [name]
            if name in groups
            else [subject for subject in groups if subject.endswith(f"/{name}")]
        )
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
    for subject, group in groups.items():
        if group in found.values() and subject not in found:
            raise SplitError(
                f"{subject} cannot be parted from {_of(found, group)}: they share a session, a "
                "group or a take; name both"
            )
    return sorted(set(found.values()))


def _of(found: Mapping[str, str], group: str) -> str:
    return next(subject for subject, its in found.items() if its == group)


def _drawn(
    members: Mapping[str, Sequence[Clip]], deck: Deck, sizes: Sequence[int], roles: Sequence[Role]
) -> dict[str, Role]:
    part_of = deal_sizes(count(members, deck.labels), sizes, deck.seed)
    return {group: roles[part] for group, part in zip(members, part_of.tolist(), strict=True)}


def of_shape(name: str, corpus: str, sizes: tuple[int, int, int], about: str) -> Scheme:
    """A scheme that draws so many subjects for training, validation and test, balanced, by seed."""

    def dealt(deck: Deck) -> Dealt:
        if len(deck.members) != sum(sizes):
            raise SplitError(
                f"{name} deals {sum(sizes)} subjects of {corpus} and the clips are of "
                f"{len(deck.members)}; "
                "use subject_kfold or holdout, which fit any number"
            )
        return {0: _drawn(deck.members, deck, sizes, (Role.TRAIN, Role.VALID, Role.TEST))}

    return Scheme(name, dealt, about, corpus=corpus)


def at_random(name: str, test: float, about: str, corpus: str | None = None) -> Scheme:
    """A scheme that draws a share of the clips for the test, whoever speaks in them, and leaves no
    validation."""

    def dealt(deck: Deck) -> Dealt:
        clips = list(deck.members)
        random.Random(deck.seed).shuffle(clips)  # noqa: S311 - a deal, not a secret
        tested = set(clips[: round(len(clips) * test)])
        if not 0 < len(tested) < len(clips):
            raise SplitError(
                f"{name} cannot split {len(clips)} clips into training and test; add clips"
            )
        return {0: {clip: Role.TEST if clip in tested else Role.TRAIN for clip in clips}}

    return Scheme(name, dealt, about, keeps=(), corpus=corpus)


def frames_at_random(
    frames: Mapping[str, int], labels: Mapping[str, str], test: float, seed: int
) -> dict[str, NDArray[np.bool_]]:
    """A split of frames that leaks: which frames of each clip are tested, drawn class by class from
    the frames of all clips together.

    frames: clip -> number of its frames; labels: clip -> class. Returns clip -> (frame,) bool.
        Frames of one clip land on both sides, so
    no table of clips can hold it: it is for measuring what such a split is worth. SplitError for a
    clip without label.
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
        tested = np.arange(sum(lengths)) < round(sum(lengths) * test)
        drawn.update(
            zip(
                clips, np.split(generator.permutation(tested), np.cumsum(lengths)[:-1]), strict=True
            )
        )
    return drawn


HOLDOUTS = (
    Scheme(
        "holdout",
        _holdout,
        "The subjects of --test are tested and those of --valid validated on; without --valid, as "
        "many as tested are drawn by seed.",
        options=frozenset({"test", "valid"}),
    ),
    of_shape(
        "cremad_56_18_17",
        "cremad",
        (56, 18, 17),
        "Drawn by seed in the numbers of speakers of audEERING's CREMA-D split (56 / 18 / 17); "
        "not their list of speakers.",
    ),
    of_shape(
        "cremad_63_9_19",
        "cremad",
        (63, 9, 19),
        "Drawn by seed in the numbers of speakers that TFDS crema_d must have for its 5,144 / 738 "
        "/ 1,556 clips; not its list of speakers.",
    ),
    of_shape(
        "tcs2026_15_5_4",
        "ravdess",
        (15, 5, 4),
        "15 / 5 / 4 actors as the text of TCS 2026 says, drawn by seed since none are named; its "
        "printed test counts fit no 4 actors.",
    ),
)

RANDOM = (
    at_random(
        f"random_80_20{LEAKING}",
        0.2,
        "A fifth of the clips tested, whoever speaks in them; no validation.",
    ),
    at_random(
        f"tucker2025_random_80_20{LEAKING}",
        0.2,
        'Tucker 2025, table A1: "Random 80:20 Split" of clips; no group is named, so speakers are '
        "on both sides. No validation.",
    ),
    at_random(
        f"kirar2024_random_80_20{LEAKING}",
        0.2,
        "Kirar 2024: 80 / 20, after features were selected on all clips, which leaks once more. "
        "No validation.",
        corpus="meld",
    ),
    at_random(
        f"satvik_audio_85_15{LEAKING}",
        0.15,
        "Satvik: audio clips 85 / 15, actors on both sides. No validation.",
        corpus="ravdess",
    ),
)
