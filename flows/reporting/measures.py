"""What a report measures of the clips of a store: lengths, loudness, faces."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np
import pandas as pd

from flows.reporting.facts import Distribution, FeatureLengths, Floats
from manifests.clips import Clip
from manifests.features import INDEX, FeatureSpec, State
from manifests.tracks import Track
from stores import FeatureStore
from stores.clip_tracks import ShardMaps
from stores.row_places import RowPlaces
from stores.snapshot import read_compact

T = TypeVar("T")

MOST_MEASURED = 20_000
"""Of a larger store so many clips are measured, evenly spread."""
_SOUNDS = ("audio", "logmel")
"""Extractors whose tracks tell how loud a clip is, the exact one first."""
_SILENCE_DB = -100.0
_FACES_SEEN = 5
"""Column of a row of `faces`: how many the frame shows."""


def sound_feature(store: FeatureStore) -> FeatureSpec | None:
    """The feature that tells how loud a clip is.

    Args:
        store: The store.

    Returns:
        Stored sound; else the log-mel with fewest bands; None where neither is stored.
    """
    plain = [spec for spec in store.features.values() if not spec.variant]
    known = [spec for spec in plain if spec.extractor in _SOUNDS]
    order = {name: number for number, name in enumerate(_SOUNDS)}
    return min(known, key=lambda spec: (order[spec.extractor], spec.shape, spec.name), default=None)


def feature_of(store: FeatureStore, extractor: str) -> FeatureSpec | None:
    """The first feature, by name, that an extractor made of the clips as they are.

    Args:
        store: The store.
        extractor: Name of the extractor.

    Returns:
        The feature; None where the store has none.
    """
    specs = (spec for _, spec in sorted(store.features.items()))
    return next((one for one in specs if one.extractor == extractor and not one.variant), None)


def powers(spec: FeatureSpec, track: Track) -> Floats:
    """The power of a clip's sound over time.

    Args:
        spec: Of stored sound, or of a log-mel.
        track: Of the clip.

    Returns:
        (time,) 1.0 for full scale, or the sum of the bands; 0 where a row is not valid.
    """
    values = np.asarray(track.values)
    if spec.extractor == "audio":
        power = np.square(values, dtype=np.float64)
    else:
        power = np.power(10.0, values / 10).sum(axis=1, dtype=np.float64)
    return np.where(track.valid, power, 0.0)


def _loudness_db(spec: FeatureSpec, track: Track) -> float:
    if spec.extractor == "audio":  # without a copy in float64: a store has gigabytes of it
        power = float(np.dot(track.values, track.values))
    else:
        power = float(powers(spec, track).sum())
    mean = power / max(1, int(track.valid.sum()))
    return max(_SILENCE_DB, 10 * float(np.log10(max(mean, 1e-30))))


def feature_lengths(snapshot_features: Sequence[str], index: pd.DataFrame) -> list[FeatureLengths]:
    """Counts rows, states and notes of each feature.

    Args:
        snapshot_features: Names of the features, in the order of the report.
        index: The table INDEX without its shards.

    Returns:
        One for each feature.
    """
    by_feature = {str(name): rows for name, rows in index.groupby("feature", observed=True)}
    found = []
    for name in snapshot_features:
        rows = by_feature.get(name, index.iloc[:0])
        stored = rows[rows["state"] == State.STORED.value]
        lengths = stored["rows"].to_numpy(np.float64)
        notes = Counter(note for text in stored["notes"] for note in str(text).split(",") if note)
        share = float(stored["valid_rows"].sum()) / lengths.sum() if lengths.sum() else np.nan
        states = {str(state): int(count) for state, count in rows["state"].value_counts().items()}
        states = {state: count for state, count in states.items() if count}
        found.append(FeatureLengths(name, states, lengths, share, dict(sorted(notes.items()))))
    return found


def durations(clips: Sequence[Clip]) -> Distribution:
    """How long the clips are.

    Args:
        clips: All clips.

    Returns:
        Their durations by the files' headers.
    """
    lasting = {c.clip_id: c.duration_s for c in clips if c.duration_s is not None}
    what = "The length of a clip's longest stream, by the header of its file."
    return _distribution("Durations", what, "s", lasting, clips)


def loudness(store: FeatureStore, clips: Sequence[Clip]) -> Distribution | None:
    """How loud the clips are.

    Args:
        store: The store.
        clips: All clips.

    Returns:
        The mean power of each clip in decibels; None where the store holds no sound.
    """
    spec = sound_feature(store)
    if spec is None:
        return None
    levels = _measured(store, spec, lambda track: _loudness_db(spec, track))
    how = (
        "Mean power of a clip's samples; 0 dB is full scale."
        if spec.extractor == "audio"
        else f"Mean power of a clip in the bands of {spec.name}; the store keeps no samples."
    )
    return _distribution("Loudness", how, "dB", levels, clips)


def faces(
    store: FeatureStore, clips: Sequence[Clip], index: pd.DataFrame
) -> list[Distribution] | None:
    """What the detector found: where a face is, how large, and whether it is alone.

    Args:
        store: The store.
        clips: All clips.
        index: The table INDEX without its shards.

    Returns:
        Share of valid rows, share of rows with several faces, height of the face; None where the
        store holds no faces.
    """
    spec = feature_of(store, "faces")
    if spec is None:
        return None
    rows = index[(index["feature"] == spec.name) & (index["state"] == State.STORED.value)]
    shares = (rows["valid_rows"] / rows["rows"].clip(lower=1)).astype(float)
    valid = dict(zip(rows["clip_id"], 100 * shares, strict=True))
    boxes = _measured(store, spec, _boxes)
    height = {clip_id: one[0] for clip_id, one in boxes.items()}
    many = {clip_id: one[1] for clip_id, one in boxes.items()}
    return [
        _distribution("Face found", "Share of a clip's frames with its face.", "%", valid, clips),
        _distribution(
            "Several faces", "Share of a clip's frames with two faces or more.", "%", many, clips
        ),
        _distribution("Size of the face", "Mean height of its box.", "pixels", height, clips),
    ]


def _boxes(track: Track) -> tuple[float, float]:
    """Mean height of the box in pixels, and per cent of the rows with several faces."""
    boxes = np.asarray(track.values, np.float64)[track.valid]
    height = float((boxes[:, 3] - boxes[:, 1]).mean()) if len(boxes) else np.nan
    seen = np.asarray(track.values)[:, _FACES_SEEN]
    return height, 100 * float((seen > 1).mean()) if len(seen) else 0.0


def _measured(
    store: FeatureStore, spec: FeatureSpec, measure: Callable[[Track], T]
) -> dict[str, T]:
    """What `measure` gives of every track of a feature, or of many that are evenly spread.

    One shard is mapped at a time: what was read of it would count as this process's memory.
    """
    return {clip_id: measure(track) for clip_id, track in _tracks(store, spec)}


def _tracks(store: FeatureStore, spec: FeatureSpec) -> Iterator[tuple[str, Track]]:
    feature = store.snapshot.features[spec.name]
    places = RowPlaces(feature, read_compact(store.location, store.snapshot, INDEX))
    every = max(1, -(-len(places) // MOST_MEASURED))
    chosen = set(list(places)[::every])
    maps = ShardMaps(store.location)
    maps.expect(feature, places)
    for record in feature.shards:
        for clip_id, start, rows in places.in_file(record.file):
            if clip_id in chosen:
                yield clip_id, maps[record.file].slice(start, start + rows, (), decode=False)
        maps.clear()


def _distribution(
    name: str, what: str, unit: str, values: Mapping[str, float], clips: Sequence[Clip]
) -> Distribution:
    parts: defaultdict[str, list[float]] = defaultdict(list)
    for clip in clips:
        if np.isfinite(values.get(clip.clip_id, np.nan)):
            parts[clip.corpus].append(float(values[clip.clip_id]))
    return Distribution(name, what, unit, {name: np.array(some) for name, some in parts.items()})
