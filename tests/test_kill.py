"""A build that is killed loses nothing that was finished, and the next one ends with the same
bytes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stores.atomic import files_below
from stores.verify import verify
from tests.conftest import QUICK
from tests.test_build import contents


def start(store: Path, sample: Path) -> "subprocess.Popen[bytes]":
    changes = [part for change in QUICK for part in ("--set", change)]
    command = [
        sys.executable,
        "-m",
        "flows",
        "build",
        str(store),
        "--corpus",
        f"sample={sample}",
        "--recipe",
        "demo",
        "--workers",
        "2",
    ]
    return subprocess.Popen(
        [*command, *changes],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def files_in(store: Path) -> int:
    """Files of any kind: temporary ones, shards, tables, snapshots."""
    return sum(1 for _ in files_below(store))


def kill_when(process: "subprocess.Popen[bytes]", store: Path, files: int, after_s: float) -> bool:
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


@pytest.mark.slow
def test_a_build_killed_at_many_points_ends_with_the_bytes_of_an_undisturbed_one(
    built: Path, sample: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    whole, kills = len(contents(built)), 0
    for number in range(whole):
        process = start(store, sample)
        # Each round waits for ten files more than are there, pieces among them, and then for
        # another moment inside the next write.
        if not kill_when(process, store, files_in(store) + 10, after_s=0.01 * (number % 5)):
            break
        kills += 1
        dataset = store / "dataset.json"
        assert not dataset.exists() or verify(store).problems == []
    assert process.wait() == 0
    assert kills >= 5
    assert verify(store).problems == []
    assert contents(store) == contents(built)
