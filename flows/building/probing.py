"""The first look at a file: its hash, and what its header says.

Runs in worker processes, and imports no more than that takes, since every worker begins with it.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from extractors.media import Limits, probe
from extractors.unforeseen import guarded
from flows.workers.pool import report_progress
from manifests.clips import Clip
from manifests.corpora.catalog import Found
from manifests.quarantine import BadClip, Reason

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
"""Columns of CLIPS that probing fills."""


def probe_clips(
    found: Sequence[Found], paths: Sequence[Path], known: Mapping[str, Clip], limits: Limits
) -> list[Found]:
    """Hashes each file, and probes those whose bytes are new; runs in a worker process.

    Args:
        found: The clips.
        paths: Their files, one each.
        known: Those of the clips that the store holds, by id.
        limits: What is refused.

    Returns:
        The clips, in their order, with hashes and facts, or the reason why they are refused.
    """
    hash_once = cache(_hash)  # many clips may be turns in one long file
    return [
        _probe(one, path, known.get(one.clip.clip_id), limits, hash_once)
        for one, path in zip(found, paths, strict=True)
    ]


def _hash(path: Path) -> tuple[str, int]:
    """sha256 and bytes of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()


def _probe(
    found: Found,
    path: Path,
    known: Clip | None,
    limits: Limits,
    hash_file: Callable[[Path], tuple[str, int]],
) -> Found:
    try:
        if found.bad:
            return found
        digest, size = hash_file(path)
        clip = replace(found.clip, sha256=digest, bytes=size)
        found = replace(found, clip=clip)
        if known and _is_the_same(clip, known):
            return replace(found, clip=_with_facts(clip, known))
        with guarded(clip):
            return replace(found, clip=probe(clip, path, limits))
    except PermissionError:
        detail = "this user may not read the file; change its permissions"
        return replace(found, bad=BadClip(found.clip.clip_id, Reason.UNREADABLE, detail))
    except BadClip as bad:
        return replace(found, bad=bad)
    finally:
        report_progress(1)


def with_known_facts(found: Found, known: Clip, sha256: str) -> Found | None:
    """Takes the facts of a clip from a store instead of from its file.

    Args:
        found: The clip as listed.
        known: The clip as the store has it.
        sha256: Of its file, which is unchanged.

    Returns:
        The clip; None where the store knows other bytes of it, or not all there is to know.
    """
    clip = replace(found.clip, sha256=sha256, bytes=known.bytes)
    if not _is_the_same(clip, known):
        return None
    return replace(found, clip=_with_facts(clip, known))


def _is_the_same(clip: Clip, known: Clip) -> bool:
    """Whether the bytes, and the part of them that is the clip, were probed before."""
    is_same = known.sha256 == clip.sha256 and _span(known) == _span(clip)
    return is_same and known.duration_s is not None


def _with_facts(clip: Clip, known: Clip) -> Clip:
    return replace(clip, **{name: getattr(known, name) for name in _FACTS})


def _span(clip: Clip) -> tuple[float | None, float | None, str | None]:
    """Which part of its file a clip is."""
    return clip.start_s, clip.end_s, clip.region
