"""Nested values as tables: what JSON and Python files hold, and what their keys say.

[{"clip": ..., "label": ...}, ...]          a table with a header
["a.wav", "b.wav"]                          a list of names
[["a.wav", "happy"], ...]                   a table without a header
{"train": ..., "test": ...}                 a table for each side; so for folds, nested in any way
{"labels": {...}, "meta_data": [...]}       the one table that is in it
{"a.wav": {"label": ...}, ...}              a table whose first column is the key
{"a.wav": "train", ...}                     a table without a header: key and value
{"clip": [...], "label": [...]}             a table, column by column
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from manifests.audit.errors import WrongForeignTable
from manifests.audit.foreign_columns import known_names
from manifests.audit.reading.raw import (
    Place,
    RawTable,
    as_cell,
    encode_cells,
    of_rows,
    refuse_width,
)
from manifests.audit.reading.saying import short
from manifests.audit.reading.sides import is_about, says_clips, side_of_cell, sides_of_name

_SCALARS = (str, int, float, bool, type(None))
_FOLD_KEY = re.compile(r"(fold|split|cv|session|ses|set|round|k)?[ _-]*\d{1,4}", re.IGNORECASE)
_WHOSE = re.compile(
    r"(spk|speaker|actor|subject|sub|participant|person|ses)[ _-]*\d{1,5}[_-]?[mf]?", re.IGNORECASE
)
"""Keys that are people, and not classes."""
_KEY = "key"
_MOST_OF_A_SIDE = 3
_MOST_SIDES = 12
"""With more keys that begin like a side, they are clips such as `test_0001`."""


def tables_of(path: Path, places: tuple[Place, ...], value: object) -> list[RawTable]:
    """Finds the tables in a nested value.

    Args:
        path: The file, for messages.
        places: Names around it.
        value: Objects, lists, texts and numbers.

    Returns:
        The tables, with the keys above them among their places.

    Raises:
        WrongForeignTable: There is none.
    """
    found = [*_tables(path, places, value)]
    if not found:
        raise WrongForeignTable(
            f"{path}: no list of clips is in it; expected objects with a clip each, or lists of "
            "names under train, valid and test"
        )
    return found


def _tables(path: Path, places: tuple[Place, ...], value: object) -> Iterator[RawTable]:
    if isinstance(value, Mapping):
        yield from _of_object(path, places, {str(key): one for key, one in value.items()})
    elif isinstance(value, list) and value:
        yield from _of_list(path, places, value)


def _of_list(path: Path, places: tuple[Place, ...], items: list[object]) -> Iterator[RawTable]:
    cells, rows = _cells(items), [_cells(item) for item in items]
    whole = [row for row in rows if row is not None]
    if cells is not None:
        yield _made(path, places, None, (encode_cells(cells),))
    elif all(map(_is_fold, items)):
        yield from _under(path, places, _numbered(items))
    elif len({*map(_kind, items)}) > 1:
        raise WrongForeignTable(
            f"{path}{_where(places)}: a list holds {' and '.join(sorted({*map(_kind, items)}))}; "
            "expected all of one kind, so that no clip is left out"
        )
    elif records := [item for item in items if isinstance(item, Mapping)]:
        yield _of_records(path, places, records)
    elif len(whole) == len(rows) and len({*map(len, whole)}) == 1:
        refuse_width(path, len(whole[0]))
        yield _made(path, places, None, of_rows(whole, len(whole[0])))
    else:
        yield from _under(path, places, _numbered(items))


def _cells(value: object) -> list[str | None] | None:
    """The cells of a list of texts and numbers; None for anything else."""
    if not isinstance(value, list) or not all(isinstance(one, _SCALARS) for one in value):
        return None
    return [as_cell(one) for one in value]


def _kind(item: object) -> str:
    if isinstance(item, Mapping):
        return "objects"
    return "lists" if isinstance(item, list) else "names"


def _where(places: Sequence[Place]) -> str:
    keys = [short(place.name) for place in places if place.kind == "key"]
    return f", key {'/'.join(keys)}" if keys else ""


def _numbered(items: Sequence[object]) -> dict[str, object]:
    return {f"fold {number}": item for number, item in enumerate(items, 1)}


def _is_fold(item: object) -> bool:
    """Its keys are sides, and lists or objects stand under them."""
    if not isinstance(item, Mapping):
        return False
    sides = [one for key, one in item.items() if side_of_cell(str(key)) is not None]
    return bool(sides) and not any(isinstance(one, _SCALARS) for one in sides)


def _of_records(
    path: Path,
    places: tuple[Place, ...],
    items: Sequence[Mapping[object, object]],
    keys: Sequence[str] = (),
) -> RawTable:
    names: dict[str, None] = {_KEY: None} if keys else {}
    for item in items:
        names |= dict.fromkeys(map(str, item))
        refuse_width(path, len(names))
    columns = [
        encode_cells([_flat(item.get(name)) for item in items])
        if not keys or name != _KEY
        else encode_cells(keys)
        for name in names
    ]
    return _made(path, places, tuple(names), tuple(columns))


def _flat(cell: object) -> str | None:
    return as_cell(cell) if isinstance(cell, _SCALARS) else None


def _of_object(
    path: Path, places: tuple[Place, ...], value: Mapping[str, object]
) -> Iterator[RawTable]:
    below = {key: one for key, one in value.items() if not isinstance(one, _SCALARS) and one}
    sides = _sides(below)
    is_side = any(sides_of_name(place.name) for place in places)
    records = [one for one in below.values() if isinstance(one, Mapping) and _is_flat_record(one)]
    lists = {key: _cells(one) for key, one in below.items()}
    if not below and _is_mapping(value):
        yield _made(
            path, places, None, of_rows([[key, _flat(one)] for key, one in value.items()], 2)
        )
    elif sides:
        yield from _leaving(path, places, sides, value)
    elif (columns := _columns(below)) is not None:
        refuse_width(path, len(columns))
        yield _made(path, places, tuple(columns), tuple(map(encode_cells, columns.values())))
    elif len(records) == len(below) > 1 or (records and is_side and _is_record(below)):
        yield _of_records(path, places, records, [*below])
    elif all(_FOLD_KEY.fullmatch(key) for key in below):
        yield from _under(path, places, below)
    elif len(below) > 1 and all(one is not None for one in lists.values()):
        rows = [[cell, key] for key, cells in lists.items() for cell in cells or ()]
        names = ("clip", "speaker") if all(map(_WHOSE.fullmatch, lists)) else None
        yield _made(path, places, names, of_rows(rows, 2))
    else:
        yield from _of_parts(path, places, below)


def _is_record(below: Mapping[str, object]) -> bool:
    """The one object has columns that are known, such as the speaker of a clip."""
    return all(isinstance(one, Mapping) and known_names(map(str, one)) for one in below.values())


def _sides(below: Mapping[str, object]) -> dict[str, object]:
    """What stands under keys such as `train`; or such as `train_speakers`, if most keys are."""
    exact = {key: one for key, one in below.items() if side_of_cell(key) is not None}
    named = {key: one for key, one in below.items() if len(sides_of_name(key)) == 1}
    different = {side for key in named for side in sides_of_name(key)}
    are_most = len(below) <= 2 * len(named) <= 2 * _MOST_OF_A_SIDE * len(different)
    are_paths = any(re.search(r"[/\\.]", key) for key in named)
    if exact:
        folds = {key: one for key, one in below.items() if _leads_to_sides(one)}
        others = {key: one for key, one in named.items() if says_clips(key)}
        found = {**others, **exact, **folds}
    else:
        found = named if are_most and not are_paths else {}
    return found if len(found) <= _MOST_SIDES else {}


def _under(
    path: Path, places: tuple[Place, ...], below: Mapping[str, object]
) -> Iterator[RawTable]:
    for key, one in below.items():
        around = (*places, Place("key", key))
        is_empty = True
        for table in _tables(path, around, one):
            is_empty = False
            yield table
        if is_empty and one and sides_of_name(key):
            raise WrongForeignTable(
                f"{path}{_where(around)}: no list of clips is in it; expected objects with a clip "
                "each, or lists of names"
            )


def _leaving(
    path: Path,
    places: tuple[Place, ...],
    below: Mapping[str, object],
    value: Mapping[str, object],
) -> Iterator[RawTable]:
    """What is below some keys of an object; the others are named as left out."""
    keys = [place.name for place in places if place.kind == "key"]
    left = tuple(
        "/".join((*keys, key))
        for key, one in value.items()
        if key not in below
        and one
        and not is_about(key)
        and (not isinstance(one, _SCALARS) or side_of_cell(key) is not None)
    )
    for table in _under(path, places, below):
        yield replace(table, left_out=(*table.left_out, *left))
        left = ()


def _of_parts(
    path: Path, places: tuple[Place, ...], below: Mapping[str, object]
) -> Iterator[RawTable]:
    """The one list of an object that has more in it; or whatever lists there are."""
    lists = {key: one for key, one in below.items() if not isinstance(one, Mapping)}
    deeper = {key: one for key, one in below.items() if _leads_to_sides(one)}
    yield from _leaving(path, places, deeper or lists or below, below)


def _leads_to_sides(value: object) -> bool:
    if not isinstance(value, Mapping):
        return False
    return _is_fold(value) or any(_leads_to_sides(one) for one in value.values())


def _columns(below: Mapping[str, object]) -> dict[str, list[str | None]] | None:
    """An object of columns: a known name among its keys, and as many cells under each."""
    if not known_names(below):
        return None
    found: dict[str, list[str | None]] = {}
    for name, column in below.items():
        cells = _cells([*column.values()] if isinstance(column, Mapping) else column)
        if cells is None:
            return None
        found[name] = cells
    return found if len({*map(len, found.values())}) == 1 else None


def _is_flat_record(one: Mapping[object, object]) -> bool:
    return any(isinstance(cell, _SCALARS) for cell in one.values())


def _is_mapping(value: Mapping[str, object]) -> bool:
    """Clip -> side or class, and no settings of a program."""
    cells = [_flat(cell) for cell in value.values()]
    different = {str(cell) for cell in cells}
    if None in cells or len(cells) < 2:
        return False
    return all(side_of_cell(cell) is not None for cell in different) or (
        len(cells) > 3 and len(different) <= len(cells) / 2
    )


def _made(
    path: Path,
    places: tuple[Place, ...],
    names: tuple[str, ...] | None,
    columns: tuple[pa.DictionaryArray, ...],
) -> RawTable:
    return RawTable(path, places, names, columns, range(1, len(columns[0]) + 1))
