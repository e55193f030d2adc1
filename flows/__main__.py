"""The command `affectstore`.

Heavy imports stay inside the commands that need them, so that each answers at once.
"""

import sys
from pathlib import Path
from typing import Annotated

try:
    import typer
except ModuleNotFoundError:
    sys.exit(
        "affectstore: this environment has the reader alone; the command needs the pipeline: pip "
        "install 'affectstore[build]'"
    )

from flows.arguments import (
    STORE_HELP,
    AcceptUnjudged,
    AsJson,
    AsMarkdown,
    AuditSources,
    Changes,
    ColumnMeanings,
    Corpora,
    Dask,
    DemoFolder,
    FindingsFile,
    OneScheme,
    ProbeFeatures,
    ProbeLabels,
    RecipeOption,
    ReportFolder,
    SideWords,
    SplitScheme,
    Store,
    SubjectPattern,
    TuningDevice,
    WhoseClips,
    WithProbe,
    Workers,
    argument,
    check_workers,
    corpora_of,
    listed,
    option,
)
from flows.exits import LEAKS, UNJUDGED, prepare_process, run_app
from manifests.visible import visible

app = typer.Typer(
    help="Audio-visual features of emotion corpora: decoded once, stored for any trainer, split "
    "by subject.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # "rich" would take [fitted.NAME] for a colour
)


@app.command()
def demo(out: DemoFolder = Path("demo"), workers: Workers = None) -> None:
    """Make a sample corpus, build a store from it, split it, audit the split, and read a batch
    back. Needs no network."""
    from flows.sample.demo import run_demo

    run_demo(out, workers)


@app.command()
def sample(
    folder: Annotated[Path, argument("Folder for the clips.")],
) -> None:
    """Write the sample corpus: 51 short synthetic clips with RAVDESS names, three of them bad on
    purpose."""
    from flows.sample.demo import make_sample

    make_sample(folder)


@app.command()
def recipes(
    name: Annotated[str | None, argument("A recipe to print.")] = None,
) -> None:
    """List the recipes, or print one with its source and its open points."""
    from flows.recipe import descriptions, load
    from flows.view.recipes import print_recipe, print_recipes

    if name is None:
        print_recipes(descriptions())
    else:
        print_recipe(load(name))


@app.command()
def build(
    store: Store,
    corpus: Corpora,
    recipe: RecipeOption = "default",
    set_: Changes = None,
    workers: Workers = None,
    dask: Dask = None,
    rehash: Annotated[
        bool,
        typer.Option(
            "--rehash", help="Read every file, also those that look as they did when last read."
        ),
    ] = False,
    retry: Annotated[
        list[str] | None,
        option(
            "Measure clips again that are in quarantine for this reason, such as crashed; may be "
            "given again."
        ),
    ] = None,
) -> None:
    """Bring a store up to date with its corpora: only what is new or changed is computed."""
    from flows.building.run import run_build
    from flows.recording import recorded
    from flows.view.store import print_result
    from manifests.quarantine import QUARANTINE
    from stores.location import locate
    from stores.snapshot import read_rows
    from stores.summary import quarantine_lines

    check_workers(workers, dask)
    run = recorded("build", run_build)
    changes, retried = tuple(set_ or ()), tuple(retry or ())
    result = run(store, corpora_of(corpus), recipe, changes, workers, dask, rehash, retried)
    quarantine = read_rows(locate(store), result.snapshot, QUARANTINE)
    print_result(store, result, quarantine_lines(quarantine, len(result.snapshot.features)))


@app.command()
def serve(
    recipe: Annotated[str, argument("A shipped recipe by name, or a TOML file.")],
    store: Annotated[str, option(STORE_HELP)],
    corpus: Corpora,
    cron: Annotated[
        str,
        option("When, in this machine's time zone, such as '0 3 * * *' for 03:00 daily."),
    ],
    set_: Changes = None,
    workers: Workers = None,
    dask: Dask = None,
) -> None:
    """Bring a store up to date by the clock, until an interrupt; on the Prefect server at
    PREFECT_API_URL, else on one that this command brings up."""
    from flows.serve import serve as run_serve

    check_workers(workers, dask)
    run_serve(store, corpora_of(corpus), recipe, tuple(set_ or ()), cron, workers, dask)


