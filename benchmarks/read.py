"""Reading a store against other ways to keep the same numbers: `python -m benchmarks.read FOLDER`.

Four features, 0.6 MB a clip, written once in each way. A read takes values, times and validity of
all four features of one clip into memory of its own, in a new random order every round, the ways in
turn. The files lie in the page cache: what is measured is the format. A second table is what
alignment costs on top.
"""

import argparse
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from manifests.audits import AUDITS
from manifests.clips import CLIPS, Clip
from manifests.features import INDEX, FeatureSpec, IndexRow, State
from manifests.folds import FOLDS
from manifests.labels import LABELS
from manifests.quarantine import QUARANTINE
from manifests.tracks import Track
from stores import Clock, FeatureDataset, FeatureStore, Like, Steps
from stores.align import Alignment
from stores.location import locate
from stores.publish import publish
from stores.records import StoredFeature
from stores.shard_writer import ShardWriter

SHAPES = {
    "mfcc": (300, 120),
    "logmel64": (300, 64),
    "logmel128": (300, 128),
    "resnet50": (30, 2048),
}
"""Rows and columns of each feature, for a clip of 3 s."""
PARTS = ("values", "seconds", "valid")
CLIPS_PER_SHARD = 32
ALIGNED: dict[str, Alignment | None] = {
    "as stored": None,
    "Clock(0.1)": Clock(0.1),
    "Steps(60)": Steps(60),
    "Like resnet50": Like("resnet50"),
}
Read = Callable[[str], int]
"""read(clip_id) -> bytes taken into memory"""


def clip_ids(count: int) -> list[str]:
    return [f"folder/clip-{number:05d}" for number in range(count)]


def track(clip_id: str, feature: str) -> Track:
    rows, columns = SHAPES[feature]
    random = np.random.default_rng([int(clip_id[-5:]), list(SHAPES).index(feature)])
    return Track(
        random.random((rows, columns), np.float32),
        np.arange(rows, dtype=np.float64) * (3.0 / rows),
        np.ones(rows, bool),
    )


def spec(feature: str) -> FeatureSpec:
    rows, columns = SHAPES[feature]
    return FeatureSpec(
        feature,
        "float32",
        ("time", "column"),
        (columns,),
        "noise",
        3.0 / rows,
        f"{columns:032x}",
        "noise",
        1,
        "{}",
    )


def write_store(root: Path, ids: Sequence[str]) -> None:
    index, features = [], {}
    for name in SHAPES:
        records = []
        for first in range(0, len(ids), CLIPS_PER_SHARD):
            some, start = ids[first : first + CLIPS_PER_SHARD], 0
            file = f"shards/{name}/{spec(name).fingerprint}/{first:05d}.h5"
            with ShardWriter(locate(root), file, spec(name)) as shard:
                for clip_id in some:
                    rows = track(clip_id, name)
                    shard.add(clip_id, rows)
                    index.append(
                        IndexRow(
                            clip_id,
                            name,
                            spec(name).fingerprint,
                            State.STORED,
                            file,
                            start,
                            len(rows),
                            len(rows),
                            "",
                        )
                    )
                    start += len(rows)
            records.append(shard.record)
        features[name] = StoredFeature(spec(name), tuple(records))
    clips = [
        Clip(clip_id, "folder", None, None, clip_id, None, f"{clip_id[7:]}.mp4", "0" * 64, 1)
        for clip_id in ids
    ]
    tables = {
        "clips": CLIPS.build(clips),
        "labels": LABELS.build([]),
        "folds": FOLDS.build([]),
        "index": INDEX.build(index),
        "quarantine": QUARANTINE.build([]),
        "audits": AUDITS.build([]),
    }
    publish(
        locate(root),
        parent=None,
        recipe={},
        tables=tables,
        features=features,
        fitted={},
        versions={},
        schemes={},
    )


def write_others(root: Path, ids: Sequence[str]) -> None:
    """One raw file and one HDF5 dataset for each array of each feature, all clips end to end, and
    one npz for each clip."""
    (root / "npz").mkdir()
    (root / "raw").mkdir()
    for clip_id in ids:
        arrays = {
            f"{name}.{part}": getattr(track(clip_id, name), part)
            for name in SHAPES
            for part in PARTS
        }
        np.savez(root / "npz" / clip_id[7:], **arrays)
    with h5py.File(root / "all.h5", "w") as file:
        for name in SHAPES:
            tracks = [track(clip_id, name) for clip_id in ids]
            for part in PARTS:
                whole = np.concatenate([getattr(one, part) for one in tracks])
                whole.tofile(root / "raw" / f"{name}.{part}")
                file.create_dataset(f"{name}/{part}", data=whole)


