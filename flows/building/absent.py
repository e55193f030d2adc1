"""What a file never had, by the rule of its corpus: such a feature is neither stored nor missed.

A cell (clip, feature) is absent where the feature is measured on a stream that the rule denies the
file, and the file was read and does not hold it either. What is there against the rule is measured
as any other; a file that is refused unread is in quarantine for all, since nobody knows what it is.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from extractors.plan import Graph
from flows.building.clip_table import ClipTable
from flows.building.committed import Committed
from manifests.clips import StreamKind
from manifests.columns import Positions, flags, positions, texts
from manifests.features import INDEX, FeatureSpec, State

Absences = NDArray[np.int8]
"""(clip, feature) the streams that are absent, a bit each in the order of `StreamKind`; 0: none."""

_COLUMN = {StreamKind.SOUND: "has_audio", StreamKind.PICTURES: "has_video"}


def absences(table: ClipTable, graph: Graph, features: Sequence[str]) -> Absences:
    """Finds what is absent.

    Args:
        table: All clips.
        graph: The features of the recipe.
        features: Names of those that are stored.

    Returns:
        Clips in the order of the table, features in that of their names.
    """
    found = np.zeros((table.clips.num_rows, len(features)), np.int8)
    for bit, (stream, ids) in enumerate(table.lacks.items()):
        if len(ids):
            never = positions(table.clips.column("clip_id"), ids) >= 0
            has_none = flags(pc.fill_null(pc.invert(table.clips.column(_COLUMN[stream])), False))
            needs_it = np.array([stream in graph.streams(name) for name in features], np.bool_)
            found |= np.outer(never & has_none, needs_it).astype(np.int8) << bit
    return found


def drop_misjudged(unchanged: Positions, committed: Committed, absent: Absences) -> None:
    """Takes rows that say absent where it is not, or say another thing where it is, out of those
    that stay.

    Args:
        unchanged: (clip, feature) the row of the committed index that stays, or -1; written to.
        committed: What the store holds.
        absent: What is absent now.
    """
    states = committed.states.column("state")
    if not absent.any() and State.ABSENT.value not in texts(states).to_pylist():
        return
    was = np.append(flags(pc.equal(states, State.ABSENT.value)), False)  # the last is that of -1
    unchanged[was[unchanged] != (absent > 0)] = -1


def absent_rows(
    absent: Absences, clip_ids: pa.ChunkedArray, specs: Sequence[FeatureSpec]
) -> pa.Table:
    """Makes the rows of the index that say absent.

    Args:
        absent: What they are to be of.
        clip_ids: Of all clips.
        specs: The features.

    Returns:
        INDEX, compact, in the order of `absent`.
    """
    clips, features = np.nonzero(absent)
    words = [_words(streams) for streams in range(1 << len(StreamKind))]
    columns = {
        "clip_id": clip_ids.take(pa.array(clips)),
        "feature": pa.array([spec.name for spec in specs], pa.string()).take(pa.array(features)),
        "fingerprint": pa.array([spec.fingerprint for spec in specs], pa.string()).take(
            pa.array(features)
        ),
        "state": pa.array([State.ABSENT.value]).take(pa.array(np.zeros_like(clips))),
        "notes": pa.array(words).take(pa.array(absent[clips, features])),
    }
    nothing = {
        field.name: pa.nulls(len(clips), field.type)
        for field in INDEX.schema
        if field.name not in columns
    }
    rows = {**columns, **nothing}
    return INDEX.compact(pa.table([rows[name] for name in INDEX.schema.names], INDEX.schema))


def _words(streams: int) -> str:
    return ",".join(stream for bit, stream in enumerate(StreamKind) if streams >> bit & 1)
