"""The first decoder: packets -> frames and samples through PyAV, in this process.

Frames that no grid time falls on and that no other frame is predicted from (non-reference frames)
are not decoded at all. This is exact: the frames that are decoded come out bit for bit as in a
plain decode. It is done for codecs whose decoder is known to be exact so, and where the packets say
beforehand what will be shown; a file that then shows something else is decoded again, plainly, from
where the plan failed.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import av.error
from av import AudioFrame, VideoFrame
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.stream import VideoStream

from extractors.damage import CONCEALED, Damage
from extractors.limits import Deadline
from extractors.packets import Packets, Stamped
from extractors.sound_extent import Run
from manifests.quarantine import BadClip, Reason


class PacketDecoder:
    """Sends the packets of one stream through its decoder.

    BadClip(CORRUPT) is raised where it refuses one, or conceals damage in a frame.
    """

    def __init__(
        self,
        clip_id: str,
        packets: Packets[VideoStream] | Packets[AudioStream],
        max_pixels: int,
        deadline: Deadline,
        damage: Damage | None = None,
    ) -> None:
        self._clip_id, self._packets, self._deadline = clip_id, packets, deadline
        self._damage = damage or Damage(keep=False)
        self._context = packets.stream.codec_context
        # One thread: skip_frame is obeyed packet by packet only then, and processes share the cores
        # better than threads do.
        self._context.thread_type = "NONE"
        self._context.thread_count = 1
        self._limit = (
            {"max_pixels": str(max_pixels)} if isinstance(packets.stream, VideoStream) else {}
        )
        self._context.options = self._limit

    @property
    def skips_damage(self) -> bool:
        """Whether decoding goes on behind damage."""
        return self._damage.is_kept

    def audio(self, add: Callable[[AudioFrame], None], ended: Callable[[], bool]) -> None:
        """Decodes sound up to where it ends.

        Args:
            add: Takes each frame of samples.
            ended: Says whether the clip's span has ended.

        Raises:
            BadClip: CORRUPT, or TIMED_OUT.
        """
        for packet in (*self._packets.items, None):
            self._deadline.left_s()
            for frame in self._decode(packet):
                if isinstance(frame, AudioFrame):
                    add(frame)
                if ended():
                    return

    def frames(self) -> Iterator[VideoFrame | AudioFrame]:
        """Decodes all packets.

        Yields:
            All frames.

        Raises:
            BadClip: CORRUPT, or TIMED_OUT.
        """
        yield from self._frames(self._packets.items, None)

    def video(
        self, wanted: set[int] | None, begin: int = 0, is_complete: bool = False
    ) -> Iterator[VideoFrame]:
        """Decodes frames.

        Args:
            wanted: Time stamps in ticks of the frames that are wanted; None for all. The packets
                hold them, so that others are skipped (`extractors.presentation.can_plan`).
            begin: Number of the packet to begin with, where all are wanted.
            is_complete: Whether each packet must give a frame, where all are wanted.

        Yields:
            All frames, or at least those wanted.

        Raises:
            BadClip: CORRUPT, or TIMED_OUT.
        """
        self._context.flush_buffers()
        items: Sequence[Packet[Any]] = self._packets.items
        items = items[begin:] if wanted is None else _needed(items, wanted)
        detect = "" if self.skips_damage else detected_damage(self._packets.stream, items)
        self._context.options = {**self._limit, **({"err_detect": detect} if detect else {})}
        given = 0
        for frame in self._frames(items, wanted):
            if isinstance(frame, VideoFrame):
                given += 1
                yield frame
        if not given and any(not packet.is_discard for packet in items):
            raise self._lacks(len(items), 1, given)
        if is_complete and given < (due := sum(not packet.is_discard for packet in items)):
            self._damage.report(self._lacks(len(items), due, given))

    def _lacks(self, packets: int, due: int, given: int) -> BadClip:
        return BadClip(
            self._clip_id,
            Reason.CORRUPT,
            f"{packets} video packets give {given} frames, expected {due} at least; copy or "
            "download the file again",
        )

    def _frames(
        self, items: "Sequence[Packet[Any]]", wanted: set[int] | None
    ) -> Iterator[VideoFrame | AudioFrame]:
        for packet in items:
            self._deadline.left_s()
            if wanted is not None:
                self._context.skip_frame = "DEFAULT" if packet.pts in wanted else "NONREF"
            yield from self._decode(packet)
        if wanted is not None:
            self._context.skip_frame = "DEFAULT"
        yield from self._decode(None)

    def _decode(self, packet: "Packet[Any] | None") -> Iterator[VideoFrame | AudioFrame]:
        try:
            frames = self._context.decode(packet)
        except av.error.FFmpegError as error:
            why = f"is refused by the decoder ({error.strerror})"
            self._damage.report(self._corrupt(packet, why))
            return
        for frame in frames:
            if frame.is_corrupt:
                self._damage.report(self._corrupt(packet, "leaves a frame damaged"), CONCEALED)
            yield frame

    def _corrupt(self, packet: "Packet[Any] | None", what: str) -> BadClip:
        kind = "audio" if isinstance(self._packets.stream, AudioStream) else "video"
        stamp = None if packet is None else packet.pts if packet.pts is not None else packet.dts
        when = (
            "at the end" if stamp is None else f"at {float(stamp * self._packets.time_base):.3f} s"
        )
        detail = (
            f"the {kind} packet {when} {what}, expected every packet to decode; copy or "
            "download the file again"
        )
        return BadClip(self._clip_id, Reason.CORRUPT, detail)


_STRICT = {"h264", "hevc"}
"""Codecs whose decoders conceal damage without a mark on the frame, unless they are told not to."""
_CAPTURED = {"mpeg", "mpegts"}
"""Containers that can begin anywhere: the first frames may be predicted from what is not there."""


def detected_damage(
    stream: VideoStream | AudioStream, items: "Sequence[Packet[Any] | Stamped]"
) -> str:
    """Says at what a decoder of pictures is to stop.

    Where frames come before the first key frame in presentation, they are predicted from what is
    not there (an open group), which is no damage.

    Args:
        stream: Its stream.
        items: The packets to be decoded, in their order.

    Returns:
        libavcodec's option `err_detect`; nothing where it stays as it is.
    """
    context = stream.codec_context
    if context is None or context.codec.canonical_name not in _STRICT or not items:
        return ""
    first = items[0].pts
    is_closed = first is not None and all(item.pts is None or item.pts >= first for item in items)
    is_captured = stream.container.format.name in _CAPTURED
    return "crccheck+bitstream+buffer+explode" if is_closed and not is_captured else ""


def decoded_runs(clip_id: str, packets: Packets[AudioStream], deadline: Deadline) -> Iterator[Run]:
    """Decodes sound for its times alone.

    Args:
        clip_id: The clip's id.
        packets: Its packets, with their bytes.
        deadline: The clip's time limit.

    Yields:
        Of each frame, when its first sample is heard and how many samples it has; of damaged sound
        those before the damage, which is found again when the sound itself is wanted.

    Raises:
        BadClip: TIMED_OUT.
    """
    if packets.stream.codec_context is None:
        return
    decoder = PacketDecoder(clip_id, packets, 0, deadline)
    try:
        for frame in decoder.frames():
            if isinstance(frame, AudioFrame):
                yield ticks_of(frame), frame.samples
    except BadClip as bad:
        if bad.reason != Reason.CORRUPT:
            raise


def ticks_of(frame: AudioFrame) -> int | None:
    """Reads the decoder's time stamp of samples.

    Args:
        frame: Decoded sound.

    Returns:
        Ticks of the stream; where the container keeps decoding times only (AVI), the time of their
        packet; None where there is neither.
    """
    return frame.dts if frame.pts is None else frame.pts


def _needed(items: "Sequence[Packet[Any]]", wanted: set[int]) -> "Sequence[Packet[Any]]":
    """From the last key frame before the first wanted packet, to the last wanted one."""
    places = [i for i, packet in enumerate(items) if packet.pts in wanted]
    if not places:
        return []
    first = min(wanted)
    keys = [
        i for i in range(places[0] + 1) if items[i].is_keyframe and (items[i].pts or 0) <= first
    ]
    return items[keys[-1] if keys else 0 : places[-1] + 1]
