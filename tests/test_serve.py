"""Builds by the clock, against a real Prefect server on loopback, and on the local engine where
there is none."""

import contextlib
import inspect
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from filelock import FileLock

import flows.build
import flows.local_server
from flows.audit import audit
from flows.build import build
from flows.building.commit import Result
from flows.building.plan import BuildError, Plan, StoreBusy, make_plan
from flows.fit import fit
from flows.local_server import EngineError, engine
from flows.serve import ServeError, Service, deployment, local_zone, next_times, serve
from flows.split import split
from flows.view.run_summary import Work, outcome, page, slug
from manifests.audits import ALL_FOLDS, Finding, Severity
from manifests.corpora.catalog import CorpusNotFound
from manifests.quarantine import QUARANTINE, Quarantined
from stores import FeatureStore
from stores.snapshot import Snapshot, load_snapshot
from stores.verify import verify
from tests.conftest import QUICK, write
from tests.test_build import contents
from tests.test_offline import GUARD

ROOT = Path(__file__).parents[1]
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "CRASHED")
SOUND_ALONE = """\
[features.audio]
extractor = "audio"
[features.mfcc]
extractor = "mfcc"
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "sound.toml"
    path.write_text(SOUND_ALONE, encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(3):
        add_clip(tmp_path / "clips", f"clip{number}")
    return tmp_path / "clips"


def add_clip(folder: Path, name: str) -> None:
    folder.mkdir(exist_ok=True)
    write(folder / f"{name}.wav", frames=0, audio_s=0.5, rate_hz=16000)


# --- what is told
# ---------------------------------------------------------------------------------------------------------------------


def a_snapshot(number: int = 7) -> Snapshot:
    counts = {"clips": 9, "stored": 20, "quarantined": 7, "shards": 4, "shard_bytes": 2_500_000}
    return Snapshot(number, number - 1, {"name": "demo"}, {}, {}, {}, counts, {}, {}, {})


NOTHING_LOST = QUARANTINE.build([])


def test_a_run_that_built_says_how_much_and_one_that_did_not_says_so() -> None:
    built, idle = Result(a_snapshot(), True, 3, False), Result(a_snapshot(), False, 0, False)
    assert (
        outcome("/data/S", built, Work(12, 5.6))
        == "snapshot 7 of /data/S: 12 clips computed in 6 s, 3 new shards"
    )
    assert outcome("/data/S", Result(a_snapshot(), True, 1, True), Work(1, 0.2)) == (
        "snapshot 7 of /data/S: 1 clip computed in 0 s, 1 new shard; its folds no longer fit and "
        "were left out, split it again"
    )
    assert (
        outcome("/data/S", idle, Work(0, 0.2)) == "nothing new: /data/S is up to date, snapshot 7"
    )
    assert "Nothing new: /data/S is up to date" in page(
        "/data/S", idle, Work(0, 0.2), NOTHING_LOST, []
    )


def test_the_page_counts_clips_and_features_by_reason() -> None:
    lost = [
        Quarantined("a/1", "mfcc", "no_audio", "x"),
        Quarantined("a/1", "logmel", "no_audio", "x"),
        Quarantined("a/2", "mfcc", "no_audio", "x"),
    ]
    text = page(
        "/data/s", Result(a_snapshot(), True, 3, False), Work(12, 6.0), QUARANTINE.build(lost), []
    )
    assert "| no_audio | 2 | logmel, mfcc |" in text
    assert "| throughput | 2.0 clips/s |" in text
    assert "| stored (clips x features) | 20 |" in text
    assert "[/data/s/snapshots/000007.json](file:///data/s/snapshots/000007.json)" in text
    assert "no folds to audit" in text


def test_the_page_names_the_findings_of_each_scheme_and_survives_pipes() -> None:
    findings = [
        Finding("L1", Severity.ERROR, "mine", 0, "subject", 2, "a\nb", "2 subjects | on two sides"),
        Finding("L2", Severity.HELD, "mine", ALL_FOLDS, "take", 0, "", "no take on two sides"),
        *(
            Finding("L3", Severity.WARN, "other", fold, "clip", 1, "a", "one clip")
            for fold in range(40)
        ),
    ]
    text = page("/s", Result(a_snapshot(), True, 3, False), Work(12, 6.0), NOTHING_LOST, findings)
    assert "- mine: audit: errors L1; 1 rules held" in text
    assert "| L1 | error | mine | 0 | 2 | 2 subjects \\| on two sides |" in text
    assert "and 11 more" in text


def test_a_store_behind_a_url_is_linked_by_its_url() -> None:
    text = page(
        "s3://bucket/store", Result(a_snapshot(), True, 3, False), Work(1, 1.0), NOTHING_LOST, []
    )
    assert "](s3://bucket/store/snapshots/000007.json)" in text


@pytest.mark.parametrize(("name", "key"), [("My Störe_2", "my-st-re-2"), ("---", "store")])
def test_any_name_gives_a_key_that_prefect_takes(name: str, key: str) -> None:
    assert slug(name) == key


# --- what is refused before anything is started
# ---------------------------------------------------------------------------------------


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    def started(schedules: bool = False) -> None:
        raise AssertionError("an engine was started")

    monkeypatch.setattr("flows.serve.engine", started)


def test_a_bad_cron_expression_is_refused_first(
    no_engine: None, folder: Path, recipe: Path, tmp_path: Path
) -> None:
    for cron in ("61 * * * *", "every night", "* * *", ""):
        with pytest.raises(ServeError, match="is not a cron expression; expected minute"):
            serve(tmp_path / "s", {"folder": folder}, str(recipe), (), cron, None, None)
    assert not (tmp_path / "s").exists()


def test_an_unknown_corpus_or_an_empty_folder_is_refused_first(
    no_engine: None, folder: Path, recipe: Path, tmp_path: Path
) -> None:
    with pytest.raises(BuildError, match="no corpus 'ravdes'"):
        serve(tmp_path / "s", {"ravdes": folder}, str(recipe), (), "* * * * *", None, None)
    with pytest.raises(CorpusNotFound, match="does not exist"):
        serve(
            tmp_path / "s",
            {"folder": tmp_path / "nowhere"},
            str(recipe),
            (),
            "* * * * *",
            None,
            None,
        )


def test_no_handler_that_raises_is_set_before_the_engine_is_up(
    monkeypatch: pytest.MonkeyPatch, folder: Path, recipe: Path, tmp_path: Path
) -> None:
    # Raised in the middle of one of its imports, an interrupt can come out of it as another error.
    def starting(schedules: bool = False) -> None:
        assert [signal.getsignal(number) for number in kinds] == before
        raise EngineError("it has been seen")

    kinds = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in kinds]
    monkeypatch.setattr("flows.serve.engine", starting)
    with pytest.raises(EngineError, match="it has been seen"):
        serve(tmp_path / "s", {"folder": folder}, str(recipe), (), "* * * * *", None, None)


def test_the_command_refuses_an_unknown_recipe_with_one_sentence_and_exit_code_2(
    folder: Path, tmp_path: Path
) -> None:
    command = [
        sys.executable,
        "-m",
        "flows",
        "serve",
        "dmo",
        "--store",
        str(tmp_path / "s"),
        "--corpus",
        f"folder={folder}",
        "--cron",
        "* * * * *",
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("affectstore: there is no recipe 'dmo': did you mean demo?")
    assert len(done.stderr.splitlines()) == 1


def test_a_server_that_does_not_answer_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}),
        pytest.raises(
            EngineError,
            match=r"no Prefect server answers at PREFECT_API_URL=http://127\.0\.0\.1:9/api within 5 s; start",
        ),
        engine(),
    ):
        pass


# --- names, times, deployments
# --------------------------------------------------------------------------------------------------------


def a_service(store: str = "/data/My store", recipe: str = "/etc/sound.toml") -> Service:
    return Service(
        store,
        {"folder": "/data/clips"},
        recipe,
        ("clips_per_shard=4",),
        "0 3 * * *",
        "Europe/Berlin",
        2,
        None,
    )


def test_a_deployment_is_named_by_store_and_recipe_and_two_stores_of_one_name_stay_apart() -> None:
    assert a_service().name.startswith("my-store-sound-")
    assert a_service("/other/My store").name != a_service().name


def test_the_next_times_are_of_the_zone_that_is_named() -> None:
    first, second, _ = next_times("30 3 * * *", "Europe/Berlin")
    assert (first.hour, first.minute) == (3, 30)
    assert second.date() - first.date() == timedelta(days=1)
    assert first.utcoffset() in {timedelta(hours=1), timedelta(hours=2)}


def test_the_zone_is_the_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert local_zone() == "Asia/Tokyo"
    monkeypatch.setenv("TZ", "Mars/Olympus")
    assert local_zone() != "Mars/Olympus"


def test_the_deployment_runs_alone_by_a_module_path_and_its_parameters_are_described() -> None:
    made = deployment(a_service())
    assert made.entrypoint == "flows.build.build"
    assert made.concurrency_limit == 1
    assert str(made.concurrency_options.collision_strategy).endswith("CANCEL_NEW")  # type: ignore[union-attr]
    assert made.parameters["changes"] == ("clips_per_shard=4",)
    schema = made._parameter_openapi_schema
    assert "ravdess" in schema.properties["corpora"]["propertyNames"]["enum"]
    assert all(schema.properties[name]["description"] for name in made.parameters)


def test_every_deployment_of_prefect_yaml_is_a_flow_by_a_module_path_that_takes_its_parameters() -> (
    None
):
    from prefect import Flow
    from prefect.flows import load_flow_from_entrypoint

    told = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))
    assert [one["name"] for one in told["deployments"]] == ["nightly", "split", "fit", "audit"]
    for one in told["deployments"]:
        assert "/" not in one["entrypoint"]
        flow = load_flow_from_entrypoint(one["entrypoint"])
        assert isinstance(flow, Flow)
        assert sys.modules[flow.fn.__module__].__file__ == str(ROOT / "flows" / f"{flow.name}.py")
        inspect.signature(flow.fn).bind(**one["parameters"])
        flow.validate_parameters(one["parameters"])


def test_importing_the_flows_starts_no_process_and_opens_no_connection() -> None:
    code = """
