"""Features: what a stored array means, the fingerprint that keys it, and the index of its rows."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from manifests.table import Table

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True)
class FeatureSpec:
    """All that is needed to read a feature and to make it again."""

    name: str
    dtype: str
    """NumPy name of the values' type, such as `float32`."""
    dims: tuple[str, ...]
    """Names of the dimensions of a track's values; the first is `time`."""
    shape: tuple[int, ...]
    """Sizes of the dimensions after time: a track's values are (time, *shape)."""
    units: str
    """What the numbers are, in words; for a row of unlike numbers, their names in order, separated
    by commas."""
    hop_s: float | None
    """Nominal seconds from one row to the next; None where rows follow the clip's own clock."""
    fingerprint: str
    """See `fingerprint`; two features with one fingerprint hold the same numbers."""
    extractor: str
    version: int
    params: str
    """The extractor's parameters, defaults included, as canonical JSON."""
    needs: tuple[str, ...] = ()
    """Fingerprints of the inputs."""
    codec: str = "raw"
    """`raw`: rows of fixed size; `jpeg`: one JPEG image a row, an empty one where `valid` is False.
    """
    about: str = ""
    """A sentence that must travel with the numbers (untrained weights say so here)."""
    variant: int = 0
    """Number of the augmented variant that the rows come from, which only training may see; 0: the
    clip as it is."""


def canonical_json(value: Json) -> str:
    """Writes a value as JSON in the one form that is hashed and compared.

    Args:
        value: The value; numbers are finite.

    Returns:
        The text: keys sorted, no blanks, no escapes of what UTF-8 can hold.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def fingerprint(
    extractor: str,
    version: int,
    params: Mapping[str, Json],
    needs: Mapping[str, str],
    weights_sha256: str | None = None,
) -> str:
    """Makes the key of a feature.

    Args:
        extractor: Name of the extractor.
        version: Its version.
        params: Every parameter, defaults included.
        needs: Name of an input -> its fingerprint.
        weights_sha256: Hash of the weights; None for an extractor without any.

    Returns:
        32 hex digits over all of these.
    """
    content: Json = {
        "extractor": extractor,
        "version": version,
        "params": dict(params),
        "needs": dict(needs),
        "weights_sha256": weights_sha256,
    }
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()[:32]


class State(StrEnum):
    """What became of a feature of a clip."""

    STORED = "stored"
    ABSENT = "absent"
    """By the rule of its corpus the file never had what the feature is measured on."""
    QUARANTINED = "quarantined"


@dataclass(frozen=True)
class IndexRow:
    """Where the rows of one clip's feature lie.

    Every clip has exactly one row for every feature.
    """

    clip_id: str
    feature: str
    fingerprint: str
    state: State
    shard: str | None
    """Path below the store's root; None unless stored."""
    start: int | None
    """First row in the shard."""
    rows: int | None
    valid_rows: int | None
    """Rows whose `valid` is True."""
    notes: str
    """Named facts, separated by commas: `silent`, `audio_short`, `many_faces`, ...; when absent,
    the streams that the file never had: `sound`, `pictures`."""


INDEX = Table("index", IndexRow, key=("clip_id", "feature"))
