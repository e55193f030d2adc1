"""Work that never ends, for worker processes."""

import re

from flows.workers.worker import working_on


def hang(name: str, seconds: float) -> None:
    """Never returns, holds the interpreter's lock, and looks at no clock."""
    with working_on(name, seconds, 1000):
        re.match(r"(?:<!--.*?-->\s*)*x", "<!---->" * 40 + "y", re.DOTALL)
