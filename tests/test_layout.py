"""The rooms and their doors: who may import whom, and what the distribution owns."""

import ast
import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

import manifests.audit

ROOT = Path(__file__).parents[1]
ROOMS = ("manifests", "extractors", "stores", "flows")
MAY_IMPORT = {
    "manifests": set(),
    "extractors": {"manifests"},
    "stores": {"manifests"},
    "flows": {"manifests", "extractors", "stores"},
}
ONLY_IN_FLOWS = {"prefect", "dask", "distributed", "typer", "pydantic", "rich"}
NOT_IN_MANIFESTS = {"torch", "cv2", "av", "h5py", "mediapipe", "openvino", "librosa", "scipy"}
ONLY_IN_STORES = {"numpy", "h5py", "pandas", "pyarrow", "manifests", "stores", "cv2", "fsspec"}


def imports_of(room: str) -> list[tuple[Path, str]]:
    """Every top-level name that a file of the room imports, wherever in the file."""
    found = []
    for path in sorted((ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found += [(path, alias.name.partition(".")[0]) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, (
                    f"{path} imports relatively; the four packages are imported by their full names"
                )
                found.append((path, (node.module or "").partition(".")[0]))
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_imports_run_one_way_only(room: str) -> None:
    forbidden = set(ROOMS) - MAY_IMPORT[room] - {room}
    assert [(str(path), name) for path, name in imports_of(room) if name in forbidden] == []


@pytest.mark.parametrize("room", ["manifests", "extractors", "stores"])
def test_only_flows_knows_the_engine(room: str) -> None:
    assert [(str(path), name) for path, name in imports_of(room) if name in ONLY_IN_FLOWS] == []


def test_only_the_flows_themselves_and_their_engine_import_prefect() -> None:
    assert {path.name for path, name in imports_of("flows") if name == "prefect"} == {
        "build.py",
        "split.py",
        "fit.py",
        "audit.py",
        "tasks.py",
        "engine.py",
        "serve.py",
    }


def test_openvino_is_imported_only_where_its_telemetry_is_cut_off() -> None:
    assert {path.name for path, name in imports_of("extractors") if name == "openvino"} == {
        "openvino_import.py",
        "engines.py",
    }


def test_manifests_reach_no_media_library() -> None:
    assert [
        (str(path), name) for path, name in imports_of("manifests") if name in NOT_IN_MANIFESTS
    ] == []


def test_the_audit_is_entered_by_its_public_door_alone() -> None:
    audit = ROOT / "manifests" / "audit"
    others = [
        path
        for folder in (*ROOMS, "examples", "benchmarks")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if not path.is_relative_to(audit)
    ]
    imports = [
        (str(path), node)
        for path in others
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("manifests.audit")
    ]
    assert [
        (path, node.module)
        for path, node in imports
        if node.module != "manifests.audits"
        and not (
            node.module == "manifests.audit"
            and {alias.name for alias in node.names} <= set(manifests.audit.__all__)
        )
    ] == []


def test_stores_need_nothing_but_the_readers_dependencies() -> None:
    assert [
        (str(path), name)
        for path, name in imports_of("stores")
        if name not in ONLY_IN_STORES | sys.stdlib_module_names
    ] == []


def test_only_one_module_of_stores_reaches_what_is_behind_a_url() -> None:
    assert {path.name for path, name in imports_of("stores") if name == "fsspec"} == {"remote.py"}


def test_reading_imports_nothing_of_the_pipeline() -> None:
    code = (
        "import sys, stores; print(sorted({name.partition('.')[0] for name in sys.modules} & "
        "set(sys.argv[1:])))"
    )
    pipeline = [
        "av",
        "botocore",
        "cv2",
        "dask",
        "extractors",
        "flows",
        "fsspec",
        "librosa",
        "mediapipe",
        "openvino",
        "prefect",
        "pydantic",
        "s3fs",
        "scipy",
        "torch",
        "typer",
    ]
    done = subprocess.run(
        [sys.executable, "-c", code, *pipeline],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_no_module_of_flows_bears_a_stdlib_name() -> None:
    assert {path.stem for path in (ROOT / "flows").glob("*.py")} & (
        sys.stdlib_module_names - {"__init__", "__main__"}
    ) == set()


@pytest.mark.parametrize("room", ROOMS)
def test_each_top_level_name_belongs_to_our_distribution_alone(room: str) -> None:
    assert set(importlib.metadata.packages_distributions()[room]) == {"affectstore"}


def test_the_distribution_is_not_for_a_public_index() -> None:
    assert "Private :: Do Not Upload" in importlib.metadata.metadata("affectstore").get_all(
        "Classifier", []
    )


def test_test_files_lie_flat() -> None:
    assert [
        str(path) for path in (ROOT / "tests").rglob("test_*.py") if path.parent.name != "tests"
    ] == []


def test_benchmarks_are_imported_by_nobody() -> None:
    assert [
        (str(path), name)
        for room in ROOMS
        for path, name in imports_of(room)
        if name in {"benchmarks", "examples", "tests"}
    ] == []
