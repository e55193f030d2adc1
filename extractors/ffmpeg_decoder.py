"""The second decoder: the ffmpeg binary of imageio-ffmpeg, through ffmpeg-python.

ffmpeg decodes in a process of its own and writes the planes as decoded, not converted, into a pipe
in the NUT container, which carries each frame's time stamp exactly; they are read frame by frame
and go the same way to RGB and float as PyAV's. NUT carries neither colour nor orientation: these
ffmpeg is asked for first, in its own words about the first frame, and by a small mov of it, whose
track has a display matrix.
"""

import io
import math
import os
import re
import select
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import av
import av.error
import ffmpeg
import imageio_ffmpeg
from av import AudioFrame, VideoFrame
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from extractors.container import Content
from extractors.file_ends import HEAD_LEFT_OUT, TAIL_LEFT_OUT, WRONG_SIZE
from extractors.limits import Deadline
from extractors.opening import FORMATS
from extractors.packets import Packets
from extractors.pixels import AS_STORED, DisplayFacts, display_facts, orientation_of
from extractors.pyav_decoder import decoded_runs, detected_damage
from extractors.sound_extent import counted_runs, is_counted
from manifests.quarantine import BadClip, Reason

_INPUT = {
    "protocol_whitelist": "file",
    "format_whitelist": ",".join(FORMATS),
    "threads": 1,
}
# Decoder option -> where the showinfo filter says it; the words are the same.
_COLOUR = {
    "colorspace": r"color_space:(\S+)",
    "color_range": r"color_range:(\S+)",
    "chroma_sample_location": r" cl:(\S+)",
}

_TICKS = re.compile(
    r"^\[Parsed_showinfo_\d+ @ \w+\] n: *\d+ pts: *(-?\d+)", re.MULTILINE | re.ASCII
)
"""How showinfo says when a frame is shown, in ticks of the stream: at the beginning of a line,
where no title of a file can stand."""

_RISING = "isnan(prev_selected_pts)+gt(pts,prev_selected_pts)"
"""A frame that is not later than the one before was never on screen, and a container does not take
it."""
_SHIFT_S = 100_000
"""NUT has no time stamps below zero: all are shifted by a whole number of ticks, exactly, and
shifted back here."""


_NO_SECOND_DECODER = {"mlp", "truehd"}
"""Codings whose frames are shorter than NUT's ticks."""


def is_offered(content: Content) -> bool:
    """Says whether the second decoder gives the same as the first for a file.

    Args:
        content: The file.

    Returns:
        False where the first leaves out what is no whole frame, at which this one stops: its ends
        are noted as cut, or it is a Wave64 file, whose last chunk is filled up. Likewise where a
        packet is marked as damaged (the last one of a wav without a size is), and where the times
        of the sound run backwards (chained Ogg), which no container takes.
    """
    left_out = {HEAD_LEFT_OUT, TAIL_LEFT_OUT, WRONG_SIZE} & set(content.notes)
    context = content.audio.stream.codec_context if content.audio else None
    coding = context.codec.canonical_name if context is not None else ""
    is_unfit = content.container.format.name == "w64" or coding in _NO_SECOND_DECODER
    return not (left_out or is_unfit or _is_marked(content) or _runs_back(content.audio))


def _is_marked(content: Content) -> bool:
    return any(
        packet.is_corrupt
        for packets in (content.video, content.audio)
        if packets is not None
        for packet in packets.items
    )


def _runs_back(sound: Packets[AudioStream] | None) -> bool:
    items = [] if sound is None else sound.items
    stamps = [packet.dts if packet.pts is None else packet.pts for packet in items]
    known = [stamp for stamp in stamps if stamp is not None]
    return any(after < before for before, after in pairwise(known))


Ordering = Callable[[Sequence[int], Packets[VideoStream]], Sequence[int | None]]
"""(times of frames in the order they come out, their packets) -> when each is shown, in ticks."""


