"""The command: what a user can cause is one plain sentence and exit code 2; what is sound works as
the README says."""

import os
import signal
import subprocess
import tempfile
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from flows.__main__ import run
from flows.errors import sentence
from tests.support.commands import (
    Command,
    Python,
    build_arguments,
    living_in_group,
    refusal,
    wait_for,
)
from tests.support.media_made import write


def test_a_missing_folder_is_one_sentence(tmp_path: Path) -> None:
    assert "does not exist" in refusal(*build_arguments(tmp_path / "s", tmp_path / "nowhere"))


def test_an_empty_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    assert "no media file" in refusal(*build_arguments(tmp_path / "s", tmp_path / "clips"))
    assert not (tmp_path / "s").exists()


def test_a_misspelt_recipe_key_is_one_sentence(tmp_path: Path) -> None:
    assert "did you mean n_mfcc?" in refusal(
        *build_arguments(tmp_path / "s", tmp_path, "features.mfcc.n_mfc=3")
    )


def test_an_unknown_corpus_is_one_sentence_with_the_nearest(tmp_path: Path) -> None:
    sentence = refusal(*build_arguments(tmp_path / "s", tmp_path, corpus="ravdes"))
    assert "there is no corpus 'ravdes'; did you mean ravdess? there are " in sentence
    sentence = refusal(*build_arguments(tmp_path / "s", tmp_path, corpus="nothing"))
    assert "there is no corpus 'nothing'; there are " in sentence


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["build", "s", "--corpus", "folder"], "NAME=FOLDER"),
        (["build", "s", "--corpus", "a=b", "--corpus", "a=c"], "given twice"),
        (["build", "s", "--corpus", "a=b", "--workers", "2", "--dask", "local:2"], "give one of"),
        (["audit", "s", "--labels", "ravdess8"], "add --probe"),
        (["audit"], "Missing argument"),
        (["list"], "Choose from: corpora, recipes, "),
        (["list", "rulez"], "for 'KIND': 'rulez' is not one of"),
        (["audit", "s", "--no-such-option"], "No such option"),
        (["audits", "s"], "No such command"),
    ],
)
def test_bad_usage_ends_with_a_sentence_and_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(arguments)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def test_a_library_that_is_not_installed_is_named_with_the_way_to_it() -> None:
    missing = ModuleNotFoundError("No module named 'psutil'", name="psutil")
    assert "psutil is not installed" in str(sentence(missing))
    assert "in a clone of affectstore: pip install" in str(sentence(missing))
    assert sentence(ModuleNotFoundError("No module named 'flows.x'", name="flows.x")) is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["build"], "Missing argument 'STORE'"),
        (["verify", "s", "--media", "all"], "give both, or neither"),
        (["verify", "s", "--media", "-1", "--corpus", "a=b"], "-1 is no number of clips"),
    ],
)
def test_bad_usage_is_words_and_exit_code_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(arguments)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("command", ["show", "verify", "split"])
def test_a_store_that_is_not_there_is_one_sentence(command: str, tmp_path: Path) -> None:
    extra = ["subject_kfold"] if command == "split" else []
    assert "affectstore build" in refusal(command, tmp_path / "nothing", *extra)


def test_a_store_of_a_newer_format_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text('{"format_version": 99, "snapshot": 1}')
    assert "99" in refusal("show", tmp_path)
    assert "99" in refusal(*build_arguments(tmp_path, _a_folder(tmp_path / "clips")))


def _a_folder(folder: Path) -> Path:
    folder.mkdir()
    write(folder / "one.mp4", frames=8)
    return folder


