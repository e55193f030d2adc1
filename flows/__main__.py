"""The command `affectstore`.

Heavy imports stay inside the commands that need them, so that each answers at once.
"""

import sys

try:
    import typer
except ModuleNotFoundError:
    sys.exit(
        "affectstore: this environment has the reader alone; the command needs the pipeline: in a "
        "clone of affectstore, pip install --constraint constraints.txt '.[build]'"
    )

from flows.commands import finding, first, sharing, splits, stores
from flows.exits import prepare_process, run_app

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # "rich" would take [fitted.NAME] for a colour
)

for command in (
    first.demo,
    first.sample,
    first.recipes,
    stores.build,
    stores.serve,
    splits.split,
    splits.fit,
    stores.show,
    stores.report,
    stores.draw,
    stores.verify,
    sharing.export,
    sharing.forget,
    sharing.gc,
    splits.check,
    splits.survey,
    splits.audit,
    finding.explain,
):
    app.command()(command)
app.command("list")(finding.list_)
app.callback()(finding.root)


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
