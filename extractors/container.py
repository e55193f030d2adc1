"""What a media file holds: its streams and their packets, still compressed."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from extractors.damage import Damage
from extractors.declared_ends import declared_end
from extractors.even_times import UNEVEN_TIMES, is_uneven
from extractors.file_ends import (
    HEAD_LEFT_OUT,
    TAIL_LEFT_OUT,
    Contradiction,
    StreamCount,
    StreamFault,
)
from extractors.limits import Deadline, WatchedFile
from extractors.movie_tables import declared_kinds
from extractors.opening import check_head, open_container, read_head
from extractors.packets import Packets, Stamped, stamped
from extractors.sound_extent import is_counted, sample_bytes
from extractors.streams import (
    SEVERAL_AUDIO,
    SEVERAL_VIDEO,
    UNDECODABLE_START,
    before_first_key,
    moving,
    played,
)
from extractors.truncation import check_structure, is_capture, movie_box
from extractors.whole_frames import CONTAINERS, WholeFrames, cut_ends, flac_frame, whole_frames
from manifests.quarantine import BadClip, Reason


@dataclass
class Content:
    """What a file holds. A stream without a packet counts as absent."""

    container: InputContainer
    """The open file."""
    video: Packets[VideoStream] | None
    """Its stream of pictures."""
    audio: Packets[AudioStream] | None
    """Its stream of sound."""
    notes: tuple[str, ...]
    """What is to be known of its ends and of other streams; see `extractors.file_ends`
    and `extractors.streams`."""
    streams: int
    """Streams of sound and pictures that have packets."""


@contextmanager
def opened(
    clip_id: str,
    path: Path,
    deadline: Deadline,
    to_decode: bool,
    pictures: bool,
    damage: Damage | None = None,
) -> Iterator[Content]:
    """Demuxes a file, for as long as the context lasts.

    Args:
        clip_id: Id of the clip that is refused where the file is at fault.
        path: The file.
        deadline: The clip's time limit.
        to_decode: Whether packets keep their bytes; without them the file can only be probed.
        pictures: Whether pictures will be decoded.
        damage: What becomes of damage; None: the file is refused.

    Yields:
        The streams and their packets.

    Raises:
        BadClip: The file is empty, refused, not readable as media, or shorter than its header
            declares.
        OSError: The file system, not the file, is at fault.
    """
    head = read_head(clip_id, path)
    check_head(clip_id, head)
    damage = damage or Damage(keep=False)
    found = check_structure(clip_id, path, deadline, damage)
    with open_container(clip_id, path, head, deadline, pictures) as container:
        if is_capture(head, container.format.name):
            found += check_structure(clip_id, path, deadline, damage, container.format.name)
        notes = [note for note in found if isinstance(note, str)]
        faults = {note.stream: note.fault for note in found if isinstance(note, StreamFault)}
        content = _demux(clip_id, container, deadline, to_decode, damage)
        described = [note.streams for note in found if isinstance(note, StreamCount)]
        _check_streams(clip_id, content.streams, max(described, default=0), damage)
        _check_tracks(clip_id, path, content, deadline, damage)
        content.video = _with_fault(content.video, faults)
        content.audio = _with_fault(content.audio, faults)
        if content.audio is not None and container.format.name in _UNBOUNDED:
            content = _cut_sound(content, content.audio, path, deadline)
        yield replace(content, notes=(*dict.fromkeys((*notes, *content.notes)),))


def _check_streams(clip_id: str, found: int, described: int, damage: Damage) -> None:
    """Refuses a file of which libavformat leaves out a stream of sound or pictures."""
    if found < described:
        detail = (
            f"the file has packets of {described} streams of sound and pictures, and {found} of "
            "them can be read; copy or download it again"
        )
        damage.report(BadClip(clip_id, Reason.CORRUPT, detail))


P = TypeVar("P", Packets[VideoStream], Packets[AudioStream])


def _with_fault(packets: P | None, faults: Mapping[int, str]) -> P | None:
    """The packets of a stream with what the container lacks of it."""
    if packets is None or packets.stream.id not in faults:
        return packets
    return replace(packets, fault=faults[packets.stream.id])


def _check_tracks(
    clip_id: str, path: Path, content: Content, deadline: Deadline, damage: Damage
) -> None:
    """Refuses a file of which nothing can be read, and an mp4 of which a whole track cannot."""
    container = content.container
    lengths = [stream.duration or 0 for stream in container.streams]
    is_expected = max(lengths, default=0) > 0 or container.format.name in CONTAINERS
    if content.audio is None and content.video is None and is_expected:
        raise BadClip(
            clip_id,
            Reason.CORRUPT,
            "the file declares sound or pictures, and not one packet of them can be read; copy or "
            "download it again",
        )
    seen = content.video is not None or len(moving(container.streams.video)) < len(
        container.streams.video
    )
    missing = {"sound": content.audio is None, "pictures": not seen}
    if not container.format.name.startswith("mov,") or not any(missing.values()):
        return
    declared: dict[str, int] = {}
    with WatchedFile(path, deadline) as file, suppress(Contradiction):  # known already, and kept
        declared = declared_kinds(movie_box(file, path.stat().st_size))
    for kind, samples in declared.items():
        if missing[kind]:
            detail = (
                f"the file declares a track of {kind} with {samples:,} samples, and none of them "
                "can be read; copy or download it again"
            )
            damage.report(BadClip(clip_id, Reason.CORRUPT, detail))


_UNBOUNDED = {"au", "nistsphere"}
"""Containers of which libavformat reads on behind the end that the header declares."""


def _cut_sound(
    content: Content, sound: Packets[AudioStream], path: Path, deadline: Deadline
) -> Content:
    """Leaves out what is behind the declared end."""
    with WatchedFile(path, deadline) as file:
        declared = declared_end(file, file.read(16))
    size, unit = path.stat().st_size, sample_bytes(sound.stream) or 1
    end = size if declared is None else min(declared.byte, size)
    inside = [packet for packet in sound.items if packet.pos < end]
    whole = min(inside[-1].size, end - inside[-1].pos) // unit * unit if inside else 0
    if end == size and inside and whole == inside[-1].size:
        return content
    if inside and whole < inside[-1].size:
        inside[-1:] = [_shortened(inside[-1], whole)] if whole else []
    audio = Packets(sound.stream, inside) if inside else None
    return replace(content, audio=audio, notes=(*content.notes, TAIL_LEFT_OUT))


def _demux(
    clip_id: str,
    container: InputContainer,
    deadline: Deadline,
    to_decode: bool,
    damage: Damage,
) -> Content:
    pictures, sounds = moving(container.streams.video), container.streams.audio
    items, frames = _collect(clip_id, container, [*pictures, *sounds], deadline, to_decode, damage)
    video, several_video = played(pictures, items)
    audio, several_audio = played(sounds, items)
    late = before_first_key(container.format.name, items[video.index]) if video else 0
    shown = Packets(video, items[video.index][late:], late) if video else None
    heard: Packets[AudioStream] | None = None
    ends: tuple[str, ...] = ()
    if audio is not None:
        heard, ends = _whole_sound(audio, items[audio.index], frames[audio.index])
        if heard is None and shown is None:
            raise BadClip(
                clip_id,
                Reason.TRUNCATED,
                f"the sound has {len(items[audio.index])} packets and not one whole frame of "
                f"{_codec(audio)}, expected at least one; copy or download it again",
            )
    is_apart = bool(shown and heard and _are_apart(clip_id, shown, heard, damage))
    notes = {
        SEVERAL_VIDEO: several_video,
        SEVERAL_AUDIO: several_audio,
        UNDECODABLE_START: late,
        UNEVEN_TIMES: is_apart or is_uneven(container.format.name, heard, shown),
    }
    streams = sum(bool(packets) for packets in items.values())
    found = (*(note for note in notes if notes[note]), *ends)
    return Content(container, shown, heard, found, streams)


_APART_S, _MOST_APART_S = 1, 60
"""Seconds between the end of one stream and the beginning of the other: beyond the first it is odd,
and beyond the second damaged."""


def _are_apart(
    clip_id: str, pictures: Packets[VideoStream], sound: Packets[AudioStream], damage: Damage
) -> bool:
    """Refuses streams of which one begins long after the other has ended; says whether they share
    no time."""
    times = (pictures.first_s, pictures.end_s, sound.first_s, sound.end_s)
    first, end, begin, stop = (float(time or 0) for time in times)
    apart_s = 0.0 if None in times else max(first, begin) - min(end, stop)
    if apart_s > _MOST_APART_S:
        detail = (
            f"the pictures begin at {first:,.0f} s and the sound at {begin:,.0f} s, expected both "
            "at one time; copy or download it again"
        )
        damage.report(BadClip(clip_id, Reason.CORRUPT, detail))
    return apart_s > _APART_S


def _whole_sound(
    stream: AudioStream, items: list[Any], frames: list[WholeFrames]
) -> tuple[Packets[AudioStream] | None, tuple[str, ...]]:
    """The packets from the first whole frame to the last, and notes of what is left out.

    `frames` is empty where the container says which packets are frames.
    """
    first, end = cut_ends(_codec(stream), frames) if frames else (0, len(items))
    kept = items[first:end]
    is_shorter = bool(frames) and first < end and frames[end - 1].size < kept[-1].size
    if is_shorter:
        kept[-1] = _shortened(kept[-1], frames[end - 1].size)
    notes = (HEAD_LEFT_OUT,) * (first > 0) + (TAIL_LEFT_OUT,) * (is_shorter or end < len(items))
    return (Packets(stream, kept) if kept else None), notes


def _shortened(packet: "Packet[Any] | Stamped", size: int) -> "Packet[Any] | Stamped":
    """The first bytes of a packet as a packet of its own."""
    if isinstance(packet, Stamped):
        return packet._replace(size=size)
    first: Packet[Any] = Packet(bytes(memoryview(packet)[:size]))
    first.pts, first.dts, first.duration = packet.pts, packet.dts, packet.duration
    first.time_base, first.stream = packet.time_base, packet.stream
    return first


def _collect(
    clip_id: str,
    container: InputContainer,
    streams: "Sequence[VideoStream | AudioStream]",
    deadline: Deadline,
    to_decode: bool,
    damage: Damage,
) -> tuple[dict[int, list[Any]], dict[int, list[WholeFrames]]]:
    """The packets of each stream, by its index; and the whole frames that each begins with.

    The latter is known of sound alone, and empty where the container says which packets are frames.
    """
    last: dict[int, Packet[Any]] = {}
    items: dict[int, list[Any]] = {stream.index: [] for stream in streams}
    frames: dict[int, list[WholeFrames]] = {stream.index: [] for stream in streams}
    if not items:
        return items, frames  # demux() without a stream would read them all
    is_cut_by_frames = container.format.name in CONTAINERS
    kept = {stream.index for stream in streams if to_decode or _is_decoded_for_its_length(stream)}
    codecs = {stream.index: _codec(stream) for stream in streams if isinstance(stream, AudioStream)}
    found = _packets(clip_id, container, streams, deadline, is_cut_by_frames)
    for packet in _until_damage(found, damage):
        deadline.left_s()
        # An empty packet repeats the last frame (AVI) or is the flush at the end; sent to a
        # decoder it would end the stream.
        if packet.size:
            index = packet.stream_index
            items[index].append(packet if index in kept else stamped(packet))
            last[index] = packet
            if is_cut_by_frames and index in codecs:
                frames[index].append(whole_frames(codecs[index], memoryview(packet)))
    for stream in streams:
        index = stream.index
        if isinstance(stream, AudioStream) and items[index] and not frames[index]:
            frames[index] = _up_to_the_end(container.format.name, stream, items[index], last[index])
    return items, frames


def _up_to_the_end(
    container: str, stream: AudioStream, items: list[Any], last: "Packet[Any]"
) -> list[WholeFrames]:
    """What the packets begin with, where what is behind the last frame may be in the last packet;
    nothing, where that cannot be."""
    unit = 0 if container in _UNBOUNDED else sample_bytes(stream)
    if container == "flac":
        size = flac_frame(memoryview(last))
    elif unit:
        size = last.size - last.size % unit
    else:
        return []
    if size == last.size:
        return []
    return [*(WholeFrames(item.size, b"") for item in items[:-1]), WholeFrames(size, b"")]


def _until_damage(packets: "Iterator[Packet[Any]]", damage: Damage) -> "Iterator[Packet[Any]]":
    """The packets before the place where reading breaks off."""
    try:
        yield from packets
    except BadClip as bad:
        if bad.reason != Reason.CORRUPT:
            raise
        damage.report(bad)


def _packets(
    clip_id: str,
    container: InputContainer,
    streams: "Sequence[VideoStream | AudioStream]",
    deadline: Deadline,
    is_cut_by_frames: bool,
) -> "Iterator[Packet[Any]]":
    """The packets of a file.

    Where they are found by what frames look like, reading may break off at bytes behind the last
    one; it is damage only where another one follows, beyond those that were still being put
    together.
    """
    broken: av.error.FFmpegError | None = None
    furthest, waiting = 0, _MOST_WAITING if container.format.name == "mpegts" else 0
    for _ in range(_MOST_BREAKS if is_cut_by_frames else 1):
        try:
            for packet in container.demux(streams):
                at = packet.pos or 0
                if broken is not None and at > furthest + waiting:
                    raise _breaks_off(clip_id, broken) from broken
                furthest = furthest if broken else max(furthest, at)
                yield packet
        except av.error.FFmpegError as error:
            deadline.left_s()
            broken = error
        except IndexError as error:  # PyAV's list of streams is that of the header
            raise BadClip(
                clip_id,
                Reason.CORRUPT,
                "a stream appears in the middle that was not there at the beginning, expected the "
                "same streams throughout; remux the file, or copy or download it again",
            ) from error
        else:
            return
    if broken is not None and not is_cut_by_frames:
        raise _breaks_off(clip_id, broken) from broken


_MOST_WAITING = 1 << 16
"""Bytes between the last packet that is read from an MPEG transport stream and one that waits for
its end; also those in which libavformat looks for where such a stream goes on."""
_MOST_BREAKS = 100
"""How often reading is tried again behind what is no packet."""


def _breaks_off(clip_id: str, error: av.error.FFmpegError) -> BadClip:
    return BadClip(
        clip_id,
        Reason.CORRUPT,
        f"the container breaks off in the middle ({error.strerror}), expected packets to its end",
    )


def _is_decoded_for_its_length(stream: Stream) -> bool:
    return isinstance(stream, AudioStream) and not is_counted(stream)


def _codec(stream: AudioStream) -> str:
    context = stream.codec_context
    return context.codec.canonical_name if context is not None else "an unknown coding"
