"""What a check of downloaded files prints."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from flows.auditing.downloads import Checked, check_files, list_files
from flows.workers.progress import Meter
from manifests.corpora.published_files import read_manifest

_TERMINAL = Console()
_out = _TERMINAL if _TERMINAL.is_terminal else Console(width=160)
_SHOWN = 20


def checked(folder: Path, hashes: Path) -> Checked:
    """Check a folder against a manifest, with a bar for the progress."""
    manifest = read_manifest(hashes)
    files, unlisted = list_files(folder, manifest)
    with Meter("checking files", len(files)) as meter:
        return check_files(folder, files, unlisted, manifest, meter.advance)


def print_checked(found: Checked) -> None:
    for colour, sentences in (("red", found.wrong), ("yellow", found.stubs)):
        _print_some(colour, sentences)
    if found.missing:
        names = ", ".join(found.missing[:3])
        _out.print(
            escape(
                f"{len(found.missing)} files that the manifest names are not there, such as {names}"
            )
        )
    counts = (
        f"{found.sound} files are as published, {len(found.wrong)} are not, "
        f"{len(found.stubs)} are git-lfs stubs"
    )
    _out.print(f"{counts}; {found.unlisted} others are not in the manifest")


def _print_some(colour: str, sentences: Sequence[str]) -> None:
    for sentence in sentences[:_SHOWN]:
        _out.print(f"[{colour}]{escape(sentence)}[/{colour}]")
    if len(sentences) > _SHOWN:
        _out.print(f"... and {len(sentences) - _SHOWN} more like these")
