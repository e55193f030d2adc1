"""Child processes that end with this one, however it ends.

The parent holds a pipe to the stdin of its child. The child leads a process group of its own, so
that an interrupt from the terminal is for the parent alone, and ends with its whole group when the
pipe closes.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

GRACE_S = 20.0
"""How long a child may take to end what it has begun."""


@contextmanager
def supervised(
    command: Sequence[str], environment: Mapping[str, str]
) -> Iterator["subprocess.Popen[bytes]"]:
    """Runs a child, which calls `when_parent_ends`, while a block runs.

    Args:
        command: Arguments for this interpreter, such as -m and a module.
        environment: Of the child.

    Yields:
        The process.
    """
    process = subprocess.Popen(
        [sys.executable, *command], stdin=subprocess.PIPE, env=environment, process_group=0
    )
    try:
        yield process
    finally:
        if process.stdin:
            process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=GRACE_S)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def when_parent_ends(act: Callable[[], object]) -> None:
    """Has this child end with its parent; all of its group is killed where it does not in time.

    Args:
        act: Called when the parent closes the pipe or has ended; begins the end of this process.
    """

    def listen() -> None:
        sys.stdin.buffer.read()
        act()
        threading.Event().wait(GRACE_S)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=listen, daemon=True).start()
