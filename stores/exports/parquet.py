"""Parquet files of clips with their features: the form that the Hugging Face and the Croissant
export share."""

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from manifests.clips import CLIPS, Clip
from manifests.features import FeatureSpec, Json
from manifests.tracks import Track
from stores.exports.source import Source, WrongExport
from stores.exports.target import ExportFile
from stores.training_clips import one_label_each

_CLIPS_AT_ONCE = 16
_MOST_DIMS = 5
"""Dimensions of the arrays that the library `datasets` has."""


def parquet_files(source: Source) -> Iterator[ExportFile]:
    """Lists the Parquet files of an export.

    Args:
        source: What is exported.

    Yields:
        data/PART-00000-of-00002.parquet and so on, a row a clip.

    Raises:
        WrongExport: A feature has more dimensions than `datasets` reads.
    """
    for name, spec in source.specs.items():
        if len(spec.dims) > _MOST_DIMS:
            raise WrongExport(
                f"{name} has {len(spec.dims)} dimensions, expected {_MOST_DIMS} at "
                "most; leave it out with --features"
            )
    for part in source.parts:
        batches = source.batches(part)
        for number, clips in enumerate(batches):
            yield ExportFile(
                f"data/{part}-{number:05d}-of-{len(batches):05d}.parquet",
                partial(_write, source, clips),
            )


def columns(source: Source) -> dict[str, tuple[pa.DataType, Json]]:
    """The columns of the Parquet files.

    Args:
        source: What is exported.

    Returns:
        Name -> its Arrow type, and what `datasets` calls it: the columns of `clips`, `role`,
        `label.SCHEME` for each label scheme (the value with the most weight over its annotators,
        none where two tie), `labels` (every label with annotator and weight), and for each feature
        NAME, NAME.seconds and NAME.valid.
    """
    found: dict[str, tuple[pa.DataType, Json]] = {
        field.name: (field.type, _value(str(field.type))) for field in CLIPS.schema
    }
    found["role"] = (pa.string(), _value("string"))
    for scheme in label_schemes(source):
        found[f"label.{scheme}"] = (pa.string(), _value("string"))
    words = {
        "scheme": pa.string(),
        "annotator": pa.string(),
        "value": pa.string(),
        "weight": pa.float64(),
    }
    found["labels"] = (
        pa.list_(pa.struct(list(words.items()))),
        {"feature": {name: _value(str(kind)) for name, kind in words.items()}, "_type": "List"},
    )
    for name, spec in source.specs.items():
        found[name] = (_PICTURES, _LIST_OF_IMAGES) if is_picture(spec) else _numbers(spec)
        found[f"{name}.seconds"] = (pa.list_(pa.float64()), _list("float64"))
        found[f"{name}.valid"] = (pa.list_(pa.bool_()), _list("bool"))
    return found


def label_schemes(source: Source) -> list[str]:
    """Lists the label schemes of the exported clips.

    Args:
        source: What is exported.

    Returns:
        Their names, sorted.
    """
    return sorted({label.scheme for labels in source.labels.values() for label in labels})


def _write(source: Source, clips: Sequence[Clip], path: Path) -> None:
    form = columns(source)
    hugging = {name: kind for name, (_, kind) in form.items()}
    known = json.dumps({"info": {"features": hugging}})
    schema = pa.schema([(name, kind) for name, (kind, _) in form.items()])
    schema = schema.with_metadata({b"huggingface": known.encode()})
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for at in range(0, len(clips), _CLIPS_AT_ONCE):
            writer.write_table(_table(source, clips[at : at + _CLIPS_AT_ONCE], schema))


