"""What fits share: one mean row per clip, and inner splits that keep a group on one side."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from extractors.fitted.base import Examples
from manifests.tracks import Track


@dataclass(frozen=True, eq=False)
class ClipRows:
    """One row for each clip that has a valid one."""

    values: NDArray[np.float64]
    """(clips, width): the mean of a clip's valid rows."""
    numbers: NDArray[np.int64]
    """(clips,) number of the clip among the examples."""


def clip_means(examples: Examples, role: str) -> ClipRows:
    """Averages the valid rows of each clip, reading the tracks one by one.

    Args:
        examples: The clips.
        role: The input that is averaged.

    Returns:
        One row for each clip that has a valid one.

    Raises:
        ValueError: No clip has a valid row.
    """
    tracks = examples.tracks[role]
    found = [
        (number, mean)
        for number in range(len(examples))
        if (mean := mean_row(tracks[number])) is not None
    ]
    if not found:
        raise ValueError(
            f"none of the {len(examples)} training clips has a valid row of {role}; look at the "
            "index for what became of them"
        )
    numbers, means = zip(*found, strict=True)
    return ClipRows(np.stack(means), np.array(numbers, np.int64))


def mean_row(track: Track) -> NDArray[np.float64] | None:
    """Averages the valid rows of a track.

    Args:
        track: Rows that are vectors.

    Returns:
        (width,) float64, or None where no row is valid.
    """
    if not track.valid.any():
        return None
    mean: NDArray[np.float64] = track.values[track.valid].mean(axis=0, dtype=np.float64)
    return mean


def held_out(groups: Sequence[str], share: float, seed: int) -> NDArray[np.bool_]:
    """Draws groups that are held out of the fit to judge it.

    Args:
        groups: Group of each clip.
        share: Least share of the clips that is held out.
        seed: Seed of the draw.

    Returns:
        (clips,) True for the clips of these groups; at least one group stays.

    Raises:
        ValueError: All clips are of one group.
    """
    sizes = Counter(groups)
    names = sorted(sizes)
    if len(names) < 2:
        raise ValueError(_one_group(names))
    chosen: set[str] = set()
    for index in np.random.default_rng(seed).permutation(len(names))[:-1]:
        if sum(sizes[name] for name in chosen) >= share * len(groups):
            break
        chosen.add(names[index])
    return np.array([group in chosen for group in groups], np.bool_)


def group_folds(groups: Sequence[str], folds: int) -> NDArray[np.int64]:
    """Assigns groups to inner folds: from large to small, each to the smallest fold so far.

    Args:
        groups: Group of each clip.
        folds: Number of folds; there are at most as many as groups.

    Returns:
        (clips,) number of each clip's inner fold.

    Raises:
        ValueError: All clips are of one group.
    """
    sizes = Counter(groups)
    if len(sizes) < 2:
        raise ValueError(_one_group(sorted(sizes)))
    filled = [0] * min(folds, len(sizes))
    fold_of: dict[str, int] = {}
    for name in sorted(sizes, key=lambda name: (-sizes[name], name)):
        fold_of[name] = filled.index(min(filled))
        filled[fold_of[name]] += sizes[name]
    return np.array([fold_of[group] for group in groups], np.int64)


def random_folds(clips: int, folds: int, seed: int) -> NDArray[np.int64]:
    """Assigns clips to inner folds at random, with no regard to groups.

    Args:
        clips: Number of clips.
        folds: Number of folds; there are at most as many as clips.
        seed: Seed of the draw.

    Returns:
        (clips,) number of each clip's inner fold.

    Raises:
        ValueError: There are fewer than two clips.
    """
    if clips < 2:
        raise ValueError(f"inner folds need at least two clips, got {clips}")
    numbers: NDArray[np.int64] = np.random.default_rng(seed).permutation(clips) % min(folds, clips)
    return numbers


def class_numbers(labels: Sequence[str], least: int = 2) -> NDArray[np.int64]:
    """Numbers the labels.

    Args:
        labels: Label of each clip.
        least: Least number of different labels.

    Returns:
        (clips,) place of each clip's label among all labels, sorted.

    Raises:
        ValueError: There are fewer different labels.
    """
    names = sorted(set(labels))
    if len(names) < least:
        raise ValueError(
            f"the training clips have {len(names)} different labels ({', '.join(names)}), "
            f"expected at least {least}"
        )
    return np.array([names.index(label) for label in labels], np.int64)


def _one_group(names: Sequence[str]) -> str:
    return (
        f"all training clips are of one group ({', '.join(names) or 'none'}), so none can be held "
        "out of the fit to judge it; "
        "use a scheme with at least two groups in training"
    )
