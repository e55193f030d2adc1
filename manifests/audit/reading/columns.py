"""What each column of a table means: by its name, by its cells, or as the user says."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import pyarrow as pa

from manifests.audit.errors import WrongForeignTable
from manifests.audit.foreign_columns import candidates, plain
from manifests.audit.foreign_table import seconds
from manifests.audit.listing import TRAIN
from manifests.audit.reading.options import ReadingOptions
from manifests.audit.reading.raw import RawTable, distinct
from manifests.audit.reading.sides import side_of_cell
from manifests.audit.reading.speaker_columns import speaker_column

_MEDIA = re.compile(
    r"\.(wav|mp4|avi|flac|mp3|npy|png|jpe?g|mov|mkv|m4a|flv|ogg|pt|webm|mpg|mpeg|sph|opus)$",
    re.IGNORECASE,
)
_EMOTIONS = frozenset(
    (
        *("ange", "angr", "ang", "bore", "calm", "cont", "disg", "dis", "exci", "exc"),
        *("fear", "fea", "frus", "fru", "happ", "hap", "joy", "joyf", "neut", "neu", "nega"),
        *("posi", "sad", "sadn", "surp", "sur", "othe", "oth", "anxi", "peac", "amus"),
    )
)
"""How words for emotions begin, as far as four letters."""
_OF_NAME = ("video", "utterance")
"""What the column for the clip may mean as well."""
_MOST_CLASSES = 40
_MOST_NUMBERED = 12
_MOST_SIDES = 12
"""Words that a column for the side has; with more, they are names such as `test_01`."""
_LONGEST_CLIP_S = 3600.0
_LOOKED_AT = 2000


@dataclass(frozen=True)
class Meanings:
    """Columns of one table by what they mean."""

    numbers: Mapping[str, int]
    """Meaning (a key of COLUMNS) -> column; the side is elsewhere, see `role_columns`."""
    guessed: frozenset[str]
    """Meanings that the cells say, and no name."""
    given: frozenset[str]
    """Meanings that the user has set."""
    second: tuple[int, ...] = ()
    """Other files of the same clips, such as its frames beside its sound."""
    is_pair: bool = False
    """The clip's name begins anew in each video, and stands with it."""

    @property
    def used(self) -> set[int]:
        """All columns that mean something."""
        return {*self.numbers.values(), *self.second}


def understand_all(
    tables: Sequence[RawTable], options: ReadingOptions, units: Sequence[str | None]
) -> list[Meanings]:
    """Finds out what the columns of all tables mean; the same in tables with the same columns.

    Args:
        tables: All tables.
        options: What the user says.
        units: `subject`, `episode` or `video` for each table that lists these by the names around
            it; None for clips.

    Returns:
        The meanings for each table: what the cells of the largest one say counts for all.
    """
    keys = [(raw.names or len(raw.columns), unit) for raw, unit in zip(tables, units, strict=True)]
    largest: dict[tuple[tuple[str, ...] | int, str | None], RawTable] = {}
    for key, raw in zip(keys, tables, strict=True):
        if key not in largest or raw.size > largest[key].size:
            largest[key] = raw
    found = {key: understand(raw, options, key[1]) for key, raw in largest.items()}
    for key, raw in zip(keys, tables, strict=True):
        if _begins_anew(raw, found[key].numbers):
            found[key] = replace(found[key], is_pair=True)
    return [found[key] for key in keys]


def understand(raw: RawTable, options: ReadingOptions, unit: str | None) -> Meanings:
    """Finds out what the columns of a table mean.

    Args:
        raw: The table.
        options: What the user says.
        unit: `subject`, `episode` or `video`, where the names around the table say that it lists
            these; None for clips.

    Returns:
        The meanings.
    """
    given = dict(_given(raw, options))
    numbers = dict(given)
    if raw.names is not None:
        for meaning, some in candidates(raw.path, raw.names, raw.first_line).items():
            taken = {*numbers.values()} - ({numbers.get("name")} if meaning in _OF_NAME else set())
            if meaning in given:
                continue
            number = _choose(raw, meaning, [one for one in some if one not in taken])
            if number is not None:
                numbers.setdefault(meaning, number)
    _settle_fold(raw, numbers)
    by_name = {*numbers}
    if "name" not in given:
        _settle_name(raw, numbers, unit)
    second: tuple[int, ...] = ()
    if raw.names is None:
        _guess_role_and_label(raw, numbers)
        second = _other_files(raw, numbers)
    guessed = frozenset(numbers.keys() - by_name)
    return Meanings(numbers, guessed, frozenset(given), second)


def _given(raw: RawTable, options: ReadingOptions) -> Iterator[tuple[str, int]]:
    names = [plain(name) for name in raw.names or ()]
    for meaning, column in options.columns.items():
        if plain(column) in names and plain(column):
            yield meaning, names.index(plain(column))
        elif raw.names is not None and column in raw.names:
            yield meaning, raw.names.index(column)
        elif column.isdecimal() and 0 < int(column) <= len(raw.columns):
            yield meaning, int(column) - 1


