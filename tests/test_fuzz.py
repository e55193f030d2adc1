"""Whatever a media file holds, reading it gives tracks or refusals that somebody foresaw: files
with bytes changed at random, of every container that can be made here."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from extractors.media import DECODERS
from flows.building.run import run_build
from flows.workers.pool import ProcessPool
from manifests.quarantine import UNFORESEEN
from stores import FeatureStore
from stores.verify import verify
from tests.fuzz import FAULTS, FILES, ends, fuzz
from tests.support.in_process import RECIPE
from tests.support.media_made import Writer, write
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


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "seeds", [pytest.param(12, id="few"), pytest.param(600, id="many", marks=pytest.mark.long)]
)
def test_packets_that_are_lost_moved_or_doubled_are_never_silent(
    pool: ProcessPool, write_media: Writer, name: str, seeds: int
) -> None:
    """Copies of a file whose packets are in another order, or of which some bytes are changed."""
    path = made(write_media, name)
    for seed in range(3000, 3000 + seeds, 20):
        found = pool.call(ends, path, range(seed, min(seed + 20, 3000 + seeds)))
        assert [one for one in found if one[1] in {"SILENTLY WRONG", *FAULTS}] == []


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize(
    "copies", [pytest.param(2, id="few"), pytest.param(25, id="many", marks=pytest.mark.long)]
)
@pytest.mark.parametrize("keep", ["false", "true"])
def test_a_build_of_changed_files_ends_with_a_row_for_each(
    tmp_path: Path, copies: int, keep: str
) -> None:
    folder, recipe = tmp_path / "clips", tmp_path / "small.toml"
    folder.mkdir()
    recipe.write_text(RECIPE)
    for name, how in FILES.items():
        whole = write(tmp_path / name, audio_s=0.5, channels=2, **how).read_bytes()
        stem, _, suffix = name.partition(".")
        for seed in range(copies):
            (folder / f"{stem}_{suffix}_{seed}.{suffix}").write_bytes(mutate(whole, seed))
    changes = ("max_bad_fraction=1.0", f"media.keep_damaged={keep}", "media.timeout_s=20.0")
    run_build(tmp_path / "store", {"folder": folder}, str(recipe), changes, workers=1)
    store = FeatureStore(tmp_path / "store")
    states = store.index().groupby("clip_id")["feature"].nunique()
    assert len(states) == copies * len(FILES)
    assert set(states) == {len(store.features)}
    assert not store.quarantine()["detail"].str.contains(UNFORESEEN).any()
    assert verify(tmp_path / "store").problems == []


@pytest.mark.usefixtures("processes")
def test_no_changed_file_ends_a_worker_hangs_it_or_fills_its_memory(tmp_path: Path) -> None:
    """Half a minute of `python -m tests.fuzz`."""
    counts, wrong = fuzz(tmp_path, 0.5, 1)
    assert sum(count.total() for count in counts.values()) > 0
    assert [one for one in wrong if one.rpartition(": ")[2] in FAULTS] == []
