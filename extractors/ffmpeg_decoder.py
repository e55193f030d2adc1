"""The second decoder: the ffmpeg binary of imageio-ffmpeg, through ffmpeg-python.

ffmpeg decodes in a process of its own and writes the planes as decoded, not converted, into a pipe
in the NUT container, which carries each frame's time stamp exactly; they are read frame by frame
and go the same way to RGB and float as PyAV's. NUT does not carry colour and rotation: these ffmpeg
is asked for first, in its own words about the first frame.
"""

import math
import os
import re
import select
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from fractions import Fraction
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

from extractors.container import HEAD_LEFT_OUT, Content, Packets
from extractors.file_ends import TAIL_LEFT_OUT, WRONG_SIZE
from extractors.limits import Deadline
from extractors.opening import FORMATS
from extractors.pixels import quarter_turns
from extractors.pyav_decoder import decoded_runs
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
        are noted as cut, or it is a Wave64 file, whose last chunk is filled up.
    """
    left_out = {HEAD_LEFT_OUT, TAIL_LEFT_OUT, WRONG_SIZE} & set(content.notes)
    context = content.audio.stream.codec_context if content.audio else None
    coding = context.codec.canonical_name if context is not None else ""
    return not (left_out or content.container.format.name == "w64" or coding in _NO_SECOND_DECODER)


class FfmpegDecoder:
    """One run of ffmpeg over one file. Streams are named by their index in the file."""

    def __init__(
        self,
        clip_id: str,
        path: Path,
        video: Packets[VideoStream] | None,
        audio: Packets[AudioStream] | None,
        deadline: Deadline,
    ) -> None:
        self._clip_id, self._deadline = clip_id, deadline
        self._path, self._video, self._audio = str(path.absolute()), video, audio
        self.rotation_deg = 0
        self._late: Fraction | None = None
        self._colour: dict[str, str] = {}

    def __enter__(self) -> "FfmpegDecoder":
        if self._video is not None:
            self._ask(self._video.stream.index)
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
            Each with its time stamp in seconds.

        Raises:
            BadClip: ffmpeg gives up, or takes too long.
            MemoryError: It was killed, most often because memory ran out.
        """
        try:
            with av.open(_Pipe(self._process, self._deadline), mode="r", format="nut") as container:
                for stream in container.streams.video:
                    stream.codec_context.options = self._colour
                for packet in container.demux():
                    yield from (
                        (frame, self._stamp(frame, packet.time_base))
                        for frame in packet.decode()
                        if isinstance(frame, VideoFrame | AudioFrame)
                    )
        except av.error.FFmpegError as error:
            self._check_exit()
            raise BadClip(
                self._clip_id,
                Reason.UNREADABLE,
                f"what ffmpeg decoded cannot be read ({error}), expected raw frames",
            ) from error
        self._check_exit()

    def _stamp(self, frame: VideoFrame | AudioFrame, time_base: Fraction) -> Fraction:
        video = self._video
        if isinstance(frame, VideoFrame) and video is not None:
            return (frame.pts or 0) * time_base - self._shift(video.time_base) * video.time_base
        stamp = (frame.pts or 0) * time_base - _SHIFT_S
        if self._late is None:
            self._late = self._rounding(stamp)
        return stamp - self._late

    def _rounding(self, first: Fraction) -> Fraction:
        """How far ffmpeg moved the sound within a tick of the container.

        A tick can be as long as a packet (AVI).
        """
        packets = self._audio
        if packets is None:
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
        source = ffmpeg.input(self._path, copyts=None, noautorotate=None, **_INPUT)
        streams = []
        if self._video is not None:
            rising = source[str(self._video.stream.index)].filter("select", _RISING)
            streams.append(rising.filter("setpts", f"PTS+{self._shift(self._video.time_base)}"))
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

    def _ask(self, video: int) -> None:
        """Colour and rotation of the first frame, by ffmpeg's showinfo filter."""
        source = ffmpeg.input(self._path, noautorotate=None, **_INPUT)
        sink = ffmpeg.output(
            source[str(video)].filter("showinfo", checksum=0), "pipe:1", format="null", vframes=1
        )
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
        said = done.stderr.decode(errors="replace")
        first = said[said.find("Parsed_showinfo") :]
        found = {option: re.search(pattern, first) for option, pattern in _COLOUR.items()}
        self._colour = {
            option: match[1].replace("gbr", "rgb") for option, match in found.items() if match
        }
        turn = re.search(r"rotation of (-?[\d.]+) degrees", first)
        self.rotation_deg = quarter_turns(float(turn[1])) if turn else 0


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
