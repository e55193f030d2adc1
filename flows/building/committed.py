"""What a store holds before a build: its newest committed snapshot, as tables."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import pyarrow as pa

from flows.errors import BuildError
from manifests.clips import CLIPS, Clip
from manifests.columns import pick
from manifests.features import INDEX
from manifests.quarantine import QUARANTINE, BadClip, Quarantined, Reason
from stores.location import Location
from stores.pointer import POINTER, NotCommitted, newest
from stores.records import ShardRecord
from stores.snapshot import Snapshot, load_snapshot, read_compact, read_table

_OWN = {"shards", "tables", "snapshots", "fitted"}
"""Folders of a store; its other files and those of killed writers are hidden, but for the pointer.
"""
STATE_COLUMNS = ["clip_id", "feature", "fingerprint", "state"]
"""Of the index: what a plan needs of it."""


@dataclass(frozen=True)
class Committed:
    """The content of the newest snapshot."""

    snapshot: Snapshot | None
    """None where the store is new; all tables are empty then."""
    clip_table: pa.Table
    states: pa.Table
    """STATE_COLUMNS of the index, compact."""
    quarantine: pa.Table
    """Compact."""
    read_index: Callable[[], pa.Table]
    """Reads all columns of the index, compact: three times the size of `states`."""
    older: tuple[Snapshot, ...] = ()
    """Snapshots that rows were recalled from, see `flows.building.recalled`."""

    @cached_property
    def index(self) -> pa.Table:
        """All columns of the index, compact; read when it is first needed."""
        return self.read_index()

    def clips(self, clip_ids: Iterable[str]) -> dict[str, Clip]:
        """Looks clips up.

        Args:
            clip_ids: Any ids.

        Returns:
            Those of the clips that the snapshot has, by id.
        """
        ids = self.clip_table.column("clip_id")
        rows = [
            row
            for clip_id in clip_ids
            if (row := _first(ids, clip_id)) < len(ids) and ids[row].as_py() == clip_id
        ]
        found = CLIPS.rows(pick(self.clip_table, np.array(rows, np.int32)))
        return {clip.clip_id: clip for clip in found}

    @cached_property
    def shards(self) -> Mapping[str, ShardRecord]:
        """Every shard of the snapshot, and of the older ones, by file."""
        snapshots = (*self.older, *([self.snapshot] if self.snapshot else ()))
        features = [feature for one in snapshots for feature in one.features.values()]
        return {shard.file: shard for feature in features for shard in feature.shards}

    def quarantined(self, clip_id: str, feature: str) -> Quarantined:
        """Why a clip has no value for a feature.

        Args:
            clip_id: A clip that is in quarantine for the feature.
            feature: Name of the feature.

        Returns:
            Its row of the table QUARANTINE.

        Raises:
            KeyError: There is no such row.
        """
        for row in self._refusals(clip_id):
            if row.feature == feature:
                return row
        raise KeyError((clip_id, feature))

    def refused(self, clip_id: str) -> BadClip | None:
        """Why a clip has no value for any feature.

        Args:
            clip_id: Any id.

        Returns:
            What its rows of the table QUARANTINE agree on; None where they do not, or there is
            none.
        """
        reasons = {(row.reason, row.detail) for row in self._refusals(clip_id)}
        if len(reasons) != 1:
            return None
        [(reason, detail)] = reasons
        return BadClip(clip_id, Reason(reason), detail)

    def _refusals(self, clip_id: str) -> list[Quarantined]:
        ids = self.quarantine.column("clip_id")
        start, stop = _first(ids, clip_id), _first(ids, clip_id, after=True)
        return QUARANTINE.rows(self.quarantine.slice(start, stop - start))


_NO_INDEX = INDEX.compact(INDEX.build([]))
_NO_QUARANTINE = QUARANTINE.compact(QUARANTINE.build([]))
NOTHING_COMMITTED = Committed(
    None, CLIPS.build([]), _NO_INDEX.select(STATE_COLUMNS), _NO_QUARANTINE, lambda: _NO_INDEX
)


def check_place(location: Location) -> None:
    """Checks that a build may write here: into a store, or where nothing else is.

    Args:
        location: Where the store is to lie.

    Raises:
        BuildError: It is a file, or a folder with other things in it.
        NewerFormat: A newer version of affectstore wrote the store.
        WrongSnapshot: The pointer is damaged.
        RemoteError: The URL cannot be reached.
    """
    folder = location.folder
    if location.is_local and folder.exists() and not folder.is_dir():
        raise BuildError(
            f"{folder} is a file; expected the folder of a store, or the name of a new one"
        )
    if newest(location) is not None or not location.is_local:
        return
    names = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    if others := [name for name in names if not (name in _OWN or name.startswith("."))]:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        below = [name for name in others if (folder / name / POINTER).is_file()]
        other = f"{folder / below[0]}, which is one" if below else "the folder of a store"
        raise BuildError(
            f"{folder} is no store and is not empty (it holds {others[0]}{more}); give {other}, "
            f"or a new one such as {folder}-store"
        )


def load_committed(location: Location) -> Committed:
    """Reads what a store holds.

    Args:
        location: Where the store lies.

    Returns:
        NOTHING_COMMITTED when there is no store yet.
    """
    try:
        snapshot = load_snapshot(location)
    except NotCommitted:
        return NOTHING_COMMITTED
    states = read_compact(location, snapshot, INDEX, STATE_COLUMNS)
    # Reading takes as much memory again as is kept, which the tables to come may have.
    pa.default_memory_pool().release_unused()
    return Committed(
        snapshot=snapshot,
        clip_table=read_table(location, snapshot, CLIPS),
        states=states,
        quarantine=read_compact(location, snapshot, QUARANTINE),
        read_index=partial(read_compact, location, snapshot, INDEX),
    )


def _first(ids: pa.ChunkedArray, clip_id: str, after: bool = False) -> int:
    """The first row of sorted ids that is not less; or, with `after`, that is greater."""
    if after:
        return bisect_left(range(len(ids)), True, key=lambda at: ids[at].as_py() > clip_id)
    return bisect_left(range(len(ids)), clip_id, key=lambda at: ids[at].as_py())
