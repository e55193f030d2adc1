"""Decoding of one clip by either decoder: its samples, and its frames on any number of grids."""

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path

from av import AudioFrame, VideoFrame
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from extractors.damage import OF_THE_CONTENT, Damage
from extractors.ffmpeg_decoder import FfmpegDecoder
from extractors.flac_digest import flac_digest
from extractors.grid_frames import GridFrames
from extractors.limits import Deadline, Limits
from extractors.media import DECODED_BY_FFMPEG, Decoded, Push
from extractors.packets import Packets
from extractors.pcm import Samples
from extractors.presentation import are_times_unknown
from extractors.pyav_decoder import PacketDecoder, ticks_of
from extractors.sound_extent import excess_s
from extractors.timegrid import Cadence
from extractors.unforeseen import guarded
from manifests.clips import Clip
from manifests.quarantine import BadClip, Reason


class ClipDecoder:
    """Decodes one clip, whose file is open."""

    def __init__(
        self,
        clip: Clip,
        path: Path,
        grids: Mapping[Cadence, Push],
        limits: Limits,
        deadline: Deadline,
        damage: Damage,
    ) -> None:
        self._clip, self._path, self._limits, self._deadline = clip, path, limits, deadline
        self._damage = damage
        self._frames = GridFrames(clip, grids, limits, deadline)

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
        video_fault = attempt(lambda: self._see(pictures, decoder)) if pictures else None
        missing = any(p is not None and p.stream.codec_context is None for p in (sound, pictures))
        by_ffmpeg = (DECODED_BY_FFMPEG,) if missing and decoder == "pyav" else ()
        notes = by_ffmpeg + self._frames.notes
        if sound is None or audio_fault:
            return Decoded(None, notes, audio_fault, video_fault)
        return Decoded(self._samples.pcm(), notes + self._samples.notes, None, video_fault)

    def _fault(self, work: Callable[[], None]) -> BadClip | None:
        """What is wrong with a stream, known once it is decoded."""
        try:
            with guarded(self._clip):
                work()
        except BadClip as bad:
            if bad.reason not in OF_THE_CONTENT:  # a limit is the whole clip's
                raise
            return bad
        return None

    def _check(self, packets: Packets[AudioStream] | Packets[VideoStream]) -> None:
        """Refuses a stream of which the container lacks something."""
        if packets.fault:
            detail = f"{packets.fault}; copy or download the file again"
            self._damage.report(BadClip(self._clip.clip_id, Reason.CORRUPT, detail))

    def _hear(self, sound: Packets[AudioStream], decoder: str) -> None:
        self._check(sound)
        context = sound.stream.codec_context
        self._samples = Samples(
            self._clip.clip_id,
            self._clip.start_s,
            self._clip.end_s,
            self._limits,
            Fraction(0) if _is_by_ffmpeg(sound, decoder) else excess_s(sound),
            flac_digest(sound.stream.container.format.name, context.extradata if context else None),
            self._damage,
        )
        if _is_by_ffmpeg(sound, decoder):
            self._hear_by_ffmpeg(sound)
        else:
            tick, samples = sound.time_base, self._samples
            self._packet_decoder(sound).audio(
                lambda frame: samples.add_at(frame, ticks_of(frame), tick),
                lambda: samples.ended,
            )
        self._samples.check_all(len(sound.items))

    def _hear_by_ffmpeg(self, sound: Packets[AudioStream]) -> None:
        with self._ffmpeg(None, sound) as process:
            for frame, time_base in process.frames():
                if isinstance(frame, AudioFrame):
                    self._samples.add(frame, process.heard_s(frame, time_base))
                if self._samples.ended:
                    return

    def _see(self, pictures: Packets[VideoStream], decoder: str) -> None:
        self._check(pictures)
        if _is_by_ffmpeg(pictures, decoder):
            self._see_by_ffmpeg(pictures)
        else:
            self._frames.show(pictures, self._packet_decoder(pictures))

    def _see_by_ffmpeg(self, pictures: Packets[VideoStream]) -> None:
        with self._ffmpeg(pictures, None) as process:
            grids, given = self._frames.grids(pictures, process.times), list[int | None]()
            for frame, time_base in process.frames():
                if not isinstance(frame, VideoFrame):
                    continue
                if (stamp := process.shown_at(frame, time_base)) is not None:
                    given.append(stamp)
                    grids.show(stamp, (frame, process.display_facts))
                if grids.ended:
                    return
        if not given:
            raise BadClip(
                self._clip.clip_id,
                Reason.CORRUPT,
                f"{len(pictures.items)} video packets give no frame, expected one at least; copy "
                "or download the file again",
            )
        grids.finish()
        self._frames.note(process.times or given, pictures)

    def _packet_decoder(
        self, packets: Packets[AudioStream] | Packets[VideoStream]
    ) -> PacketDecoder:
        return PacketDecoder(
            self._clip.clip_id, packets, self._limits.max_pixels, self._deadline, self._damage
        )

    def _ffmpeg(
        self, pictures: Packets[VideoStream] | None, sound: Packets[AudioStream] | None
    ) -> FfmpegDecoder:
        looks_first = pictures is not None and are_times_unknown(pictures, self._clip.end_s)
        order = self._frames.order if looks_first else None
        return FfmpegDecoder(self._clip.clip_id, self._path, pictures, sound, self._deadline, order)


def _is_by_ffmpeg(packets: Packets[AudioStream] | Packets[VideoStream], decoder: str) -> bool:
    return decoder == "ffmpeg" or packets.stream.codec_context is None


def _at_once(work: Callable[[], None]) -> None:
    work()
