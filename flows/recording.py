"""Commands as runs of a Prefect server, where one is configured.

Without one, a command does the same work in its own process, and imports no Prefect.
"""

import contextvars
import importlib
import os
import re
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import ParamSpec, TypeVar, cast

from manifests.given_files import read_file

P = ParamSpec("P")
T = TypeVar("T")

_SERVER = re.compile(r"\bapi\b|api_url", re.IGNORECASE)
"""In a settings file of Prefect: it may name a server."""


def recorded(flow: str, run: Callable[P, T], check: Callable[P, None]) -> Callable[P, T]:
    """Makes of a step what a command calls.

    Args:
        flow: Name of the Prefect flow that does the same, with the same parameters.
        run: What the flow does.
        check: Refuses what `run` refuses before it begins anything; called before a server is
            asked.

    Returns:
        A function that runs the flow on the configured server, or else calls `run`.
    """

    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        url = server_url()
        if url is None:
            done = run(*args, **kwargs)
            _say_how_to_record()
            return done
        check(*args, **kwargs)
        on_server = cast(Callable[P, T], _flow_on_server(url, flow))
        # In the main thread Prefect would take over the signals, and an interrupt would wait for
        # every task.
        with ThreadPoolExecutor(1, thread_name_prefix="flow") as thread:
            context = contextvars.copy_context()
            return thread.submit(lambda: context.run(on_server, *args, **kwargs)).result()

    return call


@cache
def _say_how_to_record() -> None:
    print(
        "no Prefect server is configured, so this run is not recorded "
        "(set PREFECT_API_URL to record runs)",
        file=sys.stderr,
    )


def server_url() -> str | None:
    """The address of the configured Prefect server; Prefect is asked only where there may be one.

    Returns:
        None where no server is configured.
    """
    if not os.environ.get("PREFECT_API_URL") and not any(map(_may_name_a_server, _settings())):
        return None
    from flows.local_server import configured_url

    return configured_url()


def _settings() -> list[Path]:
    """The files that Prefect reads its settings from."""
    home = Path(os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser()
    profiles = Path(os.environ.get("PREFECT_PROFILES_PATH") or home / "profiles.toml")
    return [profiles, Path(".env"), Path("prefect.toml"), Path("pyproject.toml")]


def _may_name_a_server(path: Path) -> bool:
    try:
        text = read_file(path).decode(errors="replace")
    except OSError:
        return False
    return "prefect" in (path.name + text).lower() and bool(_SERVER.search(text))


def _flow_on_server(url: str, flow: str) -> object:
    # What went wrong is the command's to say, in one sentence; the server has the log.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    from flows.local_server import reach

    reach(url)
    return getattr(importlib.import_module(f"flows.{flow}"), flow)
