"""Where an export is written, piece by piece: a killed one goes on, and no half looks whole.

OUT.unfinished/                while it is written, in a folder; OUT is there when all of it is
  export.unfinished.json       what was asked for; and behind a URL, which files are there
OUT/export.json                what it is of, and every file with its bytes and sha256
"""

import json
import os
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from manifests.features import Json
from stores.atomic import make_folder, sweep, sync, write_bytes
from stores.exports.source import WrongExport
from stores.location import Location, Place, locate
from stores.object_store import connect
from stores.paths import sha256_of

DONE = "export.json"
"""The last file of an export: where it is, all others are."""
UNFINISHED = "export.unfinished.json"
_SECONDS_BETWEEN_NOTES = 5.0
_FORMAT = 1


@dataclass(frozen=True)
class ExportFile:
    """One file of an export."""

    file: str
    """Path below OUT, with forward slashes."""
    write: Callable[[Path], None]
    """Writes it to a path; always the same bytes."""


@dataclass(frozen=True)
class Written:
    """A file that was written."""

    bytes: int
    sha256: str


class Target(ABC):
    """The place of one export."""

    def __init__(self, request: Json) -> None:
        """Describes what is to be written.

        Args:
            request: All that decides on the bytes.
        """
        self._request = request
        self.written: dict[str, Written] = {}

    def add(self, piece: ExportFile) -> bool:
        """Has the export hold a piece.

        Args:
            piece: The piece.

        Returns:
            False where an export that was interrupted had written it.
        """
        if piece.file in self.written:
            return False
        self.written[piece.file] = self._put(piece)
        return True

    @abstractmethod
    def _put(self, piece: ExportFile) -> Written:
        """Writes a piece."""

    @abstractmethod
    def finish(self) -> None:
        """Makes the export whole."""

    def _done(self) -> bytes:
        return _json(
            {
                "format_version": _FORMAT,
                "export": self._request,
                "files": {
                    name: {"bytes": one.bytes, "sha256": one.sha256}
                    for name, one in sorted(self.written.items())
                },
            }
        )


class FolderTarget(Target):
    """An export to a folder of this machine."""

    def __init__(self, folder: Path, request: Json) -> None:
        """Begins an export, or goes on with one that was interrupted.

        Args:
            folder: OUT; it must not be there.
            request: All that decides on the bytes.

        Raises:
            WrongExport: OUT is there, or another export to it was interrupted.
        """
        super().__init__(request)
        folder = folder.absolute()
        self._folder = folder
        self._part = folder.with_name(f"{folder.name}.unfinished")
        if os.path.lexists(folder):
            raise WrongExport(
                f"{folder} is there already; name a folder that is not, or remove it first"
            )
        try:
            make_folder(self._part)
        except OSError as error:
            raise WrongExport(
                f"{folder} cannot be made ({error.strerror}); name a folder elsewhere"
            ) from error
        begun = self._part / UNFINISHED
        if not begun.exists() and self._is_whole():
            write_bytes(begun, _json({"export": request}))
        if not begun.exists():
            sweep(self._part)  # of a writer that was killed before it had said what it writes
            if any(self._part.iterdir()):
                raise WrongExport(
                    f"{self._part} is there and is no unfinished export; remove it first"
                )
            write_bytes(begun, _json({"export": request}))
        elif _read(begun.read_bytes()).get("export") != request:
            raise WrongExport(
                f"{self._part} is what is left of another export to {folder.name}, which was "
                "interrupted; run that one again, or remove the folder"
            )
        self._read_notes()
        self._noted = time.monotonic()
        self._fresh: dict[str, Written] = {}

    def _is_whole(self) -> bool:
        """Whether a killed run has written all of it, and lacked but its name."""
        done = self._part / DONE
        return done.exists() and _read(done.read_bytes()).get("export") == self._request

    def _put(self, piece: ExportFile) -> Written:
        path = self._part / piece.file
        path.parent.mkdir(parents=True, exist_ok=True)
        hidden = path.with_name(f".{path.name[:200]}.tmp")
        try:
            with _naming(path):
                piece.write(hidden)
        except BaseException:
            with suppress(OSError):
                hidden.unlink()
            raise
        written = Written(hidden.stat().st_size, sha256_of(hidden))
        hidden.replace(path)
        self._fresh[piece.file] = written
        if time.monotonic() - self._noted > _SECONDS_BETWEEN_NOTES:
            self._note()
        return written

    def finish(self) -> None:
        self._note()
        for path in self._part.rglob(".*.tmp"):  # of a piece that was being written at a kill
            path.unlink()
        write_bytes(self._part / DONE, self._done())
        (self._part / UNFINISHED).unlink()
        (self._part / _NOTES).unlink()
        sync(self._part)
        self._part.rename(self._folder)
        sync(self._folder.parent)

    def _note(self) -> None:
        """Notes which files are there; they are on the disk before the note is."""
        os.sync()
        with (self._part / _NOTES).open("ab") as notes:
            for name, one in self._fresh.items():
                line = {"file": name, "bytes": one.bytes, "sha256": one.sha256}
                notes.write(json.dumps(line).encode() + b"\n")
            notes.flush()
            os.fsync(notes.fileno())
        self._fresh.clear()
        self._noted = time.monotonic()

    def _read_notes(self) -> None:
        notes = self._part / _NOTES
        if not notes.exists():
            return
        whole, _, cut = notes.read_bytes().rpartition(b"\n")
        if cut:  # a kill in the middle of a line
            write_bytes(notes, whole + b"\n" if whole else b"")
        for line in whole.splitlines():
            note = json.loads(line)
            with suppress(FileNotFoundError):
                if (self._part / note["file"]).stat().st_size == note["bytes"]:
                    self.written[note["file"]] = Written(note["bytes"], note["sha256"])


