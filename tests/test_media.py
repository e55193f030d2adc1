"""One decode of real media: what is shown when, that skipping and the second decoder change no bit,
and what is refused."""

import hashlib
import struct
import subprocess
import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import imageio_ffmpeg
import numpy as np
import pytest

from extractors import container, grid_frames, opening, pyav_decoder
from extractors.limits import Deadline
from extractors.media import DECODERS, Decoded, Limits, decode, probe
from manifests.quarantine import BadClip, Reason
from tests.support.media_made import (
    AUDIO_CODECS,
    CLIPS,
    VIDEO_CODECS,
    Writer,
    a_clip,
    number_of,
    picture,
    tone,
)

Shown = list[tuple[float, str]]
REAL = sorted(CLIPS.glob("*.mp4"))


def run(
    path: Path, *rates: float, decoder: str = "pyav", limits: Limits | None = None, **clip: object
) -> tuple[list[Shown], Decoded]:
    """What each grid receives, as (time stamp, hash of the pixels), and the rest."""
    shown: dict[float, Shown] = {rate: [] for rate in rates}

    def receiver(rate: float):  # type: ignore[no-untyped-def]
        return lambda seconds, rgb: shown[rate].append((seconds, hashlib.md5(rgb).hexdigest()))

    grids = {rate: receiver(rate) for rate in rates}
    decoded = decode(
        a_clip(path, **clip),
        path,
        audio=True,
        grids=grids,
        limits=limits or Limits(),
        decoder=decoder,
    )  # type: ignore[arg-type]
    return list(shown.values()), decoded


def numbers(path: Path, rate: float, **clip: object) -> list[tuple[float, int]]:
    """Time stamps and the numbers written into the made frames."""
    found: list[tuple[float, int]] = []
    decode(
        a_clip(path, **clip),  # type: ignore[arg-type]
        path,
        audio=False,
        grids={rate: lambda seconds, rgb: found.append((seconds, number_of(rgb)))},
        limits=Limits(),
    )
    return found


def plainly(
    path: Path, rate: int, start: Fraction | None = None, end: Fraction | None = None
) -> list[float]:
    """The grid's time stamps by the plainest means: decode every frame, look at each grid time."""
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        ticks = [
            (frame.pts if frame.pts is not None else frame.dts, frame.duration)
            for frame in file.decode(stream)
        ]
        stamps = [t * stream.time_base for t, _ in ticks]
        end = min(end or 10**6, stamps[-1] + ticks[-1][1] * stream.time_base)
    start = stamps[0] if start is None else start
    times = [start + Fraction(k, rate) for k in range(10000) if start + Fraction(k, rate) < end]
    return [float(max(s for s in stamps if s <= t)) for t in times if t >= stamps[0]]


def reason(path: Path, limits: Limits | None = None, **clip: object) -> tuple[Reason, str]:
    with pytest.raises(BadClip) as caught:
        probe(a_clip(path, **clip), path, limits or Limits())  # type: ignore[arg-type]
    assert caught.value.detail.count("\n") == 0
    return caught.value.reason, caught.value.detail


# What is shown when


def test_the_frame_on_screen_is_given_with_its_own_time_stamp(write_media: Writer) -> None:
    assert numbers(write_media(frames=30, fps=30), 10.0) == [(k / 10, 3 * k) for k in range(10)]


def test_a_gap_repeats_the_frame_that_stays_on_screen(write_media: Writer) -> None:
    path = write_media(
        "gap.mkv", frames=4, stamps=[0, 100, 600, 700], time_base=Fraction(1, 1000), fps=10
    )
    assert [n for _, n in numbers(path, 10.0)] == [0, 1, 1, 1, 1, 1, 2, 3]
    assert [s for s, _ in numbers(path, 10.0)] == [0.0, 0.1, 0.1, 0.1, 0.1, 0.1, 0.6, 0.7]


