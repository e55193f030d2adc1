"""Where the numbers lie: NumPy, h5py, pandas and pyarrow only. What a trainer imports.

from stores import FeatureStore, FeatureDataset
"""

from typing import TYPE_CHECKING

from manifests.on_demand import on_demand

if TYPE_CHECKING:
    from manifests.tracks import Track
    from stores.align import Clock, Length, Like, Steps, Windows
    from stores.batch import NO_TARGET, Batch, ClipItem, Target, collate
    from stores.clip_dataset import ClipDataset
    from stores.clip_tracks import NotInStore, StoredTracks
    from stores.dataset import FeatureDataset, LeakError
    from stores.fold_clips import RoleName
    from stores.joined import JoinedDataset, concat
    from stores.pointer import NewerFormat, NotCommitted, WrongSnapshot
    from stores.reader import FeatureStore, NotFitted
    from stores.samplers import BalancedSampler, LengthBuckets, ShuffledSampler
    from stores.shard_layout import WrongShard
    from stores.snapshot import Snapshot
else:
    __getattr__ = on_demand(
        __name__,
        {
            "manifests.tracks": ("Track",),
            "stores.align": ("Clock", "Length", "Like", "Steps", "Windows"),
            "stores.batch": ("NO_TARGET", "Batch", "ClipItem", "Target", "collate"),
            "stores.clip_dataset": ("ClipDataset",),
            "stores.clip_tracks": ("NotInStore", "StoredTracks"),
            "stores.dataset": ("FeatureDataset", "LeakError"),
            "stores.fold_clips": ("RoleName",),
            "stores.joined": ("JoinedDataset", "concat"),
            "stores.pointer": ("NewerFormat", "NotCommitted", "WrongSnapshot"),
            "stores.reader": ("FeatureStore", "NotFitted"),
            "stores.samplers": ("BalancedSampler", "LengthBuckets", "ShuffledSampler"),
            "stores.shard_layout": ("WrongShard",),
            "stores.snapshot": ("Snapshot",),
        },
    )

__all__ = [
    "NO_TARGET",
    "BalancedSampler",
    "Batch",
    "ClipDataset",
    "ClipItem",
    "Clock",
    "FeatureDataset",
    "FeatureStore",
    "JoinedDataset",
    "LeakError",
    "Length",
    "LengthBuckets",
    "Like",
    "NewerFormat",
    "NotCommitted",
    "NotFitted",
    "NotInStore",
    "RoleName",
    "ShuffledSampler",
    "Snapshot",
    "Steps",
    "StoredTracks",
    "Target",
    "Track",
    "Windows",
    "WrongShard",
    "WrongSnapshot",
    "collate",
    "concat",
]
