"""A shard opened for reading: arrays over a memory map.

No HDF5 handle stays open, so processes may fork as they like.
"""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from manifests.features import FeatureSpec, Json
from manifests.quarantine import BadClip, Reason
from manifests.tracks import Track
from stores.hdf5_file import map_arrays
from stores.location import Location, fault_of
from stores.paths import MissingFile, key_of, sha256_of
from stores.records import ShardRecord
from stores.shard_layout import (
    ShardLayout,
    WrongShard,
    read_layout,
    recorded_layout,
    sizes_of,
)


class Entry(NamedTuple):
    """One stored clip of a shard."""

    clip_id: str
    start: int
    """Its first row."""
    rows: int
    valid_rows: int
    notes: tuple[str, ...]


class Refusal(NamedTuple):
    """One clip that the shard was to hold and has no value for."""

    clip_id: str
    reason: str
    detail: str


class Shard:
    """The arrays of one shard: read-only views of the file, of which nothing is read untouched."""

    def __init__(self, location: Location, file: str, layout: ShardLayout | None = None) -> None:
        """Maps a published shard; see `open_shard` for one that a snapshot lists.

        Args:
            location: Where the store lies.
            file: Path of the shard below the store's root; the file lies on this machine.
            layout: Where its datasets lie; None: HDF5 is asked, in another process.

        Raises:
            WrongShard: The file is not a shard.
            WrongPlace: It is a link, or no plain file.
            FileNotFoundError: It is not there.
        """
        self.location, self.file = location, file
        self.path, self.name = location.path(file), location.display(file)
        self.layout = layout or read_layout(self.path, self.name)
        arrays = map_arrays(self.path, self.name, self.layout.arrays, self.layout.size, WrongShard)
        self.values, self.seconds, self.valid = arrays["values"], arrays["seconds"], arrays["valid"]
        self._arrays = arrays
        self._raw = self.spec.codec == "raw"

    def __reduce__(self) -> tuple[type["Shard"], tuple[Location, str]]:
        return Shard, (self.location, self.file)

    @property
    def spec(self) -> FeatureSpec:
        """The feature that the shard holds."""
        return self.layout.spec

    @cached_property
    def entries(self) -> list[Entry]:
        """The stored clips, in order; WrongShard where the offsets do not fit the rows."""
        offsets = self.offsets("offsets", len(self.seconds))
        counted = np.concatenate([[0], np.cumsum(self.valid, dtype=np.int64)])
        valid = counted[offsets[1:]] - counted[offsets[:-1]]
        columns = (
            self._texts("clip_id"),
            offsets[:-1].tolist(),
            np.diff(offsets).tolist(),
            valid.tolist(),
            map(split_notes, self._texts("notes")),
        )
        return [Entry(*row) for row in zip(*columns, strict=True)]

    @cached_property
    def refused(self) -> list[Refusal]:
        """The clips without a value, in order."""
        columns = (self._texts(f"refused_{what}") for what in ("clip_id", "reason", "detail"))
        return [Refusal(*row) for row in zip(*columns, strict=True)]

    @cached_property
    def _where(self) -> dict[str, Entry]:
        return {entry.clip_id: entry for entry in self.entries}

    def track(self, clip_id: str, decode: bool = True) -> Track:
        """Reads the track of a clip.

        Args:
            clip_id: The clip.
            decode: JPEG rows become (time, height, width, 3) uint8 RGB; else they stay `bytes`.

        Returns:
            The track.

        Raises:
            KeyError: The shard does not hold the clip.
            WrongShard: An image is damaged.
        """
        entry = self._where[clip_id]
        return self.slice(entry.start, entry.start + entry.rows, entry.notes, decode)

    def outcome(self, clip_id: str) -> Track | BadClip:
        """Reads what the shard says of a clip that it was made for.

        Args:
            clip_id: The clip.

        Returns:
            Its track, with images as they are stored; or why it has none.

        Raises:
            KeyError: The shard was not made for the clip.
        """
        if refusal := self._refusals.get(clip_id):
            return BadClip(clip_id, Reason(refusal.reason), refusal.detail)
        return self.track(clip_id, decode=False)

    @cached_property
    def _refusals(self) -> dict[str, Refusal]:
        return {refusal.clip_id: refusal for refusal in self.refused}

    def slice(self, start: int, stop: int, notes: tuple[str, ...], decode: bool = True) -> Track:
        """Reads a span of rows.

        Args:
            start: Its first row.
            stop: The row after its last one.
            notes: Of the clip whose rows these are.
            decode: JPEG rows become (time, height, width, 3) uint8 RGB; else they stay `bytes`.

        Returns:
            A track; raw values are views of the file, not copies.
        """
        rows = slice(start, stop)
        values = self.values[rows] if self._raw else self._images(start, stop, decode)
        return Track(values, self.seconds[rows], self.valid[rows], notes)

    def record(self) -> ShardRecord:
        """The shard as a snapshot lists it; every byte is read, for the hash."""
        return ShardRecord(
            self.file,
            clips=len(self._arrays["offsets"]) - 1,
            rows=len(self.seconds),
            bytes=self.layout.size,
            sha256=sha256_of(self.path),
            sizes=sizes_of(self.layout),
        )

    def check_clips(self, places: Iterable[tuple[str, int, int]]) -> None:
        """Checks that clips lie where an index says: two shards may have been exchanged.

        Args:
            places: (clip id, first row, number of rows) of some clips.

        Raises:
            WrongShard: A clip is not in the shard, or has other rows.
        """
        offsets = self.offsets("offsets", len(self.seconds)).tolist()
        numbers = {clip_id: number for number, clip_id in enumerate(self._texts("clip_id"))}
        for clip_id, start, rows in places:
            number = numbers.get(clip_id)
            if number is None or offsets[number : number + 2] != [start, start + rows]:
                has = "no such clip" if number is None else f"it at row {offsets[number]}"
                raise WrongShard(
                    f"the index places {self.spec.name} of {clip_id} at row {start} of "
                    f"{self.name}, which has {has}: the file is not the one that was recorded; "
                    f"run `affectstore verify {self.location}`"
                )

    def offsets(self, name: str, last: int) -> NDArray[np.int64]:
        """Reads an array of offsets.

        Args:
            name: Of the dataset.
            last: What its last offset must be.

        Returns:
            (items + 1,) offsets.

        Raises:
            WrongShard: They do not rise from 0 to `last`.
        """
        offsets: NDArray[np.int64] = self._arrays[name]
        if offsets[0] != 0 or offsets[-1] != last or (np.diff(offsets) < 0).any():
            raise WrongShard(
                f"{name} of {self.name} does not rise from 0 to {last}; build the store again"
            )
        return offsets

    def check_offsets(self) -> None:
        """Checks the offsets of clips, and of images where there are any.

        Raises:
            WrongShard: They do not rise from 0 to the last row or byte.
        """
        self.offsets("offsets", len(self.seconds))
        if not self._raw:
            self.offsets("row_offsets", len(self.values))

    def _images(self, start: int, stop: int, decode: bool) -> NDArray[Any]:
        bounds = self._arrays["row_offsets"][start : stop + 1].tolist()
        encoded = np.empty(stop - start, dtype=object)
        for i in range(stop - start):
            encoded[i] = self.values[bounds[i] : bounds[i + 1]].tobytes()
        if not decode:
            return encoded
        return decode_images(encoded, self.spec.shape, f"rows {start} to {stop} of {self.name}")

    def _texts(self, name: str) -> list[str]:
        try:
            return [text.decode() for text in self._arrays[name].tolist()]
        except UnicodeDecodeError as error:
            raise WrongShard(
                f"{name} of {self.name} is not UTF-8; build the store again"
            ) from error