import platform, sys
platform.processor()  # which some library asks of `uname`
def refuse(event, arguments):
    if event in {"subprocess.Popen", "os.fork", "os.posix_spawn", "socket.connect", "socket.bind", "socket.getaddrinfo"}:
        print(event, arguments)
sys.addaudithook(refuse)
import flows.serve, flows.build, flows.split, flows.fit, flows.audit
print("imported")
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
        check=True,
    )
    assert done.stdout.split() == ["imported"], done.stdout


# --- the flow
# -------------------------------------------------------------------------------------------------------------------------


def test_a_clip_that_arrives_while_a_build_runs_waits_for_the_next(
    engine: None, folder: Path, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plan_and_another_clip(*arguments: Any) -> Plan:
        add_clip(folder, "late")
        return make_plan(*arguments)

    store = tmp_path / "store"
    with monkeypatch.context() as patch:
        patch.setattr(flows.build, "make_plan", plan_and_another_clip)
        build(store, {"folder": folder}, str(recipe), (), 1)
    assert sorted(FeatureStore(store).clips()["clip_id"]) == [
        "folder/clip0",
        "folder/clip1",
        "folder/clip2",
    ]
    assert verify(store).problems == []
    before = contents(store)
    assert build(store, {"folder": folder}, str(recipe), (), 1).shards_written == 1
    assert "folder/late" in FeatureStore(store)["mfcc"]
    assert all(
        contents(store)[file] == digest
        for file, digest in before.items()
        if file.startswith("shards/")
    )


@pytest.mark.parametrize("name", ["build", "split", "fit"])
def test_a_run_on_a_store_that_is_being_written_to_ends_cancelled_and_raises_for_who_called_it(
    engine: None, folder: Path, recipe: Path, tmp_path: Path, name: str
) -> None:
    store = tmp_path / "store"
    run: Callable[..., Any] = {
        "build": partial(build, store, {"folder": folder}, str(recipe), (), 1),
        "split": partial(split, store, "subject_kfold"),
        "fit": partial(fit, store, "subject_kfold"),
    }[name]
    store.mkdir()
    with FileLock(store / ".lock"):
        state = run(return_state=True)
        assert state.is_cancelled()
        assert str(state.message).startswith("another build or split is writing")
        with pytest.raises(StoreBusy):
            run()


def test_a_run_that_asks_for_what_is_not_there_fails_with_a_sentence(
    engine: None, tmp_path: Path
) -> None:
    for state in (
        split(tmp_path, "subject_kfold", return_state=True),
        audit([tmp_path], return_state=True),
    ):
        assert state.is_failed()
        assert "holds no committed store" in str(state.message)
        assert "\n" not in str(state.message)


# --- a real server
# --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Server:
    url: str

    def ask(self, path: str, body: object = None) -> Any:
        """The answer as JSON; GET without a body. Asked again, as Prefect's own client does, where
        the database is busy."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.url + path, data, {"Content-Type": "application/json"}
        )
        for _ in range(20):
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return json.loads(answer.read() or b"null")
            except urllib.error.HTTPError as error:
                if error.code != 503:
                    raise
            time.sleep(0.5)
        raise AssertionError(f"the server is too busy to answer {path}")


@dataclass(frozen=True)
class Served:
    """A running `affectstore serve`."""

    server: Server
    process: "subprocess.Popen[bytes]"
    log: Path
    name: str

    @property
    def deployment(self) -> Any:
        return self.server.ask(f"/deployments/name/build/{self.name}")

    def start(self, **parameters: object) -> str:
        asked = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        return str(
            self.server.ask(f"/deployments/{self.deployment['id']}/create_flow_run", asked)["id"]
        )

    def state(self, run: str, kinds: Sequence[str] = ENDED) -> Any:
        """The state of a run, once it is one of these."""
        return wait_for(
            lambda: (
                s if (s := self.server.ask(f"/flow_runs/{run}")["state"])["type"] in kinds else None
            ),
            60,
        )

    def scheduled_runs(self) -> list[Any]:
        """Runs that the clock has started and that are completed, oldest first."""
        wanted = {
            "deployments": {"id": {"any_": [self.deployment["id"]]}},
            "flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}},
        }
        runs = self.server.ask("/flow_runs/filter", {**wanted, "sort": "EXPECTED_START_TIME_ASC"})
        return [run for run in runs if run["auto_scheduled"]]


def wait_for(look: Callable[[], Any], seconds: float) -> Any:
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(0.2)
    return found


def environment(**more: str) -> dict[str, str]:
    """Without what other tests have set for Prefect."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")
    }
    return {
        **inherited,
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_RUNNER_POLL_FREQUENCY": "2",
        **more,
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`prefect server start`, as its users start it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    home = tmp_path_factory.mktemp("server")
    command = [
        sys.executable,
        "-m",
        "prefect",
        "server",
        "start",
        "--host",
        "127.0.0.1",
        "--port",
        port,
    ]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env=environment(PREFECT_HOME=str(home)),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        found = Server(f"http://127.0.0.1:{port}/api")
        wait_for(lambda: process.poll() is not None or _answers(found), 90)
        yield found
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=20)


