"""`webdataset`: tar files of clips, for WebDataset and whatever else reads tars in order.

    train-000000.tar  valid-000000.tar  test-000000.tar       without a fold: full-000000.tar
      KEY.json              the clip, its labels and its roles
      KEY.mfcc.npy          values, (time, ...)
      KEY.mfcc.seconds.npy  KEY.mfcc.valid.npy
    clips.csv labels.csv folds.csv index.csv quarantine.csv

KEY is the clip's id, its dots as %2E: WebDataset parts a name at the first dot.
"""

import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from manifests.clips import Clip
from stores.exports.arrays import arrays_of, npy_bytes
from stores.exports.card import Export, readme
from stores.exports.csv_tables import table_files
from stores.exports.names import file_name
from stores.exports.source import Source, WrongExport
from stores.exports.target import ExportFile

_READING = """import webdataset

clips = webdataset.WebDataset("OUT/PART-{000000..LAST}.tar", shardshuffle=False).decode()"""


def files(export: Export) -> Iterator[ExportFile]:
    """Lists the files of the export.

    Args:
        export: What is exported, and its terms.

    Yields:
        The tar files, then the tables.

    Raises:
        WrongExport: Two features differ in capitals alone, which WebDataset does not see.
    """
    source = export.source
    if len({name.lower() for name in source.features}) < len(source.features):
        raise WrongExport(
            "two features differ in capital letters alone, which WebDataset takes for one; export "
            "one of them with --features"
        )
    for part in source.parts:
        for number, clips in enumerate(source.batches(part)):
            yield ExportFile(f"{part}-{number:06d}.tar", partial(_write, source, clips))
    yield from table_files(source)
    yield readme(export, _READING)


def _write(source: Source, clips: Sequence[Clip], path: Path) -> None:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for clip in clips:
            key = file_name(clip.clip_id, dots=False)
            _add(tar, f"{key}.json", json.dumps(_described(source, clip)).encode())
            for feature in source.features:
                track = source.track(feature, clip.clip_id)
                if track is not None:
                    for suffix, array in arrays_of(track).items():
                        _add(tar, f"{key}.{feature}{suffix}.npy", npy_bytes(array))


def _described(source: Source, clip: Clip) -> dict[str, object]:
    return {
        **asdict(clip),
        "role": None if source.roles is None else source.roles[clip.clip_id],
        "labels": [asdict(label) for label in source.labels.get(clip.clip_id, ())],
    }


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)  # with time 0 and owner 0, so that bytes are the same
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))
