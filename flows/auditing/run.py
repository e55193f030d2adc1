"""An audit of a store, of a table that anyone made, or of a paper's printed numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from flows.auditing.printed_counts import load_paper
from flows.shipped import papers
from manifests.audit import (
    SUFFIXES,
    Answer,
    NothingToAudit,
    ReadingOptions,
    SplitVerdict,
    audit,
    audit_paper,
    but_unread,
    check_folds,
    match_foreign,
    paper_verdict,
    read_published,
    verdicts_of,
)
from manifests.audits import AUDITS, Finding, Severity
from manifests.choice import Choice
from manifests.corpora.catalog import CORPORA
from manifests.folds import FOLDS
from manifests.suggestions import did_you_mean
from stores.atomic import write_bytes
from stores.location import Location, Place, locate
from stores.snapshot import load_snapshot, read_compact

_ORDER = [severity.value for severity in Severity]


@dataclass(frozen=True)
class AuditReport:
    """What an audit found, and of what."""

    source: str
    corpora: tuple[str, ...]
    folds: int
    read_as: str
    """How a published list was read, in a line for people; "" for others."""
    findings: tuple[Finding, ...]
    """Gravest first, then by rule and fold."""

    notes: tuple[str, ...] = ()
    """How the table was understood, a sentence each, where a reader should know."""

    unread: tuple[str, ...] = ()
    """What was given and not read, though its name says a side."""

    @property
    def is_of_store(self) -> bool:
        """Whether it is of a store, and not of a published list or a paper."""
        return bool(self.folds) and not self.read_as

    @cached_property
    def verdicts(self) -> tuple[SplitVerdict, ...]:
        """What the findings come to, of each scheme; the gravest first."""
        if not self.folds:
            return (paper_verdict(self.findings, self.source),)
        verdicts = [but_unread(one, self.unread) for one in verdicts_of(self.findings)]
        return tuple(sorted(verdicts, key=lambda one: list(Answer).index(one.answer)))

    @property
    def verdict(self) -> SplitVerdict:
        """The gravest verdict."""
        return self.verdicts[0]

    @property
    def failed(self) -> bool:
        """Whether the split leaks, or the printed counts are impossible."""
        return self.verdict.answer in (Answer.LEAKS, Answer.IMPOSSIBLE)

    @property
    def is_open(self) -> bool:
        """Whether nobody can say, or not of all rows."""
        return self.verdict.answer in (Answer.UNJUDGED, Answer.PARTLY)


def run_audit(
    sources: Sequence[Place],
    corpus: str | None = None,
    scheme: str | None = None,
    columns: Sequence[str] = (),
    sides: Sequence[str] = (),
    subject: str | None = None,
    where: Sequence[str] = (),
) -> AuditReport:
    """Audits; reads only. Whatever a user can cause is one sentence.

    Args:
        sources: A store; a table, or the tables of one split's sides; or a paper's numbers, as a
            TOML file or the name of a shipped one.
        corpus: Whose clips a table lists, where its ids do not say; guessed if None.
        scheme: The one split scheme to audit; None: all.
        columns: What columns of a table mean, each such as `clip=3`.
        sides: What the sides of a table are written as, each such as `test=2`.
        subject: A regular expression that finds the speaker in the name of a clip.
        where: Conditions on the clips of a store, such as `channel=speech`: the folds are judged as
            far as they hold these clips.

    Returns:
        The report.

    Raises:
        NothingToAudit: A source is none of these, or the options do not go with it.
        WrongForeignTable: A table cannot be understood.
        WrongPaper: A paper's numbers cannot be understood.
        WrongChoice: A condition names what there is not, or leaves no clip.
    """
    check_audit(sources, corpus, scheme, columns, sides, subject, where)
    choice = Choice.of(tuple(where))
    first, read_as = locate(sources[0]), ""
    unread: tuple[str, ...] = ()
    if paper := _paper(first):
        return _audit_paper(paper)
    if _is_store(first):
        from flows.auditing.store import committed_listing

        listing = committed_listing(first, scheme, choice)
    else:
        paths = [Path(locate(source).name) for source in sources]
        tables = read_published(paths, ReadingOptions.parse(columns, sides, subject))
        listing = match_foreign(tables, CORPORA, corpus, scheme)
        read_as, unread = tables[0].understood, tables[0].unread
    findings = _ordered(audit(listing))
    return AuditReport(
        " + ".join(map(str, map(locate, sources))),
        listing.corpora,
        len(listing.folds),
        read_as,
        findings,
        (*listing.notes, *([f"judged are the clips with {choice.words}"] if choice else [])),
        unread,
    )


def _refuse_choice(choice: Choice, source: Location) -> None:
    if choice:
        raise NothingToAudit(
            f"--where chooses clips of a store by its columns, and {source} is none; leave it out, "
            "or give a store"
        )


def check_audit(
    sources: Sequence[Place],
    corpus: str | None = None,
    scheme: str | None = None,
    columns: Sequence[str] = (),
    sides: Sequence[str] = (),
    subject: str | None = None,
    where: Sequence[str] = (),
) -> None:
    """Refuses what is no audit; reads no table but the folds of a store.

    Args:
        sources: As for `run_audit`, like the others.
        corpus: Whose clips a table lists.
        scheme: The one split scheme to audit.
        columns: What columns of a table mean.
        sides: What the sides of a table are written as.
        subject: A regular expression.
        where: Conditions on the clips of a store.

    Raises:
        NothingToAudit: A source is not there, has no such folds, or the options do not go with it.
        WrongForeignTable: An option is not of its form.
        NotCommitted: A store has no snapshot.
        WrongChoice: A condition has another form.
    """
    choice = Choice.of(tuple(where))
    ReadingOptions.parse(columns, sides, subject)
    first = locate(sources[0])
    if _paper(first):
        if len(sources) > 1 or corpus or scheme:
            raise NothingToAudit(
                f"{first} is a paper's numbers; give it alone, without --corpus and --scheme"
            )
        _refuse_choice(choice, first)
    elif _is_store(first):
        if len(sources) > 1 or corpus:
            raise NothingToAudit(
                f"{first} is a store, which knows its corpora; give it alone, without --corpus"
            )
        folds = read_compact(first, load_snapshot(first), FOLDS, ["scheme"])
        check_folds(str(first), folds.column("scheme").unique().to_pylist(), scheme)
    elif not _is_there(first) and Path(first.name).suffix.lower() not in SUFFIXES:
        known = papers()
        raise NothingToAudit(
            f"{first} does not exist; {did_you_mean(first.name, known)}expected the folder of a "
            "store, a table or list of a split (such as CSV, text, JSON, Parquet, XLSX), a folder "
            f"or zip file of them, a paper's TOML file, or one of the papers {', '.join(known)}"
        )
    else:
        _refuse_choice(choice, first)


def _is_there(place: Location) -> bool:
    return not place.is_local or place.folder.exists()


def _paper(place: Location) -> Path | None:
    """The file of a paper's numbers, which may be a shipped one."""
    path, known = Path(place.name), papers()
    if path.suffix == ".toml" or (place.name in known and not _is_there(place)):
        return known.get(place.name, path)
    return None


def _is_store(place: Location) -> bool:
    """Also one that was damaged, which is no list of others, and whatever is behind a URL."""
    if not place.is_local:
        return True
    return any((place.folder / name).exists() for name in ("dataset.json", "snapshots"))


def _audit_paper(path: Path) -> AuditReport:
    paper = load_paper(path)
    corpora = tuple(sorted({claim.corpus for claim in paper.claims}))
    findings = _ordered(audit_paper(paper))
    return AuditReport(paper.title or paper.name, corpora, 0, "", findings)


def _ordered(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    def key(one: Finding) -> tuple[int, int, str, int, str]:
        return _ORDER.index(one.severity), int(one.rule[1:]), one.scheme, one.fold, one.what

    return tuple(sorted(findings, key=key))


def write_findings(report: AuditReport, path: Path) -> None:
    """Writes the findings of an audit as a Parquet table.

    Args:
        report: The audit.
        path: The file; its rows are those of AUDITS.
    """
    write_bytes(path, AUDITS.to_bytes(AUDITS.build(report.findings)))
