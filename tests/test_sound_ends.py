"""Where sound begins and ends: lengths counted, not guessed; captures that begin or end inside a
frame; padding and tags behind the last one; files that do not say where they end."""

import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import pytest

from extractors.media import Decoded, Limits, decode, probe
from manifests.clips import Clip
from manifests.quarantine import BadClip, Reason
from tests.support.media_made import Writer, a_clip, number_of, tone
from tests.support.sound_made import a_wave, ape_tag, lyrics3, sphere


def heard(path: Path, limits: Limits | None = None) -> tuple[Clip, Decoded]:
    limits = limits or Limits()
    clip = probe(a_clip(path), path, limits)
    return clip, decode(clip, path, audio=True, grids={}, limits=limits)


def samples(path: Path) -> np.ndarray:
    pcm = heard(path)[1].pcm
    assert pcm is not None
    return pcm.samples


def refused(path: Path) -> tuple[Reason, str]:
    with pytest.raises(BadClip) as caught:
        heard(path)
    return caught.value.reason, caught.value.detail


# Lengths


def test_the_length_of_raw_aac_is_counted_whatever_its_bit_rate(
    write_media: Writer, tmp_path: Path
) -> None:
    quiet, loud = np.zeros((64000, 1), np.float32), tone(1.0, 16000)
    path = write_media(
        "quiet.aac",
        frames=0,
        samples=np.concatenate([quiet, loud]),
        rate_hz=16000,
        audio_codec="aac",
        container="adts",
    )
    with av.open(str(path)) as file:
        guessed = file.streams.audio[0].duration
        packets = sum(1 for packet in file.demux(audio=0) if packet.size)
        assert guessed is not None
        assert guessed * file.streams.audio[0].time_base > 7  # the guess that was believed
    clip, decoded = heard(path, Limits(max_duration_s=6))
    assert decoded.pcm is not None
    assert clip.duration_s == clip.audio_s == packets * 1024 / 16000
    assert len(decoded.pcm.samples) == packets * 1024


def test_a_limit_is_held_against_the_true_length(write_media: Writer) -> None:
    path = write_media("long.mp3", frames=0, audio_s=3.0)
    data = bytearray(path.read_bytes())
    info = data.find(b"Info")
    data[info : info + 4] = b"none"  # without it, a header's guess is all there is
    path.write_bytes(data)
    with pytest.raises(BadClip) as caught:
        probe(a_clip(path), path, Limits(max_duration_s=2.9))
    assert caught.value.reason == Reason.TOO_LONG
    assert probe(a_clip(path), path, Limits(max_duration_s=3.1)).audio_s == pytest.approx(
        3, abs=0.1
    )


