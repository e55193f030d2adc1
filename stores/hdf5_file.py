"""HDF5 files of plain arrays: what shards and fitted states are made of, and how they are checked.

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
import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from manifests.features import Json
from stores.parsing import WrongRecord
from stores.paths import open_plain

_LIMIT = 1 << 20
"""An attribute larger than this many bytes is refused unread."""


class WrongFile(ValueError):
    """A file of a store is not of the kind that it should be, or is not complete.

    The message says what was found and what was expected.
    """


@dataclass(frozen=True)
class ArrayLayout:
    """Where one dataset lies in the file."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int = 0
    """In bytes from the start of the file; 0 for a dataset without an element."""

    @property
    def nbytes(self) -> int:
        """Size of the dataset in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def text(self) -> str:
        """Type and shape, such as `<f4 1200x13`."""
        return f"{self.dtype.str} {'x'.join(map(str, self.shape))}"


_ARRAY = re.compile(r"([<|][biufS][1-9][0-9]{0,9}) ((?:[0-9]{1,18}(?:x[0-9]{1,18}){0,7})?)")


def array_of(text: str, offset: int = 0) -> ArrayLayout:
    """Parses the type and shape of a dataset.

    Args:
        text: As `ArrayLayout.text` gives it.
        offset: Where the dataset lies, in bytes from the start of the file.

    Returns:
        The dataset.

    Raises:
        WrongRecord: It is no such text.
    """
    match = _ARRAY.fullmatch(text)
    try:
        dtype = np.dtype(match[1] if match else "")
    except TypeError:
        match = None
    if match is None:
        raise WrongRecord(f"{text[:40]!r} is no type and shape, expected such as '<f4 1200x13'")
    return ArrayLayout(dtype, tuple(map(int, filter(None, match[2].split("x")))), offset)


@dataclass(frozen=True)
class FileLayout:
    """The bytes of a file but for its datasets, each of which is still to be written."""

    pieces: list[tuple[int, bytes]]
    """Offset and bytes, apart from each other."""
    arrays: dict[str, ArrayLayout]
    """Where each dataset goes."""
    size: int
    """Of the complete file, in bytes."""

    def is_of(self, path: Path) -> bool:
        """Whether a file is laid out so, byte by byte but for its datasets.

        It then holds what HDF5 itself wrote into memory here, and needs to be opened by nobody.

        Args:
            path: The file.

        Returns:
            True where size and structure are the same.

        Raises:
            WrongPlace: It is no plain file.
            FileNotFoundError: It is not there.
        """
        with open_plain(path) as file:
            if file.seek(0, io.SEEK_END) != self.size:
                return False
            return all(_read_at(file, at, len(piece)) == piece for at, piece in self.pieces)


def lay_out(
    attributes: Mapping[str, str | int | float],
    arrays: Mapping[str, ArrayLayout],
    texts: Collection[str],
) -> FileLayout:
    """Lets HDF5 lay out a file in memory.

    HDF5 itself never writes to disk: on a full disk it would fail while closing.

    Args:
        attributes: Of the root, by name.
        arrays: Type and shape of each dataset, not yet placed.
        texts: Names of the datasets that hold UTF-8.

    Returns:
        The layout of the file.
    """
    sink = _HeaderBuffer()
    # Both bounds fixed, so that a newer library writes the same bytes; 1.8 stores attributes of any
    # size and no time stamps.
    with h5py.File(
        sink, "w", libver=("v108", "v108"), alignment_threshold=1, alignment_interval=64
    ) as file:
        _set_attributes(h5py.h5g.open(file.id, b"/"), attributes)
        plan = _plain_dataset()
        placed = {n: _reserve(file, n, at, n in texts, plan) for n, at in arrays.items()}
    return FileLayout(_apart(sink.pieces), placed, sink.end)


def _apart(pieces: Sequence[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Joins pieces that touch each other; of those that overlap, the one written last stays."""
    starts, blocks, end = list[int](), list[bytearray](), -1
    for at, data in sorted(pieces, key=itemgetter(0)):
        if at > end:
            starts.append(at)
            blocks.append(bytearray())
            end = at
        end = max(end, at + len(data))
        blocks[-1].extend(bytes(end - starts[-1] - len(blocks[-1])))
    for at, data in pieces:
        number = bisect_right(starts, at) - 1
        begin = at - starts[number]
        blocks[number][begin : begin + len(data)] = data
    return [(at, bytes(block)) for at, block in zip(starts, blocks, strict=True)]


def _read_at(file: IO[bytes], offset: int, size: int) -> bytes:
    file.seek(offset)
    return file.read(size)


def write_layout(out: IO[bytes], made: FileLayout, blocks: Mapping[str, Iterable[Any]]) -> None:
    """Writes a file by its layout.

    Args:
        out: The new file.
        made: Its layout.
        blocks: Name of a dataset -> what it holds, in order: bytes, or contiguous arrays. All
            numbers are little-endian.
    """
    for offset, piece in made.pieces:
        _write_at(out, offset, [piece])
    out.truncate(made.size)
    for name, layout in made.arrays.items():
        if layout.nbytes:
            _write_at(out, layout.offset, blocks[name])


def _write_at(out: IO[bytes], offset: int, blocks: Iterable[Any]) -> None:
    out.seek(offset)
    out.writelines(blocks)


