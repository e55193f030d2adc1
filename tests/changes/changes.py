"""The ways in which a file becomes another one while it is read."""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

PENDING = ".pending"
"""Ending of files that no corpus takes for a clip."""


@dataclass(frozen=True)
class Files:
    """The corpus that is read, and what its files become."""

    clips: Path
    kept: Path
    """A folder for each content, with the files of the corpus: `first`, `other`, `cut`, `longer`.
    """

    def of(self, content: str, path: Path) -> Path:
        """The file that has a content of a clip's file."""
        return self.kept / content / path.name

    def restore(self) -> None:
        """Gives all files their first content, as new files."""
        shutil.rmtree(self.clips, ignore_errors=True)
        shutil.copytree(self.kept / "first", self.clips)


Change = Callable[[Files, Path], None]


def _overwrite(content: str) -> Change:
    """Writes a content into the file as it is."""

    def change(files: Files, path: Path) -> None:
        data = files.of(content, path).read_bytes()
        with path.open("r+b") as file:
            file.write(data)
            file.truncate()

    return change


def _with_old_times(change: Change) -> Change:
    def silently(files: Files, path: Path) -> None:
        before = path.stat()
        change(files, path)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    return silently


def _replace(content: str) -> Change:
    """Puts another file in the place of the file."""

    def change(files: Files, path: Path) -> None:
        new = path.with_name(path.name + PENDING)
        shutil.copy(files.of(content, path), new)
        new.replace(path)

    return change


def _put_aside(files: Files, path: Path) -> None:
    """As `_replace`, and keeps the file itself for `_put_back`."""
    path.rename(files.kept / "aside")
    shutil.copy(files.of("other", path), path)


def _put_back(files: Files, path: Path) -> None:
    (files.kept / "aside").replace(path)


def _swap_folders(files: Files, path: Path) -> None:
    """Renames folders, which no file below them takes notice of."""
    aside = files.kept / "folder"
    files.clips.rename(aside)
    (files.kept / "swapped").rename(files.clips)
    aside.rename(files.kept / "swapped")


def _append(files: Files, path: Path) -> None:
    data = files.of("longer", path).read_bytes()
    with path.open("ab") as file:
        file.write(data[path.stat().st_size :])


def _nothing(files: Files, path: Path) -> None:
    pass


KINDS: Mapping[str, tuple[Change, Change]] = {
    "overwritten": (_overwrite("other"), _nothing),
    "overwritten, times restored": (_with_old_times(_overwrite("other")), _nothing),
    "replaced": (_replace("other"), _nothing),
    "cut": (_overwrite("cut"), _nothing),
    "longer": (_append, _nothing),
    "overwritten and back": (
        _with_old_times(_overwrite("other")),
        _with_old_times(_overwrite("first")),
    ),
    "replaced and back": (_put_aside, _put_back),
    "folder swapped and back": (_swap_folders, _swap_folders),
    "twice": (_overwrite("other"), _replace("cut")),
}
"""Name -> what is done at one moment of a build, and what at a later one."""
