"""Benchmarks import what there is, and run on a little data."""

import importlib
from pathlib import Path

import pytest

from tests.support.commands import ROOT, Python

NAMES = sorted(path.stem for path in (ROOT / "benchmarks").glob("[!_]*.py"))
SMALL = ("--kind", "small", "--workers", "1")
DRY_RUNS = {
    "audio_features": [],
    "build": ["{folder}", *SMALL, "--naive", "fast"],
    "clips": ["{folder}", "--count", "1"],
    "cuts": ["--pairs", "1"],
    "dask": [
        *("{folder}", "--kind", "small", "--clips", "8", "--only", "scheduling"),
        *("--server", "--way", "--workers 1", "--way", "--dask local:1"),
    ],
    "fitted": ["--steps", "20"],
    "folds": ["--seeds", "1"],
    "near": ["--clips", "200"],
    "opening": [],
    "planning": ["--clips", "500", "--clips-per-shard", "64"],
    "read": ["{folder}", "--clips", "6", "--rounds", "2"],
    "report": ["--every", "300"],
    "remote": ["{folder}", "--clips", "6", "--rounds", "2"],
}


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_imports_what_there_is(name: str) -> None:
    assert callable(getattr(importlib.import_module(f"benchmarks.{name}"), "main", print))


def test_every_benchmark_that_is_run_by_hand_has_a_dry_run() -> None:
    helpers = {"naive", "timed", "watched"}  # which others run
    assert {*NAMES} == DRY_RUNS.keys() | helpers | {"audit"}


@pytest.mark.long
@pytest.mark.parametrize("name", DRY_RUNS)
def test_a_benchmark_runs_on_a_little_data(name: str, python: Python, tmp_path: Path) -> None:
    folder = tmp_path / "benchmark"
    arguments = [option.format(folder=folder) for option in DRY_RUNS[name]]
    home = {"PREFECT_HOME": None}
    done = python("-m", f"benchmarks.{name}", *arguments, environment=home, timeout_s=600)
    assert done.stdout.strip()


@pytest.mark.long
def test_the_audit_of_a_million_rows_runs_on_some(python: Python) -> None:
    code = "import benchmarks.audit as audit; audit.ROWS = 3000; audit.main()"
    assert python("-c", code).stdout.count("within") == 3
