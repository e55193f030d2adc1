"""The packets of one stream, still compressed, and what they say of its times."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, Generic, NamedTuple, TypeVar

from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.stream import VideoStream

from extractors.sound_extent import skipped

S = TypeVar("S", VideoStream, AudioStream)
MICROSECOND = Fraction(1, 1_000_000)
"""A tick of time stamps in seconds, where a stream does not say how long it is."""


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
    pos: int | None
    """Where it begins in the file, in bytes."""
    size: int
    """Bytes."""
    skipped: tuple[int, int]
    """Samples of sound that are dropped at its start and end; see `extractors.sound_extent`."""


@dataclass(frozen=True, eq=False)
class Packets(Generic[S]):
    """The packets of one stream in the order of the file, still compressed.

    They are a few megabytes, where the frames would be gigabytes.
    """

    stream: S
    items: "Sequence[Any]"
    """Packets to be decoded; of a file that is only probed, `Stamped`, but for sound that must be
    decoded for its length."""
    left_out: int = 0
    """Packets before them, which cannot be decoded."""
    fault: str = ""
    """What the container lacks of them; a sentence without its end."""

    @cached_property
    def time_base(self) -> Fraction:
        """Seconds of one tick of the stream's time stamps."""
        return self.stream.time_base or MICROSECOND

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

    def _nominal_s(self) -> Fraction:
        """Length of a frame whose packet does not say it."""
        rate = self.stream.average_rate if isinstance(self.stream, VideoStream) else None
        return 1 / Fraction(rate) if rate else Fraction(0)


def _stamp(packet: "Packet[Any] | Stamped") -> int | None:
    return packet.dts if packet.pts is None else packet.pts


def stamped(packet: "Packet[Any]") -> Stamped:
    """Leaves out the bytes of a packet.

    Args:
        packet: A packet.

    Returns:
        What a probe keeps of it.
    """
    padding = skipped(packet) if isinstance(packet.stream, AudioStream) else (0, 0)
    return Stamped(
        packet.pts,
        packet.dts,
        packet.duration,
        packet.is_discard,
        packet.is_keyframe,
        packet.is_corrupt,
        packet.pos,
        packet.size,
        padding,
    )
