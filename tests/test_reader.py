"""The reader: frames, tracks as views, in any process, as fast as the bare memory map."""

import gc
import multiprocessing
import os
import pickle
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import stores.clip_tracks
from manifests.features import INDEX
from manifests.labels import LABELS
from manifests.quarantine import BadClip
from manifests.tracks import Track
from stores import FeatureDataset, FeatureStore, NotCommitted, NotInStore, WrongShard
from stores.atomic import sweep
from stores.records import StoredFeature
from stores.shard import decode_images
from stores.verify import verify
from tests.support.stores_made import (
    CROPS,
    LOGMEL,
    ROOT,
    SPEC,
    clip_ids,
    commit,
    files_of,
    index_of,
    make_store,
    same,
    spec_of,
    stop_while_publishing,
    tables_in,
    tables_of,
    track_of,
    tracks_for,
    write_shards,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made") / "store"
    make_store(root)
    return root


def test_every_track_comes_back_as_it_was_measured(made: Path) -> None:
    store = FeatureStore(made)
    for spec in (SPEC, LOGMEL):
        assert [
            same(store[spec.name][clip_id], track) for clip_id, track in tracks_for(spec, 7).items()
        ] == [True] * 7
    crops = tracks_for(CROPS, 7)["made/03"]
    assert isinstance(crops, Track)
    assert same(
        store["crops"]["made/03"],
        replace(crops, values=decode_images(crops.values, CROPS.shape, "")),
    )
    assert store.features == {spec.name: spec for spec in (SPEC, LOGMEL, CROPS)}
    assert store["logmel"].spec == LOGMEL
    assert store.snapshot.number == 1


def test_a_feature_is_a_mapping(made: Path) -> None:
    crops = FeatureStore(made)["crops"]
    assert len(crops) == 6
    assert (
        list(crops)
        == list(crops.keys())
        == [clip_id for clip_id in clip_ids(7) if clip_id != "made/01"]
    )
    assert "made/00" in crops
    assert "made/01" not in crops
    assert crops.get("made/01") is None
    assert dict(crops.items())["made/06"].values.shape == (9, 16, 24, 3)


def test_tables_are_frames_with_integers_where_rows_have_gaps(made: Path) -> None:
    store = FeatureStore(made)
    index = store.index()
    assert index.loc[index.state == "quarantined", "start"].isna().tolist() == [True]
    assert index["start"].dtype == pd.Int64Dtype()
    assert store.clips()["clip_id"].tolist() == clip_ids(7)
    assert store.clips()["has_audio"].dtype == pd.BooleanDtype()
    assert store.labels()["value"].unique().tolist() == ["angry", "calm", "happy"]
    assert len(store.folds().query("scheme == 'thirds' and fold == 0 and role == 'test'")) == 3
    assert store.quarantine().to_dict("records") == [
        {
            "clip_id": "made/01",
            "feature": "crops",
            "reason": "no_face",
            "detail": "no face lasted, expected one for 0.5 s",
        }
    ]


@pytest.mark.parametrize(
    ("feature", "clip_id", "message"),
    [
        ("mfc", "made/00", "the store has no feature named 'mfc'; did you mean mfcc"),
        ("zzz", "made/00", "there are crops, logmel, mfcc"),
        ("mfcc", "made/0", "the store has no clip of mfcc named 'made/0'; did you mean made/0"),
        ("mfcc", "?", "there are made/00, made/01"),
        (
            "crops",
            "made/01",
            "made/01 has no crops, it is quarantined: no_face: no face lasted, expected one for "
            "0.5 s",
        ),
    ],
)
def test_what_is_not_there_is_a_keyerror_with_a_sentence(
    made: Path, feature: str, clip_id: str, message: str
) -> None:
    with pytest.raises(NotInStore) as caught:
        FeatureStore(made)[feature][clip_id]
    assert isinstance(caught.value, KeyError)
    assert message in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_store_stays_at_its_snapshot_also_after_pickling(tmp_path: Path) -> None:
    first = make_store(tmp_path)
    store = FeatureStore(tmp_path)
    commit(
        tmp_path,
        {"mfcc": first.features["mfcc"]},
        {**tables_in(tmp_path, first), "labels": LABELS.build([]), "index": INDEX.build([])},
    )
    for old in (store, pickle.loads(pickle.dumps(store)), FeatureStore(tmp_path, snapshot=1)):
        assert old.snapshot.number == 1
        assert len(old.labels()) == 7
        assert len(old["logmel"]) == 7
    assert len(FeatureStore(tmp_path).labels()) == 0


def test_a_relative_root_survives_a_change_of_folder(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made.parent)
    store = FeatureStore("store")
    monkeypatch.chdir(tmp_path)
    assert len(store["mfcc"]["made/00"]) == 3


def checksum(store: FeatureStore) -> float:
    return sum(
        float(np.nansum(track.values, dtype=np.float64))
        for name in store.features
        for track in store[name].values()
    )


def _send_checksum(store: FeatureStore, queue: "multiprocessing.Queue[float]") -> None:
    queue.put(checksum(store))


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_pickled_store_reads_in_another_process(made: Path, method: str) -> None:
    store = FeatureStore(made)
    expected = checksum(store)
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    process = context.Process(target=_send_checksum, args=(store, queue))
    process.start()
    assert queue.get(timeout=60) == expected
    process.join(60)
    assert process.exitcode == 0


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize("touched", [False, True], ids=["before the first read", "after it"])
def test_a_forked_child_reads_and_the_parent_goes_on_reading(made: Path, touched: bool) -> None:
    store, expected = FeatureStore(made), checksum(FeatureStore(made))
    if touched:
        checksum(store)
    children = []
    for _ in range(3):
        if (pid := os.fork()) == 0:
            os._exit(0 if checksum(store) == expected else 1)
        children.append(pid)
    assert checksum(store) == expected
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0]


