"""A survey as a page of Markdown: what each published list shares between its sides, in counts.

The page says what is in a list and nothing of why: a list may share speakers on purpose.
"""

import re
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flows.view.audit import count_folds
from flows.view.markdown import escape, link, table
from manifests.audit import Answer
from manifests.audits import ALL_FOLDS, Finding, Severity
from manifests.visible import shortened

if TYPE_CHECKING:
    from flows.auditing.run import AuditReport
    from flows.auditing.survey import PublishedList, Survey, SurveyedList

_SHARED = re.compile(r"([0-9]+ of [0-9]+ [a-z]+(?: [a-z]+)*?) are also in (train|valid)")
"""How the rules say it; the page says the same of the published list."""
_FOLD = re.compile(r"(every fold|fold [0-9]+): (.*?)(?:; ([0-9]+ folds?) ha(?:s|ve) errors)?")
_WORDS = """\
What the words mean: **LEAKS**: subjects, recordings or clips of the training side are also on the \
side that results are reported on. **HOLDS**: for every clip it was known who speaks or is shown, \
and no subject and no clip is on both sides. **CANNOT BE JUDGED** and **PARTLY JUDGED**: it is \
not known whose the clips are, or not of all; that is neither good nor bad. The page says what \
the published lists share. It does not say why: a list may share speakers on purpose, or be used \
otherwise than it was meant."""


def survey_page(survey: "Survey") -> str:
    """Writes the page of a survey.

    Args:
        survey: What was found.

    Returns:
        Markdown.
    """
    heads = ("list", "folds", "verdict", "what it rests on")
    rows = [_row(one) for one in survey.lists]
    blocks = [f"# {escape(survey.index.title)}"]
    blocks += [_wrapped(escape(survey.index.about))] * bool(survey.index.about)
    blocks += [_wrapped(_WORDS), "\n".join(table(heads, rows))]
    for one in survey.lists:
        blocks += _section(one)
    return "\n\n".join(blocks) + "\n"


def _row(one: "SurveyedList") -> tuple[str, ...]:
    if one.report is None:
        return one.listed.name, "", "not read", one.refusal
    verdict = one.report.verdict
    return one.listed.name, str(one.report.folds), verdict.answer, verdict.why


def _section(one: "SurveyedList") -> Iterator[str]:
    """What is known of one list, for those who look it up."""
    yield f"## {escape(one.listed.name)}"
    yield "\n".join(_wrapped(f"- {fact}") for fact in _facts(one.listed))
    if one.report is None:
        yield _wrapped(escape(f"The published list was not read: {one.refusal}."))
        return
    yield _wrapped(f"**{one.report.verdict.answer}.** {escape(_sentence(one))}")
    corpora = ", ".join(one.report.corpora)
    read = f"{corpora}, {count_folds(one.report)}; read as: {one.report.read_as}."
    yield _wrapped(escape(shortened(read, 1000)))
    notes = [shortened(note, 1000) for note in one.report.notes]
    notes += [_of_finding(each, one.report) for each in _further(one.report)]
    if notes:
        yield "\n".join(_wrapped(f"- {escape(note)}") for note in notes)


def _wrapped(text: str) -> str:
    """Lines of at most 100 columns, as a paragraph or an item of a list."""
    indent = "  " * text.startswith("- ")
    lines = textwrap.wrap(
        text, 100, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(lines)


def _facts(listed: "PublishedList") -> Iterator[str]:
    if listed.source:
        at = f", commit {escape(listed.commit)}" if listed.commit else ""
        scheme, is_url, address = listed.source.partition("://")
        yield f"source: {link(address, listed.source) if is_url else escape(scheme)}{at}"
    if listed.licence:
        yield f"licence: {escape(listed.licence)}"
    yield f"files: {escape(', '.join(listed.paths))}"
    if listed.note:
        yield escape(listed.note)


def _sentence(one: "SurveyedList") -> str:
    """The verdict as a sentence on the published list."""
    if one.report is None:
        return one.refusal
    sentences = []
    for verdict in one.report.verdicts:
        scheme = f"In the scheme {verdict.scheme}, the" if len(one.report.verdicts) > 1 else "The"
        why, where = verdict.why, ""
        if fold := _FOLD.fullmatch(why):
            why, where = fold[2], f", in {fold[1]},"
            why += f"; some are shared in {fold[3]}" if fold[3] else ""
        if verdict.answer == Answer.LEAKS:
            said = f"shares{where} " + _SHARED.sub(r"\1 with its \2 side", why)
        elif verdict.answer == Answer.HOLDS:
            said = f"shares none: {why}"
        else:
            said = f"cannot be judged in full: {why}"
        sentences.append(f"{scheme} published list {said}.")
    return " ".join(sentences)


def _further(report: "AuditReport") -> list[Finding]:
    """Findings beside those that the verdicts quote."""
    graver = (Severity.ERROR, Severity.WARN)
    quoted = " ".join(verdict.why for verdict in report.verdicts)
    return [one for one in report.findings if one.severity in graver and one.detail not in quoted]


def _of_finding(one: Finding, report: "AuditReport") -> str:
    is_of_all = one.fold == ALL_FOLDS or report.folds == 1
    return f"{one.rule}{'' if is_of_all else f', fold {one.fold}'}: {one.detail}"
