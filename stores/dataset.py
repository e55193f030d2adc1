"""What a trainer iterates over: clips of one role of one fold, with their tracks and one label each.

Works under torch's DataLoader, and without torch: nothing here imports it.

    train = FeatureDataset(root, features=["mfcc"], labels="ravdess8", scheme="subject_kfold", fold=0, role="train", missing="drop")
    loader = DataLoader(train, batch_size=32, shuffle=True, num_workers=2, collate_fn=train.collate)
    for batch in map(torch.utils.data.default_convert, loader):      # NumPy arrays -> tensors, without a copy
        batch["values"]["mfcc"], batch["mask"]["mfcc"], batch["targets"]
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict, get_args

import numpy as np
from numpy.typing import NDArray

from manifests.clips import CLIPS
from manifests.features import FeatureSpec
from manifests.folds import FOLDS, Fold
from manifests.labels import LABELS
from manifests.tracks import Track
from stores.reader import FeatureStore, NotInStore, StoredTracks

Missing = Literal["drop", "error", "mask"]
Item = tuple[str, dict[str, Track], str | None]

NO_TARGET = -100
"""Target of a clip without a label: the index that torch's losses ignore by default."""


class Batch(TypedDict):
    """Clips padded at the end to the longest. Each feature has its own length, for each has its own hop."""

    clip_ids: list[str]
    targets: NDArray[np.int64]
    """(batch,) index of the label in `classes`, NO_TARGET where there is none."""
    values: dict[str, NDArray[Any]]
    """feature -> (batch, time, ...) in the stored dtype; 0 wherever `mask` is False, also where a row is stored as NaN."""
    seconds: dict[str, NDArray[np.float64]]
    """feature -> (batch, time), NaN where there is no row."""
    mask: dict[str, NDArray[np.bool_]]
    """feature -> (batch, time), True where there is a row and it is valid."""
    lengths: dict[str, NDArray[np.int64]]
    """feature -> (batch,) number of rows, valid or not."""


class FeatureDataset:
    """`dataset[i] -> (clip_id, {feature: Track}, label)`, in the order of clip ids, pinned to one snapshot.

    The label is the value with the highest total weight over a clip's annotators, so one label of weight 1 is itself and equal votes
    decide by majority; where two values tie, the clip counts as having none.
    """

    clip_ids: tuple[str, ...]
    classes: tuple[str, ...]
    """Label values of the whole snapshot, sorted, so that every fold and role numbers them alike; empty without labels."""
    dropped: dict[str, str]
    """Clips that were left out because of `missing="drop"`, and what each lacks."""

    def __init__(
        self,
        root: str | Path,
        *,
        features: Sequence[str],
        labels: str | None,
        scheme: str | None = None,
        fold: int | None = None,
        role: str | None = None,
        missing: Missing,
        snapshot: int | None = None,
    ) -> None:
        """Clips of one role of one fold; of the whole store where `scheme` is None.

        missing: what becomes of a clip that lacks a feature or a label. `drop`: it is left out, see `dropped`. `error`: ValueError.
        `mask`: it stays, with a track of zero rows, and None for a label.

        NotInStore, a KeyError, for an unknown feature, label scheme, split scheme, fold or role; ValueError when no clip is left.
        """
        if missing not in get_args(Missing):
            raise ValueError(f"missing is {missing!r}, expected one of {', '.join(get_args(Missing))}")
        if isinstance(features, str):
            raise ValueError(f"features is the text {features!r}, expected a list of names, such as [{features!r}]")
        self.store = FeatureStore(root, snapshot)
        self.features = tuple(features)
        self._missing = missing
        self._labels = _choose_labels(self.store, labels)
        self.classes = tuple(sorted(set(self._labels.values())))
        wanted = _clips_of(self.store, scheme, fold, role)
        lacks = _lacks(wanted, {name: self.store[name] for name in features}, None if labels is None else self._labels)
        if lacks and missing == "error":
            raise ValueError(_too_little(lacks, len(wanted)))
        self.dropped = lacks if missing == "drop" else {}
        self.clip_ids = tuple(clip_id for clip_id in wanted if clip_id not in self.dropped)
        if not self.clip_ids:
            raise ValueError(_too_little(lacks, len(wanted)) if lacks else f"{self.store.root} has no clip; build the store first")

    def __len__(self) -> int:
        return len(self.clip_ids)

    def __getitem__(self, i: int) -> Item:
        clip_id = self.clip_ids[i]
        return clip_id, {name: self._track(name, clip_id) for name in self.features}, self._labels.get(clip_id)

    def collate(self, batch: Sequence[Item]) -> Batch:
        """Items -> padded arrays; pass it to a DataLoader as `collate_fn`."""
        return collate(batch, self.classes)

    def _track(self, feature: str, clip_id: str) -> Track:
        tracks = self.store[feature]
        if self._missing == "mask" and clip_id not in tracks:
            return _no_rows(tracks.spec)
        return tracks[clip_id]


