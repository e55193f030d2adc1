"""The first look at a file: its hash, and what its header says.

Runs in worker processes, and imports no more than that takes, since every worker begins with it.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from extractors.media import Limits, probe
from flows.workers.pool import advance
from manifests.clips import Clip
from manifests.corpora.catalog import Found
from manifests.quarantine import BadClip, Reason


def inspect_clips(
    found: Sequence[Found], paths: Sequence[Path], known: Mapping[str, Clip], limits: Limits
) -> list[Found]:
    """Hash each file, and probe those whose bytes are new; runs in a worker process."""
    hashed = cache(_hash)  # many clips may be turns in one long file
    return [
        _inspect(f, path, known.get(f.clip.clip_id), limits, hashed)
        for f, path in zip(found, paths, strict=True)
    ]


def _hash(path: Path) -> tuple[str, int]:
    """sha256 and bytes of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()


def _inspect(
    found: Found,
    path: Path,
    known: Clip | None,
    limits: Limits,
    hashed: Callable[[Path], tuple[str, int]],
) -> Found:
    if found.bad:
        advance(1)
        return found
    try:
        digest, size = hashed(path)
    except PermissionError:
        advance(1)
        bad = BadClip(
            found.clip.clip_id,
            Reason.UNREADABLE,
            "this user may not read the file; change its permissions",
        )
        return replace(found, bad=bad)
    clip = replace(found.clip, sha256=digest, bytes=size)
    try:
        clip = (
            _with_facts(clip, known)
            if known and _is_the_same(clip, known)
            else probe(clip, path, limits)
        )
    except BadClip as bad:
        return replace(found, clip=clip, bad=bad)
    finally:
        advance(1)
    return replace(found, clip=clip)


def as_known(found: Found, known: Clip, sha256: str) -> Found | None:
    """A clip whose file was not read, as it was known before; None where that was of other bytes,
    or not all there is to know."""
    clip = replace(found.clip, sha256=sha256, bytes=known.bytes)
    return replace(found, clip=_with_facts(clip, known)) if _is_the_same(clip, known) else None


def _is_the_same(clip: Clip, known: Clip) -> bool:
    """The bytes and the part of them that were probed before."""
    return (
        known.sha256 == clip.sha256 and span(known) == span(clip) and known.duration_s is not None
    )


_FACTS = (
    "duration_s",
    "has_audio",
    "has_video",
    "audio_s",
    "video_s",
    "rate_hz",
    "channels",
    "width_px",
    "height_px",
    "fps",
    "frames",
    "variable_rate",
    "audio_start_s",
    "video_start_s",
)


def _with_facts(clip: Clip, known: Clip) -> Clip:
    """The stream facts of the same bytes, as probed before."""
    return replace(clip, **{name: getattr(known, name) for name in _FACTS})


def span(clip: Clip) -> tuple[float | None, float | None, str | None]:
    """Which part of its file a clip is."""
    return clip.start_s, clip.end_s, clip.region
