"""Decoding of one clip by either decoder: its samples, and its frames on any number of grids."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from av import AudioFrame, VideoFrame
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from extractors.container import Packets
from extractors.ffmpeg_decoder import FfmpegDecoder
from extractors.limits import Deadline, Limits
from extractors.media import DECODED_BY_FFMPEG, Decoded, Push
from extractors.pcm import Samples
from extractors.pixels import DisplayFacts, display_facts, to_rgb
from extractors.pyav_decoder import PacketDecoder, can_plan, stamp_of
from extractors.sound_extent import excess_s
from extractors.timegrid import Cadence, Grids, PlanBroken, Share, plan, seconds_of
from extractors.unforeseen import guarded
from manifests.clips import Clip
from manifests.quarantine import BadClip, Reason

_DAMAGE = {Reason.CORRUPT, Reason.UNREADABLE, Reason.TRUNCATED}
"""Faults of one stream, which say nothing of the other one; a limit is the whole clip's."""


class ClipDecoder:
    """Decodes one clip, whose file is open."""

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
        self._given = [0] * len(self._cadences)
        """How many times of each grid the frames that were passed on serve."""

    def run(
        self,
        sound: Packets[AudioStream] | None,
        pictures: Packets[VideoStream] | None,
        decoder: str,
        strict: bool,
    ) -> Decoded:
        """Decodes the streams that are wanted, one after the other: damage in one leaves the other.

        Args:
            sound: Packets of the sound, or None.
            pictures: Packets of the pictures, or None.
            decoder: `pyav` or `ffmpeg`.
            strict: Refuse the clip for damage in either stream.

        Returns:
            The samples, what was noted, and what is wrong with either stream.

        Raises:
            BadClip: The clip goes beyond a limit; or, where `strict`, a stream is damaged.
        """
        attempt = _at_once if strict else self._fault
        audio_fault = attempt(lambda: self._hear(sound, decoder)) if sound else None
        video_fault = attempt(lambda: self._decode(None, pictures, decoder))
        missing = any(p is not None and p.stream.codec_context is None for p in (sound, pictures))
        notes = (DECODED_BY_FFMPEG,) if missing and decoder == "pyav" else ()
        if sound is None or audio_fault:
            return Decoded(None, notes, audio_fault, video_fault)
        return Decoded(self._samples.pcm(), notes + self._samples.notes, None, video_fault)

    def _fault(self, work: Callable[[], None]) -> BadClip | None:
        """What is wrong with a stream, known once it is decoded."""
        try:
            with guarded(self._clip):
                work()
        except BadClip as bad:
            if bad.reason not in _DAMAGE:
                raise
            return bad
        return None

    def _hear(self, sound: Packets[AudioStream], decoder: str) -> None:
        self._samples = Samples(
            self._clip.clip_id,
            self._clip.start_s,
            self._clip.end_s,
            self._limits.max_duration_s,
            Fraction(0) if self._is_by_ffmpeg(sound, decoder) else excess_s(sound),
        )
        self._decode(sound, None, decoder)

    @staticmethod
    def _is_by_ffmpeg(packets: Packets[AudioStream] | Packets[VideoStream], decoder: str) -> bool:
        return decoder == "ffmpeg" or packets.stream.codec_context is None

    def _decode(
        self,
        sound: Packets[AudioStream] | None,
        pictures: Packets[VideoStream] | None,
        decoder: str,
    ) -> None:
        packets = pictures if sound is None else sound
        if packets is None:
            return
        if self._is_by_ffmpeg(packets, decoder):
            self._by_ffmpeg(sound, pictures)
        else:
            self._by_pyav(sound, pictures)

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
        self._limits.check_pixels(self._clip.clip_id, frame.width, frame.height)
        self._given = [n + times for n, times in zip(self._given, share, strict=True)]
        shown_s = float(seconds_of(self._given, self._cadences))
        self._limits.check_shown(self._clip.clip_id, shown_s)
        rgb = to_rgb(frame, display, self._clip.region)
        with self._deadline.paused():
            for push, times in zip(self._pushes, share, strict=True):
                for _ in range(times):
                    push(float(stamp), rgb)

    def _bad(self, reason: Reason, detail: str) -> BadClip:
        return BadClip(self._clip.clip_id, reason, detail)


def _at_once(work: Callable[[], None]) -> None:
    work()


def _announced(pictures: Packets[VideoStream]) -> list[Fraction] | None:
    """The time stamps of all frames, where the packets can be relied on to hold them."""
    return (
        [pts * pictures.time_base for pts in pictures.stamps or []] if can_plan(pictures) else None
    )
