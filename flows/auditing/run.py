"""The step `audit`, as a plain function: a store, a table of anyone's, or a paper's printed numbers
-> findings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from flows.auditing.copies import measured
from flows.auditing.fitted_states import fits
from manifests.audit import (
    SUFFIXES,
    Listing,
    NothingToAudit,
    audit,
    audit_paper,
    has_errors,
    list_store,
    match_foreign,
    read_foreign,
)
from manifests.audits import AUDITS, Finding, Severity
from manifests.clips import CLIPS
from manifests.corpora.catalog import CORPORA
from manifests.features import INDEX
from manifests.folds import FOLDS
from manifests.labels import LABELS
from stores.mirror import shown
from stores.records import StoredFeature, StoredFitted


@dataclass(frozen=True)
class Report:
    """What an audit found, and of what."""

    source: str
    corpora: tuple[str, ...]
    folds: int
    read_as: tuple[tuple[str, str], ...]
    """(column of the table, what it was read as)."""
    findings: tuple[Finding, ...]
    """Gravest first, then by rule and fold."""

    @property
    def failed(self) -> bool:
        return has_errors(self.findings)


_ORDER = [severity.value for severity in Severity]


def run_audit(
    sources: Sequence[Path], corpus: str | None = None, scheme: str | None = None
) -> Report:
    """Audit a store, a table or several tables of one split (one for each side), or a paper's
    numbers (a file, or a shipped name).

    corpus: whose clips a table lists, where its ids do not tell; scheme: only this one. Reads only.
        Whatever a user can cause is one
    sentence: WrongForeignTable, WrongPaper, NothingToAudit, or the store's own errors.
    """
    first = sources[0]
    if first.suffix == ".toml" or (not first.exists() and _is_shipped(first)):
        if len(sources) > 1 or corpus or scheme:
            raise NothingToAudit(
                f"{first} is a paper's numbers; give it alone, without --corpus and --scheme"
            )
        return _of_paper(first)
    if first.is_dir():
        if len(sources) > 1 or corpus:
            raise NothingToAudit(
                f"{first} is a store, which knows its corpora; give it alone, without --corpus"
            )
        return _of_listing(_of_store(first, scheme))
    if not first.exists() and first.suffix.lower() not in SUFFIXES:
        raise NothingToAudit(
            f"{first} does not exist; expected the folder of a store, a table "
            f"({', '.join(SUFFIXES)}) or a paper's TOML file"
        )
    return _of_listing(
        match_foreign([read_foreign(path) for path in sources], CORPORA, corpus, scheme)
    )


def audit_tables(
    root: Path,
    tables: Mapping[str, pa.Table],
    features: Mapping[str, StoredFeature],
    fitted: Mapping[str, StoredFitted],
    scheme: str | None = None,
) -> list[Finding]:
    """The findings on the tables of a store (clips, labels, folds, index) and its features; none
    where there are no folds.

    The tables may be published or not yet; the shards of the features and the fitted states are
    there.
    """
    return (
        audit(_listing_of(root, tables, features, fitted, scheme))
        if tables["folds"].num_rows
        else []
    )


def audit_again(
    root: Path,
    tables: Mapping[str, pa.Table],
    features: Mapping[str, StoredFeature],
    fitted: Mapping[str, StoredFitted],
    scheme: str,
) -> pa.Table:
    """The table AUDITS of a store with what is found in one scheme found anew."""
    folds = tables["folds"].filter(pc.equal(tables["folds"].column("scheme"), scheme))
    found = audit_tables(root, {**tables, "folds": folds}, features, fitted, scheme)
    known = [finding for finding in AUDITS.rows(tables["audits"]) if finding.scheme != scheme]
    return AUDITS.build([*known, *found])


def _is_shipped(path: Path) -> bool:
    from flows.auditing.printed_counts import shipped

    return str(path) in shipped()


def _of_paper(path: Path) -> Report:
    from flows.auditing.printed_counts import load_paper, shipped

    paper = load_paper(shipped().get(str(path), path))
    corpora = tuple(sorted({claim.corpus for claim in paper.claims}))
    return Report(paper.title or paper.name, corpora, 0, (), _ordered(audit_paper(paper)))


def _of_store(root: Path, scheme: str | None) -> Listing:
    from stores.snapshot import load_snapshot, read_table

    snapshot = load_snapshot(root)
    tables = {
        table.name: read_table(root, snapshot, table) for table in (CLIPS, LABELS, FOLDS, INDEX)
    }
    return _listing_of(root, tables, snapshot.features, snapshot.fitted, scheme)


def _listing_of(
    root: Path,
    tables: Mapping[str, pa.Table],
    features: Mapping[str, StoredFeature],
    fitted: Mapping[str, StoredFitted],
    scheme: str | None,
) -> Listing:
    clips, labels, folds, index = (tables[table.name] for table in (CLIPS, LABELS, FOLDS, INDEX))
    corpora = [
        CORPORA[name] for name in clips.column("corpus").unique().to_pylist() if name in CORPORA
    ]
    return list_store(
        shown(root),
        clips,
        labels,
        folds,
        index,
        corpora,
        scheme,
        measured(root, features, index),
        fits(root, tables, fitted),
    )


def _of_listing(whole: Listing) -> Report:
    return Report(
        whole.source, whole.corpora, len(whole.folds), whole.read_as, _ordered(audit(whole))
    )


def _ordered(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(
        sorted(
            findings,
            key=lambda one: (
                _ORDER.index(one.severity),
                int(one.rule[1:]),
                one.scheme,
                one.fold,
                one.what,
            ),
        )
    )


def write_findings(report: Report, path: Path) -> None:
    """The findings as a Parquet table, rows as AUDITS has them."""
    from stores.atomic import write_bytes

    write_bytes(path, AUDITS.to_bytes(AUDITS.build(report.findings)))
