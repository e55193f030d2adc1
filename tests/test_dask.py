"""A build on a Dask cluster: the bytes of one machine, whoever does the work and whoever dies over
it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from distributed import Client

from extractors.base import Runtime
from flows.building.clip_table import ClipTableBuilder
from flows.building.commit import versions
from flows.building.committed import NOTHING_COMMITTED
from flows.building.isolation import build_isolated
from flows.building.plan import make_plan
from flows.building.run import _Build, _Networks, run_build
from flows.recipe import load
from flows.workers.dask_executor import (
    ClusterError,
    DaskExecutor,
    connect,
    dask_executor,
    reach,
)
from flows.workers.dask_worker import Requirements, UnfitWorker
from flows.workers.deaths import WorkerDied
from flows.workers.local_executor import LocalExecutor
from flows.workers.worker import report_progress
from manifests.corpora.base import Found
from manifests.quarantine import Reason
from stores.atomic import sweep
from stores.location import locate
from stores.shard import Shard
from tests.support.commands import QUICK, ROOT, build_arguments, refusal
from tests.support.crashing import crashing_task
from tests.support.media_made import a_clip
from tests.support.store_files import contents


def start(command: str, *options: object) -> "subprocess.Popen[bytes]":
    program = [
        sys.executable,
        "-m",
        f"distributed.cli.dask_{command}",
        *map(str, options),
        "--host",
        "127.0.0.1",
        "--no-dashboard",
    ]
    # A call is given up when two workers have died over it, not four: a shorter test.
    environment = {**os.environ, "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
    return subprocess.Popen(
        program, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


@pytest.fixture(scope="module")
def dask_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A scheduler and three worker processes, each of a command of its own; the last one declares a
    GPU."""
    folder = tmp_path_factory.mktemp("dask")
    common = ["--scheduler-file", folder / "scheduler.json"]
    commands = [start("scheduler", *common, "--port", 0, "--dashboard-address", "127.0.0.1:0")]
    for extra in ([], [], ["--resources", "GPU=1"]):
        commands.append(
            start("worker", *common, "--nthreads", 1, "--local-directory", folder, *extra)
        )
    with Client(scheduler_file=str(folder / "scheduler.json"), set_as_default=False) as client:
        client.wait_for_workers(3)
        address = client.scheduler.address
    yield address
    for command in commands:
        command.kill()
        command.wait()


@pytest.fixture
def executor(dask_address: str, tmp_path: Path) -> Iterator[DaskExecutor]:
    """On its workers, for a store in `tmp_path`."""
    with dask_executor(dask_address, locate(tmp_path), [], versions()) as executor:
        yield executor


def kill_the_first_that_builds(address: str) -> str:
    """SIGKILL to one Dask worker that is in the middle of a shard; its nanny starts another."""
    with Client(address, set_as_default=False) as client:
        for _ in range(3000):
            if building := [
                at
                for at, keys in client.processing().items()
                if any(str(key).startswith(("build_shards", "build_piece")) for key in keys)
            ]:
                os.kill(client.run(os.getpid, workers=building[:1])[building[0]], signal.SIGKILL)
                return building[0]
            time.sleep(0.02)
    raise TimeoutError("no worker was seen to build a shard")


def test_a_cluster_gives_the_bytes_of_one_machine_though_a_worker_is_killed(
    built: Path, sample: Path, tmp_path: Path, dask_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DaskExecutor, "has_gpu", lambda *_: False)
    with ThreadPoolExecutor(1) as thread:
        killed = thread.submit(kill_the_first_that_builds, dask_address)
        run_build(tmp_path / "store", {"sample": sample}, "demo", QUICK, dask=dask_address)
        assert killed.result()
    # The half of a shard that the killed one may have left, as the next build would.
    sweep(tmp_path / "store")
    assert contents(tmp_path / "store") == contents(built)


def test_networks_run_where_a_gpu_is_declared_and_the_bytes_stay(
    built: Path,
    sample: Path,
    tmp_path: Path,
    dask_address: str,
    on_gpu_by_openvino: None,
) -> None:
    run_build(tmp_path / "store", {"sample": sample}, "demo", QUICK, dask=dask_address)
    assert contents(tmp_path / "store") == contents(built)
    with Client(dask_address, set_as_default=False) as client:
        prefixes = client.run_on_scheduler(
            lambda dask_scheduler: list(dask_scheduler.task_prefixes)
        )
        assert "encode_shards" in prefixes
        assert {"build_shards", "build_piece"} & set(prefixes)


