"""Downloads shown to people, as other work is."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from extractors.downloads import watched_downloads
from flows.workers.progress import ProgressBar
from manifests.visible import visible

_MB = 1e6


@contextmanager
def shown_downloads() -> Iterator[None]:
    """Shows how far each file is that is fetched within a block.

    Yields:
        Nothing.
    """
    with ExitStack() as shown:
        bars: dict[str, ProgressBar] = {}

        def watch(name: str, new: int, total: int) -> None:
            if name not in bars:
                shown.close()  # the bar of the file before
                print(visible(f"fetching {name} ({total / _MB:.0f} MB)"), file=sys.stderr)
                bars[name] = shown.enter_context(ProgressBar(name, total / _MB, "MB"))
            bars[name].advance(new / _MB)

        with watched_downloads(watch):
            yield
