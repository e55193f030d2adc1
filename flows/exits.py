"""How the command begins and ends as a process: its exit codes, signals and last words."""

import atexit
import gc
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

import typer

from manifests.visible import visible

LEAKS = 1
"""A split leaks, printed counts are impossible, or files are damaged."""
UNJUDGED = 3
"""A split cannot be judged, or not all of it. 2 is bad usage."""

_PARENTS: dict[str, Any] = {kind.__name__: kind for kind in typer.BadParameter.__mro__}
"""Errors of the click that typer is made with: some versions have one of their own inside."""
_NARROWEST = 20
"""Columns that a table has at least."""
_OBJECTS_PER_COLLECTION = 100_000
"""New objects that Python looks for garbage after; its own default is 700."""
_MOST = 2000
"""Characters that a sentence begins and ends with: it may quote what was given, megabytes of it."""


def prepare_process() -> None:
    """Prepares a process that does nothing but run the command."""
    # Importing makes a hundred thousand objects, none of them garbage: to look for it again and
    # again meanwhile takes a seventh of the time of a short command.
    gc.set_threshold(_OBJECTS_PER_COLLECTION)
    # An interpreter that ends looks through all objects once more, which takes a second.
    atexit.register(gc.freeze)
    # multiprocessing's tracker tidies up after an interrupt, and would warn that it had to.
    os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    sys.excepthook = _print_error
    if (columns := os.environ.get("COLUMNS", "")).isdecimal() and int(columns) < _NARROWEST:
        # A terminal that does not know its width says 0, of which Rich would print nothing.
        os.environ["COLUMNS"] = str(_NARROWEST if int(columns) else 80)
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a letter is shown its number.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def run_app(app: Callable[..., Any], arguments: list[str] | None) -> None:
    """Runs the command; what a user can cause is one sentence and exit code 2.

    Args:
        app: The command line.
        arguments: Without the name of the command; None: as the process was called.

    Raises:
        SystemExit: The command has ended, or was refused.
    """
    try:
        # Not standalone: it would print what it was given as it was given.
        code = app(arguments, standalone_mode=False)
    except _PARENTS["ClickException"] as error:
        context = getattr(error, "ctx", None)  # with it, the usage is shown as well
        told = re.sub(r"([:,])\n\t", r"\1 ", error.format_message())  # a list of choices
        if told := told.replace(": Value error, ", ": "):
            _PARENTS["UsageError"](visible(told), context).show()
        sys.exit(error.exit_code)
    except typer.Abort:
        print("affectstore: nothing was done", file=sys.stderr)
        sys.exit(2)
    except Exception as error:
        from flows.errors import sentence

        words = sentence(error)
        if words is None:
            raise
        if len(words) > 2 * _MOST:
            words = f"{words[:_MOST]} ... {words[-_MOST:]}"
        print(visible(f"affectstore: {words}"), file=sys.stderr)
        sys.exit(2)
    sys.exit(code if isinstance(code, int) else 0)


def _print_error(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """An error of ours, with its traceback."""
    for part in traceback.format_exception(kind, error, trace):
        for line in part.rstrip("\n").split("\n"):
            print(visible(line), file=sys.stderr)


def _stop(number: int, frame: FrameType | None) -> None:
    """Leaves at once: what is finished is on the disk, and workers end with this process."""
    # Written past `sys.stderr`, which may be in the middle of a line of its own.
    cursor = "\x1b[?25h" if sys.stderr.isatty() else ""  # which a progress bar hides
    words = (
        f"{cursor}\naffectstore: stopped; what was finished is kept, run the same command "
        "again to go on\n"
    )
    os.write(sys.stderr.fileno(), words.encode())
    if runs := sys.modules.get("flows.prefect_runs"):  # imported where a server is configured
        runs.cancel_begun()
    if workers := sys.modules.get("flows.workers.fork_server"):
        workers.leave()
    os._exit(128 + number)
