"""Rules on what was fitted or chosen by which clips: L10 and L11."""

from collections.abc import Iterator

from manifests.audit.fold_view import FoldView
from manifests.audit.listing import ROLES, TEST, VALID, Fit
from manifests.audit.observations import Judgement, NotJudged, Observation
from manifests.audits import Severity


def fitted_state(view: FoldView) -> Iterator[Judgement]:
    """L10: scaling, selection, padding, encoders and backbones are fitted on training clips alone.

    Args:
        view: One fold.

    Yields:
        An observation for the column `fitted`, or for each fitted state of a store; its count is
        the number of clips that are wrong.
    """
    fitted, fits = view.flag("fitted"), view.listing.fits
    if fitted is not None:
        wrong = fitted & (view.role == view.judged)
        count = int(wrong.sum())
        detail = f"{view.share_of(count, view.judged)} were seen by what was fitted before"
        yield Observation("fitted", count, detail, view.clips(wrong))
    elif fits is None:
        yield NotJudged(
            "no column `fitted` says which clips a scaling, a selection, a padding or a backbone "
            "was fitted on"
        )
    else:
        # What is stored and not fitted is made clip by clip, with weights from elsewhere.
        yield Observation("fitted", 0, "")
        for fit in fits.get((view.scheme, view.fold), ()):
            yield _fitted_on(view, fit)


def _fitted_on(view: FoldView, fit: Fit) -> Observation:
    """A state of a store against the training clips of its fold."""
    clip = view.clip
    tested = fit.used & set(clip.values[clip.codes[view.role == view.judged]].tolist())
    strange, missing = fit.used - fit.expected - tested, fit.expected - fit.used
    wrong = sorted(tested) + sorted(strange) + sorted(missing) + sorted(fit.changed - tested)
    detail = (
        f"{fit.feature} was fitted on {len(fit.used)} clips: {len(tested)} of them are "
        f"{ROLES[view.judged]} clips, {len(strange)} others "
        f"are no training clips with its inputs, {len(fit.changed)} have changed since, and "
        f"{len(missing)} training clips are missing"
    )
    return Observation(f"fitted {fit.feature}", len(set(wrong)), detail, tuple(wrong[:5]))


def selection(view: FoldView) -> Iterator[Judgement]:
    """L11: choosing the best epoch by the test reports the luck of the choice.

    Args:
        view: One fold.

    Yields:
        One observation; its count is the number of judged clips that a model was chosen by, or of
        all judged clips where there is no side to choose by.
    """
    chosen, judged = view.flag("selected"), view.judged
    if chosen is not None:
        wrong = chosen & (view.role == judged)
        count = int(wrong.sum())
        detail = f"{view.share_of(count, judged)} took part in choosing the model"
        yield Observation("selected", count, detail, view.clips(wrong), Severity.ERROR)
        return
    if not view.sizes[judged]:
        yield NotJudged("there is no side that results are reported on")
        return
    lacking = min(view.sizes[VALID], view.sizes[TEST]) == 0
    other = "validation" if judged == TEST else "test"
    detail = (
        f"there is no {other} side: only train and {ROLES[judged]} exist, so epochs and settings "
        f"are chosen by the {view.sizes[judged]} "
        "clips that results are reported on, or blindly"
    )
    yield Observation("sides", view.sizes[judged] if lacking else 0, detail)