def _table(source: Source, clips: Sequence[Clip], schema: pa.Schema) -> pa.Table:
    rows: dict[str, list[Any]] = {name: [] for name in schema.names}
    labels = [label for clip in clips for label in source.labels.get(clip.clip_id, ())]
    for scheme in label_schemes(source):
        values = one_label_each(labels, scheme)
        rows[f"label.{scheme}"] = [values.get(clip.clip_id) for clip in clips]
    for clip in clips:
        for field in CLIPS.schema.names:
            rows[field].append(getattr(clip, field))
        rows["role"].append(None if source.roles is None else str(source.roles[clip.clip_id]))
        rows["labels"].append(
            [
                {
                    "scheme": one.scheme,
                    "annotator": one.annotator,
                    "value": one.value,
                    "weight": one.weight,
                }
                for one in source.labels.get(clip.clip_id, ())
            ]
        )
    arrays = {
        name: pa.array(values, schema.field(name).type)
        for name, values in rows.items()
        if len(values) == len(clips)
    }
    for name in source.features:
        pictures = is_picture(source.specs[name])
        tracks = [source.track(name, clip.clip_id, decode=not pictures) for clip in clips]
        parts: dict[str, list[NDArray[Any] | None]] = {
            f"{name}.seconds": [None if track is None else track.seconds for track in tracks],
            f"{name}.valid": [None if track is None else track.valid for track in tracks],
        }
        if pictures:
            arrays[name] = pa.array([*map(_images, tracks)], _PICTURES)
        else:
            parts[name] = [None if track is None else track.values for track in tracks]
        for column, some in parts.items():
            arrays[column] = _nested(some, schema.field(column).type)
    return pa.table([arrays[name] for name in schema.names], schema=schema)


def _images(track: Track | None) -> list[dict[str, bytes | None] | None] | None:
    if track is None:
        return None
    return [{"bytes": bytes(row), "path": None} if len(row) else None for row in track.values]


def _nested(arrays: Sequence[NDArray[Any] | None], kind: pa.DataType) -> pa.Array:
    """Lists of lists of the rows of each array; nothing where there is no array."""
    there = [array for array in arrays if array is not None]
    inner = kind.value_type
    flat: NDArray[Any] = (
        np.concatenate([np.ascontiguousarray(array).reshape(-1) for array in there])
        if there
        else np.empty(0)
    )
    sizes: tuple[int, ...] = there[0].shape[1:] if there else ()
    leaf = inner
    while pa.types.is_list(leaf):
        leaf = leaf.value_type
    values = pa.array(flat, leaf)
    for depth in range(len(sizes), 0, -1):
        step = sizes[depth - 1]
        offsets = np.arange(0, len(values) + step, step, dtype=np.int32)
        values = pa.ListArray.from_arrays(pa.array(offsets), values)
    if not there:
        return pa.nulls(len(arrays), kind)
    lengths = [0 if array is None else len(array) for array in arrays]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    missing = np.array([array is None for array in arrays])
    return pa.ListArray.from_arrays(pa.array(offsets), values, mask=pa.array(missing))


def is_picture(spec: FeatureSpec) -> bool:
    """Whether the rows of a feature are encoded pictures, which stay as they are.

    Args:
        spec: The feature.

    Returns:
        True where a file has a list of JPEG images.
    """
    return spec.codec == "jpeg"


_PICTURES = pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
_LIST_OF_IMAGES: Json = {"feature": {"_type": "Image"}, "_type": "List"}


def _numbers(spec: FeatureSpec) -> tuple[pa.DataType, Json]:
    kind = pa.from_numpy_dtype(np.dtype(spec.dtype))
    for _ in spec.dims:
        kind = pa.list_(kind)
    if not spec.shape:
        return kind, _list(spec.dtype)
    form = f"Array{len(spec.dims)}D"
    return kind, {"shape": [None, *spec.shape], "dtype": spec.dtype, "_type": form}


def _value(dtype: str) -> Json:
    return {"dtype": {"double": "float64", "bool_": "bool"}.get(dtype, dtype), "_type": "Value"}


def _list(dtype: str) -> Json:
    return {"feature": _value(dtype), "_type": "List"}
