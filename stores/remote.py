"""The objects of a store behind a URL, through fsspec: the one module that imports it, and only
when a URL is used.

Connections go to the store's endpoint, and to where the credentials come from (on a cloud machine
without keys: its metadata address). An object appears whole or not at all; S3, Google Cloud Storage
and Azure promise that.
"""

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

_BLOCK = 1 << 22
_ATTEMPTS = 3
"""At a download that ends in the middle; requests that get no answer, or a 503, are sent again by
botocore itself."""

# A host that does not answer is given up after 3 x 4 s.
_S3_OPTIONS = {
    "config_kwargs": {
        "connect_timeout": 4,
        "read_timeout": 60,
        "retries": {"mode": "standard", "total_max_attempts": 3},
    }
}
_LIBRARIES = {
    "adlfs",
    "aiobotocore",
    "aiohttp",
    "asyncio",
    "azure",
    "botocore",
    "fsspec",
    "gcsfs",
    "google",
    "s3fs",
}
_OUR_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
_PASSING = {
    "ClientConnectionError",
    "ClientPayloadError",
    "ConnectionError",
    "FlexibleChecksumError",
    "HTTPClientError",
    "TimeoutError",
}
"""Names of the libraries' errors that waiting may mend."""
_LOST = {"PreconditionFailed", "ConditionalRequestConflict"}
_DENIED = {
    "AccessDenied",
    "AccountProblem",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "SignatureDoesNotMatch",
    "403",
}

Version = str | bytes | None
"""Of a small object: its ETag where the store can compare that itself, else its bytes; None where
there is no such object."""


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
        with self._sentences(file):
            try:
                data: bytes = self._fs.cat_file(self._at(file))
            except FileNotFoundError as error:
                self._refuse_missing_bucket(error)
                return None
        return data

    def version(self, file: str) -> Version:
        with self._sentences(file):
            if not self._is_s3:
                return self.read(file)
            try:
                return str(self._fs.info(self._at(file), refresh=True)["ETag"])
            except FileNotFoundError:
                return None

    def told(self, file: str) -> Told | None:
        """None where there is no such object."""
        with self._sentences(file):
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
            return {
                name.lstrip("/").removeprefix(root.lstrip("/")): int(each["size"])
                for name, each in found.items()
            }

    def download(self, file: str, path: Path) -> None:
        """FileNotFoundError where there is no such object."""
        for attempt in range(_ATTEMPTS):
            try:
                with self._sentences(file):
                    self._fs.get_file(self._at(file), str(path))
                return
            except FileNotFoundError as error:
                raise FileNotFoundError(
                    f"{self.url}/{file} is missing; restore it from a copy or build the store again"
                ) from error
            except Unreachable:
                if attempt == _ATTEMPTS - 1:
                    raise

    def sha256(self, file: str) -> str:
        """Reads the whole object. FileNotFoundError where there is none."""
        digest = hashlib.sha256()
        with self._sentences(file):
            try:
                with self._fs.open(
                    self._at(file), "rb", block_size=_BLOCK, cache_type="readahead"
                ) as stream:
                    while block := stream.read(_BLOCK):
                        digest.update(block)
            except FileNotFoundError as error:
                raise FileNotFoundError(
                    f"{self.url}/{file} is missing; restore it from a copy or build the store again"
                ) from error
        return digest.hexdigest()

    def put(self, path: Path, file: str, sha256: str) -> bool:
        """Upload a file; False, and nothing is changed, where there is such an object already."""
        notes = {"Metadata": {"sha256": sha256}} if self._is_s3 else {}
        return self._first(
            file, lambda mode: self._fs.put_file(str(path), self._at(file), mode=mode, **notes)
        )

    def create(self, file: str, data: bytes) -> bool:
        """Upload some bytes; False, and nothing is changed, where there is such an object
        already."""
        return self._first(file, lambda mode: self._fs.pipe_file(self._at(file), data, mode=mode))

    def swap(self, file: str, data: bytes, version: Version) -> bool:
        """Replace a small object that is still at `version`; False, and nothing is changed, where
        it is not.

        S3 compares and replaces in one step. Where a store cannot, it is compared right before, and
        a rival in between would be lost.
        """
        if version is None:
            return self.create(file, data)
        with self._sentences(file):
            if self._is_s3:
                try:
                    self._fs.pipe_file(self._at(file), data, IfMatch=version)
                    return True
                except OSError as error:
                    if _code(error) in _LOST:
                        return False
                    if error.errno != errno.ENOSYS:
                        raise
            if self.version(file) != version:
                return False
            self._fs.pipe_file(self._at(file), data)
            return True

    def _first(self, file: str, upload: Callable[[str], object]) -> bool:
        """Whether the upload made a new object. Where a store cannot promise that, it is looked for
        right before."""
        with self._sentences(file):
            try:
                upload("create")
            except FileExistsError:
                return False
            except OSError as error:
                if _code(error) in _LOST:
                    return False
                if error.errno != errno.ENOSYS:
                    raise
                if self.told(file) is not None:
                    return False
                upload("overwrite")
            return True

    def _at(self, file: str) -> str:
        return f"{_connected(self.url, os.getpid())[1]}/{file}"

    @property
    def _fs(self) -> Any:
        return _connected(self.url, os.getpid())[0]

    @property
    def _is_s3(self) -> bool:
        return _protocol(self.url) in {"s3", "s3a"}

    def _refuse_missing_bucket(self, error: FileNotFoundError) -> None:
        if _code(error) == "NoSuchBucket":
            raise RemoteError(
                f"the bucket of {self.url} does not exist; create it, or correct the URL"
            ) from error

    @contextmanager
    def _sentences(self, file: str = "") -> Iterator[None]:
        """What the libraries raise, as one sentence. FileNotFoundError is for the caller to judge;
        trouble of the disk here stays that."""
        try:
            yield
        except FileNotFoundError as error:
            self._refuse_missing_bucket(error)
            raise
        except (RemoteError, MissingExtra, WrongUrl):
            raise
        except Exception as error:
            if not _is_the_stores(error):
                raise
            raise _sentence(f"{self.url}/{file}".rstrip("/"), error) from error


