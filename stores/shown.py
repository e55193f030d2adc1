"""What a store, a feature and a dataset say of themselves, from the snapshot and what is open.

Nothing is read for it: no table, no shard.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from manifests.features import FeatureSpec, Json
from manifests.shown import rows_of
from stores.snapshot import Snapshot

_MOST = 12
"""Lines of one fact; of more the first are shown."""


def facts_of_store(snapshot: Snapshot) -> dict[str, str | tuple[str, ...]]:
    """Says what a store holds.

    Args:
        snapshot: The one that is open.

    Returns:
        Facts for `manifests.shown`.
    """
    counts = snapshot.counts
    stored = {
        name: f"{name} {rows_of(feature.spec)}, {sum(s.clips for s in feature.shards)} clips"
        for name, feature in snapshot.features.items()
    }
    fitted = {
        name: f"{name} {rows_of(entry.spec)}, in {len(entry.states)} folds"
        for name, entry in snapshot.fitted.items()
    }
    return {
        "snapshot": str(snapshot.number),
        "clips": f"{counts['clips']:,}",
        "features": _some([*stored.values()]) or "none",
        "fitted": _some([*fitted.values()]),
        "folds": _some([_folds(*scheme) for scheme in snapshot.schemes.items()]) or "none yet",
        "bytes": f"{counts['shard_bytes'] / 1e6:,.1f} MB in {counts['shards']} shards",
    }


def facts_of_tracks(spec: FeatureSpec, clips: int) -> dict[str, str]:
    """Says what the tracks of a feature are.

    Args:
        spec: The feature.
        clips: How many clips have a track.

    Returns:
        Facts for `manifests.shown`.
    """
    return {
        "a track": rows_of(spec),
        "units": spec.units,
        "clips": f"{clips:,}",
        "about": spec.about,
    }


def facts_of_classes(
    classes: Sequence[str], targets: NDArray[np.int64] | None, kind: str, names: Sequence[str]
) -> str:
    """Says what a dataset teaches.

    Args:
        classes: In their order.
        targets: The numbers of the items' classes, where they are numbered.
        kind: What is made of the labels, in words.
        names: Of the labels.

    Returns:
        A line; empty without labels.
    """
    if not names:
        return ""
    if targets is None:
        among = f" over {', '.join(classes)}" if classes else ""
        return f"{', '.join(names)}: {kind}{among}"
    counts = Counter(targets.tolist())
    each = ", ".join(f"{value} {counts[number]}" for number, value in enumerate(classes))
    return f"{names[0]}: {each}"


def some_of(features: Mapping[str, FeatureSpec]) -> tuple[str, ...]:
    """Says what each of some features is.

    Args:
        features: By name.

    Returns:
        A line each.
    """
    return _some([f"{name} {rows_of(spec)}" for name, spec in features.items()])


def _folds(scheme: str, made_with: Json) -> str:
    folds = made_with.get("folds") if isinstance(made_with, dict) else None
    return f"{scheme}, {folds} folds" if isinstance(folds, int) else scheme


def _some(lines: Sequence[str]) -> tuple[str, ...]:
    more = (f"and {len(lines) - _MOST} more",) if len(lines) > _MOST else ()
    return (*lines[:_MOST], *more)
