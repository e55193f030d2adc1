"""Media files: what their header says (`probe`), and one pass from a file to samples and grid
frames (`decode`).

Everything is decoded once: one open, one reading, for the sound and for any number of frame grids
(see `extractors.frames` for what a grid is). Frames are handed on one by one; the compressed
packets of the file and the samples of the clip are what stays in memory.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from av import AudioFrame, VideoFrame
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from extractors.base import Pcm, Rgb
from extractors.container import Content, Packets, opened
from extractors.ffmpeg_decoder import FfmpegDecoder
from extractors.limits import Deadline, Limits
from extractors.pcm import Samples
from extractors.pixels import DisplayFacts, display_facts, to_rgb
from extractors.pyav_decoder import PacketDecoder, can_plan, stamp_of
from extractors.timegrid import Cadence, Grids, PerSecond, PlanBroken, Share, exact_fps, plan
from extractors.truncation import check_samples
from manifests.clips import Clip
from manifests.quarantine import BadClip, Reason

__all__ = ["DECODED_BY_FFMPEG", "DECODERS", "Decoded", "Limits", "decode", "probe"]

DECODERS = ("pyav", "ffmpeg")
DECODED_BY_FFMPEG = "decoded_by_ffmpeg"
"""Note: PyAV has no decoder for the clip's codec, and the second decoder was used though the first
was asked for."""

Push = Callable[[float, Rgb], None]


@dataclass(frozen=True, eq=False)
class Decoded:
    """What is left of a decode when the frames have been handed on."""

    pcm: Pcm | None
    """None where sound was not asked for, or there is not a sample of it in the clip."""
    notes: tuple[str, ...] = ()
    """`decoded_by_ffmpeg`, `audio_gaps`: named facts that end in the index."""


def probe(clip: Clip, path: Path, limits: Limits) -> Clip:
    """The clip with its stream facts. The packets are read, so that a file cut short is told from a
    shorter one; none is decoded.

    A stream that declares itself but holds no packet counts as absent. `duration_s` of a span is
    the part of it that the file covers.
    BadClip: EMPTY_FILE, FORBIDDEN, UNREADABLE, TRUNCATED, CORRUPT (the container breaks off),
        TOO_LARGE, TOO_LONG, TIMED_OUT.
    OSError where the file is missing or the disk fails.
    """
    deadline = Deadline(clip.clip_id, limits.timeout_s)
    with opened(clip.clip_id, path, deadline, to_decode=False) as content:
        _check(clip, path, content, limits)
        facts = replace(
            clip, has_audio=content.audio is not None, has_video=content.video is not None
        )
        if content.audio is not None:
            facts = _audio_facts(facts, content.audio)
        if content.video is not None:
            facts = _video_facts(facts, content.video)
        return replace(facts, duration_s=_duration_s(clip, content))


def decode(
    clip: Clip,
    path: Path,
    *,
    audio: bool,
    grids: Mapping[float, Push] | Mapping[Cadence, Push],
    limits: Limits,
    decoder: str = "pyav",
) -> Decoded:
    """One pass over the clip: its samples, and for each grid (cadence, or grid times a second ->
    receiver) its frames, in order of time.

    A receiver is called with (the frame's own time stamp in seconds, (height, width, 3) uint8 RGB),
    once for each grid time; the same array goes to all receivers, so none may write to it. A clip
    without video calls none. The clip's span and region are kept to: frames outside are not
    converted and samples are cut to the span exactly.

    `decoder`: `pyav`, or `ffmpeg` for the binary that imageio-ffmpeg brings; both give the same
    bits. Where PyAV has no decoder for a codec, ffmpeg is used and the result's notes say
    `decoded_by_ffmpeg`.

    BadClip as in `probe`; and CORRUPT where a packet that the wanted frames or samples need is
    refused by its decoder, or a frame comes out with damage concealed.
    """
    if decoder not in DECODERS:
        raise ValueError(f"decoder is {decoder!r}, expected one of {', '.join(DECODERS)}")
    deadline = Deadline(clip.clip_id, limits.timeout_s)
    with opened(clip.clip_id, path, deadline) as content:
        _check(clip, path, content, limits)
        sound = content.audio if audio else None
        pictures = content.video if grids else None
        job = _Job(
            clip, path, {_cadence(key): push for key, push in grids.items()}, limits, deadline
        )
        return job.run(sound, pictures, decoder)


def _cadence(grid: Cadence | float) -> Cadence:
    return grid if isinstance(grid, Cadence) else PerSecond(exact_fps(grid))


class _Job:
    """One clip's decode."""

    def __init__(
        self,
        clip: Clip,
        path: Path,
        grids: Mapping[Cadence, Push],
        limits: Limits,
        deadline: Deadline,
    ) -> None:
        self._clip, self._path, self._limits, self._deadline = clip, path, limits, deadline
        self._pushes = tuple(grids.values())
        self._cadences = tuple(grids)

    def run(
        self,
        sound: Packets[AudioStream] | None,
        pictures: Packets[VideoStream] | None,
        decoder: str,
    ) -> Decoded:
        padding = (Fraction(0), Fraction(0)) if sound is None else sound.padding()
        self._samples = Samples(
            self._clip.clip_id,
            self._clip.start_s,
            self._clip.end_s,
            self._limits.max_duration_s,
            padding,
        )
        missing = any(p is not None and p.stream.codec_context is None for p in (sound, pictures))
        if sound is not None or pictures is not None:
            if decoder == "ffmpeg" or missing:
                self._by_ffmpeg(sound, pictures)
            else:
                self._by_pyav(sound, pictures)
        notes = (DECODED_BY_FFMPEG,) if missing and decoder == "pyav" else ()
        return Decoded(self._samples.pcm(), notes + self._samples.notes)

    def _by_pyav(
        self, sound: Packets[AudioStream] | None, pictures: Packets[VideoStream] | None
    ) -> None:
        if sound is not None:
            audio = PacketDecoder(
                self._clip.clip_id, sound, self._limits.max_pixels, self._deadline
            )
            audio.audio(
                lambda frame: self._samples.add(frame, stamp_of(frame, sound.time_base)),
                lambda: self._samples.ended,
            )
        if pictures is not None:
            video = PacketDecoder(
                self._clip.clip_id, pictures, self._limits.max_pixels, self._deadline
            )
            self._show(pictures, video)

    def _show(self, pictures: Packets[VideoStream], decoder: PacketDecoder) -> None:
        grids = self._grids(pictures)
        if can_plan(pictures):
            shares = self._plan(pictures)
            grids.expect(shares)
            try:
                self._feed(
                    grids, pictures, decoder, {int(stamp / pictures.time_base) for stamp in shares}
                )
                return
            except PlanBroken:
                grids.expect(None)
        self._feed(grids, pictures, decoder, None)

    def _plan(self, pictures: Packets[VideoStream]) -> dict[Fraction, Share]:
        return plan(_announced(pictures) or [], self._cadences, *self._span(pictures))

    def _feed(
        self,
        grids: "Grids[tuple[VideoFrame, DisplayFacts]]",
        pictures: Packets[VideoStream],
        decoder: PacketDecoder,
        wanted: set[int] | None,
    ) -> None:
        for frame in decoder.video(wanted):
            stamp = stamp_of(frame, pictures.time_base)
            if stamp is None:
                raise self._bad(
                    Reason.UNREADABLE,
                    "a frame has no time stamp, expected one on each; remux the file into mp4 or "
                    "mkv",
                )
            grids.show(stamp, (frame, display_facts(frame)))
            if grids.ended:
                return
        grids.finish()

    def _by_ffmpeg(
        self, sound: Packets[AudioStream] | None, pictures: Packets[VideoStream] | None
    ) -> None:
        grids = self._grids(pictures) if pictures is not None else None
        with FfmpegDecoder(
            self._clip.clip_id, self._path, pictures, sound, self._deadline
        ) as decoder:
            for frame, stamp in decoder.frames():
                if isinstance(frame, AudioFrame):
                    self._samples.add(frame, stamp)
                elif grids is not None:
                    grids.show(
                        stamp,
                        (frame, replace(display_facts(frame), rotation_deg=decoder.rotation_deg)),
                    )
                if (grids is None or grids.ended) and (sound is None or self._samples.ended):
                    return
        if grids is not None:
            grids.finish()

    def _grids(self, pictures: Packets[VideoStream]) -> "Grids[tuple[VideoFrame, DisplayFacts]]":
        return Grids(self._cadences, *self._span(pictures), self._give, _announced(pictures))

    def _span(self, pictures: Packets[VideoStream]) -> tuple[Fraction | None, Fraction]:
        """Where the grid begins (None: with the first frame) and ends."""
        start = None if self._clip.start_s is None else Fraction(self._clip.start_s)
        end = pictures.end_s
        if end is None:
            raise self._bad(
                Reason.UNREADABLE,
                "no video packet has a time stamp, expected one on each; remux the file into mp4 "
                "or mkv",
            )
        return start, end if self._clip.end_s is None else min(end, Fraction(self._clip.end_s))

    def _give(self, stamp: Fraction, shown: tuple[VideoFrame, DisplayFacts], share: Share) -> None:
        frame, display = shown
        if frame.width * frame.height > self._limits.max_pixels:
            raise _too_large(self._clip, frame.width, frame.height, self._limits)
        rgb = to_rgb(frame, display, self._clip.region)
        with self._deadline.paused():
            for push, times in zip(self._pushes, share, strict=True):
                for _ in range(times):
                    push(float(stamp), rgb)

    def _bad(self, reason: Reason, detail: str) -> BadClip:
        return BadClip(self._clip.clip_id, reason, detail)


def _announced(pictures: Packets[VideoStream]) -> list[Fraction] | None:
    """The time stamps of all frames, where the packets can be relied on to tell them."""
    return (
        [pts * pictures.time_base for pts in pictures.stamps or []] if can_plan(pictures) else None
    )


def _check(clip: Clip, path: Path, content: Content, limits: Limits) -> None:
    """What the header and the packets condemn."""
    for packets in (content.video, content.audio):
        if packets is not None:
            check_samples(
                clip.clip_id, path, content.container.format.name, packets.stream, packets.end_s
            )
    if content.video is not None:
        parameters = content.video.stream
        if (
            parameters.codec_context is not None
            and parameters.width * parameters.height > limits.max_pixels
        ):
            raise _too_large(clip, parameters.width, parameters.height, limits)
    length = _duration_s(clip, content)
    if length > limits.max_duration_s:
        raise BadClip(
            clip.clip_id,
            Reason.TOO_LONG,
            f"the clip lasts {length:.1f} s, the limit is {limits.max_duration_s:g} s; raise "
            "max_duration_s or cut it into spans",
        )


def _too_large(clip: Clip, width: int, height: int, limits: Limits) -> BadClip:
    found = (
        f"a frame has {width} x {height} = {width * height:,} pixels, the limit is "
        f"{limits.max_pixels:,}"
    )
    return BadClip(clip.clip_id, Reason.TOO_LARGE, f"{found}; raise max_pixels or shrink the video")


def _length_s(packets: Packets[VideoStream] | Packets[AudioStream]) -> float:
    """By the header; by the packets where it does not say."""
    if packets.stream.duration is not None:
        return float(packets.stream.duration * packets.time_base)
    return float((packets.end_s or 0) - (packets.first_s or 0))


def _duration_s(clip: Clip, content: Content) -> float:
    streams = [p for p in (content.video, content.audio) if p is not None]
    if clip.start_s is None and clip.end_s is None:
        # A header may say little of what the packets hold, and the other way round; the longer one
        # counts against the limit.
        return max(
            (max(_length_s(p), float((p.end_s or 0) - (p.first_s or 0))) for p in streams),
            default=0.0,
        )
    end = max((float(p.end_s or 0) for p in streams), default=0.0)
    return max(0.0, min(end, clip.end_s if clip.end_s is not None else end) - (clip.start_s or 0.0))


def _start_s(packets: Packets[VideoStream] | Packets[AudioStream]) -> float | None:
    first = packets.first_s
    return None if first is None else float(first)


def _audio_facts(clip: Clip, packets: Packets[AudioStream]) -> Clip:
    context = packets.stream.codec_context
    return replace(
        clip,
        audio_s=_length_s(packets),
        audio_start_s=_start_s(packets),
        rate_hz=context.sample_rate if context is not None else None,
        channels=context.channels if context is not None else None,
    )


def _video_facts(clip: Clip, packets: Packets[VideoStream]) -> Clip:
    stream = packets.stream
    rate = stream.average_rate
    return replace(
        clip,
        video_s=_length_s(packets),
        video_start_s=_start_s(packets),
        width_px=stream.width if stream.codec_context is not None else None,
        height_px=stream.height if stream.codec_context is not None else None,
        fps=float(rate) if rate else None,
        frames=stream.frames or None,
        variable_rate=_variable(packets),
    )


def _variable(packets: Packets[VideoStream]) -> bool | None:
    """Intervals differ by more than a tenth of the middle one, and by more than the container's
    rounding; None without time stamps."""
    stamps = packets.stamps
    if stamps is None or len(stamps) < 3:
        return None if stamps is None else False
    gaps = sorted(after - before for before, after in pairwise(stamps))
    return gaps[-1] - gaps[0] > max(2, 0.1 * gaps[len(gaps) // 2])
