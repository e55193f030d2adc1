"""Decoding of one clip by either decoder: its samples, and its frames on any number of grids."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

from av import AudioFrame
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from extractors.container import Packets
from extractors.ffmpeg_decoder import FfmpegDecoder
from extractors.grid_frames import GridFrames
from extractors.limits import Deadline, Limits
from extractors.media import DECODED_BY_FFMPEG, Decoded, Push
from extractors.pcm import Samples
from extractors.presentation import are_times_unknown
from extractors.pyav_decoder import PacketDecoder, stamp_of
from extractors.timegrid import Cadence
from manifests.clips import Clip


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
        self._frames = GridFrames(clip, grids, limits, deadline)

    def run(
        self,
        sound: Packets[AudioStream] | None,
        pictures: Packets[VideoStream] | None,
        decoder: str,
    ) -> Decoded:
        """Decodes the streams that are wanted.

        Args:
            sound: Packets of the sound, or None.
            pictures: Packets of the pictures, or None.
            decoder: `pyav` or `ffmpeg`.

        Returns:
            The samples and what was noted.

        Raises:
            BadClip: A packet that is needed is refused, or the clip goes beyond a limit.
        """
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
            self._frames.show(pictures, video)

    def _by_ffmpeg(
        self, sound: Packets[AudioStream] | None, pictures: Packets[VideoStream] | None
    ) -> None:
        looks_first = pictures is not None and are_times_unknown(pictures, self._clip.end_s)
        with FfmpegDecoder(
            self._clip.clip_id, self._path, pictures, sound, self._deadline, looks_first
        ) as decoder:
            grids = None
            if pictures is not None:
                grids = self._frames.grids(pictures, decoder.times)
            for frame, stamp in decoder.frames():
                if isinstance(frame, AudioFrame):
                    self._samples.add(frame, stamp)
                elif grids is not None:
                    grids.show(stamp, (frame, decoder.display_facts))
                if (grids is None or grids.ended) and (sound is None or self._samples.ended):
                    return
        if grids is not None:
            grids.finish()
