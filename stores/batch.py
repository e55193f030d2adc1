"""Batches: items of a dataset as padded, writable NumPy arrays."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, NotRequired, TypedDict, cast

import numpy as np
from numpy.typing import NDArray

from manifests.tracks import Track
from stores.align_plans import ResampledTrack
from stores.resampling import all_true
from stores.reused_arrays import empty
from stores.shared_batch import Shape, SharedBatch, can_share

Target = str | float | NDArray[np.float32] | None
"""The label of a clip: the name of a class; the share of each class in its votes, (class,); a
number, or several, (value,). None where it has no label."""
Example = tuple[str, dict[str, Track], Target]
"""Clip id, tracks by feature, and label: what a batch is made of."""


class _ItemFields(NamedTuple):
    clip_id: str
    tracks: dict[str, Track]
    """By feature."""
    label: Target


class ClipItem(_ItemFields):
    """One item of a dataset: `clip_id, tracks, label = item`."""

    metadata: dict[str, Any]
    """The columns of `FeatureStore.clips()` for its clip, where the dataset was asked for them."""


NO_TARGET = -100
"""Target of a clip without a label: the index that torch's losses ignore by default."""


class Batch(TypedDict):
    """Clips, padded at the end to the longest.

    Each feature has its own length, for each has its own hop, unless an alignment made them one.
    After `align.Windows` a row is a window of rows: values are (batch, window, length, ...) and the
    mask is (batch, window, length).
    """

    clip_ids: list[str]
    targets: NDArray[Any]
    """(batch,) int64 index of the label in `classes`, NO_TARGET where there is none; of votes
    (batch, class), of numbers (batch,) or (batch, value), float32 and NaN where there is none."""
    values: dict[str, NDArray[Any]]
    """feature -> (batch, time, ...) in the stored dtype; 0 wherever `mask` is False, also where a
    row is stored as NaN."""
    seconds: dict[str, NDArray[np.float64]]
    """feature -> (batch, time), NaN where there is no row."""
    mask: dict[str, NDArray[np.bool_]]
    """feature -> (batch, time), True where there is a row and it is valid."""
    lengths: dict[str, NDArray[np.int64]]
    """feature -> (batch,) number of rows, valid or not."""
    metadata: NotRequired[list[dict[str, Any]]]
    """Of each clip, where the dataset was asked for it."""


def collate(batch: Sequence[Example], classes: Sequence[str] = ()) -> Batch:
    """Pads the items of a FeatureDataset to one length.

    Args:
        batch: Items with the same features.
        classes: The label values; a label's number is its place here.

    Returns:
        The arrays, which may be written to.

    Raises:
        ValueError: A label is not among the classes.
        TypeError: A transform made something else of the items.
    """
    return pad(batch, number(labels_in(batch), classes))


def pad(batch: Sequence[Example], targets: NDArray[Any]) -> Batch:
    """Pads the items of a dataset to one length.

    Args:
        batch: Items with the same features.
        targets: Of each of them.

    Returns:
        The arrays, which may be written to.
    """
    columns = {name: [one[1][name] for one in batch] for name in batch[0][1]} if batch else {}
    padded = _reserved({name: _padded_shape(tracks) for name, tracks in columns.items()})
    padded |= {
        "clip_ids": [clip_id for clip_id, _, _ in batch],
        "targets": targets,
        "seconds": {},
        "mask": {},
        "lengths": {},
    }
    for name, tracks in columns.items():
        _pad(padded, name, tracks)
    known = [
        one.metadata for one in batch if isinstance(one, ClipItem) and hasattr(one, "metadata")
    ]
    if known:
        padded["metadata"] = known
    return padded


def labels_in(batch: Sequence[Example]) -> list[Target]:
    """Finds the labels of some items.

    Args:
        batch: The items.

    Returns:
        One for each.

    Raises:
        TypeError: An item is not of three parts, as a transform may leave it.
    """
    for item in batch:
        if not isinstance(item, tuple) or len(item) != 3 or not isinstance(item[1], dict):
            raise TypeError(
                f"an item is of type {type(item).__name__}, expected (clip id, tracks by feature, "
                "label); let the transform return these, or batch with a collate_fn of your own"
            )
    return [label for _, _, label in batch]


def number(labels: Sequence[Target], classes: Sequence[str]) -> NDArray[np.int64]:
    """Numbers labels.

    Args:
        labels: One for each clip; None where it has none.
        classes: The label values.

    Returns:
        (labels,) place of each in `classes`, NO_TARGET for None.

    Raises:
        ValueError: A label is not among the classes.
    """
    numbers: dict[Target, int] = {value: place for place, value in enumerate(classes)}
    numbers[None] = NO_TARGET
    for label in labels:
        if not (label is None or isinstance(label, str)) or label not in numbers:
            raise ValueError(
                f"the label {label!r} is not one of the classes "
                f"{', '.join(classes) or '(none)'}; use the dataset's own collate"
            )
    return np.array([numbers[label] for label in labels], np.int64)


def _reserved(shapes: Mapping[str, Shape]) -> Batch:
    """A batch that has its values alone, with what happened to be in memory."""
    if can_share() and not any(dtype.hasobject for _, dtype in shapes.values()):
        return cast(Batch, SharedBatch(shapes))
    return cast(Batch, {"values": {name: empty(*shape) for name, shape in shapes.items()}})


def _padded_shape(tracks: Sequence[Track]) -> Shape:
    first = tracks[0]
    if isinstance(first, ResampledTrack) and not first.is_computed:
        shape, dtype = first.row_shape, first.dtype
    else:
        shape, dtype = first.values.shape[1:], first.values.dtype
    return (len(tracks), max(map(len, tracks)), *shape), dtype


def _pad(padded: Batch, name: str, tracks: Sequence[Track]) -> None:
    """Puts tracks into their array, each byte of which is written once."""
    values, lengths = padded["values"][name], [len(track) for track in tracks]
    count, longest = values.shape[:2]
    valid = [
        _written(track, values[number, : lengths[number]]) for number, track in enumerate(tracks)
    ]
    windowed = next((one.shape[1:] for one in valid if one is not None), ())
    if min(lengths) == longest:
        joined = np.concatenate([track.seconds for track in tracks], dtype=np.float64)
        seconds = joined.reshape(count, longest)
        mask = np.ones((count, longest, *windowed), np.bool_)
    else:
        seconds = np.full((count, longest), np.nan)
        mask = np.zeros((count, longest, *windowed), np.bool_)
        for number, (rows, track) in enumerate(zip(lengths, tracks, strict=True)):
            seconds[number, :rows], mask[number, :rows] = track.seconds, True
            values[number, rows:] = 0
    for number, good in enumerate(valid):
        if good is not None:
            mask[number, : len(good)] = good
            values[number, : len(good)][~good] = 0
    padded["seconds"][name], padded["mask"][name] = seconds, mask
    padded["lengths"][name] = np.array(lengths, np.int64)


def _written(track: Track, out: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Which rows are valid of a track that is now in the array; None: all."""
    if isinstance(track, ResampledTrack) and not track.is_computed and out.dtype == track.dtype:
        return track.write(out)
    out[...] = track.values
    return None if track.valid.ndim == 1 and all_true(track.valid) else track.valid