def _answers(server: Server) -> bool:
    with contextlib.suppress(OSError):
        return bool(server.ask("/health"))
    return False


@contextlib.contextmanager
def serving(
    server: Server | None,
    home: Path,
    store: Path,
    corpus: str,
    recipe: Path | str,
    cron: str,
    changes: Sequence[str] = (),
    words: str = "waiting for the next build",
    workers: int = 2,
    **more: str,
) -> Iterator[Served]:
    """`affectstore serve`, from these words of its log until an interrupt; leaves no process."""
    options = ["--store", str(store), "--corpus", corpus, "--cron", cron, "--workers", str(workers)]
    options += [part for change in changes for part in ("--set", change)]
    home.mkdir(exist_ok=True)
    log = home / "log"
    where = {"PREFECT_API_URL": server.url} if server else {}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows", "serve", str(recipe), *options],
            env=environment(PREFECT_HOME=str(home), **where, **more),
            stdout=out,
            stderr=out,
            cwd=ROOT,
            start_new_session=True,
        )
    try:
        wait_for(lambda: process.poll() is not None or words in log.read_text(), 120)
        assert process.poll() is None, log.read_text()
        yield Served(server or Server(""), process, log, log.read_text().partition(":")[0])
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)  # to the whole group, as a terminal does
        process.wait(timeout=40)
        wait_for(lambda: not living_in_session(process.pid), 40)


