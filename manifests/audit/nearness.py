"""L5: clips that are nearly the same, though neither their bytes nor their samples are."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from manifests.audit.listing import ROLES, TEST, TRAIN, VALID, Alike, Sides
from manifests.audit.terms import Seen, Unjudged

_HOW = {"sound": "sound", "face": "show a face that moves"}
_NO_FINGERPRINTS = (
    "a table holds no fingerprints of sound or face; build a store of the clips and audit that"
)
_TOLD_BY_OTHERS = ("take", "sha256", "pcm", "frames")
"""Renderings of one take are L3's, and exact copies are L4's."""

Ints = NDArray[np.int64]


def near_duplicates(sides: Sides) -> Iterator[Seen | Unjudged]:
    """L5: one recording under two clip ids: encoded again, louder, resized, or cut a little
    differently. Counts pairs."""
    listing = sides.listing
    for kind in _HOW:
        if kind in listing.near:
            yield from _across(sides, kind, listing.near[kind])
        elif kind in listing.unmeasured:
            yield Unjudged(listing.unmeasured[kind])
    if not listing.near and not listing.unmeasured:
        yield Unjudged(_NO_FINGERPRINTS)


def _across(sides: Sides, kind: str, alike: Alike) -> Iterator[Seen]:
    row_of = np.full(len(sides.listing.names["clip"].codes), -1, np.int64)
    row_of[sides.dealt.rows] = np.arange(len(sides.role))
    rows = row_of[alike.pairs]
    here = np.flatnonzero((rows >= 0).all(axis=1))
    here = here[_apart(sides, rows[here])]
    rows, similarity = rows[here], alike.similarity[here]
    compared = [
        (TRAIN, sides.judged),
        *([(TRAIN, VALID), (VALID, TEST)] if sides.sizes[VALID] and sides.sizes[TEST] else []),
    ]
    for a, b in compared:
        roles = np.sort(sides.role[rows], axis=1)
        on_both = (roles[:, 0] == min(a, b)) & (roles[:, 1] == max(a, b))
        yield _seen(sides, kind, (a, b), rows[on_both], similarity[on_both], alike.compared)


def _apart(sides: Sides, rows: Ints) -> NDArray[np.bool_]:
    """The pairs that no other rule tells."""
    apart = np.ones(len(rows), np.bool_)
    for unit in _TOLD_BY_OTHERS:
        column = sides.names(unit)
        if column is not None:
            codes = column.codes[rows]
            apart &= (codes[:, 0] != codes[:, 1]) | (codes[:, 0] < 0)
    return apart


def _seen(
    sides: Sides,
    kind: str,
    between: tuple[int, int],
    rows: Ints,
    similarity: NDArray[np.float64],
    compared: int,
) -> Seen:
    a, b = between
    measured = np.unique(rows[sides.role[rows] == b])
    said = (
        f"{len(measured)} of {sides.sizes[b]} {ROLES[b]} clips {_HOW[kind]} nearly as a clip "
        f"in {ROLES[a]} does"
    )
    if len(rows):
        many = "1 pair" if len(rows) == 1 else f"{len(rows)} pairs"
        said += (
            f" ({many}, alike to {100 * similarity.min():.1f} % or more; {compared} clips "
            "have a fingerprint)"
        )
    order = np.argsort(-similarity, kind="stable")[:5]
    examples = tuple(" and ".join(_ids(sides, pair)) for pair in rows[order])
    what = f"{kind}, {ROLES[a]} and {ROLES[b]}"
    return Seen(what, len(rows), said, examples, minor=between != (TRAIN, sides.judged))


def _ids(sides: Sides, pair: Ints) -> tuple[str, ...]:
    clip = sides.listing.names["clip"]
    return tuple(str(clip.values[clip.codes[row]]) for row in sides.dealt.rows[pair])
