"""L14: does something that has nothing to do with emotion tell the label?"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from manifests.audit.listing import ROLES, TRAIN, Sides
from manifests.audit.terms import Seen, Unjudged

_FAR = 0.5
"""Half of the way from chance to certainty. The length of an acted sentence tells some emotions a
little; that is far below."""
_BINS = 10
_STREAM_FACTS = ("channels", "rate_hz", "fps", "width_px", "height_px")
_MEASURES = ("duration_s", "bytes")
_DEPTH = 4
_FEWEST = 5
"""Clips a class, on either side, below which chance tells labels too well."""

Ints = NDArray[np.int64]


def identifier_proxies(sides: Sides) -> Iterator[Seen | Unjudged]:
    """Each stream fact, tenth of the lengths and sizes, and level of the folders, as a classifier:
    it learns on train the most likely label for each of its values, classes weighed alike, and is
    tried on the side that is judged.

    With r the mean recall over k classes, (r - 1/k) / (1 - 1/k) is 0 at chance and 1 for a proxy
    that always tells the label (Youden's index for many classes). A folder that names each label
    one to one is the label, and is left out.
    """
    label = sides.names("label")
    proxies = {name: codes for name, codes in _proxies(sides).items() if len(np.unique(codes)) > 1}
    if label is None or not proxies:
        yield Unjudged(
            "it needs labels, and folders or a column such as channels, duration_s or rate_hz "
            "that differs between clips"
        )
        return
    labels = label.codes.astype(np.int64)
    taught, tried = ((sides.role == role) & (labels >= 0) for role in (TRAIN, sides.judged))
    classes = len(np.unique(labels[tried]))
    if min(taught.sum(), tried.sum()) < _FEWEST * classes:
        yield Unjudged(
            f"with fewer than {_FEWEST} clips a class in {ROLES[TRAIN]} or {ROLES[sides.judged]}, "
            "anything may seem to tell the label"
        )
        return
    for name, codes in proxies.items():
        if name.startswith("folder") and _one_to_one(codes[labels >= 0], labels[labels >= 0]):
            continue
        told, recall = _told(codes[taught], labels[taught], codes[tried], labels[tried])
        said = (
            f"{name} alone tells the label of {100 * recall:.0f} % of the "
            f"{ROLES[sides.judged]} clips (mean over classes)"
        )
        count = int(tried.sum()) if told >= _FAR else 0
        yield Seen(name, count, f"{said}, {100 * told:.0f} % of the way from chance to certainty")


def _proxies(sides: Sides) -> dict[str, Ints]:
    found: dict[str, Ints] = {}
    for name in (*_STREAM_FACTS, *_MEASURES):
        values = sides.numbers(name)
        if values is not None:
            found[name] = (
                _bins(values, sides.role == TRAIN)
                if name in _MEASURES
                else np.unique(values, return_inverse=True)[1]
            )
    folder = sides.names("folder")
    if folder is not None:
        for level in range(_DEPTH):
            parts = [
                "/".join(str(value).split("/")[: level + 1][level:]) for value in folder.values
            ]
            of_value = np.unique(np.asarray([*parts, ""], dtype=str), return_inverse=True)[1]
            found[f"folder, level {level + 1}"] = of_value[folder.codes]
    return found


def _bins(values: NDArray[np.float64], train: NDArray[np.bool_]) -> Ints:
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


def _told(codes: Ints, labels: Ints, tried: Ints, wanted: Ints) -> tuple[float, float]:
    """(from chance 0 to certainty 1, mean recall) of the most likely label given a proxy's
    value."""
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
