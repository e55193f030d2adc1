"""Rule L5: clips that are nearly the same, though neither their bytes nor their samples are."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from manifests.audit.fold_view import Bools, FoldView, Ints, between
from manifests.audit.listing import ROLES, NearPairs
from manifests.audit.observations import Judgement, NotJudged, Observation

_HOW = {"sound": "sound", "face": "show a face that moves"}
_NO_FINGERPRINTS = (
    "a table holds no fingerprints of sound or face; build a store of the clips and audit that"
)
_JUDGED_BY_OTHERS = ("take", "sha256", "pcm", "frames")
"""Renderings of one take are L3's, and exact copies are L4's."""


def near_duplicates(view: FoldView) -> Iterator[Judgement]:
    """L5: one recording under two clip ids: encoded again, louder, resized, or cut differently.

    Args:
        view: One fold.

    Yields:
        One observation for sound and for faces and each pair of sides; its count is the number of
        pairs of clips.
    """
    listing = view.listing
    rows = [near.known[view.rows] for near in listing.near.values()]
    printed = np.any(rows, axis=0) if rows else np.zeros(len(view.role), np.bool_)
    for kind in _HOW:
        if kind in listing.near:
            yield from _across(view, kind, listing.near[kind], printed)
        elif kind in listing.unmeasured:
            yield NotJudged(listing.unmeasured[kind])
    if not listing.near and not listing.unmeasured:
        yield NotJudged(_NO_FINGERPRINTS)


def _across(view: FoldView, kind: str, near: NearPairs, printed: Bools) -> Iterator[Observation]:
    """Pairs by one kind, `printed` being the rows that have a fingerprint of some kind."""
    row_of = np.full(len(near.known), -1, np.int64)
    row_of[view.rows] = np.arange(len(view.role))
    rows = row_of[near.pairs]
    here = np.flatnonzero((rows >= 0).all(axis=1))
    here = here[_apart(view, rows[here])]
    rows, similarity = rows[here], near.similarity[here]
    roles = np.sort(view.role[rows], axis=1)
    for sides in view.pairs:
        on_both = (roles == sorted(sides)).all(axis=1)
        seen = _observed(view, kind, sides, rows[on_both], similarity[on_both], near.known)
        yield replace(seen, known=printed, needs="a fingerprint")


def _apart(view: FoldView, rows: Ints) -> Bools:
    """The pairs that no other rule judges."""
    apart = np.ones(len(rows), np.bool_)
    for unit in _JUDGED_BY_OTHERS:
        column = view.names(unit)
        if column is not None:
            codes = column.codes[rows]
            apart &= (codes[:, 0] != codes[:, 1]) | (codes[:, 0] < 0)
    return apart


def _observed(
    view: FoldView,
    kind: str,
    sides: tuple[int, int],
    rows: Ints,
    similarity: NDArray[np.float64],
    known: Bools,
) -> Observation:
    teaches, measured = sides
    clips = np.unique(rows[view.role[rows] == measured])
    detail = (
        f"{len(clips)} of {view.sizes[measured]} {ROLES[measured]} clips {_HOW[kind]} nearly as "
        f"a clip in {ROLES[teaches]} does"
    )
    if len(rows):
        many = "1 pair" if len(rows) == 1 else f"{len(rows)} pairs"
        detail += (
            f" ({many}, alike to {100 * similarity.min():.1f} % or more; {int(known.sum())} "
            "clips have a fingerprint)"
        )
    order = np.argsort(-similarity, kind="stable")[:5]
    names = view.clip.values[view.clip.codes[rows[order]]]
    examples = tuple(" and ".join(pair) for pair in names)
    what, minor = f"{kind}, {between(sides)}", sides != view.pairs[0]
    return Observation(
        what,
        len(rows),
        detail,
        examples,
        minor=minor,
        sides=sides,
    )
