"""Opening a media file without trusting it.

Only local files of containers that hold sound and pictures themselves are opened: playlists,
concatenation scripts and image sequences, which make a decoder open other files or the network, are
refused by name, and libavformat's white lists refuse them again.
"""

import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from extractors.declared_ends import SPHERE_MAGIC, sphere_fields
from extractors.h264 import says_all
from extractors.limits import Deadline
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
    "ac3",
    "eac3",
    "flac",
    "ogg",
    "amr",
    "au",
    "caf",
    "nistsphere",
    "mxf",
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
_NO_PROBING = {"max_probe_packets": "1"}
"""For a wav, whose 2,500 first packets libavformat would search for other codings, which it finds
in the first one if at all."""
_PEEK_BYTES = 1 << 16
"""Behind the header, where libavformat would read five megabytes to find what the header has said.
"""

_HEAD = 4096
"""Bytes at the beginning of a file that are checked before libavformat opens it."""
_PLAYLIST = re.compile(
    rb"#EXTM3U|#EXT-X-|ffconcat\s+version|\[playlist\]|\[reference\]|v=0\r?\n|rtsptext"
    rb"|<(?:\w+:)?(?:mpd|smil|smoothstreamingmedia|playlist|asx)"
    rb"|(?:https?|rtsp|rtmp|ftp|file|concat)://",
    re.IGNORECASE,
)
_CONCAT = re.compile(rb"^[ \t]*file[ \t]+\S", re.IGNORECASE | re.MULTILINE)
_MARKUP = ((b"<!--", b"-->"), (b"<?", b"?>"), (b"<!", b">"))
"""What may stand before the first element of an XML file: how each begins and ends."""
_LFS = b"version https://git-lfs"
_SPHERE_CODINGS = ("pcm", "ulaw", "mu-law", "alaw")
"""The codings of NIST SPHERE files that libavformat reads."""


def read_head(clip_id: str, path: Path) -> bytes:
    """Reads the beginning of a file.

    Args:
        clip_id: The clip's id.
        path: The file.

    Returns:
        Its first bytes, at most `_HEAD` of them.

    Raises:
        BadClip: UNREADABLE (a folder or a device), EMPTY_FILE.
        OSError: The file is missing or the disk fails.
    """
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


def check_head(clip_id: str, head: bytes) -> None:
    """Refuses what is no media file by its first bytes.

    Args:
        clip_id: The clip's id.
        head: The first bytes of its file.

    Raises:
        BadClip: UNREADABLE (a git-lfs pointer, a NIST SPHERE file that is compressed), FORBIDDEN (a
            playlist).
    """
    if head.startswith(_LFS):
        raise BadClip(
            clip_id,
            Reason.UNREADABLE,
            "this is a git-lfs pointer, a few lines of text that stand for the media file; fetch "
            "the file itself with `git lfs pull`",
        )
    if _PLAYLIST.match(_content(head)) or (_CONCAT.search(head) and b"\0" not in head):
        raise BadClip(
            clip_id,
            Reason.FORBIDDEN,
            "this is a playlist or script that makes the decoder open other files or the network, "
            "expected the media themselves; "
            "give the files that it names",
        )
    if head.startswith(SPHERE_MAGIC):
        coding = sphere_fields(head).get("sample_coding", "pcm").lower()
        if coding not in _SPHERE_CODINGS:
            raise BadClip(
                clip_id,
                Reason.UNREADABLE,
                f"the sound of this NIST SPHERE file is compressed ({coding}), expected "
                f"{', '.join(_SPHERE_CODINGS)}; expand it with `sph2pipe -f wav` or `w_decode`",
            )


def _content(head: bytes) -> bytes:
    """What follows a byte order mark, white space, and what XML has before its first element.

    A regular expression for the latter takes exponential time.
    """
    at, is_found = (3 if head.startswith(b"\xef\xbb\xbf") else 0), True
    while is_found:
        at = len(head) - len(head[at:].lstrip())
        is_found = False
        for begin, end in _MARKUP:
            if head.startswith(begin, at):
                found = head.find(end, at + len(begin))
                at, is_found = (len(head) if found < 0 else found + len(end)), True
                break
    return head[at:]


@contextmanager
def open_container(
    clip_id: str, path: Path, head: bytes, deadline: Deadline, pictures: bool
) -> Iterator[InputContainer]:
    """Opens a file with libavformat, for as long as the context lasts.

    Args:
        clip_id: The clip's id.
        path: Its file.
        head: The first bytes of the file.
        deadline: The clip's time limit.
        pictures: Whether pictures will be decoded; else those that a decoder must see are not
            looked at.

    Yields:
        The open file.

    Raises:
        BadClip: UNREADABLE.
    """
    # An absolute path begins with `/`, so that neither `:` nor `-` nor `%` in a name means anything
    # to libavformat.
    name = str(path.absolute())
    container = (_unseen if pictures else _peek)(name, head, deadline)
    options = {**OPTIONS, **(_NO_PROBING if head[8:12] == b"WAVE" else {})}
    try:
        container = container or av.open(name, options=options, timeout=deadline.left_s())
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


def _unseen(name: str, head: bytes, deadline: Deadline) -> InputContainer | None:
    """Opens an mp4 or a relative of it to be decoded, without decoding a picture twice; None where
    its header does not say what a picture would show.
    """
    if head[4:8] != b"ftyp":
        return None
    options = {**OPTIONS, "format_whitelist": FORMATS[0]}
    try:
        container = av.open(
            name,
            options=options,
            stream_options=_NO_PICTURES,  # type: ignore[arg-type]
            timeout=deadline.left_s(),
        )
    except (av.error.FFmpegError, ValueError):
        return None
    if all(_is_told(stream) for stream in container.streams.video):
        return container
    container.close()
    return None


def _is_told(stream: VideoStream) -> bool:
    context = stream.codec_context
    return (
        context is not None
        and context.name == "h264"
        and says_all(context.extradata, stream.width, stream.height, stream.sample_aspect_ratio)
    )


def _unreadable(head: bytes, error: Exception) -> str:
    kind = "text" if _is_text(head) else "a file"
    why = getattr(error, "strerror", None) or str(error)
    return (
        f"found {kind} that no allowed container opens ({why}), expected one of "
        f"{' '.join(FORMATS).replace(',', ' ')}"
    )


def _is_text(head: bytes) -> bool:
    return not any(byte < 32 and byte not in b"\t\n\r\f" for byte in head)
