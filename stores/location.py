"""Where a store lies: a folder of this machine, or a URL whose files are copied here when needed.

Everything that reads or writes a store asks its location, so that it works on both. A file of a
store is named by its path below the store's root, with forward slashes.

    <cache>/<key>/dataset.json ...          copies of a store behind a URL, laid out as the store
    <cache>/<key>/shards/.../.K.h5.sha256   sha256 of what the store holds by the name K.h5
    <cache>/<key>.parts/                    downloads that have not ended

`key` is 32 digits of the sha256 of the URL. A copy is used only where the hash beside it is the one
that a snapshot recorded: a copy of an older, removed store never passes. What is missing is fetched
as one file, checked and renamed; what is new is written into the cache and uploaded as one file.
"""

import hashlib
import os
import re
import secrets
import stat
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from stores.atomic import files_below, make_folder, write_bytes
from stores.object_store import Objects, Version, WrongUrl
from stores.records import inside, sha256_of

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_COLLAPSED = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:[/\\]")
_STALE_S = 86400.0
"""A download that has not grown for so long was killed."""


class StoreBusy(ValueError):
    """Another process is writing to the store."""


class WrongDownload(ValueError):
    """An object of a store is not the file that the snapshot recorded; the message names it."""


class FileRecord(Protocol):
    """A file as a snapshot lists it: a table, a shard or a fitted state."""

    @property
    def file(self) -> str:
        """Its path below the root of the store."""

    @property
    def bytes(self) -> int:
        """Its size."""

    @property
    def sha256(self) -> str:
        """The hash of its content, 64 hex digits."""


