"""From a set of named extractors to tracks: ordered by `needs`, one decode for each clip.

graph = Graph({"audio": Audio(), "mfcc": Mfcc()})
graph.specs["mfcc"].fingerprint
measure(graph, {"mfcc"}, clip, path, media)    -> {"mfcc": Track or BadClip}
"""

from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from graphlib import CycleError, TopologicalSorter
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from extractors.base import (
    Encoder,
    Extractor,
    FromFrames,
    FromTracks,
    Rgb,
    Sink,
    Waveform,
)
from extractors.frames import Frames
from extractors.media import Decoded, Limits, decode
from extractors.media_file import MediaFile
from extractors.timegrid import Cadence
from extractors.unforeseen import guarded
from manifests.clips import Clip, StreamKind
from manifests.features import FeatureSpec
from manifests.quarantine import BadClip, Reason
from manifests.tracks import Track

T = TypeVar("T")
Outcome = Track | BadClip
"""What became of a feature of a clip."""


class PlanError(ValueError):
    """The extractors do not fit together; the message says which need is not met."""


@dataclass(frozen=True)
class Media:
    """How clips are decoded.

    It changes no number, only what is refused, and so is no part of a fingerprint.
    """

    decoder: str = "pyav"
    """`pyav`, or `ffmpeg` for the second decoder; both give the same frames, bit for bit."""
    limits: Limits = field(default_factory=Limits)
    """What a clip may ask for."""
    strict: bool = False
    """Whether damage in the picture costs a clip its sound as well, and the other way round."""


