"""The command affectstore, which notes in a folder what it does when.

    python -m benchmarks.timed FOLDER build STORE ...

    <folder>/<pid>    lines of what was done, and when it began and ended: `flow`, or `work`, a
                      worker's on one call

The flow begins when Prefect is up and the code is imported. Work is what a worker does of a shard
or of a piece of one; joining pieces is none.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from extractors.base import Runtime
from flows.building.shard_task import ShardTask, build_shards
from stores.records import ShardRecord

_FOLDER = "AFFECTSTORE_TIMES"


@contextmanager
def noted(what: str) -> Iterator[None]:
    begun = time.time()
    try:
        yield
    finally:
        with (Path(os.environ[_FOLDER]) / str(os.getpid())).open("a") as notes:
            notes.write(f"{what} {begun} {time.time()}\n")


def build_noted(task: ShardTask, runtime: Runtime) -> dict[str, ShardRecord]:
    """`build_shards`, in a worker."""
    with noted("work"):
        return build_shards(task, runtime)


def spans(folder: Path) -> dict[str, list[tuple[float, float]]]:
    """What was noted: begin and end in seconds, by what was done."""
    found: dict[str, list[tuple[float, float]]] = {}
    for line in (line for file in folder.iterdir() for line in file.read_text().splitlines()):
        what, begun, ended = line.split()
        found.setdefault(what, []).append((float(begun), float(ended)))
    return found


def main() -> None:
    os.environ[_FOLDER] = sys.argv.pop(1)
    from benchmarks.timed import build_noted as named  # under the name by which a worker finds it
    from flows import __main__ as command
    from flows.building import isolation, run

    def aside(flow: Callable[[], Any]) -> Any:
        with noted("flow"):
            return in_thread(flow)

    in_thread = run._aside
    vars(run)["_aside"], vars(isolation)["build_shards"] = aside, named
    command.main()


if __name__ == "__main__":
    main()
