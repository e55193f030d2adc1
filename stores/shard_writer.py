"""Writing a shard: clips in any order, memory flat, the same bytes every time."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, Any, NoReturn, Self

import numpy as np
from numpy.typing import NDArray

from manifests.features import FeatureSpec
from manifests.quarantine import BadClip, Reason
from manifests.tracks import Track
from stores.atomic import make_folder, publishing
from stores.hdf5_file import text_column, write_layout
from stores.laid_out import remember
from stores.location import Location
from stores.paths import sha256_of
from stores.records import ShardRecord, check_spec
from stores.shard import Refusal
from stores.shard_layout import TEXTS, ShardLayout, lay_out_shard, shard_arrays, sizes_of

_COLUMNS = ("values", "seconds", "valid")
_MOST_HELD = 1 << 25
"""Bytes of added rows that stay in memory: beyond them they go to the disk."""
Column = NDArray[Any] | range
"""Rows of a clip: in memory, or which bytes of a spool they are."""


@dataclass(frozen=True)
class _AddedClip:
    """One added clip."""

    clip_id: str
    notes: str
    rows: int
    columns: dict[str, Column]
    image_bytes: list[int]
    """Length of the JPEG image of each row; empty for raw values."""


class ShardWriter:
    """Writes one shard and publishes it when its block ends without an exception.

        with ShardWriter(location, file, spec) as shard:
            shard.add("ravdess/03-01-05-01-01-01-12", track)
            shard.refuse(bad_clip)
        shard.record

    Rows are kept in memory, and where they are many in unnamed files beside the shard, which vanish
    with the process; at the end they are laid down in the order of the clip ids, so that the order
    of adding changes no byte. An exception in the block, a full disk included, publishes nothing.
    """

    record: ShardRecord
    """What was published; there once the block has ended."""

    def __init__(self, location: Location, file: str, spec: FeatureSpec) -> None:
        """Plans a shard; nothing is written before the block is entered.

        Args:
            location: Where the store lies.
            file: Path of the shard below its root.
            spec: The feature that the shard will hold.

        Raises:
            WrongRecord: The spec lays out no array, or the path leads out of the store.
        """
        self.file, self.spec = file, check_spec(spec)
        self.path = location.path(file)
        self._dtype = np.dtype(spec.dtype)
        self._parts: dict[str, _AddedClip] = {}
        self._refused: dict[str, Refusal] = {}
        self._is_open = False
        self._held = 0
        """Bytes of rows in memory."""
        self._spools = ExitStack()
        """Closes the spools at the end."""
        self._spooled: dict[str, IO[bytes]] = {}

    def __enter__(self) -> Self:
        make_folder(self.path.parent)
        self._is_open = True
        return self

    def __exit__(self, kind: type[BaseException] | None, *details: object) -> None:
        try:
            if kind is None:
                self._publish()
        finally:
            self._is_open = False
            self._spools.close()
            self._parts.clear()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a ShardWriter belongs to one process; send the shard's file and spec, and open the "
            "writer there"
        )

    def add(self, clip_id: str, track: Track) -> None:
        """Adds the track of one clip.

        Args:
            clip_id: The clip.
            track: Its track, with images as JPEG bytes where the spec says jpeg.

        Raises:
            BadClip: A valid row is not finite.
            ValueError: The track is not what the spec declares, or the clip comes twice.
        """
        self._check_new(clip_id)
        self._check_axes(clip_id, track)
        lengths: list[int] = []
        if self.spec.codec == "jpeg":
            lengths = self._image_bytes(clip_id, track)
            values: NDArray[Any] = np.frombuffer(b"".join(track.values), np.uint8)
        else:
            values = self._raw_values(clip_id, track)
        columns = {
            "values": values,
            "seconds": track.seconds.astype("<f8", copy=False),
            "valid": track.valid,
        }
        notes, own = _join_notes(track.notes), {n: _own(column) for n, column in columns.items()}
        self._parts[clip_id] = _AddedClip(clip_id, notes, len(track), {**own}, lengths)
        self._held += sum(column.nbytes for column in own.values())
        if self._held > _MOST_HELD:
            self._spool()

    def refuse(self, bad: BadClip) -> None:
        """Adds a clip that has no value, and why: a killed build then need not try it again.

        Args:
            bad: The clip and its fault.

        Raises:
            ValueError: The clip comes twice.
        """
        self._check_new(bad.clip_id)
        # A fixed-length text ends at its first NUL.
        self._refused[bad.clip_id] = Refusal(
            bad.clip_id, str(bad.reason), bad.detail.replace("\0", " ")
        )

    def _check_new(self, clip_id: str) -> None:
        if not self._is_open:
            raise ValueError(
                f"{self.file} is not open for writing; use `with ShardWriter(...) as shard:` and "
                "add clips inside the block"
            )
        if clip_id in self._parts or clip_id in self._refused:
            raise ValueError(
                f"{clip_id} comes twice for {self.file}; a clip has one track, or one refusal, a "
                "shard"
            )
        if not clip_id or "\0" in clip_id:
            raise ValueError(f"{clip_id!r} is not a clip id; expected `corpus/stem`")

    def _check_axes(self, clip_id: str, track: Track) -> None:
        name, rows = self.spec.name, (len(track),)
        if track.seconds.dtype != np.float64 or not np.isfinite(track.seconds).all():
            raise ValueError(
                f"{name} of {clip_id} has seconds of {track.seconds.dtype}, or not finite; "
                "expected finite float64"
            )
        if track.valid.dtype != np.bool_ or track.valid.shape != rows:
            raise ValueError(
                f"{name} of {clip_id} has valid as {track.valid.dtype} {track.valid.shape}, "
                f"expected bool {rows}"
            )

    def _raw_values(self, clip_id: str, track: Track) -> NDArray[Any]:
        name, values, shape = self.spec.name, track.values, (len(track), *self.spec.shape)
        if values.dtype != self._dtype:
            raise ValueError(
                f"{name} is declared {self._dtype}, got {values.dtype} for {clip_id}; cast it in "
                "the extractor"
            )
        if values.shape != shape:
            raise ValueError(
                f"{name} is declared (time, {', '.join(map(str, self.spec.shape))}), got "
                f"{values.shape} for {clip_id}"
            )
        if values.dtype.kind == "f" and (bad := count_not_finite(values, track.valid)):
            raise BadClip(
                clip_id,
                Reason.NOT_FINITE,
                f"{bad} of {int(track.valid.sum())} valid rows of {name} are not finite",
            )
        return values.astype(self._dtype.newbyteorder("<"), copy=False)

    def _image_bytes(self, clip_id: str, track: Track) -> list[int]:
        images = track.values
        if images.ndim != 1 or not all(isinstance(image, bytes) for image in images):
            raise ValueError(
                f"{self.spec.name} is stored as JPEG: expected (time,) objects of bytes, got "
                f"{images.dtype} {images.shape} for {clip_id}"
            )
        lengths = [len(image) for image in images]
        if [length > 0 for length in lengths] != track.valid.tolist():
            raise ValueError(
                f"{self.spec.name} of {clip_id} must hold an image where valid is True, and none "
                "where it is False"
            )
        return lengths

    def _spool(self) -> None:
        """Takes the rows in memory to the disk."""
        for name in _COLUMNS:
            if name not in self._spooled:
                new = tempfile.TemporaryFile(dir=self.path.parent)  # noqa: SIM115  (see _spools)
                self._spooled[name] = self._spools.enter_context(new)
            spool = self._spooled[name]
            for part in self._parts.values():
                column = part.columns[name]
                if not isinstance(column, range):
                    start = spool.seek(0, os.SEEK_END)
                    spool.write(column.data)
                    part.columns[name] = range(start, spool.tell())
        self._held = 0

    def _publish(self) -> None:
        parts = [self._parts[clip_id] for clip_id in sorted(self._parts)]
        small = self._small_columns(parts)
        widths = {name: small[name].dtype.itemsize for name in TEXTS}
        rows, image_bytes = (int(small[name][-1]) for name in ("offsets", "row_offsets"))
        plan = lay_out_shard(
            self.spec,
            shard_arrays(self.spec, rows, len(parts), len(self._refused), image_bytes, widths),
        )
        rows_of = {name: self._blocks(name, parts) for name in _COLUMNS}
        blocks = {**{name: [column] for name, column in small.items()}, **rows_of}
        with publishing(self.path) as hidden:
            with hidden.open("wb") as out:
                write_layout(out, plan, blocks)
            sha256 = sha256_of(hidden)
        layout = ShardLayout(self.spec, plan.arrays, plan.size)
        remember(self.path, plan, layout)
        self.record = ShardRecord(self.file, len(parts), rows, plan.size, sha256, sizes_of(layout))

    def _blocks(self, name: str, parts: list[_AddedClip]) -> Iterator[Any]:
        for part in parts:
            column = part.columns[name]
            if isinstance(column, range):
                spool = self._spooled[name]
                spool.seek(column.start)
                yield spool.read(len(column))
            elif column.nbytes:
                yield column.data

    def _small_columns(self, parts: list[_AddedClip]) -> dict[str, NDArray[Any]]:
        refused = [self._refused[clip_id] for clip_id in sorted(self._refused)]
        columns = {
            "offsets": _running([part.rows for part in parts]),
            "row_offsets": _running([size for part in parts for size in part.image_bytes]),
            "clip_id": text_column(part.clip_id for part in parts),
            "notes": text_column(part.notes for part in parts),
        }
        for field in Refusal._fields:
            columns[f"refused_{field}"] = text_column(
                getattr(refusal, field) for refusal in refused
            )
        return columns


def count_not_finite(values: NDArray[Any], valid: NDArray[np.bool_]) -> int:
    """Counts valid rows that hold a value which is infinite or not a number.

    Args:
        values: (time, ...) floats.
        valid: (time,) which rows are looked at.

    Returns:
        How many.
    """
    are_finite = np.isfinite(values)
    if are_finite.all():
        return 0
    finite = are_finite.all(axis=tuple(range(1, values.ndim)))
    return int((~finite & valid).sum())


def _own(column: NDArray[Any]) -> NDArray[Any]:
    """A contiguous column that is no part of a larger array, which it would keep in memory."""
    whole = np.ascontiguousarray(column)
    return whole if whole.base is None else whole.copy()


def _running(lengths: list[int]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype("<i8")


def _join_notes(notes: tuple[str, ...]) -> str:
    if any("," in note or "\0" in note or not note for note in notes):
        raise ValueError(
            f"the notes {notes!r} cannot be told apart in one text; expected words without commas"
        )
    return ",".join(notes)
