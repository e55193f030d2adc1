"""A clip that ends the process which reads it is a row in quarantine, and its neighbours are
measured all the same."""

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from extractors.base import Runtime
from extractors.media import Limits
from flows.building.isolation import build_isolated, probe_isolated
from flows.building.probing import probe_clips
from flows.building.run import run_build
from flows.workers.deaths import Cause, WorkerDied
from flows.workers.executor import Pools
from flows.workers.pool import ProcessPool
from manifests.corpora.base import Found
from manifests.quarantine import Reason
from stores.atomic import sweep
from stores.location import locate
from stores.shard import Shard
from tests.support.commands import QUICK
from tests.support.crashing import Fatal, crashing_task
from tests.support.media_made import a_clip, write
from tests.support.store_files import contents


@pytest.fixture
def pools(processes: None) -> Iterator[Pools]:
    with closing(ProcessPool(1, lambda _: None)) as pool:
        yield Pools(pool, None)


def test_the_clip_that_ends_the_process_is_refused_and_the_others_are_stored(
    pools: Pools, tmp_path: Path
) -> None:
    task = crashing_task(tmp_path, tmp_path / "store", [0.2, 0.6, 0.3])
    records = build_isolated(pools, task, Runtime())
    shard = Shard(locate(tmp_path / "store"), records["fatal"].file)
    assert [entry.clip_id for entry in shard.entries] == ["made/0", "made/2"]
    assert [(refusal.clip_id, refusal.reason) for refusal in shard.refused] == [
        ("made/1", Reason.CRASHED)
    ]


@pytest.mark.parametrize(
    ("how", "reason", "words"),
    [
        ("segv", Reason.CRASHED, "twice in the same way (signal 11 (SIGSEGV)"),
        ("hang", Reason.TIMED_OUT, "within the limit of 0.2 s"),
        ("grow", Reason.TOO_LARGE, "more than the limit of 700 MB"),
    ],
)
def test_each_way_to_end_the_process_is_a_row_with_its_own_reason(
    pools: Pools, tmp_path: Path, how: str, reason: Reason, words: str
) -> None:
    limits = Limits(timeout_s=0.2 if how == "hang" else 120, max_memory_mb=700)
    fatal = Fatal(how=how)
    task = crashing_task(tmp_path, tmp_path / "store", [0.2, 0.6, 0.3], fatal=fatal, limits=limits)
    records = build_isolated(pools, task, Runtime())
    shard = Shard(locate(tmp_path / "store"), records["fatal"].file)
    assert [entry.clip_id for entry in shard.entries] == ["made/0", "made/2"]
    [refusal] = shard.refused
    assert (refusal.clip_id, refusal.reason) == ("made/1", reason)
    assert words in refusal.detail


@pytest.mark.parametrize(("how", "times"), [("killed", 4), ("segv", 1), ("exit", 2)])
def test_a_clip_whose_process_was_killed_or_died_but_now_and_then_is_stored(
    pools: Pools, tmp_path: Path, how: str, times: int, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "ends").mkdir()
    fatal = Fatal(how=how, ends=str(tmp_path / "ends"), times=times)
    task = crashing_task(tmp_path, tmp_path / "store", [0.2, 0.6], fatal=fatal)
    records = build_isolated(pools, task, Runtime())
    shard = Shard(locate(tmp_path / "store"), records["fatal"].file)
    assert [entry.clip_id for entry in shard.entries] == ["made/0", "made/1"]
    assert len(list((tmp_path / "ends").iterdir())) == times
    said = [record.getMessage() for record in caplog.records]
    assert all("while it was on made/1" in line for line in said)
    assert any("ended from outside (signal 9 (SIGKILL))" in line for line in said) is (
        how == "killed"
    )


def test_a_clip_whose_process_is_killed_every_time_is_never_a_row(
    pools: Pools, tmp_path: Path
) -> None:
    task = crashing_task(tmp_path, tmp_path / "store", [0.2, 0.6], fatal=Fatal(how="killed"))
    with pytest.raises(WorkerDied, match="ended 5 times while they built made/0 and 1 more"):
        build_isolated(pools, task, Runtime())
    assert not list((tmp_path / "store").rglob("*.h5"))


