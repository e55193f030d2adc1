"""Rule L6: clips that show the same stretch of one recording."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from manifests.audit.fold_view import FoldView, Ints, between
from manifests.audit.listing import TEST, TRAIN, VALID
from manifests.audit.observations import Judgement, NotJudged, Observation
from manifests.audits import Severity


def span_overlaps(view: FoldView) -> Iterator[Judgement]:
    """L6: two clips cut from the same stretch of one recording.

    Args:
        view: One fold.

    Yields:
        An observation whose count is the number of pairs on any two sides that share more than half
        of the shorter clip, and one that counts the clips with times that cannot be right.
    """
    found = view.listing.overlaps
    if found is None:
        yield NotJudged(
            "no columns tell start, end and the recording (episode or dialogue) that a clip was "
            "cut from"
        )
        return
    row_of_span = np.full(found.spans + 1, -1, np.int64)  # the last is for rows without a span
    row_of_span[found.span_of_row[view.rows]] = np.arange(len(view.role))
    pairs = row_of_span[found.pairs]
    pairs = pairs[(pairs >= 0).all(axis=1)]
    pairs = pairs[view.role[pairs[:, 0]] != view.role[pairs[:, 1]]]
    detail = (
        f"{len(pairs)} pairs of clips on two sides show the same stretch of one recording "
        f"({found.unit})"
    )
    if len(pairs):
        detail += f" ({_by_sides(view.role[pairs])}){_with_other_labels(view, pairs)}"
    clip = view.clip
    names = clip.values[clip.codes[pairs[:5]]]
    examples = tuple(f"{first} and {second}" for first, second in names)
    too_long = np.isin(view.rows, found.too_long)
    yield Observation(
        "pairs",
        len(pairs),
        detail,
        examples,
        known=found.span_of_row[view.rows] >= 0,
        needs=f"a start, an end and a recording ({found.unit})",
        sides=view.pairs[0],
    )
    count = int(too_long.sum())
    detail = (
        f"{count} clips have times that no turn of speech lasts; they were left out of the "
        "comparison"
    )
    yield Observation("wrong times", count, detail, view.clips(too_long), Severity.INFO)


def _with_other_labels(view: FoldView, pairs: Ints) -> str:
    label = view.names("label")
    if label is None:
        return ""
    codes = label.codes[pairs]
    return f", {int((codes[:, 0] != codes[:, 1]).sum())} of them with different labels"


def _by_sides(roles: NDArray[np.int8]) -> str:
    """How many of the pairs, (pair, 2) roles, lie between which two sides."""
    roles = np.sort(roles, axis=1)
    counted = [
        (sides, int((roles == sides).all(axis=1).sum()))
        for sides in ((TRAIN, TEST), (TRAIN, VALID), (VALID, TEST))
    ]
    return ", ".join(f"{between(sides)} {count}" for sides, count in counted if count)
