"""Folders and servers that all test processes share: the first that needs one makes it."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest
from filelock import FileLock


def base_folder(factory: pytest.TempPathFactory) -> Path:
    """The temporary folder of all test processes."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder, made by `make` in the first process that asks for it."""
    base = base_folder(factory)
    with FileLock(base / f"{name}.lock"):
        if not (base / f"{name}.made").exists():
            shutil.rmtree(base / name, ignore_errors=True)
            make(base / name)
            (base / f"{name}.made").touch()
    return base / name


@contextmanager
def started_once(
    factory: pytest.TempPathFactory, name: str, start: Callable[[], AbstractContextManager[str]]
) -> Iterator[str]:
    """The address of a server, started in the first process that asks for it.

    That process ends it, when all others that asked for it have ended.
    """
    base = base_folder(factory)
    address, users = base / f"{name}.address", base / f"{name}.users"
    with ExitStack() as stack, users.open("a") as file:
        with FileLock(base / f"{name}.lock"):
            if is_owner := not address.exists():
                address.write_text(stack.enter_context(start()), encoding="utf-8")
            fcntl.flock(file, fcntl.LOCK_SH)
        yield address.read_text(encoding="utf-8")
        if is_owner:
            fcntl.flock(file, fcntl.LOCK_EX)  # once the others have closed theirs
            address.unlink()
