"""Every rule on every fold of a listing, as findings."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from manifests.audit.catalog import RULES
from manifests.audit.fold_view import Bools, FoldView
from manifests.audit.listing import ROLES, TRAIN, Listing
from manifests.audit.observations import NotJudged, Observation
from manifests.audit.verdicts import verdicts_of
from manifests.audits import ALL_FOLDS, Coverage, Finding, Severity
from manifests.corpora.catalog import CORPORA
from manifests.visible import shortened

_GRAVITY = (Severity.ERROR, Severity.WARN, Severity.INFO)
_COUNTS = tuple(f"{what}_{role}" for what in ("judged", "unjudged") for role in ROLES)
"""Columns of AUDITS that count rows."""
_MOST = 2000
"""Characters of a detail or an example: the longest that rules write have a few hundred."""
_NO_ROWS = Coverage((0, 0, 0), (0, 0, 0))


@dataclass
class _Outcome:
    """What one rule says of one fold."""

    faults: list[Finding]
    judged: list[Observation] = field(default_factory=list)
    """Those that looked and found nothing."""
    reasons: list[str] = field(default_factory=list)
    """Why some of it could not be judged at all."""
    lacking: dict[str, Coverage] = field(default_factory=dict)
    """What some rows lack -> the rows that have it and those that do not."""
    coverage: Coverage = _NO_ROWS

    @property
    def is_whole(self) -> bool:
        """Everything was judged that the rule looks at."""
        return bool(self.judged) and not self.reasons and not self.lacking


def audit(listing: Listing) -> list[Finding]:
    """Judges every fold of a listing by every rule.

    A rule that holds, or cannot be judged, in all folds of a scheme gives one finding for the
    scheme; so each rule is accounted for. Each finding bears the verdict on its scheme.

    Args:
        listing: The clips and folds of a table or a store.

    Returns:
        The findings, sorted as AUDITS is.
    """
    findings: list[Finding] = []
    faultless: dict[tuple[str, str], list[_Outcome]] = {}
    folds: Counter[str] = Counter()
    for fold in listing.folds:
        view = FoldView(listing, fold)
        folds[view.scheme] += 1
        for rule in RULES:
            outcome = _judge(rule, view)
            findings += outcome.faults
            if not outcome.faults:
                faultless.setdefault((rule, view.scheme), []).append(outcome)
    findings = [*_once(findings, folds)]
    findings += [
        _without_fault(rule, scheme, outcomes, folds[scheme])
        for (rule, scheme), outcomes in faultless.items()
    ]
    answers = {one.scheme: str(one.answer) for one in verdicts_of(findings)}
    findings = [replace(one, verdict=answers[one.scheme]) for one in findings]
    return sorted(findings, key=sort_key)


def sort_key(finding: Finding) -> tuple[str, str, int, str]:
    """The place of a finding in the order of the table AUDITS.

    Args:
        finding: Any finding.

    Returns:
        Its values in the key columns of AUDITS.
    """
    return finding.rule, finding.scheme, finding.fold, finding.what


def finding_of(
    rule: str,
    severity: Severity,
    scheme: str,
    fold: int,
    observation: Observation,
    coverage: Coverage | None = None,
) -> Finding:
    """An observation as a row of the table AUDITS.

    Args:
        rule: Number of the rule, such as `L1`.
        severity: How grave it is.
        scheme: Name of the split scheme, or of the paper.
        fold: Number of the fold; ALL_FOLDS for all.
        observation: What was counted.
        coverage: The rows that were judged and not; None where there are no rows.

    Returns:
        The finding.
    """
    rows = (*coverage.judged, *coverage.unjudged) if coverage else ()
    return Finding(
        rule,
        severity,
        scheme,
        fold,
        observation.what,
        observation.count,
        "\n".join(shortened(one, _MOST) for one in observation.examples),
        shortened(observation.detail, _MOST),
        *rows,
    )


def severity_of(rule: str, observation: Observation, corpora: Sequence[str]) -> Severity:
    """How grave an observation is: the gravest that holds for one of the corpora.

    Args:
        rule: Number of the rule, such as `L1`.
        observation: What was counted.
        corpora: Names of the corpora that the clips are of.

    Returns:
        The observation's own severity where it has one, else the rule's for the corpora; of a
        minor observation at most a warning.
    """
    severity = observation.severity
    if severity is None:
        usual = RULES[rule].severity
        by_corpus = {name: corpus.severities.get(rule, usual) for name, corpus in CORPORA.items()}
        severities = (by_corpus.get(name, usual) for name in corpora)
        severity = min(severities, key=_GRAVITY.index, default=usual)
    return Severity.WARN if observation.minor and severity == Severity.ERROR else severity


def _once(findings: Iterable[Finding], folds: Mapping[str, int]) -> Iterator[Finding]:
    """The findings, what is said in the same words of every fold of a scheme being said once."""
    alike: dict[Finding, list[Finding]] = {}
    for finding in findings:
        uncounted: dict[str, Any] = dict.fromkeys(_COUNTS)
        alike.setdefault(replace(finding, fold=ALL_FOLDS, **uncounted), []).append(finding)
    for of_all, each in alike.items():
        is_of_all = len(each) == folds[of_all.scheme] > 1
        yield from [_with_sums(of_all, each)] if is_of_all else each


def _with_sums(finding: Finding, parts: Sequence[Finding]) -> Finding:
    """The finding with the rows of all its parts."""
    sums: dict[str, Any] = {name: sum(getattr(part, name) for part in parts) for name in _COUNTS}
    return replace(finding, **sums)


def _judge(rule: str, view: FoldView) -> _Outcome:
    """Looks at one fold by one rule."""
    outcome = _Outcome([])
    known = np.ones(len(view.role), np.bool_)
    for observation in RULES[rule].check(view):
        if isinstance(observation, NotJudged):
            outcome.reasons.append(observation.why)
            continue
        coverage = view.coverage(observation.known)
        if observation.count:
            severity = severity_of(rule, observation, view.listing.corpora)
            finding = finding_of(rule, severity, view.scheme, view.fold, observation, coverage)
            outcome.faults.append(finding)
            continue
        if not coverage.is_whole:
            outcome.lacking[observation.needs] = coverage
        if _is_judged(observation, coverage):
            outcome.judged.append(observation)
            known &= _rows(observation, view)
    if not (view.sizes[TRAIN] and view.sizes[view.judged]):
        there = " and ".join(f"{size} {ROLES[at]}" for at, size in enumerate(view.sizes) if size)
        outcome.judged.clear()
        outcome.reasons = [f"there are {there} rows alone; a split has train, and test or valid"]
    if not outcome.judged:
        known[:] = False
    outcome.coverage = view.coverage(known)
    return outcome


def _rows(observation: Observation, view: FoldView) -> Bools:
    return np.ones(len(view.role), np.bool_) if observation.known is None else observation.known


def _is_judged(observation: Observation, coverage: Coverage) -> bool:
    """Whether there were rows to look at, on each side that has to have some."""
    if not observation.sides:
        return any(coverage.judged)
    return all(coverage.judged[side] for side in observation.sides)


def _without(coverage: Coverage) -> str:
    """The rows that could not be judged, such as `27 of 100 train and 3 of 20 test rows`."""
    parts = [
        f"{unjudged} of {judged + unjudged} {role}"
        for role, judged, unjudged in zip(ROLES, coverage.judged, coverage.unjudged, strict=True)
        if unjudged
    ]
    return f"{' and '.join(parts)} rows"


def _without_fault(rule: str, scheme: str, outcomes: Sequence[_Outcome], folds: int) -> Finding:
    """What is said of the folds of a scheme in which a rule found nothing."""
    judged = [one for one in outcomes if one.judged]
    coverage = sum((one.coverage for one in outcomes), _NO_ROWS)
    why = "; ".join(_reasons(outcomes))
    severity, detail = Severity.NOT_JUDGED, f"not judged: {why}"
    if judged:
        where = f" in {len(judged)} of {folds} folds" if folds > 1 else ""
        severity = Severity.HELD
        detail = _nothing_shared(judged, where) or f"nothing found{where} ({RULES[rule].title})"
        if why:
            severity = Severity.PARTLY_JUDGED
            detail += f" as far as is known; in part not judged: {why}"
    return finding_of(rule, severity, scheme, ALL_FOLDS, Observation("", 0, detail), coverage)


def _reasons(outcomes: Sequence[_Outcome]) -> list[str]:
    """Why some of the folds could not be judged, each reason once."""
    lacking: dict[str, Coverage] = {}
    for outcome in outcomes:
        for needs, coverage in outcome.lacking.items():
            lacking[needs] = lacking.get(needs, _NO_ROWS) + coverage
    found = dict.fromkeys(reason for one in outcomes for reason in one.reasons)
    return [*found, *(f"{_without(rows)} lack {needs}" for needs, rows in lacking.items())]


def _nothing_shared(outcomes: Sequence[_Outcome], where: str) -> str:
    """Which units no two sides share, with how many there are: of folds, the fewest to the most."""
    counts: dict[str, dict[int, list[int]]] = {}
    for outcome in outcomes:
        for observation in outcome.judged:
            unit, there = observation.units or ("", {})
            for side, count in there.items():
                counts.setdefault(unit, {}).setdefault(side, []).append(count)
    parts = []
    for unit, sides in counts.items():
        found = [f"{_range(of)} in {ROLES[side]}" for side, of in sides.items() if max(of)]
        parts.append(f"no {unit} are on two sides{where} ({', '.join(found)})")
    return "; ".join(parts)


def _range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low} to {high}"
