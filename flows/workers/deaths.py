"""How a worker process may end before its call is done, and what that says of its work."""

import signal
from enum import StrEnum


class Cause(StrEnum):
    """Why a worker process ended in the middle of a call."""

    CRASHED = "crashed"
    """By itself, as native code does that fails; most often the work is to blame."""
    KILLED = "killed"
    """From outside, as when the kernel runs out of memory; it says nothing of the work."""
    TIME = "time"
    """The pool ended it, since an item took longer than it may."""
    MEMORY = "memory"
    """The pool ended it, since an item took more memory than it may; or none was to be had."""


class WorkerDied(RuntimeError):
    """A worker process ended during a call: killed, out of memory, or a crash in native code."""

    def __init__(
        self, message: str, cause: Cause = Cause.KILLED, how: str = "", item: str | None = None
    ) -> None:
        """Says how a worker process ended.

        Args:
            message: What happened, in words.
            cause: Why it ended.
            how: The end itself, such as `signal 11 (SIGSEGV)`, to compare one end with another.
            item: What it was on, as it had said by `working_on`; None where it had not said.
        """
        super().__init__(message)
        self.message, self.cause, self.how, self.item = message, cause, how, item

    def __reduce__(self) -> tuple[type["WorkerDied"], tuple[str, Cause, str, str | None]]:
        return type(self), (self.message, self.cause, self.how, self.item)


_FROM_OUTSIDE = {
    signal.SIGKILL,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGXCPU,
}
"""What nobody raises within a process but on purpose."""


def cause_of(exit_code: int | None) -> tuple[Cause, str]:
    """Tells a crash from a kill.

    Args:
        exit_code: Of a process as multiprocessing gives it: below 0 the number of a signal; None
            where it is not known.

    Returns:
        The cause, and the end in words.
    """
    if exit_code is None:
        return Cause.KILLED, "an end that could not be seen"
    if exit_code >= 0:
        return Cause.CRASHED, f"exit code {exit_code}"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        return Cause.CRASHED, f"signal {-exit_code}"
    cause = Cause.KILLED if -exit_code in _FROM_OUTSIDE else Cause.CRASHED
    return cause, f"signal {-exit_code} ({name})"
