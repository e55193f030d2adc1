"""Which errors of a step waiting can mend, and how a step is tried again."""

import errno
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

RETRIES = 2
DELAY_S = 5.0
_PASSING = {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.EBUSY}


def may_pass(error: BaseException) -> bool:
    """Whether another try may succeed.

    Args:
        error: What a step raised.

    Returns:
        True for trouble of a disk or network that waiting can mend; a full disk is not.
    """
    return isinstance(error, OSError) and error.errno in _PASSING


def retrying(run: Callable[[], T]) -> T:
    """Runs a step, and again after a while where its error may pass.

    Args:
        run: The step.

    Returns:
        What the step returns.
    """
    for _ in range(RETRIES):
        try:
            return run()
        except Exception as error:
            if not may_pass(error):
                raise
            time.sleep(DELAY_S)
    return run()
