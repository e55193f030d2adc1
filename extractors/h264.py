"""What the sequence parameter set of an H.264 stream says of its pictures (ITU-T H.264, 7.3.2.1).

An interlaced stream may code each field of a frame by itself; the fields are then packets of their
own, two for a frame that is shown. `frame_mbs_only_flag` rules this out. The shape of pixels
(annex E) may stand here alone, and a header that is read without decoding a picture lacks it then.
"""

from dataclasses import dataclass
from fractions import Fraction

_SPS = 7
"""nal_unit_type of a sequence parameter set."""
_WITH_CHROMA_FORMAT = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135}
"""profile_idc of those whose parameter sets say the format of chroma and may hold scaling lists."""

_ASPECTS = (
    (0, 0), (1, 1), (12, 11), (10, 11), (16, 11), (40, 33), (24, 11), (20, 11), (32, 11), (80, 33),
    (18, 11), (15, 11), (64, 33), (160, 99), (4, 3), (3, 2), (2, 1),
)  # fmt: skip
"""Width and height of pixels by aspect_ratio_idc (table E-1)."""
_EXTENDED = 255
"""aspect_ratio_idc of a shape that the table does not have."""


def may_hold_fields(extradata: bytes | None) -> bool:
    """Says whether a packet may hold one field, and not a frame.

    Args:
        extradata: The decoder's configuration, in the form of ISO/IEC 14496-15 (mp4, mkv, flv) or
            with start codes (avi, mpegts).

    Returns:
        False where every picture is coded as a frame; True where some may not be, and where no
        parameter set is found.
    """
    found = _parameter_sets(extradata)
    return not found or any(not each.is_frames_only for each in found)


def pixel_aspect(extradata: bytes | None) -> Fraction | None:
    """Reads the shape of pixels.

    Args:
        extradata: The decoder's configuration, as for `may_hold_fields`.

    Returns:
        Width of a pixel over its height; None where it is not said.
    """
    found = _parameter_sets(extradata)
    return found[0].aspect if found else None


@dataclass(frozen=True)
class _ParameterSet:
    """What is read of a sequence parameter set."""

    is_frames_only: bool
    aspect: Fraction | None


def _parameter_sets(extradata: bytes | None) -> list[_ParameterSet]:
    """Those that are there; none where one of them breaks off."""
    try:
        return [
            _parse(unit) for unit in _units(extradata or b"") if unit and unit[0] & 0x1F == _SPS
        ]
    except IndexError:
        return []


def _units(data: bytes) -> list[bytes]:
    if data[:1] != b"\x01":
        return data.split(b"\0\0\1")
    units, at = [], 6
    for _ in range(data[5] & 0x1F if len(data) > at else 0):
        end = at + 2 + int.from_bytes(data[at : at + 2])
        units.append(data[at + 2 : end])
        at = end
    return units


class _Bits:
    """Reads the numbers of a NAL unit; IndexError behind its end."""

    def __init__(self, unit: bytes) -> None:
        payload = unit.replace(b"\0\0\3", b"\0\0")  # the byte that keeps start codes apart
        self._bits = "".join(f"{byte:08b}" for byte in payload)
        self._at = 0

    def fixed(self, width: int) -> int:
        """u(v): a number of so many bits."""
        if self._at + width > len(self._bits):
            raise IndexError
        self._at += width
        return int(self._bits[self._at - width : self._at], 2)

    def unsigned(self) -> int:
        """ue(v): a number in Exp-Golomb code."""
        zeros = 0
        while not self.fixed(1):
            zeros += 1
        return (1 << zeros) - 1 + (self.fixed(zeros) if zeros else 0)

    def signed(self) -> int:
        """se(v): likewise, with a sign."""
        code = self.unsigned()
        return (code + 1) // 2 * (1 if code % 2 else -1)


def _parse(unit: bytes) -> _ParameterSet:
    bits = _Bits(unit)
    bits.fixed(8)
    profile = bits.fixed(8)
    bits.fixed(16)  # constraints, level
    bits.unsigned()  # seq_parameter_set_id
    if profile in _WITH_CHROMA_FORMAT:
        _skip_chroma_format(bits)
    bits.unsigned()  # log2_max_frame_num
    _skip_order_count(bits)
    bits.unsigned()  # max_num_ref_frames
    bits.fixed(1)
    bits.unsigned()  # width and height in macroblocks
    bits.unsigned()
    is_frames_only = bool(bits.fixed(1))  # frame_mbs_only_flag
    bits.fixed(1 if is_frames_only else 2)
    if bits.fixed(1):  # frame_cropping_flag
        for _ in range(4):
            bits.unsigned()
    return _ParameterSet(is_frames_only, _aspect(bits))


def _aspect(bits: _Bits) -> Fraction | None:
    if not bits.fixed(1) or not bits.fixed(1):  # vui_parameters, aspect_ratio_info
        return None
    number = bits.fixed(8)  # aspect_ratio_idc
    if number == _EXTENDED:
        width, height = bits.fixed(16), bits.fixed(16)
    else:
        width, height = _ASPECTS[number] if number < len(_ASPECTS) else (0, 0)
    return Fraction(width, height) if width and height else None


def _skip_chroma_format(bits: _Bits) -> None:
    chroma_format = bits.unsigned()
    if chroma_format == 3:
        bits.fixed(1)
    bits.unsigned()  # bit depths
    bits.unsigned()
    bits.fixed(1)
    if bits.fixed(1):
        for number in range(12 if chroma_format == 3 else 8):
            if bits.fixed(1):
                _skip_scaling_list(bits, 16 if number < 6 else 64)


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    scale = 8
    for _ in range(size):
        scale = (scale + bits.signed()) % 256
        if not scale:
            return


def _skip_order_count(bits: _Bits) -> None:
    kind = bits.unsigned()  # pic_order_cnt_type
    if kind == 0:
        bits.unsigned()
    elif kind == 1:
        bits.fixed(1)
        bits.signed()
        bits.signed()
        for _ in range(bits.unsigned()):
            bits.signed()
