"""What the sequence parameter set of an H.264 stream says of its pictures (ITU-T H.264, 7.3.2.1).

An interlaced stream may code each field of a frame by itself; the fields are then packets of their
own, two for a frame that is shown. `frame_mbs_only_flag` rules this out. The shape of pixels
(annex E) may stand here alone, and a header that is read without decoding a picture lacks it then.
Where it also says how many frames are held back, no picture need be decoded to open a file.
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


def says_all(
    extradata: bytes | None, width: int, height: int, pixel_aspect: Fraction | None
) -> bool:
    """Says whether a decoder knows from its configuration what a first picture would show it.

    Args:
        extradata: The decoder's configuration, as for `may_hold_fields`.
        width: Of a picture, as the container has it.
        height: Likewise.
        pixel_aspect: Width of a pixel over its height, as the container has it; None where it does
            not say.

    Returns:
        True where there is one parameter set, it agrees with the container, and it says how many
        frames a decoder holds back.
    """
    found = _parameter_sets(extradata)
    return len(found) == 1 and (
        found[0].are_held_back_told
        and found[0].size == (width, height)
        and found[0].aspect in {None, pixel_aspect or Fraction(1)}
    )


@dataclass(frozen=True)
class _ParameterSet:
    """What is read of a sequence parameter set."""

    is_frames_only: bool
    size: tuple[int, int]
    """Width and height of what is shown of a picture."""
    aspect: Fraction | None
    are_held_back_told: bool
    """Whether it says how many frames are held back (bitstream_restriction_flag)."""


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
    chroma_format = _chroma_format(bits) if profile in _WITH_CHROMA_FORMAT else 1
    bits.unsigned()  # log2_max_frame_num
    _skip_order_count(bits)
    bits.unsigned()  # max_num_ref_frames
    bits.fixed(1)
    width, height = 16 * (bits.unsigned() + 1), 16 * (bits.unsigned() + 1)
    is_frames_only = bool(bits.fixed(1))  # frame_mbs_only_flag
    bits.fixed(1 if is_frames_only else 2)
    fields = 1 if is_frames_only else 2
    left, right, top, bottom = _cropped(bits)
    width -= (left + right) * (2 if chroma_format in {1, 2} else 1)
    height = fields * (height - (top + bottom) * (2 if chroma_format == 1 else 1))
    has_usability = bool(bits.fixed(1))  # vui_parameters_present_flag
    aspect = _aspect(bits) if has_usability else None
    try:
        are_held_back_told = has_usability and _is_restricted(bits)
    except IndexError:
        are_held_back_told = False
    return _ParameterSet(is_frames_only, (width, height), aspect, are_held_back_told)


def _cropped(bits: _Bits) -> tuple[int, ...]:
    """How much is cut off at the left, right, top and bottom, in steps of chroma."""
    return tuple(bits.unsigned() for _ in range(4)) if bits.fixed(1) else (0, 0, 0, 0)


def _is_restricted(bits: _Bits) -> bool:
    """What is behind the shape of pixels, up to bitstream_restriction_flag."""
    if bits.fixed(1):  # overscan_info_present_flag
        bits.fixed(1)
    if bits.fixed(1):  # video_signal_type_present_flag
        bits.fixed(4)
        if bits.fixed(1):  # colour_description_present_flag
            bits.fixed(24)
    if bits.fixed(1):  # chroma_loc_info_present_flag
        bits.unsigned()
        bits.unsigned()
    if bits.fixed(1):  # timing_info_present_flag
        bits.fixed(65)
    has_buffer = [_skip_buffer(bits), _skip_buffer(bits)]  # of NAL units, and of slices
    if any(has_buffer):
        bits.fixed(1)  # low_delay_hrd_flag
    bits.fixed(1)  # pic_struct_present_flag
    return bool(bits.fixed(1))


def _skip_buffer(bits: _Bits) -> bool:
    """The parameters of a reference decoder (E.1.2), if there are some."""
    if not bits.fixed(1):
        return False
    count = bits.unsigned() + 1
    bits.fixed(8)
    for _ in range(count):
        bits.unsigned()
        bits.unsigned()
        bits.fixed(1)
    bits.fixed(20)
    return True


def _aspect(bits: _Bits) -> Fraction | None:
    if not bits.fixed(1):  # aspect_ratio_info_present_flag
        return None
    number = bits.fixed(8)  # aspect_ratio_idc
    if number == _EXTENDED:
        width, height = bits.fixed(16), bits.fixed(16)
    else:
        width, height = _ASPECTS[number] if number < len(_ASPECTS) else (0, 0)
    return Fraction(width, height) if width and height else None


def _chroma_format(bits: _Bits) -> int:
    """Which one it is; scaling lists behind it are skipped."""
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
    return chroma_format


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
