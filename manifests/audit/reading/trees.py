"""Folders of clips whose names alone say side, class and speaker: `train/happy/1001_x.wav`.

No clip is opened, so that files without content, or a listing that was unpacked, serve as well.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from manifests.audit.reading.options import ReadingOptions
from manifests.audit.reading.places import look_around
from manifests.audit.reading.raw import Place, RawTable, encode_cells
from manifests.audit.reading.sources import SourceFile

SOUND_OR_VIDEO = frozenset(
    (
        *(".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus", ".sph", ".mp4", ".avi", ".mov"),
        *(".mkv", ".webm", ".flv", ".mpg", ".mpeg", ".wmv"),
    )
)
PICTURES = frozenset((".jpg", ".jpeg", ".png", ".bmp"))


def is_clip(source: SourceFile) -> bool:
    """Says whether a file is a recording or a picture.

    Args:
        source: A file.

    Returns:
        True by its suffix.
    """
    return source.suffix in SOUND_OR_VIDEO | PICTURES


def read_tree(sources: Iterable[SourceFile], options: ReadingOptions) -> list[RawTable]:
    """Makes tables of the names of clips, one for each folder that is a side or a fold.

    Args:
        sources: The clips.
        options: What the user says.

    Returns:
        The tables, with a column for the clip and one for the class where folders below the sides
        say so; none where no folder is a side.
    """
    groups: dict[tuple[str, ...], dict[str, str | None]] = {}
    for source in sources:
        depth = _depth(source.folders, options)
        if depth:
            below = source.folders[depth:]
            frames = source.suffix in PICTURES and len(below) > 1
            name = "/".join((*source.folders, *([] if frames else [source.path.name])))
            classes = below[:-1] if frames else below
            rows = groups.setdefault(source.folders[:depth], {})
            rows[name] = classes[0] if classes else None
    return [_table(folders, rows) for folders, rows in groups.items()]


def _depth(folders: Sequence[str], options: ReadingOptions) -> int:
    """How many folders stand down to the last one that is a side or a fold."""
    for depth in range(len(folders), 0, -1):
        (around,) = look_around([(Place("folder", folders[depth - 1]),)], options)
        if around.side is not None:
            return depth
    return 0


def _table(folders: tuple[str, ...], rows: dict[str, str | None]) -> RawTable:
    names, classes = [*rows], [*rows.values()]
    different = {one for one in classes if one is not None}
    has_classes = bool(different) and not any(char.isdigit() for one in different for char in one)
    cells = [encode_cells(names), *([encode_cells(classes)] if has_classes else [])]
    places = tuple(Place("folder", name) for name in folders)
    header = ("path", "class")[: len(cells)]
    return RawTable(Path(*folders), places, header, tuple(cells), range(1, len(names) + 1))
