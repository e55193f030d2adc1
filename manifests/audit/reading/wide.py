"""Tables with a column for each side, and the clips of that side below its name."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.audit.reading.raw import Place, RawTable, distinct
from manifests.audit.reading.sides import side_of_cell

_FEW = 3
"""Different cells that a column of yes and no may have."""


def by_side(tables: Sequence[RawTable]) -> list[RawTable]:
    """Makes a list for each side of a table whose columns are sides.

    Args:
        tables: As they stand in their files.

    Returns:
        The tables; of one such as `train,valid,test` above clips a list for each column.
    """
    return [one for raw in tables for one in (_lists(raw) if _is_wide(raw) else [raw])]


def _is_wide(raw: RawTable) -> bool:
    sides = {side_of_cell(name) for name in raw.names or ()}
    return (
        len(sides) > 1 and None not in sides and any(len(distinct(c)) > _FEW for c in raw.columns)
    )


def _lists(raw: RawTable) -> list[RawTable]:
    return [
        replace(
            raw,
            places=(*raw.places, Place("key", name)),
            names=None,
            columns=(pa.DictionaryArray.from_arrays(kept.indices, kept.dictionary),),
            lines=[raw.lines[int(row)] for row in np.flatnonzero(column.is_valid())],
            locate=None,
        )
        for name, column in zip(raw.names or (), raw.columns, strict=True)
        if len(kept := column.filter(pc.is_valid(column)))
    ]
