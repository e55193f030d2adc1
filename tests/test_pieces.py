"""A task in pieces: the bytes of a task in one go, made by all workers, and nothing of it made
twice."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from extractors.audio import Audio
from extractors.base import Runtime
from extractors.logmel import LogMel
from extractors.media import Limits, probe
from extractors.plan import Graph, Media
from flows.build import build
from flows.building.isolation import build_guarded
from flows.building.pieces import pieces_of, remove_pieces
from flows.building.shard_task import PIECES, ShardTask, build_shards, unfinished
from flows.workers.pool import Crew, _Worker
from manifests.quarantine import Reason
from stores.mirror import home
from stores.shard import open_shard
from tests.conftest import QUICK, a_clip, write
from tests.test_build import contents
from tests.test_guard import Fatal

LENGTHS_S = [0.2, 0.6, 0.3, 0.2, 0.3]
"""Of five clips, the second of which ends the process that measures it."""


def task(folder: Path, store: Path) -> ShardTask:
    paths = [
        write(folder / f"{number}.wav", frames=0, audio_s=length, rate_hz=16000)
        for number, length in enumerate(LENGTHS_S)
    ]
    clips = tuple(probe(a_clip(path), path, Limits()) for path in paths)
    graph = Graph({"audio": Audio(), "fatal": Fatal(), "logmel": LogMel(n_mels=20)})
    return ShardTask(store, graph, Media(), clips, tuple(paths), ("logmel", "fatal"))


def test_pieces_are_joined_to_the_bytes_of_a_task_in_one_go_also_where_a_clip_ends_its_process(
    tmp_path: Path,
) -> None:
    with Crew(2, lambda _: None) as crew:
        in_one_go = build_guarded(crew, task(tmp_path, tmp_path / "one"), Runtime())
        in_pieces = build_guarded(crew, task(tmp_path, tmp_path / "many"), Runtime(), hands=2)
    assert in_pieces == in_one_go
    refused = open_shard(tmp_path / "many", in_pieces["fatal"].file).refused
    assert [(refusal.clip_id, refusal.reason) for refusal in refused] == [
        ("made/1", Reason.CRASHED)
    ]
    assert len(list((tmp_path / "many" / PIECES).rglob("*.h5"))) == 3 * 2
    remove_pieces(tmp_path / "many")
    assert contents(tmp_path / "many") == contents(tmp_path / "one")


def test_pieces_that_a_killed_build_has_left_are_joined_and_not_made_again(tmp_path: Path) -> None:
    cut = task(tmp_path, tmp_path / "store")
    for piece in pieces_of(cut)[1:]:  # the first one holds the fatal clip
        build_shards(piece, Runtime())
    for path in cut.paths[2:]:
        path.unlink()
    with Crew(2, lambda _: None) as crew:
        records = build_guarded(crew, cut, Runtime(), hands=2)
    assert {name: record.clips for name, record in records.items()} == {"logmel": 4, "fatal": 4}


def test_a_feature_that_is_finished_is_not_in_the_pieces(tmp_path: Path) -> None:
    whole = task(tmp_path, tmp_path / "store")
    build_shards(
        ShardTask(whole.root, whole.graph, whole.media, whole.clips, whole.paths, ("logmel",)),
        Runtime(),
    )
    assert unfinished(whole) == ["fatal"]
    assert {piece.features for piece in pieces_of(whole)} == {("fatal",)}


def test_a_task_of_a_store_behind_a_url_stays_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFFECTSTORE_CACHE", str(tmp_path / "cache"))
    assert pieces_of(task(tmp_path, home("s3://bucket/store"))) == []


class Failing:
    """A crew on which every call fails, after a while."""

    calls = 0

    def call(self, *given: object) -> None:
        self.calls += 1
        time.sleep(0.1)
        raise ZeroDivisionError


def test_where_a_piece_fails_no_other_is_begun(tmp_path: Path) -> None:
    cut, crew = task(tmp_path, tmp_path / "store"), Failing()
    with pytest.raises(ZeroDivisionError):
        build_guarded(
            crew, replace(cut, clips=cut.clips * 20, paths=cut.paths * 20), Runtime(), hands=2
        )
    assert crew.calls < 10


def test_two_workers_share_a_build_of_one_task(
    built: Path, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[_Worker] = []
    start = _Worker.__init__

    def counted(worker: _Worker, *given: object) -> None:
        started.append(worker)
        start(worker, *given)

    monkeypatch.setattr(_Worker, "__init__", counted)
    build(tmp_path / "store", {"sample": sample}, "demo", (*QUICK, "clips_per_shard=32"), workers=2)
    assert len(started) == 2
    assert not (tmp_path / "store" / PIECES).exists()
    assert len(contents(tmp_path / "store")) < len(contents(built))
