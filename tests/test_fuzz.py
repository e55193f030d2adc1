"""Whatever a media file holds, reading it gives tracks or refusals that somebody foresaw: files
with bytes changed at random, of every container that can be made here."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from extractors.media import DECODERS
from flows.workers.pool import ProcessPool
from manifests.quarantine import UNFORESEEN
from tests.support.media_made import Writer
from tests.support.mutated import mutate, outcomes, unforeseen

WITH_PICTURE = {
    "a.mp4": {},
    "fragments.mp4": {"options": {"movflags": "frag_keyframe+empty_moov"}},
    "a.mov": {"video_codec": "libx264", "audio_codec": "pcm_s16le"},
    "a.3gp": {"video_codec": "h263", "audio_codec": "aac", "size": (176, 144)},
    "a.mkv": {},
    "a.webm": {},
    "a.avi": {},
    "a.flv": {},
    "a.ts": {},
    "a.mpg": {"video_codec": "mpeg1video", "audio_codec": "mp2"},
    "a.asf": {"video_codec": "mpeg4", "audio_codec": "libmp3lame"},
    "a.wmv": {"video_codec": "wmv2", "audio_codec": "libmp3lame"},
}
OF_SOUND = {
    "a.wav": {},
    "a.w64": {"audio_codec": "pcm_s16le"},
    "a.aiff": {"audio_codec": "pcm_s16be"},
    "a.mp3": {},
    "a.aac": {"audio_codec": "aac", "container": "adts"},
    "a.flac": {},
    "a.ogg": {},
    "a.m4a": {},
}
FILES = {
    **{name: {"frames": 12, **how} for name, how in WITH_PICTURE.items()},
    **{name: {"frames": 0, **how} for name, how in OF_SOUND.items()},
}


@pytest.fixture(scope="module")
def pool(processes: None) -> Iterator[ProcessPool]:
    """A process for files that may end it: a crash in native code is a WorkerDied."""
    with closing(ProcessPool(1, lambda _: None)) as pool:
        yield pool


def made(write_media: Writer, name: str) -> Path:
    return write_media(name, audio_s=0.5, channels=2, **FILES[name])


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.wav", "a.flac"])
def test_some_changed_files_hold_nothing_unforeseen(write_media: Writer, name: str) -> None:
    assert unforeseen(made(write_media, name), range(8)) == []


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("seeds", "by_ffmpeg"),
    [
        pytest.param(20, 3, id="few"),
        pytest.param(1000, 100, id="many", marks=pytest.mark.long),
    ],
)
def test_changed_files_hold_nothing_unforeseen(
    pool: ProcessPool, write_media: Writer, name: str, decoder: str, seeds: int, by_ffmpeg: int
) -> None:
    path, last = made(write_media, name), 1000 + (seeds if decoder == "pyav" else by_ffmpeg)
    for seed in range(1000, last, 20):
        some = range(seed, min(seed + 20, last))
        assert pool.call(unforeseen, path, some, decoder) == []


def test_every_change_differs_and_is_the_same_again() -> None:
    data = bytes(range(256)) * 8
    changed = [mutate(data, seed) for seed in range(50)]
    assert changed == [mutate(data, seed) for seed in range(50)]
    assert len(set(changed) - {data}) > 40


def test_a_header_that_points_behind_the_end_of_the_file_is_no_error(write_media: Writer) -> None:
    """An EBML header that declares 2^55 bytes asks for a seek that few file systems allow."""
    path = made(write_media, "a.mkv")
    data = path.read_bytes()
    path.write_bytes(data[:4] + b"\x01\x7f" + b"\xff" * 6 + data[5:])
    assert all(UNFORESEEN not in said for said in outcomes(path, "pyav"))
