"""What tests ask a Prefect server, and `affectstore serve` as they start it."""

import contextlib
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.commands import Command, living_in_session, options, wait_for

ENDED = ("COMPLETED", "FAILED", "CANCELLED", "CRASHED")
NEVER = "0 0 1 1 *"
"""A clock that does not strike during a test."""


@dataclass(frozen=True)
class Server:
    """A Prefect server."""

    url: str

    def ask(self, path: str, body: object = None, method: str | None = None) -> Any:
        """The answer as JSON; GET without a body. Asked again, as Prefect's own client does, where
        the database is busy."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        for _ in range(20):
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return json.loads(answer.read() or b"null")
            except urllib.error.HTTPError as error:
                if error.code != 503:
                    raise
            time.sleep(0.5)
        raise AssertionError(f"the server is too busy to answer {path}")

    def runs_of(self, words: str) -> list[Any]:
        """The runs whose state has a message that begins with these words, newest first."""
        runs = self.ask("/flow_runs/filter", {"sort": "START_TIME_DESC"})
        return [run for run in runs if (run["state"]["message"] or "").startswith(words)]

    def tasks(self, run: str) -> list[Any]:
        """The task runs of a run."""
        return list(self.ask("/task_runs/filter", {"flow_runs": {"id": {"any_": [run]}}}))

    def pages(self, key: str) -> list[str]:
        """The artifacts of a key, newest first."""
        wanted = {"artifacts": {"key": {"any_": [key]}}, "sort": "CREATED_DESC"}
        return [page["data"] for page in self.ask("/artifacts/filter", wanted)]

    def log(self, run: str) -> list[str]:
        """The messages of a run."""
        wanted = {"logs": {"flow_run_id": {"any_": [run]}}, "sort": "TIMESTAMP_ASC"}
        return [line["message"] for line in self.ask("/logs/filter", wanted)]


@dataclass(frozen=True)
class Served:
    """A running `affectstore serve`."""

    server: Server
    process: "subprocess.Popen[str]"
    log: Path
    name: str

    @property
    def deployment(self) -> Any:
        return self.server.ask(f"/deployments/name/build/{self.name}")

    def start(self, **parameters: object) -> str:
        """A run by hand -> its id."""
        asked = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        path = f"/deployments/{self.deployment['id']}/create_flow_run"
        return str(self.server.ask(path, asked)["id"])

    def state(self, run: str, kinds: Sequence[str] = ENDED) -> Any:
        """The state of a run, once it is one of these."""

        def look() -> Any:
            state = self.server.ask(f"/flow_runs/{run}")["state"]
            return state if state["type"] in kinds else None

        return wait_for(look, 90)

    def strike_every(self, seconds: float) -> None:
        """Gives the deployment another clock, as one may on the pages of the server."""
        path = f"/deployments/{self.deployment['id']}/schedules"
        self.server.ask(path, [{"active": True, "schedule": {"interval": seconds}}])

    def scheduled_run(self, words: str) -> Any:
        """The first run that a clock has started and that has ended with such words."""

        def look() -> Any:
            wanted = {
                "deployments": {"id": {"any_": [self.deployment["id"]]}},
                "flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}},
                "sort": "EXPECTED_START_TIME_ASC",
            }
            runs = self.server.ask("/flow_runs/filter", wanted)
            said = [run for run in runs if run["state"]["message"].startswith(words)]
            return next((run for run in said if run["auto_scheduled"]), None)

        return wait_for(look, 120)

    @property
    def pages_at(self) -> str:
        """The address of the server that the command has brought up, as it has printed it."""
        (line,) = [
            line for line in self.log.read_text().splitlines() if line.startswith("its pages are")
        ]
        return line.rpartition(" ")[2]


@contextlib.contextmanager
def serving(
    command: Command,
    server: Server | None,
    folder: Path,
    *given: object,
    words: str = "waiting for the next build",
    **more: str | None,
) -> Iterator[Served]:
    """`affectstore serve`, from these words of its log until an interrupt; leaves no process.

    `folder` holds its log, and what Prefect keeps on this machine. `more` is its environment.
    """
    folder.mkdir(exist_ok=True)
    log = folder / "log"
    environment = {
        "PREFECT_HOME": str(folder),
        "PREFECT_RUNNER_POLL_FREQUENCY": "2",
        **({"PREFECT_API_URL": server.url} if server else {}),
        **more,
    }
    with log.open("wb") as out:
        process = command.start("serve", *given, environment=environment, stdout=out, stderr=out)
    try:
        wait_for(lambda: process.poll() is not None or words in log.read_text(), 120)
        assert process.poll() is None, log.read_text()
        yield Served(server or Server(""), process, log, log.read_text().partition(":")[0])
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)  # to the whole group, as a terminal does
        process.wait(timeout=60)
        wait_for(lambda: not living_in_session(process.pid), 60)


def to_serve(
    store: Path,
    corpus: str,
    recipe: Path | str,
    cron: str = NEVER,
    changes: Sequence[str] = (),
    workers: int = 2,
) -> list[object]:
    """Arguments of `affectstore serve`."""
    where = ["--store", store, "--corpus", corpus, "--cron", cron, "--workers", workers]
    return [recipe, *where, *options(*changes)]
