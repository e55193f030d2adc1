"""The table of codecs, containers and frames held back: files with a number in each frame, made by
the ffmpeg program, and what the program says of when each frame is shown."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import pairwise
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np

from extractors.base import Rgb
from extractors.media import Limits, decode, probe
from extractors.timegrid import Cadence, EveryNth, PerSecond, Spread
from tests.support.media_made import a_clip, number_of, picture

FRAMES = 40
FPS = 25
CADENCES = (PerSecond(Fraction(10)), PerSecond(Fraction(25)), EveryNth(1), EveryNth(5), Spread(7))
Row = tuple[float, int]
"""Time stamp and number of a frame."""

_GROUPS = "-g 12 -q:v 3"
_X264 = "-g 12 -x264-params b-adapt=0:scenecut=0"
_X265 = "-x265-params log-level=none:b-adapt=0:keyint=12"
_HELD_BACK = range(4)

CODECS: dict[str, str] = {
    **{f"h264_{b}": f"libx264 -bf {b} {_X264}" for b in _HELD_BACK},
    "h264_open": f"libx264 -bf 3 {_X264}:open-gop=1",
    "h264_pyramid": f"libx264 -bf 3 {_X264}:b-pyramid=normal",
    "h264_interlaced": f"libx264 -bf 2 {_X264}:interlaced=1",
    "h264_refresh": "libx264 -bf 0 -x264-params intra-refresh=1:keyint=12",
    **{f"hevc_{b}": f"libx265 {_X265}:open-gop=0:bframes={b}" for b in _HELD_BACK},
    "hevc_open": f"libx265 {_X265}:open-gop=1:bframes=3",
    **{f"mpeg4_{b}": f"mpeg4 -bf {b} {_GROUPS}" for b in _HELD_BACK},
    "mpeg4_closed": f"mpeg4 -bf 2 {_GROUPS} -flags +cgop -sc_threshold 1000000000",
    "xvid_0": f"libxvid -bf 0 {_GROUPS}",
    **{f"xvid_packed_{b}": f"libxvid -bf {b} {_GROUPS}" for b in (1, 2, 3)},
    "xvid_2": f"libxvid -bf 2 {_GROUPS} -bsf:v mpeg4_unpack_bframes",
    **{f"mpeg2_{b}": f"mpeg2video -bf {b} {_GROUPS}" for b in _HELD_BACK},
    "mpeg2_closed": f"mpeg2video -bf 2 {_GROUPS} -flags +cgop -sc_threshold 1000000000",
    "mpeg2_interlaced": f"mpeg2video -bf 2 {_GROUPS} -flags +ildct+ilme",
    **{f"mpeg1_{b}": f"mpeg1video -bf {b} {_GROUPS}" for b in _HELD_BACK},
    **{
        name: f"{name} -q:v 3"
        for name in ("msmpeg4v2", "msmpeg4", "wmv1", "wmv2", "flv", "h261", "h263", "h263p")
    },
    "vp8": "libvpx -b:v 1M -g 12",
    "vp8_hidden": "libvpx -b:v 1M -auto-alt-ref 1 -lag-in-frames 16 -g 24",
    "vp9": "libvpx-vp9 -b:v 1M -g 12",
    "vp9_hidden": "libvpx-vp9 -b:v 1M -auto-alt-ref 1 -lag-in-frames 16 -g 24",
    "av1": "libsvtav1 -preset 10 -g 12",
    "av1_aom": "libaom-av1 -cpu-used 8 -g 12 -b:v 1M",
    "mjpeg": "mjpeg -q:v 3 -pix_fmt yuvj420p",
    "theora": "libtheora -q:v 7",
    "dnxhd": "dnxhd -profile:v dnxhr_lb -pix_fmt yuv422p",
    "prores": "prores_ks -pix_fmt yuv422p10le",
    "vc2": "vc2 -strict -2",
    "cfhd": "cfhd -pix_fmt yuv422p10le",
    "svq1": "svq1 -pix_fmt yuv410p",
    **{name: f"{name} -pix_fmt rgb24" for name in ("png", "cinepak", "qtrle")},
    **{name: name for name in ("huffyuv", "ffvhuff", "ffv1", "utvideo", "rawvideo", "jpeg2000")},
}
"""Name -> encoder of the ffmpeg program and its options."""

CONTAINERS = {
    "mp4": "mp4",
    "mkv": "matroska",
    "mov": "mov",
    "avi": "avi",
    "flv": "flv",
    "asf": "asf",
    "ts": "mpegts",
    "mpg": "vob",
    "webm": "webm",
}
"""Suffix -> the program's name of the container."""

_WORDS = re.compile(r"Parsed_showinfo\S* @ \S+ n: *\d+ pts: *-?\d+ pts_time:(\S+)")


@dataclass(frozen=True)
class Made:
    """A file of the table."""

    path: Path
    rows: tuple[Row, ...]
    """Its frames, as the ffmpeg program gives them."""


