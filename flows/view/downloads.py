"""What a check of downloaded files prints."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flows.view.console import coloured, say

if TYPE_CHECKING:
    from flows.auditing.downloads import CheckedFiles

_SHOWN = 20


def print_checked(found: "CheckedFiles") -> None:
    """Prints which files are not as published.

    Args:
        found: What was found in a folder.
    """
    for colour, sentences in (("red", found.wrong), ("yellow", found.stubs)):
        _print_some(colour, sentences)
    if found.missing:
        names = ", ".join(found.missing[:3])
        count = len(found.missing)
        say(f"{count} files that the manifest names are not there, such as {names}")
    counts = (
        f"{found.sound} files are as published, {len(found.wrong)} are not, "
        f"{len(found.stubs)} are git-lfs stubs"
    )
    say(f"{counts}; {found.unlisted} others are not in the manifest")


def _print_some(colour: str, sentences: Sequence[str]) -> None:
    for sentence in sentences[:_SHOWN]:
        say(coloured(colour, sentence))
    if len(sentences) > _SHOWN:
        say(f"... and {len(sentences) - _SHOWN} more like these")