def test_a_grid_finer_than_the_video_repeats_frames_and_keeps_their_stamps(
    write_media: Writer,
) -> None:
    assert numbers(write_media(frames=3, fps=10), 30.0) == [(k // 3 / 10, k // 3) for k in range(9)]


@pytest.mark.parametrize("suffix", list(VIDEO_CODECS))
def test_every_container_shows_what_a_plain_decode_shows(write_media: Writer, suffix: str) -> None:
    path = write_media(f"clip{suffix}", frames=40, fps=25, audio_s=1.6)
    (shown,), _ = run(path, 10.0)
    assert [seconds for seconds, _ in shown] == plainly(path, 10)


def test_a_span_gives_its_own_frames_and_exactly_its_samples(write_media: Writer) -> None:
    path = write_media("long.mkv", frames=60, fps=30, audio_s=2.0, audio_codec="pcm_s16le")
    complete = run(path, 30.0)[1].pcm
    part = run(path, 30.0, start_s=0.5, end_s=1.25)[1].pcm
    assert complete is not None
    assert part is not None
    assert (part.start_s, len(part.samples)) == (0.5, 36000)
    assert np.array_equal(part.samples, complete.samples[24000:60000])
    assert [n for _, n in numbers(path, 10.0, start_s=0.5, end_s=1.25)] == [
        15,
        18,
        21,
        24,
        27,
        30,
        33,
        36,
    ]


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "libvpx-vp9", "libx265"])
def test_a_span_has_the_same_pixels_as_all_of_it(write_media: Writer, codec: str) -> None:
    path = write_media(
        "long.mkv",
        frames=48,
        fps=24,
        video_codec=codec,
        video_options={"bf": "2"} if "x26" in codec else {},
    )
    (rows,), _ = run(path, 24.0)
    (part,), _ = run(path, 24.0, start_s=1.0, end_s=1.5)
    assert part == [row for row in rows if 1.0 <= row[0] < 1.5]
    assert len(part) == 12


def test_a_span_before_the_first_frame_has_no_row_for_those_times(write_media: Writer) -> None:
    path = write_media(
        "late.mkv", frames=5, stamps=[500, 600, 700, 800, 900], time_base=Fraction(1, 1000), fps=10
    )
    assert [n for _, n in numbers(path, 10.0, start_s=0.3)] == [0, 1, 2, 3, 4]


def test_a_region_is_one_half_of_the_frame(write_media: Writer) -> None:
    path = write_media(frames=1)
    halves = {}
    for region in (None, "left", "right"):
        decode(
            a_clip(path, region=region),
            path,
            audio=False,
            grids={10.0: lambda _, rgb, region=region: halves.__setitem__(region, rgb)},  # type: ignore[misc]
            limits=Limits(),
        )
    assert halves["left"].shape == (120, 80, 3)
    assert np.array_equal(np.concatenate([halves["left"], halves["right"]], axis=1), halves[None])


@pytest.mark.usefixtures("processes")
def test_a_rotated_recording_is_turned_upright(write_media: Writer, tmp_path: Path) -> None:
    plain, turned = write_media(frames=2), tmp_path / "turned.mp4"
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    subprocess.run(
        [ffmpeg, "-v", "error", "-display_rotation", "90", "-i", plain, "-c", "copy", turned],
        check=True,
    )
    frames: dict[str, list[np.ndarray]] = {"plain": [], "pyav": [], "ffmpeg": []}
    for name, path, decoder in (
        ("plain", plain, "pyav"),
        ("pyav", turned, "pyav"),
        ("ffmpeg", turned, "ffmpeg"),
    ):
        grids = {10.0: lambda _, rgb, name=name: frames[name].append(rgb)}  # type: ignore[misc]
        decode(a_clip(path), path, audio=False, grids=grids, limits=Limits(), decoder=decoder)
    assert np.array_equal(frames["pyav"][0], np.rot90(frames["plain"][0]))
    assert np.array_equal(frames["ffmpeg"][0], frames["pyav"][0])


def test_colours_come_out_as_they_went_in(write_media: Writer) -> None:
    """BT.601 by default, limited range: a white block is white, and red is red."""
    frames: list[np.ndarray] = []
    path = write_media(frames=2, fps=10, pix_fmt="yuv444p", video_options={"crf": "0"})
    decode(
        a_clip(path),
        path,
        audio=False,
        grids={10.0: lambda _, rgb: frames.append(rgb)},
        limits=Limits(),
    )
    error = np.abs(frames[1].astype(int) - picture(1).astype(int))
    assert error.mean() < 1.0


def test_two_grids_are_fed_by_one_decode(write_media: Writer) -> None:
    path = write_media(frames=30, fps=30)
    both, _ = run(path, 10.0, 3.0)
    assert both == [run(path, 10.0)[0][0], run(path, 3.0)[0][0]]


