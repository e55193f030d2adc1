"""Benchmarks import what there is, and run on a little data."""

import importlib
import os
import re
import sys
import time
from importlib.metadata import distribution
from pathlib import Path

import pytest
import torch

from benchmarks import gpu, training
from benchmarks.sound import SoundBench
from benchmarks.sound_scripts import NEEDS
from examples import kirar2024
from tests.support.commands import ROOT, Python

NAMES = sorted(path.stem for path in (ROOT / "benchmarks").glob("[!_]*.py"))
SMALL = ("--kind", "small", "--workers", "1")
DRY_RUNS = {
    "audio_features": [],
    "bench": ["{folder}", "--dry", "--workers", "1"],
    "build": ["{folder}", *SMALL, "--naive", "fast"],
    "chosen": ["{folder}", "--workers", "1", "--every", "23"],
    "clips": ["{folder}", "--count", "1"],
    "cuts": ["--pairs", "1"],
    "dask": [
        *("{folder}", "--kind", "small", "--clips", "8", "--only", "scheduling"),
        *("--server", "--way", "--workers 1", "--way", "--dask local:1"),
    ],
    "exports": ["{folder}", "--every", "900"],
    "engine": ["{folder}", "--dry", "--workers", "1"],
    "fitted": ["--steps", "20"],
    "floor": ["{folder}", "--kind", "small", "--clips", "2", "--rounds", "1"],
    "folds": ["--seeds", "1"],
    "near": ["--clips", "200"],
    "opening": [],
    "planning": ["--clips", "500", "--clips-per-shard", "64"],
    "read": ["{folder}", "--clips", "6", "--rounds", "2"],
    "report": ["--every", "300"],
    "remote": ["{folder}", "--clips", "6", "--rounds", "2"],
    "sound": [
        *("{folder}", "--clips", "12", "--rounds", "1", "--suffix", "wav", "--suffix", "m4a"),
        *("--way", "affectstore", "--way", "librosa", "--way", "lhotse"),
    ],
    "startup": ["{folder}", "--dry"],
    "scale": ["{folder}", "--dry"],
    "training": ["--device", "cpu", "--tiny"],
}


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_imports_what_there_is(name: str) -> None:
    assert callable(getattr(importlib.import_module(f"benchmarks.{name}"), "main", print))


def test_every_benchmark_that_is_run_by_hand_has_a_dry_run() -> None:
    helpers = {
        "adapted",
        "baseline",
        "naive",
        "page",
        "parts",
        "read_peers",
        "rows",
        "sound_scripts",
        "stand_ins",
        "timed",
        "watched",
    }  # which others run
    assert {*NAMES} == DRY_RUNS.keys() | helpers | {"audit", "gpu"}


@pytest.mark.long
@pytest.mark.parametrize("name", DRY_RUNS)
def test_a_benchmark_runs_on_a_little_data(name: str, python: Python, tmp_path: Path) -> None:
    folder = tmp_path / "benchmark"
    arguments = [option.format(folder=folder) for option in DRY_RUNS[name]]
    home = {"PREFECT_HOME": None}
    done = python("-m", f"benchmarks.{name}", *arguments, environment=home, timeout_s=1800)
    assert done.stdout.strip()


@pytest.mark.usefixtures("processes")
def test_a_library_that_does_not_import_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = (
        "try:\n    open('/nowhere')\nexcept OSError as error:\n    raise OSError('no') from error"
    )
    (tmp_path / "broken.py").write_text(broken)
    (tmp_path / "incomplete.py").write_text("import absent")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for name in ("broken", "incomplete", "absent", "wave"):
        monkeypatch.setitem(NEEDS, name, name)
    bench = SoundBench(tmp_path, tmp_path, 1)
    assert bench.lacks("broken").startswith("does not import: [Errno 2]")
    assert bench.lacks("incomplete") == "does not import: No module named 'absent'"
    assert bench.lacks("absent") == "not installed"
    assert not bench.lacks("wave")


@pytest.mark.long
def test_the_audit_of_a_million_rows_runs_on_some(python: Python) -> None:
    code = "import benchmarks.audit as audit; audit.ROWS = 3000; audit.main()"
    assert python("-c", code).stdout.count("within") == 3