def living_in_session(session: int) -> list[str]:
    """Processes of a session that still run, whatever their group."""
    living = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            state, _, _, its_session = (
                stat.read_text(encoding="utf-8").rpartition(")")[2].split()[:4]
            )
            if int(its_session) == session and state != "Z":
                living.append(stat.parent.name)
    return living


@pytest.mark.slow
def test_a_schedule_builds_at_two_consecutive_minutes_and_a_run_between_them_builds_the_one_clip_that_was_added(
    server: Server, folder: Path, recipe: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    begun = time.monotonic()
    # One worker: the first two runs have 50 s in all, as ten seconds before its minute the last one
    # wants the schedule's one place.
    with serving(
        server, tmp_path / "home", store, f"folder={folder}", recipe, "* * * * *", workers=1
    ) as served:
        wait_for(lambda: len(served.scheduled_runs()) == 1, 90)
        after_the_first = contents(store)
        add_clip(folder, "new")
        third = served.start()
        assert served.state(third)["message"].startswith(
            f"snapshot 2 of {store}: 1 clip computed in "
        )
        added = contents(store).keys() - after_the_first.keys()
        assert sorted(file.partition("/")[0] for file in added if "tables" not in file) == [
            "shards",
            "snapshots",
        ]
        first, second = wait_for(
            lambda: runs if len(runs := served.scheduled_runs()) == 2 else None, 90
        )
    assert first["state"]["message"].startswith(f"snapshot 1 of {store}: 3 clips computed in ")
    assert second["state"]["message"] == f"nothing new: {store} is up to date, snapshot 2"
    assert second["total_run_time"] < 30
    due = [datetime.fromisoformat(run["expected_start_time"]) for run in (first, second)]
    assert due[1] - due[0] == timedelta(minutes=1)
    assert first["name"] == f"store, sound, {due[0].astimezone():%Y-%m-%d %H:%M}"
    assert verify(store).problems == []
    pages = server.ask(
        "/artifacts/filter",
        {"artifacts": {"key": {"any_": ["build-store"]}}, "sort": "CREATED_DESC"},
    )
    assert [text["data"].splitlines()[2].partition(":")[0] for text in pages] == [
        "Nothing new",
        f"Snapshot 2 of {store}",
        f"Snapshot 1 of {store}",
    ]
    assert time.monotonic() - begun < 200


@pytest.fixture(scope="module")
def by_hand(
    server: Server, built: Path, sample: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Served, Path]]:
    """A served store, built already, whose clock does not strike."""
    base = tmp_path_factory.mktemp("by_hand")
    store = Path(shutil.copytree(built, base / "store"))
    with serving(
        server,
        base / "home",
        store,
        f"sample={sample}",
        "demo",
        "0 0 1 1 *",
        [*QUICK[:2], "clips_per_shard=1"],
    ) as served:
        yield served, store


