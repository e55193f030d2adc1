"""Whatever a media file holds, reading it gives tracks or refusals that somebody foresaw: files
with bytes changed at random, of every container that can be made here."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from extractors.media import DECODERS
from flows.workers.pool import ProcessPool
from manifests.quarantine import UNFORESEEN
from tests.fuzz import FAULTS, FILES, fuzz
from tests.support.media_made import Writer
from tests.support.mutated import mutate, outcomes, unforeseen


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


@pytest.mark.usefixtures("processes")
def test_no_changed_file_ends_a_worker_hangs_it_or_fills_its_memory(tmp_path: Path) -> None:
    """Half a minute of `python -m tests.fuzz`."""
    counts, wrong = fuzz(tmp_path, 0.5, 1)
    assert sum(count.total() for count in counts.values()) > 0
    assert [one for one in wrong if one.rpartition(": ")[2] in FAULTS] == []
