"""Rules on labels, and on how many clips of a class or a sex there are: L13, L15 and L16."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from manifests.audit.fold_view import Bools, FoldView
from manifests.audit.listing import ROLES, TEST, TRAIN, VALID
from manifests.audit.observations import Judgement, NotJudged, Observation
from manifests.audit.populations import populations
from manifests.audit.sharing import HASHES
from manifests.audits import Severity


def label_conflicts(view: FoldView) -> Iterator[Judgement]:
    """L13: of byte-identical clips with different labels, all but one label are wrong.

    Args:
        view: One fold.

    Yields:
        One observation for each hash that is known; its count is the number of sets of identical
        clips with more than one label.
    """
    label = view.names("label")
    hashes = {unit: column for unit in HASHES if (column := view.names(unit)) is not None}
    if label is None or not hashes:
        yield NotJudged(
            "it needs a label and a hash of the files (sha256), of their sound (pcm_sha256) or of "
            "their frames (frames_sha256)"
        )
        return
    for unit, column in hashes.items():
        yield _conflicts(view, unit, column.codes, label.codes)


def _conflicts(
    view: FoldView, unit: str, hashes: NDArray[np.int32], labels: NDArray[np.int32]
) -> Observation:
    known = (hashes >= 0) & (labels >= 0)
    pairs = np.unique(hashes[known].astype(np.int64) << 32 | labels[known])
    torn = np.flatnonzero(np.bincount(pairs >> 32) > 1)
    rows = known & np.isin(hashes, torn)
    detail = (
        f"{len(torn)} sets of clips have the same {unit} and different labels "
        f"({int(rows.sum())} rows)"
    )
    needs = f"a label and a hash ({unit})"
    return Observation(unit, len(torn), detail, view.clips(rows), known=known, needs=needs)


def impossible_counts(view: FoldView) -> Iterator[Judgement]:
    """L15: more rows of a class, or in all, than the corpus has files.

    Args:
        view: One fold.

    Yields:
        One observation for the fold and one for each class; its count is the number of rows beyond
        what there is. Of a class it is a warning.
    """
    supply = populations().get(view.corpora)
    if supply is None:
        yield NotJudged(f"how many files {view.corpora} should have is not known")
        return
    if view.is_part.any():
        yield NotJudged("the rows are windows or copies, of which there may be any number")
        return
    rows = len(view.role)
    renderings = "all renderings taken together"
    detail = f"{rows} rows in this fold; {supply.corpus} has {supply.files} files, {renderings}"
    yield Observation("rows", max(0, rows - supply.files), detail)
    label = view.names("label")
    if label is None:
        yield NotJudged("no label is known, so classes were not counted")
        return
    counts = np.bincount(label.codes[label.codes >= 0], minlength=len(label.values))
    for value, count in zip(label.values.tolist(), counts.tolist(), strict=True):
        most = supply.files_of(value, label.values.tolist())
        if most is not None:
            detail = (
                f"{count} rows are labelled {value}; {supply.corpus} has {most} such files, "
                f"{renderings}: rows are repeated, or another class is counted as this one"
            )
            # A warning: classes are merged in many ways, and that is no leak.
            yield Observation(
                f"label {value}",
                max(0, count - most),
                detail,
                severity=Severity.WARN,
                known=label.codes >= 0,
                needs="a label",
            )


def class_and_sex(view: FoldView) -> Iterator[Judgement]:
    """L16: every class has clips to learn from and to test, and neither side is of one sex.

    A class without a training clip cannot be learnt, one without a test clip is not tested; results
    on one sex are of that sex.

    Args:
        view: One fold.

    Yields:
        Observations for the training and for the judged side; their counts are the numbers of
        classes or sexes that the side lacks.
    """
    label, sex = view.names("label"), view.names("sex")
    if label is None:
        yield NotJudged("no label is known")
    else:
        yield from _empty_classes(view, "", np.ones(len(view.role), np.bool_))
        for features, stored in _stored(view).items():
            among = f" with the feature {features}"
            yield from _empty_classes(view, among, np.frombuffer(stored, np.bool_))
    if sex is not None:
        yield from _one_sex(view)
    else:
        yield NotJudged("the subjects' sex is not known")


def _stored(view: FoldView) -> dict[str, bytes]:
    """Features that the same clips of this fold have -> those clips."""
    alike: dict[bytes, list[str]] = {}
    for name in view.listing.flags:
        stored = view.flag(name)
        if name.startswith("stored ") and stored is not None:
            alike.setdefault(stored.tobytes(), []).append(name.removeprefix("stored "))
    return {" or ".join(features): clips for clips, features in alike.items()}


def _empty_classes(view: FoldView, among: str, mask: Bools) -> Iterator[Judgement]:
    """Classes that a side lacks among the clips in `mask`, though it has them otherwise."""
    everywhere = _on_some_side(view, "label")
    # Of a side without any label nobody knows which classes it lacks.
    is_known = all(view.counts("label", side).any() for side in (TRAIN, view.judged))
    for side in (TRAIN, view.judged):
        had = everywhere if mask.all() else view.counts("label", side) > 0
        empty = np.flatnonzero(is_known & had & (view.counts("label", side, mask) == 0))
        names = view.shown("label", empty)
        detail = (
            f"{ROLES[side]} has no clip{among} of {len(empty)} of {int(everywhere.sum())} "
            f"classes: {', '.join(names)}"
        )
        yield Observation(
            f"classes in {ROLES[side]}{among}",
            len(empty),
            detail,
            names,
            known=view.has("label"),
            needs="a label",
            sides=view.pairs[0],
        )


def _one_sex(view: FoldView) -> Iterator[Judgement]:
    everywhere = _on_some_side(view, "sex")
    for side in (TRAIN, view.judged):
        present = view.counts("sex", side) > 0
        lacking = np.flatnonzero(everywhere & ~present & present.any())
        alone = int((view.counts("subject", side) > 0).sum()) == 1
        detail = (
            f"all clips in {ROLES[side]} are of one sex: no "
            f"{', '.join(view.shown('sex', lacking))} subject is in it"
        )
        severity = Severity.INFO if alone else None
        yield Observation(
            f"sex in {ROLES[side]}",
            len(lacking),
            detail,
            severity=severity,
            known=view.has("sex"),
            needs="a sex",
            sides=view.pairs[0],
        )


def _on_some_side(view: FoldView, unit: str) -> Bools:
    """(value,) True for the values that some side has."""
    counts = np.stack([view.counts(unit, side) for side in (TRAIN, VALID, TEST)])
    return np.asarray(counts.sum(axis=0) > 0)