def test_a_tenth_of_a_second_is_enough(write_media: Writer) -> None:
    path = write_media(frames=3, fps=30, audio_s=0.1)
    (shown,), decoded = run(path, 10.0)
    assert len(shown) == 1
    assert decoded.pcm is not None
    assert len(decoded.pcm.samples) >= 4800


# Exactness


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("rate", [10.0, 7.0])
def test_skipping_unwanted_frames_changes_no_bit(
    write_media: Writer, monkeypatch: pytest.MonkeyPatch, codec: str, rate: float
) -> None:
    options = (
        {"bf": "3", "b-pyramid": "normal", "g": "24"}
        if codec == "libx264"
        else {"x265-params": "log-level=none:bframes=3"}
    )
    path = write_media(frames=60, fps=30, video_codec=codec, video_options=options)
    sent: list[str] = []
    decoding = pyav_decoder.PacketDecoder._decode

    def watched(self: pyav_decoder.PacketDecoder, packet: object) -> object:
        sent.append(str(self._context.skip_frame))
        return decoding(self, packet)  # type: ignore[arg-type]

    monkeypatch.setattr(pyav_decoder.PacketDecoder, "_decode", watched)
    with_skipping, _ = run(path, rate)
    assert "NONREF" in sent
    sent.clear()
    monkeypatch.setattr(grid_frames, "can_plan", lambda packets: False)
    without, _ = run(path, rate)
    assert "NONREF" not in sent
    assert with_skipping == without


def test_an_open_first_group_falls_back_to_a_plain_decode(
    write_media: Writer, tmp_path: Path
) -> None:
    """A recording that begins with leading frames whose references are missing shows fewer frames
    than its packets announce."""
    complete = write_media(
        "whole.mkv",
        frames=60,
        video_codec="libx265",
        video_options={"x265-params": "log-level=none:bframes=3:keyint=12:open-gop=1"},
    )
    path = tmp_path / "cut.mkv"
    with av.open(str(complete)) as source, av.open(str(path), "w") as sink:
        stream = sink.add_stream_from_template(source.streams.video[0])
        packets = [p for p in source.demux(video=0) if p.size]
        second = [i for i, p in enumerate(packets) if p.is_keyframe][1]
        for packet in packets[second:]:
            packet.stream = stream
            sink.mux(packet)
    (shown,), _ = run(path, 10.0)
    assert [seconds for seconds, _ in shown] == plainly(path, 10)


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize("suffix", list(VIDEO_CODECS))
def test_both_decoders_give_the_same_bits(write_media: Writer, suffix: str) -> None:
    path = write_media(f"clip{suffix}", frames=30, audio_s=1.0, channels=2)
    same_from_both(path)


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize("form", ["yuvj420p", "yuv422p", "yuv444p", "yuv420p10le", "gray"])
def test_both_decoders_agree_on_every_pixel_format(write_media: Writer, form: str) -> None:
    same_from_both(
        write_media(
            frames=6, pix_fmt=form, video_codec="mjpeg" if form == "yuvj420p" else "libx264"
        )
    )


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_both_decoders_give_the_same_bits_for_real_clips(path: Path) -> None:
    same_from_both(path)


def test_the_real_clips_are_there(real_clips: Path) -> None:
    assert REAL


def same_from_both(path: Path) -> None:
    found = {name: run(path, 10.0, 4.0, decoder=name) for name in DECODERS}
    (frames, first), (again, second) = found["pyav"], found["ffmpeg"]
    assert frames[0]
    assert frames == again
    assert (first.pcm is None) == (second.pcm is None)
    if first.pcm is not None and second.pcm is not None:
        assert np.array_equal(first.pcm.samples, second.pcm.samples)
        assert (first.pcm.start_s, first.pcm.rate_hz) == (second.pcm.start_s, second.pcm.rate_hz)


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_real_clips_show_what_a_plain_decode_shows(path: Path) -> None:
    (shown,), _ = run(path, 10.0)
    assert [seconds for seconds, _ in shown] == plainly(path, 10)


@pytest.mark.parametrize(
    "suffix", [".wav", ".mp3", ".flac", ".ogg", ".m4a", ".mkv", ".webm", ".flv"]
)
def test_sound_is_what_the_decoder_gives(write_media: Writer, suffix: str) -> None:
    path = write_media(
        f"sound{suffix}", frames=0, audio_s=0.7, channels=2, audio_codec=AUDIO_CODECS[suffix]
    )
    same_sound(path, run(path)[1], 33600 if suffix == ".m4a" else None)