class FfmpegDecoder:
    """One run of ffmpeg over one file. Streams are named by their index in the file."""

    def __init__(
        self,
        clip_id: str,
        path: Path,
        video: Packets[VideoStream] | None,
        audio: Packets[AudioStream] | None,
        deadline: Deadline,
        order: Ordering | None = None,
    ) -> None:
        """Prepares a run.

        Args:
            clip_id: The clip's id.
            path: Its file.
            video: The packets of the pictures that are wanted, or None.
            audio: The packets of the sound that is wanted, or None.
            deadline: The clip's time limit.
            order: Gives each frame its time, where frames are decoded twice, to see first when
                each is shown.
        """
        self._clip_id, self._deadline = clip_id, deadline
        self._path, self._video, self._audio = str(path.absolute()), video, audio
        self._order = order
        self._orientation = AS_STORED
        self._late: Fraction | None = None
        self._colour: dict[str, str] = {}
        self.times: Sequence[int | None] | None = None
        """When each frame is shown in ticks, where it was looked at first; None: they carry it."""

    def __enter__(self) -> "FfmpegDecoder":
        if self._video is not None:
            self._ask(self._video)
            if self._order is not None:
                self.times = self._order(self._list_times(self._video), self._video)
        self._errors: IO[bytes] = tempfile.TemporaryFile()
        # No shell; the path is absolute and cannot be read as an option.
        self._process = subprocess.Popen(
            self._command(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._errors.close()

    def frames(self) -> Iterator[tuple[VideoFrame | AudioFrame, Fraction]]:
        """Reads frames and samples as they come.

        Yields:
            Each with the seconds of one tick of its own time stamp.

        Raises:
            BadClip: ffmpeg gives up, or takes too long.
            MemoryError: It was killed, most often because memory ran out.
        """
        try:
            with av.open(_Pipe(self._process, self._deadline), mode="r", format="nut") as container:
                for stream in container.streams.video:
                    stream.codec_context.options = self._colour
                for packet in container.demux():
                    for frame in packet.decode():
                        if isinstance(frame, VideoFrame | AudioFrame):
                            yield frame, packet.time_base
        except av.error.FFmpegError as error:
            self._check_exit()
            raise BadClip(
                self._clip_id,
                Reason.UNREADABLE,
                f"what ffmpeg decoded cannot be read ({error}), expected raw frames",
            ) from error
        self._check_exit()

    def display_facts(self, frame: VideoFrame) -> DisplayFacts:
        """Says how a frame is to be shown.

        Args:
            frame: One of the frames.

        Returns:
            Its colour space, range, orientation and shape of pixels.
        """
        aspect = None if self._video is None else self._video.stream.sample_aspect_ratio
        return replace(display_facts(frame, aspect), orientation=self._orientation)

    def heard_s(self, frame: AudioFrame, time_base: Fraction) -> Fraction:
        """Says when samples are heard.

        Args:
            frame: Some of the samples.
            time_base: Seconds of a tick of their time stamp.

        Returns:
            Seconds on the file's clock.
        """
        stamp = (frame.pts or 0) * time_base - _SHIFT_S
        if self._late is None:
            self._late = self._rounding(stamp)
        return stamp - self._late

    def shown_at(self, frame: VideoFrame, time_base: Fraction) -> int | None:
        """Says when a frame is shown.

        Args:
            frame: One of the frames.
            time_base: Seconds of one tick of its time stamp.

        Returns:
            Ticks of the file's clock; None where it never is.
        """
        if self._video is None:
            return None
        own = self._video.time_base
        place = int((frame.pts or 0) * time_base / own) - self._shift(own)
        if self.times is None:
            return place
        return self.times[place] if place < len(self.times) else None

    def _rounding(self, first: Fraction) -> Fraction:
        """How far ffmpeg moved the sound within a tick of the container.

        A tick can be as long as a packet (AVI).
        """
        if (packets := self._audio) is None:
            return Fraction(0)
        runs = (
            counted_runs(packets)
            if is_counted(packets.stream)
            else decoded_runs(self._clip_id, packets, self._deadline)
        )
        start = next((ticks for ticks, _ in runs), None)
        moved = Fraction(0) if start is None else first - start * packets.time_base
        return moved if abs(moved) < packets.time_base else Fraction(0)

    def _shift(self, time_base: Fraction) -> int:
        return math.ceil(_SHIFT_S / time_base)

    def _check_exit(self) -> None:
        """Refuses the clip where ffmpeg ended with an error, after the last frame.

        A process that still writes is one that nobody reads any more, and no fault of its own.
        """
        try:
            code = self._process.wait(min(2.0, self._deadline.left_s()))
        except subprocess.TimeoutExpired:
            return
        if code == -signal.SIGKILL:
            raise MemoryError("ffmpeg was killed, most often because memory ran out")
        if code:
            self._errors.seek(0)
            said = self._errors.read().decode(errors="replace").strip().splitlines() or [
                f"exit code {code}"
            ]
            detail = (
                f"ffmpeg stops with `{_plain(said[0])}`, expected every packet to decode; "
                "copy or download the file again"
            )
            raise BadClip(self._clip_id, Reason.CORRUPT, detail)

    def _command(self) -> list[str]:
        source = self._source(copyts=None)
        streams = []
        if self._video is not None:
            frames = source[str(self._video.stream.index)]
            if self.times is None:
                frames = frames.filter("select", _RISING)
            ticks = "PTS" if self.times is None else "N"
            streams.append(frames.filter("setpts", f"{ticks}+{self._shift(self._video.time_base)}"))
        if self._audio is not None:
            # Samples count in 1 / rate from here on, whatever the container counts in.
            streams.append(
                source[str(self._audio.stream.index)].filter("asetpts", f"PTS+{_SHIFT_S}*SR")
            )
        sink = ffmpeg.output(
            *streams,
            "pipe:1",
            format="nut",
            vcodec="rawvideo",
            acodec="pcm_f32le",
            fps_mode="passthrough",
            enc_time_base="demux",
            avoid_negative_ts="disabled",
        )
        quiet = sink.global_args("-hide_banner", "-nostdin", "-loglevel", "error", "-xerror")
        return _words(quiet)

    def _source(self, **options: Any) -> Any:
        """The file as ffmpeg's input; packets that cannot be decoded are left out."""
        if self._video is not None and self._video.left_out:
            first = f"noise=drop=lt(n\\,{self._video.left_out})"
            options[f"bsf:{self._video.stream.index}"] = first
        if self._video is not None and (
            detect := detected_damage(self._video.stream, self._video.items)
        ):
            options["err_detect:v"] = detect
        return ffmpeg.input(self._path, noautorotate=None, **options, **_INPUT)

    def _ask(self, video: Packets[VideoStream]) -> None:
        """Colour and orientation of the first frame, by ffmpeg's showinfo filter and a mov."""
        source = self._source()[str(video.stream.index)]
        first = source.filter("showinfo", checksum=0).filter("scale", 16, 16)
        sink = ffmpeg.output(
            first,
            "pipe:1",
            format="mov",
            movflags="frag_keyframe+empty_moov",
            vcodec="rawvideo",
            pix_fmt="rgb24",
            vframes=1,
        )
        said, mov = self._asked(sink)
        first_words = said[said.find("Parsed_showinfo") :]
        found = {option: re.search(pattern, first_words) for option, pattern in _COLOUR.items()}
        self._colour = {
            option: match[1].replace("gbr", "rgb") for option, match in found.items() if match
        }
        if mov:
            with av.open(io.BytesIO(mov), "r") as container:
                for frame in container.decode(video=0):
                    self._orientation = orientation_of(frame)

    def _list_times(self, video: Packets[VideoStream]) -> list[int]:
        """When each frame is shown, as far as ffmpeg can tell."""
        source = self._source(copyts=None)[str(video.stream.index)]
        sink = ffmpeg.output(
            source.filter("showinfo", checksum=0),
            "pipe:1",
            format="null",
            fps_mode="passthrough",
            enc_time_base="demux",
        )
        said, _ = self._asked(sink)
        return [int(ticks) for ticks in _TICKS.findall(said)]

    def _asked(self, sink: Any) -> tuple[str, bytes]:
        """What a run of ffmpeg says, and what it writes."""
        words = _words(sink.global_args("-hide_banner", "-nostdin"))
        try:
            done = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=self._deadline.left_s(),
                check=False,
            )
        except subprocess.TimeoutExpired:
            self._deadline.left_s()
            raise
        return done.stderr.decode(errors="replace"), done.stdout


class _Pipe:
    """ffmpeg's output as a file, with the clip's time limit on every wait."""

    def __init__(self, process: "subprocess.Popen[bytes]", deadline: Deadline) -> None:
        if process.stdout is None:
            raise ValueError(
                "the process was started without a pipe for its output; start it with stdout=PIPE"
            )
        self._file, self._deadline = process.stdout.fileno(), deadline

    def read(self, size: int) -> bytes:
        while not select.select([self._file], [], [], self._deadline.left_s())[0]:
            pass
        return os.read(self._file, size)


def _words(sink: Any) -> list[str]:
    """The command line of a graph of ffmpeg-python."""
    return [str(word) for word in ffmpeg.compile(sink, cmd=imageio_ffmpeg.get_ffmpeg_exe())]


def _plain(line: str) -> str:
    """A line of ffmpeg without the addresses of the objects that speak."""
    return re.sub(r"^(\[[^\]]*\]\s*)+", "", line)
