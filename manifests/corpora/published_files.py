"""Files as downloaded against the hashes that their corpus publishes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from manifests.corpora.published_csv import WrongPublishedTable, read_lines, wrong
from manifests.given_files import read_file

_BYTES = re.compile("[0-9]{1,18}")
_POINTER = re.compile(
    r"version https://git-lfs\.github\.com/spec/v1\noid sha256:([0-9a-f]{64})\nsize ([0-9]+)\n?"
)
_SHA256 = re.compile("[0-9a-f]{64}")
LONGEST_POINTER = 1024
"""Bytes; the git-lfs specification keeps pointers below this."""


@dataclass(frozen=True)
class Published:
    """What a file should be."""

    sha256: str
    bytes: int


def read_manifest(path: Path) -> dict[str, Published]:
    """Reads what the files of a corpus should be, from one of two things that a user may have:

    - a CSV file with the columns path, sha256 and bytes;
    - a folder with the corpus's git-lfs pointers, as `GIT_LFS_SKIP_SMUDGE=1 git clone` leaves them.

    Args:
        path: The file or the folder.

    Returns:
        File name (without folders) -> what it should be.

    Raises:
        WrongPublishedTable: It is neither, or has two different files of one name.
    """
    manifest = _from_pointers(path) if path.is_dir() else _from_csv(path)
    if not manifest:
        raise WrongPublishedTable(
            f"{path} names no file; expected git-lfs pointers, or a CSV file with lines of path, "
            "sha256 and bytes"
        )
    return manifest


def check_media(path: str, sha256: str, size: int, manifest: Mapping[str, Published]) -> str | None:
    """Compares a downloaded file with what it should be.

    Args:
        path: The file's, with forward slashes; its name alone is looked up.
        sha256: Hash of its bytes.
        size: Number of its bytes.
        manifest: File name -> what it should be.

    Returns:
        What is wrong, in a sentence; None where the file is as published, or where the manifest
        does not name it.
    """
    published = manifest.get(path.rpartition("/")[2])
    if published is None:
        return None
    if size != published.bytes:
        return (
            f"{path} has {size} bytes and was published with {published.bytes}; download it again"
        )
    if sha256 != published.sha256:
        return (
            f"{path} has the published size and the sha256 {sha256[:12]} instead of "
            f"{published.sha256[:12]}; download it again"
        )
    return None


def parse_pointer(text: str) -> Published | None:
    """Reads a git-lfs pointer (specification version 1).

    Args:
        text: Text of a file.

    Returns:
        The file that it stands for; None for any other text.
    """
    match = _POINTER.fullmatch(text)
    return Published(match[1], int(match[2])) if match else None


def _from_csv(path: Path) -> dict[str, Published]:
    manifest: dict[str, Published] = {}
    for line, cells in read_lines(path, ("path", "sha256", "bytes")):
        if not _SHA256.fullmatch(cells["sha256"]) or not _BYTES.fullmatch(cells["bytes"]):
            raise wrong(
                path,
                line,
                "has no sha256 of 64 hexadecimal digits and a number of bytes; correct the line",
            )
        _add(manifest, cells["path"], Published(cells["sha256"], int(cells["bytes"])))
    return manifest


def _from_pointers(root: Path) -> dict[str, Published]:
    manifest: dict[str, Published] = {}
    for path in sorted(root.rglob("*")):
        try:
            text = read_file(path, LONGEST_POINTER).decode("utf-8", "replace")
        except OSError:  # no file, too large for a pointer, or not to be read
            continue
        if pointer := parse_pointer(text):
            _add(manifest, path.relative_to(root).as_posix(), pointer)
    return manifest


def _add(manifest: dict[str, Published], path: str, published: Published) -> None:
    name = path.rpartition("/")[2]
    if manifest.setdefault(name, published) != published:
        raise WrongPublishedTable(
            f"the manifest holds two different files of the name {name}; use one manifest for "
            "each corpus"
        )
