"""Where the numbers lie: NumPy, h5py, pandas and pyarrow only. What a trainer imports.

from stores import FeatureStore, FeatureDataset
"""

from manifests.tracks import Track
from stores.align import Clock, Length, Like, Steps, Windows
from stores.batch import NO_TARGET, Batch, collate
from stores.dataset import FeatureDataset, LeakError
from stores.pointer import NewerFormat, NotCommitted, WrongSnapshot
from stores.reader import FeatureStore, NotFitted, NotInStore, StoredTracks
from stores.shard_layout import WrongShard
from stores.snapshot import Snapshot

__all__ = [
    "NO_TARGET",
    "Batch",
    "Clock",
    "FeatureDataset",
    "FeatureStore",
    "LeakError",
    "Length",
    "Like",
    "NewerFormat",
    "NotCommitted",
    "NotFitted",
    "NotInStore",
    "Snapshot",
    "Steps",
    "StoredTracks",
    "Track",
    "Windows",
    "WrongShard",
    "WrongSnapshot",
    "collate",
]
