"""Pictures as players show them: upright, with square pixels, of the right stream, whole."""

import subprocess
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import numpy as np
import pytest

from extractors import grid_frames
from extractors.h264 import may_hold_fields
from extractors.media import DECODERS, Decoded, Limits, Push, decode, probe
from extractors.pixels import Orientation, orientation_of, shown_size
from extractors.presentation import in_order
from extractors.timegrid import Cadence, EveryNth, PerSecond, Spread
from manifests.quarantine import BadClip, Reason
from tests.support.field_coded import fields, parameter_sets
from tests.support.media_made import Writer, a_clip, number_of, picture

ONE = 1 << 16
MATRICES = {
    "as_stored": ((1, 0, 0, 1), lambda rgb: rgb),
    "mirrored": ((-1, 0, 0, 1), lambda rgb: rgb[:, ::-1]),
    "upside_down": ((1, 0, 0, -1), lambda rgb: rgb[::-1]),
    "half_turn": ((-1, 0, 0, -1), lambda rgb: rgb[::-1, ::-1]),
    "clockwise": ((0, 1, -1, 0), lambda rgb: np.rot90(rgb, -1)),
    "counterclockwise": ((0, -1, 1, 0), np.rot90),
    "transposed": ((0, 1, 1, 0), lambda rgb: rgb.transpose(1, 0, 2)),
    "transposed_over": ((0, -1, -1, 0), lambda rgb: np.rot90(rgb, 2).transpose(1, 0, 2)),
}
"""Name -> the numbers a b c d of the display matrix, and what a player does."""


def shown(
    path: Path, cadence: Cadence | None = None, decoder: str = "pyav", **clip: Any
) -> tuple[list[tuple[float, np.ndarray]], Decoded]:
    rows: list[tuple[float, np.ndarray]] = []
    grids = {cadence or EveryNth(1): lambda seconds, rgb: rows.append((seconds, rgb))}
    found = decode(
        a_clip(path, **clip), path, audio=False, grids=grids, limits=Limits(), decoder=decoder
    )
    return rows, found


def numbers(path: Path, cadence: Cadence | None = None, decoder: str = "pyav") -> list[int]:
    return [number_of(rgb) for _, rgb in shown(path, cadence, decoder)[0]]


def packets(path: Path) -> Iterator[Any]:
    with av.open(str(path)) as file:
        yield from (packet for packet in file.demux(video=0) if packet.size)


def ffmpeg(*words: object) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", *map(str, words)]
    subprocess.run(command, check=True)


