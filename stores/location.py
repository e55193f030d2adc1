"""Where a store lies: a folder of this machine, or a URL whose files are copied here when needed.

Everything that reads or writes a store asks its location, so that it works on both. A file of a
store is named by its path below the store's root, with forward slashes.
"""

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from stores.atomic import files_below, make_folder, settle, sync, write_bytes
from stores.object_store import Version, WrongUrl
from stores.paths import MissingFile, inside, open_plain
from stores.records import FileRecord

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_COLLAPSED = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:[/\\]")


class StoreBusy(ValueError):
    """Another process is writing to the store."""


class WrongDownload(ValueError):
    """An object of a store is not the file that the snapshot recorded; the message names it."""


class Location:
    """Where one store lies: a folder of this machine, or of a file system that workers share.

    Of a store behind a URL the folder is a cache, and every method does more; see RemoteStore. Two
    locations are equal where they name the same place.
    """

    name: str
    """As the user gave it: a path or a URL."""
    folder: Path
    """Absolute; where the store's files lie on this machine, or their copies."""
    is_local = True
    """Whether the store itself lies in `folder`, for every process that sees the folder."""

    def __init__(self, folder: Path) -> None:
        self.name, self.folder = str(folder), folder.absolute()

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
            WrongRecord: The path leads out of the store by its parts.
            WrongPlace: The file or a folder above it is a symbolic link.
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
        """Locks the store for one writer of this machine.

        Yields:
            Nothing; the lock is released when the block ends.

        Raises:
            StoreBusy: Another process has the lock.
            WrongPlace: The store has a link at its root, such as the lock itself: it would be
                followed and written to.
        """
        from filelock import FileLock, Timeout

        make_folder(self.folder)
        for path in self.folder.iterdir():
            if path.is_symlink():
                self.path(path.name)
        path = self.path(".lock")
        with suppress(FileNotFoundError):
            open_plain(path).close()
        try:
            acquired = FileLock(path).acquire(timeout=0)
        except Timeout as error:
            raise StoreBusy(
                f"another build or split is writing to {self}; "
                "wait until it ends, then run the same command again"
            ) from error
        with acquired:
            # What a killed writer has named here, the pointer too, may not be on the disk yet.
            sync(self.folder)
            sync(self.folder.parent)
            yield

    def exists(self, file: str) -> bool:
        """Whether the store has a file, or this machine has finished it.

        Args:
            file: Path below the root, such as a shard that no snapshot lists yet.

        Returns:
            True where it then lies at `path(file)`.
        """
        return self.path(file).exists()

    def fetch(self, record: FileRecord) -> Path:
        """Has a file that a snapshot lists lie on this machine.

        Args:
            record: The file.

        Returns:
            Its local path. In a folder nothing is fetched: a file may be missing there.

        Raises:
            WrongDownload: The store behind the URL has other bytes.
            FileNotFoundError: The store behind the URL has no such file.
        """
        return self.path(record.file)

    def fetch_again(self, record: FileRecord) -> Path:
        """Has a file that a snapshot lists lie on this machine, whose copy here is damaged.

        Args:
            record: The file.

        Returns:
            Its local path, as `fetch`.

        Raises:
            WrongDownload: As `fetch`.
            FileNotFoundError: As `fetch`.
        """
        return self.fetch(record)

    def check(self, record: FileRecord) -> None:
        """Reads and hashes what the store behind a URL holds, whatever copy lies here.

        Args:
            record: The file; one of a local folder is left to the caller.

        Raises:
            WrongDownload: It has other bytes.
            FileNotFoundError: It is missing.
        """

    def refresh(self, file: str) -> Path:
        """Has a small file lie on this machine as the store holds it now.

        Args:
            file: Path below the root.

        Returns:
            Its local path; nothing lies there where the store has no such file.
        """
        return self.path(file)

    def upload(self, record: FileRecord) -> bool:
        """Has the store hold a file that was written to its local path.

        Args:
            record: The file.

        Returns:
            False where the store had another file by this name, which lies at the local path now.
        """
        return True

    def settle(self, files: Iterable[str]) -> None:
        """Has files that are there, with their names, outlast a power cut.

        Args:
            files: Paths below the root; of each the bytes are on the disk since it was published.
        """
        settle(self.folder, files)

    def version(self, file: str) -> Version:
        """What `replace` compares, of a small file as the store holds it now.

        Args:
            file: Path below the root.

        Returns:
            None where there is no such file, or where the lock alone decides.
        """
        return None

    def create(self, file: str, data: bytes) -> bool:
        """Writes a small file that is not part of the store yet.

        Args:
            file: Path below the root.
            data: Its bytes.

        Returns:
            False where the store behind a URL has other bytes by this name.
        """
        write_bytes(self.path(file), data)
        return True

    def replace(self, file: str, data: bytes, version: Version) -> bool:
        """Replaces a small file that still has a version, at once.

        Args:
            file: Path below the root.
            data: Its new bytes.
            version: As `version` gave it.

        Returns:
            False where another writer was faster; nothing is changed then.
        """
        return self.create(file, data)

    def remove(self, file: str) -> None:
        """Removes a file from the store and from this machine, if it is there.

        Args:
            file: Path below the root.
        """
        self.path(file).unlink(missing_ok=True)

    def list(self) -> Iterable[str]:
        """Every file of the store, by its path below the root, in no order."""
        return (path.relative_to(self.folder).as_posix() for path in files_below(self.folder))

    def sizes(self, files: Sequence[str]) -> Iterable[int | None]:
        """Looks how large some files of the store are.

        Args:
            files: Paths below the root.

        Returns:
            Bytes of each, in their order; None for one that is not there.
        """
        return (_size(f"{self.folder}/{file}") for file in files)