def same_sound(path: Path, decoded: Decoded, length: int | None) -> None:
    """`length` samples of what a plain decode gives; what is behind them lies beyond the edit."""
    with av.open(str(path)) as file:
        frames = list(file.decode(audio=0))
    pcm = decoded.pcm
    assert pcm is not None
    samples = np.concatenate(
        [
            f.to_ndarray()
            if f.format.is_planar
            else f.to_ndarray().reshape(-1, len(f.layout.channels)).T
            for f in frames
        ],
        axis=1,
    ).T
    if samples.dtype == np.int16:
        samples = samples.astype(np.float32) / 32768
    assert np.array_equal(pcm.samples, samples[:length])
    assert pcm.start_s == pytest.approx(frames[0].time, abs=1e-3)


@pytest.mark.parametrize(
    ("codec", "scale"),
    [("pcm_u8", 2**-7), ("pcm_s16le", 2**-15), ("pcm_s32le", 2**-23), ("pcm_f32le", 2**-23)],
)
def test_full_scale_is_one_whatever_the_sample_format(
    write_media: Writer, codec: str, scale: float
) -> None:
    samples = tone(0.1, channels=2)
    path = write_media("a.wav", frames=0, samples=samples, rate_hz=16000, audio_codec=codec)
    pcm = run(path)[1].pcm
    assert pcm is not None
    assert pcm.samples.dtype == np.float32
    assert np.abs(pcm.samples - samples).max() <= scale


@pytest.mark.usefixtures("processes")
def test_a_hole_in_the_sound_is_filled_and_noted(tmp_path: Path) -> None:
    path = tmp_path / "hole.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=16000)
        stream.layout = "mono"  # type: ignore[union-attr]
        for start in (0, 16000):
            frame = av.AudioFrame.from_ndarray(
                np.full((1, 8000), 1000, np.int16), format="s16", layout="mono"
            )
            frame.sample_rate, frame.pts, frame.time_base = 16000, start, Fraction(1, 16000)
            out.mux(stream.encode(frame))  # type: ignore[union-attr]
    for decoder in DECODERS:
        decoded = run(path, decoder=decoder)[1]
        assert decoded.notes == ("audio_gaps",)
        assert decoded.pcm is not None
        assert len(decoded.pcm.samples) == 24000
        assert not decoded.pcm.samples[8000:16000].any()
        assert decoded.pcm.samples[16000:].all()


@pytest.mark.usefixtures("processes")
def test_a_codec_unknown_to_pyav_is_decoded_by_ffmpeg_and_noted(
    tmp_path: Path, write_media: Writer
) -> None:
    source, path = write_media(frames=20, fps=25), tmp_path / "avs2.mkv"
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    made = subprocess.run(
        [ffmpeg, "-v", "error", "-i", source, "-c:v", "libxavs2", "-qp", "10", path],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"this ffmpeg has no AVS2 encoder: {made.stderr[-200:]!r}")
    with av.open(str(path)) as file:
        assert file.streams[0].codec_context is None
    assert probe(a_clip(path), path, Limits()).has_video
    (shown,), decoded = run(path, 5.0)
    assert decoded.notes == ("decoded_by_ffmpeg",)
    assert len(shown) == 4


# Streams that are not there


def test_video_without_sound_and_sound_without_video_are_facts_not_faults(
    write_media: Writer,
) -> None:
    silent, blind = write_media("a.mp4", frames=3), write_media("b.wav", frames=0, audio_s=0.2)
    facts = [probe(a_clip(path), path, Limits()) for path in (silent, blind)]
    assert [(f.has_video, f.has_audio) for f in facts] == [(True, False), (False, True)]
    assert run(silent, 10.0)[1].pcm is None
    assert run(blind, 10.0)[0] == [[]]


def test_a_wav_without_a_sample_has_no_sound(write_media: Writer) -> None:
    path = write_media("a.wav", frames=0, audio_s=0.1)
    data = path.read_bytes()
    at = data.index(b"data")
    path.write_bytes(data[: at + 4] + b"\0\0\0\0")
    assert probe(a_clip(path), path, Limits()).has_audio is False
    assert run(path)[1].pcm is None


