"""Runs a command and watches what its processes take: time, processor time and memory (Linux: it
reads /proc).

A process whose parent ends before it comes to the one that measures, and its processor time is
counted too: fork servers and their like are no place to hide work.
"""

import ctypes
import os
import resource
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_EVERY_S = 0.2
_SET_CHILD_SUBREAPER = 36
"""Of prctl(2): orphans below this process become its children."""
_ORPHANS_END_S = 60.0


@dataclass
class Run:
    seconds: float = 0.0
    cpu_s: float = 0.0
    """Processor time of all its processes: unlike `seconds`, the same beside other work on the
    machine."""
    peak_mb: dict[str, float] = field(default_factory=dict)
    """Greatest resident memory of one process, by its part: `main`, `worker` or `other`."""


class CommandFailed(RuntimeError):
    """A measured command ended with an error; its own words follow."""


def run(command: Sequence[str | Path], log: Path) -> Run:
    """Wait for a command, whose output goes to `log`. CommandFailed when it fails."""
    watched = Run()
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1)
    not_ours = {*_children(os.getpid())}
    begun, used_s = time.perf_counter(), _children_cpu_s()
    with (
        log.open("w") as output,
        subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as process,
    ):
        while True:
            for top in {*_children(os.getpid())} - not_ours:
                for pid in (top, *_descendants(top)):
                    _note_peak(watched.peak_mb, pid, is_main=pid == process.pid)
            try:
                process.wait(_EVERY_S)
                break
            except subprocess.TimeoutExpired:
                continue
    watched.seconds = time.perf_counter() - begun
    _wait_for({*_children(os.getpid())} - not_ours)
    watched.cpu_s = _children_cpu_s() - used_s
    if process.returncode:
        raise CommandFailed(
            f"{' '.join(map(str, command))} ended with exit code "
            f"{process.returncode}:\n{log.read_text()[-2000:]}"
        )
    return watched


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _note_peak(peak_mb: dict[str, float], pid: int, *, is_main: bool) -> None:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return  # it has just ended
    is_worker = b"spawn_main" in words or b"forkserver" in words  # new, or forked
    part = "main" if is_main else "worker" if is_worker else "other"
    for line in status.splitlines():
        if line.startswith("VmHWM"):  # the peak so far, so that rare looks are enough
            peak_mb[part] = max(peak_mb.get(part, 0.0), int(line.split()[1]) / 1024)


def _wait_for(orphans: set[int]) -> None:
    """Until these have ended: they do so by themselves once the command is gone."""
    gives_up = time.monotonic() + _ORPHANS_END_S
    while orphans and time.monotonic() < gives_up:
        orphans = {pid for pid in orphans if os.waitpid(pid, os.WNOHANG)[0] == 0}
        time.sleep(0.01)


def _children(pid: int) -> list[int]:
    try:
        return [
            int(word)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for word in (task / "children").read_text().split()
        ]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _descendants(pid: int) -> Iterator[int]:
    for child in _children(pid):
        yield child
        yield from _descendants(child)
