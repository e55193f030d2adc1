"""The page that goes along with an export: what it holds, how to read it, and under which terms."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stores.exports.source import Source
from stores.exports.target import ExportFile, Written


@dataclass(frozen=True)
class Export:
    """What a format is given."""

    source: Source
    terms: Mapping[str, str]
    """Corpus -> its terms, in a sentence."""
    written: Mapping[str, Written]
    """The files that are written by now."""


def text_file(file: str, text: str) -> ExportFile:
    """A text file of an export.

    Args:
        file: Path below OUT.
        text: What is in it.

    Returns:
        The file, as UTF-8.
    """

    def write(path: Path) -> None:
        path.write_bytes(text.encode())

    return ExportFile(file, write)


def readme(export: Export, reading: str, head: str = "") -> ExportFile:
    """The page that goes along.

    Args:
        export: What is exported, and its terms.
        reading: Lines of code that read it.
        head: What comes before the page.

    Returns:
        README.md.
    """
    return text_file("README.md", head + _card(export, reading))


def _card(export: Export, reading: str) -> str:
    source = export.source
    counts = ", ".join(f"{len(clips)} {part}" for part, clips in source.parts.items())
    request = source.request
    fold = "" if request.fold is None else f", fold {request.fold} of {request.scheme}"
    lines = [
        f"# Features of {', '.join(source.corpora)}",
        "",
        f"{len(source.clips)} clips ({counts}{fold}), written by affectstore from snapshot "
        f"{source.store.snapshot.number} of a store.",
        "",
        "## How to read it",
        "",
        "```python",
        reading,
        "```",
        "",
        "## Features",
        "",
        "A feature has values, `seconds` (when each row was measured, on the clip's own clock) and "
        "`valid` (false where nothing was measured, such as a frame without a face).",
        "",
        "| feature | type | a row | hop, s | what the numbers are |",
        "|---|---|---|---|---|",
    ]
    for name, spec in source.specs.items():
        size = " x ".join(map(str, spec.shape)) or "1"
        about = " ".join(f"{spec.units}. {spec.about}".split()).replace("|", "/")
        hop = "-" if spec.hop_s is None else f"{spec.hop_s:.6g}"
        lines.append(f"| {name} | {spec.dtype} | {size} | {hop} | {about} |")
    lines += ["", "## Terms", ""]
    lines += [f"- {corpus}: {sentence}" for corpus, sentence in export.terms.items()]
    lines += [
        "",
        "Faces and voices are biometric data: a person who is in these clips may ask to be "
        "taken out.",
        "",
    ]
    return "\n".join(lines)
