"""Commands that take what a store holds elsewhere."""

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