def refuse_unknown(tables: Sequence[RawTable], options: ReadingOptions) -> None:
    """Refuses a column that the user names and no table has.

    Args:
        tables: All tables.
        options: What the user says.

    Raises:
        WrongForeignTable: There is one.
    """
    known = {meaning for raw in tables for meaning, _ in _given(raw, options)}
    for meaning in options.columns.keys() - known:
        names = tables[0].names or [str(one + 1) for one in range(len(tables[0].columns))]
        raise WrongForeignTable(
            f"{tables[0].path} has no column {options.columns[meaning]!r} (--column); it has "
            f"{', '.join(names[:20])}, or their numbers from 1"
        )


def _choose(raw: RawTable, meaning: str, some: Sequence[int]) -> int | None:
    """The best of several columns with a name for one thing."""
    if meaning == "name":
        return next(
            (one for one in some if not is_running(raw.columns[one])), next(iter(some), None)
        )
    if meaning == "role":
        sides = [one for one in some if any(map(_is_side, distinct(raw.columns[one])))]
        return next(iter([*sides, *some]), None)
    if meaning == "subject":
        return speaker_column(raw, [one for one in some if _fits(raw, one)])
    return next((one for one in some if _fits(raw, one)), None)


def _fits(raw: RawTable, number: int) -> bool:
    check = _DOUBTFUL.get(plain(raw.called(number)))
    return check is None or check(distinct(raw.columns[number]))


def _settle_fold(raw: RawTable, numbers: dict[str, int]) -> None:
    """A column for the fold that holds words is one for the side."""
    fold = numbers.get("fold")
    if fold is not None and any(map(_is_side, distinct(raw.columns[fold]))):
        del numbers["fold"]
        numbers.setdefault("role", fold)


def _is_side(cell: str) -> bool:
    return side_of_cell(cell) is not None


def _are_durations(cells: Sequence[str]) -> bool:
    values = [seconds(cell) for cell in cells]
    return all(value is not None and value < _LONGEST_CLIP_S for value in values)


def _are_counts(cells: Sequence[str]) -> bool:
    return all(cell.isdigit() for cell in cells)


def _are_classes(cells: Sequence[str]) -> bool:
    return len(cells) <= _MOST_CLASSES


_DOUBTFUL: Mapping[str, Callable[[Sequence[str]], bool]] = {
    "length": _are_durations,
    "channel": _are_counts,
    "sr": _are_counts,
    "tag": _are_classes,
    "target": _are_classes,
}
"""Names that mean what we take them for only where the cells fit."""


def is_of_sides(column: pa.DictionaryArray) -> bool:
    """Says whether the cells of a column are sides.

    Args:
        column: Any column.

    Returns:
        True where all cells that are not empty are, one of them train: two speakers may have the
        initials TS and TE.
    """
    cells = distinct(column)
    return (
        0 < len(cells) <= _MOST_SIDES
        and all(map(_is_side, cells))
        and any(side_of_cell(cell) == TRAIN for cell in cells)
    )


def is_listing(raw: RawTable) -> bool:
    """Says whether a table is a list of names, beside each of which its side may stand.

    Args:
        raw: The table.

    Returns:
        True for one column, and for two without a header of which the last holds sides.
    """
    if len(raw.columns) == 1:
        return True
    return raw.names is None and len(raw.columns) == 2 and is_of_sides(raw.columns[1])


def is_running(column: pa.DictionaryArray) -> bool:
    """Says whether the cells count the lines, and name nothing.

    Args:
        column: Any column.

    Returns:
        True for whole numbers that are all different and nearly without a gap.
    """
    cells = distinct(column)
    if len(cells) < 2 or not all(
        cell.isdecimal() and len(cell) < 10 for cell in cells[:_LOOKED_AT]
    ):
        return False
    if not all(cell.isdecimal() for cell in cells):
        return False
    numbers = [int(cell) for cell in cells]
    return len(cells) == len(column) and max(numbers) - min(numbers) < 2 * len(cells)


def _free(raw: RawTable, numbers: Mapping[str, int]) -> list[int]:
    return [one for one in range(len(raw.columns)) if one not in numbers.values()]


def _settle_name(raw: RawTable, numbers: dict[str, int], unit: str | None) -> None:
    """Finds the column for the clip where no name says it, or none is listed."""
    if unit is not None and is_listing(raw):
        numbers.pop("name", None)
        numbers[unit] = 0
        return
    if raw.names is not None and "name" in numbers:
        called = plain(raw.names[numbers["name"]])
        if called in {"utterance_id", "utt_id"} and "dialogue" in numbers:
            del numbers["name"]
        elif numbers.get("video") == numbers["name"]:
            column = raw.columns[numbers["name"]]
            if len(distinct(column)) == len(column):
                del numbers["video"]  # one video, one clip
        return
    if "dialogue" in numbers and "utterance" in numbers:
        return
    best = _likeliest_name(raw, _free(raw, numbers))
    if best is not None:
        numbers["name"] = best


