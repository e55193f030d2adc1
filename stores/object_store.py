"""The objects of a store behind a URL, through obstore: the one module that imports it.

Connections go to the store's endpoint, and to where the credentials come from (on a cloud machine
without keys: its metadata address). An object appears complete or not at all, and is created or
replaced on a condition in one step; S3, Google Cloud Storage and Azure promise both.
"""

import errno
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from stores.paths import MissingFile

if TYPE_CHECKING:
    from obstore import GetResult
    from obstore.store import ObjectStore, RetryConfig

_BLOCK = 1 << 22
_DOWNLOAD_ATTEMPTS = 3
"""Of a download that ends in the middle; a request without an answer is sent again by obstore."""
_RETRIES: "RetryConfig" = {"max_retries": 3, "retry_timeout": timedelta(seconds=15)}
_UNANSWERED = re.compile(r"retries|HTTP error|error sending request|timed out")
"""In the text of an error that waiting may mend: no answer, half of one, or a server's fault."""
_DENIED = {"PermissionDeniedError", "UnauthenticatedError", "ExpiredToken", "InvalidToken"}
"""Errors of obstore, and what S3 calls those that obstore has no name for."""
_UNCONDITIONAL = {"NotImplemented", "501 Not Implemented"}

Version = dict[str, str] | None
"""What identifies the content of an object, as obstore compares it; None where there is none."""


class WrongUrl(ValueError):
    """A text cannot be the URL of a store; the message says what is expected."""


class MissingExtra(ImportError):
    """The package that reaches this kind of store is not installed."""


class RemoteError(OSError):
    """The object store cannot be used; the message says why and what to do."""


class Unreachable(RemoteError):
    """The object store did not answer, or not completely; waiting may mend it."""

    errno = errno.ETIMEDOUT


_users: list[int] = []
"""The processes that have made a client, the first one first: those after it were forked."""


def connect(url: str) -> "Objects":
    """The objects below a URL, for the process that asks.

    Args:
        url: Of the store.

    Returns:
        Objects, which need not be there.
    """
    if _users and _users[0] != os.getpid():
        from stores.forked_objects import ForkedObjects

        return cast(Objects, ForkedObjects(url))
    return Objects(url)


class Objects:
    """The objects below one URL, each named by its path below it. Errors are single sentences."""

    def __init__(self, url: str) -> None:
        self.url = url

    def read(self, file: str) -> bytes | None:
        """Reads a small object.

        Args:
            file: Path below the URL.

        Returns:
            Its bytes; None where there is no such object.

        Raises:
            RemoteError: The store, or its bucket, cannot be used.
        """
        try:
            with self._client(file) as client:
                return bytes(client.get(file).bytes())
        except FileNotFoundError:
            return None

    def version(self, file: str) -> Version:
        """Asks for the version of an object, for `replace`.

        Args:
            file: Path below the URL.

        Returns:
            What identifies its present content; None where there is no such object.
        """
        found = self._head(file)
        if found is None:
            return None
        known = {"e_tag": found.meta["e_tag"], "version": found.meta["version"]}
        return {name: value for name, value in known.items() if value is not None}

    def noted_sha256(self, file: str) -> str | None:
        """Asks for the sha256 that was noted with an object when it was uploaded.

        Args:
            file: Path below the URL.

        Returns:
            64 hex digits, or an empty text where the object has no such note; None where there is
            no such object.
        """
        found = self._head(file)
        return None if found is None else found.attributes.get("sha256", "")

    def _head(self, file: str) -> "GetResult | None":
        try:
            with self._client(file) as client:
                return client.get(file, options={"head": True})
        except FileNotFoundError:
            return None

    def sizes(self) -> dict[str, int]:
        """Lists every object below the URL: path -> size in bytes."""
        with self._client() as client:
            return {found["path"]: found["size"] for page in client.list() for found in page}

    def download(self, file: str, path: Path) -> None:
        """Writes an object to a local file.

        Args:
            file: Path below the URL.
            path: The file, which is written over.

        Raises:
            FileNotFoundError: There is no such object.
            RemoteError: The store cannot be used.
        """
        for attempt in range(1, _DOWNLOAD_ATTEMPTS + 1):
            try:
                with path.open("wb") as out:
                    out.writelines(self._blocks(file))
                return
            except Unreachable:
                if attempt == _DOWNLOAD_ATTEMPTS:
                    raise

    def sha256(self, file: str) -> str:
        """Reads an object and hashes it.

        Args:
            file: Path below the URL.

        Returns:
            64 hex digits.

        Raises:
            FileNotFoundError: There is no such object.
            RemoteError: The store cannot be used.
        """
        digest = hashlib.sha256()
        for block in self._blocks(file):
            digest.update(block)
        return digest.hexdigest()

    def create(self, file: str, data: bytes | Path, sha256: str = "") -> bool:
        """Uploads an object that is not there yet, in one request.

        Args:
            file: Path below the URL.
            data: Its bytes, or the local file that holds them, which is read into memory.
            sha256: Noted with the object where it is given.

        Returns:
            False where there is such an object already; nothing is changed then.

        Raises:
            RemoteError: The store cannot be used, or has no conditional writes.
        """
        size = data.stat().st_size if isinstance(data, Path) else len(data)
        with self._client(file, size) as client:
            from obstore.exceptions import AlreadyExistsError

            try:
                notes = {"sha256": sha256} if sha256 else {}
                client.put(file, data, mode="create", attributes=notes)
            except AlreadyExistsError:
                return False
        return True

    def replace(self, file: str, data: bytes, version: Version) -> bool:
        """Replaces a small object that still has a version, in one step.

        Args:
            file: Path below the URL.
            data: Its new bytes.
            version: As `version` gave it; None: there was no such object.

        Returns:
            False where it has another version by now; nothing is changed then.

        Raises:
            RemoteError: The store cannot be used, or has no conditional writes.
        """
        if version is None:
            return self.create(file, data)
        with self._client(file) as client:
            from obstore.exceptions import PreconditionError

            try:
                client.put(file, data, mode=version)  # type: ignore[arg-type]
            except (PreconditionError, FileNotFoundError):
                return False
        return True

    def remove(self, file: str) -> None:
        """Removes an object, if it is there.

        Args:
            file: Path below the URL.
        """
        with self._client(file) as client, suppress(FileNotFoundError):
            client.delete(file)

    def _blocks(self, file: str) -> Iterator[bytes]:
        try:
            with self._client(file) as client:
                yield from map(bytes, client.get(file).stream(min_chunk_size=_BLOCK))
        except FileNotFoundError as error:
            raise MissingFile(f"{self.url}/{file}") from error

    @contextmanager
    def _client(self, file: str = "", upload_bytes: int = 0) -> Iterator["ObjectStore"]:
        """The client for one request, whose errors become one sentence each.

        FileNotFoundError, and trouble of the local disk, stay what they are.
        """
        client = _connect(self.url, os.getpid(), _patience_min(upload_bytes))
        from obstore.exceptions import BaseError

        try:
            yield client
        except (BaseError, FileNotFoundError) as error:
            if "NoSuchBucket" in str(error):
                raise RemoteError(
                    f"the bucket of {self.url} does not exist; create it, or correct the URL"
                ) from error
            if isinstance(error, FileNotFoundError):
                raise
            raise _sentence(f"{self.url}/{file}".rstrip("/"), error) from error