@pytest.mark.usefixtures("processes")
def test_a_cover_picture_is_no_video(write_media: Writer, tmp_path: Path) -> None:
    sound, picture, path = (
        write_media("a.mp3", frames=0, audio_s=0.3),
        write_media("b.mp4", frames=1),
        tmp_path / "cover.mp3",
    )
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    words = [
        "-map",
        "0:a",
        "-map",
        "1:v",
        "-c:a",
        "copy",
        "-c:v",
        "mjpeg",
        "-pix_fmt",
        "yuvj420p",
        "-disposition:v",
        "attached_pic",
    ]
    subprocess.run([ffmpeg, "-v", "error", "-i", sound, "-i", picture, *words, path], check=True)
    facts = probe(a_clip(path), path, Limits())
    assert (facts.has_video, facts.has_audio) == (False, True)
    assert run(path, 10.0)[0] == [[]]


def test_the_header_of_a_clip_becomes_its_facts(write_media: Writer) -> None:
    path = write_media(frames=48, fps=24, audio_s=2.0, channels=2, rate_hz=44100)
    facts = probe(a_clip(path), path, Limits())
    assert (
        facts.rate_hz,
        facts.channels,
        facts.width_px,
        facts.height_px,
        facts.fps,
        facts.frames,
    ) == (44100, 2, 160, 120, 24.0, 48)
    assert facts.variable_rate is False
    assert facts.duration_s == pytest.approx(2.0, abs=0.05)
    assert facts.video_s == pytest.approx(2.0)
    assert facts.video_start_s == 0.0


