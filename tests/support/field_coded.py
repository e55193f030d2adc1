"""H.264 whose fields are coded by themselves: two packets for a frame.

No encoder at hand writes such a stream, which broadcast recorders do. Pictures are stored as they
are (I_PCM macroblocks), so that little of the standard is needed (ITU-T H.264, 7.3).
"""

import numpy as np
from av import VideoFrame

from extractors.base import Rgb

_WIDTH, _HEIGHT = 160, 128
"""In whole macroblocks of both fields."""
_START = b"\0\0\0\1"


class _Bits:
    """Writes the numbers of a NAL unit."""

    def __init__(self) -> None:
        self._bits: list[str] = []

    def fixed(self, value: int, width: int) -> "_Bits":
        self._bits.append(f"{value:0{width}b}")
        return self

    def unsigned(self, *values: int) -> "_Bits":
        for value in values:
            code = f"{value + 1:b}"
            self._bits.append("0" * (len(code) - 1) + code)
        return self

    def raw(self, data: bytes) -> "_Bits":
        """Bytes, from the next whole one on."""
        self._bits.append("0" * (-sum(map(len, self._bits)) % 8))
        self._bits.append("".join(f"{byte:08b}" for byte in data))
        return self

    def unit(self, header: int) -> bytes:
        bits = "".join(self._bits) + "1"
        bits += "0" * (-len(bits) % 8)
        payload = int(bits, 2).to_bytes(len(bits) // 8)
        apart = bytearray()
        for byte in payload:  # no start code within
            if byte <= 3 and apart[-2:] == b"\0\0":
                apart.append(3)
            apart.append(byte)
        return _START + bytes([header]) + bytes(apart)


def parameter_sets() -> bytes:
    """Sequence and picture parameter set: fields may be coded by themselves."""
    sps = _Bits().fixed(77, 8).fixed(0, 8).fixed(30, 8).unsigned(0, 0, 0, 4, 1).fixed(0, 1)
    sps.unsigned(_WIDTH // 16 - 1, _HEIGHT // 32 - 1)
    sps.fixed(0b001, 3)  # not frames only, no adaptive frames and fields, direct inference
    sps.fixed(1, 1).unsigned(0, 0, 0, 2).fixed(0, 1)  # without the last 8 rows
    pps = _Bits().unsigned(0, 0).fixed(0, 2).unsigned(0, 0, 0).fixed(0, 3).unsigned(0, 0, 0)
    pps.fixed(0, 3)
    return sps.unit(0x67) + pps.unit(0x68)


def fields(rgb: Rgb, number: int) -> tuple[bytes, bytes]:
    """Both fields of a frame of 160 x 120, the first of which begins a group."""
    padded = np.zeros((_HEIGHT, _WIDTH, 3), np.uint8)
    padded[: len(rgb)] = rgb
    planes = VideoFrame.from_ndarray(padded, "rgb24").reformat(format="yuv420p").to_ndarray()
    luma = planes[:_HEIGHT]
    chroma = planes[_HEIGHT:].reshape(2, _HEIGHT // 2, _WIDTH // 2)
    top, bottom = (
        _field(luma[parity::2], chroma[:, parity::2], number, parity) for parity in (0, 1)
    )
    return parameter_sets() + top, bottom


def _field(luma: "np.ndarray", chroma: "np.ndarray", number: int, parity: int) -> bytes:
    is_first = not parity
    bits = _Bits().unsigned(0, 7, 0).fixed(0, 4).fixed(1, 1).fixed(parity, 1)
    if is_first:
        bits.unsigned(number % 2)  # idr_pic_id
    bits.fixed(parity, 8)
    bits.fixed(0, 2 if is_first else 1)  # marking of references
    bits.unsigned(0)  # slice_qp_delta
    for y in range(luma.shape[0] // 16):
        for x in range(_WIDTH // 16):
            square = luma[16 * y : 16 * y + 16, 16 * x : 16 * x + 16].tobytes()
            square += chroma[:, 8 * y : 8 * y + 8, 8 * x : 8 * x + 8].tobytes()
            bits.unsigned(25).raw(square)
    return bits.unit(0x65 if is_first else 0x61)
