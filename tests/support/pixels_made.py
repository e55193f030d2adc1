"""Stores of pictures made for the tests: what a clip shows lies in its pixels, and in nothing
else."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from examples import donatus2026
from examples.donatus2026 import DonatusSettings
from examples.joint import JointSettings
from examples.plan import Paper
from examples.train import Choice
from flows.fitting.plan import declared
from flows.recipe import parse
from manifests.features import FeatureSpec
from manifests.labels import LABELS, Label
from manifests.tracks import Track
from stores.records import StoredFeature
from tests.support.stores_made import clip_ids, commit, index_of, tables_of, write_shards

CLIPS, FRAMES, SIDE = 12, 6, 32
EMOTIONS = ("calm", "happy")
NETWORK = {"depth": 18, "weights": "random", "size": SIDE}
SEGMENTS = {"segment_s": 0.1, "segment_hop_s": 0.1}
RECIPE: dict[str, Any] = {
    "name": "donatus2026",
    "features": {
        "audio": {"extractor": "audio"},
        "mfcc": {"extractor": "mfcc", "n_mfcc": 4, "deltas": 2},
        "logmel": {"extractor": "logmel", "n_mels": 6},
        "crops": {"extractor": "frames", "fps": 10.0, "size": SIDE, "store": True},
        "face_embedding": {"extractor": "resnet", "input": "crops", "seed": 0, **NETWORK},
        "mfcc_embedding": {
            "extractor": "resnet", "input": "mfcc", "seed": 0, **NETWORK, **SEGMENTS
        },
    },
    "fitted": {
        "audio_embedding": {
            "fitter": "finetuned", "input": "mfcc", "labels": "made3", "learning_rate": 3e-4,
            **NETWORK, **SEGMENTS,
        },
        "tuned_faces": {
            "fitter": "finetuned", "input": "crops", "labels": "made3", "learning_rate": 2e-4,
            "weight_decay": 1e-3, "flip": 0.5, "rotation_deg": 5.0, **NETWORK,
        },
    },
    "variants": {"1": {"audio": {"extractor": "augment_audio", "noise_snr_db": 20.0}}},
}  # fmt: skip

SETTINGS = DonatusSettings(epochs=12, batch=4, rate=1e-3, patience=None, units=8, dropout=0.0)
PAPER: Paper[DonatusSettings] = replace(donatus2026.PAPER, labels=("made3",), own=("thirds",))
JOINT = Choice(
    SETTINGS, ("thirds",), folds=(0,), models=("video",), joint=JointSettings(at_once=16, rate=1e-3)
)
SHORT = replace(JOINT, settings=replace(SETTINGS, epochs=3))
AUGMENTED = {
    **RECIPE,
    "features": {
        key: table for key, table in RECIPE["features"].items() if key != "face_embedding"
    },
    "fitted": {**RECIPE["fitted"], "face_embedding": RECIPE["fitted"]["tuned_faces"]},
}
"""The faces' pictures are drawn anew in each epoch."""


def make(place: Path, recipe: Mapping[str, Any] = RECIPE) -> Path:
    """A store of twelve clips of three subjects, whose label is whether stripes lie or stand."""
    parsed = parse(recipe, "made")
    features = {}
    for name in (*parsed.stored, "mfcc~1", "logmel~1"):
        spec = parsed.graph.specs[name]
        tracks = {clip_id: _track(spec, i) for i, clip_id in enumerate(clip_ids(CLIPS))}
        features[name] = StoredFeature(spec, tuple(write_shards(place, spec, tracks, 5)))
    labels = [
        Label(clip_id, "made3", "intended", EMOTIONS[label_of(i)])
        for i, clip_id in enumerate(clip_ids(CLIPS))
    ]
    tables = tables_of(CLIPS, *index_of(place, features.values()))
    commit(
        place,
        features,
        {**tables, "labels": LABELS.build(labels)},
        recipe=parsed.resolved(),
        fitted=declared(parsed.fitted, parsed.graph.specs),
    )
    return place


def label_of(number: int) -> int:
    """Both labels of every subject."""
    return number // 3 % 2


def _track(spec: FeatureSpec, number: int) -> Track:
    rng = np.random.default_rng([number, spec.variant, len(spec.name)])
    if spec.name == "crops":
        valid = np.arange(FRAMES) != 2
        values: Any = np.where(valid[:, None, None, None], striped(number, rng), 0)
        return Track(values.astype(np.uint8), 0.1 * np.arange(FRAMES), valid)
    rows = FRAMES if spec.extractor == "resnet" else 10 * FRAMES
    values = rng.normal(size=(rows, *spec.shape)).astype(np.float32)
    return Track(values, 0.6 / rows * np.arange(rows), np.ones(rows, np.bool_))


def striped(number: int, rng: np.random.Generator) -> Any:
    """(FRAMES, SIDE, SIDE, 3): stripes that lie or stand, under noise and a level of their own."""
    wave = 40 * np.sin(np.arange(SIDE) / 2 + rng.uniform(0, 6, (FRAMES, 1)))
    stripes = wave[:, :, None] if label_of(number) else wave[:, None, :]
    noise = rng.normal(0, 25, (FRAMES, SIDE, SIDE, 3))
    return (rng.uniform(80, 170, (FRAMES, 1, 1, 1)) + stripes[..., None] + noise).clip(0, 255)
