"""The shard: one HDF5 file that holds one feature of many clips, their rows end to end.

    /  attributes: format_version, and every field of the FeatureSpec (tuples as JSON text; a field that is None is left out)
       values           (rows, *shape)      the spec's dtype     codec raw
                        (bytes,)            uint8                codec jpeg: all images end to end
       row_offsets      (rows + 1,)         int64                codec jpeg only: image i is values[row_offsets[i]:row_offsets[i + 1]]
       seconds          (rows,)             float64
       valid            (rows,)             bool
       offsets          (clips + 1,)        int64                rows of clip i are offsets[i]:offsets[i + 1]
       clip_id          (clips,)            fixed-length UTF-8   sorted
       notes            (clips,)            fixed-length UTF-8   separated by commas
       refused_clip_id, refused_reason, refused_detail           (refused,) fixed-length UTF-8: clips without a value, sorted

Every dataset is contiguous and uncompressed and starts at a multiple of 64 bytes, so that h5py alone reads it, and so does a memory
map at `dataset.id.get_offset()`. All numbers are little-endian. There are no variable-length, object or reference types, no links but
hard ones and no external storage; a file that has them is refused. Same content, same bytes: no time stamps, fixed library bounds.
"""

import dataclasses
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from manifests.features import FeatureSpec, Json, canonical_json
from stores.records import WrongRecord, check_spec, from_json

SHARD_FORMAT = 1
TEXTS = ("clip_id", "notes", "refused_clip_id", "refused_reason", "refused_detail")
_TUPLES = ("dims", "shape", "needs")
_LIMIT = 1 << 20
"""An attribute larger than this many bytes is refused unread."""


class WrongShard(ValueError):
    """A file is not a shard, or not a whole one; the message says what was found and what was expected."""


