"""What older snapshots hold of clips that the newest one left out by choice.

A choice that was narrowed and is widened again finds its shards where they lie: nothing is computed
or stored twice.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.building.committed import STATE_COLUMNS, Committed
from manifests.clips import CLIPS
from manifests.columns import positions
from manifests.features import INDEX, State
from manifests.table import WrongTable
from stores.location import Location
from stores.pointer import NotCommitted, WrongSnapshot
from stores.snapshot import Snapshot, read_compact, read_snapshot, read_table

_MOST_SNAPSHOTS = 50


def with_recalled(location: Location, committed: Committed, listed: Iterable[str]) -> Committed:
    """Adds to what is committed the rows of older snapshots for clips that were left out since.

    Args:
        location: Where the store lies.
        committed: The newest snapshot.
        listed: Ids of the clips that are wanted now.

    Returns:
        Rows of stored features whose shards are still there, beside those of the newest snapshot;
        `committed` itself where that left out no clip by choice.
    """
    newest = committed.snapshot
    if newest is None or not newest.recipe.get("clips"):
        return committed
    ids = pa.chunked_array([sorted(listed)], pa.string())
    missing = ids.filter(pa.array(positions(ids, committed.clip_table.column("clip_id")) < 0))
    found = committed
    for older in _ancestors(location, newest):
        if not len(missing):
            break
        try:
            clips = read_table(location, older, CLIPS)
            rows = clips.filter(_among(clips, missing))
            if rows.num_rows:
                found = _extended(location, found, older, rows)
        except WrongTable:
            continue  # it was removed since; what it held is computed again
        missing = missing.filter(pa.array(positions(missing, rows.column("clip_id")) < 0))
    return found


def _ancestors(location: Location, newest: Snapshot) -> Iterator[Snapshot]:
    """Older snapshots of other choices that were decoded under the same settings, the newest first;
    one for each table of clips."""
    number, seen = newest.parent, {newest.tables["clips"].file}
    for _ in range(_MOST_SNAPSHOTS):
        if number is None:
            return
        try:
            older = read_snapshot(location, number)
        except (NotCommitted, WrongSnapshot):
            return
        is_alike = older.recipe.get("media") == newest.recipe.get("media")
        is_other = older.recipe.get("clips") != newest.recipe.get("clips")
        if is_alike and is_other and older.tables["clips"].file not in seen:
            seen.add(older.tables["clips"].file)
            yield older
        number = older.parent


def _among(table: pa.Table, ids: pa.ChunkedArray) -> pa.Array:
    return pa.array(positions(table.column("clip_id"), ids) >= 0)


def _extended(
    location: Location, committed: Committed, older: Snapshot, clips: pa.Table
) -> Committed:
    """With the stored rows that an older snapshot has of some clips."""
    index = read_compact(location, older, INDEX)
    records = [shard for feature in older.features.values() for shard in feature.shards]
    sizes = location.sizes([record.file for record in records])
    there = [
        record.file for record, size in zip(records, sizes, strict=True) if size == record.bytes
    ]
    is_there = positions(index.column("shard"), pa.array(there, pa.string())) >= 0
    is_stored = pc.equal(index.column("state").cast(pa.string()), State.STORED.value).to_numpy()
    is_wanted = positions(index.column("clip_id"), clips.column("clip_id")) >= 0
    rows = index.filter(pa.array(is_there & is_stored.astype(np.bool_) & is_wanted))

    def read_index() -> pa.Table:
        return pa.concat_tables([committed.index, rows]).unify_dictionaries()

    states = pa.concat_tables([committed.states, rows.select(STATE_COLUMNS)])
    return replace(
        committed,
        clip_table=CLIPS.arrange(pa.concat_tables([committed.clip_table, clips])),
        states=states.unify_dictionaries(),
        read_index=read_index,
        older=(*committed.older, older),
    )