def is_inside(location: Location, folder: Path) -> bool:
    """Whether a folder is that of a store, or lies in it, where nothing of others may be.

    Args:
        location: Where the store lies.
        folder: The folder, there or not, reached by links or not.

    Returns:
        False for a store behind a URL.
    """
    return location.is_local and folder.resolve().is_relative_to(location.folder.resolve())


def fault_of(location: Location, record: FileRecord) -> str | None:
    """Has a file lie on this machine, and compares it with what a snapshot recorded.

    A copy of what lies behind a URL is fetched again where it is another file.

    Args:
        location: Where the store lies.
        record: What was recorded.

    Returns:
        A sentence that says what is wrong; None where it is the file.

    Raises:
        MissingFile: It is not there.
        WrongPlace: It is a link, or no plain file.
        WrongDownload: The store behind the URL has other bytes.
    """
    fault = _difference(location.fetch(record), location.display(record.file), record)
    if fault and not location.is_local:
        fault = _difference(location.fetch_again(record), location.display(record.file), record)
    return fault


def _difference(path: Path, name: str, record: FileRecord) -> str | None:
    """How a file differs from its record; one of another size is not read."""
    try:
        with open_plain(path) as file:
            size = os.fstat(file.fileno()).st_size
            is_whole = size == record.bytes
            sha256 = hashlib.file_digest(file, "sha256").hexdigest() if is_whole else ""
    except FileNotFoundError as error:
        raise MissingFile(name) from error
    if sha256 == record.sha256:
        return None
    what = f"sha256 {sha256}" if is_whole else f"{size} bytes"
    return (
        f"{name} has {what}, but the snapshot recorded "
        f"{record.sha256 if is_whole else record.bytes}: it was changed afterwards; restore it "
        "from a copy, or build into an empty folder"
    )


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
    if not isinstance(place, str | Path):
        raise WrongUrl(f"{place!r} is no store; expected its folder, a URL, or a FeatureStore")
    if any("\ud800" <= letter <= "\udfff" for letter in str(place)):
        raise WrongUrl(f"the name of {place} is not UTF-8; rename the folder, and give that name")
    if isinstance(place, Path):
        if _COLLAPSED.match(str(place)) and not place.exists() and os.name == "posix":
            raise WrongUrl(
                f"{place} looks like a URL that went through pathlib.Path, "
                "which drops a slash; give the URL as text"
            )
        return Location(place)
    if not _URL.match(place):
        return Location(Path(place))
    protocol, _, rest = place.partition("://")
    if protocol == "file":
        return Location(Path("/" + rest.lstrip("/")))
    url = f"{protocol}://{rest.rstrip('/')}"
    if not rest.strip("/") or any(mark in url for mark in "?#@") or "/../" in f"{url}/":
        raise WrongUrl(f"{place} is not the URL of a store; expected one such as s3://bucket/store")
    from stores.remote_store import RemoteStore

    return RemoteStore(url)


def _size(path: str) -> int | None:
    try:
        found = os.stat(path)  # noqa: PTH116  (a Path for each of a million shards takes longer)
    except FileNotFoundError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None
