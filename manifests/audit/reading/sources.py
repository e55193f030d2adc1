"""The files of what a user gives: one or several files, a folder, or a zip file.

Nothing of a zip file is written anywhere, and no more of it is unfolded than a file may have bytes.
"""

import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from manifests.audit.errors import WrongForeignTable
from manifests.audit.reading.raw import MOST_BYTES, Place
from manifests.given_files import check_file, read_file

_MOST_FILES = 2_000_000
_IS_ENCRYPTED = 0x1


@dataclass(frozen=True)
class SourceFile:
    """One file of a list, wherever it lies."""

    path: Path
    """As it is shown to people."""
    folders: tuple[str, ...]
    """Below what was given."""
    read: Callable[[], bytes]
    is_given: bool
    """The user named it, so that it is a list for certain."""

    @property
    def suffix(self) -> str:
        """Of its name, in small letters."""
        return self.path.suffix.lower()

    @property
    def places(self) -> tuple[Place, ...]:
        """Names around its tables."""
        folders = [Place("folder", name) for name in self.folders]
        return (*folders, Place("file", self.path.stem))


def list_sources(paths: Sequence[Path]) -> list[SourceFile]:
    """Lists all files of what was given.

    Args:
        paths: Files, folders or zip files.

    Returns:
        The files, in the order of their names within each of `paths`.

    Raises:
        WrongForeignTable: Something cannot be listed, or a zip file leads out of itself.
    """
    base = _base(paths)
    found: list[SourceFile] = []
    for path in paths:
        above = path.absolute().relative_to(base).parts[:-1]
        try:
            if path.is_dir():
                below = path.name if len(paths) > 1 else ""
                found += _of_folder(path, (*above, *([below] if below else [])))
            elif _is_zip(path):
                check_file(path)
                found += _of_zip(path, (*above, path.stem))
            else:
                check_file(path)
                found.append(SourceFile(path, above, _reader(path), True))
        except OSError as error:
            raise WrongForeignTable(
                f"{path}: the file cannot be read ({error.strerror or error}); check the path and "
                "its permissions"
            ) from error
    return found


def _base(paths: Sequence[Path]) -> Path:
    parents = [path.absolute().parent for path in paths]
    return Path(os.path.commonpath(parents))


def _is_zip(path: Path) -> bool:
    return path.suffix.lower() == ".zip"


def _reader(path: Path) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            return read_file(path)
        except OSError as error:
            raise WrongForeignTable(
                f"{path}: the file cannot be read ({error.strerror or error}); check the path and "
                "its permissions"
            ) from error

    return read


def _of_folder(root: Path, above: tuple[str, ...]) -> Iterator[SourceFile]:
    count = 0
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not _is_hidden(name))
        below = Path(folder).relative_to(root).parts
        for name in sorted(name for name in names if not _is_hidden(name)):
            count += 1
            if count > _MOST_FILES:
                raise WrongForeignTable(
                    f"{root} holds more than {_MOST_FILES:,} files; give the folder of the lists"
                )
            path = Path(folder) / name
            yield SourceFile(path, (*above, *below), _reader(path), False)


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "__"))


def _of_zip(path: Path, above: tuple[str, ...]) -> list[SourceFile]:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise WrongForeignTable(
            f"{path}: this is no zip file that can be read ({error})"
        ) from error
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(entries) > _MOST_FILES:
        raise WrongForeignTable(f"{path} holds more than {_MOST_FILES:,} files")
    unfolded = _Unfolded(path, archive)
    found = []
    for entry in sorted(entries, key=lambda entry: entry.filename):
        parts = _parts_within(path, entry.filename)
        if not any(_is_hidden(part) for part in parts):
            read = _entry_reader(unfolded, entry)
            found.append(SourceFile(path.joinpath(*parts), (*above, *parts[:-1]), read, False))
    return found


def _parts_within(path: Path, name: str) -> tuple[str, ...]:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or ".." in parts or parts[0].startswith("/") or ":" in parts[0]:
        raise WrongForeignTable(
            f"{path} holds a file named {name[:100]!r}, which leads out of it; make the zip file "
            "anew from a folder"
        )
    return parts


def _entry_reader(unfolded: "_Unfolded", entry: zipfile.ZipInfo) -> Callable[[], bytes]:
    return lambda: unfolded.read(entry)


class _Unfolded:
    """What has been read of a zip file, counted as it is unfolded and not as it says itself."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._path, self._archive, self._left = path, archive, MOST_BYTES

    def read(self, entry: zipfile.ZipInfo) -> bytes:
        where = f"{self._path}/{entry.filename}"
        if entry.flag_bits & _IS_ENCRYPTED:
            raise WrongForeignTable(
                f"{where} is locked by a password; unpack it and give the folder"
            )
        try:
            with self._archive.open(entry) as file:
                self._count(entry.file_size)  # what it says; what it holds is counted below
                data = file.read(self._left + 1)
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError) as error:
            raise WrongForeignTable(f"{where} cannot be unpacked ({error})") from error
        self._count(len(data))
        self._left -= len(data)
        return data

    def _count(self, size: int) -> None:
        if size > self._left:
            raise WrongForeignTable(
                f"{self._path} unfolds to more than {MOST_BYTES:,} bytes; unpack it and give the "
                "lists alone"
            )
