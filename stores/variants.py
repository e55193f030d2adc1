"""Augmented variants of features: the name under which a store has each feature in a variant."""

from collections.abc import Iterable, Iterator

from manifests.variant_names import variant_name
from stores.clip_tracks import NotInStore
from stores.snapshot import Snapshot


def names_in(snapshot: Snapshot, features: Iterable[str], variant: int) -> dict[str, str]:
    """Finds the names of features in a variant.

    Args:
        snapshot: What the store holds.
        features: Names of features, stored or fitted, whether the store has them or not.
        variant: Number of the variant; 0: the clips as they are.

    Returns:
        Feature -> NAME~1 and so on; NAME itself where it is made from nothing that is augmented,
        and where it names a variant itself.

    Raises:
        NotInStore: The store lacks the variant of a feature though it has that of one of its
            inputs, or has it of none of the features.
    """
    specs = [entry.spec for entry in snapshot.features.values()]
    known = sorted({spec.variant for spec in specs} - {0})
    for entry in snapshot.fitted.values():
        specs += entry.by_variant.values()
    variant_of = {spec.name: spec.variant for spec in specs}
    names = {}
    for name in features:
        augmented = name if variant_of.get(name) else variant_name(name, variant)
        names[name] = augmented if variant and augmented in variant_of else name
        if not variant or augmented in variant_of:
            continue
        for need in _made_from(snapshot, name):
            if variant_name(need, variant) in variant_of:
                raise NotInStore(
                    f"the store has no {augmented}, though {need}, which {name} is made from, "
                    f"has the variant {variant}; build with variants.{variant} in the recipe and "
                    f"fit again, or leave out {name} or the variant"
                )
    if variant and all(name == stored for name, stored in names.items()):
        raise NotInStore(
            f"the store has no variant {variant!r} of {', '.join(names)}; the "
            f"variants of its features are {', '.join(map(str, known)) or 'none'}"
        )
    return names


def _made_from(snapshot: Snapshot, name: str) -> Iterator[str]:
    """The features that one is made from, directly or not."""
    needs = []
    if name in snapshot.fitted:
        needs = list(snapshot.fitted[name].inputs.values())
    elif name in snapshot.features:  # which knows its inputs by their fingerprints
        keys, stored = snapshot.features[name].spec.needs, snapshot.features.items()
        needs = [other for other, entry in stored if entry.spec.fingerprint in keys]
    for need in needs:
        yield need
        yield from _made_from(snapshot, need)
