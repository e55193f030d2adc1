"""Writing a shard: clips in any order, memory flat, the same bytes every time."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any, NamedTuple, NoReturn, Self

import numpy as np
from numpy.typing import NDArray

from manifests.features import FeatureSpec
from manifests.quarantine import BadClip, Reason
from manifests.tracks import Track
from stores.atomic import make_folder, publishing
from stores.hdf5_file import ArrayLayout, write_at, write_layout
from stores.location import Location
from stores.records import ShardRecord, check_spec, sha256_of
from stores.shard import Refusal
from stores.shard_layout import TEXTS, lay_out_shard, shard_arrays

_BLOCK = 1 << 22
_SPOOLED = ("values", "seconds", "valid")


class _SpoolSpan(NamedTuple):
    start: int
    stop: int


@dataclass(frozen=True)
class _SpooledClip:
    """One added clip: where its bytes lie in each spool."""

    clip_id: str
    notes: str
    rows: int
    spans: dict[str, _SpoolSpan]
    image_bytes: NDArray[np.int64]
    """(time,) length of each JPEG image; empty for raw values."""


class ShardWriter:
    """Writes one shard and publishes it when its block ends without an exception.

        with ShardWriter(location, file, spec) as shard:
            shard.add("ravdess/03-01-05-01-01-01-12", track)
            shard.refuse(bad_clip)
        shard.record

    Rows go to unnamed files beside the shard, which vanish with the process; at the end they are
    laid down in the order of the clip ids, so that the order of adding changes no byte. An
    exception in the block, a full disk included, publishes nothing.
    """

    record: ShardRecord
    """What was published; there once the block has ended."""

    def __init__(self, location: Location, file: str, spec: FeatureSpec) -> None:
        self.file, self.spec = file, check_spec(spec)
        self.path = location.path(file)
        self._dtype = np.dtype(spec.dtype)
        self._parts: dict[str, _SpooledClip] = {}
        self._refused: dict[str, Refusal] = {}
        self._open = ExitStack()
        self._spools: dict[str, IO[bytes]] = {}

    def __enter__(self) -> Self:
        make_folder(self.path.parent)
        for name in _SPOOLED:
            self._spools[name] = self._open.enter_context(
                tempfile.TemporaryFile(dir=self.path.parent)
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._publish()
        finally:
            self._spools.clear()
            self._open.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a ShardWriter belongs to one process; send the shard's file and spec, and open the "
            "writer there"
        )

    def add(self, clip_id: str, track: Track) -> None:
        """Append one clip. BadClip when a valid row is not finite; ValueError when the track is not
        what the spec declares."""
        self._check_new(clip_id)
        self._check_axes(clip_id, track)
        lengths = np.empty(0, np.int64)
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
        spans = {name: self._spool(name, column) for name, column in columns.items()}
        self._parts[clip_id] = _SpooledClip(
            clip_id, _join_notes(track.notes), len(track), spans, lengths
        )

    def refuse(self, bad: BadClip) -> None:
        """Write down that a clip has no value, and why; a killed build then knows it without trying
        again."""
        self._check_new(bad.clip_id)
        # A fixed-length text ends at its first NUL.
        self._refused[bad.clip_id] = Refusal(
            bad.clip_id, str(bad.reason), bad.detail.replace("\0", " ")
        )

    def _check_new(self, clip_id: str) -> None:
        if not self._spools:
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

    def _image_bytes(self, clip_id: str, track: Track) -> NDArray[np.int64]:
        images = track.values
        if images.ndim != 1 or not all(isinstance(image, bytes) for image in images):
            raise ValueError(
                f"{self.spec.name} is stored as JPEG: expected (time,) objects of bytes, got "
                f"{images.dtype} {images.shape} for {clip_id}"
            )
        lengths = np.fromiter((len(image) for image in images), np.int64, len(images))
        if ((lengths > 0) != track.valid).any():
            raise ValueError(
                f"{self.spec.name} of {clip_id} must hold an image where valid is True, and none "
                "where it is False"
            )
        return lengths

    def _spool(self, name: str, column: NDArray[Any]) -> _SpoolSpan:
        spool = self._spools[name]
        start = spool.tell()
        spool.write(np.ascontiguousarray(column).tobytes())
        return _SpoolSpan(start, spool.tell())

    def _publish(self) -> None:
        parts = [self._parts[clip_id] for clip_id in sorted(self._parts)]
        small = self._small_columns(parts)
        widths = {name: small[name].dtype.itemsize for name in TEXTS}
        image_bytes = sum(int(part.image_bytes.sum()) for part in parts)
        rows = sum(part.rows for part in parts)
        plan = lay_out_shard(
            self.spec,
            shard_arrays(self.spec, rows, len(parts), len(self._refused), image_bytes, widths),
        )
        with publishing(self.path) as hidden:
            with hidden.open("wb") as out:
                write_layout(out, plan)
                self._fill(out, plan.arrays, parts, small)
            record = ShardRecord(self.file, len(parts), rows, plan.size, sha256_of(hidden))
        self.record = record

    def _fill(
        self,
        out: IO[bytes],
        arrays: dict[str, ArrayLayout],
        parts: list[_SpooledClip],
        small: dict[str, NDArray[Any]],
    ) -> None:
        for name, layout in arrays.items():
            if layout.nbytes:
                blocks = (
                    iter([small[name].tobytes()]) if name in small else self._blocks(name, parts)
                )
                write_at(out, layout.offset, blocks)

    def _blocks(self, name: str, parts: list[_SpooledClip]) -> Iterator[bytes]:
        spool = self._spools[name]
        for part in parts:
            start, stop = part.spans[name]
            spool.seek(start)
            for at in range(start, stop, _BLOCK):
                yield spool.read(min(_BLOCK, stop - at))

    def _small_columns(self, parts: list[_SpooledClip]) -> dict[str, NDArray[Any]]:
        refused = [self._refused[clip_id] for clip_id in sorted(self._refused)]
        columns = {
            "offsets": _running([part.rows for part in parts]),
            "row_offsets": _running(
                np.concatenate([np.empty(0, np.int64), *(part.image_bytes for part in parts)])
            ),
            "clip_id": _texts(part.clip_id for part in parts),
            "notes": _texts(part.notes for part in parts),
        }
        for field in Refusal._fields:
            columns[f"refused_{field}"] = _texts(getattr(refusal, field) for refusal in refused)
        return columns


def count_not_finite(values: NDArray[Any], valid: NDArray[np.bool_]) -> int:
    """How many valid rows hold a value that is infinite or not a number."""
    finite = np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
    return int((~finite & valid).sum())


def _running(lengths: NDArray[np.int64] | list[int]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype("<i8")


def _texts(texts: Iterable[str]) -> NDArray[np.bytes_]:
    encoded = [text.encode() for text in texts]
    return np.array(encoded, dtype=f"S{max(map(len, encoded), default=0) or 1}")


def _join_notes(notes: tuple[str, ...]) -> str:
    if any("," in note or "\0" in note or not note for note in notes):
        raise ValueError(
            f"the notes {notes!r} cannot be told apart in one text; expected words without commas"
        )
    return ",".join(notes)
