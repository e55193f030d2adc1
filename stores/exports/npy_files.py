"""`npy`: a NumPy file for each feature of each clip, as scripts have them.

mfcc/ravdess/03-01-05-01-01-01-12.npy            values, (time, ...)
mfcc/ravdess/03-01-05-01-01-01-12.seconds.npy    (time,) seconds on the clip's own clock
mfcc/ravdess/03-01-05-01-01-01-12.valid.npy      (time,) False where nothing was measured
clips.csv labels.csv folds.csv index.csv quarantine.csv
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from stores.exports.arrays import arrays_of, npy_bytes
from stores.exports.card import Export, readme
from stores.exports.csv_tables import table_files
from stores.exports.names import track_file
from stores.exports.source import Source
from stores.exports.target import ExportFile

_READING = """import numpy as np

values = np.load("OUT/FEATURE/CLIP.npy")"""


def files(export: Export) -> Iterator[ExportFile]:
    """Lists the files of the export.

    Args:
        export: What is exported, and its terms.

    Yields:
        Three files for each track that there is, then the tables.
    """
    source = export.source
    yield from track_files(source)
    yield from table_files(source)
    yield readme(export, _READING)


def track_files(source: Source) -> Iterator[ExportFile]:
    """Lists the NumPy files of all tracks.

    Args:
        source: What is exported.

    Yields:
        Three files for each track that there is.
    """
    for feature in source.features:
        for clip in source.clips:
            if clip.clip_id in source.tracks[feature]:
                for suffix in ("", ".seconds", ".valid"):
                    name = f"{feature}/{track_file(clip.clip_id, suffix)}"
                    yield ExportFile(name, partial(_write, source, feature, clip.clip_id, suffix))


def _write(source: Source, feature: str, clip_id: str, suffix: str, path: Path) -> None:
    track = source.track(feature, clip_id, decode=suffix == "")
    if track is not None:  # only those that there are have a file
        path.write_bytes(npy_bytes(arrays_of(track)[suffix]))
