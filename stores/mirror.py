"""A store behind a URL, by way of a local folder: its mirror has the layout of any store and holds
copies of what was needed so far.

    <cache>/<key>/dataset.json ...          as in every store; key: 32 digits of the sha256 of the URL
    <cache>/<key>/shards/.../.K.h5.sha256   hash of what the store holds by the name K.h5
    <cache>/<key>.url                       the URL
    <cache>/<key>.parts/                    downloads that have not ended

A copy is believed only where the hash beside it is the one that a snapshot recorded: one of an
older, removed store never passes. So all that works on a folder works on a store behind a URL. What
is missing is fetched whole, checked and renamed; what is new is staged in the mirror and uploaded
whole. A folder is a mirror by where it lies, for every process that has the same cache folder; any
other path costs one comparison. Nothing here imports more than the standard library; see
`stores.remote` for what talks to the store.
"""

import hashlib
import os
import re
import secrets
import sys
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from stores.atomic import make_folder, write_bytes
from stores.records import inside, sha256_of
from stores.remote import Remote, Version, WrongUrl

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_COLLAPSED = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:[/\\]")
_STALE_S = 86400.0
"""A download that has not grown for so long was killed."""

_urls: dict[Path, str] = {}
"""The mirrors that this process has met."""


class WrongDownload(ValueError):
    """An object of a store is not the file that the snapshot recorded; the message names it."""


class Recorded(Protocol):
    """A file as a snapshot lists it: a table, a shard or a fitted state."""

    @property
    def file(self) -> str: ...

    @property
    def bytes(self) -> int: ...

    @property
    def sha256(self) -> str: ...


def home(root: str | Path) -> Path:
    """The folder to work on: of a path, and of a file:// URL, the path itself; of any other URL its
    mirror, which is made if it is missing.

    WrongUrl, a ValueError, for a URL that cannot be one of a store. Nothing is connected to.
    """
    if isinstance(root, Path):
        if _COLLAPSED.match(str(root)) and not root.exists() and os.name == "posix":
            raise WrongUrl(
                f"{root} looks like a URL that went through pathlib.Path, which drops a slash; "
                "give the URL as text"
            )
        return root
    if not _URL.match(root):
        return Path(root)
    protocol, _, rest = root.partition("://")
    if protocol == "file":
        return Path("/" + rest.lstrip("/"))
    url = f"{protocol}://{rest.rstrip('/')}"
    if not rest.strip("/") or any(mark in url for mark in "?#@") or "/../" in f"{url}/":
        raise WrongUrl(f"{root} is not the URL of a store; expected one such as s3://bucket/store")
    folder = _cache() / _key(url)
    if not folder.with_suffix(".url").is_file():
        write_bytes(folder.with_suffix(".url"), url.encode())
    make_folder(folder)
    _urls[folder] = url
    return folder


def mirror_of(root: Path) -> "Mirror | None":
    """The mirror that a folder is; None for every other folder."""
    if root.parent != _cache():
        return None
    if root not in _urls:
        try:
            url = root.with_suffix(".url").read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        if _key(url) != root.name:
            return None
        _urls[root] = url
    return Mirror(root, _urls[root])


def ensure(root: Path, record: Recorded) -> None:
    """Where `root` is a mirror, have the recorded file lie there. WrongDownload, RemoteError or
    FileNotFoundError when it cannot be had."""
    if (mirror := mirror_of(root)) is not None:
        mirror.bring(record)


def there(root: Path, file: str) -> bool:
    """Whether a store has a file, which then lies below `root`, be it a mirror or not."""
    mirror = mirror_of(root)
    if mirror is None:
        return (root / file).exists()
    return mirror.find(file) is not None or (root / file).exists()


def sent(root: Path, record: Recorded) -> bool:
    """Where `root` is a mirror, have its store hold the file. False: the store has another one by
    this name, which lies here now."""
    mirror = mirror_of(root)
    return mirror is None or mirror.send(record)


def shown(text: object) -> str:
    """A text for people: URLs instead of the mirrors of this process."""
    told = str(text)
    for folder, url in _urls.items():
        told = told.replace(str(folder), url)
    return told