@dataclass(frozen=True)
class Graph:
    """Extractors by feature name, and what follows from how they need each other."""

    extractors: Mapping[str, Extractor]
    """Name of a feature -> its extractor."""

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Every name after the names that it needs.

        PlanError where a need is not there, or features need each other in a circle.
        """
        for name, extractor in self.extractors.items():
            for role, need in extractor.needs.items():
                if need not in self.extractors:
                    known = ", ".join(sorted(self.extractors))
                    raise PlanError(
                        f"feature {name} needs {need!r} as its {role}, which the recipe does not "
                        f"have; it has {known}"
                    )
        try:
            return tuple(
                TopologicalSorter(
                    {n: sorted(e.needs.values()) for n, e in sorted(self.extractors.items())}
                ).static_order()
            )
        except CycleError as error:
            raise PlanError(
                f"features need each other in a circle: {' -> '.join(error.args[1])}; break it in "
                "the recipe"
            ) from error

    @cached_property
    def specs(self) -> Mapping[str, FeatureSpec]:
        """Name -> spec of each feature, in order.

        ValueError where an input has a form that its extractor cannot work on.
        """
        specs: dict[str, FeatureSpec] = {}
        for name in self.order:
            extractor = self.extractors[name]
            specs[name] = extractor.spec(
                name, {role: specs[need] for role, need in extractor.needs.items()}
            )
        return specs

    def closure(self, names: Collection[str]) -> tuple[str, ...]:
        """Adds to some features all that they need.

        Args:
            names: Names of features.

        Returns:
            These names and those of their needs, in order.
        """
        wanted = set(names)
        for name in reversed(self.order):
            if name in wanted:
                wanted.update(self.extractors[name].needs.values())
        return tuple(name for name in self.order if name in wanted)

    def encoders(self, names: Collection[str]) -> dict[str, Encoder]:
        """Picks the encoders among some features.

        Args:
            names: Names of features.

        Returns:
            Name -> encoder, in order.
        """
        return {
            name: extractor
            for name in self.order
            if name in names and isinstance(extractor := self.extractors[name], Encoder)
        }

    def streams(self, name: str) -> frozenset[StreamKind]:
        """Finds what a feature is measured on.

        Args:
            name: Name of the feature.

        Returns:
            Sound, pictures, or both.
        """
        kinds = {StreamKind.SOUND: Waveform, StreamKind.PICTURES: FromFrames}
        needs = [self.extractors[need] for need in self.closure([name])]
        return frozenset(
            stream
            for stream, kind in kinds.items()
            if any(isinstance(extractor, kind) for extractor in needs)
        )

    def cadence(self, name: str) -> Cadence:
        """Finds the time grid that a feature of frames is measured on.

        Args:
            name: Name of the feature.

        Returns:
            The times of its grid.

        Raises:
            PlanError: It needs a track, no frames, or frames of several grids.
        """
        needs = self.closure([name])
        if made := next(
            (need for need in needs if not isinstance(self.extractors[need], FromFrames)), None
        ):
            kind = self.extractors[made].name
            raise PlanError(
                f"feature {name} is measured on frames as they are decoded, but its need {made} "
                f"is made by {kind}, after them"
            )
        grids = [found for need in needs if isinstance(found := self.extractors[need], Frames)]
        if not grids:
            raise PlanError(
                f"feature {name} is measured on frames, but no feature of kind `frames` is among "
                "its needs"
            )
        if len(cadences := {frames.cadence for frames in grids}) > 1:
            raise PlanError(
                f"feature {name} is measured on frames of {len(cadences)} time grids; let all its "
                "needs name one of them"
            )
        return grids[0].cadence


def measure(
    graph: Graph, wanted: Collection[str], clip: Clip, file: MediaFile, media: Media
) -> dict[str, Outcome]:
    """Measures features of one clip from one decode.

    Args:
        graph: All features of the recipe.
        wanted: Names of the features that are measured.
        clip: The clip.
        file: Its file.
        media: How it is decoded.

    Returns:
        Name -> a track, or why there is none, for every wanted feature.

    Raises:
        OSError: The file is missing or the disk fails.
    """
    names = graph.closure(wanted)
    sinks = _sinks(graph, names, set(wanted), clip)
    waves = [
        extractor for name in names if isinstance(extractor := graph.extractors[name], Waveform)
    ]
    try:
        with guarded(clip):
            decoded = decode(
                clip,
                file,
                audio=bool(waves),
                grids=_grids(graph, sinks),
                limits=media.limits,
                decoder=media.decoder,
                strict=media.strict,
            )
    except BadClip as bad:
        return dict.fromkeys(wanted, bad)
    tracks = _ClipOutcomes()
    for name in names:
        extractor = graph.extractors[name]
        if name in sinks:
            tracks[name] = decoded.video_fault or _caught(clip, sinks[name].finish)
        elif isinstance(extractor, Waveform):
            tracks[name] = _caught(clip, partial(_convert, extractor, clip, decoded))
        elif isinstance(extractor, FromTracks):
            tracks[name] = _extract(extractor, clip, tracks)
    return {name: _checked(clip, name, _noted(tracks[name], decoded.notes)) for name in wanted}


class _ClipOutcomes(dict[str, Outcome]):
    """What is known of one clip so far, and what its extractors share."""

    def __init__(self) -> None:
        super().__init__()
        self.shared: dict[Hashable, Any] = {}


@dataclass(frozen=True)
class _ClipInputs:
    """The inputs of one extractor: its needs by role, all present."""

    names: tuple[tuple[str, str], ...]
    """Role and feature of each need: what is shared is shared by those with the same needs."""
    tracks: Mapping[str, Track]
    shared: dict[Hashable, Any]

    def __getitem__(self, role: str) -> Track:
        return self.tracks[role]

    def once(self, key: Hashable, compute: Callable[[], T]) -> T:
        shared_key = (self.names, key)
        if shared_key not in self.shared:
            self.shared[shared_key] = compute()
        value: T = self.shared[shared_key]
        return value


class _ClipSink:
    """A sink that takes no more frames once it, or one that it listens to, has failed."""

    def __init__(self, clip: Clip, sink: Sink, needs: Collection["_ClipSink"]) -> None:
        self._clip, self.sink, self._needs = clip, sink, needs
        self._bad: BadClip | None = None

    @property
    def bad(self) -> BadClip | None:
        """Why it gives no track."""
        return self._bad or next((need.bad for need in self._needs if need.bad), None)

    def push(self, seconds: float, rgb: Rgb) -> None:
        if self.bad is not None:
            return
        try:
            with guarded(self._clip):
                self.sink.push(seconds, rgb)
        except BadClip as bad:
            self._bad = bad

    def finish(self) -> Track:
        if self.bad is not None:
            raise self.bad
        return self.sink.finish()


def _sinks(
    graph: Graph, names: Collection[str], wanted: Collection[str], clip: Clip
) -> dict[str, _ClipSink]:
    """A sink for each feature of frames.

    Whole frames are collected only where they are wanted themselves, or as a track to work on.
    """
    worked_on = {
        need
        for name in names
        if isinstance(found := graph.extractors[name], FromTracks)
        for need in found.needs.values()
    }
    sinks: dict[str, _ClipSink] = {}
    for name in names:
        extractor = graph.extractors[name]
        if isinstance(extractor, FromFrames) and (
            name in {*wanted, *worked_on} or not isinstance(extractor, Frames)
        ):
            needs = {role: sinks[need] for role, need in extractor.needs.items() if need in sinks}
            sink = extractor.sink(clip, {role: need.sink for role, need in needs.items()})
            sinks[name] = _ClipSink(clip, sink, needs.values())
    return sinks


def _grids(
    graph: Graph, sinks: Mapping[str, _ClipSink]
) -> dict[Cadence, Callable[[float, Rgb], None]]:
    by_cadence: dict[Cadence, list[_ClipSink]] = {}
    for name, sink in sinks.items():
        by_cadence.setdefault(graph.cadence(name), []).append(sink)
    return {cadence: _push_to(group) for cadence, group in by_cadence.items()}


def _push_to(sinks: list[_ClipSink]) -> Callable[[float, Rgb], None]:
    def push(seconds: float, rgb: Rgb) -> None:
        for sink in sinks:
            sink.push(seconds, rgb)

    return push


def _convert(extractor: Waveform, clip: Clip, decoded: Decoded) -> Track:
    if decoded.audio_fault is not None:
        raise decoded.audio_fault
    if decoded.pcm is None:
        raise BadClip(clip.clip_id, Reason.NO_AUDIO, "the file has no audio stream")
    return extractor.convert(clip, decoded.pcm)


def _extract(extractor: FromTracks, clip: Clip, tracks: _ClipOutcomes) -> Outcome:
    inputs: dict[str, Track] = {}
    for role, need in extractor.needs.items():
        outcome = tracks[need]
        if isinstance(outcome, BadClip):
            return outcome
        inputs[role] = outcome
    names = tuple(sorted(extractor.needs.items()))
    return _caught(clip, lambda: extractor.extract(clip, _ClipInputs(names, inputs, tracks.shared)))


def _caught(clip: Clip, work: Callable[[], Track]) -> Outcome:
    try:
        with guarded(clip):
            return work()
    except BadClip as bad:
        return bad


def _noted(outcome: Outcome, notes: tuple[str, ...]) -> Outcome:
    if isinstance(outcome, BadClip) or not notes:
        return outcome
    return replace(outcome, notes=(*outcome.notes, *notes))


def _checked(clip: Clip, name: str, outcome: Outcome) -> Outcome:
    if isinstance(outcome, Track) and (rows := _not_finite(outcome)):
        return BadClip(
            clip.clip_id,
            Reason.NOT_FINITE,
            f"{rows} of {len(outcome)} rows of {name} are infinite or not a number",
        )
    return outcome


def _not_finite(track: Track) -> int:
    """Counts valid rows that hold a value which is infinite or not a number."""
    if track.values.dtype.kind != "f" or np.isfinite(track.values).all():
        return 0
    rows: NDArray[Any] = track.values[track.valid]
    return int((~np.isfinite(rows)).reshape(len(rows), -1).any(axis=1).sum()) if len(rows) else 0
