"""Folds as a table of others tells them: by a column for the side, with or without the fold's
number, or by parts."""

import re
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from manifests.audit.foreign import WrongForeignTable
from manifests.audit.lines import ROLE_OF, Lines
from manifests.audit.listing import ROLES, TEST, TRAIN, Dealt, Names

Ints = NDArray[np.int64]


def folds_of(lines: Lines, names: Names, wanted: str | None) -> tuple[Dealt, ...]:
    """Each fold of each scheme, or of the one that is wanted.

    WrongForeignTable for a fold without two sides, and for a clip on two sides of a fold.
    """
    scheme = lines.column("scheme") if lines.has("scheme") else Names.of([])
    titles = (
        [str(value) for value in scheme.values]
        if scheme.known
        else ["+".join(table.path.stem for table in lines.tables)]
    )
    codes = scheme.codes if scheme.known else np.zeros(lines.size, np.int32)
    if wanted is not None and wanted not in titles:
        raise WrongForeignTable(
            f"{lines.title} has no scheme {wanted!r}; it has {', '.join(sorted(titles))}"
        )
    dealt: list[Dealt] = []
    for code, title in enumerate(titles):
        if wanted in (None, title):
            dealt += _of_scheme(lines, names, title, np.flatnonzero(codes == code))
    return tuple(dealt)


def _of_scheme(lines: Lines, names: Names, title: str, rows: Ints) -> list[Dealt]:
    if lines.role is None:
        parts = _fold_numbers(lines)[rows]
        if len(np.unique(parts)) < 2:
            raise lines.wrong(
                int(rows[0]),
                "fold",
                "the column holds one part alone; expected two or more, or a column for the side",
            )
        return [
            Dealt(title, int(part), rows, np.where(parts == part, TEST, TRAIN).astype(np.int8))
            for part in np.unique(parts)
        ]
    numbers = (
        _fold_numbers(lines)[rows] if _has_fold_numbers(lines) else np.zeros(len(rows), np.int64)
    )
    order = np.argsort(numbers, kind="stable")
    found = []
    for number, start, stop in _runs(numbers[order]):
        some = rows[order[start:stop]]
        role = lines.role[some]
        _refuse_one_side(lines, some, role)
        _refuse_two_roles(lines, names, some, role)
        found.append(Dealt(title, number, some, role))
    return found


def _runs(numbers: Ints) -> list[tuple[int, int, int]]:
    """(number, start, stop) of each run of a sorted array."""
    edges = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
    return [(int(numbers[start]), start, stop) for start, stop in pairwise(edges)]


def _has_fold_numbers(lines: Lines) -> bool:
    return lines.has("fold") and not any(
        str(value).casefold() in ROLE_OF for value in lines.column("fold").values
    )


def _fold_numbers(lines: Lines) -> Ints:
    column = lines.column("fold")
    found = [re.fullmatch(r"[^0-9]*([0-9]{1,9})(?:\.0)?", str(value)) for value in column.values]
    for code, one in enumerate(found):
        if one is None:
            raise lines.wrong(
                int(np.argmax(column.codes == code)),
                "fold",
                f"{str(column.values[code])!r} names no fold; expected a number",
            )
    lacking = np.flatnonzero(column.codes < 0)
    if len(lacking):
        raise lines.wrong(int(lacking[0]), "fold", "it is empty; expected the number of a fold")
    return np.asarray([int(one[1]) for one in found if one], np.int64)[column.codes]


def _refuse_one_side(lines: Lines, rows: Ints, role: NDArray[np.int8]) -> None:
    there = np.unique(role).tolist()
    if TRAIN not in there or len(there) < 2:
        named = ", ".join(ROLES[side] for side in there)
        raise lines.wrong(
            int(rows[0]),
            "role",
            f"every line of this fold is {named}; expected train and at least one of valid and "
            "test",
        )


def _refuse_two_roles(lines: Lines, names: Names, rows: Ints, role: NDArray[np.int8]) -> None:
    """The same name on two sides of one table is a mistake in the table, unless its lines are
    windows or copies of clips."""
    if len(lines.tables) > 1 or lines.has("window") or lines.has("origin"):
        return
    codes = names.codes[rows].astype(np.int64)
    sides = np.unique(codes * 3 + role) // 3
    twice = sides[1:][sides[1:] == sides[:-1]]
    if not len(twice):
        return
    own = np.flatnonzero(codes == twice[0])
    second = own[np.argmax(role[own] != role[own[0]])]
    name, first = names.values[twice[0]], ROLES[role[own[0]]]
    meaning = "role" if lines.has("role") else "fold"
    where = lines.line(int(rows[own[0]]))
    raise lines.wrong(
        int(rows[second]),
        meaning,
        f"{name} is {ROLES[role[second]]} here and {first} on {where}; a clip needs one side a "
        "fold",
    )
