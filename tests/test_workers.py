"""Worker processes: progress comes home, a death stays with its own call, and nobody outlives the
parent."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flows.workers.pool import Crew, WorkerDied, advance


def test_progress_of_every_worker_is_counted() -> None:
    counted: list[float] = []
    with Crew(2, counted.append) as crew, ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda share: crew.call(advance, share), [0.5, 0.5, 1, 1]))
    assert sum(counted) == 3.0


def test_a_worker_that_dies_fails_its_own_call_and_the_next_gets_a_new_one() -> None:
    with Crew(1, lambda _: None) as crew:
        first = crew.call(os.getpid)
        with pytest.raises(WorkerDied):
            crew.call(os._exit, 9)
        assert crew.call(os.getpid) not in {first, os.getpid()}


def test_an_error_in_a_worker_is_the_callers_and_the_worker_lives_on() -> None:
    with Crew(1, lambda _: None) as crew:
        first = crew.call(os.getpid)
        with pytest.raises(ZeroDivisionError):
            crew.call(divmod, 1, 0)
        assert crew.call(os.getpid) == first


def test_workers_end_with_a_parent_that_is_killed() -> None:
    code = (
        "import os, time\nfrom flows.workers.pool import Crew\n"
        "if __name__ == '__main__':\n"
        "    crew = Crew(1, lambda _: None)\n"
        "    print(crew.call(os.getpid), flush=True)\n"
        "    crew.call(time.sleep, 60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for _ in range(100):
        if not _alive(worker):
            return
        time.sleep(0.1)
    os.kill(worker, 9)
    pytest.fail("the worker outlived its parent by ten seconds")


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