def shard_key(
    fingerprint: str,
    clips: Iterable[tuple[str, str]],
    reading: Mapping[str, Json] | None = None,
) -> str:
    """Names the shard that holds a feature of some clips.

    The shard lies at shards/<feature>/<fingerprint>/<key>.h5 below the store's root.

    Args:
        fingerprint: Of the feature.
        clips: (clip id, sha256 of its file) of each clip, in any order.
        reading: How clips are read, where media are. It changes no value, but it decides which
            clips are refused, and a shard holds the refusals as well.

    Returns:
        32 hex digits.
    """
    held: dict[str, Json] = {
        "fingerprint": fingerprint,
        "clips": [list(clip) for clip in sorted(clips)],
    }
    return key_of({**held, "reading": dict(reading)} if reading else held)


def split_notes(notes: str) -> tuple[str, ...]:
    """Splits the notes of a track.

    Args:
        notes: Their one text in a table or shard.

    Returns:
        The notes.
    """
    return tuple(notes.split(",")) if notes else ()


def decode_images(encoded: NDArray[Any], shape: tuple[int, ...], where: str) -> NDArray[np.uint8]:
    """Decodes images.

    Args:
        encoded: (time,) JPEG images as `bytes`, some of them empty.
        shape: (height, width, 3) of each image.
        where: The images, as messages name them.

    Returns:
        (time, height, width, 3) uint8 RGB, zeros where empty.

    Raises:
        WrongShard: One is not a JPEG image of this shape.
        ImportError: OpenCV is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        raise ImportError(
            "these images are stored as JPEG and OpenCV is not installed: in a clone of "
            "affectstore, pip install '.[images]'"
        ) from error
    # cv2 must not turn the image by its EXIF tag: rows are stored as they are shown.
    how = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    decoded = np.zeros((len(encoded), *shape), np.uint8)
    for i, data in enumerate(encoded):
        if not data:
            continue
        image = cv2.imdecode(np.frombuffer(data, np.uint8), how)
        if image is None or image.shape != shape:
            found = "not a JPEG image" if image is None else f"an image of shape {image.shape}"
            raise WrongShard(
                f"{where} hold {found} at row {i}, expected shape {shape}; run `affectstore verify`"
            )
        decoded[i] = image[:, :, ::-1]
    return decoded


def open_shard(location: Location, spec: FeatureSpec, record: ShardRecord) -> Shard:
    """Maps a shard that a snapshot lists, which lies on this machine.

    Where the snapshot says enough to lay out the file anew, HDF5 does not open it: its structure is
    compared with what it must be, byte by byte.

    Args:
        location: Where the store lies.
        spec: The feature.
        record: The shard.

    Returns:
        The shard.

    Raises:
        WrongShard: It is not the file that was recorded.
        WrongPlace: It is a link, or no plain file.
        MissingFile: It is not there.
    """
    path, name = location.path(record.file), location.display(record.file)
    if not path.exists():
        raise MissingFile(name)
    made = recorded_layout(spec, record)
    if made is not None and made.is_of(path):
        return Shard(location, record.file, ShardLayout(spec, made.arrays, made.size))
    # Another version of HDF5 may lay out a file in another way: its hash says that it is sound.
    if made is not None and (fault := fault_of(location, record)):
        raise WrongShard(fault)
    shard = Shard(location, record.file)
    if (shard.spec, len(shard.seconds), shard.layout.size) != (spec, record.rows, record.bytes):
        raise WrongShard(
            f"{name} is not the file that the snapshot recorded; run `affectstore verify "
            f"{location}`"
        )
    return shard
