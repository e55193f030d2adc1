"""Where a store under test lies: in a folder, or behind a URL with a cache on the folder."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from tests.kill.whole import Files, read_files, wrong_copies
from tests.support.object_store import objects, s3_server, settings


class Place(Protocol):
    """Where stores lie. `disk` is a folder on which all that a command writes locally lies."""

    name: str

    def begin(self, disk: Path, before: str | None) -> str:
        """A new store that holds what the case `before` left behind: its name for the command."""
        ...

    def files(self, store: str) -> dict[str, bytes]:
        """All files of a store."""
        ...

    def local_problems(self, files: Files) -> list[str]:
        """What is wrong with the files of the disk, where they are not the store itself."""
        ...

    def elsewhere(self, disk: Path) -> None:
        """The next command runs on another machine, where that is possible."""
        ...

    def here(self, files: Files) -> Files:
        """Those files of the disk that the last command could see."""
        ...

    def keep(self, store: str, case: str) -> None:
        """Keeps a store for the cases that begin with it."""
        ...


class Folder:
    """Stores in folders."""

    name = "folder"

    def __init__(self, kept: Path) -> None:
        self._kept = kept

    def begin(self, disk: Path, before: str | None) -> str:
        disk.mkdir(parents=True)
        if before:
            shutil.copytree(self._kept / before, disk / "store")
        return str(disk / "store")

    def files(self, store: str) -> dict[str, bytes]:
        return read_files(Path(store))

    def local_problems(self, files: Files) -> list[str]:
        return []

    def elsewhere(self, disk: Path) -> None:
        pass

    def here(self, files: Files) -> Files:
        return files

    def keep(self, store: str, case: str) -> None:
        shutil.copytree(store, self._kept / case)


class S3:
    """Stores on the S3 server of the tests."""

    name = "S3"

    def begin(self, disk: Path, before: str | None) -> str:
        disk.mkdir(parents=True)
        self.elsewhere(disk)
        url = f"s3://made/{secrets.token_hex(6)}/store"
        if before:
            self._copy(f"s3://made/kept/{before}".replace(" ", "-"), url)
        return url

    def elsewhere(self, disk: Path) -> None:
        """The next command runs on another machine: one with an empty cache."""
        os.environ["AFFECTSTORE_CACHE"] = str(disk / f"cache-{secrets.token_hex(4)}")

    def files(self, store: str) -> dict[str, bytes]:
        return objects(store)

    def local_problems(self, files: Files) -> list[str]:
        return wrong_copies(files)

    def here(self, files: Files) -> Files:
        cache = Path(os.environ["AFFECTSTORE_CACHE"]).name
        return {path: data for path, data in files.items() if path.startswith(f"{cache}/")}

    def keep(self, store: str, case: str) -> None:
        self._copy(store, f"s3://made/kept/{case}".replace(" ", "-"))

    def _copy(self, source: str, target: str) -> None:
        client = _client()
        source, target = (one.removeprefix("s3://made/") for one in (source, target))
        pages = client.get_paginator("list_objects_v2").paginate(Bucket="made", Prefix=f"{source}/")
        for key in [found["Key"] for page in pages for found in page.get("Contents", ())]:
            client.copy_object(
                Bucket="made",
                Key=target + key.removeprefix(source),
                CopySource={"Bucket": "made", "Key": key},
            )


def _client() -> object:
    import boto3

    return boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])


@contextmanager
def s3(folder: Path) -> Iterator[dict[str, str]]:
    """A server with the bucket of the tests: the settings by which it is found."""
    with s3_server(folder) as port:
        found = settings(f"http://127.0.0.1:{port}", folder / "cache")
        os.environ.update(found)
        _client().create_bucket(Bucket="made")  # type: ignore[attr-defined]
        yield found