@dataclass(frozen=True)
class Place:
    """Where one dataset lies in the file."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int = 0
    """In bytes from the start of the file; 0 for a dataset without an element."""

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class Layout:
    """What is needed to map a shard."""

    spec: FeatureSpec
    places: dict[str, Place]
    size: int
    """Of the file, in bytes."""


def places_for(spec: FeatureSpec, rows: int, clips: int, refused: int, image_bytes: int, widths: Mapping[str, int]) -> dict[str, Place]:
    """The datasets of a shard, not yet placed. `widths`: bytes of the longest text in each column of TEXTS."""
    integer = np.dtype("<i8")
    places = {"values": Place(np.dtype(spec.dtype).newbyteorder("<"), (rows, *spec.shape))}
    if spec.codec == "jpeg":
        places = {"values": Place(np.dtype("u1"), (image_bytes,)), "row_offsets": Place(integer, (rows + 1,))}
    places["seconds"] = Place(np.dtype("<f8"), (rows,))
    places["valid"] = Place(np.dtype("?"), (rows,))
    places["offsets"] = Place(integer, (clips + 1,))
    for name in TEXTS:
        places[name] = Place(np.dtype(f"S{max(1, widths[name])}"), (refused if name.startswith("refused") else clips,))
    return places


@dataclass(frozen=True)
class Skeleton:
    """The bytes of a shard but for its datasets, each of which is still to be written at its place."""

    pieces: list[tuple[int, bytes]]
    """Offset and bytes, in the order of writing."""
    layout: Layout


def skeleton(spec: FeatureSpec, places: Mapping[str, Place]) -> Skeleton:
    """Let HDF5 lay out the file in memory. HDF5 itself never writes to disk: on a full disk it would fail while closing."""
    sink = _Sink()
    # Both bounds fixed, so that a newer library writes the same bytes; 1.8 stores attributes of any size and no time stamps.
    with h5py.File(sink, "w", libver=("v108", "v108"), alignment_threshold=1, alignment_interval=64) as file:
        for name, value in _attributes(spec).items():
            file.attrs[name] = value
        placed = {name: _reserve(file, name, place) for name, place in places.items()}
    return Skeleton(sink.pieces, Layout(spec, placed, sink.end))


class _Sink(io.RawIOBase):
    """Takes what HDF5 writes; the space of the datasets is reserved, never written, so this stays at some kilobytes."""

    def __init__(self) -> None:
        self.pieces: list[tuple[int, bytes]] = []
        self.end = 0
        self._at = 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.end}[whence]
        return self._at

    def truncate(self, size: int | None = None) -> int:
        self.end = self._at if size is None else size
        return self.end

    def write(self, data: Any) -> int:
        self.pieces.append((self._at, bytes(data)))
        self._at += len(data)
        self.end = max(self.end, self._at)
        return len(data)


def _attributes(spec: FeatureSpec) -> dict[str, str | int | float]:
    found: dict[str, str | int | float] = {"format_version": SHARD_FORMAT}
    for field in dataclasses.fields(spec):
        value = getattr(spec, field.name)
        if value is not None:
            found[field.name] = canonical_json(list(value)) if field.name in _TUPLES else value
    return found


def _reserve(file: Any, name: str, place: Place) -> Place:
    dtype = h5py.string_dtype("utf-8", place.dtype.itemsize) if name in TEXTS else place.dtype
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_obj_track_times(False)
    plan.set_layout(h5py.h5d.CONTIGUOUS)
    plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    space = h5py.h5s.create_simple(place.shape)
    dataset = h5py.h5d.create(file.id, name.encode(), h5py.h5t.py_create(dtype, logical=True), space, plan)
    return dataclasses.replace(place, offset=dataset.get_offset() or 0)


def read_layout(path: Path) -> Layout:
    """Read where a shard's datasets lie, through HDF5, and close the file again; WrongShard when it is not one of ours.

    OSError of the disk (no such file, no permission) passes through.
    """
    with path.open("rb") as plain:
        size = plain.seek(0, io.SEEK_END)
    try:
        with h5py.File(path, "r", locking=False) as file:
            if file.userblock_size:
                raise WrongShard("it has a user block")
            spec = _spec(file)
            return Layout(spec, _places(file, spec, size), size)
    except WrongRecord as error:
        raise WrongShard(f"{path} is not a shard of this format: {error}") from error
    except WrongShard as error:
        raise WrongShard(f"{path} is not a shard of this format: {error}; run `affectstore verify`, then build again") from error
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:  # all that HDF5 answers to a damaged file
        raise WrongShard(f"{path} is not a whole HDF5 file ({error}); run `affectstore verify`, then build again") from error


def _spec(file: Any) -> FeatureSpec:
    version = _attribute(file, "format_version")
    if version != SHARD_FORMAT:
        raise WrongShard(f"its format_version is {version!r}, expected {SHARD_FORMAT}")
    names = [field.name for field in dataclasses.fields(FeatureSpec)]
    found: dict[str, Json] = {name: _attribute(file, name) for name in names}
    for name in _TUPLES:
        found[name] = json.loads(str(found[name]))
    return check_spec(from_json(FeatureSpec, found, "spec"))


def _attribute(file: Any, name: str) -> Json:
    """One attribute of the root: text, a whole number or a float; None where it is left out. Other types are refused unread."""
    if name not in file.attrs:
        return None
    stored = file.attrs.get_id(name)
    text = h5py.check_string_dtype(stored.dtype)
    if stored.shape != () or (text is None and stored.dtype.kind not in "iuf") or stored.get_storage_size() > _LIMIT:
        raise WrongShard(f"its attribute {name} is neither a text nor a number")
    value = file.attrs[name]
    return str(value) if text is not None else value.item()


def _places(file: Any, spec: FeatureSpec, size: int) -> dict[str, Place]:
    expected = ["values", "seconds", "valid", "offsets", *TEXTS] + (["row_offsets"] if spec.codec == "jpeg" else [])
    places = {name: _place(file, name, size) for name in expected}
    for name in ("seconds", "offsets", "refused_clip_id", "values"):
        if not places[name].shape:
            raise WrongShard(f"{name} is a single value")
    counts = places["seconds"].shape[0], places["offsets"].shape[0] - 1, places["refused_clip_id"].shape[0]
    widths = {name: places[name].dtype.itemsize for name in TEXTS}
    right = places_for(spec, *counts, image_bytes=places["values"].shape[0], widths=widths)
    for name, place in right.items():
        if (places[name].dtype, places[name].shape) != (place.dtype, place.shape):
            found = f"{places[name].dtype} {places[name].shape}"
            raise WrongShard(f"{name} is {found}, expected {place.dtype} {place.shape}")
    return places


def _place(file: Any, name: str, size: int) -> Place:
    link = file.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        raise WrongShard(f"{name} is {'missing' if link is None else 'a link to elsewhere'}")
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset):
        raise WrongShard(f"{name} is not a dataset")
    plan = dataset.id.get_create_plist()
    if plan.get_layout() != h5py.h5d.CONTIGUOUS or plan.get_nfilters() or plan.get_external_count():
        raise WrongShard(f"{name} is chunked, compressed, virtual or stored in another file; expected one contiguous block")
    place = Place(dataset.dtype, tuple(dataset.shape or ()), dataset.id.get_offset() or 0)
    if place.nbytes and (not place.offset or place.offset + place.nbytes > size):
        raise WrongShard(f"{name} ends at byte {place.offset + place.nbytes} of {size}")
    return place
