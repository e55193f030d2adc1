"""Batches: items of a dataset as padded, writable NumPy arrays."""

from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from manifests.tracks import Track

Item = tuple[str, dict[str, Track], str | None]
"""One item of a dataset: clip id, tracks by feature, and label."""

NO_TARGET = -100
"""Target of a clip without a label: the index that torch's losses ignore by default."""


class Batch(TypedDict):
    """Clips, padded at the end to the longest.

    Each feature has its own length, for each has its own hop, unless an alignment made them one.
    After `align.Windows` a row is a window of rows: values are (batch, window, length, ...) and the
    mask is (batch, window, length).
    """

    clip_ids: list[str]
    targets: NDArray[np.int64]
    """(batch,) index of the label in `classes`, NO_TARGET where there is none."""
    values: dict[str, NDArray[Any]]
    """feature -> (batch, time, ...) in the stored dtype; 0 wherever `mask` is False, also where a
    row is stored as NaN."""
    seconds: dict[str, NDArray[np.float64]]
    """feature -> (batch, time), NaN where there is no row."""
    mask: dict[str, NDArray[np.bool_]]
    """feature -> (batch, time), True where there is a row and it is valid."""
    lengths: dict[str, NDArray[np.int64]]
    """feature -> (batch,) number of rows, valid or not."""


def collate(batch: Sequence[Item], classes: Sequence[str] = ()) -> Batch:
    """Pads the items of a FeatureDataset to one length.

    Args:
        batch: Items with the same features.
        classes: The label values; a label's number is its place here.

    Returns:
        The arrays, which may be written to.

    Raises:
        ValueError: A label is not among the classes.
    """
    padded: Batch = {
        "clip_ids": [clip_id for clip_id, _, _ in batch],
        "targets": number([label for _, _, label in batch], classes),
        "values": {},
        "seconds": {},
        "mask": {},
        "lengths": {},
    }
    for name in batch[0][1] if batch else ():
        _pad(padded, name, [tracks[name] for _, tracks, _ in batch])
    return padded


def number(labels: Sequence[str | None], classes: Sequence[str]) -> NDArray[np.int64]:
    """Numbers labels.

    Args:
        labels: One for each clip; None where it has none.
        classes: The label values.

    Returns:
        (labels,) place of each in `classes`, NO_TARGET for None.

    Raises:
        ValueError: A label is not among the classes.
    """
    numbers = {None: NO_TARGET} | {value: place for place, value in enumerate(classes)}
    if unknown := sorted(label for label in {*labels} - numbers.keys() if label is not None):
        raise ValueError(
            f"the label {unknown[0]!r} is not one of the classes "
            f"{', '.join(classes) or '(none)'}; use the dataset's own collate"
        )
    return np.array([numbers[label] for label in labels], np.int64)


def _pad(padded: Batch, name: str, tracks: list[Track]) -> None:
    lengths = np.array([len(track) for track in tracks], np.int64)
    longest = int(lengths.max())
    seconds = np.full((len(tracks), longest), np.nan)
    values, mask = (
        np.zeros((*seconds.shape, *rows.shape[1:]), rows.dtype)
        for rows in (tracks[0].values, tracks[0].valid)
    )
    for number, track in enumerate(tracks):
        at = (number, slice(len(track)))
        values[at], seconds[at], mask[at] = track.values, track.seconds, track.valid
        if not track.valid.all():
            values[at][~track.valid] = 0
    padded["values"][name], padded["seconds"][name] = values, seconds
    padded["mask"][name], padded["lengths"][name] = mask, lengths
