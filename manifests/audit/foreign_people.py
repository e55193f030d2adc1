"""People whom a naming rule names in some rows and a column in others: who is who."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from manifests.audit.foreign_owner import Owners
from manifests.audit.name_columns import NameColumn
from manifests.corpora.spellings import plain


@dataclass(frozen=True)
class OnePeople:
    """The people of two columns, each under the name of the first."""

    column: NameColumn
    """Who speaks in each row, by the first column or else by the second."""
    notes: tuple[str, ...] = ()


def one_people(first: NameColumn, second: NameColumn, owners: Owners) -> OnePeople:
    """Fills the gaps of a column of people from another, which may name them otherwise.

    `Actor_01` may be the `01` of a naming rule. A name of the second column means the person who
    stands beside it in all rows that have both, else who has the same name. Any other may be
    anybody: it is no person where the first column names people of the corpus.

    Args:
        first: People, whose names count.
        second: People of the same rows.
        owners: The corpora of the rows.

    Returns:
        The people, and a sentence where rows of the second column are left out.
    """
    means = _meanings(first, second)
    has_first = np.zeros(len(owners.corpora), np.bool_)
    has_first[owners.of_line[first.codes >= 0]] = True
    open_rows = (first.codes < 0) & (second.codes >= 0) & has_first[owners.of_line]
    found = means[second.codes]
    lost = np.flatnonzero(open_rows & (found < 0))
    settled = replace(
        first, codes=np.where(open_rows, found, first.codes).astype(np.int32)
    ).or_else(replace(second, codes=np.where(open_rows, -1, second.codes).astype(np.int32)))
    if not len(lost):
        return OnePeople(settled)
    name = str(second.values[second.codes[lost[0]]]).partition("/")[2]
    rows = f"{len(lost)} row{'s' if len(lost) > 1 else ''}"
    return OnePeople(
        settled,
        (
            f"who {name[:80]!r} is among the speakers of the other rows is not known, as these are "
            f"told by the names of their clips and {rows} by a column, in other words: no speaker "
            "is taken for such rows (give --subject 'REGEX', or a column for all rows)",
        ),
    )


def _meanings(first: NameColumn, second: NameColumn) -> NDArray[np.int64]:
    """Of each name of the second column, the code of the person in the first; -1 of nobody."""
    same_name = {_name(value): code for code, value in enumerate(first.values)}
    means = np.asarray([*(same_name.get(_name(value), -1) for value in second.values), -1])
    both = (first.codes >= 0) & (second.codes >= 0)
    width = max(1, len(first.values))
    pairs = np.unique(second.codes[both].astype(np.int64) * width + first.codes[both])
    said, told = np.divmod(pairs, width)
    stated, counts = np.unique(said, return_counts=True)
    means[stated] = -1
    once = np.isin(said, stated[counts == 1])
    means[said[once]] = told[once]
    return means.astype(np.int64)


def _name(value: object) -> tuple[str, str]:
    world, _, name = str(value).partition("/")
    return world, plain(name)
