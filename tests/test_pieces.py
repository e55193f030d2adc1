"""A task in pieces: the bytes of a task in one go, made by all workers, and nothing of it made
twice."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

import flows.building.pieces
from extractors.base import Runtime
from extractors.frames import Frames
from extractors.plan import Graph
from flows.building.isolation import build_isolated
from flows.building.pieces import pieces_of, remove_pieces
from flows.building.run import run_build
from flows.building.shard_task import PIECES, build_shards, unfinished
from flows.workers.executor import Pools
from flows.workers.pool import ProcessPool
from flows.workers.process import WorkerProcess
from manifests.quarantine import Reason
from stores.location import locate
from stores.shard import Shard
from tests.support.commands import QUICK
from tests.support.crashing import crashing_task
from tests.support.store_files import contents

LENGTHS_S = [0.2, 0.6, 0.3, 0.2, 0.3]
"""Of five clips, the second of which ends the process that measures it."""


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of two clips, also of sound."""
    monkeypatch.setattr(flows.building.pieces, "_SOUND_S", 0.0)


@pytest.fixture
def pools(processes: None) -> Iterator[Pools]:
    with closing(ProcessPool(2, lambda _: None)) as pool:
        yield Pools(pool, None)


def test_pieces_are_joined_to_the_bytes_of_a_task_in_one_go_also_where_a_clip_ends_its_process(
    pools: Pools, tmp_path: Path
) -> None:
    one, many = (
        crashing_task(tmp_path, tmp_path / name, LENGTHS_S, "logmel") for name in ("one", "many")
    )
    in_one_go = build_isolated(pools, one, Runtime())
    in_pieces = build_isolated(pools, many, Runtime(), workers=2)
    assert in_pieces == in_one_go
    location = locate(tmp_path / "many")
    refused = Shard(location, in_pieces["fatal"].file).refused
    assert [(refusal.clip_id, refusal.reason) for refusal in refused] == [
        ("made/1", Reason.CRASHED)
    ]
    assert len(list((tmp_path / "many" / PIECES).rglob("*.h5"))) == 3 * 2
    remove_pieces(location)
    assert contents(tmp_path / "many") == contents(tmp_path / "one")


def test_pieces_that_a_killed_build_has_left_are_joined_and_not_made_again(
    pools: Pools, tmp_path: Path
) -> None:
    cut = crashing_task(tmp_path, tmp_path / "store", LENGTHS_S, "logmel")
    for piece in pieces_of(cut)[1:]:  # the first one has the fatal clip
        build_shards(piece, Runtime())
    for path in cut.paths[2:]:
        path.unlink()
    records = build_isolated(pools, cut, Runtime(), workers=2)
    assert {name: record.clips for name, record in records.items()} == {"logmel": 4, "fatal": 4}


def test_a_feature_that_is_finished_is_not_in_the_pieces(tmp_path: Path) -> None:
    task = crashing_task(tmp_path, tmp_path / "store", LENGTHS_S, "logmel")
    build_shards(replace(task, features=("logmel",)), Runtime())
    assert unfinished(task) == ["fatal"]
    assert {piece.features for piece in pieces_of(task)} == {("fatal",)}


def test_short_sound_is_not_cut_and_long_sound_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = crashing_task(tmp_path, tmp_path / "store", LENGTHS_S, "logmel")
    for least_s, cuts in ((120.0, []), (0.75, [2, 3]), (0.6, [2, 3]), (0.4, [2, 2, 1])):
        monkeypatch.setattr(flows.building.pieces, "_SOUND_S", least_s)
        assert [len(piece.clips) for piece in pieces_of(task)] == cuts
    graph = Graph({**task.graph.extractors, "frames": Frames(size=8)})
    seen = replace(task, graph=graph, features=("logmel", "frames"))
    monkeypatch.setattr(flows.building.pieces, "_SOUND_S", 120.0)
    assert [len(piece.clips) for piece in pieces_of(seen)] == [2, 2, 1]


def test_a_task_of_a_store_behind_a_url_is_not_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFFECTSTORE_CACHE", str(tmp_path / "cache"))
    assert pieces_of(crashing_task(tmp_path, "s3://bucket/store", LENGTHS_S, "logmel")) == []


class Failing:
    """A pool on which every call fails, after a while."""

    calls = 0

    def call(self, *given: object) -> None:
        self.calls += 1
        time.sleep(0.1)
        raise ZeroDivisionError


def test_where_a_piece_fails_no_other_is_begun(tmp_path: Path) -> None:
    cut, pool = crashing_task(tmp_path, tmp_path / "store", LENGTHS_S, "logmel"), Failing()
    long = replace(cut, clips=cut.clips * 20, paths=cut.paths * 20)
    with pytest.raises(ZeroDivisionError):
        build_isolated(Pools(pool, None), long, Runtime(), workers=2)  # type: ignore[arg-type]
    assert pool.calls < 10


def test_two_workers_share_a_build_of_one_task(
    built: Path, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[WorkerProcess] = []
    start = WorkerProcess.__init__

    def counted(worker: WorkerProcess, *given: object) -> None:
        started.append(worker)
        start(worker, *given)

    monkeypatch.setattr(WorkerProcess, "__init__", counted)
    changes = (*QUICK, "clips_per_shard=32")
    run_build(tmp_path / "store", {"sample": sample}, "demo", changes, workers=2)
    assert len(started) == 2
    assert not (tmp_path / "store" / PIECES).exists()
    assert len(contents(tmp_path / "store")) < len(contents(built))