def _sentence(where: str, error: Exception) -> RemoteError:
    text = str(error)
    code = re.search(r"<Code>(\w+)</Code>", text)
    status = re.search(r"status code: ([^:]+)", text)
    what = code[1] if code else status[1].strip() if status else _one_line(text)
    if {type(error).__name__, what} & _DENIED:
        return RemoteError(
            f"{where} refuses access ({what}); check the credentials and what they may do there"
        )
    if what in _UNCONDITIONAL:
        return RemoteError(
            f"{where} cannot be written: the object store has no conditional writes ({what}), "
            "without which two builds could publish at once; use one that has them, "
            "or build into a folder"
        )
    if _UNANSWERED.search(text):
        return Unreachable(
            f"{where} does not answer, or not wholly ({what}); check the network and the endpoint "
            "(AWS_ENDPOINT_URL, or endpoint_url in the profile), then run the same command again: "
            "what was finished is kept"
        )
    return RemoteError(
        f"{where} cannot be used ({what}); check the URL and the settings of its account"
    )


def _one_line(text: str) -> str:
    return text.partition("\n")[0].strip()[:200]


def _patience_min(upload_bytes: int) -> int:
    """Minutes for which the answer to a request is waited for.

    One at least for each 16 MiB that go up before it, in powers of two: each is another client.
    """
    return 1 << (upload_bytes >> 24).bit_length()


@lru_cache(maxsize=16)
def _connect(url: str, process: int, patience_min: int) -> "ObjectStore":
    _users.append(process)
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url

        options = _s3_options(url) if url.startswith(("s3://", "s3a://")) else {}
    except ImportError as error:
        raise MissingExtra(
            f"{url} needs a package that is not installed: in a clone of affectstore, pip install "
            "'.[s3]'"
        ) from error
    client: Any = {
        "connect_timeout": "4s",
        "read_timeout": f"{patience_min}min",
        "timeout": "1day",  # for all of a request, however large its object is
        "allow_http": options.get("endpoint", "").startswith("http:"),
    }
    try:
        return from_url(url, client_options=client, retry_config=_RETRIES, **options)
    except (BaseError, ValueError) as error:
        raise WrongUrl(
            f"{url} is not the URL of a store ({_one_line(str(error))}); "
            "expected one such as s3://bucket/store"
        ) from error


def _s3_options(url: str) -> dict[str, Any]:
    """Credentials, region and endpoint as the AWS tools find them: variables, profile, machine."""
    from botocore.exceptions import BotoCoreError
    from botocore.session import get_session
    from obstore.auth.boto3 import Boto3CredentialProvider

    session = get_session()
    try:
        profile, credentials = session.get_scoped_config(), session.get_credentials()
    except BotoCoreError as error:
        raise RemoteError(f"no credentials for {url} ({error}); correct AWS_PROFILE") from error
    if credentials is None:
        raise RemoteError(
            f"no credentials for {url}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
            "or AWS_PROFILE"
        )
    variables = (os.environ.get(name) for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"))
    endpoint = next(filter(None, variables), None) or profile.get("endpoint_url")
    return {
        "credential_provider": Boto3CredentialProvider(session),
        "region": session.get_config_variable("region") or "us-east-1",
        **({"endpoint": endpoint} if endpoint else {}),
    }
