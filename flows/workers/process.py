"""A worker process as its parent has it: calls go in, and it is ended where it takes too much.

The parent trusts no worker to look at the clock: a regular expression or a decoder may never come
back. The process says what it is on and until when (`working_on`); whoever waits for its answer
looks ten times a second at the time and at the memory that the kernel counts for it.
"""

import ctypes
import os
import pickle
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

import psutil

from flows.workers.deaths import Cause, WorkerDied, cause_of
from flows.workers.fork_server import worker_context
from flows.workers.worker import Item, serve

Advance = Callable[[float], None]
"""Takes how many units of work, such as clips, are done since the last call."""

_LOOK_S = 0.05
_ENDING_S = 5.0
"""How long a process that was killed may take to be gone; one that waits for a disk may not go."""
_ROOM_S = 60.0
_MB = 1e6


class WorkerProcess:
    """One process, which takes one call at a time.

    Pipes of its own rather than queues that it shares: a killed writer would keep a queue's lock.
    """

    def __init__(self, advance: Advance, hide_gpus: bool, offline: bool) -> None:
        """Starts the process.

        Args:
            advance: Called with the progress that it reports.
            hide_gpus: It finds no CUDA device.
            offline: It reaches no network, where the system lets it give that up.

        Raises:
            WorkerDied: It could not be forked, most often since memory ran out.
        """
        context = worker_context()
        self._calls, calls = context.Pipe()
        self._events, events = context.Pipe(duplex=False)
        self._stderr, stderr = context.Pipe(duplex=False)
        self._until = context.RawValue(ctypes.c_double, 0.0)
        self._advance, self._text = advance, b""
        self._item: Item | None = None
        self._memory_at_first_mb = 0.0
        self._ended_for: Cause | None = None
        self.is_busy = False
        """A call was begun, and its answer has not come: the process can take no other one."""
        # Of its own, so that a killed process leaves nothing there.
        self._temporary = tempfile.TemporaryDirectory(
            prefix="affectstore-", ignore_cleanup_errors=True
        )
        given = (calls, events, stderr, self._until, self._temporary.name, hide_gpus, offline)
        self._process = context.Process(target=serve, args=given, daemon=True)
        try:
            self._process.start()
        except (EOFError, ConnectionError) as error:
            for end in (self._calls, self._events, self._stderr, calls, events, stderr):
                end.close()
            self._temporary.cleanup()
            message = "the process that workers are forked from ended before there was a worker"
            raise WorkerDied(message, Cause.KILLED, "an end that could not be seen") from error
        self._seen = psutil.Process(self._process.pid)
        for end in (calls, events, stderr):
            end.close()  # so that the pipes end with the process

    @property
    def is_alive(self) -> bool:
        """Whether the process is there."""
        return self._process.is_alive()

    def call(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Has the process call a function, and waits.

        Args:
            work: A function that can be pickled.
            *args: Its arguments.
            **kwargs: Its keyword arguments.

        Returns:
            What the function returned.

        Raises:
            WorkerDied: The process ended before it answered, by itself or since it took too much.
        """
        call = pickle.dumps((work, args, kwargs))
        self.is_busy = True
        try:
            self._calls.send_bytes(call)
            while not self._calls.poll():
                self._listen(_LOOK_S)
                self._hold_to_limits()
            answer = self._calls.recv_bytes()
        except (EOFError, OSError) as error:
            raise self._death() from error
        self.is_busy = False
        self._listen(0)
        # From a process of ours, which runs what this one sends.
        is_returned, value, trace = pickle.loads(answer)  # noqa: S301
        if is_returned:
            return value
        if isinstance(value, MemoryError):
            raise self._dead(Cause.MEMORY, "MemoryError") from value
        value.add_note(f"in a worker process:\n{trace}")
        raise value

    def _listen(self, timeout: float) -> None:
        """Takes in what the process has said; waits for it, but no longer than that."""
        pipes: list[Connection[Any, Any]] = [self._calls, self._events, self._stderr]
        sources = [pipe for pipe in pipes if not pipe.closed]
        while ready := set(wait(sources, timeout)):
            if self._stderr in ready and not self._read_stderr():
                sources.remove(self._stderr)
            if self._events in ready and not self._read_event():
                sources.remove(self._events)
            if self._calls in ready and not ready - {self._calls}:
                return
            timeout = 0

    def _read_stderr(self) -> bool:
        text = os.read(self._stderr.fileno(), 4096)
        self._text = (self._text + text)[-4096:]
        return bool(text)

    def _read_event(self) -> bool:
        try:
            event = self._events.recv()
        except (EOFError, OSError):
            return False
        if isinstance(event, float | int):
            self._advance(event)
        else:
            self._item = event
            self._memory_at_first_mb = self._memory_mb() if event else 0.0
        return True

    def _hold_to_limits(self) -> None:
        until = self._until.value
        if until and time.monotonic() > until:
            self._end_for(Cause.TIME)
        elif self._item and self._memory_mb() > self._most_memory_mb(self._item):
            self._end_for(Cause.MEMORY)

    def _most_memory_mb(self, item: Item) -> float:
        # What the process held before is no fault of the item.
        return max(item.memory_mb, self._memory_at_first_mb + item.memory_mb / 2)

    def _memory_mb(self) -> float:
        with suppress(psutil.Error):
            return float(self._seen.memory_info().rss) / _MB
        return 0.0

    def _end_for(self, cause: Cause) -> None:
        self._ended_for = self._ended_for or cause
        self.kill()

    def kill(self) -> None:
        """Ends the process at once, and those that it has started."""
        with suppress(psutil.Error):
            for child in self._seen.children(recursive=True):
                child.kill()
        self._process.kill()
        self._process.join(_ENDING_S)
        self._temporary.cleanup()
        if self._process.is_alive():  # it waits for a disk; nobody waits for it
            self._calls.close()

    def _death(self) -> WorkerDied:
        if self._ended_for is None:
            self._process.join(_ENDING_S)
        self._listen(0)
        cause, how = cause_of(self._process.exitcode)
        return self._dead(self._ended_for or cause, how)

    def _dead(self, cause: Cause, how: str) -> WorkerDied:
        self.is_busy = True  # it takes no other call
        item = self._item.name if self._item else None
        on = f" while it was on {item}" if item else " in the middle of its work"
        why = {
            Cause.CRASHED: f"ended ({how}){on}",
            Cause.KILLED: f"was ended from outside ({how}){on}, most often because memory ran out",
            Cause.TIME: f"took longer than it may and was ended{on}",
            Cause.MEMORY: f"took more memory than it may and was ended{on}",
        }[cause]
        last = self.last_line()
        return WorkerDied(
            f"a worker process {why}; the last it wrote was: {last}", cause, how, item
        )

    def last_line(self) -> str:
        """The last line of the process's stderr, native code's too.

        Returns:
            The line; "nothing" where there is none.
        """
        lines = [line.strip() for line in self._text.decode(errors="replace").splitlines()]
        return next((line for line in reversed(lines) if line), "nothing")

    def close(self, wait_for_work: bool) -> None:
        """Ends the process; one in the middle of a call is killed.

        Args:
            wait_for_work: Wait until it has ended.
        """
        if self.is_busy:
            self.kill()
        for end in (self._calls, self._events, self._stderr):
            end.close()
        if wait_for_work:
            self._process.join()
        self._temporary.cleanup()


def wait_for_memory(memory_mb: float) -> bool:
    """Waits a while until this machine has memory to spare.

    Args:
        memory_mb: How much, in units of 1e6 bytes; of a small machine, half of what it has at most.

    Returns:
        Whether it has.
    """
    wanted = min(memory_mb, psutil.virtual_memory().total / _MB / 2)
    end = time.monotonic() + _ROOM_S
    while psutil.virtual_memory().available / _MB < wanted:
        if time.monotonic() > end:
            return False
        time.sleep(1.0)
    return True
