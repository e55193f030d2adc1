"""Reading a store against other ways to keep the same numbers: `python -m benchmarks.read FOLDER`.

Four features, 0.6 MB a clip, written once in each way. A read takes values, times and validity of
all four features of one clip into memory of its own, in a new random order every round, the ways in
turn. The files lie in the page cache: what is measured is the format, in processor time. Then what
alignment costs, by the clip and in batches; a batch of 32 clips against NumPy that copies the same
rows into arrays that are there already, and into new ones, which the system may have to find and
clear anew; and a DataLoader without workers and with two, in time on the clock.

An aligned track is memory of its own already and is not copied once more.
"""

import argparse
import gc
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from benchmarks.read_peers import PARTS, PEERS, Read
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
CLIPS_PER_SHARD = 32
ALIGNED: dict[str, Alignment | None] = {
    "as stored": None,
    "Clock(0.1)": Clock(0.1),
    "Steps(60)": Steps(60),
    "Like resnet50": Like("resnet50"),
}
BATCH = 32


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
    """One raw file and one HDF5 dataset for each array of each feature, all clips end to end."""
    (root / "raw").mkdir()
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


def opened(root: Path, align: Alignment | None = None) -> FeatureDataset:
    return FeatureDataset(
        root / "store", features=list(SHAPES), labels=None, missing="error", align=align
    )


def from_dataset(root: Path, align: Alignment | None = None) -> Read:
    dataset, take = opened(root, align), _taken if align is None else _owned
    place = {clip_id: i for i, clip_id in enumerate(dataset.clip_ids)}
    return lambda clip_id: take(dataset[place[clip_id]][1].values())


def _taken(tracks: Iterable[Track]) -> int:
    return sum(
        np.array(part).nbytes for one in tracks for part in (one.values, one.seconds, one.valid)
    )


def _owned(tracks: Iterable[Track]) -> int:
    """Bytes of aligned tracks; what an alignment left as it is stored is taken too."""
    parts = (part for one in tracks for part in (one.values, one.seconds, one.valid))
    return sum(part.nbytes if part.flags.writeable else np.array(part).nbytes for part in parts)


def maps(root: Path) -> dict[tuple[str, str], NDArray[Any]]:
    """The raw files, mapped."""
    types: dict[str, type] = {"values": np.float32, "seconds": np.float64, "valid": np.bool_}
    found = {}
    for name, (_, columns) in SHAPES.items():
        for part in PARTS:
            flat = np.memmap(root / "raw" / f"{name}.{part}", types[part], "r")
            found[name, part] = flat.reshape(-1, columns) if part == "values" else flat
    return found


def from_memmap(root: Path, ids: Sequence[str]) -> Read:
    return _slices(maps(root), ids, np.array)


def from_arrays(root: Path, ids: Sequence[str]) -> Read:
    """The maps as plain arrays, of which a slice costs less: the least that reading can take."""
    plain = {name: one.view(np.ndarray) for name, one in maps(root).items()}
    return _slices(plain, ids, np.array)


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


