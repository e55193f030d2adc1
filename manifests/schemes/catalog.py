"""All split schemes, by the name that a user types. A scheme is one function and one line here.

What other packages use of the schemes is named here as well.
"""

from manifests.folds import Role
from manifests.schemes.assignment import LEAKING, Assignment, Scheme, SplitRequest
from manifests.schemes.checks import Balance, LeakingSplit, empty_classes, refuse_leaks, weigh
from manifests.schemes.groups import EVERYTHING, SplitError, group_clips
from manifests.schemes.holdouts import at_random, frames_at_random, holdout, of_shape
from manifests.schemes.kfolds import leave_one_session_out, leave_one_subject_out, subject_kfold
from manifests.schemes.listed import listed

__all__ = [
    "EVERYTHING",
    "SCHEMES",
    "Balance",
    "LeakingSplit",
    "Scheme",
    "SplitError",
    "SplitRequest",
    "empty_classes",
    "frames_at_random",
    "group_clips",
    "refuse_leaks",
    "weigh",
]

_MELD_ROLES = {"train": Role.TRAIN, "dev": Role.VALID, "test": Role.TEST}


def _meld_official(request: SplitRequest) -> Assignment:
    """The split is part of a clip's id, `meld/train/dia0_utt0`, because dialogue numbers start anew
    in each."""
    splits = {clip: clip.split("/")[1] for clip in request.members}
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


_SESSIONS = ("Ses01F Ses01M", "Ses02F Ses02M", "Ses03F Ses03M", "Ses04F Ses04M", "Ses05F Ses05M")
_SPEAKERS = tuple(speaker for session in _SESSIONS for speaker in session.split())

_PUBLISHED = (
    Scheme(
        "luna_jimenez_5fold",
        listed(
            "02 05 14 15 16",
            "03 06 07 13 18",
            "10 11 12 19 20",
            "08 17 21 23 24",
            "01 04 09 22",
        ),
        "RAVDESS, five folds of actors: Luna-Jimenez et al. 2021, README of "
        "cristinalunaj/MMEmotionRecognition; folds 0 to 4 as there.",
        corpus="ravdess",
        published=True,
    ),
    Scheme(
        "emobox_6fold",
        listed(
            "01 11 20 21",
            "04 10 12 14",
            "08 09 19 23",
            "03 05 07 24",
            "02 15 16 18",
            "06 13 17 22",
            first=1,
        ),
        "RAVDESS, six folds of four actors: EmoBox 2024, data/ravdess; folds 1 to 6 as there. "
        "Fold 2 tests women only.",
        corpus="ravdess",
        published=True,
    ),
    Scheme(
        "iemocap_session_5fold",
        listed(*_SESSIONS, first=1),
        "IEMOCAP, one session tested in each fold: the usual five-fold protocol; fold i tests "
        "session i, from 1.",
        corpus="iemocap",
        published=True,
    ),
    Scheme(
        "iemocap_speaker_10fold",
        listed(*_SPEAKERS, first=1, paired=True),
        "IEMOCAP, one speaker tested in each fold and the partner of the same session validated "
        "on: the usual ten-fold protocol. "
        "Test and validation share dialogues; training shares none with them.",
        keeps=("subject_id",),
        corpus="iemocap",
        published=True,
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

_ALL = (
    Scheme(
        "subject_kfold",
        subject_kfold,
        "Groups dealt into --folds parts (5 if not given), alike in clips, sexes and the classes "
        "of every label scheme; "
        "fold i tests part i, validates on part i + 1, trains on the rest. The seed chooses among "
        "deals.",
        options=frozenset({"folds"}),
    ),
    Scheme(
        "leave_one_subject_out",
        leave_one_subject_out,
        "Fold i tests subject i in the order of ids, validates on the next, trains on the rest. "
        "There is nothing to draw.",
    ),
    Scheme(
        "leave_one_session_out",
        leave_one_session_out,
        "Fold i tests group i (a session, with all who speak in it) in the order of ids, "
        "validates on the next, trains on the rest.",
    ),
    Scheme(
        "holdout",
        holdout,
        "The subjects of --test are tested and those of --valid validated on; without --valid, as "
        "many as tested are drawn by seed.",
        options=frozenset({"test", "valid"}),
    ),
    Scheme(
        "cremad_56_18_17",
        of_shape(56, 18, 17),
        "Drawn by seed in the numbers of speakers of audEERING's CREMA-D split (56 / 18 / 17); "
        "not their list of speakers.",
        corpus="cremad",
    ),
    Scheme(
        "cremad_63_9_19",
        of_shape(63, 9, 19),
        "Drawn by seed in the numbers of speakers that TFDS crema_d must have for its 5,144 / 738 "
        "/ 1,556 clips; not its list of speakers.",
        corpus="cremad",
    ),
    Scheme(
        "tcs2026_15_5_4",
        of_shape(15, 5, 4),
        "15 / 5 / 4 actors as the text of TCS 2026 says, drawn by seed since none are named; its "
        "printed test counts fit no 4 actors.",
        corpus="ravdess",
    ),
    *_PUBLISHED,
    Scheme(
        f"random_80_20{LEAKING}",
        at_random(0.2),
        "A fifth of the clips tested, whoever speaks in them; no validation.",
        keeps=(),
    ),
    Scheme(
        f"tucker2025_random_80_20{LEAKING}",
        at_random(0.2),
        'Tucker 2025, table A1: "Random 80:20 Split" of clips; no group is named, so speakers are '
        "on both sides. No validation.",
        keeps=(),
    ),
    Scheme(
        f"kirar2024_random_80_20{LEAKING}",
        at_random(0.2),
        "Kirar 2024: 80 / 20, after features were selected on all clips, which leaks once more. "
        "No validation.",
        keeps=(),
        corpus="meld",
    ),
    Scheme(
        f"satvik_audio_85_15{LEAKING}",
        at_random(0.15),
        "Satvik: audio clips 85 / 15, actors on both sides. No validation.",
        keeps=(),
        corpus="ravdess",
    ),
)

SCHEMES: dict[str, Scheme] = {scheme.name: scheme for scheme in _ALL}