@lru_cache(maxsize=16)
def _connected(url: str, process: int) -> tuple[Any, str]:
    """The file system of a URL and the path of the store in it, for one process: connections do not
    survive a fork."""
    try:
        import fsspec
    except ImportError as error:
        raise _missing(url) from error
    try:
        options = _S3_OPTIONS if _protocol(url) in {"s3", "s3a"} else {}
        fs, path = fsspec.core.url_to_fs(
            url, use_listings_cache=False, skip_instance_cache=_protocol(url) != "memory", **options
        )
    except ImportError as error:
        raise _missing(url) from error
    except ValueError as error:
        raise WrongUrl(
            f"{url} is not the URL of a store ({_one_line(error)}); expected one such as "
            "s3://bucket/store"
        ) from error
    if _protocol(url) in {"s3", "s3a"}:
        fs.retries = 1  # botocore tries again by itself; both together would take minutes
    return fs, path.rstrip("/")


def _sentence(where: str, error: Exception) -> RemoteError:
    code, what = _code(error), _one_line(error)
    if "Credential" in type(error).__name__:
        return RemoteError(
            f"no credentials for {where} ({what}); set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        )
    if isinstance(error, PermissionError) or code in _DENIED:
        return RemoteError(
            f"{where} refuses access ({code or 'denied'}: {what}); check the credentials and what "
            "they may do there"
        )
    if _may_pass(error):
        return Unreachable(
            f"{where} does not answer, or not wholly ({what}); check the network and the endpoint "
            "(AWS_ENDPOINT_URL, or endpoint_url in "
            "the profile), then run the same command again: what was finished is kept"
        )
    return RemoteError(
        f"{where} cannot be used ({what}); check the URL and the settings of its account"
    )


def _missing(url: str) -> MissingExtra:
    protocol = _protocol(url)
    package = {
        "s3": "'affectstore[s3]'",
        "s3a": "'affectstore[s3]'",
        "gs": "gcsfs",
        "gcs": "gcsfs",
        "abfs": "adlfs",
        "az": "adlfs",
    }
    return MissingExtra(
        f"{url} needs a package that is not installed: pip install "
        f"{package.get(protocol, f'the fsspec package of {protocol}')}"
    )


def _protocol(url: str) -> str:
    return url.partition("://")[0]


def _code(error: BaseException) -> str:
    """S3's own name of an error, such as NoSuchBucket; empty where there is none."""
    for each in (error, error.__cause__):
        response = getattr(each, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code", ""))
    return ""


def _is_the_stores(error: Exception) -> bool:
    """Raised by a library that talks to stores, or an OSError of its making; not one of the disk
    here."""
    if isinstance(error, OSError):
        return error.errno not in _OUR_DISK and error.filename is None
    return any(kind.__module__.partition(".")[0] in _LIBRARIES for kind in type(error).__mro__)


def _may_pass(error: Exception) -> bool:
    if isinstance(error, OSError) and error.errno in {
        errno.EBUSY,
        getattr(errno, "EREMOTEIO", errno.EIO),
    }:
        return True
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & _PASSING)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
