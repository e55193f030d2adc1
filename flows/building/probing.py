"""The first look at a file: its hash, and what its header says.

Runs in worker processes, and imports no more than that takes, since every worker begins with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from extractors.limits import PATIENCE, watched
from extractors.media import Limits, probe
from extractors.unforeseen import guarded
from flows.building.file_copies import FileCopies, Stat
from flows.workers.worker import report_progress, working_on
from manifests.clips import HEADER_FACTS, Clip
from manifests.corpora.base import Found
from manifests.quarantine import BadClip, Reason


@dataclass(frozen=True, slots=True)
class Probed(Found):
    """A clip after the first look at its file."""

    stat: Stat | None = None
    """Of the file whose bytes were hashed; None where none was, or where it changed meanwhile."""


def probe_clips(
    found: Sequence[Found], paths: Sequence[Path], known: Mapping[str, Clip], limits: Limits
) -> list[Probed]:
    """Hashes each file, and probes those whose bytes are new; runs in a worker process.

    Args:
        found: The clips.
        paths: Their files, one each.
        known: Those of the clips that the store holds, by id.
        limits: What is refused.

    Returns:
        The clips, in their order, with hashes and facts, or the reason why they are refused.
    """
    with FileCopies() as copies:
        return [
            _probe(one, path, known.get(one.clip.clip_id), limits, copies)
            for one, path in zip(found, paths, strict=True)
        ]


def _probe(
    found: Found, path: Path, known: Clip | None, limits: Limits, copies: FileCopies
) -> Probed:
    name, patience = found.clip.clip_id, PATIENCE * limits.timeout_s
    with working_on(name, patience, limits.max_memory_mb) as may_take, watched(may_take):
        return _probed(found, path, known, limits, copies)


def _probed(
    found: Found, path: Path, known: Clip | None, limits: Limits, copies: FileCopies
) -> Probed:
    probed = Probed(found.clip, found.labels, found.bad, lacks=found.lacks)
    try:
        if found.bad:
            return probed
        copy = copies.copy(found.clip.clip_id, path, limits.timeout_s)
        if copy.stat is None:
            detail = "the file is being written to; build again when it is no more"
            raise BadClip(found.clip.clip_id, Reason.CHANGED_WHILE_READ, detail)
        clip = replace(found.clip, sha256=copy.sha256, bytes=copy.bytes)
        probed = replace(probed, clip=clip, stat=copy.stat)
        if known and _is_the_same(clip, known):
            return replace(probed, clip=_with_facts(clip, known))
        with guarded(clip):
            return replace(probed, clip=probe(clip, copy, limits))
    except FileNotFoundError:
        detail = "the file was there when the corpus was listed, and is gone; build again"
        return replace(probed, bad=BadClip(found.clip.clip_id, Reason.CHANGED_WHILE_READ, detail))
    except PermissionError:
        detail = "this user may not read the file; change its permissions"
        return replace(probed, bad=BadClip(found.clip.clip_id, Reason.UNREADABLE, detail))
    except BadClip as bad:
        return replace(probed, bad=bad)
    finally:
        report_progress(1)


def as_listed(clip: Clip) -> Clip:
    """Takes from a clip what a look at its file has added.

    Args:
        clip: A clip that was probed.

    Returns:
        The clip as its corpus lists it.
    """
    facts: dict[str, Any] = dict.fromkeys(HEADER_FACTS)
    return replace(clip, sha256="", bytes=0, **facts)


def with_known_facts(
    found: Found, known: Clip, sha256: str, refused: BadClip | None = None
) -> Found | None:
    """Takes the facts of a clip from a store instead of from its file.

    Args:
        found: The clip as listed.
        known: The clip as the store has it.
        sha256: Of its file, which is unchanged.
        refused: Why the store has no facts of it, where another look would find the same.

    Returns:
        The clip; None where the store knows other bytes of it, or not all there is to know.
    """
    clip = replace(found.clip, sha256=sha256, bytes=known.bytes)
    if _is_the_same(clip, known):
        return replace(found, clip=_with_facts(clip, known))
    if refused and _has_the_same_bytes(clip, known):
        return replace(found, clip=_with_facts(clip, known), bad=refused)
    return None


def _is_the_same(clip: Clip, known: Clip) -> bool:
    """Whether the bytes, and the part of them that is the clip, were probed before."""
    return _has_the_same_bytes(clip, known) and known.duration_s is not None


def _has_the_same_bytes(clip: Clip, known: Clip) -> bool:
    return known.sha256 == clip.sha256 and _span(known) == _span(clip)


def _with_facts(clip: Clip, known: Clip) -> Clip:
    return replace(clip, **{name: getattr(known, name) for name in HEADER_FACTS})


def _span(clip: Clip) -> tuple[float | None, float | None, str | None]:
    """Which part of its file a clip is."""
    return clip.start_s, clip.end_s, clip.region
