"""A build in this process, whose extractors a test may replace."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flows.building.commit import BuildResult
from flows.building.run import run_build
from flows.workers.executor import Executor, Pools, Step

RECIPE = """
clips_per_shard = 2
[features.audio]
extractor = "audio"
store = true
[features.logmel]
extractor = "logmel"
n_mels = 20
[features.frames]
extractor = "frames"
size = 8
store = true
"""


class _Calls:
    """A pool without a process."""

    def call(self, work: Callable[..., Any], *args: Any, **named: Any) -> Any:
        return work(*args, **named)


class InProcess(Executor):
    """Runs every step in this process."""

    workers = 1

    def has_gpu(self, check: Callable[[], bool]) -> bool:
        return False

    @contextmanager
    def pools(self, advance: Callable[[float], None], on_gpu: bool = False) -> Iterator[Pools]:
        yield Pools(_Calls(), None)

    def submit(self, step: Step[Any]) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            future.set_result(step.run())
        except Exception as error:
            future.set_exception(error)
        return future


def build_here(store: Path, folder: Path, *changes: str) -> BuildResult:
    """Builds sound, log-mel and small frames of a folder."""
    recipe = store.parent / "small.toml"
    recipe.write_text(RECIPE)
    return run_build(
        store,
        {"folder": folder},
        str(recipe),
        ("max_bad_fraction=1.0", *changes),
        workers=1,
        wrap=lambda _: InProcess(),
    )
