"""Progress for people: a bar with a rate and the time left on a terminal, a line now and then
elsewhere."""

import sys
import threading
import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

_SECONDS_BETWEEN_LINES = 15.0


class Meter:
    """Counts clips up to `total`; safe to advance from any thread."""

    def __init__(self, title: str, total: float) -> None:
        self._title, self._total = title, total
        self._done, self._start, self._last_line = 0.0, time.monotonic(), time.monotonic()
        self._lock = threading.Lock()
        console = Console(stderr=True)
        self._bar = _bar(console) if console.is_terminal else None
        self._task = self._bar.add_task(title, total=total, rate="") if self._bar else None

    def __enter__(self) -> "Meter":
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar and self._task is not None:
            if kind is None:
                self._bar.update(
                    self._task, completed=self._total
                )  # the last word of a worker may come too late to be counted
            self._bar.stop()

    def advance(self, clips: float) -> None:
        with self._lock:
            self._done = min(
                self._total, self._done + clips
            )  # work that was lost with a worker is done, and counted, twice
            if self._bar and self._task is not None:
                self._bar.update(self._task, completed=self._done, rate=f"{self.rate:.1f} clips/s")
            elif time.monotonic() - self._last_line > _SECONDS_BETWEEN_LINES:
                self._last_line = time.monotonic()
                left = (
                    f"{(self._total - self._done) / self.rate:.0f} s left"
                    if self._done
                    else "time left unknown"
                )
                print(
                    f"{self._title}: {self._done:.0f}/{self._total:.0f} clips, {self.rate:.1f} "
                    f"clips/s, {left}",
                    file=sys.stderr,
                )

    @property
    def rate(self) -> float:
        """Clips a second since the start."""
        return self._done / max(1e-9, time.monotonic() - self._start)


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=console,
    )
