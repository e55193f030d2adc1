"""What a rule of the audit yields, and what a rule is."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from manifests.audit.fold_view import Bools, FoldView
from manifests.audits import Severity


@dataclass(frozen=True)
class Observation:
    """What a rule counted in one fold.

    A `count` of 0 says that it looked and found nothing, as far as the fold has what it needs.
    """

    what: str
    """Which part of the rule: the unit that is shared, or the sides that share it."""
    count: int
    """How many units are at fault."""
    detail: str
    """A sentence that can be quoted."""
    examples: tuple[str, ...] = ()
    """Up to five ids."""
    severity: Severity | None = None
    """None: the rule's own for the corpus."""
    minor: bool = False
    """It touches how a model was chosen, not what is reported: at most a warning."""
    known: Bools | None = field(default=None, compare=False)
    """(row,) The rows of the fold that have what is looked at; None for all."""
    needs: str = "what this looks at"
    """What these rows have, in words: a subject."""
    sides: tuple[int, ...] = ()
    """Sides that must each have such a row, or nothing was judged; none: any row will do."""
    units: tuple[str, Mapping[int, int]] | None = None
    """What was compared, and how many of them a side has: (subjects, {TRAIN: 57, TEST: 19})."""


@dataclass(frozen=True)
class NotJudged:
    """Why a rule could not judge a fold, or a part of what it looks at."""

    why: str


Judgement = Observation | NotJudged


@dataclass(frozen=True)
class Rule:
    """One rule of the audit."""

    title: str
    """What a finding of this rule is, in words."""
    check: Callable[[FoldView], Iterator[Judgement]]
    """Judges one fold."""
    severity: Severity
    """Of a finding, unless the finding has its own or the corpus another."""
    about: str
    """What is wrong where it finds something, to someone who has met no such split."""
    example: str
    """One split that it finds."""
    advice: str
    """What to do about a finding."""