def test_more_shards_than_maps_are_read_and_old_tracks_stay_good(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores.clip_tracks, "_MOST_MAPS", 2)
    store = FeatureStore(made)
    before = {name: dict(store[name].items()) for name in ("mfcc", "logmel")}
    gc.collect()
    assert len(store._maps) == 2
    for spec in (SPEC, LOGMEL):
        assert all(
            same(before[spec.name][clip_id], track)
            for clip_id, track in tracks_for(spec, 7).items()
        )
        assert all(
            same(store[spec.name][clip_id], track) for clip_id, track in tracks_for(spec, 7).items()
        )


def test_no_file_stays_open_but_the_maps(made: Path) -> None:
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("open files are counted under /proc, which only Linux has")
    store = FeatureStore(made)
    before = len(list(Path("/proc/self/fd").iterdir()))
    checksum(store)
    assert len(list(Path("/proc/self/fd").iterdir())) - before == len(store._maps) == 9


def test_a_shard_that_is_not_the_recorded_one_is_refused(tmp_path: Path) -> None:
    snapshot = make_store(tmp_path)
    shards = [tmp_path / record.file for record in snapshot.features["mfcc"].shards]
    shards[1].write_bytes(shards[0].read_bytes())
    with pytest.raises(WrongShard, match="it was changed afterwards"):
        FeatureStore(tmp_path)["mfcc"]["made/04" if len(shards[1].read_bytes()) else ""]


def test_two_shards_of_one_size_that_were_exchanged_are_refused(tmp_path: Path) -> None:
    snapshot = make_store(tmp_path, 4, (spec_of("same"),), per_shard=2, tracks=same_length(4))
    one, two = snapshot.features["same"].shards
    assert (one.bytes, one.rows, one.sizes) == (two.bytes, two.rows, two.sizes)
    data = [(tmp_path / record.file).read_bytes() for record in (two, one)]
    for record, other in zip((one, two), data, strict=True):
        (tmp_path / record.file).write_bytes(other)
    for clip_id in clip_ids(4):
        with pytest.raises(WrongShard, match=f"the index places same of .*{one.file[:8]}"):
            FeatureStore(tmp_path)["same"][clip_id]


def test_a_changed_value_is_seen_on_request_also_after_pickling(tmp_path: Path) -> None:
    snapshot = make_store(tmp_path, 3, (SPEC,))
    path = tmp_path / snapshot.features["mfcc"].shards[0].file
    sound = FeatureStore(tmp_path, verify=True)
    assert len(sound["mfcc"]["made/00"]) == 3
    offset = sound._maps[snapshot.features["mfcc"].shards[0].file].layout.arrays["values"].offset
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.unlink()
    path.write_bytes(data)
    assert len(FeatureStore(tmp_path)["mfcc"]["made/00"]) == 3
    strict = FeatureStore(tmp_path, verify=True)
    for store in (strict, pickle.loads(pickle.dumps(strict))):
        with pytest.raises(WrongShard, match="it was changed afterwards"):
            store["mfcc"]["made/00"]
    arguments = {"labels": None, "features": ["mfcc"], "missing": "error"}
    with pytest.raises(WrongShard, match="it was changed afterwards"):
        FeatureDataset(tmp_path, **arguments, verify=True)[0]  # type: ignore[arg-type]


