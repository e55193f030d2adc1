"""Commands that deal clips to folds, learn on them, and judge splits and downloads."""

from pathlib import Path
from typing import Annotated

import typer

from flows.commands import completing
from flows.commands.arguments import (
    AcceptUnjudged,
    AsJson,
    AsMarkdown,
    AuditSources,
    ChosenClips,
    ColumnMeanings,
    EveryFinding,
    FindingsFile,
    OneScheme,
    ProbeFeatures,
    ProbeLabels,
    SideWords,
    SplitScheme,
    Store,
    SubjectPattern,
    TuningDevice,
    WhoseClips,
    WithProbe,
    Workers,
    argument,
    listed,
    option,
)
from flows.exits import LEAKS, UNJUDGED


def split(
    store: Store,
    scheme: Annotated[
        str,
        argument("Such as subject_kfold or leave_one_subject_out.", complete=completing.schemes),
    ],
    folds: Annotated[
        int | None,
        option("Number of folds, where the scheme leaves it open."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed deals the groups in another way.")] = 0,
    test: Annotated[
        str,
        option("Subjects to test, such as 23,24; for the scheme holdout."),
    ] = "",
    valid: Annotated[
        str,
        option("Subjects to validate on; for the scheme holdout."),
    ] = "",
    where: ChosenClips = None,
) -> None:
    """Deal the clips to folds that share no subject, or to those of a paper by name; an unknown
    name lists all schemes."""
    from flows.recording import recorded
    from flows.splitting.run import check_split, run_split
    from flows.view.split import print_claims
    from flows.view.store import print_folds
    from stores.location import locate
    from stores.summary import summarise_scheme

    run = recorded("split", run_split, check_split)
    snapshot = run(store, scheme, folds, seed, listed(test), listed(valid), tuple(where or ()))
    print_folds(summarise_scheme(locate(store), snapshot, scheme))
    print_claims(scheme, snapshot.schemes[scheme])


def fit(
    store: Store,
    scheme: SplitScheme,
    workers: Workers = None,
    device: TuningDevice = None,
    where: ChosenClips = None,
) -> None:
    """Learn what the store's recipe has under [fitted.NAME], for each fold of a scheme, from the
    training clips of that fold alone."""
    from flows.fitting.run import check_fit, run_fit
    from flows.recording import recorded
    from flows.view.fit import print_fit

    run, chosen = recorded("fit", run_fit, check_fit), tuple(where or ())
    print_fit(store, scheme, run(store, scheme, workers, device=device, where=chosen))


def audit(
    sources: AuditSources,
    corpus: WhoseClips = None,
    scheme: OneScheme = None,
    column: ColumnMeanings = None,
    side: SideWords = None,
    subject: SubjectPattern = None,
    json: AsJson = False,
    markdown: AsMarkdown = False,
    out: FindingsFile = None,
    all_: EveryFinding = False,
    accept_unjudged: AcceptUnjudged = False,
    probe: WithProbe = False,
    labels: ProbeLabels = None,
    feature: ProbeFeatures = None,
    where: ChosenClips = None,
) -> None:
    """Find the leaks of a split, ours or anyone's; the first line is the verdict. Exit 0: it holds
    (or a paper's counts are possible), 1: it leaks (or they are impossible), 3: it cannot be
    judged, or not all of it; whatever the probe measures."""
    from flows.auditing.run import check_audit, run_audit, write_findings
    from flows.recording import recorded
    from flows.view.audit import print_report, to_json
    from flows.view.console import put
    from flows.view.run_summary import audit_page

    if (labels or feature) and not probe:
        raise typer.BadParameter("--labels and --feature say what the probe reads; add --probe")
    if json and markdown:
        raise typer.BadParameter("--json and --markdown are two forms of one report; give one")
    if probe:
        from flows.auditing.probe_input import check_names

        check_names(sources, labels, feature or ())
    columns, sides, chosen = column or [], side or [], where or []
    run = recorded("audit", run_audit, check_audit)
    report = run(sources, corpus, scheme, columns, sides, subject, chosen)
    cost = None
    if probe:
        from flows.auditing.leak_probe import run_leak_probe
        from flows.view.leak_probe import as_json, print_probe

        cost = run_leak_probe(sources, scheme, labels, feature or (), chosen)
    if out is not None:
        write_findings(report, out)
    if json:
        put(to_json(report, **({"probe": as_json(cost)} if cost else {})))
    elif markdown:
        put(audit_page(report))
    else:
        print_report(report, all_)
        if cost:
            print_probe(cost)
    if report.failed:
        raise typer.Exit(LEAKS)
    if report.is_open and not accept_unjudged:
        raise typer.Exit(UNJUDGED)


def survey(
    index: Annotated[
        Path,
        argument("TOML file of published lists: name, paths, source, commit, licence, options."),
    ],
    folder: Annotated[
        Path | None,
        option("Folder that the paths of the lists begin at; that of the index if not given."),
    ] = None,
    out: Annotated[
        Path | None, option("Write the page to this file instead of printing it.")
    ] = None,
) -> None:
    """Audit many published lists and make a page of them in Markdown, with verdict and counts of
    each."""
    from flows.auditing.survey import run_survey
    from flows.view.console import put
    from flows.view.survey import survey_page
    from stores.atomic import write_bytes

    page = survey_page(run_survey(index, folder))
    if out is None:
        put(page)
    else:
        write_bytes(out, page.encode())


def check(
    folder: Annotated[Path, argument("Folder with a corpus as downloaded.")],
    hashes: Annotated[
        Path,
        option(
            "CSV with path, sha256 and bytes; or a clone of the corpus that holds git-lfs pointers."
        ),
    ],
) -> None:
    """Compare downloaded files with the hashes that their corpus publishes. Exit 1 when one is a
    git-lfs stub or has other bytes."""
    from flows.auditing.downloads import run_check
    from flows.view.downloads import print_checked

    found = run_check(folder, hashes)
    print_checked(found)
    if found.failed:
        raise typer.Exit(1)
