"""When a clip's sound begins and how long it is: counted in samples, not read from a header.

A header may say nothing of it, or guess it from a bit rate. Where the packets of a coding stand for
a known number of samples they are counted, less what the decoder drops: an encoder's padding, and
what lies outside an edit. Sound in any other coding is decoded for it. What is counted here is what
`extractors.pcm` collects.
"""

import re
import struct
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from manifests.quarantine import BadClip, Reason

if TYPE_CHECKING:
    from av.audio.codeccontext import AudioCodecContext
    from av.audio.stream import AudioStream
    from av.packet import Packet

    from extractors.packets import Packets, Stamped

GAP_S = 0.1
"""A hole of more than this between two packets is filled with zeros, so that what follows keeps its
time; shorter ones are the rounding of containers that count milliseconds."""

_OF_ONE_LENGTH = {"aac", "ac3", "amr_nb", "amr_wb", "mp1", "mp2", "mp3"}
"""Codings whose packets stand for one frame, and whose frames are all as long."""
_DECLARED = {"flac"}
"""Codings whose packets say their length exactly, where a tick is a sample."""
_MOST_DECLARED_HZ = 384_000
"""Beyond it libavformat finds no length in the header of a frame."""
_AC3_FRAME = 1536
_PCM = re.compile(r"pcm_(?:[suf](8|16|24|32|64)(?:le|be)?(?:_planar)?|(?:alaw|mulaw))")


class SoundExtent(NamedTuple):
    """Where the sound lies on the file's clock, in seconds."""

    start_s: float
    """Of the first sample."""
    length_s: float
    """Of all samples, with the holes between them."""


Run = tuple[int | None, int]
"""Samples that follow each other: when the first is heard, in ticks of the stream's time stamps, or
None where that is not known; and how many there are."""


def sound_extent(
    packets: "Packets[AudioStream]", decoded: Iterable[Run] = ()
) -> SoundExtent | None:
    """Measures the sound of a file.

    Args:
        packets: Its packets.
        decoded: What they are decoded to; not looked at where `is_counted` holds.

    Returns:
        Its extent, by time stamps alone where there is no decoder for it; None where there is no
        sample.
    """
    context = packets.stream.codec_context
    runs = counted_runs(packets) if is_counted(packets.stream) else decoded
    rate = context.sample_rate if context is not None else 0
    if not rate:
        return _stamped_extent(packets)
    tick, most = packets.time_base, GAP_S * rate
    per_tick, whole = tick.numerator * rate, tick.denominator
    first: int | None = None
    at = 0
    for ticks, samples in runs:
        place = at if ticks is None else nearest(ticks * per_tick, whole)
        if first is None:
            first = at = place
        elif place > at + most:
            at = place
        at += samples
    if first is None:
        return None
    excess = round(excess_s(packets) * rate)
    return SoundExtent(first / rate, max(0, at - first - excess) / rate)


def _stamped_extent(packets: "Packets[AudioStream]") -> SoundExtent | None:
    """By the packets' time stamps, where there is no decoder for the coding or no rate is known."""
    first, end = packets.first_s, packets.end_s
    return None if first is None or end is None else SoundExtent(float(first), float(end - first))


def is_counted(stream: "AudioStream") -> bool:
    """Says whether the packets of a stream say how many samples they stand for.

    Args:
        stream: The stream.

    Returns:
        True where the coding has frames of one length, or none at all (PCM), or where the lengths
        that the container gives are exact.
    """
    context = stream.codec_context
    if context is None or not context.sample_rate:
        return False
    if context.codec.canonical_name in _DECLARED:
        rate = context.sample_rate
        return stream.time_base == Fraction(1, rate) and rate <= _MOST_DECLARED_HZ
    return bool(_PCM.fullmatch(context.name)) or frame_samples(context) > 0


def skipped(packet: "Packet[Any] | Stamped") -> tuple[int, int]:
    """Counts the samples that a decoder drops of what a packet stands for.

    They are two little-endian 32-bit numbers of AV_PKT_DATA_SKIP_SAMPLES.

    Args:
        packet: The packet.

    Returns:
        Samples dropped at its start, which may be more than it has, and at its end.
    """
    if isinstance(packet, tuple):
        return packet.skipped
    for data in packet.iter_sidedata():
        if data.data_type == "skip_samples":
            start, end = struct.unpack("<II", bytes(data)[:8])
            return start, end
    return 0, 0


