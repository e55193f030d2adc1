"""Label spaces: which labels of which corpus mean the same, as data.

A space maps every value of the schemes that it reads to one of its own values, or drops it. Two
decisions that papers leave open are made here and stand in the hash: RAVDESS's calm counts as
neutral wherever there is no calm, and IEMOCAP's excited as happy wherever there is no excited.
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
    """`sources`: scheme -> value in it -> value in this space, or DROPPED."""

    name: str
    values: tuple[str, ...]
    """The classes in their order."""
    sources: Mapping[str, Mapping[str, str | None]]

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
        content = [
            self.name,
            self.values,
            {scheme: dict(mapping) for scheme, mapping in self.sources.items()},
        ]
        return hashlib.sha256(
            json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
        ).hexdigest()


def map_labels(labels: Iterable[Label], space: LabelSpace) -> list[Label]:
    """Labels in the space, sorted: the scheme is the space's name, the annotator is kept.

    Labels of schemes that the space does not read, and dropped ones, are left out. Values of one
    annotator that fall together add their weights; what is left after a drop keeps its share of all
    votes and is not scaled up. UnmappedLabel for a value that is not known.
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


_COMMON = ("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised")
"""RAVDESS's words; the first four have enough clips in every corpus, and CREMA-D has no surprise.
"""
_MEANING: dict[str, dict[str, str | None]] = {
    "ravdess8": {
        "neutral": "neutral",
        "calm": "neutral",
        "happy": "happy",
        "sad": "sad",
        "angry": "angry",
        "fearful": "fearful",
        "disgust": "disgust",
        "surprised": "surprised",
    },
    "cremad6": {
        "angry": "angry",
        "disgust": "disgust",
        "fearful": "fearful",
        "happy": "happy",
        "neutral": "neutral",
        "sad": "sad",
    },
    "iemocap": {
        "ang": "angry",
        "dis": "disgust",
        "exc": "happy",
        "fea": "fearful",
        "fru": DROPPED,
        "hap": "happy",
        "neu": "neutral",
        "oth": DROPPED,
        "sad": "sad",
        "sur": "surprised",
        "xxx": DROPPED,
    },
    "meld7": {
        "anger": "angry",
        "disgust": "disgust",
        "fear": "fearful",
        "joy": "happy",
        "neutral": "neutral",
        "sadness": "sad",
        "surprise": "surprised",
    },
}
"""Main scheme of each corpus -> all its values -> the word that corpora share."""


def _common(classes: int) -> LabelSpace:
    """The first words that corpora share, read from every corpus; all others are dropped."""
    return _shared(f"common{classes}", _COMMON[:classes], tuple(_MEANING))


def _shared(name: str, words: tuple[str, ...], schemes: tuple[str, ...]) -> LabelSpace:
    """Some of the words that corpora share, read from some of their schemes; all others are
    dropped."""
    meanings = {scheme: _MEANING[scheme].items() for scheme in schemes}
    return LabelSpace(
        name,
        words,
        {
            scheme: {value: word if word in words else DROPPED for value, word in meaning}
            for scheme, meaning in meanings.items()
        },
    )


def _own(
    name: str, scheme: str, values: str, dropped: str = "", merged: Mapping[str, str] | None = None
) -> LabelSpace:
    """A space of one corpus: each value of the scheme is a class, dropped, or merged into a class.

    `dropped`: the values of the scheme that have no counterpart.
    """
    classes = tuple(values.split())
    kept: dict[str, str | None] = {value: value for value in classes}
    return LabelSpace(
        name, classes, {scheme: kept | dict.fromkeys(dropped.split(), DROPPED) | dict(merged or {})}
    )


_ALL = (
    _common(4),
    _common(6),
    _common(7),
    _own("ravdess8", "ravdess8", "neutral calm happy sad angry fearful disgust surprised"),
    _own(
        "ravdess7",
        "ravdess8",
        "neutral happy sad angry fearful disgust surprised",
        merged={"calm": "neutral"},
    ),
    _own("cremad6", "cremad6", "angry disgust fearful happy neutral sad"),
    _own("iemocap4", "iemocap", "ang hap neu sad", "dis fea fru oth sur xxx", {"exc": "hap"}),
    _own("iemocap6", "iemocap", "ang exc fru hap neu sad", "dis fea oth sur xxx"),
    _own("meld7", "meld7", "anger disgust fear joy neutral sadness surprise"),
    _own("meld3", "meld3", "negative neutral positive"),
    # The three that Kirar et al. 2024 tell apart, in MELD; and in RAVDESS, so that the sample
    # corpus has them.
    _shared("kirar3", ("happy", "sad", "surprised"), ("meld7", "ravdess8")),
)

SPACES: dict[str, LabelSpace] = {space.name: space for space in _ALL}
"""Label spaces by name. Those of one corpus are called as in its literature; the common ones read
the main scheme of every corpus."""
