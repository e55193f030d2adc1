"""Builds by the clock: on a real Prefect server on loopback, and on one that the command brings up
where there is none."""

import inspect
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

from flows.errors import BuildError
from flows.local_server import ServerError, local_server, reach, use_own_home
from flows.serve import ServeError, Service, deployment, local_zone, next_times, serve
from flows.view.run_summary import artifact_key
from manifests.corpora.catalog import CorpusNotFound
from stores.location import locate
from stores.snapshot import load_snapshot
from stores.verify import verify
from tests.support.commands import (
    QUICK,
    ROOT,
    Command,
    Python,
    living_in_session,
    refusal,
    wait_for,
)
from tests.support.media_made import write
from tests.support.prefect_server import Served, Server, serving, to_serve
from tests.support.store_files import contents, linked
from tests.support.watched import refused, watched

SOUND_ALONE = """\
[features.audio]
extractor = "audio"
[features.mfcc]
extractor = "mfcc"
"""
STOPPED = "affectstore: stopped; what was finished is kept, run the same command again to go on"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "sound.toml"
    path.write_text(SOUND_ALONE, encoding="utf-8")
    return path


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    for number in range(3):
        add_clip(tmp_path / "clips", f"clip{number}")
    return tmp_path / "clips"


def add_clip(folder: Path, name: str) -> None:
    folder.mkdir(exist_ok=True)
    write(folder / f"{name}.wav", frames=0, audio_s=0.5, rate_hz=16000)


# What is refused before anything is started


@pytest.fixture
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def started() -> None:
        raise AssertionError("a server was started")

    monkeypatch.setattr("flows.serve.local_server", started)


def test_a_bad_cron_expression_is_refused_first(
    no_server: None, clips: Path, recipe: Path, tmp_path: Path
) -> None:
    for cron in ("61 * * * *", "every night", "* * *", ""):
        with pytest.raises(ServeError, match="is not a cron expression; expected minute"):
            serve(tmp_path / "s", {"folder": clips}, str(recipe), (), cron, None, None)
    assert not (tmp_path / "s").exists()


def test_an_unknown_corpus_or_an_empty_folder_is_refused_first(
    no_server: None, clips: Path, recipe: Path, tmp_path: Path
) -> None:
    minute, store = "* * * * *", tmp_path / "s"
    with pytest.raises(BuildError, match="no corpus 'ravdes'; did you mean ravdess"):
        serve(store, {"ravdes": clips}, str(recipe), (), minute, None, None)
    with pytest.raises(CorpusNotFound, match="does not exist"):
        serve(store, {"folder": tmp_path / "nowhere"}, str(recipe), (), minute, None, None)


def test_no_handler_that_raises_is_set_before_the_server_is_up(
    monkeypatch: pytest.MonkeyPatch, clips: Path, recipe: Path, tmp_path: Path
) -> None:
    # Raised in the middle of one of its imports, an interrupt can come out of it as another error.
    def starting() -> None:
        assert [signal.getsignal(number) for number in kinds] == before
        raise ServerError("it was asked for")

    kinds = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in kinds]
    monkeypatch.setattr("flows.serve.local_server", starting)
    with pytest.raises(ServerError, match="it was asked for"):
        serve(tmp_path / "s", {"folder": clips}, str(recipe), (), "* * * * *", None, None)


def test_the_command_refuses_an_unknown_recipe_with_one_sentence(
    clips: Path, tmp_path: Path
) -> None:
    given = to_serve(tmp_path / "s", f"folder={clips}", "dmo", "* * * * *")
    sentence = refusal("serve", *given)
    assert sentence.startswith("affectstore: there is no recipe 'dmo': did you mean demo?")


def test_a_server_that_does_not_answer_is_one_sentence() -> None:
    words = (
        r"no Prefect server answers at PREFECT_API_URL=http://127\.0\.0\.1:9/api within 5 s; start"
    )
    with pytest.raises(ServerError, match=words):
        reach("http://127.0.0.1:9/api")


def test_two_commands_of_one_home_have_one_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    words = f"another `affectstore serve` has its Prefect server in {tmp_path}; set PREFECT_API_URL"
    with (
        FileLock(tmp_path / ".affectstore.lock"),
        pytest.raises(ServerError, match=words),
        local_server(),
    ):
        pass


def test_the_server_of_a_schedule_has_a_home_of_its_own_unless_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    own = tmp_path / "affectstore" / "prefect" / "store-demo-0000"
    for given, home in ((str(tmp_path / "named"), tmp_path / "named"), ("", own)):
        monkeypatch.setenv("PREFECT_HOME", given)
        use_own_home("store-demo-0000")
        assert os.environ["PREFECT_HOME"] == str(home)
        assert home.is_dir()


# Names, times, deployments


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