@pytest.mark.parametrize(
    "name",
    ["a.mp4", "a.mov", "a.m4a", "fragments.mp4", "large_fragments.mp4", "hevc.mp4", "old.mp4"],
)
def test_a_header_read_without_a_picture_says_the_same(
    write_media: Writer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    codec = {"hevc.mp4": "libx265", "old.mp4": "mpeg4"}.get(name, "libx264")
    cut = {"fragments.mp4": "frag_keyframe", "large_fragments.mp4": "frag_every_frame"}.get(name)
    how: dict[str, object] = {"options": {"movflags": f"{cut}+empty_moov"}} if cut else {}
    if name == "large_fragments.mp4":  # what is looked at holds six of the thirty pictures
        how |= {"video_options": {"qp": "0"}, "pix_fmt": "yuv444p", "size": (640, 480)}
    path = write_media(
        name,
        video_codec=codec,
        frames=0 if name == "a.m4a" else 30,
        audio_s=1.0,
        audio_codec="aac",
        **how,
    )
    same_without_pictures(path, monkeypatch)


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_headers_of_real_clips_read_without_a_picture_say_the_same(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    same_without_pictures(path, monkeypatch)


def same_without_pictures(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = probe(a_clip(path), path, Limits())
    peeked = opening._peek(str(path), path.read_bytes()[:8], Deadline("a/clip", 60))
    assert peeked is not None
    peeked.close()
    monkeypatch.setattr(opening, "_peek", lambda *given: None)
    assert probe(a_clip(path), path, Limits()) == facts


def test_frames_unevenly_spaced_are_noted(write_media: Writer) -> None:
    path = write_media(
        "v.mkv", frames=4, stamps=[0, 100, 600, 700], time_base=Fraction(1, 1000), fps=10
    )
    assert probe(a_clip(path), path, Limits()).variable_rate is True


# Bad files


def test_nothing_text_and_folders_are_named(tmp_path: Path, write_media: Writer) -> None:
    for name, data, expected, word in (
        ("empty.mp4", b"", Reason.EMPTY_FILE, "0 bytes"),
        ("text.mp4", b"this is a text\n" * 100, Reason.UNREADABLE, "found text"),
        ("text.mp3", b"this is a text\n" * 100, Reason.UNREADABLE, "found text"),
        (
            "noise.wav",
            np.random.default_rng(0).bytes(5000),
            Reason.UNREADABLE,
            "no allowed container",
        ),
        (
            "stub.mp4",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n",
            Reason.UNREADABLE,
            "git-lfs",
        ),
    ):
        path = tmp_path / name
        path.write_bytes(data)
        found, detail = reason(path)
        assert found == expected, name
        assert word in detail
    assert reason(tmp_path)[0] == Reason.UNREADABLE


def test_a_missing_file_is_not_the_clips_fault(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        probe(a_clip(tmp_path / "no.mp4"), tmp_path / "no.mp4", Limits())


@pytest.mark.parametrize("name", ["list.m3u8", "list.mp4", "list.wav"])
@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://127.0.0.1:9/secret.ts\n",
        "ffconcat version 1.0\nfile 'other.mp4'\n",
        "file 'other.mp4'\nfile 'another.mp4'\n",
        "<?xml version='1.0'?>\n<MPD "
        "xmlns='urn:mpeg:dash:schema:mpd:2011'><BaseURL>http://127.0.0.1/</BaseURL></MPD>",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
        "http://127.0.0.1:9/film.mp4\n",
    ],
)
def test_a_playlist_is_refused_by_name_whatever_it_is_called(
    tmp_path: Path, name: str, text: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    found, detail = reason(path)
    assert found == Reason.FORBIDDEN
    assert "playlist" in detail


def test_libavformat_itself_opens_no_other_container(
    write_media: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The white list holds alone, where the look at the file's first bytes is blind."""
    inner = write_media("inner.ts", frames=3)
    monkeypatch.setattr(container, "check_head", lambda clip_id, head: None)
    for name, text in (
        ("list.m3u8", f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{inner}\n#EXT-X-ENDLIST\n"),
        ("list.ffconcat", f"ffconcat version 1.0\nfile '{inner.name}'\n"),
    ):
        path = tmp_path / name
        path.write_text(text)
        assert reason(path)[0] == Reason.UNREADABLE, name


@pytest.mark.parametrize(
    "name", ["-rf.mp4", "a:b.mp4", "file:c.mp4", "%03d.mp4", "http:x.mp4", "sp ace'\".mp4", "ü.mp4"]
)
@pytest.mark.parametrize("decoder", DECODERS)
def test_a_name_is_never_read_as_anything_but_a_name(
    write_media: Writer, monkeypatch: pytest.MonkeyPatch, name: str, decoder: str
) -> None:
    path = write_media("plain.mp4", frames=3, fps=10).rename(
        write_media("x.mp4", frames=1).with_name(name)
    )
    monkeypatch.chdir(path.parent)
    (shown,), _ = run(Path(name), 10.0, decoder=decoder)
    assert len(shown) == 3


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
@pytest.mark.parametrize(
    "name",
    [
        "a.wav",
        "a.flv",
        "a.mp4",
        "fast.mp4",
        "fragments.mp4",
        "a.avi",
        "a.mkv",
        "a.webm",
        "a.mp3",
        "a.flac",
        "a.ogg",
        "a.m4a",
    ],
)
def test_a_file_cut_short_is_named_truncated(write_media: Writer, name: str, share: float) -> None:
    options = {
        "fast.mp4": {"movflags": "faststart"},
        "fragments.mp4": {"movflags": "frag_keyframe+empty_moov"},
    }.get(name, {})
    path = write_media(
        name,
        frames=30 if Path(name).suffix in VIDEO_CODECS else 0,
        audio_s=1.0,
        channels=2,
        options=options,
    )
    complete = probe(a_clip(path), path, Limits())
    assert complete.duration_s == pytest.approx(1.0, abs=0.1)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    found, detail = reason(path)
    assert found == Reason.TRUNCATED
    assert sum(any(c.isdigit() for c in word) for word in detail.split()) >= 2, detail


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_real_clips_cut_in_half_are_truncated_and_complete_ones_are_not(
    path: Path, tmp_path: Path
) -> None:
    assert probe(a_clip(path), path, Limits()).has_video
    half = tmp_path / path.name
    half.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert reason(half)[0] == Reason.TRUNCATED


def test_an_flv_cut_between_two_tags_is_found_by_its_duration(write_media: Writer) -> None:
    path = write_media("a.flv", frames=60, audio_s=2.0)
    data = path.read_bytes()
    at = 13
    while at < len(data) // 2:
        at += 15 + int.from_bytes(data[at + 1 : at + 4])
    without_size = data[:at].replace(b"\0\x08filesize", b"\0\x08filesizX")
    path.write_bytes(without_size)
    found, detail = reason(path)
    assert found == Reason.TRUNCATED
    assert "by its header, but its last packet is at" in detail


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFF000 - 36])
def test_a_wav_written_to_a_pipe_declares_no_size_and_is_sound(
    write_media: Writer, size: int
) -> None:
    path = write_media("a.wav", frames=0, audio_s=0.5, rate_hz=16000)
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4], data[4:8] = struct.pack("<I", size), struct.pack("<I", 0xFFFFFFFF)
    path.write_bytes(data)
    assert probe(a_clip(path), path, Limits()).has_audio
    pcm = run(path)[1].pcm
    assert pcm is not None
    assert len(pcm.samples) == 8000


def test_live_recordings_without_sizes_are_sound(write_media: Writer) -> None:
    flv = write_media("a.flv", frames=30, audio_s=1.0, options={"flvflags": "no_duration_filesize"})
    mkv = write_media("a.mkv", frames=30, audio_s=1.0, options={"live": "1"})
    for path in (flv, mkv):
        assert probe(a_clip(path), path, Limits()).duration_s == pytest.approx(1.0, abs=0.1)


def test_junk_after_the_last_box_is_no_fault(write_media: Writer) -> None:
    path = write_media(frames=5)
    path.write_bytes(path.read_bytes() + b"\0" * 50 + b"junk" * 20)
    assert probe(a_clip(path), path, Limits()).frames == 5


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize(
    "noise", [np.random.default_rng(1).bytes(60), bytes(60)], ids=["refused", "concealed"]
)
def test_damage_in_the_middle_is_named_corrupt(
    write_media: Writer, decoder: str, noise: bytes
) -> None:
    path = write_media(frames=30, fps=30, size=(320, 240))
    with av.open(str(path)) as file:
        at = next(
            p.pos + p.size // 2 for p in file.demux(video=0) if p.size and p.pts and p.is_keyframe
        )
    data = bytearray(path.read_bytes())
    data[at : at + 60] = noise
    path.write_bytes(data)
    with pytest.raises(BadClip) as caught:
        run(path, 30.0, decoder=decoder)
    assert caught.value.reason == Reason.CORRUPT


# Limits


def test_too_many_pixels_too_long_and_too_slow_are_named(write_media: Writer) -> None:
    path = write_media(frames=30, fps=30, audio_s=1.0)
    assert reason(path, Limits(max_pixels=160 * 120 - 1)) == (
        Reason.TOO_LARGE,
        "a frame has 160 x 120 = 19,200 pixels, the limit is 19,199; raise max_pixels or shrink "
        "the video",
    )
    assert reason(path, Limits(max_duration_s=0.9))[0] == Reason.TOO_LONG
    assert probe(a_clip(path, end_s=0.5), path, Limits(max_duration_s=0.9)).duration_s == 0.5
    for decoder in DECODERS:
        with pytest.raises(BadClip) as caught:
            run(path, 10.0, decoder=decoder, limits=Limits(timeout_s=1e-4))
        assert caught.value.reason == Reason.TIMED_OUT


def test_the_receivers_time_is_not_the_clips(write_media: Writer) -> None:
    path = write_media(frames=4, fps=10)
    limits = Limits(timeout_s=1.0)
    decode(
        a_clip(path),
        path,
        audio=False,
        grids={10.0: lambda _s, _rgb: time.sleep(0.3)},
        limits=limits,
    )


def test_a_size_that_changes_in_mid_stream_meets_the_same_limit(
    write_media: Writer, tmp_path: Path
) -> None:
    small, large = (
        write_media("s.ts", frames=12, size=(160, 128)),
        write_media("l.ts", frames=12, size=(640, 480)),
    )
    path = tmp_path / "both.ts"
    path.write_bytes(small.read_bytes() + large.read_bytes())
    with pytest.raises(BadClip) as caught:
        run(path, 10.0, limits=Limits(max_pixels=160 * 128))
    assert caught.value.reason in {Reason.TOO_LARGE, Reason.CORRUPT}


def test_an_unknown_decoder_or_region_is_ours_to_mend(write_media: Writer) -> None:
    path = write_media(frames=1)
    with pytest.raises(ValueError, match="decoder is 'cv2', expected one of pyav, ffmpeg"):
        run(path, 10.0, decoder="cv2")
    with pytest.raises(ValueError, match="region is 'top'"):
        run(path, 10.0, region="top")


def test_frames_are_pixel_for_pixel_those_that_opencv_reads(write_media: Writer) -> None:
    path = write_media(frames=8, fps=10, size=(320, 240))
    capture = cv2.VideoCapture(str(path))
    theirs = [
        hashlib.md5(np.ascontiguousarray(capture.read()[1][..., ::-1])).hexdigest()
        for _ in range(8)
    ]
    capture.release()
    assert [digest for _, digest in run(path, 10.0)[0][0]] == theirs