class Location(ABC):
    """Where one store lies. Two locations are equal where they name the same place."""

    name: str
    """As the user gave it: a path or a URL."""
    folder: Path
    """Absolute; where the store's files lie on this machine, or their copies."""
    is_local: bool
    """Whether the store itself lies in `folder`, for every process that sees the folder."""

    def __str__(self) -> str:
        return self.name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Location) and self.folder == other.folder

    def __hash__(self) -> int:
        return hash(self.folder)

    def path(self, file: str) -> Path:
        """The local path of a file, whether it is there or not.

        Args:
            file: Path below the root.

        Returns:
            An absolute path below `folder`.

        Raises:
            WrongRecord: The path leads out of the store, by its parts or by a symbolic link.
        """
        return inside(self.folder, file)

    def display(self, file: str) -> str:
        """A file as people are shown it.

        Args:
            file: Path below the root.

        Returns:
            The file below the place that the user named.
        """
        return f"{self.name}/{file}"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Holds the store for one writer of this machine.

        Yields:
            Nothing; the lock is released when the block ends.

        Raises:
            StoreBusy: Another process has the lock.
        """
        from filelock import FileLock, Timeout

        make_folder(self.folder)
        lock = FileLock(self.folder / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise StoreBusy(
                f"another build or split is writing to {self}; "
                "wait until it ends, then run the same command again"
            ) from error
        try:
            yield
        finally:
            lock.release()

    @abstractmethod
    def exists(self, file: str) -> bool:
        """Whether the store has a file, or this machine has finished it.

        Args:
            file: Path below the root, such as a shard that no snapshot lists yet.

        Returns:
            True where it then lies at `path(file)`.
        """

    @abstractmethod
    def fetch(self, record: FileRecord) -> Path:
        """Has a file that a snapshot lists lie on this machine.

        Args:
            record: The file.

        Returns:
            Its local path, whether it is there or not where the store is a local folder.

        Raises:
            WrongDownload: The store behind the URL has other bytes.
            FileNotFoundError: The store behind the URL has no such file.
        """

    @abstractmethod
    def check(self, record: FileRecord) -> None:
        """Reads and hashes what the store behind a URL holds, whatever copy lies here.

        Args:
            record: The file; one of a local folder is left to the caller.

        Raises:
            WrongDownload: It has other bytes.
            FileNotFoundError: It is missing.
        """

    @abstractmethod
    def refresh(self, file: str) -> Path:
        """Has a small file lie on this machine as the store holds it now.

        Args:
            file: Path below the root.

        Returns:
            Its local path; nothing lies there where the store has no such file.
        """

    @abstractmethod
    def upload(self, record: FileRecord) -> bool:
        """Has the store hold a file that was written to its local path.

        Args:
            record: The file.

        Returns:
            False where the store had another file by this name, which lies at the local path now.
        """

    @abstractmethod
    def version(self, file: str) -> Version:
        """What `replace` compares, of a small file as the store holds it now.

        Args:
            file: Path below the root.

        Returns:
            None where there is no such file, or where the lock alone decides.
        """

    @abstractmethod
    def create(self, file: str, data: bytes) -> bool:
        """Writes a small file that is not part of the store yet.

        Args:
            file: Path below the root.
            data: Its bytes.

        Returns:
            False where the store behind a URL has other bytes by this name.
        """

    @abstractmethod
    def replace(self, file: str, data: bytes, version: Version) -> bool:
        """Replaces a small file that still has a version, at once.

        Args:
            file: Path below the root.
            data: Its new bytes.
            version: As `version` gave it.

        Returns:
            False where another writer was faster; nothing is changed then.
        """

    @abstractmethod
    def remove(self, file: str) -> None:
        """Removes a file from the store and from this machine, if it is there.

        Args:
            file: Path below the root.
        """

    @abstractmethod
    def list(self) -> Iterable[str]:
        """Every file of the store, by its path below the root, in no order."""

    @abstractmethod
    def sizes(self, files: Sequence[str]) -> Iterable[int | None]:
        """Looks how large some files of the store are.

        Args:
            files: Paths below the root.

        Returns:
            Bytes of each, in their order; None for one that is not there.
        """


class LocalFolder(Location):
    """A store in a folder of this machine, or of a file system that workers share."""

    is_local = True

    def __init__(self, folder: Path) -> None:
        self.name, self.folder = str(folder), folder.absolute()

    def exists(self, file: str) -> bool:
        return (self.folder / file).exists()

    def fetch(self, record: FileRecord) -> Path:
        return self.path(record.file)

    def check(self, record: FileRecord) -> None:
        pass

    def refresh(self, file: str) -> Path:
        return self.path(file)

    def upload(self, record: FileRecord) -> bool:
        return True

    def version(self, file: str) -> Version:
        return None

    def create(self, file: str, data: bytes) -> bool:
        write_bytes(self.path(file), data)
        return True

    def replace(self, file: str, data: bytes, version: Version) -> bool:
        return self.create(file, data)

    def remove(self, file: str) -> None:
        self.path(file).unlink(missing_ok=True)

    def list(self) -> Iterable[str]:
        return (path.relative_to(self.folder).as_posix() for path in files_below(self.folder))

    def sizes(self, files: Sequence[str]) -> Iterable[int | None]:
        return (_size(f"{self.folder}/{file}") for file in files)


class RemoteStore(Location):
    """A store behind a URL; `folder` is its cache on this machine."""

    is_local = False

    def __init__(self, url: str) -> None:
        self.name = url
        self.folder = cache_folder() / hashlib.sha256(url.encode()).hexdigest()[:32]
        self._objects = Objects(url)

    def __reduce__(self) -> tuple[type["RemoteStore"], tuple[str]]:
        return RemoteStore, (self.name,)  # another machine has a cache of its own

    def exists(self, file: str) -> bool:
        return self._obtain(file) is not None or self.path(file).exists()

    def fetch(self, record: FileRecord) -> Path:
        path = self.path(record.file)
        if path.is_file():
            is_noted = self._noted(record.file) == record.sha256
            if is_noted and path.stat().st_size == record.bytes:
                return path
            if sha256_of(path) == record.sha256:
                self._note(record.file, record.sha256)
                return path
        self._download(record.file, record.sha256)
        return path

    def check(self, record: FileRecord) -> None:
        is_noted = self._noted(record.file) == record.sha256
        if not is_noted or not self.path(record.file).is_file():
            self._download(record.file, record.sha256)
        elif (found := self._objects.sha256(record.file)) != record.sha256:
            raise self._wrong(record.file, found, record.sha256)

    def refresh(self, file: str) -> Path:
        data, path = self._objects.read(file), self.path(file)
        if data is None:
            path.unlink(missing_ok=True)
        elif not path.is_file() or path.read_bytes() != data:
            write_bytes(path, data)
        return path

    def upload(self, record: FileRecord) -> bool:
        is_there = self._objects.noted_sha256(record.file) is not None
        path = self.path(record.file)
        if not is_there and self._objects.create(record.file, path, record.sha256):
            self._note(record.file, record.sha256)
            return True
        return self._obtain(record.file) == record.sha256

    def version(self, file: str) -> Version:
        return self._objects.version(file)

    # Where an answer of the store was lost and the request sent again, the second one fails though
    # the first one was carried out: so what the store holds then is compared.

    def create(self, file: str, data: bytes) -> bool:
        return self._objects.create(file, data) or self._objects.read(file) == data

    def replace(self, file: str, data: bytes, version: Version) -> bool:
        return self._objects.replace(file, data, version) or self._objects.read(file) == data

    def remove(self, file: str) -> None:
        self._objects.remove(file)
        for path in (self.path(file), self._note_path(file)):
            path.unlink(missing_ok=True)

    def list(self) -> Iterable[str]:
        return self._objects.sizes()

    def sizes(self, files: Sequence[str]) -> Iterable[int | None]:
        known = self._objects.sizes()
        return (known.get(file) for file in files)

    def _obtain(self, file: str) -> str | None:
        """Has a file that no snapshot lists lie here -> its sha256; None where the store has none."""
        noted, path = self._objects.noted_sha256(file), self.path(file)
        if noted is None:
            return None
        if noted and path.is_file() and noted in (self._noted(file), sha256_of(path)):
            self._note(file, noted)
            return noted
        return self._download(file, noted)

    def _download(self, file: str, sha256: str) -> str:
        """Fetches a file, checks it where its sha256 is known, and gives it its name."""
        parts = self.folder.with_suffix(".parts")
        part = parts / f"{os.getpid()}-{secrets.token_hex(8)}"
        make_folder(parts)
        _remove_stale(parts)
        try:
            self._objects.download(file, part)
            found = sha256_of(part)
            if sha256 and found != sha256:
                raise self._wrong(file, found, sha256)
            path = self.path(file)
            make_folder(path.parent)
            self._note_path(file).unlink(missing_ok=True)
            part.replace(path)
            self._note(file, found)
        finally:
            part.unlink(missing_ok=True)
        return found

    def _wrong(self, file: str, found: str, expected: str) -> WrongDownload:
        return WrongDownload(
            f"{self.display(file)} has sha256 {found}, but {expected} was recorded; it was changed "
            "afterwards, restore it from a copy or remove it and build the store again"
        )

    def _noted(self, file: str) -> str | None:
        try:
            return self._note_path(file).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def _note(self, file: str, sha256: str) -> None:
        if self._noted(file) != sha256:
            write_bytes(self._note_path(file), sha256.encode())

    def _note_path(self, file: str) -> Path:
        path = self.folder / file
        return path.with_name(f".{path.name}.sha256")


Place = str | Path | Location
"""What a user gives for a store: a folder, or a URL such as s3://bucket/store."""


