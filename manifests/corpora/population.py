"""How much of each class a corpus has, by subject where that is known.

The counts of a paper or of a table can arise from no more. Labels are the words of the corpus's
main label scheme.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray


class UnknownFilter(ValueError):
    """A population is asked for that the corpus does not have; the message says what there is."""


@dataclass(frozen=True)
class CorpusPart:
    """The part of a corpus that a paper uses; without filters, all of it."""

    modality: tuple[str, ...] = ()
    """Renderings; none: all."""
    channel: tuple[str, ...] = ()
    """Such as speech or song; none: all."""
    singers_only: bool = False
    """Without the subjects who did not sing."""

    @property
    def words(self) -> list[str]:
        """The filters, each in words."""
        filters = [" + ".join(some) for some in (self.modality, self.channel) if some]
        return [*filters, "without the actor who did not sing"] if self.singers_only else filters


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
    """Who speaks or is shown."""
    subjects_are_people: bool = True
    """False where subjects are names in a script."""
    often_merged: Mapping[str, str] = field(default_factory=dict)
    """Label -> the label that it is often counted as, where it is not told apart."""

    @property
    def clips(self) -> int:
        """Number of clips."""
        return sum(self.classes.values())

    @property
    def files(self) -> int:
        """Number of files of all renderings."""
        return self.clips * self.renderings

    def label(self, word: str) -> str | None:
        """The corpus's own word for a label.

        Args:
            word: Any spelling of a label or of one of its aliases.

        Returns:
            The label; None for a word that is none.
        """
        plain = word.strip().casefold()
        return plain if plain in self.classes else self.aliases.get(plain)

    def files_of(self, word: str, beside: Collection[str] = ()) -> int | None:
        """Number of files of one label, all renderings.

        Args:
            word: As `label` takes it.
            beside: All words that are used with it. A label that is often counted as this one, and
                that none of them means, is counted as it.

        Returns:
            The number; None for an unknown label.
        """
        label = self.label(word)
        if label is None:
            return None
        used = {self.label(other) for other in beside}
        merged = (
            self.classes[other]
            for other, into in self.often_merged.items()
            if beside and into == label and other not in used
        )
        return (self.classes[label] + sum(merged)) * self.renderings

    def merged(self, groups: Mapping[str, Sequence[str]]) -> "Population":
        """Makes new labels of the population's.

        Args:
            groups: New label -> the labels that it stands for; labels in no group are left out.

        Returns:
            The clips under their new labels, which have no aliases.

        Raises:
            UnknownFilter: A label is not there.
        """
        unknown = sorted(
            {label for labels in groups.values() for label in labels} - self.classes.keys()
        )
        if unknown:
            raise UnknownFilter(
                f"{self.corpus} has no label {unknown[0]!r}; it has {', '.join(self.classes)}"
            )
        classes = {
            name: sum(self.classes[label] for label in labels) for name, labels in groups.items()
        }
        cells = self.cells
        if cells is not None:
            column_of = {label: number for number, label in enumerate(self.classes)}
            columns = [[column_of[label] for label in labels] for labels in groups.values()]
            cells = np.stack([cells[:, some].sum(axis=1) for some in columns], axis=1)
        return replace(self, classes=classes, cells=cells, aliases={}, often_merged={})

    def most(self, subjects: int, label: str | None = None) -> int | None:
        """The most clips that so many subjects can have.

        Args:
            subjects: Number of subjects.
            label: The only label to count; None for all.

        Returns:
            The number of clips; None where subjects are not counted.
        """
        if self.cells is None:
            return None
        each, there = self.cells.sum(axis=1), self.clips
        if label is not None:
            each, there = self.cells[:, list(self.classes).index(label)], self.classes[label]
        return min(int(np.sort(each)[::-1][:subjects].sum()), there)
