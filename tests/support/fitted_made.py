"""Stores with fitted features, made for the tests: twelve clips of four subjects, four folds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from extractors.base import Layout
from extractors.fitted.base import Examples, Model, State
from flows.auditing.store import publish_audited
from flows.fitting.plan import FitPlan, declared
from flows.fitting.task import fit_fold
from flows.recipe import parse
from manifests.audits import AUDITS
from manifests.choice import EVERY_CLIP, Choice
from manifests.clips import CLIPS, Clip
from manifests.features import INDEX, FeatureSpec
from manifests.features import State as RowState
from manifests.folds import FOLDS, Fold, Role
from manifests.labels import LABELS, Label
from manifests.quarantine import QUARANTINE, BadClip, Reason
from manifests.tracks import Track
from stores.location import Place, locate
from stores.publish import publish
from stores.records import StoredFeature
from stores.snapshot import Snapshot, load_snapshot
from tests.support.stores_made import EMOTIONS, index_of, tables_in, write_shards

IDS = [f"made/{number:02d}" for number in range(12)]
SILENT = "made/05"
"""A clip without sound; its subject is s1."""
RECIPE: dict[str, Any] = {
    "name": "small",
    "clips_per_shard": 5,
    "features": {
        "audio": {"extractor": "audio"},
        "logmel": {"extractor": "logmel", "n_mels": 6},
        "mfcc": {"extractor": "mfcc", "n_mfcc": 4, "deltas": 0},
    },
    "fitted": {
        "z": {"fitter": "zscore", "input": "logmel"},
        "parts": {"fitter": "pca", "input": "z", "variance": 0.8},
        "even": {"fitter": "pad", "input": "parts", "percentile": 75.0},
    },
}


def subject(clip_id: str) -> str:
    return f"made/s{int(clip_id[5:]) % 4}"


def quarters(shift: int = 0) -> list[Fold]:
    """Four folds: fold k tests subject k + shift, validates the next, trains on the other two."""
    roles = [Role.TEST, Role.VALID, Role.TRAIN, Role.TRAIN]
    return [
        Fold("quarters", fold, c, subject(c), roles[(int(c[5:]) - fold - shift) % 4])
        for fold in range(4)
        for c in IDS
    ]


def training(fold: int) -> list[str]:
    return [row.clip_id for row in quarters() if row.fold == fold and row.role == Role.TRAIN]


def track(spec: FeatureSpec, number: int, planted: float = 0.0) -> Track:
    rng = np.random.default_rng([number, len(spec.name)])
    values = (
        rng.normal(size=(6 + number, *spec.shape)) * (1 + np.arange(spec.shape[0])) + planted
    ).astype(np.float32)
    valid = np.arange(len(values)) != 2
    values[~valid] = np.nan
    return Track(values, 0.01 * np.arange(len(values)) + 0.1, valid)


def with_fitted(**fitted: dict[str, Any]) -> dict[str, Any]:
    return {**RECIPE, "fitted": {**RECIPE["fitted"], **fitted}}


def make(
    place: Place,
    recipe: Mapping[str, Any] = RECIPE,
    planted: Mapping[str, float] | None = None,
    order: Sequence[str] = IDS,
    per_shard: int = 5,
    labelled: bool = True,
) -> Snapshot:
    """A store of the recipe's stored features; `planted` is added to every value of some clips."""
    parsed, features = parse(recipe, "made"), {}
    for name in parsed.stored:
        spec = parsed.graph.specs[name]
        tracks = {clip_id: measured(spec, clip_id, planted or {}) for clip_id in order}
        features[name] = StoredFeature(spec, tuple(write_shards(place, spec, tracks, per_shard)))
    index, quarantine = index_of(place, features.values())
    clips = [
        Clip(c, "made", group, group, c, None, f"{c}.wav", f"{number:064x}", 1, has_audio=True)
        for number, (c, group) in enumerate((c, subject(c)) for c in IDS)
    ]
    labels = [Label(c, "made3", "intended", EMOTIONS[int(c[5:]) % 3]) for c in IDS if labelled]
    return publish(
        locate(place),
        parent=None,
        recipe=parsed.resolved(),
        tables={
            "clips": CLIPS.build(clips),
            "labels": LABELS.build(labels),
            "folds": FOLDS.build(quarters()),
            "index": INDEX.build(index),
            "quarantine": QUARANTINE.build(quarantine),
            "audits": AUDITS.build([]),
        },
        features=features,
        fitted=declared(parsed.fitted, parsed.graph.specs),
        versions={},
        schemes={"quarters": {}},
    )


