"""The objects of a store behind a URL, through obstore: the one module that imports it.

Connections go to the store's endpoint, and to where the credentials come from (on a cloud machine
without keys: its metadata address). An object appears whole or not at all, and is created or
replaced on a condition in one step; S3, Google Cloud Storage and Azure promise both.
"""

import errno
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

_BLOCK = 1 << 22
_DOWNLOAD_ATTEMPTS = 3
"""Of a download that ends in the middle; a request without an answer is sent again by obstore."""
_RETRIES: "RetryConfig" = {"max_retries": 3, "retry_timeout": timedelta(seconds=15)}
_CLIENT: "ClientConfig" = {"connect_timeout": "4s", "timeout": "120s"}
_UNANSWERED = re.compile(r"retries|HTTP error|error sending request|timed out")
"""In the text of an error that waiting may mend: no answer, half of one, or a server's fault."""

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

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.errno = errno.ETIMEDOUT

    def __str__(self) -> str:
        return str(self.args[0])


class Objects:
    """The objects below one URL, each named by its path below it. Errors are single sentences."""

    def __init__(self, url: str) -> None:
        self.url = url

    @property
    def _store(self) -> "ObjectStore":
        return _connect(self.url, os.getpid())

    def read(self, file: str) -> bytes | None:
        """Reads a small object.

        Args:
            file: Path below the URL.

        Returns:
            Its bytes; None where there is no such object.

        Raises:
            RemoteError: The store, or its bucket, cannot be used.
        """
        import obstore

        with self._sentences(file):
            try:
                return bytes(obstore.get(self._store, file).bytes())
            except FileNotFoundError as error:
                self._refuse_missing_bucket(error)
                return None

    def version(self, file: str) -> Version:
        """The version of an object, for `replace`.

        Args:
            file: Path below the URL.

        Returns:
            What identifies its present content; None where there is no such object.
        """
        import obstore

        with self._sentences(file):
            try:
                found = obstore.head(self._store, file)
            except FileNotFoundError:
                return None
        known = {name: found[name] for name in ("e_tag", "version")}
        return {name: value for name, value in known.items() if value is not None}

    def noted_sha256(self, file: str) -> str | None:
        """The sha256 that was noted with an object when it was uploaded.

        Args:
            file: Path below the URL.

        Returns:
            64 hex digits, or an empty text where the object has no such note; None where there is
            no such object.
        """
        import obstore

        with self._sentences(file):
            try:
                found = obstore.get(self._store, file, options={"head": True})
            except FileNotFoundError:
                return None
        return found.attributes.get("sha256", "")

    def sizes(self) -> dict[str, int]:
        """Lists every object below the URL: path -> size in bytes."""
        import obstore

        with self._sentences():
            return {
                found["path"]: found["size"] for some in obstore.list(self._store) for found in some
            }

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
                    for block in self._blocks(file):
                        out.write(block)
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
        """Uploads an object that is not there yet.

        Args:
            file: Path below the URL.
            data: Its bytes, or the local file that holds them.
            sha256: Noted with the object where it is given.

        Returns:
            False where there is such an object already; nothing is changed then.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError

        with self._sentences(file):
            try:
                notes = {"sha256": sha256} if sha256 else {}
                obstore.put(self._store, file, data, mode="create", attributes=notes)
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
        """
        import obstore
        from obstore.exceptions import PreconditionError

        if version is None:
            return self.create(file, data)
        with self._sentences(file):
            try:
                obstore.put(self._store, file, data, mode=version)  # type: ignore[arg-type]
            except (PreconditionError, FileNotFoundError):
                return False
        return True

    def remove(self, file: str) -> None:
        """Removes an object, if it is there.

        Args:
            file: Path below the URL.
        """
        import obstore

        with self._sentences(file):
            try:
                obstore.delete(self._store, file)
            except FileNotFoundError:
                return

    def _blocks(self, file: str) -> Iterator[bytes]:
        import obstore

        with self._sentences(file):
            try:
                for block in obstore.get(self._store, file).stream(min_chunk_size=_BLOCK):
                    yield bytes(block)
            except FileNotFoundError as error:
                self._refuse_missing_bucket(error)
                raise FileNotFoundError(
                    f"{self.url}/{file} is missing; restore it from a copy or build the store again"
                ) from error

    def _refuse_missing_bucket(self, error: Exception) -> None:
        if "NoSuchBucket" in str(error):
            raise RemoteError(
                f"the bucket of {self.url} does not exist; create it, or correct the URL"
            ) from error

    @contextmanager
    def _sentences(self, file: str = "") -> Iterator[None]:
        """What obstore raises, as one sentence; trouble of the local disk stays what it is."""
        from obstore.exceptions import BaseError

        try:
            yield
        except BaseError as error:
            self._refuse_missing_bucket(error)
            raise _sentence(f"{self.url}/{file}".rstrip("/"), error) from error


def _sentence(where: str, error: Exception) -> RemoteError:
    text = str(error)
    code = re.search(r"<Code>(\w+)</Code>", text)
    status = re.search(r"status code: ([^:]+)", text)
    what = code[1] if code else status[1].strip() if status else _one_line(text)
    if type(error).__name__ in {"PermissionDeniedError", "UnauthenticatedError"}:
        return RemoteError(
            f"{where} refuses access ({what}); check the credentials and what they may do there"
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


@lru_cache(maxsize=16)
def _connect(url: str, process: int) -> "ObjectStore":
    """A client of its own for each process: connections do not survive a fork."""
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url

        options = _s3_options(url) if url.startswith(("s3://", "s3a://")) else {}
    except ImportError as error:
        raise MissingExtra(
            f"{url} needs a package that is not installed: pip install 'affectstore[s3]'"
        ) from error
    client: ClientConfig = {
        **_CLIENT,
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
    endpoint = os.environ.get("AWS_ENDPOINT_URL") or profile.get("endpoint_url")
    return {
        "credential_provider": Boto3CredentialProvider(session),
        "region": session.get_config_variable("region") or "us-east-1",
        **({"endpoint": endpoint} if endpoint else {}),
    }
