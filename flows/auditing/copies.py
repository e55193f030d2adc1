"""What the features of a store tell of copies among its clips, in the form that an audit reads."""

from collections.abc import Callable, Mapping, Sequence

import pyarrow as pa

from manifests.audit import CopyEvidence
from manifests.tracks import Track
from stores.clip_tracks import open_tracks
from stores.location import Location
from stores.near_duplicates import Near, digests, near_faces, near_sounds
from stores.records import StoredFeature

_DIGESTS = {"pcm": "sound_digest", "frames": "frames_digest"}
"""Kind -> the extractor that tells it."""
_FINGERPRINTS: dict[str, tuple[str, Callable[[Mapping[str, Track]], list[Near]]]] = {
    "sound": ("soundprint", near_sounds),
    "face": ("faceprint", near_faces),
}


def measured(
    location: Location, features: Mapping[str, StoredFeature], index: pa.Table
) -> CopyEvidence:
    """Finds copies among the clips of a store by its own features.

    Args:
        location: Where the store lies.
        features: The features whose shards are there, by name.
        index: INDEX, published or not.

    Returns:
        Digests and near-duplicates of all clips, and what the store does not measure.
    """
    finders = {kind: find for kind, (_, find) in _FINGERPRINTS.items()}
    extractors = _DIGESTS | {kind: extractor for kind, (extractor, _) in _FINGERPRINTS.items()}
    found: dict[str, Mapping[str, Track]] = {}
    for kind, extractor in extractors.items():
        if feature := _feature_of(extractor, features):
            found[kind] = open_tracks(location, feature, index)
    return CopyEvidence(
        digests={kind: digests(found[kind]) for kind in _DIGESTS if kind in found},
        near={kind: _pairs(find(found[kind])) for kind, find in finders.items() if kind in found},
        compared={kind: found[kind].keys() for kind in finders if kind in found},
        unmeasured={kind: _advice(extractors[kind]) for kind in extractors if kind not in found},
    )


def _feature_of(extractor: str, features: Mapping[str, StoredFeature]) -> StoredFeature | None:
    """The first feature, by name, that the extractor made of the clips as they are."""
    for _, feature in sorted(features.items()):
        if feature.spec.extractor == extractor and not feature.spec.variant:
            return feature
    return None


def _pairs(found: Sequence[Near]) -> list[tuple[str, str, float]]:
    return [(near.first, near.second, near.similarity) for near in found]


def _advice(extractor: str) -> str:
    return (
        f"the recipe has no {extractor} feature; add [features.{extractor}] with extractor = "
        f'"{extractor}" and build again'
    )
