"""Paths below the root of a store, and what they hold: a store may come from anyone."""

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from manifests.features import Json, canonical_json
from stores.parsing import WrongRecord

_PART = r"(?!\.\.?(?:/|\Z))[^/\\:\0]+"
_BELOW = re.compile(f"{_PART}(?:/{_PART})*")
"""A relative path with forward slashes, without `.`, `..` and what another system takes for more
than a name."""


def inside(root: Path, file: str) -> Path:
    """Finds the path of a file of a store.

    Args:
        root: Folder of the store.
        file: Path of the file below it, with forward slashes.

    Returns:
        The path, whether the file is there or not.

    Raises:
        WrongRecord: The path leads out of the store, by its parts or by a symbolic link.
    """
    if not _BELOW.fullmatch(file):
        raise WrongRecord(
            f"{file!r} is not a path below the store's root; expected one such as "
            "shards/mfcc/0a1b/2c3d.h5"
        )
    path = root / file
    if not path.resolve().is_relative_to(root.resolve()):
        raise WrongRecord(
            f"{file!r} is a link out of the store; copy the files it points to into the store"
        )
    return path


def check_inside(root: Path, files: Iterable[str]) -> None:
    """Checks the paths of very many files, faster than `inside`: each folder is looked at once.

    Args:
        root: Folder of the store.
        files: Paths below it.

    Raises:
        WrongRecord: A path leads out of the store.
    """
    own = os.path.realpath(root)
    folders: dict[str, bool] = {}
    for file in files:
        path, is_plain = f"{own}/{file}", _BELOW.fullmatch(file) is not None
        folder = path.rpartition("/")[0]
        if is_plain and folder not in folders:
            folders[folder] = os.path.realpath(folder) == folder
        # A Path for each of a million files takes longer.
        if not is_plain or not folders[folder] or os.path.islink(path):  # noqa: PTH114
            inside(root, file)


def key_of(content: Json) -> str:
    """Makes the name of a file that is a function of its content.

    Args:
        content: What decides on the content.

    Returns:
        32 hex digits.
    """
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()[:32]


def sha256_of(path: Path) -> str:
    """Hashes a file.

    Args:
        path: The file.

    Returns:
        64 hex digits.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
