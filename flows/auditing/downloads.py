"""The step `check`, as a plain function: downloaded files against the hashes that their corpus
publishes."""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from flows.workers.progress import ProgressBar
from manifests.corpora.published_files import (
    LONGEST_POINTER,
    Published,
    check_media,
    parse_pointer,
    read_manifest,
)


class NothingToCheck(ValueError):
    """There is no folder, or no file in it that the manifest names; the message says which."""


class Verdict(StrEnum):
    """What a downloaded file is, against what was published."""

    SOUND = "sound"
    """As published."""
    STUB = "stub"
    """A git-lfs pointer in place of the file."""
    WRONG = "wrong"
    """Other bytes, or unreadable."""


@dataclass(frozen=True)
class CheckedFiles:
    """What was found in a folder."""

    sound: int
    stubs: tuple[str, ...]
    """One sentence for each, as for `wrong`."""
    wrong: tuple[str, ...]
    missing: tuple[str, ...]
    """Names in the manifest that no file bears, of kinds of file (by suffix) that are there. A part
    of a corpus is no fault."""
    unlisted: int
    """Files that the manifest does not name; nothing is said of them."""

    @property
    def failed(self) -> bool:
        return bool(self.stubs or self.wrong)


def run_check(folder: Path, hashes: Path) -> CheckedFiles:
    """Checks a folder against a manifest, and shows the progress.

    Args:
        folder: With the files as downloaded.
        hashes: A CSV with path, sha256 and bytes; or a folder with git-lfs pointers.

    Returns:
        What was found.

    Raises:
        NothingToCheck: No file in the folder is named.
        WrongPublishedTable: The manifest cannot be read.
    """
    manifest = read_manifest(hashes)
    files, unlisted = list_files(folder, manifest)
    with ProgressBar("checking files", len(files), "files") as progress:
        return check_files(folder, files, unlisted, manifest, progress.advance)


def list_files(folder: Path, manifest: Mapping[str, Published]) -> tuple[list[Path], int]:
    """Lists the files of a folder that a manifest names.

    Args:
        folder: With the files as downloaded.
        manifest: File name -> what was published.

    Returns:
        The files, sorted; and the number of all others.

    Raises:
        NothingToCheck: There is no folder, or no such file.
    """
    if not folder.is_dir():
        raise NothingToCheck(
            f"{folder} is no folder; give the folder that the corpus was downloaded to"
        )
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    )
    named = [path for path in files if path.name in manifest]
    if not named:
        raise NothingToCheck(
            f"none of the {len(files)} files below {folder} is among the {len(manifest)} that the "
            "manifest names, such as "
            f"{min(manifest)}; give the corpus's folder and its own manifest"
        )
    return named, len(files) - len(named)


def check_files(
    folder: Path,
    files: Sequence[Path],
    unlisted: int,
    manifest: Mapping[str, Published],
    on_file: Callable[[int], None] = lambda files: None,
) -> CheckedFiles:
    """Compares files with a manifest; one is hashed only where its size is right.

    Args:
        folder: That the files lie below.
        files: The files that the manifest names.
        unlisted: How many others there are.
        manifest: File name -> what was published.
        on_file: Called with 1 as each file is done.

    Returns:
        What was found.
    """
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # hashing lets go of the interpreter
        looked = threads.map(
            lambda path: _look(path, path.relative_to(folder).as_posix(), manifest, on_file), files
        )
        verdicts = list(looked)
    there = {path.name for path in files}
    kinds = {path.suffix.lower() for path in files}
    return CheckedFiles(
        sound=sum(verdict == Verdict.SOUND for verdict, _ in verdicts),
        stubs=tuple(said for verdict, said in verdicts if verdict == Verdict.STUB),
        wrong=tuple(said for verdict, said in verdicts if verdict == Verdict.WRONG),
        missing=tuple(
            sorted(name for name in manifest.keys() - there if Path(name).suffix.lower() in kinds)
        ),
        unlisted=unlisted,
    )


def _look(
    path: Path, name: str, manifest: Mapping[str, Published], on_file: Callable[[int], None]
) -> tuple[Verdict, str]:
    try:
        return _judge(path, name, manifest)
    except OSError as error:
        return (
            Verdict.WRONG,
            f"{name} cannot be read ({error.strerror}); mend the disk or the permissions",
        )
    finally:
        on_file(1)


def _judge(path: Path, name: str, manifest: Mapping[str, Published]) -> tuple[Verdict, str]:
    size = path.stat().st_size
    pointer = (
        parse_pointer(path.read_bytes().decode("utf-8", "replace"))
        if size < LONGEST_POINTER
        else None
    )
    if pointer is not None:
        said = (
            f"{name} is a git-lfs stub of {size} bytes that stands for a file of "
            f"{pointer.bytes}; fetch the file with `git lfs pull`"
        )
        return Verdict.STUB, said
    wrong = check_media(
        name, _digest(path) if size == manifest[path.name].bytes else "", size, manifest
    )
    return (Verdict.WRONG, wrong) if wrong else (Verdict.SOUND, "")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
