"""In what a store differs from the recipe as it is shipped: its scores are not the paper's then."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from flows.recipe import load
from flows.shipped import recipes
from manifests.label_spaces import SPACES
from manifests.labels import LABELS
from stores import FeatureStore

_ABSENT = "(not there)"
_TUNED_TO = re.compile(r"fitted\.[^.]+\.labels")


def differences_of(store: FeatureStore, recipe: str, labels: Sequence[str] = ()) -> list[str]:
    """In what the store's recipe differs from the shipped one, a sentence each.

    labels: the paper's. A network that is tuned to those of the store's corpus, where the shipped
        ones are another corpus's, is as the paper tunes it.
    """
    if recipe not in recipes():
        return []
    # A snapshot is JSON, in which a tuple is a list.
    as_shipped, here = json.loads(json.dumps(load(recipe).resolved())), store.snapshot.recipe
    found = []
    for path, (is_shipped, is_here) in sorted(_unlike(as_shipped, here).items()):
        chosen = _TUNED_TO.fullmatch(path) and is_here in labels
        if chosen and has_labels(store, is_here) and not has_labels(store, is_shipped):
            continue
        found.append(f"{path} is {is_here!r} in this store, {is_shipped!r} in the recipe")
        if path.endswith(".weights") and is_here == "random":
            found[-1] += ": UNTRAINED weights"
    return found


def has_labels(store: FeatureStore, name: str) -> bool:
    """Whether a store has a label scheme, or one that a label space reads."""
    there = {row.scheme for row in store.rows(LABELS)}
    return name in there or (name in SPACES and bool(there & SPACES[name].sources.keys()))


def _unlike(left: Any, right: Any, path: str = "") -> dict[str, tuple[Any, Any]]:
    """Path -> what is there on both sides, where that is not the same."""
    if not isinstance(left, Mapping) or not isinstance(right, Mapping):
        return {} if left == right else {path: (left, right)}
    found: dict[str, tuple[Any, Any]] = {}
    for key in {**left, **right}:
        below = f"{path}.{key}" if path else key
        found |= _unlike(left.get(key, _ABSENT), right.get(key, _ABSENT), below)
    return found
