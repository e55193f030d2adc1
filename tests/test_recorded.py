"""Commands as runs of a Prefect server: sentence, page and log of each, and the same bytes."""

import importlib
import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flows.__main__ import app
from flows.recording import server_url
from flows.view.run_summary import artifact_key
from manifests.quarantine import Reason
from stores.location import StoreBusy, locate
from tests.support import fitted_made
from tests.support.commands import Command, build_arguments, living_in_session, wait_for
from tests.support.media_made import write
from tests.support.prefect_server import Server
from tests.support.store_files import contents, linked

NOBODY = "http://127.0.0.1:9/api"
"""Where no server answers."""


def flow(name: str) -> Any:
    """A Prefect flow; Prefect is imported by the tests that need it."""
    return getattr(importlib.import_module(f"flows.{name}"), name)


# On the server


def test_a_build_is_a_run_with_its_sentence_its_page_and_its_log_and_gives_the_same_bytes(
    prefect_server: Server, built: Path, sample: Path, tmp_path: Path, command: Command
) -> None:
    store = tmp_path / "store"
    arguments = [*build_arguments(store, sample, corpus="sample"), "--workers", 2]
    done = command(*arguments, environment={"PREFECT_API_URL": prefect_server.url})
    assert done.returncode == 0, done.stderr
    assert "snapshot 1 published" in done.stdout
    assert "not recorded" not in done.stderr
    assert contents(store) == contents(built)
    (run,) = prefect_server.runs_of(f"snapshot 1 of {store}: 8 clips computed in ")
    assert run["state"]["type"] == "COMPLETED"
    assert run["name"].startswith("store, demo, ")
    steps = {task["name"].partition(":")[0] for task in prefect_server.tasks(run["id"])}
    assert {"clips from 0", "shards-00000", "shards-00001"} <= steps
    (page,) = prefect_server.pages(artifact_key("build", locate(store)))
    assert "| absent by the corpus's rule (clips x features) | 6 |" in page
    for reason in (Reason.NO_FACE, Reason.TRUNCATED):
        (row,) = [line for line in page.splitlines() if f" | {reason} | " in line]
        assert row.startswith("| sample/0")
    wait_for(lambda: "9 clips listed, 9 of them to be read" in prefect_server.log(run["id"]), 20)


def test_a_split_a_fit_and_an_audit_are_runs_and_stores_of_one_folder_name_keep_apart(
    recorded: Server, processes: None, tmp_path: Path
) -> None:
    stores = [tmp_path / "a" / "store", tmp_path / "b" / "store"]
    for store in stores:
        fitted_made.make(store)
        invoke("split", store, "holdout", "--test", "s0", "--valid", "s1")
        invoke("audit", store, "--scheme", "holdout")
    invoke("fit", stores[0], "quarters", "--workers", 1)
    for store in stores:
        (run,) = recorded.runs_of(f"snapshot 2 of {store} has folds of holdout")
        assert run["name"].startswith("store, holdout, ")
        (page,) = recorded.pages(artifact_key("split", locate(store)))
        assert page.startswith(f"# holdout of {store}")
        (run,) = recorded.runs_of(f"{store}: HOLDS: no subjects are on two sides")
        (page,) = recorded.pages(artifact_key("audit", locate(store)))
        assert page.startswith(f"# Audit of {store}")
    (run,) = recorded.runs_of(f"snapshot 3 of {stores[0]}: 12 new states of quarters, 0 were there")
    assert {task["name"] for task in recorded.tasks(run["id"])} >= {
        "z, fold 0 of quarters",
        "even, fold 3 of quarters",
    }
    (page,) = recorded.pages(artifact_key("fit", locate(stores[0])))
    assert "12 states are new" in page
    assert recorded.pages(artifact_key("fit", locate(stores[1]))) == []


