"""The verdict on a split: what all findings on it come to, in a word and a sentence.

It rests on what must not cross, the subject, and on clips that are on two sides (L1 and L12): where
both were judged for every row, and nothing is graver than a warning, the split holds. An error of
any rule makes it leak. Where nobody knows the subjects, what was recorded together stands for them
(L2): shared it is a leak, and disjoint it proves nothing of subjects.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from manifests.audits import ALL_FOLDS, Coverage, Finding, Severity
from manifests.visible import visible

_UNITS = {"L1": "subjects", "L12": "clips"}
"""The rules that a verdict rests on and that it quotes -> what must not be on two sides."""
_FIRST = tuple(_UNITS)
_QUOTED = 3
"""Rules whose errors a verdict gives in full; of others it gives the numbers."""
_LONGEST = 200


class Answer(StrEnum):
    """What an audit comes to, the gravest first."""

    LEAKS = "LEAKS"
    IMPOSSIBLE = "IMPOSSIBLE"
    """A paper's counts cannot arise from what it describes."""
    UNJUDGED = "CANNOT BE JUDGED"
    PARTLY = "PARTLY JUDGED"
    HOLDS = "HOLDS"
    POSSIBLE = "POSSIBLE"
    """A paper's counts can arise."""


@dataclass(frozen=True)
class SplitVerdict:
    """The verdict on one scheme of a split, or on a paper."""

    answer: Answer
    scheme: str
    """Name of the scheme, or of the paper."""
    why: str
    """What it rests on, with counts."""

    @property
    def sentence(self) -> str:
        """The verdict and what it rests on."""
        return f"{self.answer}: {self.why}"


def verdicts_of(findings: Iterable[Finding]) -> list[SplitVerdict]:
    """Finds the verdict on each scheme of a split.

    Args:
        findings: What `audit` found.

    Returns:
        One verdict for each scheme, the gravest first.
    """
    of_scheme: dict[str, list[Finding]] = {}
    for finding in findings:
        of_scheme.setdefault(finding.scheme, []).append(finding)
    gravity = list(Answer)
    verdicts = [_verdict(scheme, found) for scheme, found in of_scheme.items()]
    return sorted(verdicts, key=lambda one: (gravity.index(one.answer), one.scheme))


def but_unread(verdict: SplitVerdict, unread: Sequence[str]) -> SplitVerdict:
    """The verdict where a part of what was given was not read.

    Args:
        verdict: On what was read.
        unread: Names of what was not, though they say a side.

    Returns:
        PARTLY JUDGED in place of HOLDS; any other stays.
    """
    if not unread or verdict.answer != Answer.HOLDS:
        return verdict
    shown = visible(", ".join(unread[:_QUOTED]))[:_LONGEST]
    more = f" and {len(unread) - _QUOTED} more" if len(unread) > _QUOTED else ""
    why = f"{shown}{more} not read, though named like a side (save as CSV, or take away)"
    return replace(verdict, answer=Answer.PARTLY, why=f"{why}; {verdict.why}")


def paper_verdict(findings: Sequence[Finding], paper: str) -> SplitVerdict:
    """Finds the verdict on a paper's printed numbers.

    Args:
        findings: What `audit_paper` found.
        paper: Name of the paper.

    Returns:
        IMPOSSIBLE where a count cannot arise; LEAKS where the counts can, and what is said to have
        been done leaks; else POSSIBLE.
    """
    errors = [one for one in findings if one.severity == Severity.ERROR]
    counts = [one for one in errors if one.rule == "L15"]
    if counts:
        also = f"; and {len(counts) - 1} more" if len(counts) > 1 else ""
        return SplitVerdict(Answer.IMPOSSIBLE, paper, f"{counts[0].what}: {counts[0].detail}{also}")
    held = sum(one.severity == Severity.HELD for one in findings)
    if errors:
        why = f"as it is described; {errors[0].what}: {errors[0].detail}"
        return SplitVerdict(Answer.LEAKS, paper, why)
    checks = "1 check" if held == 1 else f"{held} checks"
    why = f"nothing printed speaks against the described split ({checks} held)"
    return SplitVerdict(Answer.POSSIBLE, paper, why)


