"""The words of an audit: how grave, what was seen, and what a rule is."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from manifests.audit.listing import Sides


class Severity(StrEnum):
    ERROR = "error"
    """Results on this split say less than they claim."""
    WARN = "warn"
    """A reviewer will ask; the split may still be what was wanted."""
    INFO = "info"
    """Unavoidable with this corpus, or harmless; told, so that nobody has to find it."""
    NOT_JUDGED = "not_judged"
    """The table lacks what the rule needs."""
    HELD = "held"
    """Judged, and nothing found."""


_GRAVITY = (Severity.ERROR, Severity.WARN, Severity.INFO)


@dataclass(frozen=True)
class Seen:
    """What a rule counted; `count` 0 says that it looked and found nothing."""

    what: str
    count: int
    detail: str
    examples: tuple[str, ...] = ()
    severity: Severity | None = None
    """None: the rule's own for the corpus."""
    minor: bool = False
    """It touches how a model was chosen, not what is reported: at most a warning."""


@dataclass(frozen=True)
class Unjudged:
    why: str


Check = Callable[[Sides], Iterator[Seen | Unjudged]]


@dataclass(frozen=True)
class Rule:
    title: str
    """What a finding of this rule is, in words."""
    check: Check
    severity: Severity
    by_corpus: Mapping[str, Severity] = field(default_factory=dict)
    """Where it differs from `severity`."""

    def severity_of(self, seen: Seen, corpora: Sequence[str]) -> Severity:
        """The gravest that holds for one of the corpora."""
        if seen.severity is not None:
            return seen.severity
        own = min(
            (self.by_corpus.get(corpus, self.severity) for corpus in corpora),
            key=_GRAVITY.index,
            default=self.severity,
        )
        return Severity.WARN if seen.minor and own == Severity.ERROR else own
