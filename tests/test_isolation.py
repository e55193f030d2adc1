"""A clip that ends the process which reads it is a row in quarantine, and its neighbours are
measured all the same."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from extractors.base import Runtime
from extractors.media import Limits
from flows.building.isolation import build_isolated, probe_isolated
from flows.building.probing import probe_clips
from flows.workers.executor import Pools
from flows.workers.pool import ProcessPool, WorkerDied
from manifests.corpora.base import Found
from manifests.quarantine import Reason
from stores.location import locate
from stores.shard import Shard
from tests.support.crashing import crashing_task
from tests.support.media_made import a_clip, write


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


@dataclass
class Dying:
    """A pool whose worker dies over every call that some paths are part of."""

    fatal: frozenset[str]
    calls: list[int] = field(default_factory=list)

    def call(self, work: Any, *given: Any, **named: Any) -> Any:
        _, paths, *_ = given
        self.calls.append(len(paths))
        if any(path.name in self.fatal for path in paths):
            raise WorkerDied("a worker process ended in the middle of its work")
        return work(*given, **named)


def test_a_header_that_ends_the_process_is_refused_and_the_others_are_probed(
    tmp_path: Path,
) -> None:
    paths = [
        write(tmp_path / f"{number}.wav", frames=0, audio_s=0.1, rate_hz=16000)
        for number in range(3)
    ]
    found, pool = [Found(a_clip(path), ()) for path in paths], Dying(frozenset({"1.wav"}))
    probed = probe_isolated(pool, found, paths, {}, Limits())
    assert [one.bad and one.bad.reason for one in probed] == [None, Reason.CRASHED, None]
    assert probed[::2] == probe_clips(found[::2], paths[::2], {}, Limits())
    assert pool.calls == [3, 1, 1, 1]


def test_a_worker_that_is_ended_twice_from_outside_is_one_sentence(tmp_path: Path) -> None:
    class Killed:
        def call(self, work: Any, *given: Any) -> Any:
            if work.__name__ == "measure_alone":
                return None
            raise WorkerDied("the last it wrote was: nothing")

    task = crashing_task(tmp_path, tmp_path / "store", [0.2])
    with pytest.raises(WorkerDied, match="ended from outside, twice, while it built made/0 and 0"):
        build_isolated(Pools(Killed(), None), task, Runtime())
