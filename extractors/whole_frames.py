"""Frames of sound that a capture or a tag has cut: told by their own headers.

In a stream without a container's table, a packet is what lies between two places that look like the
beginning of a frame. A recording that begins or ends inside a frame, and padding or a tag after the
last one, leave packets there that are no frame. Those are left out; one in the middle is damage and
stays.

    mp1, mp2, mp3    ISO/IEC 11172-3, 2.4.1.3 and 13818-3: 11 bits of sync; the length follows from
                     bit rate, sampling rate and padding
    aac (ADTS)       ISO/IEC 14496-3, 1.A.2.2: 12 bits of sync, 13 bits of length
    aac_latm (LOAS)  ISO/IEC 14496-3, 1.7.2: 11 bits of sync, 13 bits of length behind 3 bytes
    ac3, eac3        ETSI TS 102 366, 4.4.1 and E.1.3.1: 16 bits of sync; the length by table or in
                     11 bits
    flac             RFC 9639, 9.3: no length; a CRC-16 over all of the frame ends it
    amr_nb, amr_wb   RFC 4867, 5.3: no sync; three bits are 0, a fourth says that the frame is
                     undamaged, and four say its length
"""

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from operator import and_
from typing import NamedTuple

from extractors.crc16 import crc16

CONTAINERS = {"mp3", "aac", "ac3", "eac3", "amr", "mpeg", "mpegts"}
"""libavformat's names of the containers whose sound is cut into packets by its frames' headers."""
HEADER_BYTES = 6
"""Bytes of a frame that are looked at."""