@pytest.fixture
def on_gpu_by_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks run in the processes for a GPU, though by the engine of processors."""
    networks = _Networks("openvino", on_gpu=True)
    monkeypatch.setattr(_Build, "place_networks", lambda *_: networks)


def test_networks_in_a_process_of_their_own_give_the_same_bytes_and_leave_nothing(
    built: Path, sample: Path, tmp_path: Path, on_gpu_by_openvino: None
) -> None:
    changes = (*QUICK, "features.crops.store=false")
    run_build(tmp_path / "store", {"sample": sample}, "demo", changes, workers=2)
    found, expected = contents(tmp_path / "store"), contents(built)
    shards = {file for file in found if file.startswith("shards/")}
    assert shards == {
        file
        for file in expected
        if file.startswith("shards/") and not file.startswith("shards/crops/")
    }
    assert {file: found[file] for file in shards} == {file: expected[file] for file in shards}


def test_a_gpu_is_asked_for_where_it_is_declared_and_nowhere_else(
    executor: DaskExecutor, dask_address: str
) -> None:
    with pytest.raises(ClusterError, match="declares a GPU, but its torch finds no CUDA device"):
        executor.has_gpu(no_gpu)
    assert executor.has_gpu(a_gpu)
    with (
        Client(dask_address, set_as_default=False) as client,
        executor.pools(lambda _: None, on_gpu=True) as pools,
    ):
        workers = client.scheduler_info()["workers"]
        declared = [at for at, worker in workers.items() if worker["resources"].get("GPU")]
        assert pools.gpu is not None
        assert pools.gpu.call(os.getppid) == client.run(os.getpid)[declared[0]]
        assert pools.gpu.call(os.getenv, "CUDA_VISIBLE_DEVICES") is None
        assert pools.main.call(os.getenv, "CUDA_VISIBLE_DEVICES") == ""


def no_gpu() -> bool:
    return False


def a_gpu() -> bool:
    return True


@pytest.mark.parametrize(
    ("engine", "has_gpu", "expected"),
    [
        ("openvino", None, ("openvino", False)),
        ("auto", True, ("torch", True)),
        ("auto", False, ("openvino", False)),
        ("torch", True, ("torch", True)),
        ("torch", False, ("torch", False)),
    ],
)
def test_networks_are_placed_by_the_recipe_and_by_what_there_is(
    engine: str, has_gpu: bool | None, expected: tuple[str, bool], tmp_path: Path
) -> None:
    class Asked:
        def has_gpu(self, check: object) -> bool:
            assert has_gpu is not None, "nobody needs to know"
            return has_gpu

    location, recipe = locate(tmp_path), load("demo", (f"encode.engine={engine}",))
    builder = ClipTableBuilder()
    builder.add([Found(replace(a_clip(tmp_path / "a.mp4"), sha256="a"), ())])
    plan = make_plan(location, recipe, builder.build({}), NOTHING_COMMITTED)
    build = _Build(location, {}, recipe, NOTHING_COMMITTED, Asked())  # type: ignore[arg-type]
    assert build.place_networks(plan) == _Networks(*expected)


def test_the_executor_of_a_machine_asks_this_process_for_a_gpu() -> None:
    with LocalExecutor(1) as executor:
        assert executor.has_gpu(a_gpu)
        assert not executor.has_gpu(no_gpu)
        with executor.pools(lambda _: None) as pools:
            assert pools.gpu is None


def test_a_clip_that_ends_its_process_is_refused_and_the_workers_live_on(
    executor: DaskExecutor, tmp_path: Path, dask_address: str
) -> None:
    with (
        Client(dask_address, set_as_default=False) as client,
        executor.pools(lambda _: None) as pools,
    ):
        before = set(client.run(os.getpid).values())
        task = crashing_task(tmp_path, tmp_path / "store", [0.2, 0.6])
        records = build_isolated(pools, task, Runtime())
        assert set(client.run(os.getpid).values()) == before
    shard = Shard(locate(tmp_path / "store"), records["fatal"].file)
    assert [entry.clip_id for entry in shard.entries] == ["made/0"]
    assert [(refusal.clip_id, refusal.reason) for refusal in shard.refused] == [
        ("made/1", Reason.CRASHED)
    ]


def test_work_that_ends_one_worker_after_the_other_is_given_up(executor: DaskExecutor) -> None:
    with (
        executor.pools(lambda _: None) as pools,
        pytest.raises(WorkerDied, match="2 Dask workers ended"),
    ):
        pools.main.call(end_the_worker)


def end_the_worker() -> None:
    """Ends the Dask worker that this process belongs to, as the loss of its machine would."""
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)


def test_progress_of_the_workers_is_counted(executor: DaskExecutor) -> None:
    counted: list[float] = []
    with executor.pools(counted.append) as pools:
        for share in (0.5, 0.5, 1):
            pools.main.call(report_progress, share)
        for _ in range(200):
            if sum(counted) == 2:
                return
            pools.main.call(
                report_progress, 0
            )  # what came too late for its own call goes with the next
            time.sleep(0.05)
    pytest.fail(f"of two clips {sum(counted)} were counted")


def test_a_worker_with_another_version_of_a_library_is_one_sentence(
    dask_address: str, tmp_path: Path
) -> None:
    with (
        pytest.raises(UnfitWorker, match=r"worker tcp://.* has numpy .*, not 1\.2\.3 as here"),
        dask_executor(dask_address, locate(tmp_path), [], {"numpy": "1.2.3"}),
    ):
        pass


def test_a_worker_that_does_not_see_the_store_or_a_clip_is_one_sentence(
    dask_address: str, tmp_path: Path
) -> None:
    with (
        pytest.raises(UnfitWorker, match="does not see the clip"),
        dask_executor(dask_address, locate(tmp_path), [tmp_path / "gone.mp4"], {}),
    ):
        pass
    assert list(tmp_path.iterdir()) == []
    with (
        Client(dask_address, set_as_default=False) as client,
        pytest.raises(UnfitWorker, match=f"does not see the store at {tmp_path}"),
    ):
        DaskExecutor(client, requirements(tmp_path), is_local=False).check()


def requirements(store: Path) -> Requirements:
    """Of a store in which the client wrote no file, as far as a worker can see."""
    return Requirements("a build", {}, locate(store), store / "probe", ())


def test_a_scheduler_that_cannot_be_reached_is_one_sentence(tmp_path: Path, sample: Path) -> None:
    sentence = refusal(*build_arguments(tmp_path / "store", sample), "--dask", "tcp://127.0.0.1:9")
    assert "no Dask scheduler answers at tcp://127.0.0.1:9 within 5 s" in sentence
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("where", "sentence"),
    [("local:none", "expected local:N"), ("somewhere", "neither a scheduler's address")],
)
def test_what_is_no_cluster_is_one_sentence(where: str, sentence: str) -> None:
    with pytest.raises(ClusterError, match=sentence):
        reach(where)


def test_a_cluster_of_this_machine_listens_on_loopback_alone_and_ends_with_the_block(
    processes: None,
) -> None:
    before = set(psutil.Process().children(recursive=True))
    with connect("local:2") as client:
        assert sum(client.nthreads().values()) == 2
        started = set(psutil.Process().children(recursive=True)) - before
        sockets = [
            at for process in (psutil.Process(), *started) for at in process.net_connections("inet")
        ]
        assert {at.laddr.ip for at in sockets} == {"127.0.0.1"}
    assert not any(
        process.is_running() and "spawn_main" in " ".join(process.cmdline()) for process in started
    )


def test_a_scheduler_that_is_lost_is_one_sentence(processes: None, tmp_path: Path) -> None:
    file = tmp_path / "scheduler.json"
    scheduler = start(
        "scheduler", "--scheduler-file", file, "--port", 0, "--dashboard-address", "127.0.0.1:0"
    )
    with Client(scheduler_file=str(file), set_as_default=False) as client:
        address = client.scheduler.address
    with connect(address) as client, ThreadPoolExecutor(1) as thread:
        executor = DaskExecutor(client, requirements(tmp_path), is_local=False)
        waiting = thread.submit(executor.wait_for, client.submit(os.getpid))
        scheduler.kill()
        scheduler.wait()
        with pytest.raises(ClusterError, match="the connection to the Dask scheduler was lost"):
            waiting.result(timeout=60)
