"""The objects of a store behind a URL, through fsspec: the one module that imports it, and only when a URL is used.

Connections go to the store's endpoint and nowhere else, except where the credentials are configured to come from (on a cloud machine without
keys, its own metadata address). An object appears whole or not at all, which S3, Google Cloud Storage and Azure promise.
"""

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_BLOCK = 1 << 22
_ATTEMPTS = 3
"""At a download that ends in the middle; requests that get no answer, or a 503, are sent again by botocore itself."""

# A host that does not answer is given up after 3 x 4 s.
_S3_OPTIONS = {"config_kwargs": {"connect_timeout": 4, "read_timeout": 60, "retries": {"mode": "standard", "total_max_attempts": 3}}}
_LIBRARIES = {"adlfs", "aiobotocore", "aiohttp", "asyncio", "azure", "botocore", "fsspec", "gcsfs", "google", "s3fs"}
_OUR_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
_LOST = {"PreconditionFailed", "ConditionalRequestConflict"}
_DENIED = {
    "AccessDenied", "AccountProblem", "ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch", "403",
}  # fmt: skip

Version = str | bytes | None
"""Of a small object: its ETag where the store can compare that itself, else its bytes; None where there is no such object."""


class WrongUrl(ValueError):
    """This cannot be the URL of a store; the message says what is expected."""


class MissingExtra(ImportError):
    """The package that reaches this kind of store is not installed."""


class RemoteError(OSError):
    """The object store cannot be used; the message says why and what to do."""


class Unreachable(RemoteError):
    """The object store did not answer, or not wholly; waiting may mend it."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.errno = errno.ETIMEDOUT

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Told:
    """What a store tells of an object."""

    sha256: str | None
    """As noted when it was uploaded; None where the store keeps no such notes."""


class Remote:
    """One store, by its URL. Files are named by their path below its root."""

    def __init__(self, url: str) -> None:
        self.url = url

    def read(self, file: str) -> bytes | None:
        """A small object; None where there is none."""
        with self._sentences():
            try:
                data: bytes = self._fs.cat_file(self._at(file))
            except FileNotFoundError as error:
                self._refuse_missing_bucket(error)
                return None
        return data

    def version(self, file: str) -> Version:
        with self._sentences():
            if not self._is_s3:
                return self.read(file)
            try:
                return str(self._fs.info(self._at(file), refresh=True)["ETag"])
            except FileNotFoundError:
                return None

    def told(self, file: str) -> Told | None:
        """None where there is no such object."""
        with self._sentences():
            try:
                if self._is_s3:
                    return Told(self._fs.metadata(self._at(file)).get("sha256"))
                return Told(None) if self._fs.info(self._at(file))["type"] == "file" else None
            except FileNotFoundError:
                return None

    def sizes(self) -> dict[str, int]:
        """Path below the root -> bytes, of every object."""
        with self._sentences():
            root = self._at("")
            try:
                found = self._fs.find(root, detail=True)
            except FileNotFoundError as error:
                self._refuse_missing_bucket(error)
                return {}
            return {name.lstrip("/").removeprefix(root.lstrip("/")): int(each["size"]) for name, each in found.items()}

    def download(self, file: str, path: Path) -> None:
        """FileNotFoundError where there is no such object."""
        for attempt in range(_ATTEMPTS):
            try:
                with self._sentences():
                    self._fs.get_file(self._at(file), str(path))
                return
            except FileNotFoundError as error:
                raise FileNotFoundError(f"{self.url}/{file} is missing; restore it from a copy or build the store again") from error
            except Unreachable:
                if attempt == _ATTEMPTS - 1:
                    raise

    def sha256(self, file: str) -> str:
        """Reads the whole object. FileNotFoundError where there is none."""
        digest = hashlib.sha256()
        with self._sentences():
            try:
                with self._fs.open(self._at(file), "rb", block_size=_BLOCK, cache_type="readahead") as stream:
                    while block := stream.read(_BLOCK):
                        digest.update(block)
            except FileNotFoundError as error:
                raise FileNotFoundError(f"{self.url}/{file} is missing; restore it from a copy or build the store again") from error
        return digest.hexdigest()

    def put(self, path: Path, file: str, sha256: str) -> bool:
        """Upload a file; False, and nothing is changed, where there is such an object already."""
        notes = {"Metadata": {"sha256": sha256}} if self._is_s3 else {}
        with self._sentences():
            return self._if_first(lambda: self._fs.put_file(str(path), self._at(file), mode="create", **notes))

    def create(self, file: str, data: bytes) -> bool:
        """Upload some bytes; False, and nothing is changed, where there is such an object already."""
        with self._sentences():
            return self._if_first(lambda: self._fs.pipe_file(self._at(file), data, mode="create"))

    def swap(self, file: str, data: bytes, version: Version) -> bool:
        """Replace a small object that is still at `version`; False, and nothing is changed, where it is not.

        S3 compares and replaces in one step. Where a store cannot, it is compared right before, and a rival in that moment would be lost.
        """
        if version is None:
            return self.create(file, data)
        if self._is_s3:
            try:
                with self._sentences():
                    return self._if_first(lambda: self._fs.pipe_file(self._at(file), data, IfMatch=version))
            except _NoConditions:
                pass
        if self.version(file) != version:
            return False
        with self._sentences():
            self._fs.pipe_file(self._at(file), data)
        return True
