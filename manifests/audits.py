"""Audits: what is wrong with a split, as rows that a reviewer can quote."""

from dataclasses import dataclass, fields
from enum import StrEnum

from manifests.table import Table

ALL_FOLDS = -1
"""`Finding.fold` where the finding holds for every fold of the scheme, or is about no fold."""


class Severity(StrEnum):
    """How grave a finding is, the gravest first."""

    ERROR = "error"
    """Results on this split say less than they claim."""
    WARN = "warn"
    """A reviewer will ask; the split may still be what was wanted."""
    INFO = "info"
    """Unavoidable with this corpus, or harmless; said, so that nobody has to find it."""
    NOT_JUDGED = "not_judged"
    """The table lacks what the rule needs."""
    PARTLY_JUDGED = "partly_judged"
    """Nothing found in what could be judged; the rest could not."""
    HELD = "held"
    """All of it judged, and nothing found."""


@dataclass(frozen=True)
class Coverage:
    """How many rows of the train, valid and test sides a rule could judge, and how many not."""

    judged: tuple[int, int, int]
    unjudged: tuple[int, int, int]

    def __add__(self, other: "Coverage") -> "Coverage":
        """The rows of both, as of two folds."""
        return Coverage(
            tuple(map(sum, zip(self.judged, other.judged, strict=True))),  # type: ignore[arg-type]
            tuple(map(sum, zip(self.unjudged, other.unjudged, strict=True))),  # type: ignore[arg-type]
        )

    @property
    def is_whole(self) -> bool:
        """Every row was judged."""
        return not any(self.unjudged)


@dataclass(frozen=True)
class Finding:
    """What one rule says of one fold."""

    rule: str
    """L1 and so on."""
    severity: str
    """error, warn, info, not_judged, partly_judged, held."""
    scheme: str
    fold: int
    """Number of the fold; ALL_FOLDS for all."""
    what: str
    """Which part of the rule: the unit that is shared, or the sides that share it."""
    count: int
    """How many units are at fault: subjects, episodes, pairs, clips, as `what` says."""
    example_ids: str
    """Up to five, one a line."""
    detail: str
    """A sentence that can be quoted."""
    judged_train: int | None = None
    """Training rows that the rule could judge, those of all folds that the finding is about taken
    together; None for a paper's numbers, and in tables of older versions."""
    judged_valid: int | None = None
    judged_test: int | None = None
    unjudged_train: int | None = None
    """Training rows that lack what the rule needs."""
    unjudged_valid: int | None = None
    unjudged_test: int | None = None
    verdict: str | None = None
    """Of the scheme: what all its findings come to, such as LEAKS or HOLDS."""

    @property
    def coverage(self) -> Coverage | None:
        """The rows that were judged and not; None where nobody counted them."""
        judged = (self.judged_train, self.judged_valid, self.judged_test)
        unjudged = (self.unjudged_train, self.unjudged_valid, self.unjudged_test)
        if None in (*judged, *unjudged):
            return None
        return Coverage(judged, unjudged)  # type: ignore[arg-type]

    @property
    def examples(self) -> list[str]:
        """The example ids, each by itself."""
        return self.example_ids.split("\n") if self.example_ids else []


AUDITS = Table(
    "audits",
    Finding,
    key=("rule", "scheme", "fold", "what"),
    later=tuple(column.name for column in fields(Finding) if column.default is None),
)