def excess_s(packets: "Packets[AudioStream]") -> Fraction:
    """Measures what the decoder gives beyond the end of an mp4's or a mov's last edit.

    ffmpeg cuts the frame in which the track ends. Newer versions of libavformat than PyAV's
    announce that with the last packet (`skipped`).

    Args:
        packets: The packets of the sound.

    Returns:
        Seconds, 0 in other containers, and in fragmented files, where the track's end is not known.
    """
    stream, context = packets.stream, packets.stream.codec_context
    if not stream.container.format.name.startswith("mov,") or not stream.frames or context is None:
        return Fraction(0)
    last = next((packet for packet in reversed(packets.items) if not packet.is_discard), None)
    if last is None or last.pts is None or stream.duration is None or skipped(last)[1]:
        return Fraction(0)
    tick = packets.time_base
    stamp, length = last.pts * tick, (last.duration or 0) * tick
    frame = max(length, Fraction(frame_samples(context), context.sample_rate or 1))
    end = min(stream.duration * tick, stamp + length)
    return stamp + frame - end if stamp < end < stamp + frame else Fraction(0)


def frame_samples(context: "AudioCodecContext") -> int:
    """Counts the samples of a frame.

    Args:
        context: The decoder.

    Returns:
        Samples of every frame; 0 for codings whose frames differ.
    """
    coding = context.codec.canonical_name
    if coding not in _OF_ONE_LENGTH:
        return 0
    return _AC3_FRAME if coding == "ac3" else context.frame_size


def counted_runs(packets: "Packets[AudioStream]") -> Iterator[Run]:
    """Counts what the decoder gives for each packet, as libavcodec's `discard_samples` has it.

    Args:
        packets: Packets for which `is_counted` holds.

    Yields:
        The samples of each packet, but for those of which none is left.
    """
    context, tick = packets.stream.codec_context, packets.time_base
    frame, to_skip = frame_samples(context), 0
    bits, per_tick = _sample_bits(context) * context.channels, tick.numerator * context.sample_rate
    for packet in packets.items:
        samples = frame or (packet.size * 8 // bits if bits else packet.duration or 0)
        before, after = skipped(packet)
        ticks = packet.dts if packet.pts is None else packet.pts
        if not (before or after or to_skip or packet.is_discard):  # as most are
            if samples:
                yield ticks, samples
            continue
        to_skip = before or to_skip
        lost = samples if packet.is_discard else min(to_skip, samples)
        to_skip = max(0, to_skip - samples)
        left = samples - lost - (after if after <= samples - lost else 0)
        if left:
            moved = nearest(lost * tick.denominator, per_tick) if lost else 0
            yield None if ticks is None else ticks + moved, left


def check_frames_meet(clip_id: str, packets: "Packets[AudioStream]") -> None:
    """Refuses a FLAC file with a frame that is not whole.

    libavformat passes over a frame whose head is damaged, or whose checksum does not fit.

    Args:
        clip_id: The clip's id.
        packets: Its packets, each a frame with its own time.

    Raises:
        BadClip: CORRUPT.
    """
    timed = [packet for packet in packets.items if packet.pts is not None]
    for one, other in pairwise(timed):
        # A packet whose length libavformat does not tell says nothing of the next one.
        if one.duration and (end := one.pts + one.duration) < other.pts:
            begin_s, end_s = (float(ticks * packets.time_base) for ticks in (end, other.pts))
            raise BadClip(
                clip_id,
                Reason.CORRUPT,
                f"the flac has no whole frame between {begin_s:.3f} and {end_s:.3f} s, expected "
                "one frame after the other; copy or download the file again",
            )


def sample_bytes(stream: "AudioStream") -> int:
    """Measures a sample of all channels.

    Args:
        stream: The stream.

    Returns:
        Bytes; 0 for a coding that is not PCM.
    """
    context = stream.codec_context
    return 0 if context is None else _sample_bits(context) * context.channels // 8


def _sample_bits(context: "AudioCodecContext") -> int:
    found = _PCM.fullmatch(context.name)
    return int(found[1] or 8) if found else 0


def nearest(numerator: int, denominator: int) -> int:
    """Rounds a fraction to the nearest whole number, halves upwards.

    Args:
        numerator: Of the fraction.
        denominator: Of the fraction, more than 0.

    Returns:
        The whole number.
    """
    return (2 * numerator + denominator) // (2 * denominator)
