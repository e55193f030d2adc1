"""A build that is killed loses nothing that was finished, and the next one ends with the same
bytes."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from stores.atomic import files_below
from stores.verify import verify
from tests.support.commands import Command, build_arguments
from tests.support.store_files import contents


def files_in(store: Path) -> int:
    """Files of any kind: temporary ones, pieces, shards, tables, snapshots."""
    return sum(1 for _ in files_below(store))


def kill_when(process: "subprocess.Popen[str]", store: Path, files: int, after_s: float) -> bool:
    """SIGKILL to the process and its workers some time after the store has so many files; False
    when it ended before that."""
    while process.poll() is None:
        if files_in(store) >= files:
            time.sleep(after_s)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return process.returncode == -signal.SIGKILL
        time.sleep(0.002)
    return False


@pytest.mark.parametrize(
    ("more", "least_kills"),
    [
        pytest.param(25, 2, id="at some points"),
        pytest.param(10, 5, id="at many points", marks=pytest.mark.long),
    ],
)
def test_a_killed_build_ends_with_the_bytes_of_an_undisturbed_one(
    built: Path, sample: Path, tmp_path: Path, command: Command, more: int, least_kills: int
) -> None:
    store, kills = tmp_path / "store", 0
    arguments = [*build_arguments(store, sample, corpus="sample"), "--workers", 2]
    for number in range(len(contents(built))):
        process = command.start(*arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # Each round waits for so many files more than are there, pieces among them, and then for
        # another moment inside the next write.
        if not kill_when(process, store, files_in(store) + more, after_s=0.01 * (number % 5)):
            break
        kills += 1
        dataset = store / "dataset.json"
        assert not dataset.exists() or verify(store).problems == []
    assert process.wait() == 0
    assert kills >= least_kills
    assert verify(store).problems == []
    assert contents(store) == contents(built)
