"""Rule L14: something that has nothing to do with emotion gives the label away."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from manifests.audit.fold_view import Bools, FoldView, Ints
from manifests.audit.listing import ROLES, TRAIN
from manifests.audit.observations import Judgement, NotJudged, Observation

_FAR = 0.5
"""Half of the way from chance to certainty. The length of an acted sentence gives some emotions
away a little; that is far below."""
_BINS = 10
_STREAM_FACTS = ("channels", "rate_hz", "fps", "width_px", "height_px")
_MEASURES = ("duration_s", "bytes")
_DEPTH = 4
_FEWEST = 5
"""Clips a class, on either side, below which chance gives labels away too well."""


def identifier_proxies(view: FoldView) -> Iterator[Judgement]:
    """L14: no fact that has nothing to do with emotion gives the label away.

    Each stream fact, tenth of the lengths and sizes, and level of the folders is tried as a
    classifier: it learns on train the most likely label for each of its values, classes weighed
    alike, and is tried on the side that is judged.

    With r the mean recall over k classes, (r - 1/k) / (1 - 1/k) is 0 at chance and 1 for a proxy
    that always gives the label (Youden's index for many classes). A folder that names each label
    one to one is the label, and is left out.

    Args:
        view: One fold.

    Yields:
        One observation for each proxy; its count is the number of clips tried where the proxy is
        half of the way from chance to certainty, or further.
    """
    label = view.names("label")
    proxies = {name: codes for name, codes in _proxies(view).items() if len(np.unique(codes)) > 1}
    if label is None or not proxies:
        yield NotJudged(
            "it needs labels, and folders or a column such as channels, duration_s or rate_hz "
            "that differs between clips"
        )
        return
    labels = label.codes.astype(np.int64)
    taught, tried = ((view.role == role) & (labels >= 0) for role in (TRAIN, view.judged))
    classes = len(np.unique(labels[tried]))
    if min(taught.sum(), tried.sum()) < _FEWEST * classes:
        yield NotJudged(
            f"with fewer than {_FEWEST} clips a class in {ROLES[TRAIN]} or {ROLES[view.judged]}, "
            "anything may seem to tell the label"
        )
        return
    known = labels >= 0
    proxies = {
        name: codes
        for name, codes in proxies.items()
        if not (name.startswith("folder") and _one_to_one(codes[known], labels[known]))
    }
    if not proxies:
        yield NotJudged("its folders are its labels, and nothing else differs between clips")
    for name, codes in proxies.items():
        skill, recall = _skill(codes[taught], labels[taught], codes[tried], labels[tried])
        detail = (
            f"{name} alone tells the label of {100 * recall:.0f} % of the "
            f"{ROLES[view.judged]} clips (mean over classes), {100 * skill:.0f} % of the way from "
            "chance to certainty"
        )
        yield Observation(
            name,
            int(tried.sum()) if skill >= _FAR else 0,
            detail,
            known=known,
            needs="a label",
            sides=view.pairs[0],
        )


def _proxies(view: FoldView) -> dict[str, Ints]:
    found: dict[str, Ints] = {}
    for name in (*_STREAM_FACTS, *_MEASURES):
        values = view.numbers(name)
        if values is not None:
            found[name] = (
                _bins(values, view.role == TRAIN)
                if name in _MEASURES
                else np.unique(values, return_inverse=True)[1]
            )
    folder = view.names("folder")
    if folder is not None:
        for level in range(_DEPTH):
            parts = ["/".join(str(value).split("/")[level : level + 1]) for value in folder.values]
            of_value = np.unique(np.asarray([*parts, ""], dtype=str), return_inverse=True)[1]
            found[f"folder, level {level + 1}"] = of_value[folder.codes]
    return found


def _bins(values: NDArray[np.float64], train: Bools) -> Ints:
    """Tenths of the training's values; those unknown are a bin of their own."""
    known = values[train & np.isfinite(values)]
    if not len(known):
        return np.zeros(len(values), np.int64)
    edges = np.unique(np.quantile(known, np.linspace(0, 1, _BINS + 1)[1:-1]))
    return np.where(
        np.isfinite(values), np.searchsorted(edges, values, side="right"), len(edges) + 1
    )


def _one_to_one(codes: Ints, labels: Ints) -> bool:
    pairs = len(np.unique(codes << 32 | labels))
    return pairs == len(np.unique(codes)) == len(np.unique(labels))


def _skill(codes: Ints, labels: Ints, tried: Ints, wanted: Ints) -> tuple[float, float]:
    """(from chance 0 to certainty 1, mean recall) of the most likely label for a proxy's value."""
    if not len(codes) or not len(tried):
        return 0.0, 0.0
    classes = int(max(labels.max(), wanted.max())) + 1
    width = int(max(codes.max(), tried.max())) + 1
    table = np.bincount(codes * classes + labels, minlength=width * classes).reshape(width, classes)
    weighed = table / np.maximum(table.sum(axis=0), 1)
    guess = np.where(weighed.any(axis=1), weighed.argmax(axis=1), -1)[tried]
    hits = np.bincount(wanted[guess == wanted], minlength=classes)
    there = np.bincount(wanted, minlength=classes)
    recalls = hits[there > 0] / there[there > 0]
    if len(recalls) < 2:
        return 0.0, float(recalls.mean())
    chance = 1 / len(recalls)
    return float((recalls.mean() - chance) / (1 - chance)), float(recalls.mean())