def test_a_shard_that_is_replaced_while_the_store_is_open_is_checked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores.clip_tracks, "_MOST_MAPS", 1)
    snapshot = make_store(tmp_path, 4, (spec_of("same"),), per_shard=2, tracks=same_length(4))
    one, two = (tmp_path / record.file for record in snapshot.features["same"].shards)
    tracks = FeatureStore(tmp_path)["same"]
    assert [len(tracks[clip_id]) for clip_id in clip_ids(4)] == [5] * 4
    one.rename(tmp_path / "one")
    two.rename(one)
    (tmp_path / "one").rename(two)
    with pytest.raises(WrongShard, match="the index places same of"):
        _ = [tracks[clip_id] for clip_id in clip_ids(4)]


@pytest.mark.parametrize(
    "change",
    [{"start": -1}, {"rows": 10_000}, {"shard": "shards/other.h5"}, {"start": None}],
    ids=str,
)
def test_an_index_that_points_outside_its_shard_is_refused(
    tmp_path: Path, change: dict[str, object]
) -> None:
    features = {
        "mfcc": StoredFeature(SPEC, tuple(write_shards(tmp_path, SPEC, tracks_for(SPEC, 3), 3)))
    }
    index, quarantine = index_of(tmp_path, features.values())
    index[0] = replace(index[0], **change)  # type: ignore[arg-type]
    commit(tmp_path, features, tables_of(3, index, quarantine))
    with pytest.raises(WrongShard, match="the index places mfcc of made/00"):
        FeatureStore(tmp_path)["mfcc"]


def test_a_folder_without_a_store_is_not_committed(tmp_path: Path) -> None:
    with pytest.raises(NotCommitted, match="affectstore build"):
        FeatureStore(tmp_path)


@pytest.mark.usefixtures("processes")
def test_a_reader_sees_the_old_snapshot_while_a_writer_is_killed_in_mid_shard(
    tmp_path: Path,
) -> None:
    make_store(tmp_path)
    before, expected = files_of(tmp_path), checksum(FeatureStore(tmp_path))
    process = stop_while_publishing(tmp_path)
    assert checksum(FeatureStore(tmp_path)) == expected
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert verify(tmp_path).unfinished == 1
    assert len(sweep(tmp_path)) == 1
    assert files_of(tmp_path) == before
    assert verify(tmp_path).problems == []


@pytest.mark.usefixtures("processes")
def test_importing_the_reader_loads_only_what_reading_needs() -> None:
    heavy = {"torch", "cv2", "av", "prefect", "pandas", "filelock", "obstore", "botocore", "fsspec"}
    script = f"import sys, affectstore, stores.verify; print(*{heavy} & set(sys.modules))"
    found = subprocess.check_output([sys.executable, "-c", script], cwd=ROOT, text=True, timeout=60)
    assert found.split() == []


def same_length(count: int) -> dict[str, Track | BadClip]:
    return {clip_id: track_of(5, SPEC, seed) for seed, clip_id in enumerate(clip_ids(count))}


def median_time(
    read: Callable[[], object], others: Callable[[], object], rounds: int = 7
) -> tuple[float, float]:
    """Seconds of each, interleaved, so that a busy machine slows both."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for function, taken in zip((read, others), times, strict=True):
            start = time.perf_counter()
            function()
            taken.append(time.perf_counter() - start)
    return statistics.median(times[0]), statistics.median(times[1])


def test_random_access_keeps_up_with_a_bare_memory_map(tmp_path: Path) -> None:
    spec = spec_of("wide", shape=(64,))
    make_store(tmp_path, 60, (spec,), per_shard=20)
    store = FeatureStore(tmp_path)
    tracks, order = store["wide"], np.random.default_rng(0).permutation(clip_ids(60) * 20).tolist()
    maps, where = {}, {}
    for row in store.rows(INDEX):
        if row.shard not in maps:
            path, places = tmp_path / row.shard, store._maps[row.shard].layout.arrays
            maps[row.shard] = [
                np.memmap(path, p.dtype, "r", p.offset, p.shape)
                for p in (places[n] for n in ("values", "seconds", "valid"))
            ]
        where[row.clip_id] = (*maps[row.shard], row.start, row.start + row.rows)

    def ours() -> None:
        for clip_id in order:
            track = tracks[clip_id]
            np.add.reduce(track.values), np.add.reduce(track.seconds), np.add.reduce(track.valid)

    def bare() -> None:
        for clip_id in order:
            values, seconds, valid, start, stop = where[clip_id]
            (
                np.add.reduce(values[start:stop]),
                np.add.reduce(seconds[start:stop]),
                np.add.reduce(valid[start:stop]),
            )

    our_s, bare_s = median_time(ours, bare)
    assert our_s <= bare_s / 0.9
