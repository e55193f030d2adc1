"""Packets that are lost, doubled, moved or damaged: each kind of file tells it in its own way, and
what only may be so is noted."""

import re
import struct
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from extractors.crc16 import crc16, crc16_of_header
from extractors.damage import CONCEALED, CONTENT_LOST
from extractors.even_times import UNEVEN_TIMES
from extractors.file_ends import CHECKSUM_DIFFERS, HEAD_LEFT_OUT
from extractors.media import DECODERS, Decoded, Limits, decode, probe
from extractors.timegrid import EveryNth
from flows.recipe import RecipeError, load
from flows.view.store import print_store
from manifests.quarantine import BadClip, Reason
from stores import FeatureStore
from stores.location import locate
from stores.summary import summarise
from tests.support.in_process import build_here
from tests.support.media_made import Writer, a_clip

KEEP, REFUSE = Limits(keep_damaged=True), Limits()
FILMS = {
    "a.webm": {},
    "a.flv": {},
    "a.ts": {},
    "a.avi": {},
    "a.asf": {"video_codec": "mpeg4", "audio_codec": "libmp3lame"},
    "a.mpg": {"video_codec": "mpeg1video", "audio_codec": "mp2"},
}
Change = Callable[[bytes], bytes]


def made(write_media: Writer, name: str) -> Path:
    """A film or sound of a second and a half."""
    if name in FILMS:
        return write_media(name, frames=45, audio_s=1.5, channels=2, **FILMS[name])
    how = {"audio_codec": "aac", "container": "adts"} if name == "a.aac" else {}
    how = {"audio_codec": "pcm_s16le"} if name == "a.w64" else how
    return write_media(name, frames=0, audio_s=1.5, channels=2, **how)


def read(path: Path, limits: Limits = REFUSE, decoder: str = "pyav") -> Decoded:
    """Decodes sound and pictures; damage is an error."""
    clip = probe(a_clip(path), path, limits)
    grids = {EveryNth(1): lambda seconds, rgb: None}
    return decode(clip, path, audio=True, grids=grids, limits=limits, decoder=decoder)


def refusal(path: Path, decoder: str = "pyav") -> str:
    with pytest.raises(BadClip) as caught:
        read(path, decoder=decoder)
    assert caught.value.reason in {Reason.CORRUPT, Reason.TRUNCATED}
    return caught.value.detail


def change(path: Path, how: Change) -> Path:
    data = path.read_bytes()
    changed = how(data)
    assert changed != data
    path.write_bytes(changed)
    return path


def replaced(old: bytes, new: bytes) -> Change:
    """Puts other bytes in the place of the first that are such."""
    return lambda data: data.replace(old, new, 1)


def places(path: Path, kind: str) -> list[int]:
    """Where the packets of a stream begin."""
    with av.open(str(path)) as file:
        return [packet.pos for packet in file.demux(**{kind: 0}) if packet.size]


def without(starts: list[int], number: int) -> Change:
    return lambda data: data[: starts[number]] + data[starts[number + 1] :]


def with_two(starts: list[int], number: int) -> Change:
    part = slice(starts[number], starts[number + 1])
    return lambda data: data[: part.stop] + data[part] + data[part.stop :]


def exchanged(starts: list[int], one: int, other: int) -> Change:
    cuts = [0, *starts[one : one + 2], *starts[other : other + 2], None]

    def change(data: bytes) -> bytes:
        parts = [data[a:b] for a, b in pairwise(cuts)]
        return parts[0] + parts[3] + parts[2] + parts[1] + parts[4]

    return change


# Frames of MP3 and raw AAC


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("name", ["a.mp3", "a.aac"])
def test_bytes_between_two_frames_are_damage(write_media: Writer, name: str, decoder: str) -> None:
    path = made(write_media, name)
    assert read(path).pcm is not None
    at = places(path, "audio")[20]
    change(path, lambda data: data[:at] + bytes(range(1, 40)) + data[at:])
    assert "are no frame, and others follow" in refusal(path, decoder)


