"""Splits that others published, by their names. What they list is a fact about a paper, so it is
never adapted to other subjects.

The tested part of each fold is the published one. Most publish no validation: here fold i validates
on the part that the next fold tests, so that no model need be chosen on the test. To train on all
that the publication trains on, take `train` and `valid` together.
"""

from collections.abc import Mapping, Sequence

from manifests.schemes.dealing import Dealt, Deck, Role, Scheme
from manifests.schemes.groups import EVERYTHING, SplitError

_LUNA_JIMENEZ = (
    "02 05 14 15 16",
    "03 06 07 13 18",
    "10 11 12 19 20",
    "08 17 21 23 24",
    "01 04 09 22",
)
_EMOBOX = ("01 11 20 21", "04 10 12 14", "08 09 19 23", "03 05 07 24", "02 15 16 18", "06 13 17 22")
_SESSIONS = ("Ses01F Ses01M", "Ses02F Ses02M", "Ses03F Ses03M", "Ses04F Ses04M", "Ses05F Ses05M")
_SPEAKERS = tuple(speaker for session in _SESSIONS for speaker in session.split())


def listed(
    name: str,
    corpus: str,
    parts: Sequence[str],
    about: str,
    *,
    first: int = 0,
    keeps: tuple[str, ...] = EVERYTHING,
    paired: bool = False,
) -> Scheme:
    """A scheme that tests a listed part of the subjects in each fold, the first fold being number
    `first`.

    Fold i validates on the next part; where parts are `paired`, on the other part of its pair.
    """
    part_of = {
        f"{corpus}/{subject}": part
        for part, subjects in enumerate(parts)
        for subject in subjects.split()
    }

    def dealt(deck: Deck) -> Dealt:
        subjects = {
            group: sorted({str(clip.subject_id) for clip in clips})
            for group, clips in deck.members.items()
        }
        _refuse_others(name, part_of, {subject for its in subjects.values() for subject in its})
        places = {group: {part_of[subject] for subject in its} for group, its in subjects.items()}
        torn = [group for group, its in places.items() if len(its) > 1]
        if torn:
            raise SplitError(
                f"{name} puts {' and '.join(subjects[torn[0]])}, who share a group or a take, on "
                "two sides; check the clips"
            )
        return {
            first + part: {
                group: _role(min(its), part, len(parts), paired) for group, its in places.items()
            }
            for part in range(len(parts))
        }

    return Scheme(name, dealt, about, keeps=keeps, corpus=corpus, published=True)


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


_MELD_ROLES = {"train": Role.TRAIN, "dev": Role.VALID, "test": Role.TEST}


def _meld_official(deck: Deck) -> Dealt:
    """The split is part of a clip's id, `meld/train/dia0_utt0`, because dialogue numbers start anew
    in each."""
    splits = {clip: clip.split("/")[1] for clip in deck.members}
    unknown = sorted(clip for clip, split in splits.items() if split not in _MELD_ROLES)
    if unknown:
        raise SplitError(
            f"the id {unknown[0]} names no split of MELD; expected meld/train/..., meld/dev/... "
            "or meld/test/..."
        )
    missing = sorted(_MELD_ROLES.keys() - set(splits.values()))
    if missing:
        raise SplitError(
            "meld_official needs the clips of train, dev and test, and there are none of "
            f"{', '.join(missing)}; add them"
        )
    return {0: {clip: _MELD_ROLES[split] for clip, split in splits.items()}}


PUBLISHED = (
    listed(
        "luna_jimenez_5fold",
        "ravdess",
        _LUNA_JIMENEZ,
        "RAVDESS, five folds of actors: Luna-Jimenez et al. 2021, README of "
        "cristinalunaj/MMEmotionRecognition; folds 0 to 4 as there.",
    ),
    listed(
        "emobox_6fold",
        "ravdess",
        _EMOBOX,
        "RAVDESS, six folds of four actors: EmoBox 2024, data/ravdess; folds 1 to 6 as there. "
        "Fold 2 tests women only.",
        first=1,
    ),
    listed(
        "iemocap_session_5fold",
        "iemocap",
        _SESSIONS,
        "IEMOCAP, one session tested in each fold: the usual five-fold protocol; fold i tests "
        "session i, from 1.",
        first=1,
    ),
    listed(
        "iemocap_speaker_10fold",
        "iemocap",
        _SPEAKERS,
        "IEMOCAP, one speaker tested in each fold and the partner of the same session validated "
        "on: the usual ten-fold protocol. "
        "Test and validation share dialogues; training shares none with them.",
        first=1,
        keeps=("subject_id",),
        paired=True,
    ),
    Scheme(
        "meld_official",
        _meld_official,
        "MELD as published (Poria et al. 2019): train, dev and test. It leaks: they share "
        "speakers, episodes and overlapping spans.",
        keeps=(),
        corpus="meld",
        published=True,
    ),
)
