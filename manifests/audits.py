"""Audits: what is wrong with a split, as rows that a reviewer can quote."""

from dataclasses import dataclass
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
    HELD = "held"
    """Judged, and nothing found."""


@dataclass(frozen=True)
class Finding:
    """What one rule says of one fold."""

    rule: str
    """L1 to L16."""
    severity: str
    """error, warn, info, not_judged, held."""
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

    @property
    def examples(self) -> list[str]:
        """The example ids, each by itself."""
        return self.example_ids.split("\n") if self.example_ids else []


AUDITS = Table("audits", Finding, key=("rule", "scheme", "fold", "what"))