@app.command()
def split(
    store: Store,
    scheme: Annotated[
        str,
        argument("Such as subject_kfold or leave_one_subject_out."),
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
) -> None:
    """Deal the clips to folds that share no subject, or to those of a paper by name; an unknown
    name lists all schemes."""
    from flows.recording import recorded
    from flows.splitting.run import run_split
    from flows.view.split import print_claims
    from flows.view.store import print_folds
    from stores.location import locate
    from stores.summary import summarise_scheme

    run = recorded("split", run_split)
    snapshot = run(store, scheme, folds, seed, listed(test), listed(valid))
    print_folds(summarise_scheme(locate(store), snapshot, scheme))
    print_claims(scheme, snapshot.schemes[scheme])


@app.command()
def fit(
    store: Store, scheme: SplitScheme, workers: Workers = None, device: TuningDevice = None
) -> None:
    """Learn what the store's recipe has under [fitted.NAME], for each fold of a scheme, from the
    training clips of that fold alone."""
    from flows.fitting.run import run_fit
    from flows.recording import recorded
    from flows.view.fit import print_fit

    print_fit(store, scheme, recorded("fit", run_fit)(store, scheme, workers, device=device))


@app.command()
def show(store: Store) -> None:
    """Print what a store holds: clips, features with their shapes, folds, and what is in
    quarantine."""
    from flows.view.store import print_store
    from stores.location import locate
    from stores.summary import summarise

    print_store(summarise(locate(store)))


@app.command()
def report(store: Store, out: ReportFolder = None) -> None:
    """Make one HTML page of a store for people: verdict, classes, folds, distributions, bad clips,
    leaks. It needs no other file and no network."""
    from flows.reporting.run import write_report

    print(visible(str(write_report(store, out))))


@app.command()
def draw(
    store: Store,
    feature: Annotated[str, argument("Such as mfcc, logmel64 or crops.")],
    out: Annotated[Path, argument("Folder for the PNG files.")],
    clip: Annotated[
        list[str] | None,
        option("A clip's id; may be given again. All clips if not given."),
    ] = None,
) -> None:
    """Draw a feature, one PNG file a clip: numbers as colours over seconds, pictures as a sheet of
    them."""
    from flows.view.draw import draw as draw_feature
    from stores import FeatureStore

    files = draw_feature(FeatureStore(store)[feature], out, clip or ())
    print(visible(f"{len(files)} PNG files in {out}" if len(files) != 1 else str(files[0])))


@app.command()
def verify(
    store: Store,
    media: Annotated[
        str | None,
        option("Also compare so many clips, or all, with their files; needs --corpus.", "--media"),
    ] = None,
    corpus: Annotated[
        list[str] | None, option("For --media: NAME=FOLDER; may be given again.")
    ] = None,
) -> None:
    """Check every checksum, every index row and every feature: stored + quarantined = clips. Exit 1
    when something is wrong."""
    from flows.view.store import print_verification
    from stores.verify import verify as verify_store

    if bool(media) != bool(corpus):
        raise typer.BadParameter("--media and --corpus belong together; give both, or neither")
    folders = corpora_of(corpus or [])
    if media:
        from flows.building.media_check import check_media, number_of_clips
        from flows.view.media_check import print_media_check

        most = number_of_clips(media)
    found = verify_store(store)
    print_verification(found)
    if found.problems:
        raise typer.Exit(1)
    if media:
        compared = check_media(store, folders, most)
        print_media_check(compared)
        if compared.failed:
            raise typer.Exit(1)


@app.command()
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


@app.command()
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


@app.command()
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
    accept_unjudged: AcceptUnjudged = False,
    probe: WithProbe = False,
    labels: ProbeLabels = None,
    feature: ProbeFeatures = None,
) -> None:
    """Find the leaks of a split, ours or anyone's; the first line is the verdict. Exit 0: it holds
    (or a paper's counts are possible), 1: it leaks (or they are impossible), 3: it cannot be
    judged, or not all of it; whatever the probe measures."""
    from flows.auditing.run import run_audit, write_findings
    from flows.recording import recorded
    from flows.view.audit import print_report, to_json
    from flows.view.console import put
    from flows.view.run_summary import audit_page

    if (labels or feature) and not probe:
        raise typer.BadParameter("--labels and --feature say what the probe reads; add --probe")
    columns, sides = column or [], side or []
    report = recorded("audit", run_audit)(sources, corpus, scheme, columns, sides, subject)
    cost = None
    if probe:
        from flows.auditing.leak_probe import run_leak_probe
        from flows.view.leak_probe import as_json, print_probe

        cost = run_leak_probe(sources, scheme, labels, feature or ())
    if out is not None:
        write_findings(report, out)
    if json:
        put(to_json(report, **({"probe": as_json(cost)} if cost else {})))
    elif markdown:
        put(audit_page(report))
    else:
        print_report(report)
        if cost:
            print_probe(cost)
    if report.failed:
        raise typer.Exit(LEAKS)
    if report.is_open and not accept_unjudged:
        raise typer.Exit(UNJUDGED)


def main() -> None:
    """Runs the command as the process was called."""
    prepare_process()
    run()


def run(arguments: list[str] | None = None) -> None:
    """Runs the command; what a user can cause is one sentence and exit code 2.

    Args:
        arguments: Without the name of the command; None: as the process was called.

    Raises:
        SystemExit: The command has ended, or was refused.
    """
    run_app(app, arguments)


if __name__ == "__main__":
    main()
