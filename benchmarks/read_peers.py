"""The same numbers as other libraries keep them, for `benchmarks.read`.

Each takes a folder, the ids of clips and what gives a track, writes all clips there, and gives a
function that reads one clip and counts its bytes. lhotse keeps the values alone: its stores hold
one array of floats for a key.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.tracks import Track

Read = Callable[[str], int]
"""read(clip_id) -> bytes taken into memory"""
Give = Callable[[str, str], Track]
"""give(clip_id, feature) -> its track"""
PARTS = ("values", "seconds", "valid")


def _short(clip_id: str) -> str:
    return clip_id.rpartition("/")[2]


def arrays_of(clip_id: str, features: Sequence[str], give: Give) -> dict[str, NDArray[Any]]:
    """Name -> array, of all features of a clip."""
    tracks = {name: give(clip_id, name) for name in features}
    return {f"{name}.{part}": getattr(tracks[name], part) for name in features for part in PARTS}


def npz(root: Path, ids: Sequence[str], features: Sequence[str], give: Give) -> Read:
    """One npz file a clip."""
    for clip_id in ids:
        np.savez(root / _short(clip_id), **arrays_of(clip_id, features, give))  # type: ignore[arg-type]

    def read(clip_id: str) -> int:
        with np.load(root / f"{_short(clip_id)}.npz") as arrays:
            return sum(arrays[name].nbytes for name in arrays.files)

    return read


def npy(root: Path, ids: Sequence[str], features: Sequence[str], give: Give) -> Read:
    """One npy file for each array of a clip."""
    names = [f"{name}.{part}" for name in features for part in PARTS]
    for clip_id in ids:
        for name, array in arrays_of(clip_id, features, give).items():
            np.save(root / f"{_short(clip_id)}.{name}.npy", array)
    return lambda clip_id: sum(
        np.load(root / f"{_short(clip_id)}.{name}.npy").nbytes for name in names
    )


def lhotse_hdf5(root: Path, ids: Sequence[str], features: Sequence[str], give: Give) -> Read:
    """lhotse's store of plain arrays in HDF5."""
    from lhotse.features.io import NumpyHdf5Reader, NumpyHdf5Writer

    return _lhotse(NumpyHdf5Writer, NumpyHdf5Reader, root / "store.h5", (ids, features, give))


def lhotse_lilcom(root: Path, ids: Sequence[str], features: Sequence[str], give: Give) -> Read:
    """lhotse's default store, which is compressed and lossy."""
    from lhotse.features.io import LilcomChunkyReader, LilcomChunkyWriter

    return _lhotse(LilcomChunkyWriter, LilcomChunkyReader, root / "store", (ids, features, give))


def _lhotse(
    writer: Any, reader: Any, path: Path, what: tuple[Sequence[str], Sequence[str], Give]
) -> Read:
    ids, features, give = what
    keys: dict[str, list[str]] = {}
    with writer(path) as store:
        for clip_id in ids:
            keys[clip_id] = [
                store.write(f"{_short(clip_id)}-{name}", np.array(give(clip_id, name).values))
                for name in features
            ]
        opened = reader(store.storage_path)
    return lambda clip_id: sum(opened.read(key).nbytes for key in keys[clip_id])


def webdataset(root: Path, ids: Sequence[str], features: Sequence[str], give: Give) -> Read:
    """A tar file that is read from its beginning to its end: whatever clip is next."""
    import webdataset as library

    with library.TarWriter(str(root / "clips.tar")) as tar:
        for clip_id in ids:
            arrays = arrays_of(clip_id, features, give).items()
            tar.write({"__key__": _short(clip_id), **{f"{name}.npy": one for name, one in arrays}})

    def forever() -> Iterator[dict[str, Any]]:
        while True:
            yield from library.WebDataset(str(root / "clips.tar"), shardshuffle=False).decode()

    rows = forever()
    return lambda _: sum(one.nbytes for one in next(rows).values() if isinstance(one, np.ndarray))


def huggingface(root: Path, ids: Sequence[str], features: Sequence[str], give: Give) -> Read:
    """A table of Hugging Face datasets, mapped, with types of fixed shape."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import datasets

    first = arrays_of(ids[0], features, give)
    types = {
        name: datasets.Array2D(one.shape, str(one.dtype))
        if one.ndim == 2
        else datasets.Sequence(datasets.Value(str(one.dtype)), len(one))
        for name, one in first.items()
    }
    table = datasets.Dataset.from_generator(
        lambda: (arrays_of(clip_id, features, give) for clip_id in ids),
        features=datasets.Features(types),
        cache_dir=str(root),
    ).with_format("numpy")
    place = {clip_id: number for number, clip_id in enumerate(ids)}
    return lambda clip_id: sum(one.nbytes for one in table[place[clip_id]].values())


PEERS: dict[str, Callable[[Path, Sequence[str], Sequence[str], Give], Read]] = {
    "npy an array": npy,
    "npz a clip": npz,
    "lhotse HDF5": lhotse_hdf5,
    "lhotse lilcom": lhotse_lilcom,
    "WebDataset": webdataset,
    "HF datasets": huggingface,
}