_MPEG1 = {
    1: (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    2: (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    3: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
}
"""Layer -> kbit/s by the header's index, from 1."""
_MPEG2 = {
    1: (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    2: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    3: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = (44100, 48000, 32000)
_AC3_KBITS = (
    32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640,
)  # fmt: skip


class WholeFrames(NamedTuple):
    """What a packet begins with."""

    size: int
    """Bytes of its whole frames; 0 where it begins with none."""
    head: bytes
    """The first bytes of the packet, `HEADER_BYTES` of them."""


def whole_frames(codec: str, packet: memoryview) -> WholeFrames:
    """Measures the whole frames that a packet begins with.

    Args:
        codec: libavcodec's name of the coding.
        packet: Its bytes.

    Returns:
        The frames; all of the packet for a coding that is not among those above, or where a frame
        does not say its length.
    """
    find_length, end = _LENGTHS.get(codec), len(packet)
    head = bytes(packet[:HEADER_BYTES]).ljust(HEADER_BYTES, b"\0")
    if find_length is None:
        return WholeFrames(end, head)
    at, length = 0, find_length(head)
    if length == end:  # as most packets are
        return WholeFrames(end, head)
    while 0 < length <= end - at:
        at += length
        if at == end:
            break
        length = find_length(bytes(packet[at : at + HEADER_BYTES]).ljust(HEADER_BYTES, b"\0"))
    return WholeFrames(at if length else end, head)


def frame_length(codec: str, head: bytes) -> int:
    """Measures the frame that begins with a header.

    Args:
        codec: libavcodec's name of the coding, one of those above but FLAC.
        head: The header, `HEADER_BYTES` of it or what there is.

    Returns:
        Bytes; 0 where the header does not say, -1 where it is none.
    """
    return _LENGTHS[codec](head.ljust(HEADER_BYTES, b"\0"))


def is_alike(codec: str, head: bytes, other: bytes) -> bool:
    """Says whether two frames can be of one recording.

    Args:
        codec: libavcodec's name of the coding.
        head: The header of one of them.
        other: That of the other one.

    Returns:
        True where version, layer or profile, rate, and channels of ADTS are the same.
    """
    mask = _ALIKE[codec]
    return bytes(map(and_, head, mask)) == bytes(map(and_, other, mask))


def flac_frame(packet: memoryview) -> int:
    """Measures the FLAC frame that a packet begins with.

    The checksum of a frame with its own at the end is 0, and so it stays over zeros behind it.

    Args:
        packet: Its bytes.

    Returns:
        Bytes of the frame; of the packet, where no checksum fits.
    """
    if packet and packet[-1] and not crc16(bytes(packet).translate(_MIRRORED)):
        return len(packet)  # as most are: its own checksum is behind it, and no zero
    table, crc, begin, last = _crc_table(), 0, 0, 0
    for at, byte in enumerate(packet, 1):
        before, crc = crc, (crc << 8 & 0xFFFF) ^ table[crc >> 8 ^ byte]
        if not crc:
            begin, last = begin if not before and at > 1 else at, at
    is_checksum = last == len(packet) and last - begin <= 2  # 0 in the frame itself
    return len(packet) if is_checksum or not begin else begin


_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
"""Each byte with its bits the other way round: FLAC's checksum of some bytes is 0 where that of MP3
is 0 of the mirrored ones."""


@cache
def _crc_table() -> tuple[int, ...]:
    """CRC-16 of each byte, by the polynomial x^16 + x^15 + x^2 + 1."""
    table = list(range(0, 1 << 16, 1 << 8))
    for _ in range(8):
        table = [crc << 1 & 0xFFFF ^ (0x8005 if crc & 0x8000 else 0) for crc in table]
    return tuple(table)


def cut_ends(codec: str, found: Sequence[WholeFrames]) -> tuple[int, int]:
    """Finds the packets from the first whole frame to the last.

    Bytes that look like a frame by chance, and so are unlike their neighbour, are none.

    Args:
        codec: libavcodec's name of the coding.
        found: What each packet begins with.

    Returns:
        Where they begin and end; nothing is between where none is whole.
    """
    whole = [number for number, frames in enumerate(found) if frames.size]
    if _is_odd(codec, [found[number] for number in whole[:3]]):
        del whole[0]
    if _is_odd(codec, [found[number] for number in whole[:-4:-1]]):
        del whole[-1]
    return (whole[0], whole[-1] + 1) if whole else (0, 0)


def _is_odd(codec: str, three: Sequence[WholeFrames]) -> bool:
    """Whether the first is unlike the second, which is like the third."""
    mask = _ALIKE.get(codec, b"")
    forms = [bytes(map(and_, frames.head, mask)) for frames in three]
    return len(forms) == 3 and forms[0] != forms[1] == forms[2]


def _mpeg_audio(head: bytes) -> int:
    return _mpeg_audio_frame(head[:3])


@lru_cache(1 << 10)  # a recording has few that differ
def _mpeg_audio_frame(head: bytes) -> int:
    if head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return -1
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    index, rate_index = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer == 4 or index == 15 or rate_index == 3:
        return -1
    if index == 0:
        return 0  # any length
    rate = _RATES[rate_index] >> {3: 0, 2: 1, 0: 2}[version]
    bits = (_MPEG1 if version == 3 else _MPEG2)[layer][index - 1] * 1000
    padding = head[2] >> 1 & 1
    if layer == 1:
        return (12 * bits // rate + padding) * 4
    return (72 if layer == 3 and version != 3 else 144) * bits // rate + padding


def _adts(head: bytes) -> int:
    if head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return -1
    length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return length if length > HEADER_BYTES else -1


def _loas(head: bytes) -> int:
    if head[0] != 0x56 or head[1] & 0xE0 != 0xE0:
        return -1
    return 3 + ((head[1] & 0x1F) << 8 | head[2])


def _ac3(head: bytes) -> int:
    if head[:2] != b"\x0b\x77":
        return -1
    if head[5] >> 3 > 10:  # bsid of Enhanced AC-3
        return 2 * (((head[2] & 7) << 8 | head[3]) + 1)
    rate_index, code = head[4] >> 6, head[4] & 0x3F
    if rate_index == 3 or code >> 1 >= len(_AC3_KBITS):
        return -1
    kbits = _AC3_KBITS[code >> 1]
    words = (2 * kbits, kbits * 1000 * 1536 // (16 * 44100) + (code & 1), 3 * kbits)
    return 2 * words[rate_index]


_AMR_NB = (13, 14, 16, 18, 20, 21, 27, 32, 6, -1, -1, -1, -1, -1, -1, 1)
_AMR_WB = (18, 24, 33, 37, 41, 47, 51, 59, 61, 6, -1, -1, -1, -1, 1, 1)


def _amr(lengths: Sequence[int]) -> Callable[[bytes], int]:
    return lambda head: lengths[head[0] >> 3 & 15] if head[0] & 0x87 == 4 else -1


_LENGTHS: dict[str, Callable[[bytes], int]] = {
    "mp1": _mpeg_audio,
    "mp2": _mpeg_audio,
    "mp3": _mpeg_audio,
    "aac": _adts,
    "aac_latm": _loas,
    "ac3": _ac3,
    "eac3": _ac3,
    "amr_nb": _amr(_AMR_NB),
    "amr_wb": _amr(_AMR_WB),
}
"""Coding -> bytes of a frame by its header; -1 where there is none."""
_MPEG_AUDIO_ALIKE, _ADTS_ALIKE = bytes([0xFF, 0xFE, 0x0C]), bytes([0xFF, 0xFE, 0xFD, 0xC0])
_ALIKE = {
    "mp1": _MPEG_AUDIO_ALIKE,
    "mp2": _MPEG_AUDIO_ALIKE,
    "mp3": _MPEG_AUDIO_ALIKE,
    "aac": _ADTS_ALIKE,
}
"""Coding -> the bits of a header that are the same in all frames: version, layer or profile, rate,
and channels of ADTS."""
