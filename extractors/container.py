"""Opening a media file without trusting it, and reading its packets.

Only local files of containers that hold sound and pictures themselves are opened: playlists,
concatenation scripts and image sequences, which make a decoder open other files or the network, are
refused by name, and libavformat's white lists refuse them again.
"""

import re
import stat
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import av
import av.error
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from extractors.limits import Deadline
from extractors.streams import (
    SEVERAL_AUDIO,
    SEVERAL_VIDEO,
    UNDECODABLE_START,
    before_first_key,
    moving,
    played,
)
from extractors.truncation import check_structure
from manifests.quarantine import BadClip, Reason

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2",
    "matroska,webm",
    "avi",
    "flv",
    "asf",
    "mpeg",
    "mpegts",
    "wav",
    "w64",
    "aiff",
    "mp3",
    "aac",
    "flac",
    "ogg",
    "amr",
)
"""libavformat's names of the containers that are opened."""

OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": ",".join(FORMATS),
    "fflags": "-genpts",
}
"""What libavformat may open: local files of the containers above. It is not to invent times of
presentation (PyAV's default), which are wrong where a container keeps the order of decoding alone.
"""

_NO_PICTURES = [{"skip_frame": "all"}] * 8
"""For the streams of a file in their order; a file may have fewer, and of further ones a picture is
decoded."""
_PEEK_BYTES = 1 << 16
"""Behind the header, where libavformat would read five megabytes to find what the header has said.
"""

_HEAD = 4096
"""Bytes at the beginning of a file that are checked before libavformat opens it."""
_PLAYLIST = re.compile(
    rb"\A(?:\xef\xbb\xbf)?\s*(?:#EXTM3U|#EXT-X-|ffconcat\s+version|\[playlist\]|\[reference\]|<asx|<smil|<mpd|<\?xml[^>]*>\s*(?:<!--.*?-->\s*)*"
    rb"<(?:\w+:)?(?:mpd|smil|smoothstreamingmedia|playlist|asx)|v=0\r?\n|rtsptext|(?:https?|rtsp|rtmp|ftp|file|concat)://)",
    re.IGNORECASE | re.DOTALL,
)
_CONCAT = re.compile(rb"^\s*file\s+\S", re.IGNORECASE | re.MULTILINE)
_LFS = b"version https://git-lfs"


S = TypeVar("S", VideoStream, AudioStream)


class Stamped(NamedTuple):
    """What a probe keeps of a packet.

    The bytes of all packets would be megabytes, and memory for them costs time.
    """

    pts: int | None
    dts: int | None
    duration: int | None
    is_discard: bool
    """Whether the packet is decoded, but never shown."""
    is_keyframe: bool
    """Whether decoding can begin with it."""
    is_corrupt: bool
    """Whether the container knows it to be damaged."""
    size: int
    """Bytes."""


