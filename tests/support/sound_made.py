"""Sound made for the tests, by PyAV and by ffmpeg's own program, and decoded by the latter."""

import struct
import subprocess
import wave
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray


def ffmpeg(*words: object) -> bytes:
    """Runs ffmpeg and gives what it writes to its standard output."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y", *map(str, words)]
    # As after a packet that is refused, ffmpeg may end with an error and what it could decode.
    return subprocess.run(command, stdout=subprocess.PIPE, check=False).stdout


def heard_by_ffmpeg(path: Path, channels: int) -> NDArray[np.float32]:
    """(time, channel): what ffmpeg decodes, one thread: several lose samples at edits of flac."""
    raw = ffmpeg("-threads", 1, "-i", path, "-map", "0:a:0", "-f", "f32le", "-")
    return np.frombuffer(raw, "<f4").reshape(-1, channels)


def a_wave(path: Path, seconds: float, rate_hz: int = 16000, channels: int = 1) -> Path:
    """A sine in noise, another one in each channel, 16 bits."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    noise = np.random.default_rng(1).normal(0, 0.02, (len(t), channels))
    tones = [0.4 * np.sin(2 * np.pi * 220 * (c + 1) * t) for c in range(channels)]
    values = np.rint((np.stack(tones, axis=1) + noise) * 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(values.tobytes())
    return path


def sphere(samples: bytes, coding: str = "pcm", byte_format: str = "01", **fields: int) -> bytes:
    """A NIST SPHERE file of 16 kHz, one channel and two bytes a sample."""
    known = {"sample_count": len(samples) // 2, "sample_rate": 16000, "channel_count": 1}
    numbers = {**known, "sample_n_bytes": 2, "sample_sig_bits": 16, **fields}
    lines = [f"{name} -i {value}" for name, value in numbers.items()]
    lines += [f"sample_byte_format -s{len(byte_format)} {byte_format}"]
    lines += [f"sample_coding -s{len(coding)} {coding}", "end_head"]
    return b"NIST_1A\n   1024\n" + ("\n".join(lines) + "\n").encode().ljust(1008, b" ") + samples


def lyrics3(text: bytes = b"[00:01]la la la") -> bytes:
    """A Lyrics3 v2 tag."""
    body = b"LYRICSBEGIN" + b"LYR%05d" % len(text) + text
    return body + b"%06dLYRICS200" % len(body)


def ape_tag() -> bytes:
    """An APE tag v2 with its header and footer."""
    item = struct.pack("<II", 10, 0) + b"Artist\0" + b"0123456789"
    ends = [struct.pack("<8sIIII8x", b"APETAGEX", 2000, len(item) + 32, 1, flags << 28)
            for flags in (0xA, 0x8)]  # fmt: skip
    return ends[0] + item + ends[1]


def boxes(data: bytes, *path: bytes) -> tuple[int, int]:
    """Where the box at a path of types begins (its header) and ends, in an mp4."""
    begin, end = 0, len(data)
    for kind in path:
        at = begin
        while at + 8 <= end:
            length, found = struct.unpack(">I4s", data[at : at + 8])
            if found == kind:
                break
            at += length
        else:
            raise ValueError(f"there is no box {kind!r}")
        begin, end = at + 8, at + length
    return begin - 8, end


def with_edits(data: bytes, *edits: tuple[int, int]) -> bytes:
    """An mp4 of one track, whose `moov` is last, with another edit list: (length in the movie's
    ticks, place in the media's or -1 for silence)."""
    changed = bytearray(data)
    rows = b"".join(struct.pack(">Iihh", length, place, 1, 0) for length, place in edits)
    table = struct.pack(">I4sII", 16 + len(rows), b"elst", 0, len(edits)) + rows
    new = struct.pack(">I4s", 8 + len(table), b"edts") + table
    begin, end = boxes(data, b"moov", b"trak", b"edts")
    changed[begin:end] = new
    header = boxes(data, b"moov", b"trak", b"tkhd")[0]  # before it, and so where it was
    changed[header + 28 : header + 32] = struct.pack(">I", sum(length for length, _ in edits))
    for path in ((b"moov",), (b"moov", b"trak")):
        at, stop = boxes(data, *path)
        changed[at : at + 4] = struct.pack(">I", stop - at + len(new) - (end - begin))
    return bytes(changed)
