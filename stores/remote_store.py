"""A store behind a URL: what is needed of it lies in a cache folder of this machine.

    <cache>/<key>/dataset.json ...          copies of a store behind a URL, laid out as the store
    <cache>/<key>/shards/.../.K.h5.sha256   sha256 of what the store holds by the name K.h5
    <cache>/<key>.parts/                    downloads that have not ended

`key` is 32 digits of the sha256 of the URL. A copy is used only where the hash beside it is the one
that a snapshot recorded: a copy of an older, removed store never passes. What is missing is fetched
as one file, checked and renamed; what is new is written into the cache and uploaded as one file.
"""

import hashlib
import os
import secrets
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from stores.atomic import make_folder, sync, write_bytes
from stores.location import Location, WrongDownload
from stores.object_store import Objects, Version, connect
from stores.paths import open_plain, sha256_of
from stores.records import FileRecord

_HEX_DIGITS = 64
_STALE_S = 86400.0
"""A download that has not grown for so long was killed."""


class RemoteStore(Location):
    """A store behind a URL; `folder` is its cache on this machine."""

    is_local = False

    def __init__(self, url: str) -> None:
        self.name = url
        self.folder = cache_folder() / hashlib.sha256(url.encode()).hexdigest()[:32]

    @property
    def _objects(self) -> Objects:
        return connect(self.name)

    def __reduce__(self) -> tuple[type["RemoteStore"], tuple[str]]:
        return RemoteStore, (self.name,)  # another machine has a cache of its own

    def exists(self, file: str) -> bool:
        return self._obtain(file) is not None or self.path(file).exists()

    def fetch(self, record: FileRecord) -> Path:
        path = self.path(record.file)
        if not self._has_copy(record.file, record.sha256, record.bytes):
            self._download(record.file, record.sha256)
        return path

    def fetch_again(self, record: FileRecord) -> Path:
        self.path(record.file)
        self._note_path(record.file).unlink(missing_ok=True)  # the copy is hashed then
        return self.fetch(record)

    def check(self, record: FileRecord) -> None:
        path = self.path(record.file)
        if self._noted(record.file) != record.sha256 or not path.is_file():
            self._download(record.file, record.sha256)
        elif (found := self._objects.sha256(record.file)) != record.sha256:
            raise self._wrong(record.file, found, record.sha256)

    def refresh(self, file: str) -> Path:
        path, data = self.path(file), self._objects.read(file)
        if data is None:
            path.unlink(missing_ok=True)
        elif not path.is_file() or path.read_bytes() != data:
            write_bytes(path, data)
        return path

    def upload(self, record: FileRecord) -> bool:
        path = self.path(record.file)
        is_there = self._objects.noted_sha256(record.file) is not None
        if not is_there and self._objects.create(record.file, path, record.sha256):
            self._note(record.file, record.sha256)
            return True
        return self._obtain(record.file) == record.sha256

    def settle(self, files: Iterable[str]) -> None:
        """Nothing is left to do: an object that was uploaded is there."""

    def version(self, file: str) -> Version:
        return self._objects.version(file)

    # Where an answer did not arrive and the request was sent again, the second one fails though the
    # first was carried out: so what the store holds then is compared.

    def create(self, file: str, data: bytes) -> bool:
        self.path(file)  # that it leads nowhere else
        return self._objects.create(file, data) or self._objects.read(file) == data

    def replace(self, file: str, data: bytes, version: Version) -> bool:
        self.path(file)
        return self._objects.replace(file, data, version) or self._objects.read(file) == data

    def remove(self, file: str) -> None:
        copies = self.path(file), self._note_path(file)
        self._objects.remove(file)
        for path in copies:
            path.unlink(missing_ok=True)

    def list(self) -> Iterable[str]:
        return self._objects.sizes()

    def sizes(self, files: Sequence[str]) -> Iterable[int | None]:
        known = self._objects.sizes()
        return (known.get(file) for file in files)

    def _obtain(self, file: str) -> str | None:
        """Has a file that no snapshot lists lie here.

        Returns its sha256; None where the store has no such file.
        """
        self.path(file)
        noted = self._objects.noted_sha256(file)
        if noted is None or (noted and self._has_copy(file, noted)):
            return noted
        return self._download(file, noted)

    def _has_copy(self, file: str, sha256: str, size: int | None = None) -> bool:
        """Whether the file that lies here is the one with this hash."""
        path = self.path(file)
        if not path.is_file():
            return False
        is_noted = self._noted(file) == sha256 and size in (None, path.stat().st_size)
        if not is_noted and sha256_of(path) != sha256:
            return False
        self._note(file, sha256)
        return True

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
            sync(part)  # the note must not outlast a power cut without the bytes
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
            with open_plain(self._note_path(file)) as note:
                return note.read(_HEX_DIGITS).decode(errors="replace")
        except FileNotFoundError:
            return None

    def _note(self, file: str, sha256: str) -> None:
        if self._noted(file) != sha256:
            write_bytes(self._note_path(file), sha256.encode())

    def _note_path(self, file: str) -> Path:
        path = self.folder / file
        return path.with_name(f".{path.name}.sha256")


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


def _remove_stale(parts: Path) -> None:
    """Removes downloads that killed processes left."""
    for part in parts.iterdir():
        try:
            if time.time() - part.stat().st_mtime > _STALE_S:
                part.unlink()
        except FileNotFoundError:
            continue  # another process was faster
