"""Checks on the accuracies and recalls that a paper prints: can they arise from its counts?"""

import math
from collections.abc import Iterator

from manifests.audit.observations import Observation
from manifests.audit.papers import MOST_CLIPS, Claim, PrintedShare
from manifests.audits import Severity

_WARN = Severity.WARN


def accuracy_arises(claim: Claim) -> Iterator[Observation]:
    """The printed accuracy is the printed correct clips, or some whole number, over the test clips.

    Args:
        claim: One passage or table.

    Yields:
        One observation; its count is 1 where the accuracy cannot arise.
    """
    if not claim.accuracies:
        return
    printed, size = PrintedShare.parse(claim.accuracies[0]), sum(claim.counts.values())
    found = sum(claim.correct.values()) or sum(
        row[at] for at, row in enumerate(claim.matrix.values())
    )
    if size:
        share = (found or round(printed.value * size)) / size
        detail = (
            f"{found or round(printed.value * size)} of {size} is {printed.write(share)}; "
            f"{printed.text} is printed"
        )
        if printed.meets(share):
            yield Observation("accuracy", 0, detail)
        else:
            why = "the printed accuracy does not follow from the printed counts"
            yield Observation("accuracy", 1, f"{why}: {detail}")
    elif claim.correct:
        fitting = any(printed.meets(found / size) for size in range(found, MOST_CLIPS))
        nearest = claim.nearest_size
        arise = ", ".join(
            f"{round(PrintedShare.parse(text).value * (nearest or 0))} ({text})"
            for text in claim.accuracies
        )
        detail = (
            f"the printed correct clips come to {found}, and no whole number of test clips "
            f"makes that {printed.text}; the nearest size at which all accuracies arise is "
            f"{nearest}, with {arise} correct"
        )
        yield Observation("accuracy", 0 if fitting else 1, detail, severity=_WARN)


def recalls_arise(claim: Claim) -> Iterator[Observation]:
    """Each printed recall is the matrix's or, with a support alone, a whole number of clips.

    Args:
        claim: One passage or table.

    Yields:
        One observation; its count is the number of recalls that cannot arise.
    """
    printed = claim.printed_recalls
    if not printed or not claim.counts:
        return
    if claim.matrix:
        shares = claim.labelled(
            {word: row[at] / sum(row) for at, (word, row) in enumerate(claim.matrix.items())}
        )
        off = [label for label, one in printed.items() if not one.meets(shares[label])]
        parts = [
            f"{label} {printed[label].text}, by the matrix {shares[label]:.3f}" for label in off
        ]
        detail = "the printed recalls are the matrix's"
        if off:
            detail = f"printed recalls are not the matrix's: {'; '.join(parts)}"
    else:
        found = {label: round(one.value * claim.counts[label]) for label, one in printed.items()}
        off = [
            label
            for label, right in found.items()
            if not printed[label].meets(right / claim.counts[label])
        ]
        detail = (
            f"the recalls stand for {sum(found.values())} correct of "
            f"{sum(claim.counts.values())} clips"
        )
        if off:
            detail += f"; no whole number gives {', '.join(off)}"
    yield Observation("recalls", len(off), detail, tuple(off), _WARN)


def mean_of_recalls(claim: Claim) -> Iterator[Observation]:
    """Without counts, the printed accuracy is the mean of the recalls weighed by class size.

    So it is where every clip of the corpus is tested once.

    Args:
        claim: One passage or table.

    Yields:
        One observation; its count is 1 where the accuracy is another.
    """
    if claim.counts or not claim.recalls or not claim.accuracies:
        return
    sizes, printed = claim.population.classes, PrintedShare.parse(claim.accuracies[0])
    shares = {label: one.value for label, one in claim.printed_recalls.items()}
    plain = math.fsum(shares.values()) / len(shares)
    weighed = math.fsum(share * sizes[label] for label, share in shares.items()) / sum(
        sizes[label] for label in shares
    )
    # Each rate is rounded, so a mean of them can be off by as much as one of them.
    near_plain, near_weighed = (
        abs(value - printed.value) <= 2 * printed.half for value in (plain, weighed)
    )
    detail = (
        f"the class rates average {printed.write(plain)} plainly and {printed.write(weighed)} "
        f"weighed by class size; {printed.text} is printed"
    )
    if near_weighed:
        yield Observation("mean", 0, detail)
    elif near_plain:
        why = "the printed accuracy is the plain mean over classes, not the share of correct clips"
        yield Observation("mean", 1, f"{why}: {detail}", severity=_WARN)
    else:
        why = "the printed accuracy is inconsistent with the printed class rates"
        yield Observation("mean", 1, f"{why}: {detail}")