def test_frames_of_an_mp3_are_as_many_as_its_header_says(write_media: Writer) -> None:
    path = made(write_media, "a.mp3")
    data, starts = path.read_bytes(), places(path, "audio")
    change(path, without(starts, 20))
    assert "frames by its header, but" in refusal(path)
    path.write_bytes(with_two(starts, 20)(data))
    assert "are doubled, or another recording follows" in refusal(path)


def test_an_mp3_whose_frames_are_exchanged_or_whose_header_is_changed_is_noted(
    write_media: Writer,
) -> None:
    path = made(write_media, "a.mp3")
    data, starts = path.read_bytes(), places(path, "audio")
    assert read(path).notes == ()
    at = data.index(b"Info")
    for how in (
        exchanged(starts, 10, 30),
        replaced(b"Info", b"Imfo"),
        lambda data: data[: at + 141] + b"\x99" + data[at + 142 :],  # the delay
        lambda data: data[: at + 120] + b"Xavf" + data[at + 124 :],
    ):
        path.write_bytes(data)
        assert CHECKSUM_DIFFERS in read(change(path, how)).notes


def test_tags_and_zeros_between_frames_are_no_damage(write_media: Writer) -> None:
    path = made(write_media, "a.mp3")
    data, starts = path.read_bytes(), places(path, "audio")
    head, rest = data[: starts[0]].replace(b"Info", b"none"), data[starts[0] :]
    for between in (b"TAG" + bytes(125), bytes(300)):
        path.write_bytes(head + rest + between + rest)
        clip = probe(a_clip(path), path, Limits())
        assert clip.audio_s == pytest.approx(3, abs=0.2)


def test_an_mp3_that_begins_inside_a_frame_or_a_tag_is_noted(write_media: Writer) -> None:
    path = made(write_media, "a.mp3")
    data, starts = path.read_bytes(), places(path, "audio")
    path.write_bytes(data[starts[3] + 50 :])
    assert HEAD_LEFT_OUT in read(path).notes
    path.write_bytes(data[:9] + bytes([data[9] + 5]) + data[10:])  # a tag that is longer
    assert HEAD_LEFT_OUT in read(path).notes


def test_a_frame_that_fails_its_own_checksum_is_noted(tmp_path: Path) -> None:
    """Silence of 32 kbit/s: a header, its checksum, and side information of zeros."""
    head, side = bytes.fromhex("fffa14c4"), bytes(17)
    frame = head + crc16_of_header(head[2:] + side).to_bytes(2) + side
    frame = frame.ljust(96, b"\0")
    path = tmp_path / "a.mp3"
    path.write_bytes(frame * 40)
    assert CHECKSUM_DIFFERS not in read(path).notes
    path.write_bytes(frame * 20 + frame[:10] + b"\0" + frame[11:] + frame * 19)
    assert CHECKSUM_DIFFERS not in read(path).notes
    path.write_bytes(frame * 20 + frame[:4] + b"\1" + frame[5:] + frame * 19)
    assert CHECKSUM_DIFFERS in read(path).notes


@pytest.mark.parametrize("size", [0, 1, 100, 1024, 1025, 1087, 1088, 4097, 50_000])
def test_a_checksum_of_parts_is_that_of_the_whole(size: int) -> None:
    data = np.random.default_rng(size).bytes(size)
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    assert crc16(data) == crc


# Containers that keep a time with each packet


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.flv", "audio"), ("a.webm", "audio"), ("a.webm", "video"), ("a.asf", "video")],
)
def test_packets_that_do_not_follow_each_other_are_noted_and_even_ones_are_not(
    write_media: Writer, name: str, kind: str
) -> None:
    """A file without the packets, as a recorder that missed them would have written it."""
    path = made(write_media, name)
    assert UNEVEN_TIMES not in read(path).notes
    other = path.with_stem("other")
    with av.open(str(path)) as source, av.open(str(other), "w") as out:
        streams = {s.index: out.add_stream_from_template(s) for s in source.streams}
        count = 0
        for packet in source.demux():
            count += packet.stream.type == kind
            if packet.size and not (packet.stream.type == kind and count == 20):
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
    assert UNEVEN_TIMES in read(other, Limits()).notes


