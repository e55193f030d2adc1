"""Folds: who is trained on and who is tested on, one row for each clip of each fold."""

from dataclasses import dataclass
from enum import StrEnum

from manifests.table import Table


class Role(StrEnum):
    """The side of a fold that a clip lies on."""

    TRAIN = "train"
    VALID = "valid"
    TEST = "test"


@dataclass(frozen=True)
class Fold:
    """Where one clip lies in one fold of one scheme."""

    scheme: str
    fold: int
    clip_id: str
    group_id: str
    """The group that the scheme kept together: the clip's own, or the first of those that a shared
    subject or take ties to it."""
    role: Role


FOLDS = Table("folds", Fold, key=("scheme", "fold", "clip_id"))
