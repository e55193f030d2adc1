"""`lhotse`: cut manifests that name a NumPy file for each feature of each clip.

    cuts-train.jsonl.gz cuts-valid.jsonl.gz ...     a MonoCut a clip: `cut.load_custom("mfcc")`,
                                                    "mfcc.seconds", "mfcc.valid"
    mfcc/ravdess/03-01-05-01-01-01-12.npy ...       as the format `npy` has them
    clips.csv labels.csv folds.csv index.csv quarantine.csv

Manifests name files below the folder of the export, so lhotse is to be run there.
"""

import gzip
import json
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from manifests.clips import Clip
from stores.exports.card import Export, readme
from stores.exports.csv_tables import table_files
from stores.exports.names import track_file
from stores.exports.npy_files import track_files
from stores.exports.source import Source
from stores.exports.target import ExportFile

_RATE = 16000
"""Of a clip without sound, since lhotse demands one."""
_READING = """import os

import lhotse

os.chdir("OUT")  # the manifests name files below it
cut = next(iter(lhotse.CutSet.from_jsonl_lazy("cuts-PART.jsonl.gz")))
cut.load_custom("FEATURE"), cut.load_custom("FEATURE.seconds"), cut.supervisions[0].custom"""


def files(export: Export) -> Iterator[ExportFile]:
    """Lists the files of the export.

    Args:
        export: What is exported, and its terms.

    Yields:
        The NumPy files, then a manifest for each part, then the tables.
    """
    source = export.source
    yield from track_files(source)
    for part in source.parts:
        yield ExportFile(f"cuts-{part}.jsonl.gz", partial(_write, source, part))
    yield from table_files(source)
    yield readme(export, _READING)


def _write(source: Source, part: str, path: Path) -> None:
    with path.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as file:
        for clip in source.parts[part]:
            file.write(json.dumps(_cut(source, clip)).encode() + b"\n")


def _cut(source: Source, clip: Clip) -> dict[str, Any]:
    tracks = {name: source.track(name, clip.clip_id, decode=False) for name in source.features}
    custom: dict[str, Any] = {}
    for name, track in tracks.items():
        if track is not None:
            custom |= _arrays(name, clip, len(track), source.specs[name].shape)
    ends = [
        float(track.seconds[-1]) for track in tracks.values() if track is not None and len(track)
    ]
    duration = clip.duration_s or max(ends, default=0.0) or 1e-3
    labels = [asdict(label) for label in source.labels.get(clip.clip_id, ())]
    supervision = {
        "id": clip.clip_id,
        "recording_id": clip.clip_id,
        "start": 0.0,
        "duration": duration,
        "channel": 0,
        "custom": {"labels": labels},
    }
    if clip.subject_id:
        supervision["speaker"] = clip.subject_id
    if clip.sex:
        supervision["gender"] = clip.sex
    start = clip.start_s or 0.0
    return {
        "id": clip.clip_id,
        "start": start,
        "duration": duration,
        "channel": 0,
        "recording": _recording(clip, start + duration),
        "supervisions": [supervision],
        "custom": custom | {"clip": asdict(clip)},
        "type": "MonoCut",
    }


def _recording(clip: Clip, end: float) -> dict[str, Any]:
    """What the cut is a part of, which is not exported: whoever has the corpus finds it there."""
    rate = clip.rate_hz or _RATE
    return {
        "id": clip.clip_id,
        "sources": [{"type": "file", "channels": [0], "source": clip.path}],
        "sampling_rate": rate,
        "num_samples": round(end * rate),
        "duration": end,
        "channel_ids": [0],
    }


def _arrays(name: str, clip: Clip, rows: int, shape: tuple[int, ...]) -> dict[str, Any]:
    """The manifests of the three files of a track.

    They are plain arrays: lhotse takes the time of row i for start + i * hop, and here each row has
    its own, in NAME.seconds.
    """
    return {
        f"{name}{suffix}": {
            "storage_type": "numpy_files",
            "storage_path": name,
            "storage_key": track_file(clip.clip_id, suffix),
            "shape": [rows, *row],
        }
        for suffix, row in (("", shape), (".seconds", ()), (".valid", ()))
    }
