"""A headless Chromium that opens a page and says what came of it, by its DevTools protocol."""

import base64
import itertools
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_START_S, _ANSWER_S, _QUIET_S = 30.0, 30.0, 0.5


@dataclass
class Page:
    """What a browser did when it opened a page."""

    complaints: list[str] = field(default_factory=list)
    """Errors and warnings of the console, and exceptions."""
    requests: list[str] = field(default_factory=list)
    """Addresses that it asked for, but for the page's own file and pictures that lie in it."""
    texts: str = ""
    """What a person reads."""
    overflow_px: int = 0
    """By how much the page is wider than its window."""
    elements: dict[str, int] = field(default_factory=dict)
    """How many of each element there are."""


def program() -> str:
    """The browser of this machine; skips the test where there is none."""
    found = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if found is None:
        pytest.skip("there is no Chromium on this machine, which opens the report")
    return found


def open_page(file: Path, width_px: int, picture: Path | None = None) -> Page:
    """Opens a file in a window of some width; `picture` becomes a PNG of the whole page."""
    with _started(program()) as address, connect(address, max_size=None) as socket:
        session = _Session(socket)
        for domain in ("Page", "Runtime", "Log", "Network"):
            session.ask(f"{domain}.enable")
        session.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width_px, height=900, deviceScaleFactor=1, mobile=width_px < 600,
        )  # fmt: skip
        session.ask("Page.navigate", url=file.as_uri())
        session.listen_until("Page.loadEventFired")
        session.listen_for(_QUIET_S)
        page = session.page(file.as_uri())
        if picture is not None:
            shot = session.ask("Page.captureScreenshot", captureBeyondViewport=True)
            picture.write_bytes(base64.b64decode(shot["data"]))
        return page


@contextmanager
def _started(browser: str) -> Iterator[str]:
    """The address of the one tab of a browser with a profile of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        options += ["--no-first-run", "--disable-background-networking", "--disable-sync"]
        process = subprocess.Popen(
            [
                *(browser, *options, f"--user-data-dir={profile}"),
                *("--remote-debugging-port=0", "--remote-allow-origins=*", "about:blank"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield _tab(Path(profile) / "DevToolsActivePort")
        finally:
            process.terminate()
            process.wait()


def _tab(file: Path) -> str:
    import urllib.request

    end = time.monotonic() + _START_S
    while not (file.exists() and "\n" in file.read_text()):
        assert time.monotonic() < end, "Chromium did not start"
        time.sleep(0.05)
    port = int(file.read_text().split("\n")[0])
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=_ANSWER_S) as answer:
        tabs = json.load(answer)
    return str(next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page"))


class _Session:
    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._numbers = socket, itertools.count(1)
        self.events: list[dict[str, Any]] = []

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(_ANSWER_S))
            if message.get("id") == number:
                assert "result" in message, message
                result: dict[str, Any] = message["result"]
                return result
            self.events.append(message)

    def listen_until(self, method: str) -> None:
        while all(event["method"] != method for event in self.events):
            self.events.append(json.loads(self._socket.recv(_ANSWER_S)))

    def listen_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                self.events.append(json.loads(self._socket.recv(left)))
            except TimeoutError:
                return

    def evaluate(self, code: str) -> Any:
        return self.ask("Runtime.evaluate", expression=code, returnByValue=True)["result"]["value"]

    def page(self, own: str) -> Page:
        page = Page(
            texts=self.evaluate("document.body.innerText"),
            overflow_px=self.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            ),
            elements=self.evaluate(
                "[...document.querySelectorAll('*')].reduce((n, e) => "
                "(n[e.localName] = (n[e.localName] || 0) + 1, n), {})"
            ),
        )
        for event in self.events:
            given = event.get("params", {})
            if event["method"] == "Log.entryAdded":
                page.complaints.append(given["entry"]["text"])
            elif event["method"] in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
                page.complaints.append(json.dumps(given))
            elif event["method"] == "Network.requestWillBeSent":
                url = given["request"]["url"]
                if url != own and not url.startswith("data:"):
                    page.requests.append(url)
        return page