def test_a_sampling_rate_that_contradicts_the_times_is_noted(write_media: Writer) -> None:
    path = made(write_media, "a.flv")
    with av.open(str(path)) as file:
        config = file.streams.audio[0].codec_context.extradata
    assert config is not None
    other = bytes([config[0] & 0xF8 | 2, config[1] & 0x7F]) + config[2:]  # 44.1 kHz
    change(path, replaced(config[:2], other[:2]))
    assert UNEVEN_TIMES in read(path).notes


# Matroska


def test_blocks_that_are_of_no_track_or_fill_their_cluster_no_more_are_damage(
    write_media: Writer,
) -> None:
    path = made(write_media, "a.webm")
    data, at = path.read_bytes(), places(path, "audio")[5]
    assert data[at] == 0x82
    path.write_bytes(data[:at] + b"\x87" + data[at + 1 :])
    assert "which the file does not declare" in refusal(path)
    path.write_bytes(data[: at - 3] + b"\x00" + data[at - 2 :])
    assert "begins no element" in refusal(path)


def test_a_track_of_no_known_kind_is_damage(write_media: Writer) -> None:
    path = change(made(write_media, "a.webm"), replaced(b"\x83\x81\x02", b"\x83\x81\x05"))
    assert "is of type 5" in refusal(path)


def test_a_duration_that_the_blocks_contradict_is_damage(write_media: Writer) -> None:
    path = made(write_media, "a.webm")
    at = path.read_bytes().index(b"\x44\x89\x88") + 3
    change(path, lambda data: data[:at] + struct.pack(">d", 2500.0) + data[at + 8 :])
    assert "lasts 2.500 s by its header" in refusal(path)


def test_a_cluster_whose_time_the_index_contradicts_is_noted(write_media: Writer) -> None:
    path = made(write_media, "a.webm")
    assert read(path).notes == ()
    change(path, replaced(b"\xe7\x81\x00", b"\xe7\x81\x70"))
    assert UNEVEN_TIMES in read(path).notes


# AVI


def test_a_chunk_of_no_stream_and_streams_that_are_not_described_are_damage(
    write_media: Writer,
) -> None:
    path = made(write_media, "a.avi")
    data, starts = path.read_bytes(), [at - 8 for at in places(path, "audio")]
    for how, words in (
        (lambda data: data[: starts[5]] + b"01w@" + data[starts[5] + 4 :], "is of no stream"),
        (lambda data: data[: starts[5]] + b"05wb" + data[starts[5] + 4 :], "is of stream 5"),
        (lambda data: data[:56] + b"\3" + data[57:], "has 3 streams by its header"),
        (lambda data: data[:32] + struct.pack("<I", 20_000) + data[36:], "20,000 microseconds"),
    ):
        path.write_bytes(data)
        assert words in refusal(change(path, how))


def test_a_stream_that_its_header_no_longer_describes_is_damage(write_media: Writer) -> None:
    """libavformat leaves it out without a word."""
    for name, old, new, words in (
        ("a.avi", b"strf", b"stxf", "1 with their form"),
        ("a.avi", b"vids", b"vods", "of the kind `vods`"),
        ("a.webm", b"\x80\xbb" + bytes(5), b"\x80\xbb\0\0\0\0\x20", "can be read"),
        ("a.webm", b"\x16\x54\xae\x6b\x40", b"\x12\x54\xc3\x67\x40", "describes no track"),
    ):
        path = change(made(write_media, name), replaced(old, new))
        assert words in refusal(path)


