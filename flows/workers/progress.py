"""Progress for people: a bar with a rate and the time left on a terminal, elsewhere some lines."""

import sys
import threading
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

_SECONDS_BETWEEN_LINES = 5.0
"""Also where nothing is done for as long: who waits sees that it goes on."""


class ProgressBar:
    """Counts units of work up to a total; it may be advanced from any thread."""

    _last_line = time.monotonic()
    """Of any bar: the first line of one does not wait anew."""

    def __init__(self, title: str, total: float, unit: str = "clips") -> None:
        """Prepares the bar; it is shown while its block runs.

        Args:
            title: What is being done.
            total: How many units there are to do.
            unit: What they are, in the plural.
        """
        self._title, self._total, self._unit = title, total, unit
        self._done, self._start = 0.0, time.monotonic()
        self._lock, self._is_over = threading.Lock(), threading.Event()
        self._lines: threading.Thread | None = None
        console = Console(stderr=True)
        self._bar = _bar(console) if console.is_terminal else None
        self._task = self._bar.add_task(title, total=total, rate="") if self._bar else None

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        else:
            self._lines = threading.Thread(target=self._print_lines, daemon=True)
            self._lines.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over.set()
        if self._lines:
            self._lines.join()  # so that no line of it comes after what is printed next
        if self._bar and self._task is not None:
            if kind is None:  # the last report of a worker may come too late to be counted
                self._bar.update(self._task, completed=self._total)
            self._bar.stop()

    def advance(self, amount: float) -> None:
        """Counts work that is done.

        Args:
            amount: Units since the last call; work that was lost with a worker is counted twice.
        """
        with self._lock:
            self._done = min(self._total, self._done + amount)
            if self._bar and self._task is not None:
                text = f"{self._rate():.1f} {self._unit}/s"
                self._bar.update(self._task, completed=self._done, rate=text)

    def _rate(self) -> float:
        return self._done / max(1e-9, time.monotonic() - self._start)

    def _print_lines(self) -> None:
        """Prints a line every few seconds, until the block ends."""
        while not self._is_over.wait(self._due_s()):
            if self._due_s() == 0:
                ProgressBar._last_line = time.monotonic()
                self._print_line(self._rate())

    def _due_s(self) -> float:
        return max(0.0, self._last_line + _SECONDS_BETWEEN_LINES - time.monotonic())

    def _print_line(self, rate: float) -> None:
        left = f"{(self._total - self._done) / rate:.0f} s left" if rate else "time left unknown"
        counts = f"{self._done:.0f}/{self._total:.0f} {self._unit}, {rate:.1f} {self._unit}/s"
        print(f"{self._title}: {counts}, {left}", file=sys.stderr)


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
