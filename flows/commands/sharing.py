"""Commands that take what a store holds elsewhere."""

from pathlib import Path
from typing import Annotated

import typer

from flows.commands import completing
from flows.commands.arguments import ChosenClips, Store, argument, listed, option


def export(
    store: Store,
    out: Annotated[str, argument("A folder that is not there yet, or a URL.", "OUT")],
    to: Annotated[
        str,
        option("The form; `affectstore list formats` has them.", complete=completing.formats),
    ],
    features: Annotated[
        str, option("Features, such as mfcc,resnet18; all that are stored if not given.")
    ] = "",
    scheme: Annotated[
        str | None, option("A split scheme; with --fold its roles are the parts of the export.")
    ] = None,
    fold: Annotated[int | None, option("Number of a fold.")] = None,
    role: Annotated[str | None, option("train, valid or test alone.")] = None,
    where: ChosenClips = None,
    licence: Annotated[
        str | None, option("The terms of your own clips (the corpus folder), in a sentence.")
    ] = None,
    may_share: Annotated[
        bool,
        typer.Option(
            "--i-have-the-right-to-share",
            help="Export pictures and sound that a corpus's terms withhold; this is recorded in "
            "the export.",
        ),
    ] = False,
) -> None:
    """Write what a store holds as other tools read it: features with times and masks, labels,
    folds, and the terms of the corpora. Go on where an export was interrupted."""
    from flows.exporting.run import run_export
    from flows.view.export import print_export
    from stores.exports.source import Request

    request = Request(listed(features) or None, None, scheme, fold, role)
    chosen = tuple(where or ())
    print_export(out, run_export(store, to, out, request, chosen, licence, may_share))


def forget(
    store: Store,
    subject: Annotated[
        str | None,
        option("Whom to forget: corpus/subject, or without the corpus where that is one."),
    ] = None,
    clip: Annotated[str | None, option("Forget this clip alone: its id.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say all that would be done, and do nothing.")
    ] = False,
    receipt: Annotated[
        Path | None,
        option("Where the receipt is to lie; STORE-forgotten-..., beside it, if not given."),
    ] = None,
) -> None:
    """Take a subject, or a clip, out of a store for good, and out of what was made of it; older
    snapshots go as well. Run the same command again where it was interrupted."""
    from flows.forgetting.run import nothing_on_a_server, run_forget
    from flows.recording import server_url
    from flows.view.forgetting import print_forgotten

    on_server = nothing_on_a_server
    if url := server_url():
        from flows.local_server import reach
        from flows.prefect_forgetting import forget_runs

        reach(url)
        on_server = forget_runs
    print_forgotten(store, run_forget(store, subject, clip, dry_run, receipt, on_server))


def gc(
    store: Store,
    keep: Annotated[
        int | None,
        typer.Option(min=1, help="How many of the newest snapshots to keep; all if not given."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")
    ] = False,
) -> None:
    """Remove what no kept snapshot names: files of older snapshots, and what killed builds left."""
    from flows.forgetting.collect import run_collect
    from flows.view.forgetting import print_collected

    print_collected(store, run_collect(store, keep, dry_run))
