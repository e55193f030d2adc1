"""Labels: what was felt, acted or voted.

Intended, voted and acted labels are different schemes, never one column.
"""

from dataclasses import dataclass

from manifests.table import Table


@dataclass(frozen=True, slots=True)
class Label:
    """One label of one clip."""

    clip_id: str
    scheme: str
    """The label space and where it comes from, such as `ravdess8`."""
    annotator: str
    """`intended` for acted labels, else who judged (a rater's id, or `vote`)."""
    value: str
    weight: float = 1.0
    """Share of the votes; 1.0 for a single label."""


LABELS = Table("labels", Label, key=("clip_id", "scheme", "annotator", "value"))
