"""Commands that make a store, keep it up to date, and look at it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands import completing
from flows.commands.arguments import (
    STORE_HELP,
    Alert,
    Changes,
    ChosenClips,
    Corpora,
    Dask,
    RecipeOption,
    ReportFolder,
    Store,
    Workers,
    argument,
    check_workers,
    corpora_of,
    option,
)
from manifests.visible import visible

if TYPE_CHECKING:
    from flows.building.commit import BuildResult


def build(
    store: Store,
    corpus: Corpora = None,
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
            "given again.",
            complete=completing.reasons,
        ),
    ] = None,
    where: ChosenClips = None,
) -> None:
    """Bring a store up to date with its corpora: only what is new or changed is computed."""
    from flows.building.preparing import workers_prepared

    check_workers(workers, dask)
    changes, retried, chosen = tuple(set_ or ()), tuple(retry or ()), tuple(where or ())
    given = (store, corpora_of(corpus), recipe, changes, workers, dask, rehash, retried, chosen)
    with workers_prepared(store, recipe, changes, dask):
        from flows.building.run import check_build, run_build
        from flows.recording import recorded

        result = recorded("build", run_build, check_build)(*given)
    _print_build(store, result)


def _print_build(store: str, result: "BuildResult") -> None:
    from flows.view.store import print_absent, print_features_of_no_clip, print_result
    from manifests.quarantine import QUARANTINE
    from stores.location import locate
    from stores.snapshot import read_rows
    from stores.summary import absent_counts, features_of_no_clip, quarantine_lines

    quarantine = read_rows(locate(store), result.snapshot, QUARANTINE)
    print_result(store, result, quarantine_lines(quarantine, len(result.snapshot.features)))
    print_absent(absent_counts(locate(store), result.snapshot))
    print_features_of_no_clip(features_of_no_clip(locate(store), result.snapshot))


def serve(
    recipe: Annotated[
        str,
        argument("A shipped recipe by name, or a TOML file.", complete=completing.recipes),
    ],
    store: Annotated[str, option(STORE_HELP)],
    corpus: Corpora,
    cron: Annotated[
        str,
        option("When, in this machine's time zone, such as '0 3 * * *' for 03:00 daily."),
    ],
    set_: Changes = None,
    workers: Workers = None,
    dask: Dask = None,
    alert: Alert = None,
) -> None:
    """Bring a store up to date by the clock, until an interrupt; on the Prefect server at
    PREFECT_API_URL, else on one that this command brings up."""
    from flows.serve import serve as run_serve

    check_workers(workers, dask)
    run_serve(store, corpora_of(corpus), recipe, tuple(set_ or ()), cron, workers, dask, alert)


def show(store: Store) -> None:
    """Print what a store holds: clips, features with their shapes, folds, and what is in
    quarantine."""
    from flows.view.store import print_store
    from stores.location import locate
    from stores.summary import summarise

    print_store(summarise(locate(store)))


def report(store: Store, out: ReportFolder = None) -> None:
    """Make one HTML page of a store for people: verdict, classes, folds, distributions, bad clips,
    leaks. It needs no other file and no network."""
    from flows.reporting.run import write_report

    print(visible(str(write_report(store, out))))


def draw(
    store: Store,
    feature: Annotated[str, argument("Such as mfcc, logmel64 or crops.")],
    out: Annotated[Path, argument("Folder for the PNG files.")],
    clip: Annotated[
        list[str] | None,
        option("A clip's id; may be given again. Without one you are asked about all clips."),
    ] = None,
    scheme: Annotated[
        str | None,
        option("Of a fitted feature: the split scheme.", complete=completing.schemes),
    ] = None,
    fold: Annotated[int | None, option("Of a fitted feature: the number of the fold.")] = None,
    all_: Annotated[
        bool, typer.Option("--all", "--yes", help="Draw all clips, and do not ask.")
    ] = False,
) -> None:
    """Draw a feature, one PNG file a clip: numbers as colours over seconds, pictures as a sheet of
    them."""
    from flows.commands.drawing import check_number, tracks_to_draw
    from flows.view.draw import draw as draw_feature
    from flows.view.draw import refuse_undrawable
    from stores.location import is_inside, locate
    from stores.made import DRAWINGS, mark_of, note_made
    from stores.reader import FeatureStore

    if is_inside(locate(store), out):
        raise typer.BadParameter(
            f"{out} is a folder of the store, which holds nothing but what commands keep there; "
            "give another folder"
        )
    opened = FeatureStore(store)
    tracks = tracks_to_draw(opened, feature, scheme, fold)
    refuse_undrawable(tracks.spec)
    if not (clip or all_):
        check_number(len(tracks), feature)
    mark = mark_of(opened.location, opened.snapshot)
    note_made(store, DRAWINGS, out, mark, opened.snapshot.number)
    files = draw_feature(tracks, out, mark, clip or ())
    print(visible(f"{len(files)} PNG files in {out}" if len(files) != 1 else str(files[0])))


def verify(
    store: Store,
    media: Annotated[
        str | None,
        option("Also compare so many clips, or all, with their files; needs --corpus.", "--media"),
    ] = None,
    corpus: Annotated[
        list[str] | None,
        option("For --media: NAME=FOLDER; may be given again.", complete=completing.corpus_folders),
    ] = None,
) -> None:
    """Check every checksum, every index row and every feature: stored + absent + quarantined =
    clips. Exit 1 when something is wrong."""
    from flows.view.store import print_verification
    from stores.verify import verify as verify_store

    if bool(media) != bool(corpus):
        raise typer.BadParameter("--media and --corpus belong together; give both, or neither")
    folders = corpora_of(corpus) if corpus else {}
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
