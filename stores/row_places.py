"""Where the rows of one feature lie, by clip.

Columns, since an object for each of a million clips takes seconds and half a gigabyte.
"""

from array import array
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
    """The place of each clip's rows."""

    row_of: dict[str, int]
    """Clip -> its row in the columns, in the order of the index."""

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
        _check(feature, rows, self._files, files, start, count)
        clip_ids = rows.column("clip_id").cast(pa.string()).to_pylist()
        self.row_of = {clip_id: row for row, clip_id in enumerate(clip_ids)}
        self._file, self._start, self._stop = _packed(files), _packed(start), _packed(start + count)
        self._notes, self._note = [split_notes(text) for text in notes], _packed(noted)

    def get(self, clip_id: str) -> RowPlace | None:
        """Finds the rows of a clip.

        Args:
            clip_id: The clip.

        Returns:
            Their place; None where the feature has none of the clip.
        """
        row = self.row_of.get(clip_id)
        if row is None:
            return None
        return RowPlace(
            self._files[self._file[row]],
            self._start[row],
            self._stop[row],
            self._notes[self._note[row]],
        )


def _check(
    feature: StoredFeature,
    rows: pa.Table,
    names: list[str],
    files: NDArray[np.int64],
    start: NDArray[np.int64],
    count: NDArray[np.int64],
) -> None:
    recorded = {shard.file: shard.rows for shard in feature.shards}
    sizes = np.array([*(recorded.get(name, -1) for name in names), -1])[files]
    wrong = np.flatnonzero((start < 0) | (count < 0) | (sizes < 0) | (count > sizes - start))
    if len(wrong):
        row = INDEX.rows(rows.slice(wrong[0], 1))[0]
        what = f"{row.feature} of {row.clip_id} at {row.shard}, row {row.start}"
        raise WrongShard(f"the index places {what}, which the snapshot does not hold; build again")


def _coded(column: pa.ChunkedArray) -> tuple[list[str], NDArray[np.int64]]:
    """The texts of a compact column, and for each row which one it is; -1 for none."""
    texts = column.combine_chunks()
    return texts.dictionary.to_pylist(), pc.fill_null(texts.indices, -1).to_numpy().astype(np.int64)


def _packed(numbers: NDArray[np.int64]) -> "array[int]":
    """The numbers, as small as an array and read one by one as fast as a list."""
    return array("q", numbers.astype(np.int64).tobytes())