def _verdict(scheme: str, findings: Sequence[Finding]) -> SplitVerdict:
    errors = [one for one in findings if one.severity == Severity.ERROR]
    if errors:
        return SplitVerdict(Answer.LEAKS, scheme, _leaks(errors, findings))
    subjects, clips = ([one for one in findings if one.rule == rule] for rule in _FIRST)
    extents = {_extent(subjects), _extent(clips)}
    if _extent(subjects) == _NONE:
        known = [one.detail for one in findings if one.rule in ("L2", "L12") and _has_held(one)]
        held = f"; what is known holds: {'; '.join(known)}" if known else ""
        why = [*_said(subjects), "nothing was said of subjects"][0]
        return SplitVerdict(Answer.UNJUDGED, scheme, f"{why}{held}")
    answer = Answer.HOLDS if extents == {_WHOLE} else Answer.PARTLY
    return SplitVerdict(answer, scheme, "; ".join([*_said(subjects), *_said(clips)]))


def _leaks(errors: Sequence[Finding], findings: Sequence[Finding]) -> str:
    """The gravest errors in words: those of subjects and clips first."""

    def key(one: Finding) -> tuple[int, int, int]:
        place = _FIRST.index(one.rule) if one.rule in _FIRST else len(_FIRST)
        return place, int(one.rule[1:]), -one.count

    ordered = sorted(errors, key=key)
    first = ordered[0]
    gravest = {one.rule: one for one in reversed(ordered)}  # of each rule the first
    quoted = sorted(gravest.values(), key=key)[:_QUOTED]
    words = "; ".join(one.detail if one.rule == "L1" else _named(one) for one in quoted)
    if rest := [one.rule for one in sorted(gravest.values(), key=key)[_QUOTED:]]:
        words += f"; also {', '.join(rest)}"
    folds = {one.fold for one in findings if one.rule == first.rule}
    if first.fold == ALL_FOLDS:
        return f"every fold: {words}"
    if len(folds) < 2:
        return words
    at_fault = len({one.fold for one in errors} - {ALL_FOLDS})
    many = "1 fold has" if at_fault == 1 else f"{at_fault} folds have"
    return f"fold {first.fold}: {words}; {many} errors"


def _named(one: Finding) -> str:
    from manifests.audit.catalog import RULES

    return f"{one.detail} ({one.rule}: {RULES[one.rule].title})"


_WHOLE, _PART, _NONE = "whole", "part", "none"


def _extent(rows: Sequence[Finding]) -> str:
    """How much of a scheme a rule could judge, by all that it says of it."""
    extents = {_extent_of_one(one) for one in rows}
    return extents.pop() if len(extents) == 1 else (_PART if extents else _NONE)


def _extent_of_one(one: Finding) -> str:
    coverage = one.coverage
    if coverage is None or not _has_both_sides(coverage):
        return _NONE
    return _PART if one.severity == Severity.PARTLY_JUDGED or not coverage.is_whole else _WHOLE


def _has_both_sides(coverage: Coverage) -> bool:
    """Rows were judged in the training and on the side that results are reported on."""
    train, valid, test = coverage.judged
    has_test = bool(test + coverage.unjudged[2])
    return bool(train and (test if has_test else valid))


def _has_held(one: Finding) -> bool:
    return one.severity in (Severity.HELD, Severity.PARTLY_JUDGED)


def _said(rows: Sequence[Finding]) -> list[str]:
    """What a rule says, as parts of a verdict; what is less than an error comes behind a `but`."""
    minor = [one for one in rows if one.severity in (Severity.WARN, Severity.INFO)]
    words = [one.detail.removeprefix("not judged: ") for one in rows if one not in minor]
    if minor:
        unit, coverage = _UNITS[minor[0].rule], minor[0].coverage
        has_test = coverage is not None and (coverage.judged[2] or coverage.unjudged[2])
        both = f"no {unit} are both in train and in {'test' if has_test else 'valid'}"
        words.append(f"{both}, but {', and '.join(one.detail for one in minor)}")
    return [one for one in words if not one.startswith("nothing found")]
