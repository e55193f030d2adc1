"""All split schemes, by the name that a user types.

A scheme is one function and one line here, or in the file of the corpus that it was published for.

What other packages use of the schemes is named here as well.
"""

from manifests.corpora.catalog import CORPORA
from manifests.schemes.assignment import LEAKING, Scheme, SplitRequest
from manifests.schemes.checks import Balance, LeakingSplit, empty_classes, refuse_leaks, weigh
from manifests.schemes.groups import EVERYTHING, SplitError, group_clips
from manifests.schemes.holdouts import at_random, frames_at_random, holdout
from manifests.schemes.kfolds import leave_one_session_out, leave_one_subject_out, subject_kfold

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
    *(scheme for corpus in CORPORA.values() for scheme in corpus.schemes),
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
)

SCHEMES: dict[str, Scheme] = {
    # Those that leak come last.
    scheme.name: scheme
    for scheme in sorted(_ALL, key=lambda scheme: scheme.name.endswith(LEAKING))
}
