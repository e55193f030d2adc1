"""HDF5 files of plain arrays: what every kind of file in a store is made of, and how such a file is
read with suspicion.

Every dataset is contiguous and uncompressed and starts at a multiple of 64 bytes, so that h5py
alone reads it, and so does a memory map at `dataset.id.get_offset()`. All numbers are
little-endian. There are no variable-length, object or reference types, no links but hard ones and
no external storage; a file that has them is refused. Same content, same bytes: no time stamps,
fixed library bounds.
"""

import dataclasses
import io
import math
import mmap
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from manifests.features import Json
from stores.records import WrongRecord

_LIMIT = 1 << 20
"""An attribute larger than this many bytes is refused unread."""


class WrongFile(ValueError):
    """A file of a store is not of the kind that it should be, or not a whole one; the message says
    what was found and expected."""


@dataclass(frozen=True)
class ArrayLayout:
    """Where one dataset lies in the file."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int = 0
    """In bytes from the start of the file; 0 for a dataset without an element."""

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class FileLayout:
    """The bytes of a file but for its datasets, each of which is still to be written at its
    layout."""

    pieces: list[tuple[int, bytes]]
    """Offset and bytes, in the order of writing."""
    arrays: dict[str, ArrayLayout]
    size: int


def lay_out(
    attributes: Mapping[str, str | int | float],
    arrays: Mapping[str, ArrayLayout],
    texts: Collection[str],
) -> FileLayout:
    """Let HDF5 lay out the file in memory. HDF5 itself never writes to disk: on a full disk it
    would fail while closing.

    `texts`: the datasets that hold UTF-8.
    """
    sink = _HeaderBuffer()
    # Both bounds fixed, so that a newer library writes the same bytes; 1.8 stores attributes of any
    # size and no time stamps.
    with h5py.File(
        sink, "w", libver=("v108", "v108"), alignment_threshold=1, alignment_interval=64
    ) as file:
        for name, value in attributes.items():
            file.attrs[name] = value
        placed = {
            name: _reserve(file, name, layout, name in texts) for name, layout in arrays.items()
        }
    return FileLayout(sink.pieces, placed, sink.end)


def write_layout(out: IO[bytes], made: FileLayout) -> None:
    """All but the datasets, to a file that then has its full size."""
    for offset, piece in made.pieces:
        write_at(out, offset, [piece])
    out.truncate(made.size)


def write_at(out: IO[bytes], offset: int, blocks: Iterable[bytes]) -> None:
    out.seek(offset)
    for block in blocks:
        out.write(block)


class _HeaderBuffer(io.RawIOBase):
    """Takes what HDF5 writes; the space of the datasets is reserved, never written, so this stays
    at some kilobytes."""

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


def _reserve(file: Any, name: str, layout: ArrayLayout, is_text: bool) -> ArrayLayout:
    dtype = h5py.string_dtype("utf-8", layout.dtype.itemsize) if is_text else layout.dtype
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_obj_track_times(False)
    plan.set_layout(h5py.h5d.CONTIGUOUS)
    plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    space = h5py.h5s.create_simple(layout.shape)
    dataset = h5py.h5d.create(
        file.id, name.encode(), h5py.h5t.py_create(dtype, logical=True), space, plan
    )
    return dataclasses.replace(layout, offset=dataset.get_offset() or 0)


@contextmanager
def open_hdf5(
    path: Path, name: str, kind: str, wrong: type[WrongFile]
) -> Iterator[tuple[Any, int]]:
    """The file through HDF5, and its size in bytes; `wrong` when it is not a whole HDF5 file, or
    when the block finds fault with it.

    `kind` names it in messages. OSError of the disk (no such file, no permission) passes through.
    """
    with path.open("rb") as plain:
        size = plain.seek(0, io.SEEK_END)
    try:
        with h5py.File(path, "r", locking=False) as file:
            if file.userblock_size:
                raise WrongFile("it has a user block")
            yield file, size
    except (WrongFile, WrongRecord) as error:
        raise wrong(
            f"{name} is not {kind} of this format: {error}; run `affectstore verify`, then build "
            "again"
        ) from error
    except (
        OSError,
        RuntimeError,
        KeyError,
        TypeError,
        ValueError,
    ) as error:  # all that HDF5 answers to a damaged file
        raise wrong(
            f"{name} is not a whole HDF5 file ({error}); run `affectstore verify`, then build again"
        ) from error


def attribute(file: Any, name: str) -> Json:
    """One attribute of the root: text, a whole number or a float; None where it is left out. Other
    types are refused unread."""
    if name not in file.attrs:
        return None
    stored = file.attrs.get_id(name)
    text = h5py.check_string_dtype(stored.dtype)
    if (
        stored.shape != ()
        or (text is None and stored.dtype.kind not in "iuf")
        or stored.get_storage_size() > _LIMIT
    ):
        raise WrongFile(f"its attribute {name} is neither a text nor a number")
    value = file.attrs[name]
    return str(value) if text is not None else value.item()


def array_layout(file: Any, name: str, size: int) -> ArrayLayout:
    """Where a dataset lies; WrongFile unless it is one contiguous block inside the file, reached by
    a hard link."""
    link = file.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        raise WrongFile(f"{name} is {'missing' if link is None else 'a link to elsewhere'}")
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset):
        raise WrongFile(f"{name} is not a dataset")
    plan = dataset.id.get_create_plist()
    if plan.get_layout() != h5py.h5d.CONTIGUOUS or plan.get_nfilters() or plan.get_external_count():
        raise WrongFile(
            f"{name} is chunked, compressed, virtual or stored in another file; expected one "
            "contiguous block"
        )
    layout = ArrayLayout(dataset.dtype, tuple(dataset.shape or ()), dataset.id.get_offset() or 0)
    if layout.nbytes and (not layout.offset or layout.offset + layout.nbytes > size):
        raise WrongFile(f"{name} ends at byte {layout.offset + layout.nbytes} of {size}")
    return layout


def map_file(path: Path, name: str, size: int, wrong: type[WrongFile]) -> mmap.mmap:
    """The file as it was when its layout was read; `wrong` when its size has changed."""
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if len(mapped) != size:
        raise wrong(
            f"{name} has {len(mapped)} bytes, expected {size}; it was changed while the store was "
            "open"
        )
    return mapped


def view(mapped: mmap.mmap, layout: ArrayLayout) -> NDArray[Any]:
    """A dataset as a read-only array over the map."""
    if not layout.nbytes:
        empty = np.empty(layout.shape, layout.dtype)
        empty.flags.writeable = False
        return empty
    count = layout.nbytes // layout.dtype.itemsize
    return np.frombuffer(mapped, layout.dtype, count, layout.offset).reshape(layout.shape)
