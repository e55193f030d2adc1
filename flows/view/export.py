"""What an export holds, in a line."""

from typing import TYPE_CHECKING

from flows.view.console import say

if TYPE_CHECKING:
    from flows.exporting.run import ExportResult


def print_export(out: str, result: "ExportResult") -> None:
    """Prints what was written.

    Args:
        out: Where it is.
        result: What is there.
    """
    features = ", ".join(result.features) or "the tables"
    say(
        f"{out}: {result.clips} clips, {features}; {result.files} files, "
        f"{result.bytes / 1e6:,.1f} MB. README.md says how to read it and under which terms."
    )