def copied(source: Path, path: Path, matrix: Iterable[int]) -> Path:
    """The same file with another display matrix."""
    a, b, c, d = (ONE * number for number in matrix)
    with av.open(str(source)) as file, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(file.streams.video[0])
        stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        for packet in file.demux(video=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    return path


# Upright


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize("name", MATRICES)
def test_a_picture_is_shown_as_its_display_matrix_says(
    write_media: Writer, tmp_path: Path, name: str
) -> None:
    matrix, upright = MATRICES[name]
    plain = write_media(frames=2)
    path = copied(plain, tmp_path / "turned.mp4", matrix)
    expected = upright(shown(plain)[0][1][1])
    for decoder in DECODERS:
        assert np.array_equal(shown(path, decoder=decoder)[0][1][1], expected)
    facts = probe(a_clip(path), path, Limits())
    assert (facts.height_px, facts.width_px) == expected.shape[:2]


@pytest.mark.parametrize("name", ["mirrored", "transposed"])
def test_a_half_is_a_half_of_the_upright_picture(
    write_media: Writer, tmp_path: Path, name: str
) -> None:
    path = copied(write_media(frames=1), tmp_path / "turned.mp4", MATRICES[name][0])
    (_, rgb), (_, left) = shown(path)[0][0], shown(path, region="left")[0][0]
    assert np.array_equal(left, rgb[:, : rgb.shape[1] // 2])


def test_an_orientation_in_matroska_is_in_the_index(write_media: Writer, tmp_path: Path) -> None:
    path = copied(write_media("a.mkv", frames=2), tmp_path / "b.mkv", MATRICES["clockwise"][0])
    facts = probe(a_clip(path), path, Limits())
    assert (facts.width_px, facts.height_px) == (120, 160)
    assert shown(path)[0][0][1].shape == (160, 120, 3)


def test_a_turned_picture_that_cannot_be_decoded_is_probed_as_stored(
    write_media: Writer, tmp_path: Path
) -> None:
    path = copied(write_media(frames=2), tmp_path / "b.mp4", MATRICES["clockwise"][0])
    data = bytearray(path.read_bytes())
    packet = next(packets(path))
    data[packet.pos : packet.pos + packet.size] = bytes(packet.size)
    path.write_bytes(data)
    assert probe(a_clip(path), path, Limits()).width_px == 160


def test_an_angle_is_known_where_other_data_of_the_frame_has_no_name() -> None:
    class Frame:
        rotation = -90

        @property
        def side_data(self) -> object:
            raise ValueError

    clockwise = Orientation(transposed=True, reversed_columns=True)
    assert orientation_of(Frame()) == clockwise  # type: ignore[arg-type]


# Square pixels


@pytest.mark.parametrize(
    ("aspect", "size"),
    [
        (Fraction(4, 3), (213, 120)),
        (Fraction(8, 9), (160, 135)),
        (Fraction(1), (160, 120)),
        (Fraction(0), (160, 120)),
        (None, (160, 120)),
        (Fraction(100), (160, 120)),
        (Fraction(1, 100), (160, 120)),
    ],
)
def test_the_side_that_is_too_short_is_stretched(
    aspect: Fraction | None, size: tuple[int, int]
) -> None:
    assert shown_size(160, 120, aspect) == size
    assert shown_size(160, 120, aspect, Orientation(transposed=True)) == size[::-1]


@pytest.mark.usefixtures("processes")
def test_an_anamorphic_recording_is_shown_with_square_pixels(
    write_media: Writer, tmp_path: Path
) -> None:
    path = tmp_path / "wide.mp4"
    ffmpeg("-i", write_media(frames=3), *["-vf", "setsar=4/3", "-c:v", "libx264"], path)
    for decoder in DECODERS:
        frames = [rgb for _, rgb in shown(path, decoder=decoder)[0]]
        assert {rgb.shape for rgb in frames} == {(120, 213, 3)}
    facts = probe(a_clip(path), path, Limits())
    assert (facts.width_px, facts.height_px) == (213, 120)
    limits = Limits(max_pixels=200 * 120)
    grids: dict[Cadence, Push] = {EveryNth(1): lambda seconds, rgb: None}
    with pytest.raises(BadClip) as caught:
        decode(a_clip(path), path, audio=False, grids=grids, limits=limits)
    assert caught.value.reason == Reason.TOO_LARGE


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize("aspect", ["4/3", "16/11", "100/99"])
def test_the_shape_of_pixels_may_stand_in_the_stream_alone(
    write_media: Writer, tmp_path: Path, aspect: str
) -> None:
    path = tmp_path / "wide.mp4"
    ffmpeg("-i", write_media(frames=2), "-vf", f"setsar={aspect}", "-c:v", "libx264", path)
    data = path.read_bytes()
    at = data.index(b"tkhd") + 4 + 40 + 36  # the width at which the track says it is shown
    data = data[:at] + (160 << 16).to_bytes(4) + data[at + 4 :]
    path.write_bytes(data.replace(b"pasp", b"free"))
    facts = probe(a_clip(path), path, Limits())
    assert facts.width_px == round(160 * Fraction(aspect))
    assert shown(path)[0][0][1].shape == (facts.height_px, facts.width_px, 3)


# Which stream


def joined(path: Path, *parts: tuple[Path, str]) -> Path:
    """One stream of each file, with its disposition."""
    words: list[object] = []
    for source, _ in parts:
        words += ["-i", source]
    for number in range(len(parts)):
        words += ["-map", number]
    words += ["-c", "copy"]
    for number, (_, disposition) in enumerate(parts):
        words += [f"-disposition:{number}", disposition]
    ffmpeg(*words, path)
    return path


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_a_preview_is_not_the_video(write_media: Writer, tmp_path: Path, suffix: str) -> None:
    preview = write_media("p.mp4", frames=1, video_codec="mjpeg", pix_fmt="yuvj420p")
    parts = [(preview, "default"), (write_media("v.mp4", frames=12), "0")]
    path = joined(tmp_path / f"both.{suffix}", *parts)
    for decoder in DECODERS:
        assert numbers(path, decoder=decoder) == list(range(12))
    assert shown(path)[1].notes == ()
    assert probe(a_clip(path), path, Limits()).frames == 12


@pytest.mark.usefixtures("processes")
def test_the_default_one_of_several_videos_is_shown_and_noted(
    write_media: Writer, tmp_path: Path
) -> None:
    parts = [write_media("a.mp4", frames=6), write_media("b.mp4", frames=9)]
    for flags, count in (("0", "default"), 9), (("default", "0"), 6), (("0", "0"), 6):
        path = joined(tmp_path / f"{count}.mkv", *zip(parts, flags, strict=True))
        for decoder in DECODERS:
            rows, decoded = shown(path, decoder=decoder)
            assert (len(rows), decoded.notes) == (count, ("several_video",))
        assert probe(a_clip(path), path, Limits()).frames == count


@pytest.mark.usefixtures("processes")
def test_the_default_one_of_several_sounds_is_taken_and_noted(
    write_media: Writer, tmp_path: Path
) -> None:
    long, short = (
        write_media(f"{seconds}.wav", frames=0, audio_s=seconds) for seconds in (0.9, 0.4)
    )
    path = joined(tmp_path / "both.mkv", (long, "0"), (short, "default"))
    for decoder in DECODERS:
        decoded = decode(a_clip(path), path, audio=True, grids={}, limits=Limits(), decoder=decoder)
        assert decoded.pcm is not None
        assert len(decoded.pcm.samples) == 0.4 * 48000
        assert decoded.notes == ("several_audio",)
    assert probe(a_clip(path), path, Limits()).audio_s == pytest.approx(0.4, abs=0.01)


# Fields, captures, stills


def field_coded(path: Path, frames: int = 12) -> Path:
    """Two packets for each frame, half of its duration apart."""
    raw = path.with_suffix(".h264")
    raw.write_bytes(b"".join(b"".join(fields(picture(i), i)) for i in range(frames)))
    with av.open(str(raw), format="h264") as file, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(file.streams.video[0])
        stream.time_base = Fraction(1, 90000)
        found = [packet for packet in file.demux(video=0) if packet.size]
        assert len(found) == 2 * frames
        for number, packet in enumerate(found):
            packet.stream, packet.time_base = stream, Fraction(1, 90000)
            packet.pts = packet.dts = 1800 * number
            packet.duration = 1800
            out.mux(packet)
    return path


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize("suffix", ["ts", "mkv"])
def test_fields_are_counted_by_the_frame(tmp_path: Path, suffix: str) -> None:
    path = field_coded(tmp_path / f"fields.{suffix}")
    assert len(list(packets(path))) == 24
    for decoder in DECODERS:
        assert numbers(path, EveryNth(1), decoder) == list(range(12))
        assert numbers(path, EveryNth(2), decoder) == [0, 2, 4, 6, 8, 10]
        assert numbers(path, EveryNth(5), decoder) == [0, 5, 10]
        assert numbers(path, PerSecond(Fraction(25)), decoder) == list(range(12))
    facts = probe(a_clip(path), path, Limits())
    assert facts.frames is None
    assert facts.video_s == pytest.approx(0.48)


def test_a_parameter_set_says_whether_pictures_are_frames(write_media: Writer) -> None:
    for options, expected in (({}, False), ({"x264-params": "interlaced=1"}, True)):
        for name in ("a.mp4", "a.ts"):
            path = write_media(name, frames=2, video_options=options)
            with av.open(str(path)) as file:
                assert may_hold_fields(file.streams.video[0].codec_context.extradata) is expected
    assert may_hold_fields(parameter_sets())
    assert may_hold_fields(None)
    assert may_hold_fields(parameter_sets()[:8])


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mpg", "mpeg2video"), ("a.mpg", "mpeg1video"), ("a.ts", "libx264"), ("a.ts", "mpeg4")],
)
def test_a_capture_that_begins_inside_a_group_begins_with_its_next_key_frame(
    write_media: Writer, tmp_path: Path, name: str, codec: str
) -> None:
    complete = write_media(name, frames=40, fps=25, video_codec=codec, size=(320, 240))
    rows = shown(complete)[0]
    path = tmp_path / f"cut_{name}"
    data = complete.read_bytes()
    path.write_bytes(data[len(data) // 3 // 2048 * 2048 if name == "a.mpg" else 188 * 20 :])
    left = len(list(packets(complete)))
    for decoder in DECODERS:
        found, decoded = shown(path, decoder=decoder)
        assert decoded.notes == ("may_be_cut", "undecodable_start")
        assert 4 <= len(found) < left
        for (seconds, rgb), (before, expected) in zip(found, rows[-len(found) :], strict=True):
            assert seconds == before
            assert np.array_equal(rgb, expected)
    facts = probe(a_clip(path), path, Limits())
    assert facts.video_start_s == found[0][0]


@pytest.mark.parametrize("name", ["a.ts", "a.mpg"])
def test_frames_of_a_capture_that_lack_their_references_are_not_counted(
    write_media: Writer, tmp_path: Path, name: str
) -> None:
    """A group of MPEG-2 begins with frames that need the group before it."""
    options = {"bf": "2", "g": "10"}
    complete = write_media(
        name, frames=40, fps=25, video_codec="mpeg2video", video_options=options, size=(320, 240)
    )
    path = tmp_path / f"cut_{name}"
    data = complete.read_bytes()
    path.write_bytes(data[len(data) // 3 // 188 * 188 :])
    times: list[float] = []
    grids: dict[Cadence, Push] = {EveryNth(1): lambda seconds, rgb: times.append(seconds)}
    facts = probe(a_clip(path), path, Limits())
    decoded = decode(facts, path, audio=False, grids=grids, limits=Limits())
    assert "undecodable_start" in decoded.notes
    assert (facts.frames, facts.video_start_s) == (len(times), times[0])


def test_frames_before_the_first_key_frame_are_not_counted(
    write_media: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leading frames of a recording cut out of a longer one lack what they are predicted from."""
    options = {"x265-params": "log-level=none:bframes=3:keyint=12:open-gop=1"}
    complete = write_media("a.mkv", frames=60, video_codec="libx265", video_options=options)
    path = tmp_path / "cut.mkv"
    found = list(packets(complete))
    second = [i for i, packet in enumerate(found) if packet.is_keyframe][1]
    with av.open(str(complete)) as source, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in found[second:]:
            packet.stream = stream
            out.mux(packet)
    with av.open(str(path)) as file:
        plainly = [number_of(frame.to_ndarray(format="rgb24")) for frame in file.decode(video=0)]
    assert len(plainly) < len(found) - second
    assert numbers(path) == plainly
    assert numbers(path, EveryNth(3)) == plainly[::3]
    spread = [numbers(path, Spread(count)) for count in (1, 2, 50)]
    monkeypatch.setattr(grid_frames, "can_plan", lambda pictures: False)
    assert [numbers(path, Spread(count)) for count in (1, 2, 50)] == spread


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize("name", ["a.wmv", "a.mkv", "a.webm", "a.mp4"])
def test_a_single_picture_is_one_row(write_media: Writer, tmp_path: Path, name: str) -> None:
    picture_alone = write_media("p.mp4", frames=1, fps=25)
    sound = write_media("s.wav", frames=0, audio_s=0.5)
    path = tmp_path / name
    ffmpeg("-i", picture_alone, "-i", sound, path)
    for decoder in DECODERS:
        for cadence in (EveryNth(1), PerSecond(Fraction(10))):
            assert numbers(path, cadence, decoder) == [0]


# Times that are not in order


def test_times_that_run_backwards_are_put_in_order() -> None:
    class Untold:
        stamps = None

    def placed(*times: int) -> list[int | None]:
        return in_order(times, Untold())  # type: ignore[arg-type]

    assert placed(0, 4, 8, 12) == [0, 4, 8, 12]
    assert placed(0, 12, 8, 16, 4, 20) == [0, 4, 8, 12, 16, 20]
    assert placed(0, 4, 8, 8, 12, 20, 24) == [0, 4, 8, 12, 16, 20, 24]
    assert placed(0, 4, 8, 8) == [0, 4, 8, 12]
    assert placed(0, 12, 16, 16, *range(20, 100, 4)) == [0, 8, 12, *range(16, 100, 4)]
    assert placed(0, 4, 4, *range(8, 100, 4)) == [0, 4, None, *range(8, 100, 4)]
