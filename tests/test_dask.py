"""A build on a Dask cluster: the bytes of one machine, whoever does the work and whoever dies over
it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from distributed import Client

from extractors.base import Runtime
from flows.build import _in_turn, build
from flows.building.commit import versions
from flows.building.isolation import build_guarded
from flows.workers.dask_executor import Cluster, ClusterError, connect, hire, reach
from flows.workers.dask_worker import Terms, Unfit
from flows.workers.executor import Locals, Networks
from flows.workers.pool import WorkerDied, advance
from manifests.quarantine import Reason
from stores.atomic import sweep
from stores.shard import open_shard
from tests.conftest import QUICK
from tests.test_build import contents
from tests.test_command import build_arguments, refusal
from tests.test_guard import task

ROOT = Path(__file__).parents[1]


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
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
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
def cluster(address: str, tmp_path: Path) -> Iterator[Cluster]:
    """Its workers, hired for a store in `tmp_path`."""
    with hire(address, tmp_path, [], versions()) as cluster:
        yield cluster


def kill_the_first_that_builds(address: str) -> str:
    """SIGKILL to one Dask worker that is in the middle of a shard; its nanny starts another."""
    with Client(address, set_as_default=False) as client:
        for _ in range(3000):
            if building := [
                at
                for at, keys in client.processing().items()
                if any("build_shards" in str(key) for key in keys)
            ]:
                os.kill(client.run(os.getpid, workers=building[:1])[building[0]], signal.SIGKILL)
                return building[0]
            time.sleep(0.02)
    raise TimeoutError("no worker was seen to build a shard")


def test_a_cluster_gives_the_bytes_of_one_machine_though_a_worker_is_killed(
    built: Path, sample: Path, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cluster, "networks", lambda *_: Networks("openvino", on_gpu=False))
    with ThreadPoolExecutor(1) as thread:
        killed = thread.submit(kill_the_first_that_builds, address)
        build(tmp_path / "store", {"sample": sample}, "demo", QUICK, dask=address)
        assert killed.result()
    sweep(
        tmp_path / "store"
    )  # the half of a shard that the killed one may have left, as the next build would
    assert contents(tmp_path / "store") == contents(built)


@pytest.mark.slow
def test_networks_run_where_a_gpu_is_declared_and_the_bytes_stay(
    built: Path, sample: Path, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cluster, "networks", lambda *_: Networks("openvino", on_gpu=True))
    build(tmp_path / "store", {"sample": sample}, "demo", QUICK, dask=address)
    assert contents(tmp_path / "store") == contents(built)
    with Client(address, set_as_default=False) as client:
        assert {"build_shards", "encode_shards"} <= set(
            client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.task_prefixes))
        )


def test_networks_in_a_process_of_their_own_give_the_same_bytes_and_leave_nothing(
    built: Path, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Locals, "networks", lambda *_: Networks("openvino", on_gpu=True))
    build(
        tmp_path / "store",
        {"sample": sample},
        "demo",
        (*QUICK, "features.crops.store=false"),
        workers=2,
    )
    found, expected = contents(tmp_path / "store"), contents(built)
    shards = {file for file in found if file.startswith("shards/")}
    assert shards == {
        file
        for file in expected
        if file.startswith("shards/") and not file.startswith("shards/crops/")
    }
    assert {file: found[file] for file in shards} == {file: expected[file] for file in shards}


def test_a_gpu_is_asked_for_where_it_is_declared_and_nowhere_else(
    cluster: Cluster, address: str
) -> None:
    assert cluster.networks("openvino") == Networks("openvino", on_gpu=False)
    with pytest.raises(ClusterError, match="declares a GPU, but its torch finds no CUDA device"):
        cluster.networks("auto")
    with (
        Client(address, set_as_default=False) as client,
        cluster.crews(lambda _: None, on_gpu=True) as crews,
    ):
        declared = [
            at
            for at, worker in client.scheduler_info()["workers"].items()
            if worker["resources"].get("GPU")
        ]
        assert crews.gpu is not None
        assert crews.gpu.call(os.getppid) == client.run(os.getpid)[declared[0]]
        assert crews.gpu.call(os.getenv, "CUDA_VISIBLE_DEVICES") is None
        assert crews.main.call(os.getenv, "CUDA_VISIBLE_DEVICES") == ""


def test_a_clip_that_ends_its_process_is_refused_and_the_workers_live_on(
    cluster: Cluster, tmp_path: Path, address: str
) -> None:
    with Client(address, set_as_default=False) as client, cluster.crews(lambda _: None) as crews:
        before = set(client.run(os.getpid).values())
        records = build_guarded(crews.main, task(tmp_path, [0.2, 0.6]), Runtime())
        assert set(client.run(os.getpid).values()) == before
    shard = open_shard(tmp_path / "store", records["fatal"].file)
    assert [entry.clip_id for entry in shard.entries] == ["made/0"]
    assert [(refusal.clip_id, refusal.reason) for refusal in shard.refused] == [
        ("made/1", Reason.CRASHED)
    ]


@pytest.mark.slow
def test_work_that_ends_one_worker_after_the_other_is_given_up(cluster: Cluster) -> None:
    with (
        cluster.crews(lambda _: None) as crews,
        pytest.raises(WorkerDied, match="2 Dask workers ended"),
    ):
        crews.main.call(end_the_worker)


def end_the_worker() -> None:
    """Ends the Dask worker that this process belongs to, as the loss of its machine would."""
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)


def test_progress_of_the_workers_is_counted(cluster: Cluster) -> None:
    counted: list[float] = []
    with cluster.crews(counted.append) as crews:
        for share in (0.5, 0.5, 1):
            crews.main.call(advance, share)
        for _ in range(200):
            if sum(counted) == 2:
                return
            crews.main.call(advance, 0)  # what came too late for its own call goes with the next
            time.sleep(0.05)
    pytest.fail(f"of two clips {sum(counted)} were counted")


def test_a_worker_with_another_version_of_a_library_is_one_sentence(
    address: str, tmp_path: Path
) -> None:
    with (
        pytest.raises(Unfit, match=r"worker tcp://.* has numpy .*, not 1\.2\.3 as here"),
        hire(address, tmp_path, [], {"numpy": "1.2.3"}),
    ):
        pass


def test_a_worker_that_does_not_see_the_store_or_a_clip_is_one_sentence(
    address: str, tmp_path: Path
) -> None:
    with (
        pytest.raises(Unfit, match="does not see the clip"),
        hire(address, tmp_path, [tmp_path / "gone.mp4"], {}),
    ):
        pass
    assert list(tmp_path.iterdir()) == []
    with (
        Client(address, set_as_default=False) as client,
        pytest.raises(Unfit, match=f"does not see the store at {tmp_path}"),
    ):
        Cluster(client, terms(tmp_path), is_local=False).check()


def terms(store: Path) -> Terms:
    """Of a store in which the client wrote no file, as far as a worker can see."""
    return Terms("a build", {}, store, None, store / "probe", ())


def test_a_scheduler_that_cannot_be_reached_is_one_sentence(tmp_path: Path, sample: Path) -> None:
    told = refusal(*build_arguments(tmp_path / "store", sample), "--dask", "tcp://127.0.0.1:9")
    assert "no Dask scheduler answers at tcp://127.0.0.1:9 within 5 s" in told
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("where", "sentence"),
    [("local:none", "expected local:N"), ("somewhere", "neither a scheduler's address")],
)
def test_what_is_no_cluster_is_one_sentence(where: str, sentence: str) -> None:
    with pytest.raises(ClusterError, match=sentence):
        reach(where)


def test_a_cluster_of_this_machine_listens_on_loopback_alone_and_ends_with_the_block() -> None:
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


def test_a_scheduler_that_is_lost_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "scheduler.json"
    scheduler = start(
        "scheduler", "--scheduler-file", file, "--port", 0, "--dashboard-address", "127.0.0.1:0"
    )
    with Client(scheduler_file=str(file), set_as_default=False) as client:
        address = client.scheduler.address
    with connect(address) as client, ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(
            Cluster(client, terms(tmp_path), is_local=False).wait_for, client.submit(os.getpid)
        )
        scheduler.kill()
        scheduler.wait()
        with pytest.raises(ClusterError, match="the connection to the Dask scheduler was lost"):
            waiting.result(timeout=60)


def test_no_more_parts_are_begun_than_keep_the_workers_busy() -> None:
    at_work: set[int] = set()
    most = 0

    def work(number: int) -> int:
        time.sleep(0.001 * (number % 7))
        at_work.remove(number)
        return number

    def begin(number: int) -> "Future[int]":
        nonlocal most
        at_work.add(number)
        most = max(most, len(at_work))
        return threads.submit(work, number)

    ended: list[int] = []
    with ThreadPoolExecutor(3) as threads:
        _in_turn(begin, range(200), Locals(3), ended.append)
    assert ended == list(range(200))
    assert 4 <= most <= 7


def test_a_part_that_fails_ends_the_others_before_they_begin() -> None:
    begun: list[int] = []

    def begin(number: int) -> "Future[float]":
        begun.append(number)
        return threads.submit(lambda: 1 / (number - 5))

    with ThreadPoolExecutor(2) as threads, pytest.raises(ZeroDivisionError):
        _in_turn(begin, range(1000), Locals(2), lambda _: None)
    assert len(begun) < 30