def _key(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()[:32]


def _cache() -> Path:
    """AFFECTSTORE_CACHE, else the folder `affectstore` where this platform's user keeps caches."""
    if given := os.environ.get("AFFECTSTORE_CACHE"):
        return Path(given).absolute()
    if sys.platform == "darwin":
        base = "~/Library/Caches"
    elif sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "affectstore"


@dataclass(frozen=True)
class Mirror:
    root: Path
    url: str

    @cached_property
    def _remote(self) -> Remote:
        return Remote(self.url)

    def pull(self, file: str) -> None:
        """Have the small file lie here as the store holds it now, or not at all where it holds
        none."""
        data = self._remote.read(file)
        path = inside(self.root, file)
        if data is None:
            path.unlink(missing_ok=True)
        elif not path.is_file() or path.read_bytes() != data:
            write_bytes(path, data)

    def version(self, file: str) -> Version:
        """What `swap` compares, of the small file as the store holds it now."""
        return self._remote.version(file)

    def bring(self, record: Recorded) -> None:
        """Have the recorded file lie here. WrongDownload where the store has other bytes,
        FileNotFoundError where it has none."""
        path = inside(self.root, record.file)
        if path.is_file():
            if self._sum(record.file) == record.sha256 and path.stat().st_size == record.bytes:
                return
            if sha256_of(path) == record.sha256:
                self._note(record.file, record.sha256)
                return
        self._fetch(record.file, record.sha256)

    def check(self, record: Recorded) -> None:
        """As `bring`, and whatever lies here, the store's own bytes are read and hashed."""
        if self._sum(record.file) != record.sha256 or not (self.root / record.file).is_file():
            self._fetch(record.file, record.sha256)
        elif (found := self._remote.sha256(record.file)) != record.sha256:
            raise self._wrong(record.file, found, record.sha256)

    def find(self, file: str) -> str | None:
        """Have a file that no snapshot lists lie here as the store holds it -> its sha256; None
        where the store has none."""
        told = self._remote.told(file)
        path = inside(self.root, file)
        if told is None:
            return None
        if told.sha256 and path.is_file() and told.sha256 in (self._sum(file), sha256_of(path)):
            self._note(file, told.sha256)
            return told.sha256
        return self._fetch(file, told.sha256)

    def send(self, record: Recorded) -> bool:
        """Upload a file of the mirror, unless the store has it. False: it has another one by this
        name, which lies here now."""
        if self._remote.told(record.file) is None and self._remote.put(
            inside(self.root, record.file), record.file, record.sha256
        ):
            self._note(record.file, record.sha256)
            return True
        return self.find(record.file) == record.sha256

    def create(self, file: str, data: bytes) -> bool:
        """Upload a small file that is not there yet. False: the store has other bytes by this
        name."""
        return self._remote.create(file, data) or self._remote.read(file) == data

    def swap(self, file: str, data: bytes, version: Version) -> bool:
        """Replace a small file that is still at `version`. False: it is not, and nothing was
        changed.

        Where an answer of the store was lost and the request sent again, the second one fails
        though the first did it: so it is read back.
        """
        return self._remote.swap(file, data, version) or self._remote.read(file) == data

    def sizes(self) -> dict[str, int]:
        """Path below the root -> bytes, of everything that the store holds."""
        return self._remote.sizes()

    def _fetch(self, file: str, sha256: str | None) -> str:
        parts = self.root.with_suffix(".parts")
        part = parts / f"{os.getpid()}-{secrets.token_hex(8)}"
        make_folder(parts)
        _tidy(parts)
        try:
            self._remote.download(file, part)
            found = sha256_of(part)
            if sha256 is not None and found != sha256:
                raise self._wrong(file, found, sha256)
            path = inside(self.root, file)
            make_folder(path.parent)
            self._note_path(file).unlink(missing_ok=True)
            part.replace(path)
            self._note(file, found)
        finally:
            part.unlink(missing_ok=True)
        return found

    def _wrong(self, file: str, found: str, expected: str) -> WrongDownload:
        return WrongDownload(
            f"{self.url}/{file} has sha256 {found}, but {expected} was recorded; it was changed "
            "afterwards, restore it from a copy or "
            f"remove it and build the store again"
        )

    def _sum(self, file: str) -> str | None:
        try:
            return self._note_path(file).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def _note(self, file: str, sha256: str) -> None:
        if self._sum(file) != sha256:
            write_bytes(self._note_path(file), sha256.encode())

    def _note_path(self, file: str) -> Path:
        path = self.root / file
        return path.with_name(f".{path.name}.sha256")


def _tidy(parts: Path) -> None:
    """Remove what killed processes left."""
    for part in parts.iterdir():
        try:
            if time.time() - part.stat().st_mtime > _STALE_S:
                part.unlink()
        except FileNotFoundError:
            continue  # another process was faster