def from_store(root: Path) -> Read:
    store = FeatureStore(root / "store")

    return lambda clip_id: _taken(store[name][clip_id] for name in SHAPES)


def from_dataset(root: Path, align: Alignment | None) -> Read:
    dataset = FeatureDataset(
        root / "store", features=list(SHAPES), labels=None, missing="error", align=align
    )
    place = {clip_id: i for i, clip_id in enumerate(dataset.clip_ids)}
    return lambda clip_id: _taken(dataset[place[clip_id]][1].values())


def _taken(tracks: Iterable[Track]) -> int:
    return sum(
        np.array(part).nbytes for one in tracks for part in (one.values, one.seconds, one.valid)
    )


def from_memmap(root: Path, ids: Sequence[str]) -> Read:
    types: dict[str, type] = {"values": np.float32, "seconds": np.float64, "valid": np.bool_}
    maps = {}
    for name, (_, columns) in SHAPES.items():
        for part in PARTS:
            flat = np.memmap(root / "raw" / f"{name}.{part}", types[part], "r")
            maps[name, part] = flat.reshape(-1, columns) if part == "values" else flat
    return _slices(maps, ids, np.array)


def from_h5py(root: Path, ids: Sequence[str]) -> Read:
    file = h5py.File(root / "all.h5", "r")
    return _slices(
        {(name, part): file[f"{name}/{part}"] for name in SHAPES for part in PARTS}, ids, np.asarray
    )


def _slices(
    arrays: dict[tuple[str, str], Any], ids: Sequence[str], take: Callable[[Any], NDArray[Any]]
) -> Read:
    place = {clip_id: number for number, clip_id in enumerate(ids)}

    def read(clip_id: str) -> int:
        at = place[clip_id]
        return sum(
            take(array[at * SHAPES[name][0] : (at + 1) * SHAPES[name][0]]).nbytes
            for (name, _), array in arrays.items()
        )

    return read


def from_npz(root: Path) -> Read:
    def read(clip_id: str) -> int:
        with np.load(root / "npz" / f"{clip_id[7:]}.npz") as arrays:
            return sum(arrays[name].nbytes for name in arrays.files)

    return read


def timed(read: Read, ids: Sequence[str]) -> NDArray[np.float64]:
    """(clip,) seconds of each read."""
    seconds = []
    for clip_id in ids:
        begun = time.perf_counter()
        read(clip_id)
        seconds.append(time.perf_counter() - begun)
    return np.array(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="a new folder; takes 1.9 MB for each clip")
    parser.add_argument("--clips", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    ids = clip_ids(args.clips)
    args.folder.mkdir(parents=True)
    write_store(args.folder / "store", ids)
    write_others(args.folder, ids)
    ways = {
        "np.memmap": from_memmap(args.folder, ids),
        "FeatureStore": from_store(args.folder),
        "h5py slices": from_h5py(args.folder, ids),
        "npz per clip": from_npz(args.folder),
    }
    sizes = {name: read(ids[0]) for name, read in ways.items()}
    if len(set(sizes.values())) > 1:
        raise SystemExit(f"the ways do not read the same number of bytes: {sizes}")
    print(
        f"{args.clips} clips of {sizes['np.memmap'] / 1e3:.0f} kB, page cache warm, median of "
        f"{args.rounds} rounds"
    )
    compare(ways, ids, args.rounds)
    print("\nFeatureDataset, aligned")
    compare(
        {name: from_dataset(args.folder, align) for name, align in ALIGNED.items()},
        ids,
        args.rounds,
    )


def compare(ways: Mapping[str, Read], ids: Sequence[str], rounds: int) -> None:
    """Print what each way takes, against the first."""
    seconds: dict[str, list[NDArray[np.float64]]] = {name: [] for name in ways}
    for number in range(rounds):
        order = [ids[i] for i in np.random.default_rng(number).permutation(len(ids))]
        for name, read in ways.items():
            seconds[name].append(timed(read, order))
    epochs = {
        name: len(ids) / median(float(r.sum()) for r in took) for name, took in seconds.items()
    }
    first = next(iter(ways))
    print(f"{'':13} {'random clip ms':>14} {'epoch clips/s':>13} {'share of ' + first:>19}")
    for name, took in seconds.items():
        print(
            f"{name:13} {1e3 * np.median(took):14.3f} {epochs[name]:13.0f} "
            f"{epochs[name] / epochs[first]:18.0%}"
        )


if __name__ == "__main__":
    main()