@pytest.mark.slow
def test_a_wrong_corpus_or_number_given_by_hand_is_refused_before_there_is_a_run(
    by_hand: tuple[Served, Path], sample: Path
) -> None:
    for wrong, words in (
        ({"corpora": {"sampl": str(sample)}}, "'sampl' is not one of"),
        ({"workers": 0}, "workers"),
        ({"recipe": 7}, "recipe"),
    ):
        with pytest.raises(urllib.error.HTTPError) as refused:
            by_hand[0].start(**wrong)
        assert refused.value.code in {409, 422}
        assert words in refused.value.read().decode()


@pytest.mark.slow
def test_a_wrong_recipe_given_by_hand_fails_with_its_sentence_and_without_a_traceback(
    by_hand: tuple[Served, Path],
) -> None:
    served, store = by_hand
    state = served.state(served.start(recipe="dmo", store=str(store.parent / "other")))
    assert state["type"] == "FAILED"
    assert state["message"].startswith("there is no recipe 'dmo': did you mean demo?")
    assert not (store.parent / "other").exists()
    assert "Traceback" not in served.log.read_text()


@pytest.mark.slow
def test_a_run_that_finds_the_store_taken_ends_cancelled_with_a_sentence(
    by_hand: tuple[Served, Path],
) -> None:
    served, store = by_hand
    with FileLock(store / ".lock"):
        state = served.state(served.start())
    assert state["type"] == "CANCELLED"
    assert state["message"].startswith(f"another build or split is writing to {store}")
    assert "Traceback" not in served.log.read_text()