_NOTES = ".export.notes"
"""Which files are on the disk, a line of JSON each."""


class UrlTarget(Target):
    """An export to a URL: files are uploaded one by one, `export.json` last of all."""

    def __init__(self, url: str, request: Json) -> None:
        """Begins an export, or goes on with one that was interrupted.

        Args:
            url: OUT; nothing may lie there.
            request: All that decides on the bytes.

        Raises:
            WrongExport: Something lies there, or another export to it was interrupted.
            RemoteError: The URL cannot be reached.
        """
        super().__init__(request)
        self._url, self._objects = url, connect(url)
        begun = self._objects.read(UNFINISHED)
        if begun is None:
            if self._objects.sizes():
                raise WrongExport(f"something lies at {url} already; name another place")
            self._objects.create(UNFINISHED, _json({"export": request, "files": {}}))
        elif _read(begun).get("export") != request:
            raise WrongExport(
                f"another export to {url} was interrupted; run that one again, or remove what "
                "lies there"
            )
        else:
            self.written = {
                name: Written(**one) for name, one in _read(begun).get("files", {}).items()
            }
        self._noted = time.monotonic()

    def _put(self, piece: ExportFile) -> Written:
        with tempfile.TemporaryDirectory(prefix="affectstore-") as folder:
            path = Path(folder) / PurePosixPath(piece.file).name
            with _naming(path):
                piece.write(path)
            written = Written(path.stat().st_size, sha256_of(path))
            if not self._objects.create(piece.file, path, written.sha256):
                found = self._objects.sha256(piece.file)
                if found != written.sha256:
                    raise WrongExport(
                        f"{self._url}/{piece.file} is there and is another file; name another place"
                    )
        if time.monotonic() - self._noted > _SECONDS_BETWEEN_NOTES:
            self._note()
        return written

    def finish(self) -> None:
        self._objects.create(DONE, self._done())
        self._objects.remove(UNFINISHED)

    def _note(self) -> None:
        files: dict[str, Json] = {
            name: {"bytes": one.bytes, "sha256": one.sha256} for name, one in self.written.items()
        }
        version = self._objects.version(UNFINISHED)
        self._objects.replace(UNFINISHED, _json({"export": self._request, "files": files}), version)
        self._noted = time.monotonic()


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Has an error of the disk say which file it is of: the libraries that write do not."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def target_of(out: Place, request: Json) -> Target:
    """Begins an export.

    Args:
        out: A folder, or a URL such as s3://bucket/export.
        request: All that decides on the bytes.

    Returns:
        Where the files go.

    Raises:
        WrongExport: Something is there already.
    """
    location: Location = locate(out)
    if location.is_local:
        return FolderTarget(location.folder, request)
    return UrlTarget(location.name, request)


def _json(value: Mapping[str, Json]) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True).encode() + b"\n"


def _read(data: bytes) -> dict[str, Any]:
    found = json.loads(data)
    if not isinstance(found, dict):
        raise WrongExport(f"{UNFINISHED} is damaged; remove what is left of the export")
    return found
