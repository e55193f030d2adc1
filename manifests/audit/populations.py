"""How much of each class every corpus holds, by subject where that is known: what counts in a paper
or a table can arise from.

Labels are the words of the corpora's main label schemes. RAVDESS is enumerated from its naming
rule; the others' totals are counted from their published tables (CREMA-D's file list, MELD's three
tables, IEMOCAP's EmoEvaluation lines).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from manifests.corpora.cremad import ACTORS as CREMAD_ACTORS
from manifests.corpora.cremad import EMOTIONS as CREMAD_EMOTIONS
from manifests.corpora.cremad import LEVELS, SENTENCES, NotACremadName
from manifests.corpora.cremad import parse as parse_cremad
from manifests.corpora.ravdess import (
    ACTORS,
    CHANNELS,
    EMOTIONS,
    MODALITIES,
    NEVER_SANG,
    NotARavdessName,
    RavdessName,
    parse,
)


class UnknownFilter(ValueError):
    """A population is asked for that the corpus does not have; the message says what there is."""


@dataclass(frozen=True)
class Population:
    """Clips of one corpus, or of a part of it."""

    corpus: str
    classes: Mapping[str, int]
    """Label -> clips."""
    cells: NDArray[np.int64] | None
    """(subject, label) the most clips there can be, in the order of `classes`; None where subjects
    are not counted."""
    renderings: int = 1
    """Files that each of these clips is published in, at most."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Other words for the labels -> label."""
    subjects: int = 0
    """Who is heard or seen; in MELD, names in the script."""

    @property
    def clips(self) -> int:
        return sum(self.classes.values())

    @property
    def files(self) -> int:
        """Of all renderings."""
        return self.clips * self.renderings

    def label(self, word: str) -> str | None:
        """The corpus's own word; None for a word that is none of its labels."""
        plain = word.strip().casefold()
        if plain in self.classes:
            return plain
        return self.aliases.get(plain)

    def files_of(self, word: str) -> int | None:
        """Files of one label, all renderings; None for an unknown label."""
        label = self.label(word)
        return None if label is None else self.classes[label] * self.renderings

    def merged(self, groups: Mapping[str, Sequence[str]]) -> "Population":
        """New label -> the labels it stands for; labels in no group are left out. UnknownFilter for
        a label that is not there."""
        unknown = sorted(
            {label for labels in groups.values() for label in labels} - self.classes.keys()
        )
        if unknown:
            raise UnknownFilter(
                f"{self.corpus} has no label {unknown[0]!r}; it has {', '.join(self.classes)}"
            )
        at = {label: number for number, label in enumerate(self.classes)}
        cells = None
        if self.cells is not None:
            cells = np.stack(
                [
                    self.cells[:, [at[label] for label in labels]].sum(axis=1)
                    for labels in groups.values()
                ],
                axis=1,
            )
        classes = {
            name: sum(self.classes[label] for label in labels) for name, labels in groups.items()
        }
        return Population(self.corpus, classes, cells, self.renderings, subjects=self.subjects)

    def most(self, subjects: int, label: str | None = None) -> int | None:
        """The most clips (of one label) that so many subjects can have; None where subjects are not
        counted."""
        if self.cells is None:
            return None
        each = (
            self.cells.sum(axis=1)
            if label is None
            else self.cells[:, list(self.classes).index(label)]
        )
        most = int(np.sort(each)[::-1][:subjects].sum())
        return min(most, self.clips if label is None else self.classes[label])


_RAVDESS_FILTERS = {"modality": MODALITIES, "channel": CHANNELS}


@cache
def _ravdess_names() -> tuple[RavdessName, ...]:
    """Every name that the rule allows: 7,356."""
    fields = product(
        range(1, 4),
        range(1, 3),
        range(1, 9),
        range(1, 3),
        range(1, 3),
        range(1, 3),
        range(1, ACTORS + 1),
    )
    names = []
    for codes in fields:
        try:
            names.append(parse("-".join(f"{code:02d}" for code in codes)))
        except NotARavdessName:
            continue
    return tuple(names)


