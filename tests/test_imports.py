"""What a command that measures nothing must not import: whatever decodes, computes or draws.

Time is not measured here, since it depends on the machine: what is imported decides it.
"""

import ast
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import manifests.audit
import stores
from flows.splitting.run import run_split
from tests.support.commands import QUICK, options

HEAVY = (
    "av",
    "cv2",
    "ffmpeg",
    "imageio_ffmpeg",
    "librosa",
    "matplotlib",
    "mediapipe",
    "numba",
    "openvino",
    "scipy",
    "sklearn",
    "soxr",
    "torch",
)
"""Libraries that measuring needs; together they take seconds to import."""

RECIPES = """
from flows.recipe import load

for name in ("default", "demo"):
    recipe = load(name)
    assert all(spec.fingerprint for spec in recipe.graph.specs.values())
"""


def imported_by(code: str) -> list[str]:
    """The heavy libraries that a new process has imported after running some code."""
    asked = f"{code}\nimport sys; print(*sorted({{*sys.modules}} & {{*{HEAVY}}}))"
    done = subprocess.run(
        [sys.executable, "-c", asked],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
        check=True,
    )
    return done.stdout.split()


@pytest.mark.usefixtures("processes")
def test_specs_and_fingerprints_of_a_recipe_need_no_heavy_library() -> None:
    assert imported_by(RECIPES) == []


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize(
    "module",
    ["catalog", "fitted.catalog", "plan", "media", "batching", "engines", "frames", "augmentation"],
)
def test_no_module_that_other_rooms_import_brings_a_heavy_library(module: str) -> None:
    assert imported_by(f"import extractors.{module}") == []


# Commands

OF_SERVERS = ("dask", "distributed", "fastapi", "prefect", "sqlalchemy")
"""Libraries of flows that are recorded, and of clusters."""
RUN = f"""
import atexit, os, sys
wanted = {{*{HEAVY + OF_SERVERS}, *os.environ["ALSO"].split()}}
atexit.register(lambda: print("imported:", *sorted({{*sys.modules}} & wanted), file=sys.stderr))
from flows.__main__ import main
main()
"""


def imported_by_command(*words: str | Path, also: str = "") -> list[str]:
    """The heavy libraries, and others by name, that a command has imported when it ends."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, *map(str, words)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
        env={**os.environ, "ALSO": also},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    [line] = [one for one in done.stderr.splitlines() if one.startswith("imported:")]
    return line.split()[1:]


SET = " ".join(options(*QUICK))


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize(
    ("command", "also"),
    [
        ("--version", "numpy pandas pyarrow h5py"),
        ("build --help", "numpy pandas pyarrow h5py"),
        ("explain L7", "h5py"),
        ("list features", "h5py"),
        ("recipes", "h5py"),
        ("show STORE", "h5py"),
        ("verify STORE", "pandas"),
        ("audit STORE", ""),
        ("split STORE subject_kfold --folds 3", ""),
        ("build STORE --corpus CORPUS --recipe demo " + SET, ""),
        ("gc STORE --dry-run", "h5py"),
        ("export STORE --to csv OUT", ""),
    ],
)
def test_a_command_imports_nothing_heavy(
    command: str, also: str, store: Path, sample: Path, tmp_path: Path
) -> None:
    places = {"STORE": store, "CORPUS": f"sample={sample}", "OUT": tmp_path / "out"}
    if command.startswith("audit"):
        run_split(store, "subject_kfold", folds=3)
    words = [places.get(word, word) for word in command.split()]
    assert imported_by_command(*words, also=also) == []


# Workers

LATE = """
import json, sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from flows.building.libraries import libraries_for
from flows.building.probing import probe_clips
from flows.recipe import load
from manifests.corpora.catalog import CORPORA
recipe, root = load(sys.argv[1]), Path(sys.argv[2])
for name in libraries_for(recipe.graph):
    import_module(name)
before = {name.partition(".")[0] for name in sys.modules}
from extractors.plan import measure
[found, *_] = [one for one in CORPORA["sample"].scan(root) if one.clip.path.endswith("mp4")]
path = root / found.clip.path
[found] = probe_clips([found], [path], {}, recipe.decoding.limits)
encoders = recipe.graph.encoders(recipe.stored)
measure(recipe.graph, {*recipe.stored} - {*encoders}, found.clip, path, recipe.decoding)
print(*sorted(({name.partition(".")[0] for name in sys.modules} - before) & {*sys.argv[3:]}))
"""


@pytest.mark.usefixtures("processes")
def test_a_worker_is_forked_with_all_that_it_needs_of_libraries(sample: Path) -> None:
    """But for what networks run on, which starts threads."""
    done = subprocess.run(
        [sys.executable, "-c", LATE, "demo", str(sample), *HEAVY],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
        check=True,
    )
    assert done.stdout.split() == []


NO_MICROPHONE = """
import subprocess, sys
def refuse(event, arguments):
    if event == "subprocess.Popen":
        raise RuntimeError(f"{arguments[0]} is started")
sys.addaudithook(refuse)
from extractors.mediapipe_import import mediapipe
assert mediapipe.tasks.vision.FaceDetector
assert "sounddevice" not in sys.modules
"""


@pytest.mark.usefixtures("processes")
def test_mediapipe_starts_no_linker_to_look_for_a_microphone() -> None:
    assert imported_by(NO_MICROPHONE) != []


# Doors


@pytest.mark.parametrize("package", [stores, manifests.audit], ids=lambda package: package.__name__)
def test_a_door_hands_on_what_checkers_see_of_it(package: ModuleType) -> None:
    tree = ast.parse(Path(str(package.__file__)).read_text(encoding="utf-8"))
    [branch] = [node for node in tree.body if isinstance(node, ast.If)]
    [call] = [node for node in ast.walk(branch) if isinstance(node, ast.Call)]
    seen = {
        node.module: tuple(alias.name for alias in node.names)
        for node in branch.body
        if isinstance(node, ast.ImportFrom)
    }
    assert ast.literal_eval(call.args[1]) == seen
    assert sorted(name for names in seen.values() for name in names) == sorted(package.__all__)
    assert all(getattr(package, name) is not None for name in package.__all__)


def test_a_name_that_a_door_does_not_hand_on_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'stores' has no attribute 'Nothing'"):
        _ = stores.Nothing
