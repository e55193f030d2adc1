"""Where the numbers lie: NumPy, h5py, pandas and pyarrow only. What a trainer imports.

from stores import FeatureStore, FeatureDataset
"""

from manifests.tracks import Track
from stores.dataset import NO_TARGET, Batch, FeatureDataset, collate
from stores.hdf5 import WrongShard
from stores.reader import FeatureStore, NotInStore, StoredTracks
from stores.snapshot import NewerFormat, NotCommitted, Snapshot, WrongSnapshot

__all__ = [
    "NO_TARGET",
    "Batch",
    "FeatureDataset",
    "FeatureStore",
    "NewerFormat",
    "NotCommitted",
    "NotInStore",
    "Snapshot",
    "StoredTracks",
    "Track",
    "WrongShard",
    "WrongSnapshot",
    "collate",
]
