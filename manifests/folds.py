"""Folds: who is trained on and who is tested on, one row for each clip of each fold."""

from dataclasses import dataclass
from enum import StrEnum

from manifests.table import Table


class Role(StrEnum):
    TRAIN = "train"
    VALID = "valid"
    TEST = "test"


@dataclass(frozen=True)
class Fold:
    scheme: str
    fold: int
    clip_id: str
    group_id: str
    role: Role


FOLDS = Table("folds", Fold, key=("scheme", "fold", "clip_id"))
