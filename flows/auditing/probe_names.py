"""The names that a probe is given, looked up before anything is started."""

from collections.abc import Sequence

from flows.auditing.leak_probe import check_probe, refuse_unfit
from stores.location import Place
from stores.reader import FeatureStore
from stores.targets import open_targets


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