def test_workers_that_are_killed_leave_no_trace_in_a_store(
    built: Path, sample: Path, tmp_path: Path
) -> None:
    killed: set[int] = set()
    is_built = threading.Event()

    def kill_some() -> None:
        while not is_built.wait(1.0) and len(killed) < 4:
            for worker in multiprocessing.active_children():
                if worker.pid and worker.pid not in killed:
                    killed.add(worker.pid)
                    worker.kill()
                    break

    with ThreadPoolExecutor(1) as thread:
        killing = thread.submit(kill_some)
        try:
            run_build(tmp_path / "store", {"sample": sample}, "demo", QUICK, workers=2)
        finally:
            is_built.set()
        killing.result()
    assert len(killed) >= 3
    sweep(tmp_path / "store")
    assert contents(tmp_path / "store") == contents(built)


def test_a_file_without_end_is_given_up_when_its_time_is_over(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.wav", frames=0, audio_s=0.1, rate_hz=16000)
    os.truncate(path, 1 << 40)
    begun = time.monotonic()
    [probed] = probe_clips([Found(a_clip(path), ())], [path], {}, Limits(timeout_s=0.5))
    assert probed.bad is not None
    assert probed.bad.reason == Reason.TIMED_OUT
    assert time.monotonic() - begun < 10


@dataclass
class Dying:
    """A pool whose worker dies over every call that has some paths to read."""

    ends: Mapping[str, Sequence[WorkerDied | None]]
    """File name -> what becomes of each call that reads it, the last one again and again."""
    calls: list[tuple[str, int]] = field(default_factory=list)

    def call(self, work: Any, *given: Any, **named: Any) -> Any:
        return self._call("call", work, given)

    def call_alone(self, memory_mb: float, work: Any, *given: Any, **named: Any) -> Any:
        return self._call("alone", work, given)

    def _call(self, how: str, work: Any, given: Sequence[Any]) -> Any:
        found, paths, *_ = given
        self.calls.append((how, len(paths)))
        for one, path in zip(found, paths, strict=True):
            ends = self.ends.get(path.name, [None])
            tries = sum(1 for call in self.calls if call[0] == how) - 1
            if one.bad is None and (died := ends[min(tries, len(ends) - 1)]):
                raise died
        return work(*given)


def a_crash(item: str, how: str = "signal 11 (SIGSEGV)") -> WorkerDied:
    return WorkerDied("a worker process ended", Cause.CRASHED, how, item)


@pytest.fixture
def three(tmp_path: Path) -> tuple[list[Found], list[Path]]:
    paths = [
        write(tmp_path / f"{number}.wav", frames=0, audio_s=0.1, rate_hz=16000)
        for number in range(3)
    ]
    return [Found(a_clip(path), ()) for path in paths], paths


def test_a_header_that_ends_the_process_is_refused_and_the_others_are_probed(
    three: tuple[list[Found], list[Path]],
) -> None:
    found, paths = three
    pool = Dying({"1.wav": [a_crash("made/1")]})
    probed = probe_isolated(pool, found, paths, {}, Limits())
    assert [one.bad and one.bad.reason for one in probed] == [None, Reason.CRASHED, None]
    assert probed[::2] == probe_clips(found[::2], paths[::2], {}, Limits())
    assert pool.calls == [("call", 3), ("alone", 1), ("alone", 1), ("call", 3)]


def test_a_clip_that_dies_in_two_ways_is_tried_until_one_comes_again(
    three: tuple[list[Found], list[Path]],
) -> None:
    found, paths = three
    ends = [a_crash("made/1"), a_crash("made/1", "exit code 1"), a_crash("made/1")]
    pool = Dying({"1.wav": ends})
    probed = probe_isolated(pool, found, paths, {}, Limits())
    assert [one.bad and one.bad.reason for one in probed] == [None, Reason.CRASHED, None]
    assert [how for how, _ in pool.calls] == ["call", "alone", "alone", "alone", "call"]


def test_where_the_clip_in_work_is_not_it_the_others_are_tried_alone_too(
    three: tuple[list[Found], list[Path]],
) -> None:
    found, paths = three
    pool = Dying({"2.wav": [a_crash("made/0")]})
    probed = probe_isolated(pool, found, paths, {}, Limits())
    assert [one.bad and one.bad.reason for one in probed] == [None, None, Reason.CRASHED]


def test_workers_that_are_ended_again_and_again_from_outside_are_one_sentence(
    tmp_path: Path,
) -> None:
    class Killed:
        def call(self, work: Any, *given: Any) -> Any:
            raise WorkerDied("the last it wrote was: nothing")

    task = crashing_task(tmp_path, tmp_path / "store", [0.2])
    with pytest.raises(WorkerDied, match="ended 5 times while they built made/0 and 0 more"):
        build_isolated(Pools(Killed(), None), task, Runtime())  # type: ignore[arg-type]