def test_an_mp3_with_a_vbri_header_is_as_long_as_its_frames(write_media: Writer) -> None:
    path = write_media("a.mp3", frames=0, audio_s=1.0)
    data = bytearray(path.read_bytes())
    at = data.find(b"Info") - 21  # MPEG-1, mono
    size, frames = len(data) - at, 2 * 44
    data[at + 36 : at + 62] = b"VBRI" + struct.pack(
        ">HHHIIHHHH", 1, 0, 75, size, frames, 1, 1, 2, 1
    )
    path.write_bytes(data)
    clip, decoded = heard(path)
    assert decoded.pcm is not None
    assert clip.audio_s == len(decoded.pcm.samples) / 48000
    assert clip.audio_s == pytest.approx(1.0, abs=0.1)
    assert "may_be_cut" not in decoded.notes
    path.write_bytes(data[: len(data) // 2])
    assert refused(path)[0] == Reason.TRUNCATED


# Ends of raw streams

TAILS = {
    "zeros": bytes(4096),
    "few zeros": bytes(9),
    "id3v1": b"TAG" + b"a title".ljust(125, b"\0"),
    "lyrics3": lyrics3(),
    "lyrics3 and id3v1": lyrics3() + b"TAG" + bytes(125),
    "ape": ape_tag(),
    "xml": b'<?xml version="1.0"?><x>' + b"a" * 777 + b"</x>",
}
RAW = {"mp3": ("libmp3lame", None), "aac": ("aac", "adts"), "ac3": ("ac3", None)}


def a_raw(write_media: Writer, name: str) -> Path:
    codec, container = RAW[name]
    return write_media(
        f"a.{name}", frames=0, audio_s=0.7, channels=2, audio_codec=codec, container=container
    )


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize(
    "name", [*RAW, "ts", "mpg", "wav", "avi", "mp4", "mkv", "flv", "flac", "ogg"]
)
def test_what_is_behind_the_last_frame_changes_no_sample(
    write_media: Writer, name: str, tail: str
) -> None:
    if name in RAW:
        path = a_raw(write_media, name)
    else:
        codec = {"mpg": "mp2", "mp4": "aac", "flac": "flac"}.get(name)
        path = write_media(f"a.{name}", frames=0, audio_s=0.7, channels=2, audio_codec=codec)
    before = samples(path)
    path.write_bytes(path.read_bytes() + TAILS[tail])
    clip, decoded = heard(path)
    assert decoded.pcm is not None
    after = decoded.pcm.samples
    assert clip.audio_s == len(after) / decoded.pcm.rate_hz
    # Behind an unknown tail, libavformat no longer knows where the last frame's padding begins.
    assert np.array_equal(after[: len(before)], before)
    assert len(after) - len(before) <= (1152 if name == "mp3" else 0)
    if name in {"wav", "avi", "mp4", "mkv"}:
        assert "tail_left_out" in decoded.notes


@pytest.mark.parametrize("name", RAW)
@pytest.mark.parametrize(("front", "end"), [(100, 0), (777, 0), (0, 1), (0, 300), (500, 300)])
def test_a_capture_that_begins_or_ends_inside_a_frame_keeps_the_whole_ones(
    write_media: Writer, name: str, front: int, end: int
) -> None:
    path = a_raw(write_media, name)
    whole, data = samples(path), path.read_bytes()
    if name == "mp3":
        data = data.replace(b"Info", b"none").replace(b"Xing", b"none")
    path.write_bytes(data[front : len(data) - end])
    clip, decoded = heard(path)
    assert decoded.pcm is not None
    kept = len(decoded.pcm.samples)
    frames = {"mp3": 1152, "aac": 1024, "ac3": 1536}[name]
    assert kept % frames == 0
    assert len(whole) - 4 * frames <= kept <= len(whole) + 3 * frames
    assert clip.audio_s == kept / 48000
    assert "may_be_cut" in decoded.notes
    if end:
        assert "tail_left_out" in decoded.notes


def test_a_program_stream_without_its_first_bytes_keeps_its_sound(write_media: Writer) -> None:
    path = write_media("a.mpg", frames=0, audio_s=2.0, channels=2, audio_codec="mp2")
    whole, data = samples(path), path.read_bytes()
    path.write_bytes(data[5000:])
    decoded = heard(path)[1]
    assert decoded.pcm is not None
    kept = decoded.pcm.samples
    assert len(kept) % 1152 == 0
    # The first frame overlaps one that is gone, and the decoder's dither begins anew.
    assert np.allclose(kept[1152:], whole[-len(kept) + 1152 :], atol=2**-14)
    assert decoded.notes == ("may_be_cut", "head_left_out")


@pytest.mark.parametrize("name", RAW)
def test_damage_in_the_middle_is_no_tail(write_media: Writer, name: str) -> None:
    path = a_raw(write_media, name)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 900] = bytes(900)
    path.write_bytes(data)
    assert refused(path)[0] == Reason.CORRUPT


def test_a_file_without_one_whole_frame_is_a_row(write_media: Writer) -> None:
    path = a_raw(write_media, "aac")
    path.write_bytes(path.read_bytes()[:165])
    reason, detail = refused(path)
    assert reason == Reason.TRUNCATED
    assert "not one whole frame" in detail


# What declares its size, and what does not


def test_a_wav_with_the_riffs_size_for_its_datas_is_whole(tmp_path: Path) -> None:
    path = a_wave(tmp_path / "a.wav", 1.0)
    data = bytearray(path.read_bytes())
    data[40:44] = data[4:8]
    path.write_bytes(data)
    clip, decoded = heard(path)
    assert decoded.pcm is not None
    assert (clip.audio_s, len(decoded.pcm.samples)) == (1.0, 16000)
    assert decoded.notes == ("wrong_size",)
    path.write_bytes(data[:-2000])
    assert refused(path)[0] == Reason.TRUNCATED


def test_an_avi_with_bytes_after_its_riff_has_all_its_frames(write_media: Writer) -> None:
    path = write_media("a.avi", frames=40, fps=25)
    assert frames_of(path) == (list(range(40)), ())
    path.write_bytes(path.read_bytes() + b"<?xml version='1.0'?>" + b"<x/>" * 500)
    assert frames_of(path) == (list(range(40)), ("tail_left_out",))


def frames_of(path: Path) -> tuple[list[int], tuple[str, ...]]:
    found: list[int] = []
    grids = {25.0: lambda seconds, rgb: found.append(number_of(rgb))}
    clip = probe(a_clip(path), path, Limits())
    decoded = decode(clip, path, audio=False, grids=grids, limits=Limits())
    return found, decoded.notes


@pytest.mark.parametrize("name", ["ts", "mpg", "aac", "ac3"])
def test_what_does_not_say_where_it_ends_is_noted(write_media: Writer, name: str) -> None:
    codec = {"ts": "aac", "mpg": "mp2", "aac": "aac", "ac3": "ac3"}[name]
    container = "adts" if name == "aac" else None
    path = write_media(f"a.{name}", frames=0, audio_s=0.5, audio_codec=codec, container=container)
    assert heard(path)[1].notes == ("may_be_cut",)


@pytest.mark.parametrize(
    "name", ["asf", "au", "aiff", "caf", "w64", "sph", "wav", "mp4", "mkv", "ogg"]
)
def test_what_says_where_it_ends_is_refused_where_it_is_cut(
    write_media: Writer, tmp_path: Path, name: str
) -> None:
    if name == "sph":
        path = tmp_path / "a.sph"
        path.write_bytes(sphere(bytes(16000)))
    else:
        codec = {"asf": "libmp3lame", "mp4": "aac", "ogg": "libopus", "mkv": "aac"}.get(
            name, "pcm_s16be"
        )
        codec = "pcm_s16le" if name in {"w64", "wav"} else codec
        path = write_media(f"a.{name}", frames=0, audio_s=0.7, audio_codec=codec)
    assert heard(path)[1].notes == ()
    path.write_bytes(path.read_bytes()[:-3000])
    assert refused(path)[0] == Reason.TRUNCATED


@pytest.mark.parametrize(("kind", "at"), [("caf", 12), ("w64", 56)])
def test_a_part_that_goes_beyond_any_file_is_no_error_of_ours(
    write_media: Writer, kind: str, at: int
) -> None:
    codec = {"caf": "pcm_s16be", "w64": "pcm_s16le"}[kind]
    path = write_media(f"a.{kind}", frames=0, audio_s=0.2, audio_codec=codec)
    whole = path.read_bytes()
    for size in (2**63 - 1, 2**63 - 100, 2**62, 2**56):
        data = bytearray(whole)
        data[at : at + 8] = size.to_bytes(8, "big" if kind == "caf" else "little")
        path.write_bytes(data)
        with suppress(BadClip):
            heard(path)


# The second decoder at such ends


def same_by_both(path: Path) -> tuple[str, ...]:
    first, second = (
        decode(a_clip(path), path, audio=True, grids={}, limits=Limits(), decoder=decoder)
        for decoder in ("pyav", "ffmpeg")
    )
    assert first.pcm is not None
    assert second.pcm is not None
    assert np.array_equal(first.pcm.samples, second.pcm.samples)
    assert set(second.notes) - set(first.notes) <= {"decoded_by_pyav"}
    return first.notes


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_wav_that_was_written_to_a_pipe_is_the_same_by_both_decoders(
    tmp_path: Path, size: int
) -> None:
    path = a_wave(tmp_path / "a.wav", 0.7)
    data = bytearray(path.read_bytes())
    data[40:44] = struct.pack("<I", size)
    path.write_bytes(data)
    assert same_by_both(path) == ("may_be_cut",)


@pytest.mark.parametrize("more", [1, 2, 3])
def test_a_part_of_a_pcm_sample_at_the_end_is_left_out(tmp_path: Path, more: int) -> None:
    path = a_wave(tmp_path / "a.wav", 0.7, channels=2)
    data = bytearray(path.read_bytes())
    data[40:44] = struct.pack("<I", len(data) - 44 + more)
    path.write_bytes(data + b"\1" * more)
    assert same_by_both(path) == ("tail_left_out",)
    assert len(samples(path)) == round(0.7 * 16000)
    sun = tmp_path / "a.au"
    head = struct.pack(">4sIIIII4x", b".snd", 28, len(data) - 44, 3, 16000, 2)
    for size in (len(data) - 44, len(data) - 44 + more):
        sun.write_bytes(head[:8] + struct.pack(">I", size) + head[12:] + data[44:] + b"\1" * more)
        assert same_by_both(sun) == ("tail_left_out",)
        assert len(samples(sun)) == round(0.7 * 16000)


def test_a_wav_of_a_few_bytes_is_a_row(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    for count in range(1, 12):
        path.write_bytes(b"RIFF\1\2\3\4WAVE"[:count])
        assert refused(path)[0] == Reason.UNREADABLE


@pytest.mark.parametrize("tail", TAILS)
def test_what_is_behind_a_flac_is_told_by_its_checksum(write_media: Writer, tail: str) -> None:
    path = write_media("a.flac", frames=0, audio_s=0.7, audio_codec="flac")
    assert heard(path)[1].notes == ()
    path.write_bytes(path.read_bytes() + TAILS[tail])
    assert same_by_both(path) == ("tail_left_out",)


# Damage that libavformat passes over


@pytest.mark.parametrize("codec", ["libopus", "flac"])
@pytest.mark.parametrize("damage", ["a bit", "a page's magic", "bytes that are missing"])
def test_a_damaged_page_of_ogg_is_not_left_out_in_silence(
    write_media: Writer, codec: str, damage: str
) -> None:
    path = write_media("a.ogg", frames=0, audio_s=5.0, rate_hz=48000, audio_codec=codec)
    data = bytearray(path.read_bytes())
    pages = [at for at in range(len(data)) if data[at : at + 4] == b"OggS"]
    page = pages[-2]
    if damage == "a bit":
        data[page + 700] ^= 4
    elif damage == "a page's magic":
        data[page] = 0
    else:
        del data[page + 700 : page + 900]
    path.write_bytes(data)
    reason, detail = refused(path)
    assert reason == Reason.CORRUPT
    assert f"Ogg page at byte {page:,}" in detail


def test_a_damaged_frame_of_flac_is_not_left_out_in_silence(write_media: Writer) -> None:
    path = write_media("a.flac", frames=0, audio_s=2.0, audio_codec="flac")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 300] = bytes(300)
    path.write_bytes(data)
    reason, detail = refused(path)
    assert reason == Reason.CORRUPT
    assert "no whole frame between" in detail


# NIST SPHERE and Sun's au


def words(values: np.ndarray) -> bytes:
    return values.astype("<i2").tobytes()


@pytest.mark.parametrize("name", ["a.sph", "a.wav", "a.nist"])
@pytest.mark.parametrize("byte_format", ["01", "10"])
def test_sphere_files_are_read_under_either_name(
    tmp_path: Path, name: str, byte_format: str
) -> None:
    values = np.rint(tone(1.0)[:, 0] * 30000)
    raw = values.astype("<i2" if byte_format == "01" else ">i2").tobytes()
    path = tmp_path / name
    path.write_bytes(sphere(raw, byte_format=byte_format))
    clip, decoded = heard(path)
    assert decoded.pcm is not None
    assert np.array_equal(decoded.pcm.samples[:, 0], (values / 32768).astype(np.float32))
    assert (clip.audio_s, clip.rate_hz, clip.channels) == (1.0, 16000, 1)
    assert decoded.notes == ()


def test_sphere_with_mu_law_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.sph"
    coded = sphere(bytes([0x80, 0x00, 0xFF, 0x7F] * 400), "ulaw", "1", sample_n_bytes=1)
    path.write_bytes(coded.replace(b"sample_count -i 800", b"sample_count -i 1600").replace(
        b"sample_sig_bits -i 16", b"sample_sig_bits -i 8"))  # fmt: skip
    assert np.allclose(samples(path)[:4, 0] * 32768, [32124, -32124, 0, 0])


@pytest.mark.parametrize("coding", ["pcm,embedded-shorten-v2.00", "pcm,embedded-wavpack-v1.0"])
def test_compressed_sphere_is_refused_with_the_way_out(tmp_path: Path, coding: str) -> None:
    path = tmp_path / "a.sph"
    path.write_bytes(sphere(b"ajkg" + bytes(5000), coding))
    reason, detail = refused(path)
    assert reason == Reason.UNREADABLE
    assert coding in detail
    assert "sph2pipe" in detail


@pytest.mark.parametrize("make", ["au", "sph"])
def test_bytes_behind_the_declared_end_are_no_sound(
    write_media: Writer, tmp_path: Path, make: str
) -> None:
    path = tmp_path / f"a.{make}"
    if make == "sph":
        path.write_bytes(sphere(words(np.arange(16000))))
    else:
        write_media("a.au", frames=0, audio_s=1.0, rate_hz=16000, audio_codec="pcm_s16be")
    before = samples(path)
    path.write_bytes(path.read_bytes() + b"words behind the end" * 100)
    clip, decoded = heard(path)
    assert decoded.pcm is not None
    assert np.array_equal(decoded.pcm.samples, before)
    assert clip.audio_s == 1.0
    assert decoded.notes == ("tail_left_out",)


# Opening


def test_a_wav_is_not_searched_for_other_codings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = a_wave(tmp_path / "a.wav", 2.0, 48000)
    with path.open("ab") as file:
        file.write(b"some more bytes")  # so that it is opened at all
    given: list[dict[str, str]] = []
    open_: Callable[..., object] = av.open

    def watched(name: str, **how: object) -> object:
        given.append(how["options"])  # type: ignore[arg-type]
        return open_(name, **how)

    monkeypatch.setattr(av, "open", watched)
    assert len(samples(path)) == 96000
    assert [options["max_probe_packets"] for options in given] == ["1", "1"]


def test_other_codings_in_a_wav_are_found_all_the_same(write_media: Writer, tmp_path: Path) -> None:
    raw = write_media("a.ac3", frames=0, audio_s=1.0, channels=2, audio_codec="ac3").read_bytes()
    path = a_wave(tmp_path / "a.wav", 1.0, 48000, 2)
    header = bytearray(path.read_bytes()[:44])
    header[4:8], header[40:44] = struct.pack("<I", 36 + len(raw)), struct.pack("<I", len(raw))
    path.write_bytes(header + raw)
    assert len(samples(path)) % 1536 == 0
