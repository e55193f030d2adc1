"""Executors and worker processes: progress comes home, a death stays with its own call, steps keep
their order, and nobody outlives the parent."""

import errno
import gc
import os
import pickle
import resource
import signal
import socket
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from multiprocessing import active_children
from pathlib import Path
from types import ModuleType

import psutil
import pytest

import flows.workers.pool
import flows.workers.retries
from flows.workers import fork_server
from flows.workers.deaths import Cause, WorkerDied
from flows.workers.executor import Step, run_in_order
from flows.workers.local_executor import LocalExecutor
from flows.workers.pool import PoolClosed, ProcessPool
from flows.workers.rights import give_up_network
from flows.workers.worker import report_progress, working_on
from tests.support.commands import Python, is_alive, wait_for
from tests.support.crashing import crash
from tests.support.hanging import hang


def ignore(amount: float) -> None:
    """Of progress nobody wants to know."""


@pytest.fixture
def one_worker(processes: None) -> Iterator[ProcessPool]:
    with closing(ProcessPool(1, ignore)) as pool:
        yield pool


def test_progress_of_every_worker_is_counted(processes: None) -> None:
    counted: list[float] = []
    with closing(ProcessPool(2, counted.append)) as pool, ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda share: pool.call(report_progress, share), [0.5, 0.5, 1, 1]))
    assert sum(counted) == 3.0


def test_a_worker_that_dies_fails_its_own_call_and_the_next_gets_a_new_one(
    one_worker: ProcessPool,
) -> None:
    first = one_worker.call(os.getpid)
    with pytest.raises(WorkerDied, match="the last it wrote was: native code: out of luck"):
        one_worker.call(crash)
    assert one_worker.call(os.getpid) not in {first, os.getpid()}


def test_what_a_worker_leaves_in_the_temporary_folder_goes_with_it(processes: None) -> None:
    with closing(ProcessPool(1, ignore)) as pool:
        first = Path(pool.call(tempfile.mkdtemp))
        assert first.is_dir()
        with pytest.raises(WorkerDied):
            pool.call(crash)
        second = Path(pool.call(tempfile.mkdtemp))
        assert not first.parent.exists()
    assert not second.parent.exists()


def test_an_error_in_a_worker_is_the_callers_and_the_worker_lives_on(
    one_worker: ProcessPool,
) -> None:
    first = one_worker.call(os.getpid)
    with pytest.raises(ZeroDivisionError):
        one_worker.call(divmod, 1, 0)
    assert one_worker.call(os.getpid) == first


def test_a_call_that_waits_for_a_worker_when_the_pool_is_closed_is_refused(
    processes: None,
) -> None:
    pool = ProcessPool(1, ignore)
    with ThreadPoolExecutor(2) as threads:
        running = threads.submit(pool.call, time.sleep, 1.0)
        wait_for(running.running, 5)
        time.sleep(0.1)
        waiting = threads.submit(pool.call, os.getpid)
        pool.close()
        assert running.result() is None
        with pytest.raises(PoolClosed, match="ended before this part"):
            waiting.result()


def test_workers_end_with_a_parent_that_is_killed(python: Python) -> None:
    code = (
        "import os, subprocess, time\nfrom flows.workers.pool import ProcessPool\n"
        "if __name__ == '__main__':\n"
        "    pool = ProcessPool(1, lambda _: None)\n"
        "    print(pool.call(os.getpid), flush=True)\n"
        "    pool.call(time.sleep, 60)\n"
    )
    parent = python.start("-c", code, stdout=-1)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    wait_for(lambda: not is_alive(worker), 10)


def test_a_worker_that_hangs_ends_though_its_parent_was_killed(python: Python) -> None:
    # It holds the interpreter, so that no thread of it can see that the parent is gone.
    code = (
        "import os\nfrom flows.workers.pool import ProcessPool\n"
        "from tests.support.hanging import hang\n"
        "if __name__ == '__main__':\n"
        "    pool = ProcessPool(1, lambda _: None)\n"
        "    print(pool.call(os.getpid), flush=True)\n"
        "    pool.call(hang, 'a/clip', 3.0)\n"
    )
    parent = python.start("-c", code, stdout=-1)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    time.sleep(1.0)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    time.sleep(1.0)
    assert is_alive(worker)
    wait_for(lambda: not is_alive(worker), 30)