def test_chunks_that_the_index_has_otherwise_are_noted(write_media: Writer) -> None:
    path = made(write_media, "a.avi")
    assert UNEVEN_TIMES not in read(path).notes
    data = path.read_bytes()
    begin = data.index(b"idx1") + 8
    rows = [data[at : at + 16] for at in range(begin, len(data), 16)]
    at = next(n for n, (one, other) in enumerate(pairwise(rows)) if one[:4] != other[:4])
    rows[at : at + 2] = rows[at + 1], rows[at]
    path.write_bytes(data[:begin] + b"".join(rows))
    assert UNEVEN_TIMES in read(path).notes


# MPEG streams


def test_a_transport_packet_that_is_missing_is_damage_of_its_stream_alone(
    write_media: Writer,
) -> None:
    path = made(write_media, "a.ts")
    data = path.read_bytes()
    rows = [data[at : at + 188] for at in range(0, len(data), 188)]
    is_inner = [row[1] == 1 and row[2] == 0 and not row[3] & 0x20 for row in rows]
    at = [number for number, inner in enumerate(is_inner) if inner][10]
    one, other = rows[at : at + 2]
    for between in ([other], [other, one]):
        changed = [*rows[:at], *between, *rows[at + 2 :]]
        path.write_bytes(b"".join(changed))
        assert "are missing, doubled or moved by their numbers" in refusal(path)
        clip = probe(a_clip(path), path, Limits())
        found = decode(clip, path, audio=True, grids={}, limits=Limits())
        assert found.pcm is not None


def test_each_transport_packet_that_is_sent_twice_is_damage(write_media: Writer) -> None:
    path = made(write_media, "a.ts")
    data = path.read_bytes()
    rows = [data[at : at + 188] for at in range(0, len(data), 188)]
    pids = [(row[1] & 0x1F) << 8 | row[2] for row in rows]
    media = {pid for pid, row in zip(pids, rows, strict=True) if row[1] & 0x40 and row[3] & 0x20}
    for at, (pid, row) in enumerate(zip(pids, rows, strict=True)):
        path.write_bytes(b"".join([*rows[:at], row, *rows[at:]]))
        if pid in media:
            assert "are missing, doubled or moved by their numbers" in refusal(path)
        else:  # a table
            assert UNEVEN_TIMES not in read(path).notes


@pytest.mark.parametrize(("name", "at"), [("a.ts", 188 * 40), ("a.mpg", 2048 * 5)])
def test_bytes_between_two_packets_of_a_stream_are_damage(
    write_media: Writer, name: str, at: int
) -> None:
    path = change(made(write_media, name), lambda data: data[:at] + b"others" + data[at:])
    assert "6 bytes from byte" in refusal(path)


# ASF and Wave64