def test_deployments_of_prefect_yaml_are_flows_by_module_path_that_take_their_parameters() -> None:
    from prefect import Flow
    from prefect.flows import load_flow_from_entrypoint

    given = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))
    assert [one["name"] for one in given["deployments"]] == ["nightly", "split", "fit", "audit"]
    for one in given["deployments"]:
        assert "/" not in one["entrypoint"]
        flow = load_flow_from_entrypoint(one["entrypoint"])
        assert isinstance(flow, Flow)
        assert sys.modules[flow.fn.__module__].__file__ == str(ROOT / "flows" / f"{flow.name}.py")
        inspect.signature(flow.fn).bind(**one["parameters"])
        flow.validate_parameters(one["parameters"])


def test_importing_the_flows_starts_no_process_and_opens_no_connection(
    python: Python, tmp_path: Path
) -> None:
    environment = watched(tmp_path / "watched", processes=False)
    flows = "flows.serve, flows.build, flows.split, flows.fit, flows.audit"
    python("-c", f"import {flows}", environment=environment)
    assert refused(tmp_path / "watched") == []


# On a server


def test_a_schedule_brings_a_store_up_to_date_again_and_again(
    prefect_server: Server, command: Command, clips: Path, recipe: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    given = to_serve(store, f"folder={clips}", recipe, workers=1)
    with serving(command, prefect_server, tmp_path / "home", *given) as served:
        served.strike_every(20)  # beside the clock of the command, which does not strike
        first = served.scheduled_run(f"snapshot 1 of {store}: 3 clips computed in ")
        after_the_first = contents(store)
        add_clip(clips, "new")
        served.scheduled_run(f"snapshot 2 of {store}: 1 clip computed in ")
        served.scheduled_run(f"nothing new: {store} is up to date, snapshot 2")
    due = datetime.fromisoformat(first["expected_start_time"]).astimezone()
    assert first["name"] == f"store, sound, {due:%Y-%m-%d %H:%M}"
    added = contents(store).keys() - after_the_first.keys()
    assert sorted(file.partition("/")[0] for file in added if "tables" not in file) == [
        "shards",
        "snapshots",
    ]
    assert verify(store).problems == []
    pages = prefect_server.pages(artifact_key("build", locate(store)))
    firsts = {page.splitlines()[2].partition(":")[0] for page in pages}
    assert firsts == {"Nothing new", f"Snapshot 2 of {store}", f"Snapshot 1 of {store}"}


@pytest.fixture(scope="module")
def by_hand(
    prefect_server: Server, built: Path, sample: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Served, Path]]:
    """A served store, built already, whose clock does not strike."""
    base = tmp_path_factory.mktemp("by_hand")
    store, python = linked(built, base / "store"), Python(base / "home")
    changes = [*QUICK[:2], "clips_per_shard=1"]
    given = to_serve(store, f"sample={sample}", "demo", changes=changes)
    with serving(Command(python), prefect_server, base / "home", *given) as served:
        yield served, store
    python.end()


def test_a_wrong_corpus_or_number_given_by_hand_is_refused_before_there_is_a_run(
    by_hand: tuple[Served, Path], sample: Path
) -> None:
    wrong: dict[str, dict[str, object]] = {
        "'sampl' is not one of": {"corpora": {"sampl": str(sample)}},
        "workers": {"workers": 0},
        "recipe": {"recipe": 7},
    }
    for words, parameters in wrong.items():
        with pytest.raises(urllib.error.HTTPError) as refused:
            by_hand[0].start(**parameters)
        assert refused.value.code in {409, 422}
        assert words in refused.value.read().decode()


def test_a_wrong_recipe_given_by_hand_fails_with_its_sentence_and_without_a_traceback(
    by_hand: tuple[Served, Path],
) -> None:
    served, store = by_hand
    state = served.state(served.start(recipe="dmo", store=str(store.parent / "other")))
    assert state["type"] == "FAILED"
    assert state["message"].startswith("there is no recipe 'dmo': did you mean demo?")
    assert not (store.parent / "other").exists()
    assert "Traceback" not in served.log.read_text()


def test_a_run_that_finds_the_store_taken_ends_cancelled_with_a_sentence(
    by_hand: tuple[Served, Path],
) -> None:
    served, store = by_hand
    with locate(store).lock():
        state = served.state(served.start())
    assert state["type"] == "CANCELLED"
    assert state["message"].startswith(f"another build or split is writing to {store}")
    assert "Traceback" not in served.log.read_text()


