"""What a paper prints: its claims, and shares as they are printed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from typing import TypeVar

import numpy as np

from manifests.audit.errors import WrongPaper
from manifests.audit.populations import population
from manifests.corpora.population import CorpusPart, Population

Fact = TypeVar("Fact")

MOST_CLIPS = 20000
"""Test sets up to this size are tried."""


@dataclass(frozen=True)
class PrintedShare:
    """A share as it was printed, such as `94.89 %` or `0.89834`.

    What it stands for lies within half a unit of its last digit.
    """

    text: str
    value: float
    """Between 0 and 1."""
    half: float
    """Half a unit of the last digit, as a share."""

    @staticmethod
    def parse(text: str) -> "PrintedShare":
        """Reads a share.

        Args:
            text: As printed, a percentage or a fraction.

        Returns:
            The share.

        Raises:
            WrongPaper: The text is no share.
        """
        found = re.fullmatch(r"([0-9]*)\.?([0-9]*)\s*(%?)", text.strip())
        if not found or not (found[1] or found[2]):
            raise WrongPaper(
                f"{text!r} is no share; expected it as printed, in quotes, such as '94.89 %' or "
                "'0.89834'"
            )
        scale = 100 if found[3] else 1
        return PrintedShare(
            text.strip(),
            float(f"{found[1] or 0}.{found[2] or 0}") / scale,
            0.5 * 10.0 ** -len(found[2]) / scale,
        )

    @property
    def low(self) -> float:
        """The least value that is printed so."""
        return self.value - self.half

    @property
    def high(self) -> float:
        """The greatest value that is printed so."""
        return self.value + self.half

    def meets(self, value: float) -> bool:
        """Says whether a value would have been printed so.

        Args:
            value: The exact share, between 0 and 1.

        Returns:
            True within half a unit of the last digit.
        """
        return abs(value - self.value) <= self.half * (1 + 1e-9) + 1e-12

    def write(self, value: float) -> str:
        """Writes a value in the same form, with the same number of digits.

        Args:
            value: The exact share, between 0 and 1.

        Returns:
            The text.
        """
        scale, unit = (100, " %") if self.text.endswith("%") else (1, "")
        digits = len(self.text.rstrip("% ").partition(".")[2])
        exact = Decimal(f"{value * scale:.9f}")  # halves are rounded up, as people do
        return f"{exact.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)}{unit}"


@dataclass(frozen=True)
class Claim:
    """What one passage or table says.

    Each field is a printed fact; leave out what is not printed.
    """

    where: str
    """Table, figure or section."""
    corpus: str
    modality: tuple[str, ...] = ()
    """RAVDESS: of full-AV, video-only, audio-only; none: all."""
    channel: tuple[str, ...] = ()
    """RAVDESS: of speech, song; none: both."""
    singers_only: bool = False
    """RAVDESS: without the actor who did not sing."""
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The paper's class -> the corpus's labels in it; none: the corpus's own."""
    quote: str = ""
    """How the split is described, in a few words of the paper."""
    clips: int | None = None
    """Clips of the corpus that are said to be used."""
    test_share: str = ""
    """Part of the clips in the test, as printed."""
    test_subjects: int | None = None
    """Subjects in the test."""
    steps: tuple[str, ...] = ()
    """What is said to have been done: of the keys of `STEPS`."""
    support: Mapping[str, int] = field(default_factory=dict)
    """Class -> test clips."""
    matrix: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Class -> its row of the confusion matrix, columns in the order of the rows."""
    recalls: Mapping[str, str] = field(default_factory=dict)
    """Class -> share found, as printed."""
    precisions: Mapping[str, str] = field(default_factory=dict)
    """Class -> precision, as printed."""
    f1: Mapping[str, str] = field(default_factory=dict)
    """Class -> F1, as printed."""
    macro: Mapping[str, str] = field(default_factory=dict)
    """`precision`, `recall`, `f1` -> its plain mean over the classes, as printed."""
    weighted: Mapping[str, str] = field(default_factory=dict)
    """The same, weighed by the support."""
    averages: Mapping[str, str] = field(default_factory=dict)
    """What it is called -> an accuracy of the predictions that the recalls are of, whatever way it
    is averaged, as printed."""
    test_clips: int | None = None
    """Clips in the test, where no class is counted."""
    correct: Mapping[str, int] = field(default_factory=dict)
    """Class -> clips found."""
    accuracies: tuple[str, ...] = ()
    """As printed, all on the same test; the first is the one that the other numbers of this claim
    belong to."""

    @property
    def part(self) -> CorpusPart:
        """The part of the corpus that the claim is about."""
        return CorpusPart(self.modality, self.channel, self.singers_only)

    @cached_property
    def population(self) -> Population:
        """The clips that the claim is about, in the paper's own classes."""
        clips = population(self.corpus, self.part)
        return clips.merged(self.classes) if self.classes else clips

    @cached_property
    def counts(self) -> dict[str, int]:
        """Class -> test clips, from the support or the rows of the matrix."""
        printed = dict(self.support) or {label: sum(row) for label, row in self.matrix.items()}
        return self.labelled(printed)

    @cached_property
    def share(self) -> PrintedShare | None:
        """Part of the clips in the test; None where it is not printed."""
        return PrintedShare.parse(self.test_share) if self.test_share else None

    @cached_property
    def printed_recalls(self) -> dict[str, PrintedShare]:
        """Class -> share found."""
        return self.shares(self.recalls)

    def shares(self, printed: Mapping[str, str]) -> dict[str, PrintedShare]:
        """Shares of classes under the words of the population.

        Args:
            printed: Class, as this claim writes it -> share, as printed.

        Returns:
            Class of the population -> share.

        Raises:
            WrongPaper: A class is none of the population's, or a text is no share.
        """
        return self.labelled({word: PrintedShare.parse(text) for word, text in printed.items()})

    def labelled(self, facts: Mapping[str, Fact]) -> dict[str, Fact]:
        """Facts about classes under the words of the population.

        Args:
            facts: Class, as this claim writes it -> fact.

        Returns:
            Class of the population -> fact.

        Raises:
            WrongPaper: A class is none of the population's.
        """
        return {self.label(word): fact for word, fact in facts.items()}

    def label(self, word: str) -> str:
        """The class that a word means.

        Args:
            word: As the paper writes it.

        Returns:
            The population's own word.

        Raises:
            WrongPaper: The population has no such class.
        """
        known = self.population.label(word)
        if known is None:
            raise WrongPaper(
                f"{self.where}: {word!r} is no class of this claim; expected "
                f"{', '.join(self.population.classes)}"
            )
        return known

    @cached_property
    def nearest_size(self) -> int | None:
        """The size of the test that is nearest to correct / accuracy and that all accuracies allow.

        At it every printed accuracy is a whole number of clips; None where no size up to MOST_CLIPS
        is so.
        """
        near = sum(self.correct.values()) / PrintedShare.parse(self.accuracies[0]).value
        sizes = np.arange(1, MOST_CLIPS + 1)
        possible = np.ones(len(sizes), np.bool_)
        for text in self.accuracies:
            printed = PrintedShare.parse(text)
            low = np.ceil((printed.value - printed.half) * sizes - 1e-9)
            possible &= low <= (printed.value + printed.half) * sizes + 1e-9
        return min(sizes[possible].tolist(), key=lambda size: abs(size - near), default=None)


@dataclass(frozen=True)
class Paper:
    """A paper's printed numbers."""

    name: str
    """Short, as findings name it."""
    title: str
    claims: tuple[Claim, ...]