def test_parts_of_an_asf_that_are_missing_or_of_no_stream_are_damage(write_media: Writer) -> None:
    path = made(write_media, "a.asf")
    data = path.read_bytes()
    kind = bytes.fromhex("409e69f84d5bcf11a8fd00805f5c442b")
    assert "is of no known kind" in refusal(change(path, replaced(kind, kind[::-1])))
    begin = data.index(bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")) + 50
    path.write_bytes(data[: begin + 3200] + data[begin + 6400 :] + data[begin : begin + 3200])
    assert "bytes by its header" in refusal(path)


def test_a_wave64_that_says_two_things_of_its_form_is_damaged(write_media: Writer) -> None:
    path = made(write_media, "a.w64")
    data = path.read_bytes()
    at = data.index(b"fmt ") + 24
    path.write_bytes(data[: at + 2] + b"\4" + data[at + 3 :])
    assert "a second" in refusal(path)
    path.write_bytes(data[: at - 24] + b"gmt " + data[at - 20 :])
    assert "no chunk `fmt `" in refusal(path)


# Fragments of mp4


@pytest.mark.parametrize("flags", ["frag_keyframe+empty_moov", "frag_keyframe+empty_moov+dash"])
def test_fragments_that_an_index_tells_of_are_there(write_media: Writer, flags: str) -> None:
    how = {"options": {"movflags": f"{flags}+global_sidx" if "dash" in flags else flags}}
    path = write_media("a.mp4", frames=60, **how)
    data = path.read_bytes()
    clip = probe(a_clip(path), path, Limits())
    assert clip.frames == 60
    starts = [found.start() - 4 for found in re.finditer(b"moof", data)]
    end = len(data) if b"mfra" not in data else data.index(b"mfra") - 4
    path.write_bytes(data[: starts[-1]] + data[end:])
    assert "fragment" in refusal(path)


# What a recipe keeps


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("name", ["a.webm", "a.flv", "a.avi", "a.ts", "a.mpg", "a.mp3"])
def test_what_is_left_of_a_damaged_clip_is_kept_where_a_recipe_says_so(
    write_media: Writer, name: str, decoder: str
) -> None:
    path = made(write_media, name)
    whole = read(path, KEEP, decoder)
    assert whole.notes == read(path, decoder=decoder).notes
    assert whole.pcm is not None
    starts = places(path, "audio")
    at, end = starts[20], starts[30]
    change(path, lambda data: data[:at] + b"\x55" * ((end - at) // 2) + data[end:])
    refusal(path)
    kept = read(path, KEEP, decoder)
    assert CONTENT_LOST in kept.notes
    assert kept.pcm is not None
    assert 0 < len(kept.pcm.samples) <= len(whole.pcm.samples) + 2000


def test_pictures_that_the_decoder_patches_up_are_kept_and_noted(write_media: Writer) -> None:
    path = write_media("a.mp4", frames=45, size=(320, 240))
    with av.open(str(path)) as file:
        [*spans] = [(packet.pos, packet.size) for packet in file.demux(video=0) if packet.size]
    at = spans[0][0] + spans[0][1] // 2
    change(path, lambda data: data[:at] + bytes(40) + data[at + 40 :])
    refusal(path)
    times = list[float]()
    clip = probe(a_clip(path), path, KEEP)
    grids = {EveryNth(1): lambda seconds, rgb: times.append(seconds)}
    found = decode(clip, path, audio=False, grids=grids, limits=KEEP)
    assert CONCEALED in found.notes
    assert len(times) == 45


def test_a_store_says_which_clips_were_kept(
    write_media: Writer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in ("a.mp3", "a.webm"):
        path = made(write_media, name)
        starts = places(path, "audio")
        data = path.read_bytes()
        damaged = without(starts, 20) if name == "a.mp3" else replaced(data[5000:5100], b"")
        (folder / name.replace("a.", f"{name[2:]}_damaged.")).write_bytes(damaged(data))
        (folder / name.replace("a.", f"{name[2:]}_whole.")).write_bytes(data)
    store = tmp_path / "store"
    build_here(store, folder)
    refused = {"folder/mp3_damaged", "folder/webm_damaged"}
    lacking = FeatureStore(store).quarantine()
    assert set(lacking[lacking["reason"].isin(["corrupt", "truncated"])]["clip_id"]) == refused
    build_here(store, folder, "media.keep_damaged=true")
    kept = FeatureStore(store)
    assert not kept.quarantine()["reason"].isin(["corrupt", "truncated"]).any()
    index = kept.index()
    assert set(index[index["notes"].str.contains(CONTENT_LOST)]["clip_id"]) == refused
    assert CONTENT_LOST in kept["audio"]["folder/mp3_damaged"].notes
    assert summarise(locate(store)).notes[CONTENT_LOST] == 2
    print_store(summarise(locate(store)))
    assert "content_lost 2" in capsys.readouterr().out


def test_limits_hold_for_what_is_kept(write_media: Writer) -> None:
    path = made(write_media, "a.mp3")
    change(path, without(places(path, "audio"), 20))
    with pytest.raises(BadClip) as caught:
        read(path, Limits(keep_damaged=True, max_duration_s=1.0))
    assert caught.value.reason == Reason.TOO_LONG


def test_a_recipe_keeps_damaged_clips_or_is_strict() -> None:
    assert load("demo", ("media.keep_damaged=true",)).decoding.limits.keep_damaged
    with pytest.raises(RecipeError, match="leave one out"):
        load("demo", ("media.keep_damaged=true", "media.strict=true"))
