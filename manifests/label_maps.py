"""Label maps: what a label space is, and labels brought into one.

The spaces that there are stand in `manifests.label_spaces`.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from manifests.labels import Label

DROPPED = None
"""The label has no counterpart in the space."""


class UnmappedLabel(ValueError):
    """A scheme that a space reads has a value that the space does not know."""


@dataclass(frozen=True)
class LabelSpace:
    """A set of classes, and which labels of which schemes mean them.

    Raises:
        ValueError: A map leads to a class that the space does not have.
    """

    name: str
    values: tuple[str, ...]
    """The classes in their order."""
    sources: Mapping[str, Mapping[str, str | None]]
    """Scheme -> value in it -> value in this space, or DROPPED."""

    def __post_init__(self) -> None:
        for scheme, mapping in self.sources.items():
            unknown = sorted(set(mapping.values()) - {*self.values, DROPPED}, key=str)
            if unknown:
                raise ValueError(
                    f"the space {self.name} has no class {unknown[0]!r}, to which it maps "
                    f"{scheme}; it has {self.values}"
                )

    @cached_property
    def sha256(self) -> str:
        """Hash of name, classes and maps; another hash is another space, whatever its name."""
        sources = {scheme: dict(mapping) for scheme, mapping in self.sources.items()}
        text = json.dumps([self.name, self.values, sources], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def own_space(
    name: str, scheme: str, values: str, dropped: str = "", merged: Mapping[str, str] | None = None
) -> LabelSpace:
    """Makes a space of one corpus, which reads one scheme.

    Args:
        name: Name of the space.
        scheme: The label scheme that it reads.
        values: Values of the scheme that are classes, separated by blanks.
        dropped: Values that have no counterpart.
        merged: Value -> the class that it counts as.

    Returns:
        The space.
    """
    classes = tuple(values.split())
    mapping: dict[str, str | None] = {value: value for value in classes}
    mapping |= dict.fromkeys(dropped.split(), DROPPED) | dict(merged or {})
    return LabelSpace(name, classes, {scheme: mapping})


def map_labels(labels: Iterable[Label], space: LabelSpace) -> list[Label]:
    """Brings labels into a space.

    Labels of schemes that the space does not read, and dropped ones, are left out. Values of one
    annotator that fall together add their weights; what is left after a drop keeps its share of all
    votes and is not scaled up.

    Args:
        labels: Labels of any schemes.
        space: The space.

    Returns:
        The labels, sorted: the scheme is the space's name, the annotator is kept.

    Raises:
        UnmappedLabel: A value is not known to the space.
    """
    weights: dict[tuple[str, str, str], float] = {}
    for label in labels:
        mapping = space.sources.get(label.scheme)
        if mapping is None:
            continue
        if label.value not in mapping:
            raise UnmappedLabel(
                f"the label {label.value!r} of {label.clip_id} is not among those that "
                f"{space.name} reads of {label.scheme}"
                f" ({', '.join(mapping)}); map it or mend the label"
            )
        value = mapping[label.value]
        if value is not DROPPED:
            key = label.clip_id, label.annotator, value
            weights[key] = weights.get(key, 0.0) + label.weight
    return [
        Label(clip_id, space.name, annotator, value, weight)
        for (clip_id, annotator, value), weight in sorted(weights.items())
    ]
