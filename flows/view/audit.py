"""What an audit prints: a table in the terminal, JSON for programs, Markdown for Prefect."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from flows.auditing.run import Report
from manifests.audits import ALL_FOLDS, Finding, Severity
from manifests.features import Json

_TERMINAL = Console()
_out = _TERMINAL if _TERMINAL.is_terminal else Console(width=160)
_FOLDS_SHOWN = 3
_COLOUR = {Severity.ERROR: "red", Severity.WARN: "yellow", Severity.INFO: "cyan"}


def print_report(report: Report) -> None:
    """Findings as a table; below it what held and what could not be judged."""
    _out.print(
        f"[bold]{escape(report.source)}[/bold]  {', '.join(report.corpora)}, {_folds(report)}"
    )
    if report.read_as:
        _out.print(
            escape(
                "read: " + ", ".join(f"{column} as {meaning}" for column, meaning in report.read_as)
            )
        )
    grid = Grid(
        "rule",
        "severity",
        "fold",
        "count",
        "what was found",
        "such as",
        show_edge=False,
        pad_edge=False,
        header_style="bold",
    )
    told = [one for one in report.findings if one.severity in _COLOUR]
    for one, more in _shortened(told):
        severity = f"[{_COLOUR[Severity(one.severity)]}]{one.severity}[/]"
        detail = (
            one.detail if one.fold != ALL_FOLDS or report.folds else f"{one.what}: {one.detail}"
        )
        grid.add_row(
            one.rule,
            severity,
            _fold(one),
            str(one.count),
            escape(detail),
            escape("\n".join(one.examples[:3])),
        )
        if more:
            grid.add_row("", "", "...", "", f"and the like in {more} more folds")
    if told:
        _out.print(grid)
    for one in report.findings:
        if one.severity == Severity.HELD:
            _out.print(
                f"[green]held[/]        {one.rule:4} {escape(f'{one.scheme}: {one.detail}')}"
            )
    for one in report.findings:
        if one.severity == Severity.NOT_JUDGED:
            _out.print(
                f"not judged  {one.rule:4} "
                f"{escape(f'{one.scheme}: ' + one.detail.removeprefix('not judged: '))}"
            )
    _out.print(_sum(report.findings))


def _shortened(findings: Iterable[Finding]) -> Iterator[tuple[Finding, int]]:
    """The first folds of each kind of finding; with the last of them, how many more folds there
    are."""
    kinds: dict[tuple[str, ...], list[Finding]] = {}
    for one in findings:
        kinds.setdefault((one.severity, one.rule, one.scheme, one.what), []).append(one)
    for alike in kinds.values():
        shown = alike[:_FOLDS_SHOWN]
        yield from ((one, len(alike) - len(shown) if one is shown[-1] else 0) for one in shown)


def to_json(report: Report, **more: Json) -> str:
    """One object: source, corpora, folds, failed, findings, and what more is given."""
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
        }
        for one in report.findings
    ]
    whole = {
        "source": report.source,
        "corpora": report.corpora,
        "folds": report.folds,
        "failed": report.failed,
        "findings": findings,
        **more,
    }
    return json.dumps(whole, indent=1, ensure_ascii=False)


def markdown(report: Report) -> str:
    """The report as Markdown, one row a finding."""
    lines = [
        f"# Audit of {_cell(report.source)}",
        "",
        f"{', '.join(report.corpora)}, {_folds(report)}. {_sum(report.findings)}.",
        "",
    ]
    lines += [
        "| rule | severity | scheme | fold | count | what was found | such as |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in report.findings:
        cells = (
            one.rule,
            one.severity,
            one.scheme,
            _fold(one),
            str(one.count),
            one.detail,
            ", ".join(one.examples),
        )
        lines.append("| " + " | ".join(map(_cell, cells)) + " |")
    return "\n".join(lines) + "\n"


def in_one_line(findings: Iterable[Finding]) -> str:
    """Which rules found what: for a line below a scheme's folds."""
    findings = list(findings)
    if not findings:
        return "not audited"
    words = {
        Severity.ERROR: "errors",
        Severity.WARN: "warnings",
        Severity.INFO: "notes",
        Severity.NOT_JUDGED: "not judged",
    }
    rules = {
        severity: sorted({one.rule for one in findings if one.severity == severity}, key=_number)
        for severity in Severity
    }
    told = [
        f"{word} {', '.join(rules[severity])}"
        for severity, word in words.items()
        if rules[severity]
    ]
    return f"audit: {'; '.join([*told, f'{len(rules[Severity.HELD])} rules held'])}"


def _number(rule: str) -> int:
    return int(rule[1:])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _folds(report: Report) -> str:
    return (
        "printed numbers"
        if not report.folds
        else "1 fold"
        if report.folds == 1
        else f"{report.folds} folds"
    )


def _fold(finding: Finding) -> str:
    return "all" if finding.fold == ALL_FOLDS else str(finding.fold)


def _sum(findings: Iterable[Finding]) -> str:
    counts = Counter(one.severity for one in findings)
    words = {Severity.ERROR: "error", Severity.WARN: "warning", Severity.INFO: "note"}
    told = [
        f"{counts[severity]} {word}{'' if counts[severity] == 1 else 's'}"
        for severity, word in words.items()
    ]
    return ", ".join(
        [*told, f"{counts[Severity.HELD]} held", f"{counts[Severity.NOT_JUDGED]} not judged"]
    )
