"""Where the rows of one feature lie, by clip.

Columns, since an object for each of a million clips takes seconds and half a gigabyte.
"""

from array import array
from collections.abc import Iterator, Mapping
from functools import cached_property
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


class RowPlaces(Mapping[str, RowPlace]):
    """Clip -> the place of its rows, in the order of the index."""

    def __init__(self, feature: StoredFeature, index: pa.Table) -> None:
        """Reads the places from the index.

        Args:
            feature: The feature and its shards.
            index: Rows of the table INDEX, those of the feature among them.

        Raises:
            WrongShard: A row of the index is not in the shard that it names.
        """
        mine = pc.equal(index.column("feature"), feature.spec.name)
        stored = pc.equal(index.column("state"), State.STORED.value)
        rows = INDEX.compact(index.filter(pc.and_(mine, stored)))
        self._files, files = _coded(rows.column("shard"))
        notes, noted = _coded(rows.column("notes"))
        start, count = (
            pc.fill_null(rows.column(name), -1).to_numpy() for name in ("start", "rows")
        )
        recorded = {shard.file: shard.rows for shard in feature.shards}
        sizes = np.array([*(recorded.get(file, -1) for file in self._files), -1])[files]
        wrong = np.flatnonzero((start < 0) | (count < 0) | (sizes < 0) | (count > sizes - start))
        if len(wrong):
            row = INDEX.rows(rows.slice(wrong[0], 1))[0]
            raise WrongShard(
                f"the index places {row.feature} of {row.clip_id} at {row.shard}, row {row.start}, "
                "which the snapshot does not hold; build again"
            )
        clip_ids = rows.column("clip_id").cast(pa.string()).to_pylist()
        self._row = {clip_id: row for row, clip_id in enumerate(clip_ids)}
        self._file, self._start, self._stop = _packed(files), _packed(start), _packed(start + count)
        self._notes, self._note = [split_notes(text) for text in notes], _packed(noted)

    def in_file(self, file: str) -> Iterator[tuple[str, int, int]]:
        """Lists what should lie in one shard.

        Args:
            file: Path of the shard.

        Yields:
            (clip id, first row, number of rows), in the order of the index.
        """
        rows, bounds = self._by_file
        number = self._number_of.get(file, len(bounds) - 1)
        for row in rows[bounds[number] : bounds[number + 1]] if number + 1 < len(bounds) else ():
            yield self._ids[row], self._start[row], self._stop[row] - self._start[row]

    @cached_property
    def _by_file(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The rows in the order of their files, and where those of each file begin."""
        files = np.frombuffer(self._file, np.int64)
        rows = np.argsort(files, kind="stable")
        return rows, np.searchsorted(files[rows], np.arange(len(self._files) + 1))

    @cached_property
    def _number_of(self) -> dict[str, int]:
        return {file: number for number, file in enumerate(self._files)}

    @cached_property
    def _ids(self) -> list[str]:
        return list(self._row)

    def __contains__(self, clip_id: object) -> bool:
        return clip_id in self._row

    def __iter__(self) -> Iterator[str]:
        return iter(self._row)

    def __len__(self) -> int:
        return len(self._row)

    def __getitem__(self, clip_id: str) -> RowPlace:
        row = self._row[clip_id]
        return RowPlace(
            self._files[self._file[row]],
            self._start[row],
            self._stop[row],
            self._notes[self._note[row]],
        )


def _coded(column: pa.ChunkedArray) -> tuple[list[str], NDArray[np.int64]]:
    """The texts of a compact column, and for each row which one it is; -1 for none."""
    texts = column.combine_chunks()
    return texts.dictionary.to_pylist(), pc.fill_null(texts.indices, -1).to_numpy().astype(np.int64)


def _packed(numbers: NDArray[np.int64]) -> "array[int]":
    """The numbers, as small as an array and read one by one as fast as a list."""
    return array("q", numbers.astype(np.int64).tobytes())