def locate(place: Place) -> Location:
    """The location that a path or a URL names. Nothing is connected to.

    Args:
        place: A folder, there or not; a file:// URL, which is that folder; any other URL; or a
            location, which is given back.

    Returns:
        The location.

    Raises:
        WrongUrl: The text cannot be the URL of a store, or went through pathlib.
    """
    if isinstance(place, Location):
        return place
    if isinstance(place, Path):
        if _COLLAPSED.match(str(place)) and not place.exists() and os.name == "posix":
            raise WrongUrl(
                f"{place} looks like a URL that went through pathlib.Path, "
                "which drops a slash; give the URL as text"
            )
        return LocalFolder(place)
    if not _URL.match(place):
        return LocalFolder(Path(place))
    protocol, _, rest = place.partition("://")
    if protocol == "file":
        return LocalFolder(Path("/" + rest.lstrip("/")))
    url = f"{protocol}://{rest.rstrip('/')}"
    if not rest.strip("/") or any(mark in url for mark in "?#@") or "/../" in f"{url}/":
        raise WrongUrl(f"{place} is not the URL of a store; expected one such as s3://bucket/store")
    return RemoteStore(url)


def cache_folder() -> Path:
    """AFFECTSTORE_CACHE, else the folder `affectstore` where this system's user keeps caches."""
    if given := os.environ.get("AFFECTSTORE_CACHE"):
        return Path(given).absolute()
    if sys.platform == "darwin":
        base = "~/Library/Caches"
    elif sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "affectstore"


def _size(path: str) -> int | None:
    try:
        found = os.stat(path)  # noqa: PTH116  (a Path for each of a million shards takes longer)
    except FileNotFoundError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _remove_stale(parts: Path) -> None:
    """Removes downloads that killed processes left."""
    for part in parts.iterdir():
        try:
            if time.time() - part.stat().st_mtime > _STALE_S:
                part.unlink()
        except FileNotFoundError:
            continue  # another process was faster
