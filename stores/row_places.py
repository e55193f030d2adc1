"""Where the rows of one feature lie, by clip: columns, since an object for each of a million clips
takes seconds and half a gigabyte."""

from array import array
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from manifests.features import INDEX, State
from stores.records import StoredFeature
from stores.shard import split_notes
from stores.shard_layout import WrongShard


class RowPlace(NamedTuple):
    """Rows start:stop of a shard."""

    file: str
    start: int
    stop: int
    notes: tuple[str, ...]


class RowPlaces:
    """Clip -> RowPlace: `len`, `in`, iteration in the order of the rows, and `get`."""

    def __init__(self, feature: StoredFeature, index: pa.Table) -> None:
        """`index`: rows of the table INDEX, those of the feature among them. WrongShard when one of
        these is not in the shard it names."""
        mine, stored = (
            pc.equal(index.column("feature"), feature.spec.name),
            pc.equal(index.column("state"), State.STORED.value),
        )
        rows = INDEX.compact(index.filter(pc.and_(mine, stored)))
        self._files, files = _coded(rows.column("shard"))
        notes, noted = _coded(rows.column("notes"))
        start, count = (
            pc.fill_null(rows.column(name), -1).to_numpy() for name in ("start", "rows")
        )
        _check(feature, rows, self._files, files, start, count)
        self._row = {
            clip_id: row
            for row, clip_id in enumerate(rows.column("clip_id").cast(pa.string()).to_pylist())
        }
        self._file, self._start, self._stop = _packed(files), _packed(start), _packed(start + count)
        self._notes, self._note = [split_notes(text) for text in notes], _packed(noted)

    def get(self, clip_id: str) -> RowPlace | None:
        row = self._row.get(clip_id)
        if row is None:
            return None
        return RowPlace(
            self._files[self._file[row]],
            self._start[row],
            self._stop[row],
            self._notes[self._note[row]],
        )

    def __contains__(self, clip_id: object) -> bool:
        return clip_id in self._row

    def __iter__(self) -> Iterator[str]:
        return iter(self._row)

    def __len__(self) -> int:
        return len(self._row)


def _check(
    feature: StoredFeature,
    rows: pa.Table,
    names: list[str],
    files: NDArray[np.int64],
    start: NDArray[np.int64],
    count: NDArray[np.int64],
) -> None:
    there = {shard.file: shard.rows for shard in feature.shards}
    sizes = np.array([*(there.get(name, -1) for name in names), -1])[files]
    wrong = np.flatnonzero((start < 0) | (count < 0) | (sizes < 0) | (count > sizes - start))
    if len(wrong):
        row = INDEX.rows(rows.slice(wrong[0], 1))[0]
        what = f"{row.feature} of {row.clip_id} at {row.shard}, row {row.start}"
        raise WrongShard(f"the index places {what}, which the snapshot does not hold; build again")


def _coded(column: pa.ChunkedArray) -> tuple[list[str], NDArray[np.int64]]:
    """The texts of a compact column, and for each row which one it is; -1 for none."""
    whole = column.combine_chunks()
    return whole.dictionary.to_pylist(), pc.fill_null(whole.indices, -1).to_numpy().astype(np.int64)


def _packed(numbers: NDArray[np.int64]) -> "array[int]":
    """As small as an array, and read one by one as fast as a list."""
    return array("q", numbers.astype(np.int64).tobytes())
