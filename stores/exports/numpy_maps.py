"""`numpy`: three large NumPy files a feature, which are read by memory map, with an index.

mfcc/values.npy     (rows, ...) the rows of all clips, end to end
mfcc/seconds.npy    (rows,) seconds on the clip's own clock
mfcc/valid.npy      (rows,) False where nothing was measured
mfcc/offsets.npy    (clips + 1,) the rows of clip i of clips.csv are offsets[i] to offsets[i + 1];
                    none where the store has no track of it
clips.csv labels.csv folds.csv index.csv quarantine.csv
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stores.exports.arrays import arrays_of, npy_bytes
from stores.exports.card import Export, readme
from stores.exports.csv_tables import table_files
from stores.exports.source import Source
from stores.exports.target import ExportFile

_SUFFIXES = {"values": "", "seconds": ".seconds", "valid": ".valid"}

_READING = """import numpy as np

values = np.load("OUT/FEATURE/values.npy", mmap_mode="r")
offsets = np.load("OUT/FEATURE/offsets.npy")
first = values[offsets[0] : offsets[1]]"""


def files(export: Export) -> Iterator[ExportFile]:
    """Lists the files of the export.

    Args:
        export: What is exported, and its terms.

    Yields:
        Four files for each feature, then the tables.
    """
    source = export.source
    for feature in source.features:
        for name in _SUFFIXES:
            yield ExportFile(f"{feature}/{name}.npy", partial(_write, source, feature, name))
        yield ExportFile(f"{feature}/offsets.npy", partial(_write_offsets, source, feature))
    yield from table_files(source)
    yield readme(export, _READING)


def _offsets(source: Source, feature: str) -> NDArray[np.int64]:
    lengths = (source.track(feature, clip.clip_id, decode=False) for clip in source.clips)
    rows = [0 if track is None else len(track) for track in lengths]
    return np.concatenate([[0], np.cumsum(rows, dtype=np.int64)])


def _write_offsets(source: Source, feature: str, path: Path) -> None:
    path.write_bytes(npy_bytes(_offsets(source, feature)))


def _write(source: Source, feature: str, name: str, path: Path) -> None:
    spec = source.specs[feature]
    form: dict[str, tuple[Any, tuple[int, ...]]] = {
        "values": (spec.dtype, spec.shape),
        "seconds": ("float64", ()),
        "valid": ("bool", ()),
    }
    dtype, shape = form[name]
    rows = int(_offsets(source, feature)[-1])
    header = {
        "descr": np.lib.format.dtype_to_descr(np.dtype(dtype)),
        "fortran_order": False,
        "shape": (rows, *shape),
    }
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for clip in source.clips:
            track = source.track(feature, clip.clip_id, decode=name == "values")
            if track is not None:
                array = arrays_of(track)[_SUFFIXES[name]]
                file.write(np.ascontiguousarray(array, np.dtype(dtype)).data)