def make(folder: Path, codec: str, suffix: str) -> Made | None:
    """A file of the table; None where the container does not take the codec, so that the program
    itself cannot write it or read it again."""
    encoder, *options = CODECS[codec].split()
    size = (176, 144) if codec in {"h261", "h263"} else (160, 120)
    form = () if "-pix_fmt" in options else ("-pix_fmt", "yuv420p")
    path = folder / f"{codec}.{suffix}"
    done = _ffmpeg(
        *["-threads", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s"],
        "{}x{}".format(*size),
        *f"-r {FPS} -i pipe:0 -c:v {encoder}".split(),
        *options,
        *form,
        *f"-f {CONTAINERS[suffix]} {path}".split(),
        given=_pictures(size),
    )
    rows = () if done.returncode else frames_of(path)
    return Made(path, rows) if rows else None


def frames_of(path: Path) -> tuple[Row, ...]:
    """The frames of a file as the ffmpeg program passes them through."""
    done = _ffmpeg(
        *f"-copyts -threads 1 -noautorotate -i {path} -map 0:v:0".split(),
        *["-vf", "showinfo=checksum=0,format=rgb24,scale=160:120", "-fps_mode", "passthrough"],
        *["-enc_time_base", "demux", "-f", "rawvideo", "pipe:1"],
    )
    times = _WORDS.findall(done.stderr.decode(errors="replace"))
    frames = np.frombuffer(done.stdout, np.uint8).reshape(-1, 120, 160, 3)
    return tuple(
        (float(time), number_of(frame)) for time, frame in zip(times, frames, strict=False)
    )


def decoded(path: Path, decoder: str = "pyav", **clip: float) -> dict[Cadence, list[Row]]:
    """What each cadence is given."""
    found: dict[Cadence, list[Row]] = {cadence: [] for cadence in CADENCES}

    def receive(cadence: Cadence, seconds: float, rgb: Rgb) -> None:
        upright = rgb if rgb.shape[:2] == (120, 160) else cv2.resize(rgb, (160, 120))
        found[cadence].append((seconds, number_of(upright)))

    grids = {
        cadence: lambda seconds, rgb, cadence=cadence: receive(cadence, seconds, rgb)
        for cadence in CADENCES
    }
    decode(a_clip(path, **clip), path, audio=False, grids=grids, limits=Limits(), decoder=decoder)
    return found


def check(made: Made, decoder: str = "pyav") -> None:
    """Every frame once, in order, at the program's time, on every grid; and the index agrees."""
    found = decoded(made.path, decoder)
    every = found[EveryNth(1)]
    assert [number for _, number in every] == [number for _, number in made.rows]
    assert all(before < after for (before, _), (after, _) in pairwise(every))
    given = [time for time, _ in made.rows]
    if given == sorted(set(given)):  # of some program streams, its times run backwards
        assert np.allclose([time for time, _ in every], given, rtol=0, atol=2e-6)
    facts = probe(a_clip(made.path), made.path, Limits())
    assert facts.video_start_s == every[0][0]
    assert facts.video_s is not None
    assert facts.frames in {None, len(every)}
    end = every[0][0] + facts.video_s
    for cadence, rows in found.items():
        assert rows == list(_plainly(every, cadence, end)), cadence
    _check_span(made.path, every, decoder)


def check_span_facts(made: Made) -> None:
    """The index says of a part of a file what it says of all of it, without decoding anything."""
    whole = probe(a_clip(made.path), made.path, Limits())
    part = probe(a_clip(made.path, start_s=0.6, end_s=1.2), made.path, Limits())
    assert (part.video_start_s, part.video_s) == (whole.video_start_s, whole.video_s)


def _check_span(path: Path, every: list[Row], decoder: str) -> None:
    """A part that begins while the frame before a key frame, in groups of 12, is on screen."""
    start, end = every[24][0] - 0.01, every[30][0] + 0.01
    span = decoded(path, decoder, start_s=start, end_s=end)
    assert span[EveryNth(1)] == every[24:31]
    assert span[EveryNth(5)] == every[24:31:5]
    assert span[PerSecond(Fraction(25))][0] == every[23]


def _plainly(every: list[Row], cadence: Cadence, end: float) -> Iterator[Row]:
    """The frame on screen at each time of a grid, by looking at all of them."""
    if isinstance(cadence, EveryNth):
        yield from every[:: cadence.step]
        return
    times = [Fraction(time).limit_denominator(90_000_000) for time, _ in every]
    last = Fraction(end).limit_denominator(90_000_000)
    if isinstance(cadence, PerSecond):
        count = next(k for k in range(10_000) if times[0] + k / cadence.fps >= last)
        grid = [times[0] + k / cadence.fps for k in range(count)]
    else:
        assert isinstance(cadence, Spread)
        step = (last - times[0]) / cadence.count
        grid = [times[0] + (k + Fraction(1, 2)) * step for k in range(cadence.count)]
    for time in grid:
        yield every[sum(stamp <= time for stamp in times) - 1]


@cache
def _pictures(size: tuple[int, int]) -> bytes:
    return b"".join(picture(i, *size).tobytes() for i in range(FRAMES))


def _ffmpeg(*words: str, given: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-hide_banner", *words]
    return subprocess.run(command, input=given, capture_output=True, check=False)
