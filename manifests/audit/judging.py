"""Every rule on every fold of a listing, as findings."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from manifests.audit.catalog import RULES
from manifests.audit.fold_view import FoldView
from manifests.audit.listing import Listing
from manifests.audit.observations import NotJudged, Observation
from manifests.audits import ALL_FOLDS, Finding, Severity
from manifests.corpora.catalog import CORPORA

_GRAVITY = (Severity.ERROR, Severity.WARN, Severity.INFO)


def audit(listing: Listing) -> list[Finding]:
    """Judges every fold of a listing by every rule.

    A rule that holds, or cannot be judged, in all folds of a scheme gives one finding for the
    scheme; so each rule is accounted for.

    Args:
        listing: The clips and folds of a table or a store.

    Returns:
        The findings, sorted as AUDITS is.
    """
    findings: list[Finding] = []
    faultless: dict[tuple[str, str], list[tuple[bool, str]]] = {}
    for fold in listing.folds:
        view = FoldView(listing, fold)
        for rule in RULES:
            faults, verdict = _judge(rule, view)
            findings += faults
            if not faults:
                faultless.setdefault((rule, fold.scheme), []).append(verdict)
    folds = Counter(fold.scheme for fold in listing.folds)
    findings = [*_once(findings, folds)]
    findings += [
        _without_fault(rule, scheme, verdicts, folds[scheme])
        for (rule, scheme), verdicts in faultless.items()
    ]
    return sorted(findings, key=sort_key)


def sort_key(finding: Finding) -> tuple[str, str, int, str]:
    """The place of a finding in the order of the table AUDITS.

    Args:
        finding: Any finding.

    Returns:
        Its values in the key columns of AUDITS.
    """
    return finding.rule, finding.scheme, finding.fold, finding.what


def has_errors(findings: Iterable[Finding]) -> bool:
    """Says whether a split fails its audit.

    Args:
        findings: What the audit found.

    Returns:
        True where at least one finding is an error.
    """
    return any(finding.severity == Severity.ERROR for finding in findings)


def finding_of(
    rule: str, severity: Severity, scheme: str, fold: int, observation: Observation
) -> Finding:
    """An observation as a row of the table AUDITS.

    Args:
        rule: Number of the rule, such as `L1`.
        severity: How grave it is.
        scheme: Name of the split scheme, or of the paper.
        fold: Number of the fold; ALL_FOLDS for all.
        observation: What was counted.

    Returns:
        The finding.
    """
    return Finding(
        rule,
        severity,
        scheme,
        fold,
        observation.what,
        observation.count,
        "\n".join(observation.examples),
        observation.detail,
    )


def severity_of(rule: str, observation: Observation, corpora: Sequence[str]) -> Severity:
    """How grave an observation is: the gravest that holds for one of the corpora.

    Args:
        rule: Number of the rule, such as `L1`.
        observation: What was counted.
        corpora: Names of the corpora that the clips are of.

    Returns:
        The observation's own severity where it has one, else the rule's for the corpora; of a
        minor observation at most a warning.
    """
    if observation.severity is not None:
        return observation.severity
    usual = RULES[rule].severity
    by_corpus = {name: corpus.severities.get(rule, usual) for name, corpus in CORPORA.items()}
    own = min((by_corpus.get(name, usual) for name in corpora), key=_GRAVITY.index, default=usual)
    return Severity.WARN if observation.minor and own == Severity.ERROR else own


def _once(findings: Iterable[Finding], folds: Mapping[str, int]) -> Iterator[Finding]:
    """The findings, what is said in the same words of every fold of a scheme being said once."""
    alike: dict[Finding, list[Finding]] = {}
    for finding in findings:
        alike.setdefault(replace(finding, fold=ALL_FOLDS), []).append(finding)
    for of_all, each in alike.items():
        yield from [of_all] if len(each) == folds[of_all.scheme] > 1 else each


def _judge(rule: str, view: FoldView) -> tuple[list[Finding], tuple[bool, str]]:
    """Findings; whether anything was judged without one; and why the rest could not be judged."""
    findings: list[Finding] = []
    reasons: list[str] = []
    judged = False
    for observation in RULES[rule].check(view):
        if isinstance(observation, NotJudged):
            reasons.append(observation.why)
        elif observation.count:
            severity = severity_of(rule, observation, view.listing.corpora)
            findings.append(finding_of(rule, severity, view.scheme, view.fold, observation))
        else:
            judged = True
    return findings, (judged, "; ".join(reasons))


def _without_fault(rule: str, scheme: str, verdicts: list[tuple[bool, str]], folds: int) -> Finding:
    """What is said of the folds of a scheme in which a rule found nothing."""
    judged_folds = sum(judged for judged, _ in verdicts)
    why = next((why for _, why in verdicts if why), "")
    severity, detail = Severity.NOT_JUDGED, f"not judged: {why}"
    if judged_folds:
        where = f" in {judged_folds} of {folds} folds" if folds > 1 else ""
        partly = f"; in part not judged: {why}" if why else ""
        severity = Severity.HELD
        detail = f"nothing found{where} ({RULES[rule].title}){partly}"
    return finding_of(rule, severity, scheme, ALL_FOLDS, Observation("", 0, detail))
