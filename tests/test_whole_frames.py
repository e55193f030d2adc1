"""Frames of sound by their own headers: lengths, cut ones, and bytes that look like one."""

import av
import pytest

from extractors.whole_frames import WholeFrames, cut_ends, flac_frame, whole_frames
from tests.support.media_made import Writer

RAW = {
    "mp2": ("mp2", "mp2", 44100),
    "mp3": ("libmp3lame", "mp3", 48000),
    "mp3 of MPEG-2": ("libmp3lame", "mp3", 16000),
    "aac": ("aac", "adts", 44100),
    "ac3 of 44.1 kHz": ("ac3", "ac3", 44100),
    "ac3 of 32 kHz": ("ac3", "ac3", 32000),
    "eac3": ("eac3", "eac3", 48000),
}


@pytest.mark.parametrize("name", RAW)
def test_a_frame_is_as_long_as_its_packet(write_media: Writer, name: str) -> None:
    codec, container, rate = RAW[name]
    path = write_media(
        "a.raw", frames=0, audio_s=0.6, rate_hz=rate, audio_codec=codec, container=container
    )
    with av.open(str(path)) as file:
        coding = file.streams.audio[0].codec_context.codec.canonical_name
        packets = [bytes(packet) for packet in file.demux(audio=0) if packet.size]
    assert len(packets) > 10
    for data in packets:
        assert whole_frames(coding, memoryview(data)).size == len(data)
        assert whole_frames(coding, memoryview(data + data)).size == 2 * len(data)
        assert whole_frames(coding, memoryview(data + b"TAG and more")).size == len(data)
        assert whole_frames(coding, memoryview(data[:-1])).size == 0
        assert whole_frames(coding, memoryview(data[1:])).size == 0
        assert whole_frames(coding, memoryview(data[:3])).size == 0


@pytest.mark.parametrize(("coding", "byte", "length"), [("amr_nb", 0x3C, 32), ("amr_wb", 0x44, 61)])
def test_a_frame_of_amr_has_the_length_of_its_mode(coding: str, byte: int, length: int) -> None:
    frame = bytes([byte]).ljust(length, b"\x55")
    assert whole_frames(coding, memoryview(frame * 2)).size == 2 * length
    assert whole_frames(coding, memoryview(frame[:-1])).size == 0
    assert whole_frames(coding, memoryview(b"\x00" * length)).size == 0  # marked as damaged


def test_another_coding_is_taken_as_it_is() -> None:
    assert whole_frames("opus", memoryview(b"abc")).size == 3


def test_what_is_unlike_its_neighbour_at_an_end_is_no_frame() -> None:
    frame, chance = (WholeFrames(100, bytes.fromhex(head)) for head in ("fff14c80", "fff00005"))
    cut = WholeFrames(0, b"")
    assert cut_ends("aac", [cut, frame, frame, frame, cut, cut]) == (1, 4)
    assert cut_ends("aac", [chance, frame, frame, frame]) == (1, 4)
    assert cut_ends("aac", [frame, frame, frame, chance]) == (0, 3)
    assert cut_ends("aac", [frame, cut, chance, frame]) == (0, 4)  # damage in the middle stays
    assert cut_ends("aac", [cut, cut]) == (0, 0)


@pytest.mark.parametrize("behind", [b"", bytes(40), b"ab"])
def test_a_frame_of_flac_ends_with_its_checksum_whatever_is_behind_it(
    behind: bytes, write_media: Writer
) -> None:
    path = write_media("a.flac", frames=0, audio_s=4.0, rate_hz=16000)
    with av.open(str(path)) as file:
        frames = [bytes(packet) for packet in file.demux(audio=0) if packet.size]
    assert len(frames) > 10
    for frame in frames:
        if frame[-1]:  # else its checksum could as well end behind it
            assert flac_frame(memoryview(frame + behind)) == len(frame)
        damaged = frame[:-3] + bytes([frame[-3] ^ 1]) + frame[-2:] + behind
        assert flac_frame(memoryview(damaged)) == len(damaged)
    assert flac_frame(memoryview(b"")) == 0