@contextmanager
def without_collector() -> Iterator[None]:
    """No search for garbage, as in timeit: what it takes depends on what else is imported."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def timed(read: Read, ids: Sequence[str]) -> NDArray[np.float64]:
    """(clip,) seconds of processor time of each read."""
    seconds = []
    for clip_id in ids:
        begun = time.process_time()
        read(clip_id)
        seconds.append(time.process_time() - begun)
    return np.array(seconds)


def compare(ways: Mapping[str, Read], ids: Sequence[str], rounds: int) -> None:
    """Print what each way takes, against the first."""
    seconds: dict[str, list[NDArray[np.float64]]] = {name: [] for name in ways}
    for number in range(rounds):
        order = [ids[i] for i in np.random.default_rng(number).permutation(len(ids))]
        for name, read in ways.items():
            with without_collector():
                seconds[name].append(timed(read, order))
    first = next(iter(ways))
    print(f"{'':15} {'random clip ms':>14} {'epoch clips/s':>13} {'share of ' + first:>19}")
    for name, took in seconds.items():
        epochs = [float(one.sum()) for one in took]
        shares = [float(a.sum()) / b for a, b in zip(seconds[first], epochs, strict=True)]
        print(
            f"{name:15} {1e3 * np.median(took):14.3f} {len(ids) / median(epochs):13.0f} "
            f"{median(shares):18.0%}",
            flush=True,
        )


def copied(root: Path, new: bool = False) -> Callable[[Sequence[int]], object]:
    """The rows of some clips, from the raw files into one array for each part of a feature: the
    arrays of the batch before, which is the least that a batch can take, or new ones."""
    arrays = {name: one.view(np.ndarray) for name, one in maps(root).items()}

    def made() -> dict[tuple[str, str], NDArray[Any]]:
        return {
            (name, part): np.empty((BATCH, SHAPES[name][0], *array.shape[1:]), array.dtype)
            for (name, part), array in arrays.items()
        }

    kept = made()

    def copy(some: Sequence[int]) -> object:
        batch = made() if new else kept
        for (name, part), array in arrays.items():
            rows, copies = SHAPES[name][0], batch[name, part]
            for number, at in enumerate(some):
                copies[number] = array[at * rows : (at + 1) * rows]
        return batch

    return copy


def batches(root: Path, ids: Sequence[str], rounds: int) -> None:
    """Print what a batch takes, against a plain copy and against one that is not aligned."""

    def batch_of(dataset: FeatureDataset) -> Callable[[Sequence[int]], object]:
        return lambda some: dataset.collate([dataset[i] for i in some])

    ways = {"NumPy copies": copied(root), "  into new ones": copied(root, new=True)}
    ways |= {name: batch_of(opened(root, align)) for name, align in ALIGNED.items()}
    took: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        rng = np.random.default_rng(number)
        order = rng.permutation(len(ids)).tolist()
        # The next one finds in the processor's cache what the last one has read.
        for name in rng.permutation([*ways]).tolist():
            make = ways[name]
            with without_collector():
                begun = time.process_time()
                for at in range(0, len(order), BATCH):
                    make(order[at : at + BATCH])
                took[name].append(time.process_time() - begun)
    print(f"{'':15} {'epoch clips/s':>13} {'share of copies':>16} {'of as stored':>13}")
    for name, seconds in took.items():
        shares = [
            median(a / b for a, b in zip(took[of][1:], seconds[1:], strict=True))
            for of in ("NumPy copies", "as stored")
        ]
        rate = len(ids) / median(seconds[1:])
        print(f"{name:15} {rate:13.0f} {shares[0]:15.0%} {shares[1]:12.0%}", flush=True)


def loaders(root: Path, rounds: int) -> None:
    """Print the epochs of a DataLoader without workers and with two, in turn."""
    import torch
    from torch.utils.data import DataLoader

    torch.set_num_threads(1)
    dataset = opened(root)
    ways = {
        workers: DataLoader(
            dataset,
            batch_size=BATCH,
            shuffle=True,
            num_workers=workers,
            persistent_workers=workers > 0,
            collate_fn=dataset.collate,
        )
        for workers in (0, 2)
    }
    took: dict[int, list[float]] = {workers: [] for workers in ways}
    for _ in range(rounds + 1):
        for workers, loader in ways.items():
            begun = time.perf_counter()
            for batch in loader:
                sum(float(values.sum()) for values in batch["values"].values())
            took[workers].append(time.perf_counter() - begun)
    faster = median(a / b for a, b in zip(took[0][1:], took[2][1:], strict=True))
    for workers, seconds in took.items():
        print(f"{workers} workers {len(dataset) / median(seconds[1:]):22.0f} clips/s on the clock")
    print(f"two workers: {faster:.2f}x as fast as none")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="a new folder; takes 4.5 MB for each clip")
    parser.add_argument("--clips", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    ids, root = clip_ids(args.clips), args.folder
    root.mkdir(parents=True)
    write_store(root / "store", ids)
    write_others(root, ids)
    ways = {
        "np.memmap": from_memmap(root, ids),
        "  as arrays": from_arrays(root, ids),
        "FeatureStore": from_store(root),
        "FeatureDataset": from_dataset(root),
        "h5py slices": from_h5py(root, ids),
    }
    sizes = {name: read(ids[0]) for name, read in ways.items()}
    if len(set(sizes.values())) > 1:
        raise SystemExit(f"the ways do not read the same number of bytes: {sizes}")
    for name, peer in PEERS.items():
        folder = root / name
        folder.mkdir()
        try:
            ways[name] = peer(folder, ids, list(SHAPES), track)
        except ImportError as error:
            print(f"{name} is left out: {error}")
    print(
        f"\n{args.clips} clips of {sizes['np.memmap'] / 1e3:.0f} kB, page cache warm, median of "
        f"{args.rounds} rounds"
    )
    compare(ways, ids, args.rounds)
    print("\nFeatureDataset, aligned, by the clip")
    aligned = {name: from_dataset(root, align) for name, align in ALIGNED.items()}
    compare(aligned, ids, args.rounds)
    print(f"\nbatches of {BATCH}, padded")
    batches(root, ids, args.rounds)
    print("\nDataLoader, values summed")
    loaders(root, args.rounds)


if __name__ == "__main__":
    main()
