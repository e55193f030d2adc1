"""Errors that nobody foresaw while a clip was read: rows of the quarantine, never a build's end.

A decoder meets whatever bytes there are in the world, and some of them make it, or an extractor
after it, raise what no code expected. That is told from what the machine causes, which waiting, a
larger disk or more memory mends, and which is no fault of the clip.
"""

import errno
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from manifests.clips import Clip
from manifests.quarantine import UNFORESEEN, BadClip, Reason

_OF_THE_CONTENT = {errno.EINVAL, errno.EOVERFLOW}
"""What a system call answers to a position or a size that a file declares."""
_MOST = 200
"""Letters of an error's own words."""


@contextmanager
def guarded(clip: Clip) -> Iterator[None]:
    """Lets nothing that a clip causes leave the block but its refusal.

    Args:
        clip: The clip that the block reads or measures.

    Yields:
        Nothing.

    Raises:
        BadClip: As the block raises it; UNREADABLE for an error that nobody foresaw.
        OSError: The disk or the network fails.
        MemoryError: The machine has no more.
        ImportError: A library is missing.
    """
    try:
        yield
    except BadClip:
        raise
    except Exception as error:
        if is_of_the_machine(error):
            raise
        raise refusal(clip, error) from error


def is_of_the_machine(error: Exception) -> bool:
    """Whether an error says nothing of the clip that was at work.

    Args:
        error: What was raised.

    Returns:
        True for a disk, a network, a lack of memory or a missing library. An error of FFmpeg speaks
        of the file, whatever its number.
    """
    if type(error).__module__.startswith("av."):
        return False
    if isinstance(error, OSError):
        return error.errno not in _OF_THE_CONTENT
    return isinstance(error, MemoryError | ImportError)


def refusal(clip: Clip, error: Exception) -> BadClip:
    """Makes the row of a clip that was given up for an error that nobody foresaw.

    Args:
        clip: The clip.
        error: What was raised.

    Returns:
        UNREADABLE. The detail is the same on every machine, so that it has no path and no address.
        A refusal is given back as it is.
    """
    if isinstance(error, BadClip):
        return error
    lines = str(error).strip().splitlines() or [""]
    words = re.sub(r"0x[0-9a-fA-F]+", "0x...", lines[0])[:_MOST]
    words = words.encode("utf-8", "backslashreplace").decode().replace("\0", " ")
    said = f" ({words})" if words else ""
    detail = (
        f"{UNFORESEEN} {clip.path}: {type(error).__name__}{said}{_place(error)}; "
        "please report this sentence, with the file if you may share it"
    )
    return BadClip(clip.clip_id, Reason.UNREADABLE, detail)


def _place(error: Exception) -> str:
    """Where in this library the error was raised, or what it had called: module and line."""
    ours = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).parent.name in {"extractors", "building"}
    ]
    return f" in {Path(ours[-1].filename).name}, line {ours[-1].lineno}" if ours else ""
