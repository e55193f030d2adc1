"""What a build tells in Prefect: one sentence as the state of its run, a page of Markdown as its
artifact."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from flows.building.commit import Result
from flows.view.audit import in_one_line
from manifests.audits import ALL_FOLDS, Finding, Severity

_FINDINGS_SHOWN = 30


@dataclass(frozen=True)
class Work:
    """What a run has computed, and how long it took."""

    clips: int
    seconds: float

    @property
    def rate(self) -> str:
        return f"{self.clips / max(1e-9, self.seconds):.1f} clips/s"


def outcome(store: str, result: Result, work: Work) -> str:
    """What a run came to, in one sentence."""
    if not result.is_new:
        return f"nothing new: {store} is up to date, snapshot {result.snapshot.number}"
    shards = "1 new shard" if result.shards_written == 1 else f"{result.shards_written} new shards"
    clips = "1 clip" if work.clips == 1 else f"{work.clips} clips"
    dropped = (
        "; its folds no longer fit and were left out, split it again"
        if result.folds_dropped
        else ""
    )
    return (
        f"snapshot {result.snapshot.number} of {store}: {clips} computed in {work.seconds:.0f} "
        f"s, {shards}{dropped}"
    )


def page(
    store: str, result: Result, work: Work, quarantine: pa.Table, findings: Sequence[Finding]
) -> str:
    """The snapshot and where it lies, what the run has added, what is in quarantine, what the audit
    finds in the folds."""
    snapshot = result.snapshot
    counts = snapshot.counts
    file = f"{store}/snapshots/{snapshot.number:06d}.json"
    told = _cell(outcome(store, result, work))
    lines = [
        f"# {_cell(store)}, snapshot {snapshot.number}",
        "",
        f"{told[0].upper()}{told[1:]}.",
        "",
        f"Snapshot: [{_cell(file)}]({_link(file)}), recipe {snapshot.recipe['name']}.",
        "",
        *_grid("of this run", ""),
        _row("clips computed", work.clips),
        _row("new shards", result.shards_written),
        _row("seconds", f"{work.seconds:.1f}"),
        _row("throughput", work.rate if work.clips else "nothing to compute"),
        "",
        *_grid("of the store", ""),
        _row("clips", counts["clips"]),
        _row("features", ", ".join(snapshot.features)),
        _row("stored (clips x features)", counts["stored"]),
        _row("in quarantine (clips x features)", counts["quarantined"]),
        _row("shards", counts["shards"]),
        _row("MB", f"{counts['shard_bytes'] / 1e6:.1f}"),
        "",
        *_quarantine(quarantine),
        "",
        *_audit(findings, result.folds_dropped),
    ]
    return "\n".join(lines) + "\n"


def slug(text: str) -> str:
    """A text as Prefect takes it for the key of an artifact: lower-case letters, digits and
    dashes."""
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-") or "store"


def _quarantine(quarantine: pa.Table) -> list[str]:
    if quarantine.num_rows == 0:
        return ["Nothing is in quarantine."]
    by_reason = quarantine.group_by("reason").aggregate(
        [("clip_id", "count_distinct"), ("feature", "distinct")]
    )
    rows = sorted(
        by_reason.to_pylist(), key=lambda row: (-row["clip_id_count_distinct"], row["reason"])
    )
    lines = [
        _row(
            row["reason"], row["clip_id_count_distinct"], ", ".join(sorted(row["feature_distinct"]))
        )
        for row in rows
    ]
    return [*_grid("in quarantine", "clips", "features that miss them"), *lines]


def _audit(findings: Sequence[Finding], folds_dropped: bool) -> list[str]:
    if not findings:
        return [
            "The folds no longer fit the clips and were left out; split again."
            if folds_dropped
            else "There are no folds to audit."
        ]
    schemes = sorted({one.scheme for one in findings})
    lines = [
        f"- {_cell(scheme)}: {in_one_line(one for one in findings if one.scheme == scheme)}"
        for scheme in schemes
    ]
    graver = [
        one for one in findings if one.severity in {Severity.ERROR, Severity.WARN, Severity.INFO}
    ]
    if graver:
        lines += ["", *_grid("rule", "severity", "scheme", "fold", "count", "what was found")]
        lines += [
            _row(one.rule, one.severity, one.scheme, _fold(one), one.count, one.detail)
            for one in graver[:_FINDINGS_SHOWN]
        ]
    if len(graver) > _FINDINGS_SHOWN:
        lines += [
            "",
            f"... and {len(graver) - _FINDINGS_SHOWN} more; `affectstore audit` of the store has "
            "them all.",
        ]
    return lines


def _fold(finding: Finding) -> str:
    return "all" if finding.fold == ALL_FOLDS else str(finding.fold)


def _grid(*heads: str) -> list[str]:
    return [_row(*heads), _row(*("---" for _ in heads))]


def _row(*cells: object) -> str:
    return "| " + " | ".join(_cell(str(cell)) for cell in cells) + " |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _link(file: str) -> str:
    """A file of this machine as a URL; an object's URL as it is."""
    where = file if "://" in file else f"file://{file}"
    return where.replace(" ", "%20").replace("(", "%28").replace(")", "%29")
