"""Several columns of one table that may name the speaker."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from manifests.audit.errors import WrongForeignTable
from manifests.audit.reading.raw import RawTable, distinct
from manifests.corpora.spellings import plain


def speaker_column(raw: RawTable, some: Sequence[int]) -> int | None:
    """Chooses the column of speakers.

    Args:
        raw: The table.
        some: Columns whose names say that they tell it, the best first.

    Returns:
        The first, of those that are not another in each line where others are not; None of none.

    Raises:
        WrongForeignTable: Two of them tell different people.
    """
    repeating = [one for one in some if not _is_each(raw.columns[one])]
    chosen = next(iter([*repeating, *some]), None)
    for other in repeating[1:]:
        if not _same_people(raw.columns[repeating[0]], raw.columns[other]):
            first, second = raw.called(repeating[0]), raw.called(other)
            raise WrongForeignTable.at(
                raw.path,
                raw.first_line,
                f"{first!r} and {second!r} may both be the speaker and tell different people; say "
                f"which is (--column subject={first} or --column subject={second})",
                f"column {second}",
            )
    return chosen


def _is_each(column: pa.DictionaryArray) -> bool:
    return 2 < len(column) == len(distinct(column))


def _same_people(first: pa.DictionaryArray, second: pa.DictionaryArray) -> bool:
    """Each name of either column stands beside one of the other, in rows that have both."""
    codes = np.stack([_codes(first), _codes(second)])
    one, other = codes[:, (codes >= 0).all(axis=0)]
    pairs = len(np.unique(one * (int(codes[1].max(initial=0)) + 1) + other))
    return pairs == len(np.unique(one)) == len(np.unique(other))


def _codes(column: pa.DictionaryArray) -> NDArray[np.int64]:
    known: dict[str, int] = {}
    names = [
        -1 if cell is None or not cell.strip() else known.setdefault(plain(cell), len(known))
        for cell in column.dictionary.cast(pa.string()).to_pylist()
    ]
    codes: NDArray[np.int64] = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    of_name: NDArray[np.int64] = np.asarray([*names, -1], np.int64)
    return of_name[codes]