def text_column(texts: Iterable[str]) -> NDArray[np.bytes_]:
    """Encodes texts for a dataset of fixed-length UTF-8.

    Args:
        texts: Without NUL characters.

    Returns:
        (texts,) the bytes of each.
    """
    encoded = [text.encode() for text in texts]
    return np.array(encoded, dtype=f"S{max(map(len, encoded), default=0) or 1}")


class _HeaderBuffer(io.RawIOBase):
    """Takes what HDF5 writes: some kilobytes, for the datasets are reserved and never written."""

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


def _set_attributes(root: Any, attributes: Mapping[str, str | int | float]) -> None:
    """What `file.attrs[name] = value` does to a new file, in a quarter of the time."""
    text, scalar = h5py.string_dtype(), h5py.h5s.create_simple(())
    of_text = _types(text)
    for name, value in attributes.items():
        is_text = isinstance(value, str)
        data = np.array(value, text) if is_text else np.asarray(value)
        stored, given = of_text if is_text else _types(data.dtype)
        h5py.h5a.create(root, name.encode(), stored, scalar).write(data, mtype=given)


def _types(dtype: np.dtype[Any]) -> tuple[Any, Any]:
    return h5py.h5t.py_create(dtype, logical=True), h5py.h5t.py_create(dtype)


def _plain_dataset() -> Any:
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_obj_track_times(False)
    plan.set_layout(h5py.h5d.CONTIGUOUS)
    plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    return plan


def _reserve(file: Any, name: str, layout: ArrayLayout, is_text: bool, plan: Any) -> ArrayLayout:
    dtype = h5py.string_dtype("utf-8", layout.dtype.itemsize) if is_text else layout.dtype
    space = h5py.h5s.create_simple(layout.shape)
    dataset = h5py.h5d.create(
        file.id, name.encode(), h5py.h5t.py_create(dtype, logical=True), space, plan
    )
    return dataclasses.replace(layout, offset=dataset.get_offset() or 0)


@contextmanager
def open_hdf5(
    path: Path, name: str, kind: str, wrong: type[WrongFile]
) -> Iterator[tuple[Any, int]]:
    """Opens a file through HDF5, which may never return where the file is damaged.

    Args:
        path: The file.
        name: The file, as messages name it.
        kind: What it should be, as messages name it, such as `a shard`.
        wrong: The error to raise.

    Yields:
        The open HDF5 file, and its size in bytes.

    Raises:
        WrongFile: It is not a complete HDF5 file, or the block finds fault with it; of the type
            `wrong`.
        OSError: The disk fails: no such file, no permission.
    """
    with open_plain(path) as plain:
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
    # All that HDF5 answers to a damaged file:
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise wrong(
            f"{name} is not a whole HDF5 file ({error}); run `affectstore verify`, then build again"
        ) from error


def attribute(file: Any, name: str) -> Json:
    """Reads an attribute of the root.

    Args:
        file: An open HDF5 file.
        name: Of the attribute.

    Returns:
        Text, an integer or a float; None where it is left out.

    Raises:
        WrongFile: It is of another type, or too large, and is not read.
    """
    attributes = file.attrs  # which h5py looks up anew each time
    if name not in attributes:
        return None
    stored = attributes.get_id(name)
    is_text = h5py.check_string_dtype(stored.dtype) is not None
    is_plain = stored.shape == () and (is_text or stored.dtype.kind in "iuf")
    if not is_plain or stored.get_storage_size() > _LIMIT:
        raise WrongFile(f"its attribute {name} is neither a text nor a number")
    value = attributes[name]
    return str(value) if is_text else value.item()


def array_layout(file: Any, name: str, size: int) -> ArrayLayout:
    """Finds where a dataset lies.

    Args:
        file: An open HDF5 file.
        name: Of the dataset.
        size: Of the file, in bytes.

    Returns:
        Its type, shape and place.

    Raises:
        WrongFile: It is not one contiguous block inside the file, reached by a hard link.
    """
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


def map_arrays(
    path: Path,
    name: str,
    layouts: Mapping[str, ArrayLayout],
    size: int,
    wrong: type[WrongFile],
) -> dict[str, NDArray[Any]]:
    """Maps the datasets of a file into memory; whatever the layout says, nothing else is read.

    Args:
        path: The file.
        name: The file, as messages name it.
        layouts: Where its datasets lie.
        size: Of the file in bytes, when its layout was read or recorded.
        wrong: The error to raise.

    Returns:
        Read-only arrays over the file, by name; nothing is read before it is touched.

    Raises:
        WrongFile: The file has another size; of the type `wrong`.
        WrongPlace: It is no plain file.
        FileNotFoundError: It is not there.
    """
    with open_plain(path) as file:
        found = file.seek(0, io.SEEK_END)
        if found != size or not size:
            raise wrong(
                f"{name} has {found} bytes, expected {size}; it was changed afterwards, run "
                "`affectstore verify`"
            )
        mapped = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
    return {each: _view(mapped, layout) for each, layout in layouts.items()}


def _view(mapped: mmap.mmap, layout: ArrayLayout) -> NDArray[Any]:
    if not layout.nbytes:
        empty = np.empty(layout.shape, layout.dtype)
        empty.flags.writeable = False
        return empty
    count = layout.nbytes // layout.dtype.itemsize
    return np.frombuffer(mapped, layout.dtype, count, layout.offset).reshape(layout.shape)
