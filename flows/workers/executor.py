"""Who does the work of a build: the processes of this machine, or the workers of a Dask cluster."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from extractors.engines import resolve
from flows.workers.pool import AnyCrew, Crew

Advance = Callable[[float], None]
"""Hears of the clips that are done."""


@dataclass(frozen=True)
class Networks:
    engine: str
    """`torch`, `openvino`, or `none` where no network is to run."""
    on_gpu: bool


@dataclass(frozen=True)
class Crews:
    main: AnyCrew
    gpu: AnyCrew | None
    """For networks alone, where they run on a GPU; None where they run beside the decoders."""


class Staff(Protocol):
    @property
    def hands(self) -> int:
        """How many calls are worked on at once."""
        ...

    def networks(self, wanted: str) -> Networks:
        """Where and on what networks run, for the engine that a recipe wants."""
        ...

    def crews(self, advance: Advance, on_gpu: bool = False) -> AbstractContextManager[Crews]:
        """The crews for one stage of a build."""
        ...


class Locals:
    """Processes of this machine, the same for all stages: so many that decode, and one for the GPU
    where networks run on one."""

    def __init__(self, workers: int) -> None:
        self.hands = workers
        self._advance: Advance = _unheard
        self._main, self._gpu = Crew(workers, self._hear), Crew(1, self._hear)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for crew in (self._main, self._gpu):
            crew.close(patiently=kind is None)

    def networks(self, wanted: str) -> Networks:
        engine = resolve(wanted)
        return Networks(engine, on_gpu=engine == "torch" and finds_cuda())

    @contextmanager
    def crews(self, advance: Advance, on_gpu: bool = False) -> Iterator[Crews]:
        self._advance = advance
        try:
            yield Crews(self._main, self._gpu if on_gpu else None)
        finally:
            self._advance = _unheard

    def _hear(self, clips: float) -> None:
        self._advance(clips)


def _unheard(clips: float) -> None:
    """Between two stages nobody counts."""


def finds_cuda() -> bool:
    """Whether torch finds a CUDA device in this process; imports torch."""
    return resolve("auto") == "torch"