@pytest.mark.slow
def test_a_run_beside_another_is_cancelled_and_a_cancelled_build_leaves_the_store_whole_for_the_next(
    by_hand: tuple[Served, Path],
) -> None:
    served, store = by_hand
    before = contents(store)
    changes = [*served.deployment["parameters"]["changes"], "features.frames.fps=5.0"]
    first = served.start(changes=changes)
    served.state(first, ["RUNNING"])
    second = served.state(served.start(changes=changes))
    assert (second["type"], second["message"]) == (
        "CANCELLED",
        "Deployment concurrency limit reached.",
    )
    wait_for(lambda: len(faces(store) - before.keys()) >= 2, 60)
    served.server.ask(f"/flow_runs/{first}/set_state", {"state": {"type": "CANCELLING"}})
    assert served.state(first)["type"] == "CANCELLED"
    assert verify(store).problems == []
    assert load_snapshot(store).number == 1
    after = contents(store)
    assert {file: after[file] for file in before} == before
    kept = faces(store) - before.keys()
    third = served.state(served.start(changes=changes))
    assert third["message"].startswith(f"snapshot 2 of {store}: ")
    assert len(faces(store) - before.keys()) > len(kept) > 0
    assert {file: contents(store)[file] for file in kept} == {file: after[file] for file in kept}
    assert verify(store).problems == []


def faces(store: Path) -> set[str]:
    return {
        path.relative_to(store).as_posix()
        for path in (store / "shards" / "faces").rglob("*.h5")
        if not path.name.startswith(".")
    }


