"""What no kept snapshot names is removed, and nothing that somebody reads."""

import gc
import os
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from flows.forgetting.collect import Collected, CollectError, run_collect
from manifests.clips import CLIPS
from stores import FeatureStore, NotCommitted
from stores.location import Place, locate
from stores.open_files import is_held
from stores.pointer import read_pointer
from stores.records import StoredFeature
from stores.snapshot import load_snapshot
from stores.verify import verify
from tests.support.commands import refusal
from tests.support.object_store import Elsewhere, objects
from tests.support.store_files import contents
from tests.support.stores_made import (
    LOGMEL,
    SPEC,
    commit,
    files_of,
    index_of,
    make_store,
    spec_of,
    tables_in,
    tables_of,
    track_of,
    tracks_for,
    write,
    write_shards,
)


def with_history(place: Place) -> None:
    """Three snapshots, each with shards that the next one has no more; and what a killed build has
    left."""
    make_store(place, 5, (SPEC,))
    for size in (5, 6):
        spec = spec_of("mfcc", shape=(size,))
        feature = StoredFeature(spec, tuple(write_shards(place, spec, tracks_for(spec, 5))))
        tables = tables_of(5, *index_of(place, [feature]))
        commit(place, {"mfcc": feature}, tables)
    left = write(place, "shards/mfcc/00000000/left.h5", SPEC, {"made/00": track_of(3, SPEC)})
    locate(place).upload(left.record)


def numbers(place: Place) -> list[int]:
    return sorted(
        int(file[10:16]) for file in locate(place).list() if file.startswith("snapshots/")
    )


def test_what_no_snapshot_names_goes_and_all_snapshots_stay(tmp_path: Path) -> None:
    with_history(tmp_path)
    (tmp_path / "shards" / f".x.h5.{os.getpid()}-00000000.tmp").touch()
    (tmp_path / "mine.txt").touch()
    before = contents(tmp_path)
    would = run_collect(tmp_path, dry_run=True)
    assert contents(tmp_path) == before
    done = run_collect(tmp_path)
    assert would == replace(done, is_done=False)
    left = {"shards/mfcc/00000000/left.h5"}
    assert {*done.files} == {*left, f"shards/.x.h5.{os.getpid()}-00000000.tmp"}
    assert contents(tmp_path) == {file: one for file, one in before.items() if file not in left}
    assert done.bytes > 1000
    assert verify(tmp_path).unreferenced == 0
    assert [*FeatureStore(tmp_path, 1)["mfcc"]]
    assert not (tmp_path / "shards" / "mfcc" / "00000000").exists()


@pytest.mark.parametrize("keep", [1, 2])
def test_older_snapshots_go_and_the_store_is_whole_and_says_so(tmp_path: Path, keep: int) -> None:
    with_history(tmp_path)
    done = run_collect(tmp_path, keep)
    assert numbers(tmp_path) == [*range(4 - keep, 4)]
    assert done.gone == tuple(range(3 - keep, 0, -1))
    found = verify(tmp_path)
    assert (found.problems, found.snapshots, found.unreferenced) == ([], keep, 0)
    pointer = read_pointer(locate(tmp_path))
    assert pointer is not None
    assert pointer.oldest == 4 - keep
    with pytest.raises(
        NotCommitted, match=f"expected {4 - keep} to 3, .* were removed by `affects"
    ):
        FeatureStore(tmp_path, 1)
    assert run_collect(tmp_path, keep).files == ()
    assert len(FeatureStore(tmp_path).rows(CLIPS)) == 5
    parent = load_snapshot(locate(tmp_path))
    commit(tmp_path, parent.features, tables_in(tmp_path, parent), recipe={"name": "new"})
    assert verify(tmp_path).problems == []
    assert verify(tmp_path).snapshots == keep + 1


def test_a_snapshot_that_a_reader_has_open_stays_until_it_ends(tmp_path: Path) -> None:
    with_history(tmp_path)
    reader = FeatureStore(tmp_path, 1)
    copy = pickle.loads(pickle.dumps(reader))
    del reader
    gc.collect()
    done = run_collect(tmp_path, 1)
    assert (done.held, done.gone, numbers(tmp_path)) == ((1,), (2,), [1, 3])
    assert len(copy["mfcc"]["made/00"].values) == 3
    assert verify(tmp_path).problems == []
    file = tmp_path / "snapshots" / "000001.json"
    assert is_held(file)
    del copy
    gc.collect()
    assert not is_held(file)
    assert (*run_collect(tmp_path, 1).held, *numbers(tmp_path)) == (3,)


def test_a_file_that_a_process_has_mapped_stays(tmp_path: Path) -> None:
    if not Path("/proc/self/maps").exists():
        pytest.skip("this system does not say what a process has mapped")
    with_history(tmp_path)
    reader = FeatureStore(tmp_path, 1)
    track = reader["mfcc"]["made/00"]
    expected = track.values.tobytes()
    del reader
    gc.collect()
    done = run_collect(tmp_path, 1)
    assert len(done.in_use) == 1
    assert (tmp_path / done.in_use[0]).exists()
    assert track.values.tobytes() == expected
    del track
    gc.collect()
    assert run_collect(tmp_path, 1).files == done.in_use


def test_a_store_behind_a_url_is_cleaned_there_and_here(url: str, elsewhere: Elsewhere) -> None:
    with_history(url)
    reader = FeatureStore(url, 2)
    done: Collected = run_collect(url, 1)
    assert (done.held, done.gone) == ((2,), (1,))
    del reader
    gc.collect()
    run_collect(url, 1)
    assert numbers(url) == [3]
    local = {one for one in files_of(locate(url).folder) if not one.split("/")[-1].startswith(".")}
    assert local == {*objects(url)}
    assert verify(elsewhere(url)).problems == []
    assert verify(elsewhere(url)).unreferenced == 0


def test_nothing_is_removed_where_a_snapshot_cannot_be_read(tmp_path: Path) -> None:
    with_history(tmp_path)
    (tmp_path / "snapshots" / "000002.json").write_bytes(b"{}")
    before = contents(tmp_path)
    assert "000002.json" in refusal("gc", tmp_path)
    assert contents(tmp_path) == before
    assert "no committed store" in refusal("gc", tmp_path / "none")
    with pytest.raises(CollectError, match="expected 1 or more"):
        run_collect(tmp_path, 0)


def test_a_pointer_whose_oldest_snapshot_cannot_be_is_refused(tmp_path: Path) -> None:
    make_store(tmp_path, 2, (SPEC, LOGMEL))
    path = tmp_path / "dataset.json"
    text = path.read_text(encoding="utf-8")
    for wrong in ("2", "0", '"1"', "true"):
        path.write_text(text.replace("{", f'{{"oldest": {wrong},', 1), encoding="utf-8")
        assert "restore it from a copy" in refusal("show", tmp_path)