def _begins_anew(raw: RawTable, numbers: Mapping[str, int]) -> bool:
    """The same name stands for clips of several videos."""
    name, video = numbers.get("name"), numbers.get("video")
    if name is None or video is None or name == video:
        return False
    names, videos = raw.columns[name], raw.columns[video]
    both = {*zip(names.indices.to_pylist(), videos.indices.to_pylist(), strict=True)}
    return len(both) > len({one for one, _ in both})


def _likeliest_name(raw: RawTable, free: Sequence[int]) -> int | None:
    """Of columns without a known name the one that names clips: files first, then many texts."""
    if raw.names is None and len(raw.columns) == 1:
        return 0
    ranked = [(_likeness(raw.columns[one]), one) for one in free]
    least = _Likeness() if raw.names is None else _Likeness(is_text=True)
    likely = [(likeness, -one) for likeness, one in ranked if likeness and likeness > least]
    return -max(likely)[1] if likely else None


class _Likeness(NamedTuple):
    """How much a column looks like one of clips: what comes first weighs most."""

    is_file: bool = False
    is_path: bool = False
    is_text: bool = False
    """Of many words."""
    is_code: bool = False
    """Of numbers that are all different, and begin with zeros."""
    is_count: bool = False
    """Of numbers that are all different."""
    different: int = 0


def _likeness(column: pa.DictionaryArray) -> _Likeness | None:
    """None for a column that names no clip: of sides, measured numbers, or few ones."""
    cells = distinct(column)
    if not cells or is_of_sides(column) or _are_emotions(cells):
        return None
    is_each = len(cells) == len(column)
    if all(map(_is_number, cells[:_LOOKED_AT])):
        if not (is_each and all(cell.isdecimal() for cell in cells)):
            return None
        return _Likeness(is_code=any(cell[0] == "0" for cell in cells[1:]), is_count=True)
    is_text = is_each or len(cells) > min(_MOST_CLASSES, len(column) // 2)
    files, paths = share_of_files(cells) > 0.9, _share_of_paths(cells) > 0.9
    return _Likeness(files, paths, is_text, different=len(cells))


def _is_number(cell: str) -> bool:
    return re.fullmatch(r"[-+]?\d+([.,]\d+)?([eE][-+]?\d+)?", cell) is not None


def share_of_files(cells: Sequence[str]) -> float:
    """How many cells end as a media file's name does.

    Args:
        cells: Any texts.

    Returns:
        A share of 0 to 1.
    """
    some = cells[:_LOOKED_AT]
    return sum(bool(_MEDIA.search(cell)) for cell in some) / max(1, len(some))


def _share_of_paths(cells: Sequence[str]) -> float:
    some = cells[:_LOOKED_AT]
    return sum("/" in cell or "\\" in cell for cell in some) / max(1, len(some))


def _guess_role_and_label(raw: RawTable, numbers: dict[str, int]) -> None:
    """Of a table without a header: columns of sides and sexes, and the one of fewest classes."""
    if "role" not in numbers:
        side = next((one for one in _free(raw, numbers) if is_of_sides(raw.columns[one])), None)
        numbers |= {} if side is None else {"role": side}
    sex = next((one for one in _free(raw, numbers) if _are_sexes(raw.columns[one])), None)
    if sex is not None:
        numbers.setdefault("sex", sex)
    if "label" in numbers:
        return
    classes = [
        (len(cells), -one)
        for one in _free(raw, numbers)
        if (cells := distinct(raw.columns[one]))
        and (_are_few(cells, len(raw.columns[one])) or _are_emotions(cells))
    ]
    if classes:
        numbers["label"] = -min(classes)[1]


def _are_few(cells: Sequence[str], rows: int) -> bool:
    """Classes of several rows each."""
    if all(cell.isdecimal() and int(cell) < _MOST_NUMBERED for cell in cells):
        return True
    is_few = len(cells) <= min(_MOST_CLASSES, max(2, rows // 2))
    return is_few and not any("/" in cell or "." in cell for cell in cells)


def _are_emotions(cells: Sequence[str]) -> bool:
    return all(cell.casefold()[:4] in _EMOTIONS for cell in cells)


def _are_sexes(column: pa.DictionaryArray) -> bool:
    cells = {cell.casefold() for cell in distinct(column)}
    return bool(cells) and cells <= {"male", "female", "m", "f", "man", "woman"}


def _other_files(raw: RawTable, numbers: Mapping[str, int]) -> tuple[int, ...]:
    """Columns of further files of each clip."""
    if "name" not in numbers:
        return ()
    return tuple(
        one for one in _free(raw, numbers) if _share_of_paths(distinct(raw.columns[one])) > 0.9
    )