@pytest.mark.slow
def test_a_command_that_is_killed_in_mid_build_takes_its_build_with_it(
    server: Server, sample: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    with serving(
        server,
        tmp_path / "home",
        store,
        f"sample={sample}",
        "demo",
        "0 0 1 1 *",
        [*QUICK[:2], "clips_per_shard=1"],
    ) as served:
        run = served.start()
        wait_for(lambda: list(store.rglob("*.h5")), 60)
        served.process.kill()
        wait_for(lambda: not living_in_session(served.process.pid), 40)
        assert served.server.ask(f"/flow_runs/{run}")["state"]["type"] == "CANCELLED"
    assert not (store / "dataset.json").exists()


@pytest.mark.slow
def test_a_run_that_was_cut_off_with_its_command_holds_up_no_later_one(
    server: Server, folder: Path, recipe: Path, tmp_path: Path
) -> None:
    given = (server, tmp_path / "home", tmp_path / "cut", f"folder={folder}", recipe, "0 0 1 1 *")
    with serving(*given) as served:
        cut = served.start()
        served.state(cut, ["RUNNING"])
        for process in living_in_session(served.process.pid):
            os.kill(int(process), signal.SIGKILL)
        assert served.state(cut, ["RUNNING"])
    with serving(*given) as served:
        assert served.state(cut)["type"] == "CRASHED"
        assert served.state(served.start())["type"] == "COMPLETED"


@pytest.mark.slow
def test_a_schedule_is_paused_while_nobody_serves_it_and_goes_on_with_the_next_command(
    server: Server, folder: Path, recipe: Path, tmp_path: Path
) -> None:
    store = tmp_path / "restarted"
    for _ in range(2):
        with serving(
            server, tmp_path / "home", store, f"folder={folder}", recipe, "0 0 1 1 *"
        ) as served:
            assert not served.deployment["paused"]
        assert served.deployment["paused"]
        assert served.process.returncode == 128 + signal.SIGINT
        assert served.log.read_text().endswith(
            "affectstore: stopped; what was finished is kept, run the same command again to go on\n"
        )


def test_an_interrupt_while_the_local_engine_starts_ends_all_at_once(
    folder: Path, recipe: Path, tmp_path: Path
) -> None:
    words = "starting the local Prefect engine"
    with serving(
        None,
        tmp_path / "home",
        tmp_path / "store",
        f"folder={folder}",
        recipe,
        "* * * * *",
        words=words,
    ) as served:
        wait_for(lambda: len(living_in_session(served.process.pid)) == 2, 20)
    assert served.process.returncode == 128 + signal.SIGINT
    assert (
        served.log.read_text()
        .splitlines()[-1]
        .startswith("affectstore: stopped; what was finished is kept")
    )
    assert "Traceback" not in served.log.read_text()


def refused_build(home: Path, corpus: str, *options: str) -> list[str]:
    """What a build says that must fail, and that leaves no process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "flows", "build", str(home / "store"), "--corpus", corpus, *options],
        env=environment(PREFECT_HOME=str(home)),
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )
    told = process.communicate(timeout=120)[1].splitlines()
    assert process.returncode == 2
    assert living_in_session(process.pid) == []
    return told


def test_a_mistake_is_told_while_the_local_engine_starts_which_ends_with_it(
    folder: Path, tmp_path: Path
) -> None:
    (told,) = refused_build(
        tmp_path, f"folder={folder}", "--recipe", "demo", "--set", "features.mfcc.n_mfc=3"
    )
    assert "did you mean n_mfcc?" in told


def test_a_server_that_a_profile_names_is_asked_and_no_local_engine_stays(
    folder: Path, tmp_path: Path
) -> None:
    # The local engine begins before Prefect can be asked for its profile.
    profiles = 'active = "lab"\n[profiles.lab]\nPREFECT_API_URL = "http://127.0.0.1:9/api"\n'
    (tmp_path / "profiles.toml").write_text(profiles, encoding="utf-8")
    (told,) = refused_build(tmp_path, f"folder={folder}", "--recipe", "demo")
    assert told.startswith(
        "affectstore: no Prefect server answers at PREFECT_API_URL=http://127.0.0.1:9/api"
    )
    assert not (tmp_path / "prefect.db").exists()


@pytest.mark.slow
def test_a_build_that_fails_tells_no_errors_of_the_engine_that_ends_with_it(
    folder: Path, recipe: Path, tmp_path: Path
) -> None:
    for number in range(400):  # enough tasks that the engine is still writing them down
        (folder / f"more{number}.wav").hardlink_to(folder / "clip0.wav")
    begin, end = refused_build(tmp_path, f"ravdess={folder}", "--recipe", str(recipe))
    assert begin.startswith("starting the local Prefect engine")
    assert end.startswith("affectstore: 403 of 403 clips are damaged (403 unknown_name)")


@pytest.mark.slow
def test_the_local_engine_leaves_overdue_runs_of_other_schedules_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of a schedule whose command was killed there may be hundreds; marking them as late locks the
    # database for the runs that are wanted.
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    with flows.local_server._process(schedules=True) as local:
        flows.local_server._bring_up(local)
        server = Server(local.url)
        overdue = {
            "type": "SCHEDULED",
            "state_details": {
                "scheduled_time": (datetime.now().astimezone() - timedelta(hours=1)).isoformat()
            },
        }
        flow = server.ask("/flows/", {"name": "gone"})["id"]
        runs = [
            server.ask("/flow_runs/", {"flow_id": flow, "state": overdue})["id"] for _ in range(3)
        ]
        time.sleep(12)  # Prefect looks for overdue runs every 5 s
        assert [server.ask(f"/flow_runs/{run}")["state_name"] for run in runs] == ["Scheduled"] * 3


@pytest.mark.slow
def test_a_local_engine_waits_for_another_one_to_start(tmp_path: Path) -> None:
    # Two on a new machine would both make the tables of the database, and one of them would fail.
    code = "from flows.local_server import engine\nwith engine(): print('up')"
    with FileLock(tmp_path / ".affectstore-engine.lock"):
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            env=environment(PREFECT_HOME=str(tmp_path)),
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        time.sleep(10)
        assert process.poll() is None
        assert not (tmp_path / "prefect.db").exists()
    assert process.communicate(timeout=120)[0] == "up\n"
    assert (tmp_path / "prefect.db").exists()


@pytest.mark.slow
def test_without_a_server_the_schedule_runs_on_the_local_engine_and_nothing_leaves_the_machine(
    folder: Path, recipe: Path, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(GUARD, encoding="utf-8")
    guard = {"PYTHONPATH": str(tmp_path), "NETWORK_LOG": str(tmp_path / "network.log")}
    store = tmp_path / "store"
    with serving(
        None, tmp_path / "home", store, f"folder={folder}", recipe, "* * * * *", **guard
    ) as served:
        assert "starting the local Prefect engine" in served.log.read_text()
        wait_for(
            lambda: "Finished in state Completed('snapshot 1 of" in served.log.read_text(), 100
        )
        assert "View at" not in served.log.read_text()
    assert not (tmp_path / "network.log").exists()
    assert served.process.returncode == 128 + signal.SIGINT
    assert verify(store).problems == []
