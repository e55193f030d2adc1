"""The shard: one HDF5 file that holds one feature of many clips, their rows end to end.

    /  attributes: format_version, and every field of the FeatureSpec
       (tuples as JSON text; a field that is None is left out)

    values            (rows, *shape)  the spec's dtype  codec raw
                      (bytes,)        uint8             codec jpeg: all images end to end
    row_offsets       (rows + 1,)     int64             codec jpeg only:
                                      image i is values[row_offsets[i]:row_offsets[i + 1]]
    seconds           (rows,)         float64
    valid             (rows,)         bool
    offsets           (clips + 1,)    int64   rows of clip i are offsets[i]:offsets[i + 1]
    clip_id           (clips,)        text    sorted
    notes             (clips,)        text    separated by commas
    refused_clip_id   (refused,)      text    clips without a value, sorted
    refused_reason    (refused,)      text
    refused_detail    (refused,)      text

Texts are fixed-length UTF-8. How every file is made of plain datasets, and what is refused: see
hdf5_file.py.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from manifests.features import FeatureSpec, Json, canonical_json
from stores.hdf5_file import (
    ArrayLayout,
    FileLayout,
    WrongFile,
    array_layout,
    array_of,
    attribute,
    lay_out,
    open_hdf5,
)
from stores.hdf5_process import ask
from stores.laid_out import laid_out_here
from stores.parsing import WrongRecord, from_json
from stores.records import ShardRecord, ShardSizes, check_spec

SHARD_FORMAT = 1
"""The version of this layout."""
TEXTS = ("clip_id", "notes", "refused_clip_id", "refused_reason", "refused_detail")
"""The datasets that hold texts."""
_TUPLES = ("dims", "shape", "needs")


class WrongShard(WrongFile):
    """A file is not a shard, or not a complete one.

    The message says what was found and what was expected.
    """


@dataclass(frozen=True)
class ShardLayout:
    """What is needed to map a shard."""

    spec: FeatureSpec
    arrays: dict[str, ArrayLayout]
    """Where each dataset lies."""
    size: int
    """Of the file, in bytes."""


def shard_arrays(
    spec: FeatureSpec,
    rows: int,
    clips: int,
    refused: int,
    image_bytes: int,
    widths: Mapping[str, int],
) -> dict[str, ArrayLayout]:
    """Lists the datasets of a shard, not yet placed.

    Args:
        spec: The feature.
        rows: Rows of all clips.
        clips: Stored clips.
        refused: Clips without a value.
        image_bytes: Bytes of all images; used where the codec is jpeg.
        widths: Column of TEXTS -> bytes of its longest text.

    Returns:
        Type and shape by name.
    """
    integer = np.dtype("<i8")
    arrays = {"values": ArrayLayout(np.dtype(spec.dtype).newbyteorder("<"), (rows, *spec.shape))}
    if spec.codec == "jpeg":
        arrays = {
            "values": ArrayLayout(np.dtype("u1"), (image_bytes,)),
            "row_offsets": ArrayLayout(integer, (rows + 1,)),
        }
    arrays["seconds"] = ArrayLayout(np.dtype("<f8"), (rows,))
    arrays["valid"] = ArrayLayout(np.dtype("?"), (rows,))
    arrays["offsets"] = ArrayLayout(integer, (clips + 1,))
    for name in TEXTS:
        arrays[name] = ArrayLayout(
            np.dtype(f"S{max(1, widths[name])}"),
            (refused if name.startswith("refused") else clips,),
        )
    return arrays


def lay_out_shard(spec: FeatureSpec, arrays: Mapping[str, ArrayLayout]) -> FileLayout:
    """Lays out a shard.

    Args:
        spec: The feature.
        arrays: Its datasets, not yet placed.

    Returns:
        The bytes of the file but for its datasets, and where these go.
    """
    return lay_out(_attributes(spec), arrays, TEXTS)


def _attributes(spec: FeatureSpec) -> dict[str, str | int | float]:
    found: dict[str, str | int | float] = {"format_version": SHARD_FORMAT}
    for field in dataclasses.fields(spec):
        value = getattr(spec, field.name)
        if value is not None:
            found[field.name] = canonical_json(list(value)) if field.name in _TUPLES else value
    return found


def recorded_layout(spec: FeatureSpec, record: ShardRecord) -> FileLayout | None:
    """Lays out a shard anew from what a snapshot says of it.

    Args:
        spec: The feature.
        record: The shard.

    Returns:
        The layout that its file must have; None where the record says too little, or what cannot
        be.
    """
    if record.sizes is None:
        return None
    sizes = dataclasses.asdict(record.sizes)
    refused, image_bytes = sizes.pop("refused"), sizes.pop("image_bytes")
    counts = (refused, image_bytes, *sizes.values(), record.clips)
    if min(counts) < 0 or max(counts) > record.bytes:
        return None
    try:
        arrays = shard_arrays(spec, record.rows, record.clips, refused, image_bytes, sizes)
        fits = sum(layout.nbytes for layout in arrays.values()) <= record.bytes
        return lay_out_shard(spec, arrays) if fits else None
    except (ValueError, OverflowError):  # sizes that no array can have
        return None


def sizes_of(layout: ShardLayout) -> ShardSizes:
    """What a snapshot records of a shard's datasets.

    Args:
        layout: Of the shard.

    Returns:
        The sizes.
    """
    arrays = layout.arrays
    is_image = layout.spec.codec == "jpeg"
    return ShardSizes(
        refused=arrays["refused_clip_id"].shape[0],
        image_bytes=arrays["values"].shape[0] if is_image else 0,
        **{name: arrays[name].dtype.itemsize for name in TEXTS},
    )


def read_layout(path: Path, name: str) -> ShardLayout:
    """Reads where a shard's datasets lie, in a watched process where this one did not write it.

    Args:
        path: The file.
        name: The file, as messages name it.

    Returns:
        The layout.

    Raises:
        WrongShard: It is not a shard.
        WrongPlace: It is no plain file.
        OSError: The disk fails: no such file, no permission.
    """
    known = laid_out_here(path)
    if isinstance(known, ShardLayout):
        return known
    found = ask("shard", path, name, WrongShard)
    try:
        spec = check_spec(from_json(FeatureSpec, found["spec"], "spec"))
        arrays = {each: array_of(text, at) for each, (text, at) in found["arrays"].items()}
        return ShardLayout(spec, arrays, found["size"])
    except (WrongRecord, KeyError, TypeError) as error:
        raise WrongShard(f"{name} is not a shard of this format: {error}") from error


def look_at_shard(path: Path, name: str) -> Json:
    """Reads where a shard's datasets lie, through HDF5, and closes the file again.

    Args:
        path: The file.
        name: The file, as messages name it.

    Returns:
        JSON of the spec, of each dataset with its type, shape and offset, and of the size in bytes.

    Raises:
        WrongShard: It is not a shard.
        WrongPlace: It is no plain file.
        OSError: The disk fails: no such file, no permission.
    """
    with open_hdf5(path, name, "a shard", WrongShard) as (file, size):
        spec = _spec(file)
        arrays: dict[str, Json] = {
            each: [layout.text, layout.offset]
            for each, layout in _arrays_of(file, spec, size).items()
        }
        found = json.loads(json.dumps(dataclasses.asdict(spec)))
        return {"spec": found, "arrays": arrays, "size": size}


def _spec(file: Any) -> FeatureSpec:
    version = attribute(file, "format_version")
    if version != SHARD_FORMAT:
        raise WrongFile(f"its format_version is {version!r}, expected {SHARD_FORMAT}")
    names = [field.name for field in dataclasses.fields(FeatureSpec)]
    found: dict[str, Json] = {name: attribute(file, name) for name in names}
    for name in _TUPLES:
        found[name] = json.loads(str(found[name]))
    return check_spec(from_json(FeatureSpec, found, "spec"))


def _arrays_of(file: Any, spec: FeatureSpec, size: int) -> dict[str, ArrayLayout]:
    expected = ["values", "seconds", "valid", "offsets", *TEXTS] + (
        ["row_offsets"] if spec.codec == "jpeg" else []
    )
    arrays = {name: array_layout(file, name, size) for name in expected}
    lengths = []
    for name in ("seconds", "offsets", "refused_clip_id", "values"):
        if not arrays[name].shape:
            raise WrongFile(f"{name} is a single value")
        lengths.append(arrays[name].shape[0])
    rows, bounds, refused, image_bytes = lengths
    widths = {name: arrays[name].dtype.itemsize for name in TEXTS}
    right = shard_arrays(spec, rows, bounds - 1, refused, image_bytes, widths)
    for name, layout in right.items():
        if (arrays[name].dtype, arrays[name].shape) != (layout.dtype, layout.shape):
            found = f"{arrays[name].dtype} {arrays[name].shape}"
            raise WrongFile(f"{name} is {found}, expected {layout.dtype} {layout.shape}")
    return arrays