@dataclass(frozen=True, eq=False)
class Packets(Generic[S]):
    """The packets of one stream in the order of the file, still compressed.

    They are a few megabytes, where the frames would be gigabytes.
    """

    stream: S
    items: "Sequence[Any]"
    """Packets to be decoded; of a file that is only probed, `Stamped`."""
    left_out: int = 0
    """Packets before them, which cannot be decoded."""

    @property
    def time_base(self) -> Fraction:
        """Seconds of one tick of the stream's time stamps."""
        return self.stream.time_base or Fraction(1, 1_000_000)

    @cached_property
    def stamps(self) -> Sequence[int] | None:
        """Time stamps of what is shown, sorted, in ticks; None where a packet has none."""
        shown = [packet.pts for packet in self.items if not packet.is_discard]
        known = [pts for pts in shown if pts is not None]
        return sorted(known) if len(known) == len(shown) else None

    @cached_property
    def first_s(self) -> Fraction | None:
        """When the first packet's content begins, in seconds on the file's clock.

        None where no packet has a time stamp.
        """
        starts = [
            pts
            for packet in self.items
            if not packet.is_discard and (pts := _stamp(packet)) is not None
        ]
        return min(starts) * self.time_base if starts else None

    @cached_property
    def end_s(self) -> Fraction | None:
        """When the last packet's content ends, in seconds on the file's clock.

        None where no packet has a time stamp.
        """
        ends = [
            pts + (packet.duration or 0)
            for packet in self.items
            if not packet.is_discard and (pts := _stamp(packet)) is not None
        ]
        if not ends:
            return None
        last = max(
            self.items, key=lambda packet: -(2**62) if (stamp := _stamp(packet)) is None else stamp
        )
        return max(ends) * self.time_base + (0 if last.duration else self._nominal_s())

    def padding(self) -> tuple[Fraction, Fraction]:
        """Measures an encoder's padding, which decodes like sound and is no part of it.

        Returns:
            Seconds of padding before and after the sound.
        """
        rate = self._rate_hz()
        if not rate:
            return Fraction(0), Fraction(0)  # the decoder may find it, or refuse the sound
        last = max((i for i, packet in enumerate(self.items) if not packet.is_discard), default=0)
        beyond = sum(packet.duration or 0 for packet in self.items[last + 1 :]) * self.time_base
        before, _ = _skipped(self.items[0])
        _, after = _skipped(self.items[last])
        return Fraction(before, rate), Fraction(after, rate) + beyond

    def _rate_hz(self) -> int:
        context = self.stream.codec_context
        return context.sample_rate if isinstance(context, AudioCodecContext) else 1

    def _nominal_s(self) -> Fraction:
        """Length of a frame whose packet does not say it."""
        rate = self.stream.average_rate if isinstance(self.stream, VideoStream) else None
        return 1 / Fraction(rate) if rate else Fraction(0)


def _skipped(packet: "Packet[Any]") -> tuple[int, int]:
    """Samples to drop at the packet's start and end.

    They are two little-endian 32-bit numbers of AV_PKT_DATA_SKIP_SAMPLES.
    """
    for side in packet.iter_sidedata():
        if side.data_type == "skip_samples":
            start, end = struct.unpack("<II", bytes(side)[:8])
            return start, end
    return 0, 0


def _stamp(packet: "Packet[Any] | Stamped") -> int | None:
    return packet.dts if packet.pts is None else packet.pts


@dataclass
class Content:
    """What a file holds. A stream without a packet counts as absent."""

    container: InputContainer
    """The open file."""
    video: Packets[VideoStream] | None
    """Its stream of pictures."""
    audio: Packets[AudioStream] | None
    """Its stream of sound."""
    notes: tuple[str, ...] = ()
    """`several_video`, `several_audio`, `undecodable_start`."""


@contextmanager
def opened(
    clip_id: str, path: Path, deadline: Deadline, to_decode: bool = True
) -> Iterator[Content]:
    """Demuxes a file, for as long as the context lasts.

    Args:
        clip_id: Id of the clip that is refused where the file is at fault.
        path: The file.
        deadline: The clip's time limit.
        to_decode: Whether packets keep their bytes; without them the file can only be probed.

    Yields:
        The streams and their packets.

    Raises:
        BadClip: The file is empty, refused, not readable as media, or shorter than its header
            declares.
        OSError: The file system, not the file, is at fault.
    """
    head = _read_head(clip_id, path)
    _refuse_playlists(clip_id, head)
    check_structure(clip_id, path)
    with _open(clip_id, path, head, deadline, to_decode) as container:
        yield _demux(clip_id, container, deadline, to_decode)


def _read_head(clip_id: str, path: Path) -> bytes:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise BadClip(
            clip_id,
            Reason.UNREADABLE,
            "this is not a regular file (a folder, a device or a pipe), expected a media file",
        )
    if status.st_size == 0:
        raise BadClip(
            clip_id,
            Reason.EMPTY_FILE,
            "the file holds 0 bytes, expected media; copy or download it again",
        )
    with path.open("rb") as file:
        return file.read(_HEAD)


def _refuse_playlists(clip_id: str, head: bytes) -> None:
    if head.startswith(_LFS):
        raise BadClip(
            clip_id,
            Reason.UNREADABLE,
            "this is a git-lfs pointer, a few lines of text that stand for the media file; fetch "
            "the file itself with `git lfs pull`",
        )
    if _PLAYLIST.search(head) or (_CONCAT.search(head) and b"\0" not in head):
        raise BadClip(
            clip_id,
            Reason.FORBIDDEN,
            "this is a playlist or script that makes the decoder open other files or the network, "
            "expected the media themselves; "
            "give the files that it names",
        )


