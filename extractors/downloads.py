"""Fetching a file, while whoever wants to show it is told how far it is."""

import hashlib
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

Watch = Callable[[str, int, int], None]
"""Called with a file's name, the bytes that have come since the last call (0 at the beginning), and
the bytes of the whole file, 0 where the server does not say."""

_TIMEOUT_S = 20.0
_CHUNK = 1 << 20
# No argument of `ensure_weights`, which encoders of other packages have as well.
_watch: ContextVar[Watch] = ContextVar("watch", default=lambda name, new, total: None)


@contextmanager
def watched_downloads(watch: Watch) -> Iterator[None]:
    """Has what is fetched within a block watched.

    Args:
        watch: Is called as the bytes come.

    Yields:
        Nothing.
    """
    token = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(token)


def download(url: str, file: Path) -> str:
    """Fetches a file.

    Args:
        url: One that the code names, never a user.
        file: Where it is to be.

    Returns:
        sha256 of its bytes.

    Raises:
        OSError: It cannot be had; HTTPException too.
    """
    digest, watch = hashlib.sha256(), _watch.get()
    with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response, file.open("wb") as out:  # noqa: S310
        total = int(response.headers.get("Content-Length") or 0)
        watch(file.name, 0, total)
        while chunk := response.read(_CHUNK):
            digest.update(chunk)
            out.write(chunk)
            watch(file.name, len(chunk), total)
    return digest.hexdigest()
