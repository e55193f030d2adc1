"""How a command of the examples ends: what a user can cause is one sentence and exit code 2."""

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from examples.not_ready import NotReady
from flows.errors import sentence
from manifests.visible import visible

_ROOMS = {"manifests", "extractors", "stores", "flows"}


@contextmanager
def ending(name: str) -> Iterator[None]:
    """Ends the process with 2 where the work in it is refused.

    name: the command's, before the sentence.

    Raises:
        SystemExit: The work was refused, and the sentence is printed.
    """
    try:
        yield
    except KeyboardInterrupt:
        _refuse(name, "interrupted; the same command with the same folder goes on here")
    except Exception as error:
        words = _words(error)
        if words is None:
            raise
        _refuse(name, words)


def _refuse(name: str, words: str) -> None:
    print(visible(f"{name}: {words}"), file=sys.stderr)
    sys.exit(2)


def _words(error: Exception) -> str | None:
    """None for an error of our own, which needs its traceback."""
    if isinstance(error, NotReady):
        return str(error)
    if words := sentence(error):
        return words
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}; give another path"
    return str(error) if isinstance(error, ValueError) and _raised_by_a_room(error) else None


def _raised_by_a_room(error: Exception) -> bool:
    """Whether the line that raised it is of affectstore itself, whose errors are sentences."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return str(frames[-1].f_globals.get("__name__")).partition(".")[0] in _ROOMS
