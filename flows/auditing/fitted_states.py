"""The fitted states of a store as an audit reads them: the clips that each was fitted on."""

from collections.abc import Mapping
from dataclasses import replace

import pyarrow as pa

from manifests.audit import Fit
from stores.fitted_state import read_state
from stores.location import Location
from stores.records import StoredFitted
from stores.training_clips import TrainingClips

Fits = Mapping[tuple[str, int], tuple[Fit, ...]]
"""Scheme and fold -> what is fitted for it."""


def fits(
    location: Location, tables: Mapping[str, pa.Table], fitted: Mapping[str, StoredFitted]
) -> Fits:
    """Compares the clips that each state was fitted on, by its own file, with those it should be.

    Args:
        location: Where the store lies.
        tables: Its tables by name.
        fitted: Its fitted features by name.

    Returns:
        For each fold, what is fitted for it.

    Raises:
        WrongState: A state cannot be read.
    """
    honest = {name: replace(entry, sees_all=False) for name, entry in fitted.items()}
    training_clips = TrainingClips(lambda table: table.rows(tables[table.name]), honest)
    found: dict[tuple[str, int], tuple[Fit, ...]] = {}
    for name, entry in sorted(fitted.items()):
        for state in (one for one in entry.states if one.scheme in training_clips.schemes):
            fitted_on = dict(read_state(location, state.file, entry.spec, state).clips)
            training = training_clips.of(name, state.scheme, state.fold)
            expected = dict(zip(training.clip_ids, training.sha256s, strict=True))
            changed = frozenset(
                clip_id
                for clip_id, sha256 in fitted_on.items()
                if expected.get(clip_id, sha256) != sha256
            )
            fit = Fit(name, frozenset(fitted_on), frozenset(expected), changed)
            key = state.scheme, state.fold
            found[key] = (*found.get(key, ()), fit)
    return found
