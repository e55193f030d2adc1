"""`audformat`: a database of tables, for audformat and audb.

    db.yaml                           its head: schemes and tables
    db.clips-train.parquet ...        a clip a row: who, what, and its label in each scheme
    db.labels.parquet                 every label, with annotator and weight
    db.folds.parquet                  the folds
    db.mfcc.parquet ...               a row a time: columns 0, 1, ..., `seconds` and `valid`

What audformat calls a file is a clip's id: the media themselves are not part of the export.
"""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from manifests.clips import CLIPS
from manifests.folds import FOLDS
from manifests.labels import LABELS
from stores.exports.card import Export, readme, text_file
from stores.exports.parquet import label_schemes
from stores.exports.source import Source, WrongExport
from stores.exports.target import ExportFile
from stores.training_clips import one_label_each

_MOST_COLUMNS = 4096
_BYTES_TOGETHER = 1 << 24
"""A Parquet file says something of every column of each group of rows, and its writer holds all of
that to the end: a group a clip takes a gigabyte of memory."""
_SPLITS = {"train": "train", "valid": "dev", "test": "test"}
_DTYPES = {"string": "str", "double": "float", "int64": "int", "bool": "bool"}
_READING = """import audformat

db = audformat.Database.load("OUT")
db["clips-PART"].get(), db["FEATURE"].get()"""


def files(export: Export) -> Iterator[ExportFile]:
    """Lists the files of the export.

    Args:
        export: What is exported, and its terms.

    Yields:
        The tables, then the head of the database.

    Raises:
        WrongExport: A feature has rows that are no short rows of numbers, such as pictures.
    """
    source = export.source
    for name, spec in source.specs.items():
        if len(spec.shape) > 1 or spec.shape > (_MOST_COLUMNS,):
            raise WrongExport(
                f"a row of {name} has {' x '.join(map(str, spec.shape))} values, and a table of "
                f"audformat has one of {_MOST_COLUMNS} at most; name other features with --features"
            )
    for part in source.parts:
        yield ExportFile(f"db.clips-{part}.parquet", partial(_write_clips, source, part))
    for name, columns in _MISC.items():
        yield ExportFile(f"db.{name}.parquet", partial(_write_misc, source, name, columns))
    for name in source.features:
        yield ExportFile(f"db.{name}.parquet", partial(_write_track, source, name))
    yield text_file("db.yaml", json.dumps(_head(source), indent=1))  # JSON is YAML as well
    yield readme(export, _READING)


_MISC = {"labels": LABELS.schema, "folds": FOLDS.schema}
_CLIP_COLUMNS = [field for field in CLIPS.schema if field.name != "clip_id"]


def _head(source: Source) -> dict[str, Any]:
    schemes: dict[str, Any] = {name: {"dtype": name} for name in _DTYPES.values()}
    clips = {field.name: _column(field.type) for field in _CLIP_COLUMNS}
    labels = [label for some in source.labels.values() for label in some]
    for scheme in label_schemes(source):
        values = sorted({label.value for label in labels if label.scheme == scheme})
        schemes[scheme] = {"dtype": "str", "labels": values}
        clips[scheme] = {"scheme_id": scheme}
    tables: dict[str, Any] = {
        f"clips-{part}": {
            "type": "filewise",
            **({"split_id": _SPLITS[part]} if part in _SPLITS else {}),
            "columns": clips,
        }
        for part in source.parts
    }
    for name, spec in source.specs.items():
        kind = "bool" if spec.dtype == "bool" else "float" if "float" in spec.dtype else "int"
        columns = {str(number): {"scheme_id": kind} for number in range(_width(spec.shape))}
        columns |= {"seconds": {"scheme_id": "float"}, "valid": {"scheme_id": "bool"}}
        tables[name] = {"type": "segmented", "columns": columns}
    misc = {
        name: {
            "levels": {"row": "int"},
            "columns": {field.name: _column(field.type) for field in columns},
        }
        for name, columns in _MISC.items()
    }
    splits = {_SPLITS[part]: {"type": _SPLITS[part]} for part in source.parts if part in _SPLITS}
    return {
        "name": "-".join(source.corpora),
        "source": f"snapshot {source.store.snapshot.number} of a store of affectstore",
        "usage": "research",
        "languages": [],
        "schemes": schemes,
        "splits": splits,
        "tables": tables,
        "misc_tables": misc,
    }


def _column(kind: pa.DataType) -> dict[str, str]:
    return {"scheme_id": _DTYPES[str(kind)]}


def _width(shape: tuple[int, ...]) -> int:
    return shape[0] if shape else 1


def _write_clips(source: Source, part: str, path: Path) -> None:
    clips = source.parts[part]
    columns: dict[str, pa.Array] = {"file": pa.array([clip.clip_id for clip in clips])}
    for field in _CLIP_COLUMNS:
        columns[field.name] = pa.array([getattr(clip, field.name) for clip in clips], field.type)
    labels = [label for clip in clips for label in source.labels.get(clip.clip_id, ())]
    for scheme in label_schemes(source):
        values = one_label_each(labels, scheme)
        columns[scheme] = pa.array([values.get(clip.clip_id) for clip in clips], pa.string())
    pq.write_table(pa.table(columns), path, compression="zstd")


def _write_misc(source: Source, name: str, schema: pa.Schema, path: Path) -> None:
    rows = dict(source.tables())[name].cast(schema)
    number = pa.array(np.arange(rows.num_rows, dtype=np.int64))
    pq.write_table(rows.add_column(0, "row", number), path, compression="zstd")


def _write_track(source: Source, name: str, path: Path) -> None:
    spec = source.specs[name]
    numbers = [(str(at), pa.from_numpy_dtype(spec.dtype)) for at in range(_width(spec.shape))]
    schema = pa.schema(
        [
            ("file", pa.string()),
            ("start", pa.duration("ns")),
            ("end", pa.duration("ns")),
            *numbers,
            ("seconds", pa.float64()),
            ("valid", pa.bool_()),
        ]
    )
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        waiting: list[pa.Table] = []
        size = 0
        for clip in source.clips:
            track = source.track(name, clip.clip_id)
            if track is None:
                continue
            begins = np.round(track.seconds * 1e9).astype("timedelta64[ns]")
            hop = np.timedelta64(round((spec.hop_s or 0.0) * 1e9), "ns")
            values = np.ascontiguousarray(track.values).reshape(len(track), -1)
            columns = [
                pa.array([clip.clip_id] * len(track), pa.string()),
                pa.array(begins),
                pa.array(begins + hop),
                *(pa.array(np.ascontiguousarray(column)) for column in values.T),
                pa.array(track.seconds),
                pa.array(track.valid),
            ]
            waiting.append(pa.table(columns, schema=schema))
            size += waiting[-1].nbytes
            if size >= _BYTES_TOGETHER:
                writer.write_table(pa.concat_tables(waiting))
                waiting, size = [], 0
        if waiting:
            writer.write_table(pa.concat_tables(waiting))