def installed_alone(folder: Path, *names: str) -> Path:
    """A folder of packages that holds these, what they need, and nothing else."""
    folder.mkdir()
    wanted, known = list(names), set[str]()
    while wanted:
        name = wanted.pop()
        if name in known:
            continue
        known.add(name)
        found = distribution(name)
        needs = [one for one in found.requires or () if "extra ==" not in one]
        wanted += [match.group() for one in needs if (match := re.match(r"[\w.-]+", one))]
        for top in {Path(file).parts[0] for file in found.files or ()} - {".."}:
            link, target = folder / top, Path(str(found.locate_file(top)))
            if not link.exists() and target.exists():
                link.symlink_to(target)
    return folder


@pytest.mark.usefixtures("networks_of_real_size")
def test_training_is_timed_where_there_are_torch_numpy_and_h5py_alone(
    python: Python, tmp_path: Path
) -> None:
    site = installed_alone(tmp_path / "site", "torch", "numpy", "h5py")
    code = (
        "import importlib.util as u; "
        "assert not any(map(u.find_spec, ['pandas', 'pyarrow', 'pydantic', 'sklearn', 'cv2'])); "
        "from benchmarks.training import main; "
        "main(['--device', 'cpu', '--tiny', '--only', 'tcs2026'])"
    )
    home = {"PYTHONPATH": os.pathsep.join((str(site), str(ROOT)))}
    # -S: the packages of this Python are not looked for.
    done = python("-S", "-c", code, environment=home, timeout_s=300)
    lines = [line for line in done.stdout.splitlines() if line.startswith("tcs2026 ")]
    assert len(lines) == 5, done.stdout
    whole = next(line for line in lines if ", end to end" in line)
    parameters = [int(line[64:].split()[0].replace(",", "")) for line in lines]
    assert max(parameters) > 11_000_000, "the network is trained with the model"
    assert re.search(r"\d\.\d\d +1 of 1", whole), whole


@pytest.mark.usefixtures("networks_of_real_size")
def test_the_gpu_benchmark_runs_small_where_there_are_torch_numpy_h5py_and_opencv_alone(
    python: Python, tmp_path: Path
) -> None:
    site = installed_alone(tmp_path / "site", "torch", "numpy", "h5py", "opencv-python")
    assert not (site / "pyarrow").exists()
    script = str(ROOT / "benchmarks" / "gpu.py")
    home = {"PYTHONPATH": str(site)}
    done = python(
        "-S", script, "--device", "cpu", "--seconds", "1", environment=home, timeout_s=300
    )
    assert done.stdout.count("as it should be") == 3
    for way in ("raw crops, float32", "jpeg crops, bf16", "clips, bf16"):
        assert re.search(rf"{way} +\d[\d,]* +\d+% +\d+%\n", done.stdout), done.stdout


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is here")
def test_the_gpu_benchmark_says_where_there_is_no_gpu(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        gpu.main([])
    assert end.value.code == 2
    assert "torch finds no CUDA device here; install a torch for CUDA" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--device", "cpu"], "an epoch of the full models takes a processor hours"),
        (["--steps", "--bf16"], "--steps measures in float32"),
    ],
)
def test_what_training_cannot_measure_is_refused(
    given: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        training.main(given)
    assert end.value.code == 2
    assert said in capsys.readouterr().err


def test_every_model_of_every_recipe_has_its_features_generated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        training, "stand_in_for_ours", lambda _: None
    )  # the examples themselves are here
    titles = [job.title for job in training.chosen("kirar2024", tiny=True)]
    assert titles == [f"kirar2024  {name}" for name in kirar2024.MODELS]
    with pytest.raises(SystemExit) as end:
        training.main(["--device", "cpu", "--tiny", "--only", "nosuch"])
    assert end.value.code == 2
    assert "'nosuch'" in (said := capsys.readouterr().err)
    assert titles[0] in said


def test_the_share_of_time_in_which_the_gpu_works_is_what_nvidia_smi_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: None
) -> None:
    said = tmp_path / "nvidia-smi"
    said.write_text(f"#!{sys.executable}\nprint('100\\n40\\n[N/A]\\n70', flush=True)\n"
                    "import time; time.sleep(60)\n")  # fmt: skip
    said.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    load = training.Sampler()
    time.sleep(3)
    assert load.end() == pytest.approx(0.7)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert training.Sampler().end() is None
