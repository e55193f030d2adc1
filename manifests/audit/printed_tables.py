"""Checks on a paper's table of classes: can its precisions, recalls and means be of one test?"""

import math
from collections.abc import Iterator, Mapping

from manifests.audit.observations import Observation
from manifests.audit.papers import Claim, PrintedShare
from manifests.audits import Severity

_EXACT = 1e-9


def matrix_gives(claim: Claim) -> Iterator[Observation]:
    """The printed precisions and F1 are those of the confusion matrix.

    Args:
        claim: One passage or table.

    Yields:
        One observation; its count is the number of them that are others.
    """
    if not claim.matrix or not (claim.precisions or claim.f1):
        return
    rows = list(claim.matrix.values())
    found = [sum(row[at] for row in rows) for at in range(len(rows))]
    right = [row[at] for at, row in enumerate(rows)]
    words = list(claim.matrix)
    precision = {word: right[at] / max(1, found[at]) for at, word in enumerate(words)}
    f1 = {word: 2 * right[at] / (found[at] + sum(rows[at])) for at, word in enumerate(words)}
    off = []
    for name, printed, exact in (
        ("precision", claim.precisions, precision),
        ("F1", claim.f1, f1),
    ):
        shares, by_matrix = claim.shares(printed), claim.labelled(exact)
        off += [
            f"{name} of {label} {share.text}, by the matrix {share.write(by_matrix[label])}"
            for label, share in shares.items()
            if not share.meets(by_matrix[label])
        ]
    detail = "the printed precisions and F1 are the matrix's"
    if off:
        detail = f"printed precisions or F1 are not the matrix's: {'; '.join(off)}"
    yield Observation("precisions and F1", len(off), detail, severity=Severity.WARN)


def f1_arises(claim: Claim) -> Iterator[Observation]:
    """Each printed F1 is the harmonic mean of the printed precision and recall.

    Args:
        claim: One passage or table.

    Yields:
        One observation; its count is the number of classes whose F1 is another.
    """
    precisions, f1 = claim.shares(claim.precisions), claim.shares(claim.f1)
    both = [label for label in f1 if label in precisions and label in claim.printed_recalls]
    if not both:
        return
    off = []
    for label in both:
        precision, recall = precisions[label], claim.printed_recalls[label]
        low, high = _f1(precision.low, recall.low), _f1(precision.high, recall.high)
        if f1[label].high < low - _EXACT or f1[label].low > high + _EXACT:
            exact = f1[label].write(_f1(precision.value, recall.value))
            off.append(
                f"{label} {f1[label].text}, where {precision.text} and {recall.text} make {exact}"
            )
    detail = f"the F1 of all {len(both)} classes follow from precision and recall"
    if off:
        detail = f"the printed F1 does not follow from precision and recall: {'; '.join(off)}"
    yield Observation("F1", len(off), detail, severity=Severity.WARN)


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0


def averages_lie_between(claim: Claim) -> Iterator[Observation]:
    """An accuracy is an average of the class recalls: it lies between the least and the greatest.

    That is so of the share of correct clips, which weighs classes by their size, and of the mean
    over classes, which weighs them alike.

    Args:
        claim: One passage or table.

    Yields:
        One observation for each average, where the recall of every class is printed; its count is 1
        where no weights make it.
    """
    recalls = claim.printed_recalls
    if not claim.averages or set(recalls) != set(claim.population.classes):
        return
    least = min(recalls.values(), key=lambda share: share.value)
    greatest = max(recalls.values(), key=lambda share: share.value)
    span = f"{least.text} to {greatest.text}"
    for name, text in claim.averages.items():
        printed = PrintedShare.parse(text)
        side = ""
        if printed.high < least.low - _EXACT:
            side = "below"
        elif printed.low > greatest.high + _EXACT:
            side = "above"
        detail = f"the {name} of {text} is between the recalls of the classes ({span})"
        if side:
            detail = (
                f"the {name} of {text} is {side} the recall of every class ({span}), and no "
                "average of them is"
            )
        yield Observation(name, 1 if side else 0, detail)


def means_arise(claim: Claim) -> Iterator[Observation]:
    """The printed means of precision, recall and F1 are those of the printed classes.

    Args:
        claim: One passage or table.

    Yields:
        One observation; its count is the number of means that are others.
    """
    columns = {
        "precision": claim.shares(claim.precisions),
        "recall": claim.printed_recalls,
        "f1": claim.shares(claim.f1),
    }
    alike = dict.fromkeys(claim.population.classes, 1)
    off, seen = [], 0
    for kind, means, weights in (
        ("macro", claim.macro, alike),
        ("weighted", claim.weighted, claim.counts),
    ):
        for name, text in means.items():
            shares, printed = columns.get(name, {}), PrintedShare.parse(text)
            if not weights or set(shares) != set(weights):
                continue
            seen += 1
            mean = _mean(shares, weights)
            slack = printed.half + max(share.half for share in shares.values())
            if abs(mean - printed.value) > slack + _EXACT:
                off.append(f"{kind} {name} {text}, by the classes {printed.write(mean)}")
    if not seen:
        return
    detail = f"the {seen} printed means are those of the classes"
    if off:
        detail = f"printed means are not those of the classes: {'; '.join(off)}"
    yield Observation("means", len(off), detail, severity=Severity.WARN)


def _mean(shares: Mapping[str, PrintedShare], weights: Mapping[str, int]) -> float:
    total = math.fsum(share.value * weights[label] for label, share in shares.items())
    return total / sum(weights.values())


def accuracies_are_whole(claim: Claim) -> Iterator[Observation]:
    """Each printed accuracy is a whole number of the clips that are said to be tested.

    Args:
        claim: One passage or table.

    Yields:
        One observation; its count is the number of accuracies that no whole number makes.
    """
    size = claim.test_clips
    if not size or not claim.accuracies:
        return
    printed = [PrintedShare.parse(text) for text in claim.accuracies]
    off = [share.text for share in printed if not share.meets(round(share.value * size) / size)]
    found = ", ".join(f"{round(share.value * size)} ({share.text})" for share in printed)
    detail = f"of {size} clips the printed accuracies are {found} correct"
    if off:
        detail = f"no whole number of {size} clips makes {', '.join(off)}"
    yield Observation("accuracies", len(off), detail)


def recalls_fit(claim: Claim) -> Iterator[Observation]:
    """The test is large enough for its classes to have the printed recalls.

    A recall of 93.91 % takes 115 clips of its class or more: no fewer give these digits. A mean
    over several runs can have any digits, so this is a warning.

    Args:
        claim: One passage or table.

    Yields:
        One observation, where the size of the test is printed; its count is the number of clips
        that are lacking.
    """
    share, recalls = claim.share, claim.printed_recalls
    if claim.counts or not recalls or claim.clips is None or share is None:
        return
    size = round(share.value * claim.clips)
    fewest = {label: _fewest(recall) for label, recall in recalls.items()}
    needed = sum(fewest.values())
    each = ", ".join(f"{label} {count}" for label, count in fewest.items())
    detail = (
        f"recalls with these digits take {needed} test clips or more ({each}); {share.text} of "
        f"{claim.clips} clips is {size}"
    )
    yield Observation("digits", max(0, needed - size), detail, severity=Severity.WARN)


def _fewest(share: PrintedShare) -> int:
    """The smallest number of clips of which some whole number is printed so."""
    most = round(1 / share.half) + 1
    sizes = range(1, most)
    return next((size for size in sizes if share.meets(round(share.value * size) / size)), most)
