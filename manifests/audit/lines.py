"""The lines of one table or several, one after the other: names, sides, numbers and flags, each
checked as it is read."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from manifests.audit.foreign import COLUMNS, Raw, WrongForeignTable, exact_line, seconds
from manifests.audit.listing import TEST, TRAIN, VALID, Names

_WORDS = {
    TRAIN: ("train", "training", "trn", "tr"),
    VALID: ("valid", "validation", "val", "dev", "devel", "development"),
    TEST: ("test", "testing", "tst", "te", "eval", "evaluation", "held_out", "heldout"),
}
ROLE_OF = {word: role for role, words in _WORDS.items() for word in words}
"""Word -> side."""
_YES, _NO = {"1", "true", "yes", "y"}, {"", "0", "false", "no", "n"}


class Lines:
    """All lines of all tables, one after the other."""

    def __init__(self, tables: Sequence[Raw]) -> None:
        self.tables = tables
        self.starts = np.cumsum([0, *(table.size for table in tables)])
        self.title = " + ".join(str(table.path) for table in tables)
        for table in tables:
            if not table.size:
                raise WrongForeignTable(
                    f"{table.path}: the table has no line below its header; expected one for each "
                    "clip"
                )
            if (
                "name" not in table.columns
                and not {"dialogue", "utterance"} <= table.columns.keys()
            ):
                expected = ", ".join(COLUMNS["name"])
                raise WrongForeignTable(
                    f"{table.path}, line 1: no column names the clip; expected one of {expected}"
                )
        self.name = self._names()
        self.role = self._roles()

    @property
    def size(self) -> int:
        return int(self.starts[-1])

    def has(self, meaning: str) -> bool:
        return any(meaning in table.columns for table in self.tables)

    def column(self, meaning: str) -> Names:
        """One column of all tables; rows of a table without it have no name."""
        return _joined([_as_names(table.columns.get(meaning), table.size) for table in self.tables])

    def numbers(self, meaning: str) -> NDArray[np.float64]:
        column = self.column(meaning)
        parsed = [seconds(str(value)) for value in column.values]
        for code, value in enumerate(parsed):
            if value is None:
                at = int(np.argmax(column.codes == code))
                raise self.wrong(
                    at,
                    meaning,
                    f"{str(column.values[code])!r} is no number; expected seconds or h:mm:ss,mmm "
                    "for times",
                )
        return np.asarray([*parsed, None], dtype=np.float64)[column.codes]

    def flag(self, meaning: str) -> NDArray[np.bool_]:
        column = self.column(meaning)
        words = [str(value).casefold() for value in column.values]
        for code, word in enumerate(words):
            if word not in _YES | _NO:
                raise self.wrong(
                    int(np.argmax(column.codes == code)),
                    meaning,
                    f"{column.values[code]!r} is neither yes nor no",
                )
        return np.asarray([*(word in _YES for word in words), False], dtype=np.bool_)[column.codes]

    def wrong(self, row: int, meaning: str, what: str) -> WrongForeignTable:
        number = int(np.searchsorted(self.starts, row, side="right")) - 1
        return self.tables[number].wrong(row - int(self.starts[number]), meaning, what)

    def line(self, row: int) -> str:
        """`line 12`, for a second place in an error."""
        number = int(np.searchsorted(self.starts, row, side="right")) - 1
        return f"line {exact_line(self.tables[number], row - int(self.starts[number]))}"

    def _names(self) -> Names:
        names = _joined([_name_of(table) for table in self.tables])
        lacking = np.flatnonzero(names.codes < 0)
        if len(lacking):
            raise self.wrong(
                int(lacking[0]), "name", "it is empty; expected the clip's name, path or id"
            )
        return names

    def _roles(self) -> NDArray[np.int8] | None:
        """Side of each row; None where the column `fold` holds parts instead."""
        for meaning in ("role", "fold"):
            column = self.column(meaning)
            sides = [ROLE_OF.get(str(value).casefold()) for value in column.values]
            if column.known and (meaning == "role" or any(side is not None for side in sides)):
                return self._checked(meaning, column, sides)
        if len(self.tables) > 1:
            return np.concatenate(
                [np.full(table.size, _role_of_file(table), np.int8) for table in self.tables]
            )
        if self.has("fold"):
            return None
        expected = ", ".join((*COLUMNS["role"], "fold"))
        raise WrongForeignTable(
            f"{self.tables[0].path}, line 1: no column tells the side of a clip; expected one of "
            f"{expected}"
        )

    def _checked(
        self, meaning: str, column: Names, sides: Sequence[int | None]
    ) -> NDArray[np.int8]:
        for code, side in enumerate(sides):
            if side is None:
                at = int(np.argmax(column.codes == code))
                raise self.wrong(
                    at,
                    meaning,
                    f"{str(column.values[code])!r} is no side; expected train, valid or test",
                )
        lacking = np.flatnonzero(column.codes < 0)
        if len(lacking):
            raise self.wrong(int(lacking[0]), meaning, "it is empty; expected train, valid or test")
        return np.asarray(sides, dtype=np.int8)[column.codes]


def _as_names(column: pa.DictionaryArray | None, size: int) -> Names:
    if column is None:
        return Names(np.full(size, -1, np.int32), np.zeros(0, object))
    codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    values = np.asarray(column.dictionary.to_pylist(), dtype=object)
    void = np.flatnonzero(pd.isna(values))  # a null may be a value of the dictionary
    return Names(np.where(np.isin(codes, void), np.int32(-1), codes), values)


def _joined(columns: Sequence[Names]) -> Names:
    if len(columns) == 1:
        return columns[0]
    whole = Names.of([value for column in columns for value in column.values])
    starts = np.cumsum([0, *(len(column.values) for column in columns)])
    parts = [
        np.append(whole.codes[start : start + len(column.values)], np.int32(-1))[column.codes]
        for start, column in zip(starts, columns, strict=False)
    ]
    return Names(np.concatenate(parts).astype(np.int32), whole.values)


def _name_of(table: Raw) -> Names:
    if "name" in table.columns:
        return _as_names(table.columns["name"], table.size)
    dialogue, utterance = (
        _as_names(table.columns[unit], table.size) for unit in ("dialogue", "utterance")
    )
    return pair(dialogue, utterance, "dia{}_utt{}")


def pair(first: Names, second: Names, form: str) -> Names:
    """Two columns as one; a row needs both."""
    width = max(1, len(second.values))
    both = np.where(
        (first.codes >= 0) & (second.codes >= 0),
        first.codes.astype(np.int64) * width + second.codes,
        -1,
    )
    codes, uniques = pd.factorize(np.where(both < 0, np.nan, both), use_na_sentinel=True)
    values = [
        form.format(first.values[int(one) // width], second.values[int(one) % width])
        for one in uniques
    ]
    return Names(codes.astype(np.int32), np.asarray(values, dtype=object))


def _role_of_file(table: Raw) -> int:
    words = [
        ROLE_OF[word]
        for word in re.split(r"[^a-z]+", table.path.stem.casefold())
        if word in ROLE_OF
    ]
    if len(set(words)) != 1:
        raise WrongForeignTable(
            f"{table.path}, line 1: no column tells the side of a clip, and neither does the "
            "file's name; "
            "expected a column such as split, or a name such as train.csv"
        )
    return words[0]
