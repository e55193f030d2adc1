"""The arithmetic audit: can a paper's printed counts arise from the corpus and split it describes?

It needs no data, only printed numbers. What it says is about numbers, never about intent: "the
printed counts are inconsistent with the described split" has many causes, of which most are a
sentence that was forgotten.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from manifests.audit.errors import WrongPaper
from manifests.audit.judging import finding_of, sort_key
from manifests.audit.observations import Observation
from manifests.audit.papers import Claim, Paper
from manifests.audit.printed_counts import (
    classes_supply,
    random_draw,
    share_supplies,
    stated_clips,
    subjects_supply,
)
from manifests.audit.printed_rates import accuracy_arises, mean_of_recalls, recalls_arise
from manifests.audit.printed_tables import (
    accuracies_are_whole,
    averages_lie_between,
    f1_arises,
    matrix_gives,
    means_arise,
    recalls_fit,
)
from manifests.audits import ALL_FOLDS, Finding, Severity

STEPS = {
    "random over clips": (
        "L1",
        Severity.ERROR,
        "a random split over clips puts each subject on both sides",
    ),
    "no list of subjects": (
        "L1",
        Severity.NOT_JUDGED,
        "no list says which subjects are in which fold, so it cannot be verified",
    ),
    "random over frames": (
        "L8",
        Severity.ERROR,
        "a split over frames puts neighbouring frames of one clip on both sides",
    ),
    "selected before the split": (
        "L10",
        Severity.ERROR,
        "features were chosen by labels before the split, so the choice has seen the test",
    ),
    "fitted before the split": (
        "L10",
        Severity.ERROR,
        "something was fitted before the split, so it has seen the test",
    ),
    "no validation": (
        "L11",
        Severity.WARN,
        "no validation side is described, so the test may have chosen when to stop",
    ),
    "evaluated on training clips": (
        "L12",
        Severity.ERROR,
        "the set that results are reported on holds the clips that were trained on",
    ),
}
"""What a paper says was done -> the rule that it concerns, how grave that is, and why."""

PAPER_CHECKS: dict[str, tuple[str, Callable[[Claim], Iterator[Observation]]]] = {
    "clips": ("L15", stated_clips),
    "subjects": ("L15", subjects_supply),
    "random draw": ("L1", random_draw),
    "share": ("L15", share_supplies),
    "classes": ("L15", classes_supply),
    "accuracy": ("L15", accuracy_arises),
    "recalls": ("L15", recalls_arise),
    "mean": ("L15", mean_of_recalls),
    "matrix": ("L15", matrix_gives),
    "F1": ("L15", f1_arises),
    "averages": ("L15", averages_lie_between),
    "means": ("L15", means_arise),
    "whole clips": ("L15", accuracies_are_whole),
    "digits": ("L15", recalls_fit),
}
"""Check -> the rule that it serves, and the function that judges one claim."""


def audit_paper(paper: Paper) -> list[Finding]:
    """Judges every claim of a paper by every check.

    Args:
        paper: Its printed numbers.

    Returns:
        The findings, sorted as AUDITS is.

    Raises:
        WrongPaper: A claim cannot be understood.
        UnknownFilter: A claim is about a part of a corpus that is not known.
    """
    return sorted(_findings(paper), key=sort_key)


def _findings(paper: Paper) -> Iterator[Finding]:
    for claim in paper.claims:
        _check_claim(claim)
        for name, (rule, check) in PAPER_CHECKS.items():
            for observation in check(claim):
                severity = (
                    (observation.severity or Severity.ERROR) if observation.count else Severity.HELD
                )
                placed = replace(observation, what=f"{claim.where}: {observation.what or name}")
                yield finding_of(rule, severity, paper.name, ALL_FOLDS, placed)
        for step in claim.steps:
            rule, severity, why = STEPS[step]
            odds = _odds(claim) if step == "random over clips" else ""
            said = f'it says "{claim.quote}": {why}{odds}'
            placed = Observation(f"{claim.where}: {step}", 1, said)
            yield finding_of(rule, severity, paper.name, ALL_FOLDS, placed)


def _check_claim(claim: Claim) -> None:
    rows = set(map(len, claim.matrix.values()))
    if claim.matrix and rows != {len(claim.matrix)}:
        raise WrongPaper(
            f"{claim.where}: the matrix has {len(claim.matrix)} rows of {sorted(rows)} numbers; "
            "expected a square"
        )
    unknown = [step for step in claim.steps if step not in STEPS]
    if unknown:
        raise WrongPaper(
            f"{claim.where}: there is no step {unknown[0]!r}; there are {', '.join(STEPS)}"
        )


def _odds(claim: Claim) -> str:
    """How many subjects a random split over clips can be expected to keep out of the training.

    The sum of share ** clips over subjects.
    """
    supply, share = claim.population, claim.share
    if not share or not share.value or not supply.subjects:
        return ""
    mean = supply.clips / supply.subjects
    if supply.cells is not None:
        clips = supply.cells.sum(axis=1).tolist()
    elif supply.subjects_are_people:
        clips = [mean] * supply.subjects
    else:
        return ""
    expected = sum(share.value**count for count in clips)
    alone = "fewer than one in a billion" if expected < 1e-9 else f"{expected:.2g}"
    return (
        f"; of {supply.subjects} subjects with about {mean:.0f} clips each, {alone} can be "
        "expected to be in the test alone"
    )
