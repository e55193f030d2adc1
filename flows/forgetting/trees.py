"""Files below a folder, removed so that none comes back after a power cut."""

import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from stores.atomic import sync


def remove_paths(folder: Path, paths: Iterable[Path]) -> None:
    """Removes files of a folder, and each folder that is empty then, itself too.

    Args:
        folder: The folder, there or not.
        paths: Files below it, there or not.
    """
    above = {folder}
    for path in paths:
        path.unlink(missing_ok=True)
        above |= {one for one in path.parents if one.is_relative_to(folder)}
    for one in sorted(above, key=lambda each: -len(each.parts)):
        with suppress(OSError):  # it holds others, or is not there
            one.rmdir()
    for one in above | {folder.parent}:
        with suppress(FileNotFoundError):
            sync(one)


def remove_folder(folder: Path, mark: str) -> None:
    """Removes a folder with all that is in it.

    Args:
        folder: The folder.
        mark: The file by which it is known again, which goes last of all, for the next run.
    """
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != mark:
            path.unlink()
    (folder / mark).unlink()
    folder.rmdir()
    sync(folder.parent)