def test_official_weights_that_are_neither_cached_nor_reachable_name_the_file_and_the_place(
    processes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    # A proxy that nobody listens at: no connection can leave, and the answer comes at once.
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    sentence = refusal(
        "build",
        tmp_path / "s",
        "--corpus",
        f"folder={_a_folder(tmp_path / 'clips')}",
        "--recipe",
        "default",
    )
    assert "resnet50-11ad3fa6.pth" in sentence
    assert "--recipe demo, which needs no download" in sentence
    assert str(tmp_path / "torch") in sentence
    assert not (tmp_path / "s" / "dataset.json").exists()


def test_a_wrong_weights_file_is_one_sentence(processes: None, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pth"
    wrong.write_bytes(b"not weights")
    tables = {
        name: f'[features.{name}]\nextractor = "{name}"\n' for name in ("frames", "faces", "crops")
    }
    net = f'[features.net]\nextractor = "resnet"\ndepth = 18\nweights = "{wrong}"\n'
    (tmp_path / "mine.toml").write_text("".join(tables.values()) + net, encoding="utf-8")
    corpus = f"folder={_a_folder(tmp_path / 'clips')}"
    assert "wrong.pth" in refusal(
        "build", tmp_path / "s", "--corpus", corpus, "--recipe", tmp_path / "mine.toml"
    )


def test_an_unknown_scheme_lists_the_schemes(built: Path) -> None:
    assert "did you mean subject_kfold? there are " in refusal("split", built, "subject_kfolds")


def test_show_imports_no_heavy_library(built: Path, python: Python) -> None:
    """Each of them costs seconds, and `show` is to answer at once."""
    heavy = "{'torch', 'cv2', 'prefect', 'librosa', 'openvino', 'mediapipe', 'av', 'scipy'}"
    code = f"""import sys
sys.argv = ['affectstore', 'show', sys.argv[1]]
from flows.__main__ import main
try:
    main()
except SystemExit:
    print(sorted({heavy} & set(sys.modules)))
"""
    done = python("-c", code, built)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr


def test_show_prints_features_with_shapes_and_the_quarantine(
    built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(capsys, "show", built)
    assert "(time, 120)" in text
    assert "untrained" in text
    assert "truncated" in text
    assert "no_face" in text


def test_verify_is_content_with_a_sound_store_and_not_with_a_changed_byte(
    fragile: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed(capsys, "verify", fragile)
    shard = next((fragile / "shards" / "mfcc").rglob("*.h5"))
    data = bytearray(shard.read_bytes())
    data[-100] ^= 1
    shard.write_bytes(data)
    assert shard.name in printed(capsys, "verify", fragile, code=1)


def test_recipes_lists_and_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert "default" in printed(capsys, "recipes")
    text = printed(capsys, "recipes", "demo")
    assert "n_mfcc = 40" in text
    assert "untrained" in text


def printed(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> str:
    """What a command prints in this process, and its exit code."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        run([str(argument) for argument in arguments])
    out = capsys.readouterr()
    assert ended.value.code == code, out
    return out.out


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """One with a short name, below which a socket can lie."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def test_a_build_ends_well_where_the_name_of_tmpdir_is_too_long_for_a_socket(
    tmp_path: Path, command: Command
) -> None:
    clips, temporary = tmp_path / "clips", tmp_path / ("long" * 30)
    clips.mkdir()
    temporary.mkdir()
    with wave.open(str(clips / "a.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(np.arange(16000, dtype="<i2").tobytes())
    recipe = tmp_path / "sound.toml"
    recipe.write_text('about = "Sound."\n[features.audio]\nextractor = "audio"\nstore = true\n')
    words = ["build", tmp_path / "store", "--corpus", f"folder={clips}", "--recipe", recipe]
    done = command(*words, environment={"TMPDIR": str(temporary)})
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
    assert "snapshot 1 published" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_a_build_at_once_with_one_sentence_and_no_process_left(
    number: signal.Signals, sample: Path, tmp_path: Path, short_folder: Path, command: Command
) -> None:
    store, temporary = tmp_path / "store", short_folder
    arguments = ["build", store, "--corpus", f"sample={sample}", "--recipe", "demo"]
    process = command.start(
        *arguments,
        environment={"TMPDIR": str(temporary)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    while not list(store.rglob("shards/*/*")):
        assert process.poll() is None, "the build ended before it could be interrupted"
        time.sleep(0.05)
    os.killpg(process.pid, number)
    _, words = process.communicate(timeout=10)
    assert process.returncode == 128 + number
    assert words.splitlines()[-1].startswith("affectstore: stopped")
    wait_for(lambda: not living_in_group(process.pid), 10)
    assert not [*temporary.glob("pymp-*")]


def test_build_split_and_read_from_the_command_also_after_a_file_could_not_grow(
    sample: Path, tmp_path: Path, command: Command
) -> None:
    store = tmp_path / "store"
    build = build_arguments(store, sample, corpus="sample")
    limited = ("bash", "-c", 'ulimit -f 200; exec "$@"', "limited")
    full = command(*build, under=limited)
    assert full.returncode == 2, full.stderr
    assert full.stderr.splitlines()[-1].startswith("affectstore: File too large")
    assert not (store / "dataset.json").exists()
    done = command(*build)
    assert done.returncode == 0, done.stderr
    assert "snapshot 1 published" in done.stdout
    assert "nothing new" in command(*build).stdout
    split = command("split", store, "subject_kfold", "--folds", "3")
    assert split.returncode == 0, split.stderr
    assert "fold 2" in split.stdout
    assert command("verify", store).returncode == 0