def measured(spec: FeatureSpec, clip_id: str, planted: Mapping[str, float]) -> Track | BadClip:
    if clip_id == SILENT:
        return BadClip(SILENT, Reason.NO_AUDIO, "the file has no audio stream")
    return track(spec, int(clip_id[5:]), planted.get(clip_id, 0.0))


def fit(place: Place, scheme: str = "quarters", choice: Choice = EVERY_CLIP) -> FitPlan:
    """Every step of the flow, in this process; published where a state was missing."""
    location = locate(place)
    with location.lock():
        plan = FitPlan(location, scheme, choice)
        if not plan.pending:
            return plan
        for tasks in plan.rounds():
            for task in tasks:
                plan.add(task.name, fit_fold(task))
        publish_audited(
            location,
            plan.snapshot,
            scheme,
            tables=tables_in(location, plan.snapshot),
            fitted=plan.fitted,
            versions=plan.snapshot.versions,
        )
    return plan


def refold(place: Place, folds: list[Fold], **changed: pa.Table) -> Snapshot:
    """Publishes other folds beside states that no longer fit, as no command of ours does."""
    location = locate(place)
    old = load_snapshot(location)
    tables = {**tables_in(location, old), "folds": FOLDS.build(folds), **changed}
    kept = {
        name: getattr(old, name) for name in ("recipe", "features", "fitted", "versions", "schemes")
    }
    return publish(location, parent=old, tables=tables, **kept)


def states(root: Path) -> dict[tuple[str, int], bytes]:
    """The bytes of each state of the newest snapshot."""
    return {
        (entry.spec.name, state.fold): (root / state.file).read_bytes()
        for entry in load_snapshot(locate(root)).fitted.values()
        for state in entry.states
    }


NOWHERE: dict[str, Any] = {
    "state": RowState.QUARANTINED,
    "shard": None,
    "start": None,
    "rows": None,
    "valid_rows": None,
}
"""What the index says of a clip in quarantine."""


@dataclass(frozen=True, kw_only=True)
class Centre(Model):
    """The difference of a clip's mean from the training mean: a model that is quick to fit.

    It refuses clips of fewer than 8 rows.
    """

    name: ClassVar[str] = "centre"
    version: ClassVar[int] = 1

    input: str

    @property
    def needs(self) -> Mapping[str, str]:
        return {"input": self.input}

    def layout(self, needs: Mapping[str, FeatureSpec]) -> Layout:
        return Layout("float32", ("time", "code"), (6,), "apart from the training mean", None)

    def fit(self, examples: Examples) -> State:
        means = [
            np.nanmean(examples.tracks["input"][number].values, axis=0)
            for number in range(len(examples))
        ]
        return {"mean": np.mean(means, axis=0)}

    def encode(self, state: State, tracks: Mapping[str, Track]) -> Track:
        one = tracks["input"]
        if len(one) < 8:
            raise BadClip(
                "made/00" if len(one) == 6 else "made/01",
                Reason.TOO_SHORT,
                f"{len(one)} rows, expected 8",
            )
        values = (np.nanmean(one.values, axis=0) - state["mean"]).astype(np.float32)[None]
        return Track(values, one.seconds[:1], np.ones(1, np.bool_))