def collate(batch: Sequence[Item], classes: Sequence[str] = ()) -> Batch:
    """Items of a FeatureDataset -> padded, writable NumPy arrays. `classes` numbers the labels; ValueError for one that is not in it."""
    numbers = {value: i for i, value in enumerate(classes)}
    if unknown := sorted({label for _, _, label in batch if label is not None and label not in numbers}):
        raise ValueError(
            f"the label {unknown[0]!r} is not one of the classes {', '.join(classes) or '(none)'}; use the dataset's own collate"
        )
    padded: Batch = {
        "clip_ids": [clip_id for clip_id, _, _ in batch],
        "targets": np.array([NO_TARGET if label is None else numbers[label] for _, _, label in batch], np.int64),
        "values": {},
        "seconds": {},
        "mask": {},
        "lengths": {},
    }
    for name in batch[0][1] if batch else ():
        _pad(padded, name, [tracks[name] for _, tracks, _ in batch])
    return padded


def _pad(padded: Batch, name: str, tracks: list[Track]) -> None:
    lengths = np.array([len(track) for track in tracks], np.int64)
    longest = int(lengths.max())
    values = np.zeros((len(tracks), longest, *tracks[0].values.shape[1:]), tracks[0].values.dtype)
    seconds = np.full((len(tracks), longest), np.nan)
    mask = np.zeros((len(tracks), longest), np.bool_)
    for i, track in enumerate(tracks):
        values[i, : len(track)] = track.values
        seconds[i, : len(track)] = track.seconds
        mask[i, : len(track)] = track.valid
        if not track.valid.all():
            values[i, : len(track)][~track.valid] = 0
    padded["values"][name], padded["seconds"][name] = values, seconds
    padded["mask"][name], padded["lengths"][name] = mask, lengths


def _no_rows(spec: FeatureSpec) -> Track:
    return Track(np.empty((0, *spec.shape), spec.dtype), np.empty(0, np.float64), np.empty(0, np.bool_))


def _choose_labels(store: FeatureStore, scheme: str | None) -> dict[str, str]:
    """clip id -> its one label; clips whose best values tie are left out."""
    if scheme is None:
        return {}
    weights: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    rows = store.rows(LABELS)
    for label in rows:
        if label.scheme == scheme:
            weights[label.clip_id][label.value] += label.weight
    if not weights:
        raise _absent("labels", scheme, {label.scheme for label in rows})
    chosen = {clip_id: _heaviest(values) for clip_id, values in weights.items()}
    return {clip_id: value for clip_id, value in chosen.items() if value is not None}


def _heaviest(weights: Mapping[str, float]) -> str | None:
    most = max(weights.values())
    best = [value for value, weight in weights.items() if weight > most - 1e-9]
    return best[0] if len(best) == 1 else None


def _clips_of(store: FeatureStore, scheme: str | None, fold: int | None, role: str | None) -> list[str]:
    if scheme is None:
        if fold is not None or role is not None:
            raise ValueError(
                f"fold={fold!r} and role={role!r} need a scheme; name one of the store's split schemes, or leave all three out"
            )
        return [clip.clip_id for clip in store.rows(CLIPS)]
    if fold is None or role is None:
        raise ValueError(f"scheme {scheme!r} needs a fold and a role, got fold={fold!r} and role={role!r}")
    rows = store.rows(FOLDS)
    rows = _rows_with(rows, "scheme", scheme, "split scheme")
    rows = _rows_with(rows, "fold", fold, f"fold of {scheme}")
    return [row.clip_id for row in _rows_with(rows, "role", role, f"role in fold {fold} of {scheme}")]


def _rows_with(rows: list[Fold], column: str, value: object, what: str) -> list[Fold]:
    found = [row for row in rows if getattr(row, column) == value]
    if not found:
        raise _absent(what, value, {getattr(row, column) for row in rows})
    return found


def _absent(what: str, given: object, known: Collection[Any]) -> NotInStore:
    return NotInStore(f"the store has no {what} {given!r}; there are {', '.join(map(str, sorted(known))) or 'none'}")


def _lacks(clip_ids: Iterable[str], features: Mapping[str, StoredTracks], labels: Mapping[str, str] | None) -> dict[str, str]:
    """clip id -> what it lacks, for clips that lack something."""
    found = {}
    for clip_id in clip_ids:
        lacking = [name for name, tracks in features.items() if clip_id not in tracks]
        if labels is not None and clip_id not in labels:
            lacking.append("label")
        if lacking:
            found[clip_id] = ", ".join(lacking)
    return found


def _too_little(lacks: Mapping[str, str], wanted: int) -> str:
    some = "; ".join(f"{clip_id} lacks {what}" for clip_id, what in list(lacks.items())[:3])
    return f"{len(lacks)} of {wanted} clips lack a feature or a label ({some}); choose missing='drop' or 'mask', or other features"
