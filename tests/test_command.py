"""The command: what a user can cause is one plain sentence and exit code 2; what is sound works as
the README says."""

import contextlib
import io
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.__main__ import run
from tests.conftest import QUICK, write

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.usefixtures(
    "engine"
)  # a local engine for each command would take longer than the commands


def affectstore(*arguments: object, cwd: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "flows", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, timeout=240, check=False
    )


def refusal(*arguments: object) -> str:
    """The one sentence of a command that must fail; in this process, which has imported all that it
    needs."""
    words = io.StringIO()
    with contextlib.redirect_stderr(words), pytest.raises(SystemExit) as ended:
        run([str(argument) for argument in arguments])
    assert ended.value.code == 2, words.getvalue()
    lines = [line for line in words.getvalue().splitlines() if line.startswith("affectstore: ")]
    assert len(lines) == 1, words.getvalue()
    return lines[0]


def build_arguments(store: Path, folder: Path, *changes: str) -> list[object]:
    options = [part for change in (*QUICK, *changes) for part in ("--set", change)]
    return ["build", store, "--corpus", f"folder={folder}", "--recipe", "demo", *options]


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


def test_an_unknown_corpus_is_one_sentence(tmp_path: Path) -> None:
    assert "ravdess" in refusal(
        "build", tmp_path / "s", "--corpus", f"ravdes={tmp_path}", "--recipe", "demo"
    )


def test_a_corpus_without_a_folder_is_refused(tmp_path: Path) -> None:
    done = affectstore("build", tmp_path / "s", "--corpus", "folder")
    assert done.returncode == 2
    assert "NAME=FOLDER" in done.stderr


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


@pytest.mark.slow
def test_official_weights_that_are_neither_cached_nor_reachable_name_the_file_and_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    assert str(tmp_path / "torch") in sentence
    assert not (tmp_path / "s" / "dataset.json").exists()


def test_a_wrong_weights_file_is_one_sentence(tmp_path: Path) -> None:
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
    assert "subject_kfold" in refusal("split", built, "subject_kfolds")


def test_show_imports_no_heavy_library(built: Path) -> None:
    """Each of them costs seconds, and `show` is to answer at once."""
    heavy = "{'torch', 'cv2', 'prefect', 'librosa', 'openvino', 'mediapipe', 'av', 'scipy'}"
    code = f"""import sys
import time
sys.argv = ['affectstore', 'show', sys.argv[1]]
from flows.__main__ import main
try:
    main()
except SystemExit:
    print(sorted({heavy} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(built)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr


def test_show_prints_features_with_shapes_and_the_quarantine(built: Path) -> None:
    text = affectstore("show", built).stdout
    assert "(time, 120)" in text
    assert "untrained" in text
    assert "truncated" in text
    assert "no_face" in text


def test_verify_is_content_with_a_sound_store_and_not_with_a_changed_byte(
    built: Path, tmp_path: Path
) -> None:
    store = Path(shutil.copytree(built, tmp_path / "store"))
    assert affectstore("verify", store).returncode == 0
    shard = next((store / "shards" / "mfcc").rglob("*.h5"))
    data = bytearray(shard.read_bytes())
    data[-100] ^= 1
    shard.write_bytes(data)
    done = affectstore("verify", store)
    assert done.returncode == 1
    assert shard.name in done.stdout


def test_recipes_lists_and_prints() -> None:
    assert "default" in affectstore("recipes").stdout
    text = affectstore("recipes", "demo").stdout
    assert "n_mfcc = 40" in text
    assert "untrained" in text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_a_build_at_once_with_one_sentence_and_no_process_left(
    number: signal.Signals, sample: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    arguments = ["build", str(store), "--corpus", f"sample={sample}", "--recipe", "demo"]
    command = [sys.executable, "-m", "flows", *arguments]
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )
    while not list(store.rglob("shards/*/*")):
        assert process.poll() is None, "the build ended before it could be interrupted"
        time.sleep(0.05)
    os.killpg(process.pid, number)
    _, words = process.communicate(timeout=10)
    assert process.returncode == 128 + number
    assert words.splitlines()[-1].startswith("affectstore: stopped")
    end = time.monotonic() + 10
    while living_in_group(process.pid) and time.monotonic() < end:
        time.sleep(0.1)
    assert living_in_group(process.pid) == []


def living_in_group(group: int) -> list[str]:
    """Processes of a group that still run: the dead that nobody has waited for yet do not count."""
    living = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            state, _, its_group = stat.read_text(encoding="utf-8").rpartition(")")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                living.append(stat.parent.name)
    return living


@pytest.mark.slow
def test_a_file_that_cannot_grow_is_one_sentence_and_the_next_build_goes_on(
    sample: Path, tmp_path: Path
) -> None:
    arguments = [
        "build",
        str(tmp_path / "store"),
        "--corpus",
        f"sample={sample}",
        "--recipe",
        "demo",
    ]
    options = [part for change in QUICK for part in ("--set", change)]
    limited = [
        "bash",
        "-c",
        'ulimit -f 200; exec "$@"',
        "limited",
        sys.executable,
        "-m",
        "flows",
        *arguments,
        *options,
    ]
    done = subprocess.run(
        limited, capture_output=True, text=True, cwd=ROOT, timeout=240, check=False
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1].startswith("affectstore: File too large")
    assert not (tmp_path / "store" / "dataset.json").exists()
    assert affectstore(*arguments, *options).returncode == 0
    assert affectstore("verify", tmp_path / "store").returncode == 0


@pytest.mark.slow
def test_build_split_and_read_from_the_command(sample: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    options = [part for change in QUICK for part in ("--set", change)]
    done = affectstore("build", store, "--corpus", f"sample={sample}", "--recipe", "demo", *options)
    assert done.returncode == 0, done.stderr
    assert "snapshot 1 published" in done.stdout
    assert (
        "nothing new"
        in affectstore(
            "build", store, "--corpus", f"sample={sample}", "--recipe", "demo", *options
        ).stdout
    )
    split = affectstore("split", store, "subject_kfold", "--folds", "3")
    assert split.returncode == 0, split.stderr
    assert "fold 2" in split.stdout
