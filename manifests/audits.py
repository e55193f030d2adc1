"""Audits: what is wrong with a split, as rows that a reviewer can quote; and the table of all
rules."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from manifests.audit.listing import Listing, Sides
from manifests.audit.nearness import near_duplicates
from manifests.audit.proxies import identifier_proxies
from manifests.audit.rules import (
    class_and_sex,
    copies_across,
    episodes_and_sessions,
    exact_duplicates,
    fitted_state,
    impossible_counts,
    label_conflicts,
    same_text,
    selection,
    shared_clips,
    shared_subjects,
    span_overlaps,
    take_twins,
    windows_across,
)
from manifests.audit.terms import Rule, Seen, Severity, Unjudged
from manifests.table import Table

__all__ = ["ALL_FOLDS", "AUDITS", "CHECKS", "Finding", "Severity", "audit", "has_errors"]

ALL_FOLDS = -1
"""`Finding.fold` where the finding holds for every fold of the scheme, or is about no fold."""


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
        return self.example_ids.split("\n") if self.example_ids else []


AUDITS = Table("audits", Finding, key=("rule", "scheme", "fold", "what"))

CHECKS: dict[str, Rule] = {
    "L1": Rule("a subject on two sides", shared_subjects, Severity.ERROR),
    "L2": Rule(
        "a session, dialogue or episode on two sides", episodes_and_sessions, Severity.ERROR
    ),
    "L3": Rule("renderings of one take on two sides", take_twins, Severity.ERROR),
    "L4": Rule(
        "copies of a clip, by bytes, sound or pictures, on two sides",
        exact_duplicates,
        Severity.ERROR,
    ),
    "L5": Rule("nearly the same sound or face on two sides", near_duplicates, Severity.ERROR),
    "L6": Rule("overlapping time spans on two sides", span_overlaps, Severity.ERROR),
    "L7": Rule(
        "the same text on two sides",
        same_text,
        Severity.WARN,
        # Two sentences, and twelve: every split of these corpora shares them.
        {"ravdess": Severity.INFO, "sample": Severity.INFO, "cremad": Severity.INFO},
    ),
    "L8": Rule("windows or frames of one clip on two sides", windows_across, Severity.ERROR),
    "L9": Rule("copies of one clip on two sides", copies_across, Severity.ERROR),
    "L10": Rule("fitted state that saw test clips", fitted_state, Severity.ERROR),
    "L11": Rule("the model chosen by test clips", selection, Severity.WARN),
    "L12": Rule("an evaluation set that holds training clips", shared_clips, Severity.ERROR),
    "L13": Rule("other labels for the same bytes", label_conflicts, Severity.WARN),
    "L14": Rule("an identifier that tells the label", identifier_proxies, Severity.WARN),
    "L15": Rule("counts that the corpus cannot supply", impossible_counts, Severity.ERROR),
    "L16": Rule("an empty class or a side of one sex", class_and_sex, Severity.WARN),
}
"""Rule -> what it is called, the function that judges one fold, and how grave a finding is, by
corpus where that differs."""


def audit(listing: Listing) -> list[Finding]:
    """Every rule on every fold, sorted as AUDITS is.

    A rule that holds, or cannot be judged, in all folds of a scheme gives one row for the scheme;
    so each rule is accounted for.
    """
    found: list[Finding] = []
    clear: dict[tuple[str, str], list[tuple[bool, str]]] = {}
    for sides in listing.sides():
        for name, rule in CHECKS.items():
            findings, verdict = _judge(name, rule, sides)
            found += findings
            if not findings:
                clear.setdefault((name, sides.dealt.scheme), []).append(verdict)
    folds = Counter(dealt.scheme for dealt in listing.folds)
    found = _once(found, folds)
    for (name, scheme), verdicts in clear.items():
        found.append(_without_fault(name, scheme, verdicts, folds[scheme]))
    return sorted(found, key=lambda one: (one.rule, one.scheme, one.fold, one.what))


def _once(findings: Iterable[Finding], folds: Mapping[str, int]) -> list[Finding]:
    """What is said in the same words of every fold of a scheme is said once."""
    alike: dict[Finding, list[Finding]] = {}
    for finding in findings:
        alike.setdefault(replace(finding, fold=ALL_FOLDS), []).append(finding)
    return [
        one
        for whole, each in alike.items()
        for one in ([whole] if len(each) == folds[whole.scheme] > 1 else each)
    ]


def _judge(name: str, rule: Rule, sides: Sides) -> tuple[list[Finding], tuple[bool, str]]:
    """Findings; whether anything was judged without one; and why the rest could not be judged."""
    findings: list[Finding] = []
    reasons: list[str] = []
    judged = False
    for seen in rule.check(sides):
        if isinstance(seen, Unjudged):
            reasons.append(seen.why)
        elif seen.count:
            findings.append(
                _finding(
                    name,
                    rule.severity_of(seen, sides.corpora),
                    sides.dealt.scheme,
                    sides.dealt.fold,
                    seen,
                )
            )
        else:
            judged = True
    return findings, (judged, "; ".join(reasons))


def _finding(name: str, severity: Severity, scheme: str, fold: int, seen: Seen) -> Finding:
    return Finding(
        name, severity, scheme, fold, seen.what, seen.count, "\n".join(seen.examples), seen.detail
    )


def _without_fault(name: str, scheme: str, verdicts: list[tuple[bool, str]], folds: int) -> Finding:
    """What is said of the folds of a scheme in which a rule found nothing."""
    held = sum(judged for judged, _ in verdicts)
    why = next((why for _, why in verdicts if why), "")
    if not held:
        return Finding(
            name, Severity.NOT_JUDGED, scheme, ALL_FOLDS, "", 0, "", f"not judged: {why}"
        )
    where = f" in {held} of {folds} folds" if folds > 1 else ""
    detail = f"nothing found{where} ({CHECKS[name].title})" + (
        f"; in part not judged: {why}" if why else ""
    )
    return Finding(name, Severity.HELD, scheme, ALL_FOLDS, "", 0, "", detail)


def has_errors(findings: Iterable[Finding]) -> bool:
    return any(finding.severity == Severity.ERROR for finding in findings)