def invoke(*arguments: object) -> None:
    """A command, in this process."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, f"{done.output} {done.exception!r}"


@pytest.mark.parametrize("name", ["build", "split", "fit"])
def test_a_run_on_a_store_that_is_being_written_to_is_cancelled_and_raises_for_its_caller(
    recorded: Server, tmp_path: Path, name: str
) -> None:
    store = tmp_path / "store"
    fitted_made.make(store)
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.wav").touch()
    run: Callable[..., Any] = {
        "build": partial(flow("build"), store, {"folder": tmp_path / "clips"}, "demo", (), 1),
        "split": partial(flow("split"), store, "subject_kfold"),
        "fit": partial(flow("fit"), store, "quarters"),
    }[name]
    with locate(store).lock():
        state = run(return_state=True)
        assert state.is_cancelled()
        assert str(state.message).startswith(f"another build or split is writing to {store}")
        with pytest.raises(StoreBusy):
            run()


def test_a_run_that_asks_for_what_is_not_there_fails_with_a_sentence(
    recorded: Server, tmp_path: Path
) -> None:
    for state, what in (
        (flow("split")(tmp_path, "subject_kfold", return_state=True), "no committed store"),
        (flow("audit")([tmp_path], return_state=True), "no list of a split"),
    ):
        assert state.is_failed()
        assert f"holds {what}" in str(state.message)
        assert "\n" not in str(state.message)


def test_an_error_of_our_own_fails_the_run_with_its_traceback(
    recorded: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    split = flow("split")
    monkeypatch.setattr("flows.split.run_split", lambda *_: divmod(1, 0))
    state = split(tmp_path, "subject_kfold", return_state=True)
    assert state.is_failed()
    with pytest.raises(ZeroDivisionError):
        split(tmp_path, "subject_kfold")


def test_a_build_that_fails_on_the_server_ends_in_its_sentence_alone(
    prefect_server: Server, sample: Path, tmp_path: Path, command: Command
) -> None:
    clips = linked(sample, tmp_path / "clips")
    for number, path in enumerate(sorted(clips.rglob("*.mp4"))[1:]):
        path.rename(path.with_name(f"take{number}.mp4"))
    recipe = tmp_path / "sound.toml"
    recipe.write_text('[features.audio]\nextractor="audio"\n[features.mfcc]\nextractor="mfcc"\n')
    arguments = ["build", tmp_path / "store", "--corpus", f"ravdess={clips}", "--recipe", recipe]
    done = command(*arguments, environment={"PREFECT_API_URL": prefect_server.url})
    assert done.returncode == 2
    *progress, sentence = done.stderr.splitlines()
    assert [line for line in progress if not line.startswith(("reading ", "building "))] == []
    assert sentence.startswith("affectstore: 8 of 9 clips are damaged (8 unknown_name)")
    (run,) = prefect_server.runs_of("8 of 9 clips are damaged")
    assert run["state"]["type"] == "FAILED"


def test_an_interrupted_command_has_its_run_cancelled_and_leaves_no_process(
    prefect_server: Server, sample: Path, tmp_path: Path, command: Command
) -> None:
    store = tmp_path / "interrupted"
    arguments = ["build", store, "--corpus", f"sample={sample}", "--recipe", "demo"]
    process = command.start(
        *arguments,
        environment={"PREFECT_API_URL": prefect_server.url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    while not list(store.rglob("shards/*/*")):
        assert process.poll() is None, "the build ended before it could be interrupted"
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, words = process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGINT
    assert "affectstore: stopped" in words
    assert "Traceback" not in words
    wait_for(lambda: not living_in_session(process.pid), 10)
    runs = prefect_server.runs_of("interrupted; what was finished is kept")
    assert [run["name"].partition(",")[0] for run in runs] == ["interrupted"]
    assert [run["state"]["type"] for run in runs] == ["CANCELLED"]


# Where the address of a server is looked for


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("home/profiles.toml", f'active="lab"\n[profiles.lab]\nPREFECT_API_URL="{NOBODY}"\n'),
        ("prefect.toml", f'[api]\nurl = "{NOBODY}"\n'),
        ("pyproject.toml", f'[tool.prefect.api]\nurl = "{NOBODY}"\n'),
        (".env", f"PREFECT_API_URL={NOBODY}\n"),
    ],
    ids=["profile", "prefect.toml", "pyproject.toml", ".env"],
)
def test_a_server_that_a_file_names_is_asked(
    file: str, text: str, command: Command, tmp_path: Path
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / file).write_text(text, encoding="utf-8")
    (tmp_path / "clips").mkdir()
    write(tmp_path / "clips" / "a.wav", frames=0, audio_s=0.1, rate_hz=16000)
    home = {"PREFECT_HOME": str(tmp_path / "home")}
    arguments = build_arguments(tmp_path / "store", tmp_path / "clips")
    done = command(*arguments, environment=home, cwd=tmp_path)
    assert done.returncode == 2
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith(
        f"affectstore: no Prefect server answers at PREFECT_API_URL={NOBODY} within 5 s; "
    )
    assert not list(tmp_path.rglob("*.db"))


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("prefect.toml", "[logging]\nlevel = 'INFO'\n"),
        ("pyproject.toml", "[project]\ndependencies = ['prefect']\n"),
        (".env", "SOME_API_URL=http://127.0.0.1:9\n"),
    ],
)
def test_files_that_name_no_server_are_no_reason_to_import_prefect(
    file: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def imported() -> None:
        raise AssertionError("Prefect was asked")

    monkeypatch.setattr("flows.local_server.configured_url", imported)
    monkeypatch.chdir(tmp_path)
    (tmp_path / file).write_text(text, encoding="utf-8")
    assert server_url() is None
