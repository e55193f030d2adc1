"""The report of a store as one HTML page, which needs no other file, no script and no network."""

import base64
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from flows.view.audit import fold_text
from flows.view.histograms import bars, histogram, outline
from flows.view.split import claims
from flows.view.store import shape
from manifests.audits import Finding, Severity
from manifests.schemes.catalog import SCHEMES
from manifests.visible import shortened, visible

if TYPE_CHECKING:
    from flows.reporting.facts import CountRow, Distribution, Floats, ReportFacts

_LONGEST = 300
"""Characters of a text: a name from outside may have any number of them."""
_LONGEST_SENTENCE = 2000
"""Characters of a sentence of ours, which quotes such texts."""
_LEVELS = 8
"""Strengths of the colour of a cell."""
_FAULTS = (Severity.ERROR, Severity.WARN, Severity.INFO)
_FACE_NOTES = {
    "many_faces": "many frames with two faces or more: who speaks is not certain",
    "face_changes": "the face may be another person after a cut or a gap",
    "face_gaps": "frames without the face",
}
_WORDS = {
    Severity.HELD: "held",
    Severity.PARTLY_JUDGED: "judged in part",
    Severity.NOT_JUDGED: "not judged",
}


class _CountCell(NamedTuple):
    clips: int
    level: str
    """Its colour: `none` where no clip is of the class, else `c1` to `c8`."""


class _CountLine(NamedTuple):
    row: "CountRow"
    cells: tuple[_CountCell, ...]


class _FindingKind(NamedTuple):
    """Findings of one kind, which differ in their folds alone."""

    first: Finding
    more: int
    """Further folds."""


def report_page(facts: "ReportFacts") -> str:
    """Writes a report.

    Every text is made visible, shortened and escaped, wherever in the template it stands.

    Args:
        facts: What it says.

    Returns:
        HTML.
    """
    environment = Environment(
        loader=PackageLoader("flows.view"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "bars": lambda rows: Markup(bars(rows)),  # noqa: S704
        "coloured": _coloured,
        "fold": fold_text,
        "histogram": _histogram,
        "jpeg": _jpeg,
        "outline": lambda wave: Markup(outline(wave)),  # noqa: S704
        "sentence": _sentence,
        "shape": shape,
        "spread": _spread,
    }
    snapshot = facts.snapshot
    return environment.get_template("report.html.jinja").render(
        facts=facts,
        faults=_kinds(one for one in facts.findings if one.severity in _FAULTS),
        others={
            word: _kinds(one for one in facts.findings if one.severity == severity)
            for severity, word in _WORDS.items()
        },
        face_notes=_FACE_NOTES,
        claims={
            scheme: claims(scheme, said)
            for scheme, said in snapshot.schemes.items()
            if scheme in SCHEMES  # another version may have made folds by others
        },
    )


def _shown(value: Any) -> Any:
    """A value as it is written; text of ours that is HTML already stays as it is."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return visible(shortened(value, _LONGEST))
    return value


def _sentence(text: str) -> Markup:
    return Markup(escape(visible(shortened(text, _LONGEST_SENTENCE))))  # noqa: S704


def _kinds(findings: Iterable[Finding]) -> list[_FindingKind]:
    kinds: dict[tuple[str, ...], list[Finding]] = {}
    for one in findings:
        kinds.setdefault((one.severity, one.rule, one.scheme, one.what), []).append(one)
    return [_FindingKind(some[0], len(some) - 1) for some in kinds.values()]


def _coloured(rows: Sequence["CountRow"]) -> list[_CountLine]:
    """Rows with colours; rows of one role, where there are roles, are compared with each other."""
    most: dict[tuple[str, ...], int] = {}
    for row in rows:
        most[row.heads[1:]] = max(most.get(row.heads[1:], 1), *row.counts)
    return [_CountLine(row, _cells(row.counts, most[row.heads[1:]])) for row in rows]


def _cells(counts: Sequence[int], most: int) -> tuple[_CountCell, ...]:
    return tuple(_CountCell(count, _level(count, most)) for count in counts)


def _level(count: int, most: int) -> str:
    return f"c{max(1, round(_LEVELS * count / most))}" if count else "none"


def _spread(values: "Floats") -> list[str]:
    """Least, 5 %, median, 95 % and greatest."""
    found = np.percentile(values, [0, 5, 50, 95, 100])
    return [f"{one:,.0f}" if abs(one) >= 1000 else f"{one:.4g}" for one in found]


def _histogram(shown: "Distribution") -> Markup:
    return _data("image/svg+xml", histogram(shown))


def _jpeg(picture: bytes) -> Markup:
    return _data("image/jpeg", picture)


def _data(kind: str, content: bytes) -> Markup:
    """The file itself as the address of a picture."""
    return Markup(f"data:{kind};base64,{base64.b64encode(content).decode()}")  # noqa: S704