def test_workers_are_the_same_for_all_stages_of_a_flow(processes: None) -> None:
    counted: list[float] = []
    with LocalExecutor(1) as executor:
        with executor.pools(counted.append) as pools:
            first = pools.main.call(os.getpid)
            pools.main.call(report_progress, 1)
        with executor.pools(ignore, on_gpu=True) as pools:
            assert pools.main.call(os.getpid) == first
            assert pools.gpu is not None
            assert pools.gpu.call(os.getpid) != first
    assert sum(counted) == 1
    wait_for(lambda: not is_alive(first), 10)


# The process that workers are forked from


def imported(*names: str) -> tuple[int, list[str]]:
    """The parent of this worker, and which of some modules it had before this call."""
    return os.getppid(), [name for name in names if name in sys.modules]


def settings() -> tuple[str | None, object, int]:
    return os.environ.get("OMP_NUM_THREADS"), signal.getsignal(signal.SIGINT), gc.get_freeze_count()


@pytest.fixture
def forking(processes: None) -> Iterator[LocalExecutor]:
    with LocalExecutor(1, modules=("no_such_library", "wave")) as executor:
        yield executor


def test_workers_are_forked_from_a_process_that_has_imported_what_they_need(
    forking: LocalExecutor,
) -> None:
    with forking.pools(ignore) as pools:
        server, found = pools.main.call(imported, "wave", "sndhdr")
        assert found == ["wave"]
        assert server != os.getpid()
        threads, interrupt, frozen = pools.main.call(settings)
        assert (threads, interrupt) == ("1", signal.SIG_IGN)
        assert frozen > 1000  # no search for garbage makes their pages copies
        with pytest.raises(WorkerDied, match="SIGSEGV") as died:
            pools.main.call(end_by, signal.SIGSEGV)
        assert died.value.cause is Cause.CRASHED
        assert pools.main.call(imported, "wave")[0] == server
        os.kill(server, signal.SIGKILL)
        wait_for(lambda: not is_alive(server), 5)
        other, found = pools.main.call_alone(10, imported, "wave")
        assert (other != server, found) == (True, ["wave"])


def is_left_of_an_item() -> bool:
    """Whether an object that refers to itself outlives the item that it was made for."""
    with working_on("item", 10, 1000):
        made = ModuleType("made")
        made.itself = made  # type: ignore[attr-defined]
        seen = weakref.ref(made)
        del made
    return seen() is not None


def test_a_worker_lets_go_of_what_refers_to_itself_when_an_item_ends(
    forking: LocalExecutor,
) -> None:
    with forking.pools(ignore) as pools:
        assert not pools.main.call(is_left_of_an_item)


def test_a_process_that_cannot_be_forked_is_no_fault_of_the_work(processes: None) -> None:
    modules = ("tests.support.ends_when_imported",)
    with LocalExecutor(1, modules=modules) as executor, executor.pools(ignore) as pools:
        with pytest.raises(WorkerDied, match="ended before there was a worker") as died:
            pools.main.call(os.getpid)
        assert died.value.cause is Cause.KILLED


def test_no_process_is_left_of_a_run_and_the_time_of_its_workers_is_counted(
    processes: None,
) -> None:
    before = used_s()
    with LocalExecutor(2, modules=("wave",)) as executor, executor.pools(ignore) as pools:
        server, _ = pools.main.call(imported)
        pools.main.call(be_busy, 1.0)
    assert not is_alive(server)
    assert used_s() - before >= 1.0


