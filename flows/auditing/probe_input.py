"""What a probe is given, looked up before anything is started."""

from collections.abc import Mapping, Sequence

import numpy as np

from manifests.features import FeatureSpec
from stores.location import Place, locate
from stores.reader import FeatureStore
from stores.targets import open_targets

_WIDEST = 4096
"""Numbers a row; pictures have more, and means of pixels tell little."""


class NothingToProbe(ValueError):
    """The store lacks what a probe needs; the message says what, and what to do."""


def check_probe(sources: Sequence[Place]) -> None:
    """Refuses what is no store; reads nothing.

    Args:
        sources: What is to be audited.

    Raises:
        NothingToProbe: The source is not one store.
    """
    location = locate(sources[0])
    if len(sources) != 1 or (location.is_local and not location.folder.is_dir()):
        raise NothingToProbe(
            f"{location} is no store; a probe trains on cached features, so give the folder of "
            "a store"
        )


def check_names(sources: Sequence[Place], labels: str | None, features: Sequence[str]) -> None:
    """Refuses what is no store, and names that it does not have; reads no track.

    Args:
        sources: What is to be audited.
        labels: A label scheme or space; None: whichever fits.
        features: Names of features; none: whichever fits.

    Raises:
        NothingToProbe: The source is not one store, or a feature is of another kind.
        NotInStore: A name is unknown.
    """
    check_probe(sources)
    store = FeatureStore(sources[0])
    refuse_unfit({name: store[name].spec for name in features})
    if labels is not None:
        open_targets(store, labels, "class")


def unfit(spec: FeatureSpec) -> str | None:
    """Says why a probe cannot read a feature.

    Args:
        spec: The feature.

    Returns:
        What is wrong with it, as a part of a sentence; None where it can.
    """
    width = int(np.prod(spec.shape))
    if spec.codec != "raw" or width > _WIDEST:
        return f"has {width} numbers a row, and a probe takes up to {_WIDEST}"
    return "has a single number a row, such as a waveform" if not spec.shape else None


def refuse_unfit(specs: Mapping[str, FeatureSpec]) -> None:
    """Refuses features that a probe cannot read.

    Args:
        specs: The features, by name.

    Raises:
        NothingToProbe: A feature holds pictures, hashes, or nothing that a classifier learns from.
    """
    for name, spec in specs.items():
        if why := unfit(spec):
            raise NothingToProbe(f"the feature {name} {why}; name another with --feature")