@contextmanager
def _open(
    clip_id: str, path: Path, head: bytes, deadline: Deadline, to_decode: bool
) -> Iterator[InputContainer]:
    # An absolute path begins with `/`, so that neither `:` nor `-` nor `%` in a name means anything
    # to libavformat.
    name = str(path.absolute())
    container = None if to_decode else _peek(name, head, deadline)
    try:
        container = container or av.open(name, options=dict(OPTIONS), timeout=deadline.left_s())
    except (av.error.FFmpegError, UnicodeError) as error:
        deadline.left_s()
        raise BadClip(clip_id, Reason.UNREADABLE, _unreadable(head, error)) from error
    with container:
        yield container


def _peek(name: str, head: bytes, deadline: Deadline) -> InputContainer | None:
    """Opens an mp4 or a relative of it by its header alone; None where that does not work.

    Elsewhere libavformat decodes a picture to know a stream, which at 720p takes far longer than
    all the rest of a probe. These headers say all but the format of pixels.
    """
    if head[4:8] != b"ftyp":
        return None
    options = {**OPTIONS, "format_whitelist": FORMATS[0], "probesize": str(_PEEK_BYTES)}
    try:
        return av.open(
            name,
            options=options,
            stream_options=_NO_PICTURES,  # type: ignore[arg-type]
            timeout=deadline.left_s(),
        )
    except (av.error.FFmpegError, ValueError):
        return None


def _unreadable(head: bytes, error: Exception) -> str:
    kind = "text" if _is_text(head) else "a file"
    why = getattr(error, "strerror", None) or str(error)
    return (
        f"found {kind} that no allowed container opens ({why}), expected one of "
        f"{' '.join(FORMATS).replace(',', ' ')}"
    )


def _is_text(head: bytes) -> bool:
    return not any(byte < 32 and byte not in b"\t\n\r\f" for byte in head)


def _demux(clip_id: str, container: InputContainer, deadline: Deadline, to_decode: bool) -> Content:
    pictures, sounds = moving(container.streams.video), container.streams.audio
    items = _collect(clip_id, container, [*pictures, *sounds], deadline, to_decode)
    video, several_video = played(pictures, items)
    audio, several_audio = played(sounds, items)
    late = before_first_key(container.format.name, items[video.index]) if video else 0
    notes = {
        SEVERAL_VIDEO: several_video,
        SEVERAL_AUDIO: several_audio,
        UNDECODABLE_START: late,
    }
    return Content(
        container,
        Packets(video, items[video.index][late:], late) if video else None,
        Packets(audio, items[audio.index]) if audio else None,
        tuple(note for note, holds in notes.items() if holds),
    )


def _collect(
    clip_id: str,
    container: InputContainer,
    streams: "Sequence[VideoStream | AudioStream]",
    deadline: Deadline,
    to_decode: bool,
) -> dict[int, list[Any]]:
    """The packets of each stream, by its index."""
    items: dict[int, list[Any]] = {stream.index: [] for stream in streams}
    if not items:
        return items  # demux() without a stream would read them all
    try:
        for packet in container.demux(streams):
            deadline.left_s()
            # An empty packet repeats the last frame (AVI) or is the flush at the end; sent to a
            # decoder it would end the stream.
            if packet.size:
                kept = (
                    packet
                    if to_decode
                    else Stamped(
                        packet.pts,
                        packet.dts,
                        packet.duration,
                        packet.is_discard,
                        packet.is_keyframe,
                        packet.is_corrupt,
                        packet.size,
                    )
                )
                items[packet.stream_index].append(kept)
    except av.error.FFmpegError as error:
        deadline.left_s()
        raise BadClip(
            clip_id,
            Reason.CORRUPT,
            f"the container breaks off in the middle ({error.strerror}), expected packets to its "
            "end",
        ) from error
    except IndexError as error:  # PyAV's list of streams is that of the header
        raise BadClip(
            clip_id,
            Reason.CORRUPT,
            "a stream appears in the middle that was not there at the beginning, expected the "
            "same streams throughout; remux the file, or copy or download it again",
        ) from error
    return items
