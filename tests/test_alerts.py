"""A build by the clock that fails says so to the address that its user has named, and to nobody."""

import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from flows.alerts import ALERT, WrongAddress, check_address, send
from flows.serve import serve
from tests.support.commands import Command, refusal, wait_for
from tests.support.media_made import write
from tests.support.prefect_server import Server, serving, to_serve

SOUND_ALONE = """\
[features.audio]
extractor = "audio"
[features.mfcc]
extractor = "mfcc"
"""


@dataclass
class Hook:
    """A server on loopback that takes alerts."""

    url: str
    code: int = 200
    taken: list[bytes] = field(default_factory=list)

    @property
    def words(self) -> list[dict[str, str]]:
        return [json.loads(body) for body in self.taken]


@pytest.fixture
def hook() -> Iterator[Hook]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.taken.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(found.code)
            self.send_header("Location", f"{found.url}/elsewhere")
            self.end_headers()

        def do_GET(self) -> None:
            raise AssertionError("a redirect was followed")

        def log_message(self, *given: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Hook(f"http://127.0.0.1:{server.server_port}/hook")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield found
        server.shutdown()
        thread.join()


def test_a_word_has_the_schedule_and_its_ending_and_nothing_else(
    hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ALERT, hook.url)
    assert send("store-demo-1a2b", "failed")
    assert hook.words == [
        {
            "text": "affectstore: store-demo-1a2b failed; its log says why",
            "schedule": "store-demo-1a2b",
            "ending": "failed",
        }
    ]


def test_without_an_address_nothing_is_sent_or_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv(ALERT, raising=False)
    assert not send("store-demo-1a2b", "failed")
    assert caplog.messages == []


@pytest.mark.parametrize("code", [302, 404, 500])
def test_an_alert_that_is_not_taken_is_a_line_without_the_address_and_follows_no_redirect(
    code: int, hook: Hook, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(ALERT, hook.url)
    hook.code = code
    with caplog.at_level(logging.WARNING, "affectstore"):
        assert not send("store-demo-1a2b", "failed")
    assert caplog.messages == [f"the alert was not taken: {code}; see AFFECTSTORE_ALERT or --alert"]
    assert len(hook.taken) == 1


@pytest.mark.parametrize(
    "address", ["127.0.0.1:9", "file:///etc/passwd", "ftp://x/y", "http://", "x"]
)
def test_what_is_no_address_of_the_web_is_refused_first(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(WrongAddress, match="expected one such as https://hooks"):
        check_address(address)
    monkeypatch.setenv(ALERT, address)
    with pytest.raises(WrongAddress):
        serve(tmp_path / "s", {"folder": tmp_path}, "demo", (), "* * * * *", None, None)
    given = to_serve(tmp_path / "s", f"folder={tmp_path}", "demo")
    assert refusal("serve", *given, "--alert", address).startswith("affectstore: --alert is not an")


def test_a_nightly_build_that_fails_says_so_and_one_that_succeeds_does_not(
    prefect_server: Server, command: Command, hook: Hook, tmp_path: Path
) -> None:
    clips, recipe = tmp_path / "clips", tmp_path / "sound.toml"
    clips.mkdir()
    write(clips / "anna.wav", frames=0, audio_s=0.5, rate_hz=16000)
    recipe.write_text(SOUND_ALONE, encoding="utf-8")
    given = [*to_serve(tmp_path / "store", f"folder={clips}", recipe), "--alert", hook.url]
    with serving(command, prefect_server, tmp_path / "home", *given) as served:
        assert served.state(served.start())["type"] == "COMPLETED"
        (clips / "anna.wav").unlink()
        assert served.state(served.start())["type"] == "FAILED"
        wait_for(lambda: hook.taken, 30)
        assert [(word["schedule"], word["ending"]) for word in hook.words] == [
            (served.name, "failed")
        ]
        assert all(b"anna" not in body for body in hook.taken)


def test_a_build_whose_process_is_killed_says_so(
    prefect_server: Server, command: Command, hook: Hook, sample: Path, tmp_path: Path
) -> None:
    import psutil

    given = [*to_serve(tmp_path / "store", f"sample={sample}", "demo"), "--alert", hook.url]
    with serving(command, prefect_server, tmp_path / "home", *given) as served:
        run = served.start()
        wait_for(lambda: list((tmp_path / "store").rglob("*.h5")), 90)
        (engine,) = [
            process
            for process in psutil.Process(served.process.pid).children(recursive=True)
            if "prefect.flow_engine" in process.cmdline() or "prefect.engine" in process.cmdline()
        ]
        engine.kill()
        assert served.state(run)["type"] == "CRASHED"
        wait_for(lambda: hook.taken, 60)
        assert [(word["schedule"], word["ending"]) for word in hook.words] == [
            (served.name, "crashed")
        ]