def test_a_run_beside_another_is_cancelled_and_a_cancelled_build_leaves_a_sound_store_to_the_next(
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
    wait_for(lambda: len(faces(store) - before.keys()) >= 2, 90)
    served.server.ask(f"/flow_runs/{first}/set_state", {"state": {"type": "CANCELLING"}})
    assert served.state(first)["type"] == "CANCELLED"
    assert verify(store).problems == []
    assert load_snapshot(locate(store)).number == 1
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


def test_a_command_that_is_killed_in_mid_build_takes_its_build_with_it(
    prefect_server: Server, command: Command, sample: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    changes = [*QUICK[:2], "clips_per_shard=1"]
    given = to_serve(store, f"sample={sample}", "demo", changes=changes)
    with serving(command, prefect_server, tmp_path / "home", *given) as served:
        run = served.start()
        wait_for(lambda: list(store.rglob("*.h5")), 90)
        served.process.kill()
        wait_for(lambda: not living_in_session(served.process.pid), 60)
        assert served.server.ask(f"/flow_runs/{run}")["state"]["type"] == "CANCELLED"
    assert not (store / "dataset.json").exists()


def test_a_run_that_was_cut_off_with_its_command_holds_up_no_later_one_of_a_schedule_that_rested(
    prefect_server: Server, command: Command, clips: Path, recipe: Path, tmp_path: Path
) -> None:
    store = tmp_path / "cut"
    given = to_serve(store, f"folder={clips}", recipe)
    with serving(command, prefect_server, tmp_path / "home", *given) as served:
        assert not served.deployment["paused"]
        cut = served.start()
        served.state(cut, ["RUNNING"])
        for process in living_in_session(served.process.pid):
            os.kill(process, signal.SIGKILL)
        assert served.state(cut, ["RUNNING"])
    with serving(command, prefect_server, tmp_path / "home", *given) as served:
        assert served.state(cut)["type"] == "CRASHED"
        assert served.state(served.start())["type"] == "COMPLETED"
        assert not served.deployment["paused"]
    # While nobody serves it, a schedule rests.
    assert served.deployment["paused"]
    assert served.process.returncode == 128 + signal.SIGINT
    assert served.log.read_text().endswith(f"{STOPPED}\n")


# Without a server


def test_an_interrupt_while_the_local_server_starts_ends_all_at_once(
    processes: None, command: Command, clips: Path, recipe: Path, tmp_path: Path
) -> None:
    given = to_serve(tmp_path / "store", f"folder={clips}", recipe, "* * * * *")
    words = "starting a local Prefect server"
    with serving(command, None, tmp_path / "home", *given, words=words) as served:
        wait_for(lambda: len(living_in_session(served.process.pid)) >= 2, 20)
    assert served.process.returncode == 128 + signal.SIGINT
    assert served.log.read_text().splitlines()[-1] == STOPPED
    assert "Traceback" not in served.log.read_text()


def test_without_a_server_one_is_brought_up_that_leaves_nothing_behind(
    processes: None, command: Command, clips: Path, recipe: Path, tmp_path: Path
) -> None:
    store, home = tmp_path / "store", tmp_path / "home"
    own = {"HOME": str(home), "XDG_DATA_HOME": None, "PREFECT_HOME": None}
    own_home = home / ".local" / "share" / "affectstore" / "prefect"
    environment = own | watched(tmp_path / "watched", loopback=True)
    given = to_serve(store, f"folder={clips}", recipe, "* * * * *")
    with serving(command, None, tmp_path / "log", *given, **environment) as served:
        pages = served.pages_at
        with urllib.request.urlopen(pages, timeout=30) as answer:
            assert answer.headers["Content-Type"].startswith("text/html")
            assert b"<html" in answer.read().lower()
        server = Server(f"{pages}/api")
        overdue = overdue_runs(server)
        # The clock of the command strikes at the next minute.
        message = f"snapshot 1 of {store}: 3 clips computed in "
        begun = time.monotonic()
        wait_for(lambda: server.runs_of(message), 120)
        # Of a schedule whose command was killed there may be hundreds; marking them as late, every
        # 5 s, would lock the database for the runs that are wanted.
        time.sleep(max(0.0, 6 - (time.monotonic() - begun)))
        states = [server.ask(f"/flow_runs/{run}")["state_name"] for run in overdue]
        assert states == ["Scheduled"] * 3
        served.process.kill()
        wait_for(lambda: not living_in_session(served.process.pid), 60)
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(pages, timeout=5)
    assert refused(tmp_path / "watched") == []
    assert verify(store).problems == []
    assert [path.name for path in home.rglob("prefect.db")] == ["prefect.db"]
    assert (own_home / served.name / "prefect.db").exists()


def overdue_runs(server: Server) -> list[str]:
    an_hour_ago = (datetime.now().astimezone() - timedelta(hours=1)).isoformat()
    state = {"type": "SCHEDULED", "state_details": {"scheduled_time": an_hour_ago}}
    flow = server.ask("/flows/", {"name": "gone"})["id"]
    made = [server.ask("/flow_runs/", {"flow_id": flow, "state": state}) for _ in range(3)]
    return [run["id"] for run in made]
