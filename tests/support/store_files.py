"""The files of a store."""

import hashlib
import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def contents(store: Path) -> dict[str, str]:
    """Every file of a store by the hash of its bytes, but for the hidden ones, which are of this
    machine."""
    files = (
        path
        for path in sorted(store.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    )
    return {
        path.relative_to(store).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def new_shards(before: dict[str, str], after: dict[str, str]) -> dict[str, int]:
    """Number of new shards by feature; every old shard must be as it was."""
    assert all(
        after[file] == digest for file, digest in before.items() if file.startswith("shards/")
    )
    made = [
        file.split("/")[1] for file in after.keys() - before.keys() if file.startswith("shards/")
    ]
    return {feature: made.count(feature) for feature in set(made)}


def linked(folder: Path, target: Path) -> Path:
    """A copy by hard link, for a test that adds files, removes them and replaces them by others:
    what is written into a file of it is written into that of `folder`. Hidden files stay behind."""
    hidden = shutil.ignore_patterns(".*")
    return Path(shutil.copytree(folder, target, copy_function=os.link, ignore=hidden))


@contextmanager
def no_file_beyond(bytes_: int) -> Iterator[None]:
    """As on a disk with so much room: what writes more gets an error."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