def used_s() -> float:
    """Processor time of all processes that were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def be_busy(seconds: float) -> None:
    while time.process_time() < seconds:
        pass


def test_the_process_ends_with_its_last_user_though_it_is_still_importing(processes: None) -> None:
    fork_server.start(["tests.support.slow_import"])
    fork_server.start([])
    fork_server.stop()
    [server] = [
        child for child in psutil.Process().children() if "forkserver" in " ".join(child.cmdline())
    ]
    begun = time.monotonic()
    fork_server.stop()
    assert not server.is_running()
    assert time.monotonic() - begun < 20


# Limits


def grow(name: str, step_mb: float, most_mb: float) -> int:
    """Takes memory step by step."""
    with working_on(name, 60, 400):
        held: list[bytearray] = []
        while step_mb * len(held) < most_mb:
            held.append(bytearray(os.urandom(1024)) * int(step_mb * 1000))
            time.sleep(0.1)
        return len(held)


_held: list[bytes] = []


def hold(size_mb: int) -> int:
    """Takes memory that the process keeps."""
    _held.append(os.urandom(1000) * (1000 * size_mb))
    return size_mb


def be_patient(seconds: float, steps: int) -> int:
    with working_on("slow", seconds, 1000) as may_take:
        for _ in range(steps):
            time.sleep(0.5)
            may_take(seconds)
    time.sleep(1.0)
    return steps


def test_a_worker_that_hangs_over_an_item_is_ended_though_it_never_looks_at_the_clock(
    one_worker: ProcessPool,
) -> None:
    begun = time.monotonic()
    with pytest.raises(WorkerDied, match="took longer than it may and was ended") as died:
        one_worker.call(hang, "a/clip", 0.5)
    assert (died.value.cause, died.value.item) == (Cause.TIME, "a/clip")
    assert time.monotonic() - begun < 20
    assert one_worker.call(os.getpid)


def test_a_worker_that_takes_too_much_memory_over_an_item_is_ended(
    one_worker: ProcessPool,
) -> None:
    with pytest.raises(WorkerDied, match="took more memory than it may") as died:
        one_worker.call(grow, "a/clip", 50, 5000)
    assert (died.value.cause, died.value.item) == (Cause.MEMORY, "a/clip")


def test_what_a_worker_takes_between_and_after_its_items_is_not_held_against_them(
    one_worker: ProcessPool,
) -> None:
    assert one_worker.call(grow, "a/clip", 10, 50) == 5
    assert one_worker.call(hold, 500) == 500
    assert one_worker.call(grow, "another/clip", 10, 50) == 5
    assert one_worker.call(be_patient, 0.0, 12) == 12
    one_worker.call(time.sleep, 1.0)


def refuse_memory() -> None:
    raise MemoryError


def test_memory_that_is_not_to_be_had_ends_the_worker(one_worker: ProcessPool) -> None:
    with pytest.raises(WorkerDied) as died:
        one_worker.call(refuse_memory)
    assert died.value.cause is Cause.MEMORY


def end_by(number: int) -> None:
    with working_on("a/clip", 60, 2000):
        os.kill(os.getpid(), number)
        time.sleep(60)


@pytest.mark.parametrize(
    ("number", "cause", "how"),
    [
        (signal.SIGKILL, Cause.KILLED, "signal 9 (SIGKILL)"),
        (signal.SIGTERM, Cause.KILLED, "signal 15 (SIGTERM)"),
        (signal.SIGSEGV, Cause.CRASHED, "signal 11 (SIGSEGV)"),
        (signal.SIGABRT, Cause.CRASHED, "signal 6 (SIGABRT)"),
    ],
)
def test_a_crash_is_told_from_a_kill(
    one_worker: ProcessPool, number: int, cause: Cause, how: str
) -> None:
    with pytest.raises(WorkerDied) as died:
        one_worker.call(end_by, number)
    found = pickle.loads(pickle.dumps(died.value))
    assert (found.cause, found.how, found.item) == (cause, how, "a/clip")
    assert str(found) == str(died.value)


def test_a_call_alone_has_a_process_of_its_own_that_ends_with_it(one_worker: ProcessPool) -> None:
    first = one_worker.call(os.getpid)
    alone = one_worker.call_alone(100, os.getpid)
    wait_for(lambda: not is_alive(alone), 10)
    assert len({first, alone, one_worker.call(os.getpid)}) == 3
    with pytest.raises(WorkerDied, match="SIGSEGV") as died:
        one_worker.call_alone(100, end_by, signal.SIGSEGV)
    assert died.value.cause is Cause.CRASHED


def test_without_memory_to_spare_no_end_of_a_process_is_held_against_its_work(
    one_worker: ProcessPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flows.workers.pool, "wait_for_memory", lambda memory_mb: False)
    with pytest.raises(WorkerDied, match="less memory than 100 MB to spare") as died:
        one_worker.call_alone(100, end_by, signal.SIGSEGV)
    assert died.value.cause is Cause.KILLED


def test_a_worker_that_is_killed_between_two_calls_fails_none(one_worker: ProcessPool) -> None:
    first = one_worker.call(os.getpid)
    os.kill(first, signal.SIGKILL)
    # Until it is waited for: a thread of it may be there after its first one has ended.
    wait_for(lambda: first not in {child.pid for child in active_children()}, 10)
    assert one_worker.call(os.getpid) != first


def test_what_cannot_be_pickled_is_the_callers_error_and_the_worker_lives_on(
    one_worker: ProcessPool,
) -> None:
    first = one_worker.call(os.getpid)
    with pytest.raises((AttributeError, pickle.PicklingError)):
        one_worker.call(lambda: None)
    with pytest.raises(TypeError, match="cannot pickle"):
        one_worker.call(threading.Lock)
    assert one_worker.call(os.getpid) == first


# Rights


def reach(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def ids_and_a_file(folder: Path) -> tuple[int, int]:
    (folder / "made").write_text("as before")
    return os.geteuid(), os.getegid()


def test_a_worker_without_the_network_reaches_nothing_and_writes_as_before(
    processes: None, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with closing(ProcessPool(1, ignore)) as pool:
            assert pool.call(reach, port)
        with closing(ProcessPool(1, ignore)) as pool:
            if not pool.call_alone(1, give_up_network):
                pytest.skip("this system lets no process give up its network")
        with closing(ProcessPool(1, ignore, offline=True)) as pool:
            assert not pool.call(reach, port)
            assert pool.call(ids_and_a_file, tmp_path) == (os.geteuid(), os.getegid())
        assert (tmp_path / "made").stat().st_uid == os.geteuid()


# Steps


def steps(run_one: object, count: int) -> Iterator[Step[int]]:
    for number in range(count):
        yield Step("work", str(number), lambda number=number: run_one(number))  # type: ignore[misc, operator]


def test_no_more_steps_are_begun_than_keep_the_workers_busy_and_results_keep_their_order() -> None:
    running, most, lock = 0, 0, threading.Lock()

    def work(number: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.001 * (number % 7))
        with lock:
            running -= 1
        return number

    with LocalExecutor(3) as executor:
        assert list(run_in_order(executor, steps(work, 200))) == list(range(200))
    assert 4 <= most <= 7


def test_a_step_that_fails_ends_the_others_before_they_begin() -> None:
    begun: list[int] = []

    def work(number: int) -> float:
        begun.append(number)
        return 1 / (number - 5)

    with pytest.raises(ZeroDivisionError), LocalExecutor(2) as executor:
        list(run_in_order(executor, steps(work, 1000)))
    assert len(begun) < 30


def test_a_step_is_tried_again_where_waiting_may_help_and_not_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(flows.workers.retries, "DELAY_S", 0.0)
    tries = {errno.ETIMEDOUT: 0, errno.ENOSPC: 0}

    def work(number: int) -> int:
        tries[number] += 1
        if tries[number] < 3:
            raise OSError(number, os.strerror(number))
        return number

    with LocalExecutor(1) as executor:
        passing = executor.submit(Step("work", "passing", lambda: work(errno.ETIMEDOUT)))
        assert passing.result() == errno.ETIMEDOUT
        full = executor.submit(Step("work", "full", lambda: work(errno.ENOSPC)))
        with pytest.raises(OSError, match="No space left"):
            full.result()
    assert tries == {errno.ETIMEDOUT: 3, errno.ENOSPC: 1}
