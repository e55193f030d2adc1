"""Progress where nobody sees a bar: a line every few seconds, also where nothing gets done."""

import time

import pytest

from flows.workers import progress
from flows.workers.progress import ProgressBar


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.1)


def test_a_line_comes_though_nothing_gets_done(capfd: pytest.CaptureFixture[str]) -> None:
    with ProgressBar("waiting", 4) as bar:
        bar.advance(1)
        time.sleep(0.55)
    lines = capfd.readouterr().err.splitlines()
    assert 4 <= len(lines) <= 6
    assert lines[-1].startswith("waiting: 1/4 clips, ")
    time.sleep(0.25)
    assert capfd.readouterr().err == "", "it goes on though its block has ended"


def test_a_bar_that_begins_soon_after_another_does_not_wait_anew(
    capfd: pytest.CaptureFixture[str],
) -> None:
    for _ in range(6):
        with ProgressBar("short", 4):
            time.sleep(0.06)
    assert 2 <= len(capfd.readouterr().err.splitlines()) <= 4


def test_what_takes_no_time_has_no_line(capfd: pytest.CaptureFixture[str]) -> None:
    progress.ProgressBar._last_line = time.monotonic()
    with ProgressBar("fast", 4) as bar:
        bar.advance(4)
    assert capfd.readouterr().err == ""
