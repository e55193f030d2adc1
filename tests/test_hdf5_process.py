"""Files that only HDF5 can tell about: opened in a process that is watched, whatever they hold."""

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import stores.hdf5_process
from stores import FeatureStore, WrongShard
from stores.fitted_state import WrongState
from stores.laid_out import laid_out_here
from stores.location import locate
from stores.paths import sha256_of
from stores.records import StoredFeature
from stores.shard import Shard
from stores.snapshot import Snapshot, load_snapshot
from stores.verify import verify
from tests.support.commands import Command, is_alive, living_in_session, wait_for
from tests.support.fitted_made import fit, make
from tests.support.stores_made import (
    CROPS,
    SPEC,
    clip_ids,
    commit,
    index_of,
    make_store,
    same,
    tables_in,
    tables_of,
    tracks_for,
    write,
    write_shards,
)
from tests.support.tampered import damage_hdf5

pytestmark = pytest.mark.usefixtures("processes")


@pytest.fixture(autouse=True)
def limit(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A limit of two seconds, for processes that are started by the test."""
    stores.hdf5_process._start.cache_clear()
    monkeypatch.setattr(stores.hdf5_process, "LIMIT_S", 2.0)
    yield
    stores.hdf5_process._start.cache_clear()


def forget_sizes(root: Path) -> None:
    """Makes the snapshots of a store those of a version that recorded neither sizes nor hashes."""

    def older(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: older(each) for name, each in value.items() if name not in new}
        return [older(each) for each in value] if isinstance(value, list) else value

    new = {"sizes", "arrays"}
    for path in (root / "snapshots").iterdir():
        path.write_text(json.dumps(older(json.loads(path.read_bytes()))))
    pointer = json.loads((root / "dataset.json").read_bytes())
    del pointer["sha256"]
    (root / "dataset.json").write_text(json.dumps(pointer, sort_keys=True, indent=1) + "\n")


def elsewhere(root: Path) -> Path:
    """A copy at another path: this process did not write its files."""
    return Path(shutil.copytree(root, root.with_name(f"{root.name} elsewhere")))


def never_ending(root: Path, snapshot: Snapshot) -> Path:
    """A shard with which HDF5 never ends, whose hash was recorded so."""
    stored = snapshot.features["mfcc"]
    first, *others = stored.shards
    damage_hdf5(root / first.file)
    wrong = replace(first, sha256=sha256_of(root / first.file), sizes=None)
    features = {**snapshot.features, "mfcc": replace(stored, shards=(wrong, *others))}
    commit(root, features, tables_in(root, snapshot))
    return root / first.file


def test_a_store_without_recorded_sizes_is_read_as_before_and_is_whole(tmp_path: Path) -> None:
    make_store(tmp_path / "plain", 3, (SPEC, CROPS))
    make(tmp_path / "fitted")
    fit(tmp_path / "fitted")
    for name in ("plain", "fitted"):
        forget_sizes(tmp_path / name)
        root = elsewhere(tmp_path / name)
        assert verify(root).problems == []
    tracks = FeatureStore(tmp_path / "plain elsewhere")["mfcc"]
    assert all(same(tracks[clip_id], track) for clip_id, track in tracks_for(SPEC, 3).items())
    store = FeatureStore(tmp_path / "fitted elsewhere")
    expected = FeatureStore(tmp_path / "fitted").fitted("z", "quarters", 0)["made/00"]
    assert same(store.fitted("z", "quarters", 0)["made/00"], expected)
    # What is committed on top lists the new files with their sizes, the old ones as they were.
    snapshot = load_snapshot(locate(tmp_path / "plain elsewhere"))
    assert {shard.sizes for shard in snapshot.features["mfcc"].shards} == {None}


def test_a_shard_that_never_ends_is_one_line_of_verify_and_one_error_of_the_reader(
    tmp_path: Path,
) -> None:
    path = never_ending(tmp_path, make_store(tmp_path))
    started = time.monotonic()
    (problem,) = verify(tmp_path).problems
    assert path.name in problem
    assert "HDF5 did not come to an end with it" in problem
    store, messages = FeatureStore(tmp_path), []
    for clip_id in clip_ids(7):
        assert len(store["logmel"][clip_id]) > 0
        try:
            assert len(store["mfcc"][clip_id]) > 0
        except WrongShard as error:
            messages.append(str(error))
    assert len(messages) == 3
    assert all(f"{path.name} is damaged: HDF5 did not" in message for message in messages)
    assert time.monotonic() - started < 60


def test_a_damaged_shard_is_not_opened_at_all_where_its_hash_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = make_store(tmp_path)
    damage_hdf5(tmp_path / snapshot.features["mfcc"].shards[0].file)
    with monkeypatch.context() as patch:
        patch.setattr(stores.hdf5_process, "_start", None)
        (problem,) = verify(tmp_path).problems
        assert "it was changed afterwards" in problem
        with pytest.raises(WrongShard, match="it was changed afterwards"):
            _ = [FeatureStore(tmp_path)["mfcc"][clip_id] for clip_id in clip_ids(7)]


def test_a_state_that_never_ends_is_refused(tmp_path: Path) -> None:
    make(tmp_path)
    fit(tmp_path)
    snapshot = load_snapshot(locate(tmp_path))
    first, *others = snapshot.fitted["z"].states
    damage_hdf5(tmp_path / first.file)
    wrong = replace(first, sha256=sha256_of(tmp_path / first.file), arrays=None)
    fitted = {**snapshot.fitted, "z": replace(snapshot.fitted["z"], states=(wrong, *others))}
    commit(tmp_path, snapshot.features, tables_in(tmp_path, snapshot), fitted=fitted)
    with pytest.raises(WrongState, match="HDF5 did not come to an end with it"):
        FeatureStore(tmp_path).fitted("z", "quarters", first.fold)


def test_a_file_that_another_hdf5_laid_out_is_read(tmp_path: Path) -> None:
    (record,) = write_shards(tmp_path, SPEC, tracks_for(SPEC, 3))
    path, other = tmp_path / record.file, tmp_path / "other.h5"
    with h5py.File(path) as source, h5py.File(other, "w", libver="latest") as copy:
        copy.attrs.update(source.attrs)
        for name in source:
            source.copy(name, copy)
    other.replace(path)
    new = replace(record, bytes=path.stat().st_size, sha256=sha256_of(path))
    features = {"mfcc": StoredFeature(SPEC, (new,))}
    commit(tmp_path, features, tables_of(3, *index_of(tmp_path, features.values())))
    assert verify(tmp_path).problems == []
    tracks = FeatureStore(tmp_path)["mfcc"]
    assert all(same(tracks[clip_id], track) for clip_id, track in tracks_for(SPEC, 3).items())


def test_what_this_process_wrote_is_known_until_its_structure_changes(tmp_path: Path) -> None:
    write(tmp_path, "a.h5", SPEC, tracks_for(SPEC, 3))  # type: ignore[arg-type]
    path = locate(tmp_path).path("a.h5")
    assert laid_out_here(path) == Shard(locate(tmp_path), "a.h5").layout
    with h5py.File(path, "r+") as file:
        file.attrs["units"] = "other"
    assert laid_out_here(path) is None
    assert Shard(locate(tmp_path), "a.h5").spec.units == "other"


def test_the_process_ends_with_its_user_and_by_itself_when_it_is_lost(tmp_path: Path) -> None:
    write(tmp_path, "a.h5", SPEC, tracks_for(SPEC, 3))  # type: ignore[arg-type]
    damage_hdf5(tmp_path / "a.h5")
    lost, connection, _ = stores.hdf5_process._start(os.getpid())
    connection.send_bytes(json.dumps(["shard", str(tmp_path / "a.h5"), "a.h5"]).encode())
    assert lost.wait(timeout=20) == -signal.SIGALRM
    stores.hdf5_process._start.cache_clear()
    idle, connection, _ = stores.hdf5_process._start(os.getpid())
    connection.close()
    assert idle.wait(timeout=20) == 0


def test_memory_without_a_limit_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "a.h5", SPEC, {})
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file.attrs.create("units", np.zeros(1 << 20, "S1"))
    with pytest.raises(WrongShard, match="attribute units is neither a text nor a number"):
        Shard(locate(tmp_path), "a.h5")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_command_that_waits_for_hdf5_ends_on_a_signal_and_leaves_no_process(
    tmp_path: Path, command: Command, number: signal.Signals
) -> None:
    never_ending(tmp_path, make_store(tmp_path))
    process = command.start("verify", tmp_path)
    children = wait_for(lambda: _opening(process.pid), 60)
    process.send_signal(number)
    process.communicate(timeout=10)
    assert process.returncode != 0
    wait_for(lambda: not any(is_alive(pid) or living_in_session(pid) for pid in children), 30)


def _opening(parent: int) -> list[int]:
    """The processes that open files for another one."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            stat = (path / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            if int(stat[1]) == parent and "hdf5_process" in (path / "cmdline").read_text():
                found.append(int(path.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found
