"""What an audit found: a table in the terminal, JSON for programs, one line below folds."""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from flows.view.console import Grid, bold, called_as, coloured, lines, say, short_id
from manifests.audit import verdicts_of
from manifests.audits import ALL_FOLDS, Finding, Severity
from manifests.features import Json
from manifests.visible import shortened, visible_json

if TYPE_CHECKING:
    from flows.auditing.run import AuditReport

_EXAMPLES = 3
_MOST = 2000
"""Characters of what was read as what: it may quote cells."""
_COLOUR = {Severity.ERROR: "red", Severity.WARN: "yellow", Severity.INFO: "cyan"}
_WORDS = {Severity.ERROR: "error", Severity.WARN: "warning", Severity.INFO: "note"}
_FAULTLESS = {
    Severity.HELD: ("green", "held       "),
    Severity.PARTLY_JUDGED: ("yellow", "in part    "),
    Severity.NOT_JUDGED: ("default", "not judged "),
}


def print_report(report: "AuditReport", is_whole: bool = False) -> None:
    """Prints the verdict, findings as a table, and what held and what could not be judged.

    Args:
        report: What an audit found.
        is_whole: Also every fold that a finding is about, and of each rule that found nothing a
            line: what held, and why it could not be judged.
    """
    for line in verdict_lines(report):
        say(bold(line))
    corpora = ", ".join(report.corpora)
    say(bold(report.source), f"  {corpora}, {count_folds(report)}")
    if report.read_as:
        say(f"read as: {shortened(report.read_as, _MOST)}")
    for note in report.notes:
        say(shortened(note, _MOST))
    _print_faults(report, sys.maxsize if is_whole else 1)
    for severity in _FAULTLESS:
        found = [one for one in report.findings if one.severity == severity]
        if is_whole:
            _print_each(found, severity)
        else:
            _print_numbers(found, severity)
    say(summary(report.findings))
    if report.findings and not is_whole:
        explain = f"{called_as()} explain {report.findings[0].rule}"
        say(f"every fold and reason: --all; what a rule is: {explain}")


def _print_faults(report: "AuditReport", most: int) -> None:
    """A table of what is wrong, of each kind so many folds."""
    faults = [one for one in report.findings if one.severity in _COLOUR]
    rows = Grid("rule", "split", "fold", "what was found")
    for one, more in _shortened(faults, most):
        is_of_a_split = one.fold != ALL_FOLDS or report.folds
        detail = one.detail if is_of_a_split else f"{one.what}: {one.detail}"
        examples = ", ".join(map(short_id, one.examples[:_EXAMPLES]))
        found = [detail, *([f"such as {examples}"] if examples else [])]
        if more:
            found.append(f"and the like in {more} more fold{'' if more == 1 else 's'}")
        severity = coloured(
            _COLOUR[Severity(one.severity)], f"{one.rule} {_WORDS[Severity(one.severity)]}"
        )
        rows.add_row(severity, short_id(one.scheme), fold_text(one), lines(found))
    if faults:
        rows.say()


def _print_each(found: Iterable[Finding], severity: Severity) -> None:
    for one in found:
        detail = one.detail.removeprefix("not judged: ")
        say(coloured(*_FAULTLESS[severity]), f" {one.rule:4} {one.scheme}: {detail}")


def _print_numbers(found: Iterable[Finding], severity: Severity) -> None:
    """A line for each scheme, with the numbers of the rules."""
    rules: dict[str, list[str]] = {}
    for one in found:
        rules.setdefault(one.scheme, []).append(one.rule)
    for scheme, numbers in rules.items():
        say(coloured(*_FAULTLESS[severity]), f" {scheme}: {', '.join(dict.fromkeys(numbers))}")


def verdict_lines(report: "AuditReport") -> list[str]:
    """The verdict on each scheme, the gravest first.

    Args:
        report: What an audit found.

    Returns:
        One line for each; of a store, and of several, each names its scheme.
    """
    is_alone = len(report.verdicts) == 1 and not report.is_of_store
    return [
        one.sentence if is_alone else f"{one.answer}: {one.scheme}: {one.why}"
        for one in report.verdicts
    ]


