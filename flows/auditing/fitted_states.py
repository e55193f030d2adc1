"""What an audit is told of a store's fitted states: the clips that each saw, by its own file, and
those that it was meant to see."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from manifests.audit import Fit
from stores.fitted_state import read_state
from stores.mirror import ensure
from stores.records import StoredFitted
from stores.training_clips import Trainings

Fits = Mapping[tuple[str, int], tuple[Fit, ...]]
"""Scheme and fold -> what is fitted for it."""


def fits(root: Path, tables: Mapping[str, pa.Table], fitted: Mapping[str, StoredFitted]) -> Fits:
    """WrongState where a state cannot be read."""
    honest = {name: replace(entry, sees_all=False) for name, entry in fitted.items()}
    trainings = Trainings(lambda table: table.rows(tables[table.name]), honest)
    found: dict[tuple[str, int], tuple[Fit, ...]] = {}
    for name, entry in sorted(fitted.items()):
        for state in (one for one in entry.states if one.scheme in trainings.schemes):
            ensure(root, state)
            saw = dict(read_state(root, state.file).clips)
            training = trainings.of(name, state.scheme, state.fold)
            meant = dict(zip(training.clip_ids, training.sha256s, strict=True))
            changed = frozenset(
                clip_id for clip_id, sha256 in saw.items() if meant.get(clip_id, sha256) != sha256
            )
            fit = Fit(name, frozenset(saw), frozenset(meant), changed)
            found[state.scheme, state.fold] = (*found.get((state.scheme, state.fold), ()), fit)
    return found
