"""The layouts of files that this process has written: they are read again without HDF5.

A writer opens again what it has just finished, to list it or to take it as an input. It remembers
the structure of its last files; that a file still has it is looked at each time.
"""

from pathlib import Path

from stores.hdf5_file import FileLayout

_MOST = 256
"""Files remembered: some 10 kB each."""
_known: dict[Path, tuple[FileLayout, object]] = {}


def remember(path: Path, made: FileLayout, layout: object) -> None:
    """Remembers a file that was published just now.

    Args:
        path: The file.
        made: How it was laid out.
        layout: What a reader needs of it.
    """
    _known.pop(path, None)
    _known[path] = made, layout
    for old in list(_known)[:-_MOST]:
        _known.pop(old, None)


def laid_out_here(path: Path) -> object | None:
    """Finds the layout of a file that this process has written.

    Args:
        path: The file.

    Returns:
        As it was remembered; None where the file is another one by now.

    Raises:
        WrongPlace: It is no plain file.
        FileNotFoundError: It is not there.
    """
    made, layout = _known.get(path, (None, None))
    return layout if made is not None and made.is_of(path) else None
