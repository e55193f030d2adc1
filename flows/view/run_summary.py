"""What a run shows in Prefect: a sentence as its state, a page of Markdown as its artifact."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from flows.view.audit import count_folds, fold_text, in_one_line, summary, verdict_lines
from flows.view.markdown import escape, link, table
from flows.view.split import claims
from manifests.audits import Finding, Severity
from manifests.suffix_counts import count_text
from manifests.visible import shortened, visible

if TYPE_CHECKING:
    from pathlib import Path

    from flows.auditing.run import AuditReport
    from flows.building.commit import BuildResult
    from flows.fitting.run import FitResult
    from manifests.quarantine import Quarantined
    from stores.location import Location
    from stores.snapshot import Snapshot

_MOST_FINDINGS = 30
_MOST_CLIPS = 50
_LONGEST = 2000
"""Characters of what was read as what: it may quote cells."""
_HEADS = ("rule", "severity", "scheme", "fold", "count", "what was found")


def artifact_key(kind: str, location: "Location") -> str:
    """The key under which Prefect keeps the artifacts of a store.

    Args:
        kind: Of the run, such as build.
        location: Where the store lies.

    Returns:
        Lower-case letters, digits and dashes; four digits at the end tell apart stores whose
        folders have one name.
    """
    return f"{kind}-{store_slug(location)}"


def store_slug(location: "Location", *more: str) -> str:
    """A name of a store for Prefect.

    Args:
        location: Where the store lies.
        *more: What else is to be in the name.

    Returns:
        Lower-case letters, digits and dashes, unlike that of any other store.
    """
    place = location_text(location)
    digits = hashlib.sha256(place.encode(errors="surrogateescape")).hexdigest()[:4]
    return "-".join([*map(slug, (place.rstrip("/").rpartition("/")[2], *more)), digits])


def slug(text: str) -> str:
    """A text as Prefect takes it for a name.

    Args:
        text: Any text.

    Returns:
        Lower-case letters, digits and dashes.
    """
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-") or "store"


def location_text(location: "Location") -> str:
    """A store as every process of this machine can find it.

    Args:
        location: Where the store lies.

    Returns:
        An absolute path or a URL.
    """
    return str(location.folder if location.is_local else location)


def build_sentence(location: "Location", result: "BuildResult") -> str:
    """What a build came to.

    Args:
        location: Where the store lies.
        result: What the build left behind.

    Returns:
        A sentence.
    """
    number = result.snapshot.number
    if not result.is_new:
        return visible(f"nothing new: {location} is up to date, snapshot {number}")
    work = f"{_many(result.clips_computed, 'clip')} computed in {result.seconds:.0f} s"
    dropped = (
        "; its folds no longer fit and were left out, split it again"
        if result.folds_dropped
        else ""
    )
    shards = _many(result.shards_written, "new shard")
    return visible(f"snapshot {number} of {location}: {work}, {shards}{dropped}")


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def build_page(
    location: "Location",
    result: "BuildResult",
    quarantine: Sequence["Quarantined"],
    findings: Sequence[Finding],
) -> str:
    """The page of a build: what it added, what the store holds, bad clips, leaks of its folds.

    Args:
        location: Where the store lies.
        result: What the build left behind.
        quarantine: The rows of the table QUARANTINE.
        findings: The rows of the table AUDITS.

    Returns:
        Markdown.
    """
    snapshot, counts = result.snapshot, result.snapshot.counts
    file = f"{location_text(location)}/snapshots/{snapshot.number:06d}.json"
    sentence = escape(build_sentence(location, result))
    rate = f"{result.clips_computed / max(1e-9, result.seconds):.1f} clips/s"
    of_the_run = [
        ("clips computed", result.clips_computed),
        ("new shards", result.shards_written),
        ("seconds", f"{result.seconds:.1f}"),
        ("throughput", rate if result.clips_computed else "nothing to compute"),
        ("files left out", count_text(result.left_out) or "none"),
        ("clips chosen", result.listed.choice.words or "all"),
    ]
    of_the_store = [
        ("clips", counts["clips"]),
        ("features", ", ".join(snapshot.features)),
        ("stored (clips x features)", counts["stored"]),
        ("absent by the corpus's rule (clips x features)", counts.get("absent", 0)),
        ("in quarantine (clips x features)", counts["quarantined"]),
        ("shards", counts["shards"]),
        ("MB", f"{counts['shard_bytes'] / 1e6:.1f}"),
    ]
    return _page(
        f"# {escape(str(location))}, snapshot {snapshot.number}",
        f"{sentence[0].upper()}{sentence[1:]}.",
        f"Snapshot: {link(file, file)}, recipe {escape(str(snapshot.recipe['name']))}.",
        *_block(table(("of this run", ""), of_the_run)),
        *_block(table(("of the store", ""), of_the_store)),
        *_quarantine(quarantine),
        *_audit(findings, result.folds_dropped),
    )


def _page(*blocks: str) -> str:
    return "\n\n".join(blocks) + "\n"


def _block(lines: Iterable[str]) -> list[str]:
    return ["\n".join(lines)]


def _quarantine(rows: Sequence["Quarantined"]) -> list[str]:
    if not rows:
        return ["Nothing is in quarantine."]
    clips: dict[str, dict[str, Quarantined]] = {}
    features: dict[str, set[str]] = {}
    for row in rows:
        clips.setdefault(row.reason, {}).setdefault(row.clip_id, row)
        features.setdefault(row.reason, set()).add(row.feature)
    reasons = sorted(clips, key=lambda reason: (-len(clips[reason]), reason))
    by_reason = [(each, len(clips[each]), ", ".join(sorted(features[each]))) for each in reasons]
    bad = [(id_, reason, row.detail) for reason in reasons for id_, row in clips[reason].items()]
    more = len(bad) - _MOST_CLIPS
    blocks = [
        *_block(table(("in quarantine", "clips", "features that miss them"), by_reason)),
        *_block(table(("clip", "reason", "what was found"), bad[:_MOST_CLIPS])),
    ]
    if more > 0:
        blocks += [f"... and {more} more; the table `quarantine` has them all."]
    return blocks


def _audit(findings: Sequence[Finding], folds_dropped: bool) -> list[str]:
    if not findings:
        if folds_dropped:
            return ["The folds no longer fit the clips and were left out; split again."]
        return ["There are no folds to audit."]
    schemes = sorted({one.scheme for one in findings})
    said = {
        scheme: in_one_line(one for one in findings if one.scheme == scheme) for scheme in schemes
    }
    lines = [f"- {escape(f'{scheme}: {words}')}" for scheme, words in said.items()]
    graver = {Severity.ERROR, Severity.WARN, Severity.INFO}
    faults = [one for one in findings if one.severity in graver]
    blocks = _block(lines)
    if faults:
        blocks += _block(table(_HEADS, map(_finding, faults[:_MOST_FINDINGS])))
    if (more := len(faults) - _MOST_FINDINGS) > 0:
        blocks += [f"... and {more} more; `affectstore audit` of the store has them all."]
    return blocks


def _finding(one: Finding) -> tuple[object, ...]:
    return one.rule, one.severity, one.scheme, fold_text(one), one.count, one.detail


def split_sentence(location: "Location", snapshot: "Snapshot", scheme: str) -> str:
    """What a split came to.

    Args:
        location: Where the store lies.
        snapshot: That it published.
        scheme: The split scheme.

    Returns:
        A sentence.
    """
    return visible(f"snapshot {snapshot.number} of {location} has folds of {scheme}")


def split_page(location: "Location", snapshot: "Snapshot", scheme: str) -> str:
    """The page of a split: what it claims and how even it is.

    Args:
        location: Where the store lies.
        snapshot: That it published.
        scheme: The split scheme.

    Returns:
        Markdown.
    """
    sentences = claims(scheme, snapshot.schemes[scheme])
    return _page(f"# {escape(scheme)} of {escape(str(location))}", *map(escape, sentences))


def fit_sentence(location: "Location", result: "FitResult", scheme: str) -> str:
    """What a fit came to.

    Args:
        location: Where the store lies.
        result: What the fit left behind.
        scheme: The split scheme.

    Returns:
        A sentence.
    """
    new = f"{result.fitted} new states of {scheme}, {result.already_fitted} were there"
    return visible(f"snapshot {result.snapshot.number} of {location}: {new}")


def fit_page(result: "FitResult", scheme: str) -> str:
    """The page of a fit.

    Args:
        result: What the fit left behind.
        scheme: The split scheme.

    Returns:
        Markdown.
    """
    states = [
        (name, one.fold, one.clips, one.shape, f"{one.bytes_with_tracks / 1e6:.2f}")
        for name, entry in result.snapshot.fitted.items()
        for one in entry.states
        if one.scheme == scheme
    ]
    heads = ("feature", "fold", "training clips", "rows of a clip", "MB")
    return _page(
        f"# Fitted for {escape(scheme)}",
        f"{result.fitted} states are new, {result.already_fitted} were there.",
        *_block(table(heads, states)),
    )


def report_block(page: "Path | None") -> str:
    """The last block of a page of a run: the link to the report of its store.

    Args:
        page: The report, by its absolute path; None where there is none.

    Returns:
        Markdown, empty where there is no report.
    """
    if page is None:
        return ""
    words = "`affectstore report` makes it anew; what it shows is the store as it was then."
    return f"\nReport of the store: {link(str(page), str(page))}. {words}\n"


def audit_page(report: "AuditReport") -> str:
    """The page of an audit: the verdict, and one row a finding.

    Args:
        report: What the audit found.

    Returns:
        Markdown.
    """
    rows = [(*_finding(one), ", ".join(one.examples)) for one in report.findings]
    corpora, counts = ", ".join(report.corpora), summary(report.findings)
    return _page(
        f"# Audit of {escape(report.source)}",
        *_block(f"- **{escape(line)}**" for line in verdict_lines(report)),
        f"{escape(corpora)}, {count_folds(report)}. {counts}.",
        *([f"Read as: {escape(shortened(report.read_as, _LONGEST))}."] if report.read_as else []),
        *map(escape, report.notes),
        *_block(table((*_HEADS, "such as"), rows)),
    )
