"""What the features of a store tell of copies among its clips, in the form that an audit reads."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from manifests.audit import CopyEvidence
from manifests.tracks import Track
from stores.near_duplicates import Near, digests, near_faces, near_sounds
from stores.reader import open_tracks
from stores.records import StoredFeature

_DIGESTS = {"pcm": "sound_digest", "frames": "frames_digest"}
"""Kind -> the extractor that tells it."""
_FINGERPRINTS: dict[str, tuple[str, Callable[[Mapping[str, Track]], list[Near]]]] = {
    "sound": ("soundprint", near_sounds),
    "face": ("faceprint", near_faces),
}


def measured(root: Path, features: Mapping[str, StoredFeature], index: pa.Table) -> CopyEvidence:
    """Digests and near-duplicates of all clips, from the store's own features. `index`: their rows,
    be they published or not."""
    found = {
        kind: _tracks(root, features, index, extractor) for kind, extractor in _DIGESTS.items()
    }
    prints = {
        kind: _tracks(root, features, index, extractor)
        for kind, (extractor, _) in _FINGERPRINTS.items()
    }
    extractors = _DIGESTS | {kind: extractor for kind, (extractor, _) in _FINGERPRINTS.items()}
    return CopyEvidence(
        digests={kind: digests(tracks) for kind, tracks in found.items() if tracks is not None},
        near={
            kind: _pairs(_FINGERPRINTS[kind][1](tracks))
            for kind, tracks in prints.items()
            if tracks is not None
        },
        compared={kind: len(tracks) for kind, tracks in prints.items() if tracks is not None},
        unmeasured={
            kind: _advice(extractors[kind])
            for kind, tracks in {**found, **prints}.items()
            if tracks is None
        },
    )


def _tracks(
    root: Path, features: Mapping[str, StoredFeature], index: pa.Table, extractor: str
) -> Mapping[str, Track] | None:
    """The tracks of the first feature, by name, that the extractor made of the clips as they
    are."""
    for _, feature in sorted(features.items()):
        if feature.spec.extractor == extractor and not feature.spec.variant:
            return open_tracks(root, feature, index)
    return None


def _pairs(found: Sequence[Near]) -> list[tuple[str, str, float]]:
    return [(near.first, near.second, near.similarity) for near in found]


def _advice(extractor: str) -> str:
    return (
        f"the recipe has no {extractor} feature; add [features.{extractor}] with extractor = "
        f'"{extractor}" and build again'
    )