def _shortened(findings: Iterable[Finding], most: int) -> Iterator[tuple[Finding, int]]:
    """The first folds of each kind of finding; with the last of them, how many more there are."""
    kinds: dict[tuple[str, ...], list[Finding]] = {}
    for one in findings:
        kinds.setdefault((one.severity, one.rule, one.scheme, one.what), []).append(one)
    for alike in kinds.values():
        shown = alike[:most]
        yield from ((one, 0) for one in shown[:-1])
        yield shown[-1], len(alike) - len(shown)


def to_json(report: "AuditReport", **more: Json) -> str:
    """The report for programs.

    Args:
        report: What an audit found.
        **more: Further keys and their values.

    Returns:
        One JSON object: verdict, why, verdicts, source, read_as, corpora, folds, failed, findings,
        notes, and the further keys.
    """
    findings = [
        {
            "rule": one.rule,
            "severity": one.severity,
            "scheme": one.scheme,
            "fold": None if one.fold == ALL_FOLDS else one.fold,
            "what": one.what,
            "count": one.count,
            "example_ids": one.examples,
            "detail": one.detail,
            "judged": _by_side(one.coverage.judged if one.coverage else None),
            "unjudged": _by_side(one.coverage.unjudged if one.coverage else None),
        }
        for one in report.findings
    ]
    document = {
        "verdict": report.verdict.answer,
        "why": report.verdict.why,
        "verdicts": [
            {"verdict": one.answer, "scheme": one.scheme, "why": one.why} for one in report.verdicts
        ],
        "source": report.source,
        "read_as": shortened(report.read_as, _MOST),
        "corpora": report.corpora,
        "folds": report.folds,
        "failed": report.failed,
        "findings": findings,
        "notes": report.notes,
        **more,
    }
    return visible_json(json.dumps(document, indent=1, ensure_ascii=False))


def _by_side(rows: tuple[int, int, int] | None) -> dict[str, int] | None:
    """Rows of each side; None where there are no rows."""
    return None if rows is None else dict(zip(("train", "valid", "test"), rows, strict=True))


def in_one_line(findings: Iterable[Finding]) -> str:
    """The verdict and which rules found what, for a line below the folds of a scheme.

    Args:
        findings: Of one scheme.

    Returns:
        A line.
    """
    rules: dict[str, set[str]] = {}
    known = [*findings]
    for one in known:
        rules.setdefault(one.severity, set()).add(one.rule)
    if not rules:
        return "not audited"
    words = {
        Severity.ERROR: "errors",
        Severity.WARN: "warnings",
        Severity.INFO: "notes",
        Severity.PARTLY_JUDGED: "judged in part",
        Severity.NOT_JUDGED: "not judged",
    }
    parts = [
        f"{word} {', '.join(sorted(rules[severity], key=_number))}"
        for severity, word in words.items()
        if severity in rules
    ]
    rest = "; ".join([*parts, f"{len(rules.get(Severity.HELD, ()))} rules held"])
    if None in {one.verdict for one in known}:
        return f"audit by an older version, which gave no verdict: {rest}"
    return f"audit: {'; '.join(one.sentence for one in verdicts_of(known))}; {rest}"


def _number(rule: str) -> int:
    return int(rule[1:])


def count_folds(report: "AuditReport") -> str:
    """How many folds were audited.

    Args:
        report: What an audit found.

    Returns:
        Such as "5 folds".
    """
    if not report.folds:
        return "printed numbers"
    return "1 fold" if report.folds == 1 else f"{report.folds} folds"


def fold_text(finding: Finding) -> str:
    """The fold that a finding is about.

    Args:
        finding: A finding.

    Returns:
        Its number, or "all".
    """
    return "all" if finding.fold == ALL_FOLDS else str(finding.fold)


def summary(findings: Iterable[Finding]) -> str:
    """How many findings there are of each severity.

    Args:
        findings: Of one audit.

    Returns:
        A line.
    """
    counts = Counter(one.severity for one in findings)
    parts = [
        f"{counts[severity]} {word}{'' if counts[severity] == 1 else 's'}"
        for severity, word in _WORDS.items()
    ]
    held, partly, not_judged = (
        counts[severity]
        for severity in (Severity.HELD, Severity.PARTLY_JUDGED, Severity.NOT_JUDGED)
    )
    in_part = [f"{partly} judged in part"] if partly else []
    return ", ".join([*parts, f"{held} held", *in_part, f"{not_judged} not judged"])