def ravdess(
    modality: Iterable[str] = MODALITIES,
    channel: Iterable[str] = CHANNELS,
    singers_only: bool = False,
) -> Population:
    """RAVDESS by its naming rule. `singers_only`: without the actor who did not sing.

    Speech clips with sound and picture: 1,440. With song: 2,452. Speech with picture, sound or not:
    2,880; with song 4,904, of which 4,784 by the 23 actors who sang.
    """
    wanted = set(modality), set(channel)
    for given, (kind, known) in zip(wanted, _RAVDESS_FILTERS.items(), strict=True):
        if not given <= set(known):
            raise UnknownFilter(
                f"{sorted(given - set(known))[0]!r} is no {kind} of RAVDESS; there are "
                f"{', '.join(known)}"
            )
    cells = np.zeros((ACTORS, len(EMOTIONS)), np.int64)
    for name in _ravdess_names():
        if (
            name.modality in wanted[0]
            and name.channel in wanted[1]
            and not (singers_only and name.actor == NEVER_SANG)
        ):
            cells[name.actor - 1, EMOTIONS.index(name.emotion)] += 1
    cells = cells[cells.sum(axis=1) > 0]
    classes = dict(zip(EMOTIONS, cells.sum(axis=0).tolist(), strict=True))
    aliases = {
        "fear": "fearful",
        "surprise": "surprised",
        "disgusted": "disgust",
        "happiness": "happy",
        "anger": "angry",
        "sadness": "sad",
    }
    aliases |= {f"{number:02d}": emotion for number, emotion in enumerate(EMOTIONS, 1)}
    return Population(
        "ravdess",
        {label: count for label, count in classes.items() if count},
        _dense(cells),
        aliases=aliases,
        subjects=len(cells),
    )


def _dense(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    return cells[:, cells.sum(axis=0) > 0]


@cache
def cremad() -> Population:
    """CREMA-D: 7,442 takes. An actor without a gap has 82, and five have fewer: cells are of the
    full 82, so bounds from above."""
    full = np.zeros(len(CREMAD_EMOTIONS), np.int64)
    for number, emotion in enumerate(CREMAD_EMOTIONS):
        for sentence, level in product(SENTENCES, LEVELS):
            full[number] += _is_cremad(f"1001_{sentence}_{emotion}_{level}")
    words = list(CREMAD_EMOTIONS.values())
    classes = {word: 1087 if word == "neutral" else 1271 for word in words}
    aliases = {code.casefold(): word for code, word in CREMAD_EMOTIONS.items()}
    aliases |= {
        "anger": "angry",
        "fear": "fearful",
        "happiness": "happy",
        "sadness": "sad",
        "disgusted": "disgust",
    }
    return Population(
        "cremad", classes, np.tile(full, (len(CREMAD_ACTORS), 1)), 3, aliases, len(CREMAD_ACTORS)
    )


def _is_cremad(stem: str) -> bool:
    try:
        return parse_cremad(stem).stem == stem
    except NotACremadName:
        return False


_MELD = {
    "neutral": 6436,
    "joy": 2308,
    "surprise": 1636,
    "anger": 1607,
    "sadness": 1002,
    "disgust": 361,
    "fear": 358,
}
_MELD_ALIASES = {
    "happy": "joy",
    "sad": "sadness",
    "angry": "anger",
    "surprised": "surprise",
    "fearful": "fear",
}
_IEMOCAP = {
    "fru": 1849,
    "neu": 1708,
    "ang": 1103,
    "sad": 1084,
    "exc": 1041,
    "hap": 595,
    "sur": 107,
    "fea": 40,
    "oth": 3,
    "dis": 2,
    "xxx": 2507,
}
_IEMOCAP_ALIASES = {
    "frustration": "fru",
    "frustrated": "fru",
    "neutral": "neu",
    "anger": "ang",
    "angry": "ang",
    "sadness": "sad",
    "excited": "exc",
    "excitement": "exc",
    "happy": "hap",
    "happiness": "hap",
    "surprise": "sur",
    "surprised": "sur",
    "fear": "fea",
    "fearful": "fea",
    "other": "oth",
    "disgust": "dis",
}


POPULATIONS: dict[str, Population] = {
    # As takes: each is published with sound and picture, without sound, and as sound alone.
    "ravdess": Population(
        "ravdess", ravdess(["full-AV"]).classes, None, 3, ravdess().aliases, ACTORS
    ),
    "cremad": cremad(),
    "meld": Population("meld", _MELD, None, 1, _MELD_ALIASES, 304),
    "iemocap": Population("iemocap", _IEMOCAP, None, 1, _IEMOCAP_ALIASES, 10),
}
"""Whole corpora, by name."""


def population(
    corpus: str,
    modality: Iterable[str] = (),
    channel: Iterable[str] = (),
    singers_only: bool = False,
) -> Population:
    """A corpus, or the part of RAVDESS that the filters name. UnknownFilter for what there is
    not."""
    if corpus == "ravdess":
        return ravdess(tuple(modality) or MODALITIES, tuple(channel) or CHANNELS, singers_only)
    if corpus not in POPULATIONS:
        raise UnknownFilter(
            f"the counts of the corpus {corpus!r} are not known; those of "
            f"{', '.join(POPULATIONS)} are"
        )
    if tuple(modality) or tuple(channel) or singers_only:
        raise UnknownFilter(
            f"modality, channel and singers_only are filters of ravdess; {corpus} is taken whole"
        )
    return POPULATIONS[corpus]
